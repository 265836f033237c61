import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import Session

from billing.keyring import Keyring
from billing.store import Store
from comms import attempts, outbox
from comms.door import Finding, Verdict
from comms.models import UNSENT, Message, State
from comms.outbox import LEASE, Claim
from comms.ports import Sent
from tests import factories
from tests.factories import NOON, Known

MINE = "mine"
SOON = NOON + dt.timedelta(minutes=5)
OVER = NOON + LEASE
HELD = Finding("hours", Verdict.DEFER, "quiet_hours", "Later.", until=SOON)
Act = Callable[["Box", int], Any]


@dataclass
class Box:
    """A client, and a message of its in each state that a test asks for."""

    store: Store
    keyring: Keyring
    known: Known

    def put(self, state: State, **columns: Any) -> int:
        fields = {"lease_id": MINE, "lease_until": OVER, "wake_at": NOON, "attempts": 1} | columns

        def make(session: Session) -> int:
            message_id = factories.note(session, self.keyring, self.known, NOON)
            where = Message.__table__.c.id == message_id  # type: ignore[attr-defined]
            session.execute(update(Message).where(where).values(state=state, **fields))
            return message_id

        return self.store.write_now(make)

    def act(self, fn: Callable[[Session], Any]) -> Any:
        return self.store.write_now(fn)

    def at(self, message_id: int) -> Message:
        return factories.message(self.store, message_id)


@pytest.fixture
def box(store: Store, keyring: Keyring) -> Box:
    store.write_now(lambda session: factories.firm(session, NOON))
    known = store.write_now(lambda session: factories.client(session, keyring, NOON))
    return Box(store, keyring, known)


def mine(message_id: int) -> Claim:
    return Claim(message_id, MINE, "sms", 1, factories.outgoing())


def claim(box: Box, message_id: int) -> Claim | None:
    def claimed(session: Session) -> list[Claim]:
        message = session.get_one(Message, message_id)
        ready = (message, factories.outgoing(), f"client:{box.known.name}")
        return outbox.claim_all(session, factories.office(box.keyring), [ready])

    return next(iter(box.act(claimed)), None)


def again(session: Session, message_id: int, *, attempt: bool) -> bool:
    return outbox.again(session, mine(message_id), SOON, rule="retry", attempt=attempt)


def one(act: Callable[[Session, int], Any]) -> Act:
    return lambda box, message_id: box.act(lambda session: act(session, message_id))


def all_of_client(session: Session, _message_id: int) -> None:
    outbox.wake_clients(session, [1], NOON)


def cancel(session: Session, message_id: int) -> list[int]:
    return outbox.cancel(session, Message.id == message_id, "opted_out", "No.")  # type: ignore[arg-type]


def refuse(state: State) -> Act:
    return one(lambda s, m: outbox.refuse(s, m, HELD, state))


WAITING = {State.QUEUED, State.HELD}
WENT = {State.SENDING, State.IN_DOUBT, *UNSENT}
LOST = {State.SENDING, State.SENT, State.IN_DOUBT}
MOVES: dict[str, tuple[Act, set[State], State]] = {
    "claim": (claim, {State.QUEUED}, State.CLAIMED),
    "begin": (
        one(lambda s, m: outbox.begin_all(s, [mine(m)], NOON)),
        {State.CLAIMED},
        State.SENDING,
    ),
    "sent": (one(lambda s, m: outbox.sent_all(s, [(m, Sent("SM1"))], NOON)), WENT, State.SENT),
    "delivered": (
        one(lambda s, m: outbox.delivered(s, m, NOON)),
        {State.SENT},
        State.DELIVERED,
    ),
    "failed": (one(lambda s, m: outbox.failed(s, m, "21614", "No.")), LOST, State.FAILED),
    "again": (one(lambda s, m: again(s, m, attempt=True)), {State.SENDING}, State.QUEUED),
    "throttled": (one(lambda s, m: again(s, m, attempt=False)), {State.SENDING}, State.QUEUED),
    "doubt": (
        one(lambda s, m: outbox.doubt(s, m, SOON, "It may have gone.")),
        {State.SENDING},
        State.IN_DOUBT,
    ),
    "requeue": (one(lambda s, m: outbox.requeue(s, m, NOON)), {State.IN_DOUBT}, State.QUEUED),
    "hold": (refuse(State.HELD), WAITING, State.HELD),
    "await": (refuse(State.AWAITING), WAITING, State.AWAITING),
    "withhold": (refuse(State.WITHHELD), WAITING, State.WITHHELD),
    "cancel": (one(cancel), set(UNSENT), State.CANCELLED),
    "wake_clients": (one(all_of_client), {State.HELD, State.CLAIMED}, State.QUEUED),
    "wake_due": (one(lambda s, _: outbox.wake_due(s, NOON)), {State.HELD}, State.QUEUED),
    "wake_rule": (one(lambda s, _: outbox.wake_rule(s, "", NOON)), {State.HELD}, State.QUEUED),
}


