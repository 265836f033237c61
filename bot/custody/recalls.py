"""Are the copies gone that providers had?

Each is asked for until the provider says that it is done, or was not there any more. A legal hold
comes first, except that a number is covered even so: our own copy keeps the rest of the words.
"""

import datetime as dt

import structlog
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, select

from billing.store import table_of
from bot.app import App
from bot.models import Recall, RecallState
from comms.law import preservation
from comms.ports import Change, Copy, DeliveryError, Recalling, Throttled

BATCH = 50
TRIES = 14
_FIRST = dt.timedelta(seconds=30)
_LONGEST = dt.timedelta(hours=6)
_HELD = dt.timedelta(hours=6)
"""So long until a hold is looked at again."""
_TABLE = table_of(Recall)
log = structlog.get_logger("recalls")


async def recall(app: App) -> int:
    """Ask the providers for what is due, one after the other; how many rows moved."""
    with app.store.read() as session:
        due = session.exec(
            select(Recall.id)
            .where(
                Recall.state == RecallState.PENDING,
                col(Recall.next_attempt_at) <= app.clock.now(),
            )
            .order_by(col(Recall.next_attempt_at), col(Recall.id))
            .limit(BATCH)
        ).all()
    errors: list[Exception] = []
    for recall_id in due:
        try:
            await _one(app, recall_id)
        except OperationalError as error:
            raise ExceptionGroup("recall", [error]) from None
        except Exception as error:  # noqa: BLE001 - put off before it was tried, and raised below
            errors.append(error)
    if errors:
        raise ExceptionGroup("recall", errors)
    return len(due)


async def _one(app: App, recall_id: int) -> None:
    begun = await app.store.write(lambda session: _begin(session, app, recall_id))
    if begun is None:
        return
    channel = app.channels.get(begun.channel)
    if not isinstance(channel, Recalling):
        await app.store.write(lambda session: _failed(session, app, recall_id, "no_channel"))
        return
    change, provider_id, place = Change(begun.change), begun.provider_id, begun.place
    try:
        there = await channel.recall(Copy(change, provider_id, place))
    except DeliveryError as error:
        refusal = error
        log.info("not_recalled", channel=begun.channel, change=change, code=error.code)
        await app.store.write(lambda session: _refused(session, app, recall_id, refusal))
        return
    await app.store.write(lambda session: _done(session, app, recall_id, there=there))
    log.info("recalled", channel=begun.channel, change=change, there=there)


def _begin(session: Session, app: App, recall_id: int) -> Recall | None:
    """Put the next try off before this one: whoever dies in between, it is tried again."""
    now = app.clock.now()
    row = session.get_one(Recall, recall_id, with_for_update=True, populate_existing=True)
    if row.state != RecallState.PENDING or row.next_attempt_at is None or row.next_attempt_at > now:
        return None
    if _is_held(session, row):
        row.next_attempt_at = now + _HELD
        return None
    row.attempts += 1
    row.next_attempt_at = now + min(_FIRST * 2 ** (row.attempts - 1), _LONGEST)
    session.flush()
    return Recall.model_validate(row.model_dump())


def _is_held(session: Session, row: Recall) -> bool:
    """Evidence that only the provider has stays; a number is no evidence, and goes."""
    if row.change == Change.REDACT or row.client_id is None:
        return False
    return bool(preservation.standing(session, row.client_id))


def _done(session: Session, app: App, recall_id: int, *, there: bool) -> None:
    row = session.get_one(Recall, recall_id)
    row.state, row.outcome, row.problem = RecallState.DONE, "" if there else "gone", ""
    row.done_at, row.next_attempt_at = app.clock.now(), None


def _refused(session: Session, app: App, recall_id: int, error: DeliveryError) -> None:
    row = session.get_one(Recall, recall_id)
    if isinstance(error, Throttled):
        row.attempts -= 1  # it was not looked at
        _slow_down(session, row.channel, app.clock.now(), error.retry_after)
    elif error.permanent or row.attempts >= TRIES:
        _failed(session, app, recall_id, error.code)
        return
    row.problem = error.code


def _slow_down(session: Session, channel: str, now: dt.datetime, seconds: float) -> None:
    """Whatever else waits for the same provider waits as well."""
    until = now + dt.timedelta(seconds=seconds)
    due = update(_TABLE).where(
        _TABLE.c.channel == channel,
        _TABLE.c.state == RecallState.PENDING,
        _TABLE.c.next_attempt_at < until,
    )
    session.execute(due.values(next_attempt_at=until))


def _failed(session: Session, app: App, recall_id: int, code: str) -> None:
    row = session.get_one(Recall, recall_id)
    row.state, row.problem = RecallState.FAILED, code
    row.done_at, row.next_attempt_at = app.clock.now(), None
