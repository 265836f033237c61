"""What moves rows across the edge: understand what came, advance what is due, deliver what may go.

Each function does one batch and says how many rows it moved. One transaction per row: a row that
fails is put off and does not stop its sweep, which ends by raising what it met as one group.
"""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import ColumnElement, func
from sqlalchemy import select as core_select
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, select
from structlog.contextvars import bound_contextvars

from billing.models import ClientKey, Enrolment, PolicyPublication
from bot.app import App
from bot.custody import recalls
from bot.groups import Together
from bot.models import Incoming, Recall
from bot.staff import duplicates, tasks
from bot.understanding import understand
from comms import causes, delivery, outbox, outreach, staff
from comms.models import Message, State, Task
from comms.outbox import Claim
from comms.ports import DeliveryError, Found, Sent

BATCH = 512
"""Enrolments looked at in one transaction, and messages of a channel found in one query."""
_ENOUGH = 256
"""Failures in one drain after which it ends: something is wrong with more than rows."""
_ROUNDS = 10_000
"""More than any day needs: rows that never rest are a bug."""
AT_ONCE = 8
"""Messages of one channel on the wire at the same time: claims never exceed free slots.

A channel with ``slots`` says for itself how many it takes.
"""
log = structlog.get_logger("worker")
T = TypeVar("T")


# --- advance --------------------------------------------------------------------------------------


async def advance(app: App) -> int:
    """Look at every enrolment that is due, and free what was held until now."""
    now = app.clock.now()
    with app.store.read() as session:
        due = session.exec(
            select(Enrolment.id, Enrolment.client_id)
            .where(col(Enrolment.next_due_at) <= now)
            .order_by(col(Enrolment.next_due_at), col(Enrolment.id))
            .limit(BATCH)
        ).all()
        held = session.exec(
            select(Message.id)
            .where(Message.state == State.HELD, col(Message.wake_at) <= now)
            .limit(1)
        ).first()
    if held is not None:
        await app.store.write(lambda session: outbox.wake_due(session, now))
    try:
        await _advance(app, due)
    except Exception:  # noqa: BLE001 - one of them; the others must not wait for it
        await _each("advance", due, lambda row: _advance_one(app, *row), AT_ONCE)
    return len(due) + (held is not None)


async def _advance(app: App, due: Sequence[tuple[int, int]]) -> None:
    """Look at enrolments in one transaction, under the locks of all their clients."""

    def look(session: Session) -> None:
        now = app.clock.now()
        wanted = col(Enrolment.id).in_([enrolment_id for enrolment_id, _ in due])
        found = session.exec(
            select(Enrolment)
            .where(wanted, col(Enrolment.next_due_at) <= now)
            .execution_options(populate_existing=True)
        ).all()
        outreach.advance(session, app.office(), found)

    if due:
        with app.tracing.span("advance", many=len(due)):
            await app.store.write(look, clients={client_id for _, client_id in due})


async def _advance_one(app: App, enrolment_id: int, client_id: int) -> None:
    try:
        await _advance(app, [(enrolment_id, client_id)])
    except Exception:
        # Put off before anybody tries again: one account that cannot be judged must not be the
        # first in every sweep.
        await app.store.write(lambda session: _rest(session, app, enrolment_id))
        raise


def _rest(session: Session, app: App, enrolment_id: int) -> None:
    enrolment = session.get_one(Enrolment, enrolment_id)
    enrolment.next_due_at = app.clock.now() + dt.timedelta(hours=1)
    staff.alert(
        session, app.office(), key=f"rest:{enrolment_id}:{app.clock.now():%Y-%m-%d}",
        template="stuck", subject=("enrolment", enrolment_id),
    )  # fmt: skip


# --- deliver --------------------------------------------------------------------------------------


async def deliver(app: App) -> int:
    """Judge, claim and send what is due, on every channel at once."""
    return await _together("deliver", [_deliver_on(app, name) for name in app.channels])


async def _deliver_on(app: App, channel: str) -> int:
    with app.store.read() as session:
        due = outbox.due(session, channel, app.clock.now(), BATCH)
    size = _slots(app, channel)
    batches = [due[first : first + size] for first in range(0, len(due), size)]

    async def work(batch: Sequence[tuple[int, int | None]]) -> None:
        if app.ending.is_set():
            return
        with app.tracing.span("deliver", channel=channel):
            await _deliver_batch(app, batch)

    await _each("deliver", batches, work, 1)
    return len(due)


def _slots(app: App, channel: str) -> int:
    # Cards hang on the ones before them, so Slack gets its messages one after the other.
    slots: int = getattr(app.channels[channel], "slots", 1 if channel == "slack" else AT_ONCE)
    return slots


async def _deliver_batch(app: App, batch: Sequence[tuple[int, int | None]]) -> None:
    """Claim a batch in one transaction, then send its messages side by side.

    A batch that cannot be judged is judged message by message, so that one bad row stops no other.
    """
    try:
        claimed = await _claim(app, batch)
    except Exception:
        if len(batch) == 1:
            await _put_off_message(app, *batch[0])
            raise
        await _each("deliver", batch, lambda one: _deliver_batch(app, [one]), 1)
        return
    begun = await _begin(app, claimed)
    settled = Together(partial(_settle, app), BATCH)
    await _each("send", begun, lambda one: send(app, one, settled), len(batch))


