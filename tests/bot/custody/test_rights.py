"""Who asks about their data is answered in time, with everything, and every look is recorded."""

import datetime as dt
import html
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from billing import obligations, vault
from billing.models import Client, RightsRequest
from bot.app import App
from bot.custody import export, legalholds, nightly, processors, rights
from bot.report import Wrong, silent
from bot.settings import Settings
from bot.staff import grants
from comms import timeline
from comms.models import Access, Message, Touchpoint
from tests import factories
from tests.bot.canary import CANARIES, fill, opened
from tests.factories import NOON, Known

CLIENT = "Quillfeather Holdings"
JANUARY = dt.date(2026, 1, 31)


@pytest.fixture
def app(sqlite_database: Any, tmp_path: Path) -> Iterator[App]:
    app = opened(sqlite_database.url, sqlite_database.keyring_url, tmp_path)
    app.store.write_now(lambda session: fill(session, app))
    with closing(app.store), closing(app.keyring):
        yield app


@pytest.mark.parametrize(
    ("received", "due", "extended"),
    [
        (JANUARY, "2026-02-28", "2026-04-30"),
        (dt.date(2026, 3, 15), "2026-04-15", "2026-06-15"),
        (dt.date(2024, 11, 30), "2024-12-30", "2025-02-28"),
    ],
)
def test_an_answer_is_due_in_a_month_and_two_more_with_notice(
    received: dt.date, due: str, extended: str
) -> None:
    assert str(obligations.due(received, "DE-BE")) == due
    assert str(obligations.due(received, "DE-BE", extended=True)) == extended


def test_a_californian_waits_for_no_longer_than_their_own_law_says() -> None:
    march = dt.date(2026, 3, 1)
    assert obligations.due(march, "US-CA", extended=True) == march + dt.timedelta(days=90)


def test_only_a_collector_must_keep_the_record() -> None:
    assert obligations.keeps(("b2b_first_party",), JANUARY) is None
    found = obligations.keeps(("third_party_collector",), JANUARY)
    assert found is not None
    assert (found[1], found[0].id) == (dt.date(2029, 1, 31), "us_collection_records")
    assert "not yet confirmed by counsel" in found[0].cited


async def begun(app: App, received: str = "2026-01-02", kind: str = "access") -> int:
    asked = {"client": CLIENT, "kind": kind, "received": received, "by": "cli:root"}
    return int((await rights.open_(app, asked, silent)).data["request"])


async def test_a_case_has_a_clock(app: App) -> None:
    number = await begun(app)
    with app.store.read() as session:
        [row] = rights.listed(session, app.office()).data["cases"]
    assert (row["case"], row["due"], row["left"]) == (number, "2026-02-02", 27)


async def test_it_is_extended_once_with_what_the_person_was_told(app: App) -> None:
    number = await begun(app)
    asked = {"request": number, "reason": "many records", "by": "cli"}
    with pytest.raises(Wrong, match="what the person was told"):
        await rights.extend(app, asked | {"reason": ""}, silent)
    assert (await rights.extend(app, asked, silent)).data["due"] == "2026-04-02"
    with pytest.raises(Wrong, match="once is all"):
        await rights.extend(app, asked, silent)


async def test_why_it_took_longer_is_kept_beside_why_it_was_refused(app: App) -> None:
    """The second word took the place of the first, which the person had been told as well."""
    number = await begun(app)
    await rights.extend(app, {"request": number, "reason": "many records"}, silent)
    refused = {"request": number, "outcome": "refused", "reason": "not them"}
    await rights.close(app, refused, silent)
    with app.store.read() as session:
        row = session.exec(select(RightsRequest)).one()
        assert vault.text(session, app.keyring, row.note_id) == "many records\nnot them"


async def test_it_is_not_extended_after_its_day(app: App) -> None:
    number = await begun(app, "2025-12-01")
    with pytest.raises(Wrong, match="answer it now"):
        await rights.extend(app, {"request": number, "reason": "late"}, silent)


async def test_a_late_case_makes_the_answer_no(app: App) -> None:
    number = await begun(app, "2025-12-01")
    with app.store.read() as session:
        assert rights.listed(session, app.office()).code == 1
    closed = {"request": number, "outcome": "refused", "reason": "not them"}
    await rights.close(app, closed, silent)
    with app.store.read() as session:
        assert rights.listed(session, app.office()).data["cases"] == []
        row = session.exec(select(RightsRequest)).one()
        assert vault.text(session, app.keyring, row.note_id) == "not them"