@pytest.mark.parametrize("move", MOVES)
def test_a_move_starts_from_its_states_only(box: Box, move: str) -> None:
    act, starts, end = MOVES[move]
    before = {state: box.put(state) for state in State}
    untouched = {
        state: box.at(message_id) for state, message_id in before.items() if state not in starts
    }
    for message_id in before.values():
        act(box, message_id)
    for state, message_id in before.items():
        found = box.at(message_id)
        if state in starts:
            assert found.state == end, f"{move} from {state}"
        else:
            assert found == untouched[state], f"{move} from {state}"


FINAL = (State.WITHHELD, State.CANCELLED, State.FAILED)


@pytest.mark.parametrize("state", FINAL)
def test_nothing_leaves_a_final_state(state: State) -> None:
    assert [move for move, (_, starts, _) in MOVES.items() if state in starts] == []


@pytest.mark.parametrize("move", MOVES)
def test_a_message_that_moves_on_is_nobodys(box: Box, move: str) -> None:
    act, starts, end = MOVES[move]
    for state in starts & {State.CLAIMED, State.SENDING}:
        message_id = box.put(state)
        act(box, message_id)
        kept = end in (State.CLAIMED, State.SENDING, State.DELIVERED)
        assert kept or box.at(message_id).lease_id is None, f"{move} from {state}"


# --- leases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("move", ["begin", "again", "throttled"])
def test_another_workers_claim_moves_nothing(box: Box, move: str) -> None:
    act, starts, _ = MOVES[move]
    (state,) = starts
    message_id = box.put(state, lease_id="theirs")
    act(box, message_id)
    assert box.at(message_id).state == state


RECOVERED = {State.CLAIMED: State.QUEUED, State.SENDING: State.IN_DOUBT}


def test_a_lease_that_is_over_is_taken_back(box: Box) -> None:
    ids = {state: box.put(state) for state in State}
    with box.store.read() as session:
        stale = {message_id for message_id, _ in outbox.stale(session, OVER)}
    assert stale == {ids[state] for state in RECOVERED}
    for state, message_id in ids.items():
        became = box.act(partial(outbox.recover, message_id=message_id, wall=OVER, look_at=SOON))
        assert became == box.at(message_id).state == RECOVERED.get(state, state)


def test_a_lease_that_runs_is_left_alone(box: Box) -> None:
    just_before = OVER - dt.timedelta(microseconds=1)
    for state in RECOVERED:
        message_id = box.put(state)
        with box.store.read() as session:
            assert outbox.stale(session, just_before) == []
        box.act(partial(outbox.recover, message_id=message_id, wall=just_before, look_at=SOON))
        assert box.at(message_id).state == state


def test_what_was_judged_too_long_ago_is_not_begun(box: Box) -> None:
    """Found by the simulation: a machine that slept sent at night what was judged by day."""
    message_id = box.put(State.QUEUED, wake_at=None)
    claimed = claim(box, message_id)
    assert claimed is not None
    assert not box.act(lambda s: outbox.begin_all(s, [claimed], NOON + LEASE))
    assert box.at(message_id).state == State.CLAIMED
    assert box.act(lambda s: outbox.begin_all(s, [claimed], NOON + LEASE - dt.timedelta(seconds=1)))


