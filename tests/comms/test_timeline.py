import datetime as dt
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlmodel import Session, select

from billing import vault
from billing.keyring import Keyring
from billing.models import Address, Client, Contact, ContactAddress
from billing.store import Store
from bot.migrations import append_only
from comms import consent, timeline
from comms.models import ChainEntry, ChainHead, ConsentEvent, Decision, Expired, Touchpoint

NOW = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def at(minute: int) -> dt.datetime:
    return NOW + minute * MINUTE


def touchpoint(client_id: int, minute: int = 0, body_id: int | None = None) -> Touchpoint:
    return Touchpoint(
        client_id=client_id,
        channel="sms",
        direction="in",
        kind="reply",
        body_id=body_id,
        occurred_at=at(minute),
        recorded_at=at(minute + 1),
    )


def decision(client_id: int, minute: int = 0, verdict: str = "allow") -> Decision:
    return Decision(
        client_id=client_id,
        subject_kind="enrolment",
        subject_id=client_id,
        verdict=verdict,
        rule="step",
        inputs='{"open":120000}',
        decided_at=at(minute),
    )


def revoked(minute: int = 0) -> ConsentEvent:
    return ConsentEvent(
        address_id=1,
        change="revoked",
        method="keyword",
        source="sms",
        occurred_at=at(minute),
        recorded_at=at(minute),
    )


def people(session: Session) -> None:
    """Two clients with one phone, and a third with none."""
    session.add(Address(id=1, kind="sms", value="+12125550100", created_at=NOW))
    for client in (1, 2, 3):
        session.add(Client(id=client, key_id=f"client:{client}", name="", created_at=NOW))
        session.flush()
        session.add(Contact(id=client, client_id=client))
        session.flush()
    session.add(ContactAddress(contact_id=1, address_id=1))
    session.add(ContactAddress(contact_id=2, address_id=1))
    session.flush()


def talk(session: Session, keyring: Keyring) -> None:
    """Client 1: two touchpoints, a decision, a STOP (also client 2's) and a touchpoint."""
    timeline.append(session, touchpoint(1, 1))
    timeline.append(session, touchpoint(1, 2))
    timeline.decide(session, keyring, "client:1", decision(1, 3), "INV-1 is 30 days old")
    consent.record(session, revoked(4))
    timeline.append(session, touchpoint(1, 5))


@pytest.fixture
def spoken(store: Store, keyring: Keyring) -> Store:
    keyring.make(["client:1", "client:2", "client:3"], NOW)
    store.write_now(people)
    store.write_now(lambda session: talk(session, keyring))
    return store


def breaks(store: Store, client_id: int | None = None) -> list[tuple[int, int, str]]:
    with store.read() as session:
        found = list(timeline.verify(session, client_id))
    return [(one.client_id, one.seq, one.what) for one in found]


def behind(store: Store, *statements: str) -> None:
    """Do what the database refuses, as somebody with its files and a screwdriver would."""

    def force(session: Session) -> None:
        if store.sqlite:
            query = text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for name in list(session.execute(query).scalars()):
                session.execute(text(f"DROP TRIGGER {name}"))
        else:
            session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            session.execute(text(statement))

    store.write_now(force)


def kinds(store: Store, client_id: int) -> list[str]:
    query = select(ChainEntry.kind).where(ChainEntry.client_id == client_id)
    with store.read() as session:
        return list(session.exec(query.order_by(ChainEntry.seq)))  # type: ignore[arg-type]


def test_an_untouched_timeline_holds(spoken: Store) -> None:
    assert breaks(spoken) == []
    assert kinds(spoken, 1) == ["touchpoint", "touchpoint", "decision", "consent", "touchpoint"]


def test_a_stop_is_in_the_chain_of_everyone_with_that_phone(spoken: Store) -> None:
    assert kinds(spoken, 2) == ["consent"]
    assert kinds(spoken, 3) == []


def test_an_empty_timeline_holds(store: Store) -> None:
    assert breaks(store) == []
    assert breaks(store, 7) == []


