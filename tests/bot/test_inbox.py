import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import Session, select

from billing import policy, vault
from billing.keyring import KeyGone, Keyring
from billing.models import Vault
from billing.store import Store
from bot import inbox
from bot.inbox import Inbox, Parcel, unpacked
from bot.models import Incoming
from tests.factories import NOON

HELLO = Parcel("email", "m1", b"Hello", "a=1")


@pytest.fixture
def box(store: Store, keyring: Keyring) -> Inbox:
    return Inbox(store, keyring, policy.default())


def rows(store: Store) -> list[Incoming]:
    with store.read() as session:
        return list(session.exec(select(Incoming).order_by(Incoming.id)))  # type: ignore[arg-type]


async def test_what_arrived_is_kept_as_it_came(box: Inbox, store: Store, keyring: Keyring) -> None:
    assert await box.receive(HELLO, NOON)
    (row,) = rows(store)
    with store.read() as session:
        packed = vault.get(session, keyring, inbox.body_of(row))
    assert unpacked(row.source, row.external_id, packed) == HELLO
    assert (row.state, row.received_at, row.next_attempt_at) == ("pending", NOON, NOON)


async def test_the_same_again_changes_nothing(box: Inbox, store: Store) -> None:
    assert await box.receive(HELLO, NOON)
    for _ in range(3):
        assert not await box.receive(HELLO, NOON + dt.timedelta(days=2))
    assert len(rows(store)) == 1
    with store.read() as session:
        assert len(session.exec(select(Vault)).all()) == 1


async def test_the_same_at_once_is_kept_once(box: Inbox, store: Store) -> None:
    kept = await asyncio.gather(*(box.receive(HELLO, NOON) for _ in range(16)))
    assert sorted(kept) == [False] * 15 + [True]
    assert len(rows(store)) == 1
    with store.read() as session:
        assert len(session.exec(select(Vault)).all()) == 1


async def test_one_that_cannot_be_kept_does_not_fail_those_with_it(
    box: Inbox, store: Store
) -> None:
    nowhen = NOON.replace(tzinfo=None)
    others = [Parcel("email", f"m{number}", b"Hello") for number in (2, 3)]
    answers = await asyncio.gather(
        box.receive(HELLO, NOON),
        box.receive(others[0], nowhen),
        box.receive(others[1], NOON),
        return_exceptions=True,
    )
    assert [answer is True for answer in answers] == [True, False, True]
    assert {row.external_id for row in rows(store)} == {"m1", "m3"}  # side by side on PostgreSQL


async def test_two_sources_may_use_one_id(box: Inbox, store: Store) -> None:
    await box.receive(HELLO, NOON)
    await box.receive(Parcel("twilio.sms", "m1", b"Hello"), NOON)
    assert len(rows(store)) == 2


async def test_nothing_of_it_can_be_read_in_the_database(box: Inbox, store: Store) -> None:
    await box.receive(Parcel("email", "m1", b"They are in hospital."), NOON)
    with store.read() as session:
        body = session.exec(select(Vault)).one()
    assert b"hospital" not in body.ciphertext
    assert body.owner == "inbox:2026-01-06"


async def test_a_strangers_words_end_with_the_key_of_their_day(
    box: Inbox, store: Store, keyring: Keyring
) -> None:
    await box.receive(HELLO, NOON)
    (row,) = rows(store)
    keyring.destroy(inbox.day_key(NOON))
    with store.read() as session, pytest.raises(KeyGone):
        vault.get(session, keyring, inbox.body_of(row))


@pytest.mark.parametrize("moment", ["2026-01-06T23:30:00-05:00", "2026-01-07T04:30:00+00:00"])
def test_days_are_utc_days(moment: str) -> None:
    assert inbox.day_key(dt.datetime.fromisoformat(moment)) == "inbox:2026-01-07"


NO_IDS = ("", "a\x00b", "\ud800", "a\nb", "x" * 501)


@pytest.mark.parametrize("named", NO_IDS, ids=repr)
def test_an_id_that_is_none_is_refused(named: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        Parcel("email", named, b"")


@settings(deadline=None)
@given(st.binary(max_size=500), st.text(max_size=50))
def test_any_bytes_can_be_packed(body: bytes, query: str) -> None:
    parcel = Parcel("email", "m1", body, query)
    assert unpacked("email", "m1", parcel.packed()) == parcel


@pytest.mark.parametrize("packed", [b"", b"{}", b"[]", b'{"body": 1, "query": ""}', b"\xff"])
def test_what_nobody_packed_is_unreadable(packed: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the kinds are many, the base is the promise
        unpacked("email", "m1", packed)


# --- the row --------------------------------------------------------------------------------------


def changed(store: Store, change: Callable[[Incoming], Any]) -> Any:
    def run(session: Session) -> Any:
        return change(session.exec(select(Incoming)).one())

    return store.write_now(run)


async def test_what_came_first_is_understood_first(box: Inbox, store: Store) -> None:
    for number in range(5):
        await box.receive(Parcel("email", f"m{number}", b""), NOON)
    with store.read() as session:
        waiting = inbox.pending(session, NOON, 3)
        assert inbox.pending(session, NOON - dt.timedelta(seconds=1), 9) == []
    assert waiting == [row.id for row in rows(store)][:3]


async def test_a_row_is_tried_ever_more_rarely_then_a_person_looks(
    box: Inbox, store: Store
) -> None:
    await box.receive(HELLO, NOON)
    waits = []
    for _ in range(inbox.TRIES - 1):
        assert not changed(store, lambda row: inbox.postpone(row, "LookupError", NOON))
        (row,) = rows(store)
        assert row.next_attempt_at is not None
        waits.append((row.next_attempt_at - NOON).total_seconds())
    assert waits == [5 * 4**number for number in range(7)]
    assert changed(store, lambda row: inbox.postpone(row, "LookupError", NOON))
    (row,) = rows(store)
    assert (row.state, row.next_attempt_at, row.problem) == ("failed", None, "LookupError")


async def test_a_settled_row_is_not_looked_at_again(box: Inbox, store: Store) -> None:
    await box.receive(HELLO, NOON)
    changed(store, lambda row: inbox.settle(row, "ignored", NOON))
    with store.read() as session:
        assert inbox.pending(session, NOON + dt.timedelta(days=9), 9) == []
    (row,) = rows(store)
    assert (row.state, row.done_at, row.client_id) == ("ignored", NOON, None)


def test_a_row_without_a_body_says_so() -> None:
    with pytest.raises(ValueError, match="keeps no body"):
        inbox.body_of(Incoming(id=7, source="email", external_id="x", received_at=NOON))