async def _claim(app: App, batch: Sequence[tuple[int, int | None]]) -> list[Claim]:
    ids = [message_id for message_id, _ in batch]
    with app.tracing.span("claim", many=len(ids)):
        return await app.store.write(
            lambda session: delivery.claim_all(
                session, app.office(), app.templates, app.cards, ids
            ),
            clients={client_id for _, client_id in batch if client_id is not None},
        )


async def _put_off_message(app: App, message_id: int, client_id: int | None) -> None:
    later = app.clock.now() + dt.timedelta(minutes=10)
    await app.store.write(
        lambda session: outbox.put_off(session, message_id, later),
        clients=[] if client_id is None else [client_id],
    )


async def _begin(app: App, claimed: Sequence[Claim]) -> list[Claim]:
    """Note of each that bytes are about to be written; without those that were lost meanwhile."""
    if not claimed:
        return []
    return await app.store.write(
        lambda session: outbox.begin_all(session, claimed, app.clock.wall()),
        clients=_clients(claimed),
    )


Answer = tuple[Claim, Sent]
Settled = Together[Answer, None]


async def _settle(app: App, answers: Sequence[Answer]) -> Sequence[None]:
    """Write down what the provider took."""
    went = [(claimed.message_id, answer) for claimed, answer in answers]
    await app.store.write(
        lambda session: delivery.went_all(session, app.office(), went),
        clients=_clients([claimed for claimed, _ in answers]),
    )
    return [None] * len(answers)


def _clients(claimed: Sequence[Claim]) -> set[int]:
    return {one.client_id for one in claimed if one.client_id is not None}


async def send(app: App, begun: Claim, settled: Settled) -> None:
    """Hand a message to its channel, once, and write down what came of it."""
    ids: dict[str, int | str | None] = {
        "message": begun.outgoing.reference,
        "client": begun.client_id,
        "incoming": causes.incoming_of(begun.key),
    }
    named = {name: one for name, one in ids.items() if one is not None}
    with bound_contextvars(**named), app.tracing.span("send", "", **named):
        await _send(app, begun, settled)


async def _send(app: App, begun: Claim, settled: Settled) -> None:
    try:
        answer = await app.channels[begun.channel].send(begun.outgoing)
    except DeliveryError as error:
        failure = error
        log.info("not_sent", code=error.code, channel=begun.channel)
        app.meters.tried(begun.channel, delivery.outcome_of(error), error.code)
        await app.store.write(
            lambda session: delivery.did_not_go(session, app.office(), begun, failure),
            clients=lambda session: delivery.concerned(session, begun.message_id),
        )
        return
    await settled.do((begun, answer))
    log.info("sent", channel=begun.channel)
    app.meters.tried(begun.channel, "sent")


# --- recover --------------------------------------------------------------------------------------


async def recover(app: App) -> int:
    """Take back what a dead worker held, and look for evidence of what is in doubt."""
    with app.store.read() as session:
        stale = outbox.stale(session, app.clock.wall())
        doubtful = [
            (message.id, message.client_id) for message in outbox.doubtful(session, app.clock.now())
        ]
    rows = [(_take_back, *row) for row in stale] + [(_look_for, *row) for row in doubtful]
    # One after the other: two texts alike must not both be proved by the same entry.
    return await _each("recover", rows, lambda row: row[0](app, *row[1:]), 1)


async def _take_back(app: App, message_id: int, client_id: int | None) -> None:
    await app.store.write(
        lambda session: delivery.take_back(session, app.office(), message_id),
        clients=[] if client_id is None else [client_id],
    )


async def _look_for(app: App, message_id: int, client_id: int | None) -> None:
    try:
        found = await _evidence(app, message_id)
        await app.store.write(
            lambda session: _weigh(session, app, message_id, found),
            clients=[] if client_id is None else [client_id],
        )
    except Exception:
        later = app.clock.now() + dt.timedelta(hours=1)
        await app.store.write(lambda session: outbox.look_later(session, message_id, later))
        raise


async def _evidence(app: App, message_id: int) -> Found | None:
    """What the provider's own list has of a message; None where it has nothing, or cannot say."""
    with app.store.read() as session:
        message = session.get_one(Message, message_id)
        outgoing = outbox.rendered(session, app.keyring, message)
    channel = app.channels.get(message.channel)
    if outgoing is None or message.claimed_at is None or channel is None:
        return None
    try:
        return await channel.find(outgoing, message.claimed_at)
    except DeliveryError as error:
        log.warning("cannot_look", message=message_id, code=error.code)
        return None


def _weigh(session: Session, app: App, message_id: int, found: Found | None) -> None:
    message = session.get_one(Message, message_id, populate_existing=True)
    if message.state != State.IN_DOUBT:
        return
    if found is None or delivery.belongs_to_another(session, message, found.provider_id):
        delivery.nothing_found(session, app.office(), message)
    else:
        delivery.went(session, app.office(), message_id, Sent(found.provider_id))


