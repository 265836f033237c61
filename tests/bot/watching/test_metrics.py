"""What Prometheus reads is there, bounded, true, and says nothing of anybody."""

import datetime as dt
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlmodel import Session

from bot import schedule
from bot.models import Incoming
from bot.watching import metrics
from bot.watching.metrics import Meters, Scrape
from comms.models import State
from tests import factories
from tests.factories import Product

ROOT = Path(__file__).parents[3]
OPS = ROOT / "docs" / "ops"
_NAME = re.compile(r"\b(?:counterfoil|process)_[a-z_]+")
Labels = dict[str, str]


@pytest.fixture
async def product(database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        yield running


@pytest.fixture
async def one(sqlite_database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(sqlite_database, tmp_path) as running:
        yield running


def scrape(product: Product) -> Scrape:
    app = product.app
    return Scrape(app.meters, app.store, app.spool, app.channels)


def samples(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def value(product: Product, name: str, **labels: str) -> float | None:
    found = samples(scrape(product).text(product.clock.now()))
    return found.get((f"counterfoil_{name}", frozenset(labels.items())))


async def test_a_queue_is_counted_and_its_age_is_that_of_its_first(product: Product) -> None:
    known = product.known()
    for minutes in (1, 10):
        product.note(known, send_after=product.clock.now() - dt.timedelta(minutes=minutes))
    assert value(product, "messages", state="queued", channel="sms") == 2
    assert value(product, "message_oldest_seconds", state="queued", channel="sms") == 600


async def test_what_is_held_is_counted_by_its_rule(product: Product) -> None:
    known = product.known()
    product.note(known, state=State.HELD, rule="quiet_hours")
    product.note(known, state=State.HELD, rule="promised")
    product.note(known, state=State.HELD, rule="promised")
    assert value(product, "held_messages", rule="promised") == 2
    assert value(product, "held_messages", rule="quiet_hours") == 1


async def test_what_waits_to_be_understood_is_counted(product: Product) -> None:
    then = product.clock.now() - dt.timedelta(minutes=3)
    product.write(lambda s: s.add(Incoming(source="email", external_id="x", received_at=then)))
    assert value(product, "incoming", state="pending") == 1
    assert value(product, "incoming_oldest_seconds", state="pending") == 180
    assert value(product, "feed_silence_seconds", source="email") == 180


async def test_decisions_are_counted_from_their_rows_once(product: Product) -> None:
    known = product.known()
    product.reminder(known)
    counted = metrics.Since()

    def now() -> dict[tuple[str, str], int]:
        with product.store.read() as session:
            return dict(counted.counted(session))

    assert now() == {}
    await product.settle()
    assert now() == {}  # up to the scrape before
    after = now()
    assert after["allow", "all_places_pass"] == 1
    assert now() == after


async def test_a_try_on_the_wire_is_counted_by_how_it_ended(one: Product) -> None:
    one.reminder(one.known())
    await one.settle()
    assert value(one, "attempts_total", channel="email", outcome="sent", code="") == 1
    assert value(one, "rows_moved_total", kind="deliver") == 1


async def test_an_answer_is_kept_for_a_moment(one: Product) -> None:
    kept, known = scrape(one), one.known()
    before = kept.rows(one.clock.now())
    one.note(known)
    assert kept.rows(one.clock.now()) is before


async def test_a_count_stops_where_it_would_become_dear(
    one: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = one.known()
    for _ in range(4):
        one.note(known)
    monkeypatch.setattr(metrics, "MOST", 3)
    assert value(one, "messages", state="queued", channel="sms") == 3


async def test_counts_come_from_an_index_alone(one: Product) -> None:
    query = metrics._queue(State.QUEUED, "sms", metrics.MOST).compile(
        one.store.engine, compile_kwargs={"literal_binds": True}
    )

    def plan(session: Session) -> str:
        rows = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")
        return " ".join(str(row) for row in rows)

    with one.store.read() as session:
        assert "COVERING INDEX message_due" in plan(session)


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("30003", "30003"),
        ("5.7.1", "5.7.1"),
        ("channel_not_found", "channel_not_found"),
        ("", ""),
        ("+12125550123", "other"),
        ("12125550123", "other"),
        ("ann@client.example", "other"),
        ("we know nobody of that name", "other"),
        ("x" * 41, "other"),
    ],
)
def test_a_label_is_a_code_or_nothing(code: str, label: str) -> None:
    assert metrics.word(code) == label


def test_two_apps_count_apart() -> None:
    one, other = Meters(), Meters()
    one.tried("sms", "sent")
    labels = {"channel": "sms", "outcome": "sent", "code": ""}
    assert one.registry.get_sample_value("counterfoil_attempts_total", labels) == 1
    assert other.registry.get_sample_value("counterfoil_attempts_total", labels) is None


async def whole(product: Product) -> str:
    """A scrape after something of every kind has happened."""
    known = product.known()
    product.note(known, state=State.HELD, rule="held")
    product.note(known, state=State.IN_DOUBT)
    product.write(lambda s: s.add(Incoming(source="email", external_id="x", received_at=NOW)))
    product.app.meters.refused("sms", "30003")
    product.app.meters.findings.labels("queue_late").set(0)
    product.reminder(known)
    await schedule.once(product.app)
    await product.post("/hooks/email", b"x", {})
    async with aiohttp.ClientSession() as client, client.get(f"{product.url}/metrics") as answer:
        assert answer.status == 200
        return await answer.text()


NOW = factories.NOON


def asked() -> dict[str, str]:
    board = json.loads((OPS / "dashboard.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return {"alerts.yml": (OPS / "alerts.yml").read_text(), "dashboard.json": "\n".join(queries)}


@pytest.mark.parametrize("file", ["alerts.yml", "dashboard.json"])
async def test_what_the_files_ask_for_is_there(one: Product, file: str) -> None:
    text = await whole(one)
    there = {
        sample.name for family in text_string_to_metric_families(text) for sample in family.samples
    } | set(re.findall(r"# TYPE (\S+)", text))
    there |= {f"{name}_total" for name in there} | {"counterfoil_decisions_total"}
    named = set(_NAME.findall(asked()[file]))
    assert len(named) > 8
    assert named <= there


def test_every_panel_says_what_it_shows() -> None:
    board = json.loads((OPS / "dashboard.json").read_text())
    shown = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert all(panel["title"] and panel["description"] and panel["targets"] for panel in shown)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_alert_says_what_to_do() -> None:
    text = (OPS / "alerts.yml").read_text()
    alerts = text.split("- alert: ")[1:]
    assert len(alerts) > 10
    for alert in alerts:
        assert all(f"{word}:" in alert for word in ("expr", "summary", "action", "severity"))


@pytest.mark.parametrize("file", ["nginx.conf", "Caddyfile"])
def test_the_proxies_let_nobody_read_metrics(file: str) -> None:
    text = (ROOT / "ops" / file).read_text()
    assert "/metrics" not in text
    assert re.search(r"(?:return|respond) 404", text)
