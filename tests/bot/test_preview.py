"""Does a preview tell what then happens, and touch nothing?"""

import asyncio
import csv
import datetime as dt
import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, SQLModel
from typer.testing import CliRunner

from billing import ledger
from billing.clock import TurnedClock
from billing.facts import AgreementDescribed, InvoiceDisputed
from billing.models import Client, Hold
from billing.store import Store
from bot import cli, worker
from bot.app import App
from bot.preview import copying, crowd
from bot.preview.course import Asked
from bot.preview.entry import What
from bot.replay.channel import Paper
from bot.report import Report, Wrong, silent
from comms import outreach
from comms.models import Audience, Message
from tests import factories
from tests.bot.looking import DAY, KEY, ahead, client, content, entries, opened, owing
from tests.conftest import Database
from tests.factories import NOON, Known


@pytest.fixture
def app(sqlite_database: Database) -> Iterator[App]:
    with opened(sqlite_database) as app:
        yield app


@pytest.fixture
def either(database: Database) -> Iterator[App]:
    with opened(database) as app:
        yield app


def live_through(app: App, until: dt.datetime) -> list[tuple[Any, ...]]:
    """What the production code sends when those days really pass, onto paper."""
    running = replace(app, channels={name: Paper(name) for name in ("email", "sms", "slack")})
    clock = app.clock
    assert isinstance(clock, TurnedClock)

    async def live() -> None:
        await worker.drain(running)
        while (moment := next_due(running.store)) is not None and moment < until:
            clock.turn(moment)
            await worker.drain(running)

    asyncio.run(live())
    sent = factories.messages(app.store, audience=Audience.CLIENT)
    return sorted(
        (one.sent_at, one.client_id, one.channel, one.template)
        for one in sent
        if one.sent_at is not None
    )


def next_due(store: Store) -> dt.datetime | None:
    with store.read() as session:
        return worker.next_due(session)


def test_what_is_previewed_is_what_then_happens(either: App) -> None:
    shared = {"phone": factories.PHONE}
    for number, days in enumerate((10, 31, 46, 61, 25), 1):
        owing(either, number, days=days, **(shared if number > 3 else {}))
    found = entries(ahead(either, 40), What.MESSAGE)
    told = sorted((one["at"], one["client_id"], one["channel"], one["template"]) for one in found)
    happened = live_through(either, NOON + 40 * DAY)
    assert told == happened
    assert len(told) > 8


def test_a_preview_leaves_every_row_as_it_was(either: App) -> None:
    owing(either, 1)
    noted = client(either, 2, phone=factories.PHONE)
    either.store.write_now(lambda session: factories.note(session, either.keyring, noted, NOON))
    before = content(either.store)
    report = ahead(either, 40)
    assert len(entries(report)) > 3
    assert content(either.store) == before


def test_a_preview_leaves_no_file(app: App, tmp_path: Path, monkeypatch: Any) -> None:
    owing(app)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "here"))
    ahead(app)
    assert list((tmp_path / "here").iterdir()) == []


def test_a_step_says_when_it_goes_and_how_much_it_asks_for(app: App) -> None:
    owing(app, days=29)
    first, *_ = entries(ahead(app), What.MESSAGE)
    assert (first["day"], first["step"], first["channel"]) == (NOON.date() + DAY, 1, "email")
    assert (first["amount"], first["currency"]) == (31_000, "USD")


def test_the_last_step_goes_to_its_owner_with_the_amount(app: App) -> None:
    owing(app, days=58)
    report = ahead(app, 40)
    [handed] = entries(report, What.ESCALATION)
    assert handed["amount"] == 31_000
    assert handed["rule"] == "escalation_due"
    assert handed["day"] > entries(report, What.MESSAGE)[-1]["day"]