async def test_a_refusal_needs_its_reason(app: App) -> None:
    number = await begun(app)
    with pytest.raises(Wrong, match="--reason"):
        await rights.close(app, {"request": number, "outcome": "refused"}, silent)


def alerts(session: Session) -> list[str]:
    query = select(Message.destination).where(Message.template == "rights")
    return list(session.exec(query.order_by(Message.id)))  # type: ignore[arg-type]


async def test_compliance_is_told_in_slack_before_it_is_due_and_once_more_when_late(
    app: App,
) -> None:
    asked = {"email": "c@harrow.example", "roles": ["compliance"], "slack": "U0COMPLY"}
    await grants.grant(app, asked, silent)
    await begun(app, "2026-01-02")
    await nightly.tidy(app)
    with app.store.read() as session:
        assert alerts(session) == []
    for now in (NOON + dt.timedelta(days=20), NOON + dt.timedelta(days=28)):
        app.clock.turn(now)  # type: ignore[attr-defined]
        await nightly.tidy(app)
        await nightly.tidy(app)
    with app.store.read() as session:
        assert alerts(session) == ["U0COMPLY", "U0COMPLY"]


async def test_finance_is_told_where_nobody_of_compliance_is_in_slack(app: App) -> None:
    await begun(app, "2025-12-01")
    with app.store.read() as session:
        assert alerts(session) == [app.office().finance]


async def test_the_alert_has_a_card(app: App) -> None:
    await begun(app, "2025-12-01")
    with app.store.read() as session:
        message = session.exec(select(Message).where(Message.template == "rights")).one()
        card = app.cards(session, app.office(), message)
    assert card is not None
    assert card.text == "Quillfeather Holdings asked what we hold of them"


# --- the export -----------------------------------------------------------------------------------


def gathered(app: App) -> dict[str, Any]:
    with app.store.read() as session:
        client = session.get_one(Client, 2)
        return export.gather(session, app.office(), client, processors.register(app.settings))


def test_everything_that_is_held_is_in_both_files(app: App, tmp_path: Path) -> None:
    files = export.write(gathered(app), tmp_path / "out")
    for path in files:
        said = html.unescape(path.read_text()).casefold()
        assert [one for one in CANARIES if one not in said] == [], path
        assert path.stat().st_mode & 0o777 == 0o600
    assert "northwind" not in files[0].read_text().casefold()


def test_a_program_can_read_it(app: App, tmp_path: Path) -> None:
    found = json.loads(export.write(gathered(app), tmp_path)[0].read_text())
    assert found["unchanged_since_it_was_recorded"]
    assert found["tables"]["touchpoint"][0]["body"] == "the canary sings"
    assert found["tables"]["invoice"][0]["amount"] == 50_000


def test_a_person_reads_money_as_people_write_it(app: App) -> None:
    assert "500.00" in "".join(export.page(gathered(app)))


def test_a_copy_is_never_written_over_another(app: App, tmp_path: Path) -> None:
    export.write(gathered(app), tmp_path)
    with pytest.raises(Wrong, match="name another folder"):
        export.write(gathered(app), tmp_path)


@pytest.mark.parametrize("fault", ["one of them is there", "the writing fails"])
def test_half_a_copy_is_left_nowhere(app: App, tmp_path: Path, fault: str) -> None:
    found, there = gathered(app), list[Path]()
    if fault == "the writing fails":
        found["made_at"] = None
    else:
        there = [tmp_path / f"client-{found['client']}.html"]
        there[0].write_text("kept")
    with pytest.raises((Wrong, TypeError)):
        export.write(found, tmp_path)
    assert list(tmp_path.glob("client-*")) == there


def test_what_a_client_wrote_is_text_and_no_markup(app: App) -> None:
    def rename(session: Session) -> None:
        session.get_one(Client, 2).name = "<script>alert(1)</script>"

    app.store.write_now(rename)
    assert "<script>alert" not in "".join(export.page(gathered(app)))