# --- all of it ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """What was moved and what could not be, by the name of the step."""

    moved: Counter[str] = field(default_factory=Counter)
    failed: list[tuple[str, Exception]] = field(default_factory=list)

    @property
    def enough(self) -> bool:
        """Whether more than rows is wrong; where the store fails, nothing was put off either."""
        errors = [error for _, error in self.failed]
        broken = errors and ExceptionGroup("", errors).subgroup(OperationalError)
        return len(errors) > _ENOUGH or bool(broken)


async def drain(app: App) -> int:
    """Everything that can be done now, until nothing is left.

    Raises:
        ExceptionGroup: rows that could not be worked on; everything else was done before.
    """
    done = await work(app)
    _raise("drain", [error for _, error in done.failed])
    return done.moved.total()


async def work(app: App) -> Done:
    """The same, whatever fails on the way: that is put off, and named."""
    done = Done()
    for _ in range(_ROUNDS):
        if not await _once(app, done) or done.enough:
            return done
    raise RuntimeError("the worker does not come to rest: something is due again and again")


async def _once(app: App, done: Done) -> bool:
    """One round over the kinds of rows that have something due; one query says which."""
    with app.store.read() as session:
        first = session.execute(_FIRST).one()
    app.refresh(first.published or 0)
    now = app.clock.now()

    def is_due(*moments: dt.datetime | None) -> bool:
        return any(moment is not None and moment <= now for moment in moments)

    async def tried(step: Callable[[App], Awaitable[int]]) -> None:
        name = step.__name__
        if app.ending.is_set():
            return
        try:
            count = await step(app)
        except ExceptionGroup as group:
            # What failed was put off, so this was a step as well, and the other kinds go on.
            done.failed.extend((name, error) for error in group.exceptions)
            done.moved[name] += 1
            return
        app.meters.moved.labels(name).inc(count)
        done.moved[name] += count

    before = done.moved.total()
    # Tasks before anything is decided: what nobody has read waits as long again.
    for step, due in (
        (understand, is_due(first.incoming)),
        (duplicates.match, is_due(first.described)),
        (tasks.ask, is_due(first.task)),
        (advance, is_due(first.enrolment, first.held)),
        (recalls.recall, is_due(first.recall)),
    ):
        if due:
            await tried(step)
    if done.moved.total() > before or is_due(first.queued):
        await tried(deliver)
    if is_due(first.doubt) or (first.lease is not None and first.lease <= app.clock.wall()):
        await tried(recover)
    app.pulse.went_round()
    app.meters.last_round.set(app.clock.wall().timestamp())
    return done.moved.total() > before


def next_due(session: Session) -> dt.datetime | None:
    """The next moment at which there will be something to do."""
    first = session.execute(_FIRST).one()
    moments = (
        first.incoming, first.enrolment, first.held, first.queued, first.doubt, first.task,
        first.recall,
    )  # fmt: skip
    return min((moment for moment in moments if moment is not None), default=None)


def _first(name: str, moment: Any, *which: ColumnElement[bool]) -> Any:
    """The earliest of a column, as one column of a wider query."""
    return core_select(func.min(moment)).where(*which).scalar_subquery().label(name)


_FIRST = core_select(
    _first("incoming", Incoming.next_attempt_at, col(Incoming.state) == "pending"),
    _first("enrolment", Enrolment.next_due_at),
    _first("held", Message.wake_at, col(Message.state) == State.HELD),
    _first("queued", Message.send_after, col(Message.state) == State.QUEUED),
    _first("doubt", Message.wake_at, col(Message.state) == State.IN_DOUBT),
    _first("lease", Message.lease_until, col(Message.state).in_((State.CLAIMED, State.SENDING))),
    _first("described", ClientKey.look_at),
    _first("task", Task.look_at, col(Task.state) == "open"),
    _first("recall", Recall.next_attempt_at, col(Recall.state) == "pending"),
    core_select(func.max(col(PolicyPublication.id))).scalar_subquery().label("published"),
)
"""When each kind of row has something to do first, and what was published last: one statement,
asked before every round."""


async def _each(
    name: str, rows: Sequence[T], work: Callable[[T], Awaitable[None]], at_once: int
) -> int:
    """Work on every row, a few at a time; what fails is raised together when all had their turn."""
    slots = asyncio.Semaphore(at_once)

    async def one(row: T) -> int:
        async with slots:
            await work(row)
        return 1

    return await _together(name, [one(row) for row in rows])


async def _together(name: str, works: Sequence[Awaitable[int]]) -> int:
    """Await all of them, whatever happens to one; then raise, or say how many rows moved."""
    results = await asyncio.gather(*works, return_exceptions=True)
    _raise(name, [result for result in results if isinstance(result, Exception)])
    return sum(result for result in results if isinstance(result, int))


def _raise(name: str, met: Sequence[Exception]) -> None:
    errors = [
        leaf
        for error in met
        for leaf in (error.exceptions if isinstance(error, ExceptionGroup) else (error,))
    ]
    if errors:
        raise ExceptionGroup(f"{name} met {len(errors)} rows that could not be worked on", errors)