def test_business_time_ends_no_lease(box: Box) -> None:
    message_id = box.put(State.QUEUED, wake_at=None)
    claim(box, message_id)
    assert box.at(message_id).lease_until == NOON + LEASE
    assert box.at(message_id).claimed_at == NOON


# --- tries ----------------------------------------------------------------------------------------


def go(box: Box, message_id: int) -> Claim:
    claimed = claim(box, message_id)
    assert claimed is not None
    assert box.act(lambda s: outbox.begin_all(s, [claimed], NOON))
    return claimed


def back(box: Box, claimed: Claim, outcome: str, *, attempt: bool) -> None:
    def move(session: Session) -> None:
        attempts.end(session, claimed.message_id, outcome, NOON)
        outbox.again(session, claimed, NOON, rule=outcome, attempt=attempt)

    box.act(move)


def test_a_429_is_no_attempt_but_is_written_down(box: Box) -> None:
    message_id = box.put(State.QUEUED, attempts=0)
    for _ in range(3):
        back(box, go(box, message_id), "throttled", attempt=False)
    assert box.at(message_id).attempts == 0
    back(box, go(box, message_id), "refused", attempt=True)
    assert box.at(message_id).attempts == 1
    tries = factories.attempts(box.store, message_id)
    assert [(one.number, one.outcome) for one in tries] == [
        (1, "throttled"),
        (2, "throttled"),
        (3, "throttled"),
        (4, "refused"),
    ]


def test_an_attempt_ends_once(box: Box) -> None:
    message_id = box.put(State.QUEUED, attempts=0)
    go(box, message_id)
    for outcome in ("sent", "in_doubt"):
        box.act(partial(attempts.end, message_id=message_id, outcome=outcome, wall=NOON))
    assert [one.outcome for one in factories.attempts(box.store, message_id)] == ["sent"]


# --- the queue ------------------------------------------------------------------------------------


def test_a_key_is_queued_once(box: Box) -> None:
    def queue(session: Session) -> int | None:
        message = Message(
            key="k", reference="", audience="staff", channel="slack", purpose="alert",
            template="alert", send_after=NOON, created_at=NOON,
        )  # fmt: skip
        return outbox.queue(session, message)

    first, second = box.act(queue), box.act(queue)
    assert first is not None
    assert second is None


def test_references_are_unguessable_and_differ(box: Box) -> None:
    found = {box.at(box.put(State.QUEUED)).reference for _ in range(20)}
    assert len(found) == 20
    assert min(map(len, found)) >= 16


def test_what_waited_longest_goes_first(box: Box) -> None:
    minute = dt.timedelta(minutes=1)
    late, early = box.put(State.QUEUED), box.put(State.QUEUED, send_after=NOON - minute)
    box.put(State.QUEUED, send_after=NOON + minute)
    with box.store.read() as session:
        due = [message_id for message_id, _ in outbox.due(session, "sms", NOON, 10)]
    assert due == [early, late]


def test_what_was_rendered_can_be_read_again(box: Box) -> None:
    message_id = box.put(State.QUEUED)
    claim(box, message_id)
    with box.store.read() as session:
        found = outbox.rendered(session, box.keyring, session.get_one(Message, message_id))
    assert found == factories.outgoing()


def test_what_was_rendered_goes_with_the_clients_key(box: Box) -> None:
    message_id = box.put(State.QUEUED)
    claim(box, message_id)
    box.keyring.destroy(f"client:{box.known.name}")
    with box.store.read() as session:
        message = session.get_one(Message, message_id)
        assert outbox.rendered(session, box.keyring, message) is None


def test_a_cancelled_address_leaves_messages_to_staff_alone(box: Box) -> None:
    to_staff = box.put(State.QUEUED, audience="staff")
    to_client = box.put(State.QUEUED)
    which = outbox.to_address(box.known.phone_id or 0)
    assert box.act(lambda s: outbox.cancel(s, which, "opted_out", "No.")) == [to_client]
    assert box.at(to_staff).state == State.QUEUED