def test_what_is_held_is_told_with_its_reason_from_the_first_day(app: App) -> None:
    known = owing(app)
    until = NOON + 5 * DAY

    def hold(session: Session) -> None:
        hold = Hold(client_id=known.client_id, reason="paused", placed_by="x", placed_at=NOON)
        hold.until = until
        session.add(hold)
        session.flush()
        outreach.advance_client(session, app.office(), known.client_id)

    app.store.write_now(hold)
    report = ahead(app)
    first = entries(report)[0]
    assert (first["what"], first["standing"], first["at"]) == (What.HOLD, True, NOON)
    assert first["rule"] in ("held", "paused")
    assert first["reason"]
    assert all(one["at"] >= until for one in entries(report, What.MESSAGE))


def test_what_is_disputed_is_held_and_says_why(app: App) -> None:
    known = owing(app, days=20)

    def contest(session: Session) -> None:
        told = InvoiceDisputed(
            source="test", external_id="D-1", client_external_id=known.name,
            invoice_number="INV-1", amount=None, opened_on=NOON.date(),
        )  # fmt: skip
        ledger.apply(session, told, NOON, iter(()))
        outreach.advance_client(session, app.office(), known.client_id)

    app.store.write_now(contest)
    report = ahead(app)
    [held] = entries(report)
    assert (held["what"], held["rule"], held["standing"]) == (What.HOLD, "disputed", True)
    assert "INV-1 is disputed" in held["reason"]


def test_a_holiday_is_a_hold_until_the_next_working_day(app: App) -> None:
    """19 January 2026 is Martin Luther King's day; the step is due on it."""
    owing(app, days=17)
    report = ahead(app, 20)
    sent = entries(report, What.MESSAGE)[0]
    assert sent["day"] == dt.date(2026, 1, 20)
    [held] = [one for one in entries(report, What.HOLD) if one["rule"] == "quiet_hours"]
    assert held["day"] == dt.date(2026, 1, 19)
    assert held["until"] == sent["at"]


def test_a_closed_door_lets_nothing_go_and_the_preview_says_so(app: App) -> None:
    owing(app, days=29)
    app.store.write_now(lambda session: factories.switch(session, NOON, "closed"))
    closed = ahead(app)
    assert entries(closed, What.MESSAGE) == []
    assert {one["rule"] for one in entries(closed, What.HOLD)} == {"not_live"}
    assert "--as-if-live" in " ".join(closed.lines)
    opened = ahead(app, as_if_live=True)
    assert len(entries(opened, What.MESSAGE)) == 1
    assert "nothing goes until" in " ".join(opened.lines)


def test_what_staff_typed_is_judged_and_goes(either: App) -> None:
    known = client(either, phone=factories.PHONE)
    later = NOON + DAY
    either.store.write_now(
        lambda session: factories.note(session, either.keyring, known, NOON, send_after=later)
    )
    [text_] = entries(ahead(either), What.MESSAGE)
    assert (text_["at"], text_["channel"], text_["purpose"]) == (later, "sms", "staff_text")


def test_one_client_is_previewed_with_whom_it_shares_a_phone(app: App) -> None:
    """The other's text comes first and spends the budget of the phone."""
    first = owing(app, 1, phone=factories.PHONE, email=None)
    second = owing(app, 2, phone=factories.PHONE, email=None)
    report = ahead(app, client=second.name)
    assert {one["client_id"] for one in entries(report)} == {second.client_id}
    sent = entries(report, What.MESSAGE)[0]
    assert sent["at"] == live_through_for(ahead(app), second)
    assert first.client_id != second.client_id


def live_through_for(whole: Report, known: Known) -> dt.datetime:
    mine = [one for one in entries(whole, What.MESSAGE) if one["client_id"] == known.client_id]
    first: dt.datetime = mine[0]["at"]
    return first


def test_a_message_on_the_wire_counts_as_arrived(app: App) -> None:
    known = owing(app)
    [message] = factories.messages(app.store, client_id=known.client_id, channel="email")

    def on_the_wire(session: Session) -> None:
        row = session.get_one(Message, message.id)
        row.state, row.claimed_at, row.lease_id = "sending", NOON, "x"

    app.store.write_now(on_the_wire)
    found = entries(ahead(app, 30), What.MESSAGE)
    assert [one["step"] for one in found] == [2]