PUT_IN = (
    "INSERT INTO touchpoint (id, client_id, seq, channel, direction, kind, body_digest, labels, "
    "occurred_at, recorded_at) SELECT 99, 2, 7, channel, 'out', kind, '', '', occurred_at, "
    "recorded_at FROM touchpoint WHERE id = 1"
)
CUT = "DELETE FROM chain_entry WHERE client_id = 1 AND seq = 5"
HEAD_MOVED = (
    "UPDATE chain_head SET seq = 4, hash = (SELECT hash FROM chain_entry WHERE client_id = 1 "
    "AND seq = 4) WHERE client_id = 1"
)
TAMPERING = {
    "an entry's digest": (
        "UPDATE chain_entry SET digest = digest || '0' WHERE client_id = 1 AND seq = 2",
        [(1, 2, "the entry was changed"), (1, 2, "its touchpoint 2 was changed")],
    ),
    "an entry's hash": (
        "UPDATE chain_entry SET hash = 'x' WHERE client_id = 1 AND seq = 2",
        [(1, 2, "the entry was changed"), (1, 3, "does not follow the entry before it")],
    ),
    "an entry's moment": (
        "UPDATE chain_entry SET occurred_at = recorded_at WHERE client_id = 1 AND seq = 2",
        [(1, 2, "the entry was changed")],
    ),
    "an entry in the middle dropped": (
        "DELETE FROM chain_entry WHERE client_id = 1 AND seq = 3",
        [(1, 3, "an entry is missing")],
    ),
    "the first entry dropped": (
        "DELETE FROM chain_entry WHERE client_id = 1 AND seq = 1",
        [(1, 1, "an entry is missing")],
    ),
    "the last entry dropped": (
        "DELETE FROM chain_entry WHERE client_id = 1 AND seq = 5",
        [(1, 5, "the chain ends at 4, its head says 5")],
    ),
    "all entries dropped": (
        "DELETE FROM chain_entry WHERE client_id = 1",
        [(1, 1, "the chain ends at 0, its head says 5")],
    ),
    "the head dropped": (
        "DELETE FROM chain_head WHERE client_id = 1",
        [(1, 6, "the chain ends at 5, its head says 0")],
    ),
    "a touchpoint changed": (
        "UPDATE touchpoint SET direction = 'out' WHERE id = 2",
        [(1, 2, "its touchpoint 2 was changed")],
    ),
    "a touchpoint moved to another client": (
        "UPDATE touchpoint SET client_id = 3 WHERE id = 2",
        [(1, 2, "its touchpoint 2 was changed"), (3, 0, "the touchpoint 2 is in no chain")],
    ),
    "a touchpoint put in": (
        PUT_IN,
        [(2, 0, "the touchpoint 99 is in no chain")],
    ),
    "the end cut off, and its head moved": (
        f"{CUT}; {HEAD_MOVED}",
        [(1, 0, "the touchpoint 3 is in no chain")],
    ),
    "a touchpoint dropped": (
        "DELETE FROM touchpoint WHERE id = 3",
        [(1, 5, "its touchpoint 3 is gone")],
    ),
    "a decision changed": (
        "UPDATE decision SET verdict = 'withhold'",
        [(1, 3, "its decision 1 was changed")],
    ),
    "a STOP taken back": (
        "UPDATE consent_event SET change = 'granted'",
        [(1, 4, "its consent 1 was changed"), (2, 1, "its consent 1 was changed")],
    ),
    "a STOP dropped": (
        "DELETE FROM consent_event",
        [(1, 4, "its consent 1 is gone"), (2, 1, "its consent 1 is gone")],
    ),
}


@pytest.mark.parametrize(("statement", "found"), TAMPERING.values(), ids=TAMPERING.keys())
def test_tampering_is_named(
    spoken: Store, statement: str, found: list[tuple[int, int, str]]
) -> None:
    behind(spoken, *statement.split("; "))
    assert breaks(spoken) == found


def test_entries_that_changed_places_are_named(spoken: Store) -> None:
    behind(
        spoken,
        "UPDATE chain_entry SET seq = 99 WHERE client_id = 1 AND seq = 1",
        "UPDATE chain_entry SET seq = 1 WHERE client_id = 1 AND seq = 2",
        "UPDATE chain_entry SET seq = 2 WHERE client_id = 1 AND seq = 99",
    )
    assert {(1, 1, "the entry was changed"), (1, 2, "the entry was changed")} <= set(breaks(spoken))


def test_a_break_is_found_in_its_own_client_only(spoken: Store) -> None:
    behind(spoken, "UPDATE touchpoint SET direction = 'out' WHERE id = 2")
    assert breaks(spoken, 1) == [(1, 2, "its touchpoint 2 was changed")]
    assert breaks(spoken, 2) == []


@pytest.mark.parametrize(("minute", "found"), [(4, []), (3, [(1, 3, "its decision 1 is gone")])])
def test_only_a_decision_that_policy_let_go_may_be_gone(
    spoken: Store, minute: int, found: list[tuple[int, int, str]]
) -> None:
    expired = Expired(kind="decisions", before=at(minute), recorded_at=NOW)
    spoken.write_now(lambda session: session.add(expired))
    behind(spoken, "DELETE FROM decision")
    assert breaks(spoken) == found


def test_erasing_a_body_breaks_nothing(spoken: Store, keyring: Keyring) -> None:
    def say(session: Session) -> None:
        body_id = vault.put(session, keyring, "client:3", "our lawyer says no", NOW)
        timeline.append(session, touchpoint(3, body_id=body_id))

    spoken.write_now(say)
    keyring.destroy("client:3")
    assert breaks(spoken) == []


def test_a_body_swapped_in_the_vault_no_longer_fits_its_touchpoint(
    spoken: Store, keyring: Keyring
) -> None:
    def say(session: Session) -> str:
        body_id = vault.put(session, keyring, "client:3", "I will pay", NOW)
        return timeline.append(session, touchpoint(3, body_id=body_id)).body_digest

    digest = spoken.write_now(say)
    with spoken.read() as session:
        found = timeline.latest(session, 3)[0]
        assert found.body_digest == digest == vault.digest(session, found.body_id)


