"""Which statements move a message from one state to the next?

Those of every message's way are made once: building one costs more than running it. They go below
the session, so what it shows is refreshed. Only ``outbox`` uses them.
"""

from typing import Any

from sqlalchemy import ColumnElement, Table, Update, bindparam, func, insert, or_, select, update
from sqlmodel import Session

from comms.models import UNSENT, Attempt, Message, State

Values = dict[str, Any]
MESSAGES: Table = Message.__table__  # type: ignore[attr-defined]
ATTEMPTS: Table = Attempt.__table__  # type: ignore[attr-defined]


CLAIM = (
    update(MESSAGES)
    .where(MESSAGES.c.id == bindparam("of"), MESSAGES.c.state == State.QUEUED)
    .values(
        state=State.CLAIMED,
        body_id=bindparam("body"),
        lease_id=bindparam("lease"),
        lease_until=bindparam("until"),
        claimed_at=bindparam("now"),
        rule="",
        reason="",
        wake_at=None,
        wake_on_client=False,
    )
)

BEGIN = (
    update(MESSAGES)
    .where(
        MESSAGES.c.id == bindparam("of"),
        MESSAGES.c.state == State.CLAIMED,
        MESSAGES.c.lease_id == bindparam("lease"),
    )
    .values(state=State.SENDING, lease_until=bindparam("until"), attempts=MESSAGES.c.attempts + 1)
)
TRY = insert(ATTEMPTS).values(
    message_id=bindparam("message_id"),
    number=(
        select(func.count() + 1)
        .select_from(ATTEMPTS)
        .where(ATTEMPTS.c.message_id == bindparam("message_id"))
        .scalar_subquery()
    ),
    outcome="started",
    code="",
    provider_id="",
    started_at=bindparam("started_at"),
)
SENDABLE = or_(*(MESSAGES.c.state == state for state in (State.SENDING, State.IN_DOUBT, *UNSENT)))
"""Not ``in_``: a statement with a list of values cannot be run for many rows at once."""
MAY_BE_SENT = (
    select(MESSAGES.c.id)
    .where(MESSAGES.c.id.in_(bindparam("ids", expanding=True)), SENDABLE)
    .order_by(MESSAGES.c.id)
    .with_for_update()
)
SENT = (
    update(MESSAGES)
    .where(MESSAGES.c.id == bindparam("of"), SENDABLE)
    .values(
        state=State.SENT,
        provider_id=bindparam("provider"),
        sent_at=bindparam("now"),
        lease_id=None,
        lease_until=None,
        wake_at=None,
        rule="",
        reason="",
    )
)
CLOSE = (
    update(ATTEMPTS)
    .where(ATTEMPTS.c.message_id == bindparam("of"), ATTEMPTS.c.ended_at.is_(None))
    .values(
        outcome=bindparam("outcome"),
        code=bindparam("code"),
        provider_id=bindparam("provider_id"),
        ended_at=bindparam("ended_at"),
    )
)


def where(session: Session, which: ColumnElement[bool], **values: Any) -> bool:
    """Move what is there now; say whether anything was."""
    return run(session, update(MESSAGES).where(which).values(**values))


def run(session: Session, statement: Update, values: Values | list[Values] | None = None) -> bool:
    """Move rows; ORM objects of the session that show them are refreshed when next read."""
    session.flush()
    moved = session.connection().execute(statement, values)
    if changed := bool(moved.rowcount):
        for loaded in session.identity_map.values():
            if isinstance(loaded, Message):
                session.expire(loaded)
    return changed