def test_what_is_sealed_stays_sealed_wherever_it_stands(app: App) -> None:
    def said(session: Session) -> None:
        words = '{"visible": "advice of counsel"}'
        body = vault.put(session, app.keyring, "client:canary", words, NOON)
        it = Touchpoint(
            client_id=2, channel="email", direction="in", kind="reply", labels="privileged",
            incoming_id=1, body_id=body, occurred_at=NOON, recorded_at=NOON,
        )  # fmt: skip
        timeline.append(session, it)

    app.store.write_now(said)
    found = gathered(app)
    assert "advice of counsel" not in json.dumps(found)
    assert found["tables"]["touchpoint"][1]["body"] == export.SEALED
    assert found["tables"]["incoming"][0]["body"] == export.SEALED


@pytest.mark.parametrize("state", ["awaiting", "cancelled"])
def test_what_was_written_to_them_and_not_let_go_is_not_told(app: App, state: str) -> None:
    def write(session: Session) -> None:
        words = "Our counsel advises us to settle the Bram suit before trial, and not to say so."
        known = Known("canary", 2, 2, None, None, "", "")
        row = {"channel": "email", "words": words, "state": state}
        factories.note(session, app.keyring, known, NOON, **row)

    app.store.write_now(write)
    draft = gathered(app)["tables"]["message"][-1]
    assert (draft["state"], draft["draft"]) == (state, export.SEALED)


async def test_why_evidence_is_kept_is_not_told(app: App) -> None:
    asked = {"client": CLIENT, "matter": "Okapi v. Tapir", "reason": "we sue them", "by": "cli"}
    await legalholds.place(app, asked, silent)
    [held] = gathered(app)["tables"]["legal_hold"]
    assert (held["matter"], held["note"]) == (export.SEALED, export.SEALED)


async def test_the_look_is_a_link_of_the_chain_before_anything_is_shown(app: App) -> None:
    asked = {"client": CLIENT, "by": "cli:root"}
    assert (await rights.exported(app, asked, silent)).data == {"client": 2}
    with app.store.read() as session:
        look = session.exec(select(Access).where(Access.client_id == 2)).one()
        assert (look.change, look.by, look.touchpoint_id) == ("exported", "cli:root", None)
        assert list(timeline.verify(session)) == []


async def test_only_compliance_and_admins_answer_a_person(app: App) -> None:
    asked = {"email": "am@harrow.example", "roles": ["finance"]}
    await grants.grant(app, asked, silent)
    with pytest.raises(Wrong, match="needs the role compliance or admin"):
        await rights.exported(app, {"client": CLIENT, "by": "am@harrow.example"}, silent)


# --- processors -----------------------------------------------------------------------------------


def test_who_else_has_something_is_named_with_what_they_call_it(app: App) -> None:
    def sent(session: Session) -> None:
        message = session.exec(select(Message).where(Message.client_id == 2)).one()
        message.provider_id, message.state = "SM0123", "sent"
        message.channel = "sms"

    app.store.write_now(sent)
    [held] = gathered(app)["processors"]
    assert (held["processor"], held["messages"]) == ("Twilio", ("SM0123",))
    assert "400 days" in held["keeps"]


def test_the_firm_says_what_it_has_signed_and_adds_its_own(tmp_path: Path) -> None:
    file = tmp_path / "processors.toml"
    file.write_text(
        '[processors.twilio]\nsigned = ["BAA", "DPA"]\n'
        '[processors.host]\nname = "Our host"\nholds = "disks"\nkeeps = "never"\n'
        'ask = "nothing"\nas_of = 2026-01-01\n'
    )
    found = processors.register(Settings(processors_file=file))
    assert found["twilio"].agreed == ("BAA", "DPA")
    assert found["twilio"].name == "Twilio"
    assert list(found) == ["slack", "twilio", "relay", "host"]


@pytest.mark.parametrize(
    ("written", "named"),
    [
        ("[processors.twilio]\nsingned = []\n", "singned"),
        ("[processors.new]\nname = 'x'\n", "holds"),
        ("processors = 3\n", "write tables like"),
        ("[", "cannot be used"),
    ],
)
def test_a_mistake_in_the_register_is_named(tmp_path: Path, written: str, named: str) -> None:
    file = tmp_path / "processors.toml"
    file.write_text(written)
    with pytest.raises(Wrong, match=named):
        processors.register(Settings(processors_file=file))
