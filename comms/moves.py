"""Which statements move a message from one state to the next?

Those of every message's way are made once: building one costs more than running it. They go below
the session, so what it shows is refreshed. Only ``outbox`` uses them.
"""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Update, bindparam, update
from sqlmodel import Session

from billing import bulk, store
from billing.bulk import Values
from billing.store import table_of
from comms.models import UNSENT, Message, State

MESSAGES = table_of(Message)


BEGIN = (
    update(MESSAGES)
    .where(
        MESSAGES.c.id.in_(bindparam("ids", expanding=True)),
        MESSAGES.c.state == State.CLAIMED,
        MESSAGES.c.lease_id.in_(bindparam("leases", expanding=True)),
        # Judged too long ago: the machine slept, and it may be night where they are by now.
        MESSAGES.c.lease_until > bindparam("wall"),
    )
    .values(state=State.SENDING, lease_until=bindparam("until"), attempts=MESSAGES.c.attempts + 1)
    .returning(MESSAGES.c.id, MESSAGES.c.lease_id)
)
SENDABLE = (State.SENDING, State.IN_DOUBT, *UNSENT)


def where(session: Session, which: ColumnElement[bool], **values: Any) -> bool:
    """Move what is there now; say whether anything was."""
    return run(session, update(MESSAGES).where(which).values(**values))


def run(session: Session, statement: Update) -> bool:
    """Move rows; ORM objects of the session that show them are refreshed when next read."""
    moved = store.below(session).execute(statement)
    if changed := bool(moved.rowcount):
        store.forget(session, Message)
    return changed


def all_of(session: Session, rows: Sequence[Values], given: Collection[State]) -> set[int]:
    """Move many, each with values of its own, given that they are in one of these states.

    Returns the ids of those that were.
    """
    moved = bulk.update(session, MESSAGES, rows, given={"state": given})
    store.forget(session, Message)
    return moved