def test_a_renewal_waits_while_something_is_overdue(app: App) -> None:
    known = owing(app)

    def agree(session: Session) -> None:
        told = AgreementDescribed(
            source="test", external_id="A-1", client_external_id=known.name, name="Retainer",
            kind="retainer", amount=90_000, currency="USD",
            renews_on=NOON.date() + 31 * DAY,
        )  # fmt: skip
        ledger.apply(session, told, NOON, iter(()))

    app.store.write_now(agree)
    report = ahead(app, 20)
    held = [one for one in entries(report, What.HOLD) if one["purpose"] == "renewal"]
    assert {one["rule"] for one in held} == {"overdue"}
    assert held[0]["amount"] == 90_000
    assert not [one for one in entries(report, What.MESSAGE) if one["purpose"] == "renewal"]


def test_clients_who_share_an_address_are_never_torn_apart() -> None:
    families = [[1, 2, 3], [4], [5], [6, 7]]
    lots = crowd.lots_of(families * 200, most=4)
    assert len(lots) == 4
    assert sum(map(len, lots)) == 1400
    assert max(map(len, lots)) - min(map(len, lots)) <= 3


def test_many_clients_come_in_lots_of_bounded_size() -> None:
    lots = crowd.lots_of([[one] for one in range(3 * crowd.MOST + 1)], most=2)
    assert len(lots) == 4
    assert max(map(len, lots)) <= crowd.MOST


def test_lots_apart_see_what_one_lot_sees(either: App) -> None:
    """Each lot opens the store itself; what it is given and gives crosses to another process."""
    for number in range(1, 5):
        owing(either, number, days=20 + number)
    asked = Asked(NOON, 20)
    with either.store.read() as session:
        families = copying.families(session)
    whole = crowd.lived(either, asked, families, silent)
    settings, given = pickle.loads(pickle.dumps((either.settings, asked)))
    lots = [crowd._lot(settings, given, lot, silent) for lot in ([1, 2], [3, 4])]
    apart = crowd._added(pickle.loads(pickle.dumps(lots)))
    assert [one.plain for one in apart.entries] == [one.plain for one in whole.entries]
    assert len(whole.entries) > 3


def test_every_table_that_names_clients_is_cut_down_to_some() -> None:
    """A table that nobody thought of is either copied with its clients or small and the firm's."""
    for table in SQLModel.metadata.sorted_tables:
        if "client_id" in table.c and table.name not in copying.WITHOUT:
            assert copying.of_clients(table) is not None, table.name
    assert {table.name for table in SQLModel.metadata.sorted_tables} >= copying.WITHOUT


def test_a_spreadsheet_has_every_entry_and_no_formula(app: App, tmp_path: Path) -> None:
    known = owing(app, days=29)

    def name(session: Session) -> None:
        session.get_one(Client, known.client_id).name = "=HYPERLINK(1)"

    app.store.write_now(name)
    report = ahead(app, csv=tmp_path / "ahead.csv")
    with (tmp_path / "ahead.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(entries(report))
    assert rows[0]["client"] == "'=HYPERLINK(1)"


def test_a_client_that_nobody_knows_is_refused(app: App) -> None:
    with pytest.raises(Wrong, match="nothing called Nobody"):
        ahead(app, client="Nobody")


def test_the_command_prints_days_or_json(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", app.settings.database_url)
    monkeypatch.setenv("COUNTERFOIL_KEYRING_URL", str(app.settings.keyring_url))
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY", KEY)
    owing(app, days=31)
    shown = CliRunner().invoke(cli.app, ["preview", "--days", "10"])
    assert shown.exit_code == 0
    assert "Day by day" in shown.output
    assert "Assumed: nobody pays" in shown.output
    printed = CliRunner().invoke(cli.app, ["preview", "--days", "10", "--json"])
    assert json.loads(printed.stdout)["totals"]["messages"] == 1
    wrong = CliRunner().invoke(cli.app, ["preview", "--days", "9999"])
    assert wrong.exit_code == 2