def test_the_same_decision_again_is_not_written_again(spoken: Store, keyring: Keyring) -> None:
    def decide(session: Session, verdict: str, minute: int) -> Decision | None:
        it = decision(1, minute, verdict)
        return timeline.decide(session, keyring, "client:1", it, "why")

    assert spoken.write_now(lambda session: decide(session, "allow", 10)) is None
    assert spoken.write_now(lambda session: decide(session, "withhold", 11)) is not None
    assert spoken.write_now(lambda session: decide(session, "withhold", 12)) is None
    assert spoken.write_now(lambda session: decide(session, "allow", 13)) is not None
    assert breaks(spoken) == []


def test_the_latest_come_first(spoken: Store) -> None:
    spoken.write_now(lambda session: timeline.append(session, touchpoint(1, -60)))
    with spoken.read() as session:
        found = [one.seq for one in timeline.latest(session, 1, limit=3)]
        everything = [one.seq for one in timeline.latest(session, 1)]
    assert found == [5, 2, 1]
    assert everything == [5, 2, 1, 6]


def chain(store: Store) -> list[tuple[int, int, str]]:
    query = select(ChainEntry.client_id, ChainEntry.seq, ChainEntry.hash)
    with store.read() as session:
        return sorted((client, seq, hash_) for client, seq, hash_ in session.exec(query))


def converse(session: Session) -> None:
    people(session)
    for minute in range(3):
        timeline.append(session, touchpoint(1, minute))
    east = dt.timezone(dt.timedelta(hours=13))
    elsewhere = touchpoint(2)
    elsewhere.occurred_at = NOW.astimezone(east)
    timeline.append(session, elsewhere)
    it = decision(3)
    it.digest = "d"
    timeline.link(session, 3, it)
    consent.record(session, revoked(4))


def test_the_same_rows_have_the_same_hash_on_both_databases(
    sqlite_store: Store, postgres_store: Store
) -> None:
    sqlite_store.write_now(converse)
    postgres_store.write_now(converse)
    assert len(chain(sqlite_store)) == 7
    assert chain(sqlite_store) == chain(postgres_store)
    assert breaks(sqlite_store) == breaks(postgres_store) == []


def test_the_hash_of_a_known_row_never_changes(sqlite_store: Store) -> None:
    """A changed canonical form would make every chain of every firm a broken one."""

    def first(session: Session) -> str:
        people(session)
        timeline.append(session, touchpoint(1))
        return session.get_one(ChainHead, 1).hash

    assert sqlite_store.write_now(first) == KNOWN


KNOWN = "f0fd86ef199240f70d8b009c3a62ae89ad726849adba039014be861558c4b4ad"

Said = tuple[int, str, int]
SAID = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3]),
        st.sampled_from(["touchpoint", "decision", "consent"]),
        st.integers(-10_000, 10_000),
    ),
    min_size=1,
    max_size=12,
)


def say_all(session: Session, keyring: Keyring, said: Sequence[Said]) -> None:
    for number, (client, kind, minute) in enumerate(said):
        if kind == "touchpoint":
            timeline.append(session, touchpoint(client, minute))
        elif kind == "consent":
            consent.record(session, revoked(minute))
        else:
            it = decision(client, minute, f"verdict {number}")
            timeline.decide(session, keyring, f"client:{client}", it, "why")


@given(said=SAID, which=st.integers(0, 1000))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_whatever_was_said_holds_until_one_entry_is_lost(
    spoken: Store, keyring: Keyring, said: list[Said], which: int
) -> None:
    def lose(session: Session) -> None:
        say_all(session, keyring, said)
        assert list(timeline.verify(session)) == []
        if spoken.sqlite:
            session.execute(text("DROP TRIGGER chain_entry_no_delete"))
        else:
            session.execute(text("SET LOCAL session_replication_role = replica"))
        entries = session.exec(select(ChainEntry.client_id, ChainEntry.seq)).all()
        client, seq = sorted(entries)[which % len(entries)]
        session.execute(
            text("DELETE FROM chain_entry WHERE client_id = :client AND seq = :seq"),
            {"client": client, "seq": seq},
        )
        raise _Lost((client, seq), list(timeline.verify(session)))

    with pytest.raises(_Lost) as lost:
        spoken.write_now(lose)
    assert {one.client_id for one in lost.value.found} == {lost.value.entry[0]}
    assert min(one.seq for one in lost.value.found) == lost.value.entry[1]


class _Lost(Exception):
    """Carries what was found out of a transaction that is to leave nothing."""

    def __init__(self, entry: tuple[int, int], found: list[timeline.Break]) -> None:
        super().__init__(entry, found)
        self.entry = entry
        self.found = found


def test_the_tables_under_test_are_the_ones_that_only_grow() -> None:
    assert {"chain_entry", "touchpoint", "consent_event"} <= set(append_only.GROWING)
    assert "decision" in append_only.EXPIRING
