"""How often was a message tried on the wire, and how did each try end?"""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import bindparam, func, select
from sqlmodel import Session

from billing import bulk, store
from billing.bulk import Values
from billing.store import table_of
from comms.models import Attempt
from comms.ports import Sent

_ATTEMPTS = table_of(Attempt)
_SO_FAR = (
    select(_ATTEMPTS.c.message_id, func.count())
    .where(_ATTEMPTS.c.message_id.in_(bindparam("ids", expanding=True)))
    .group_by(_ATTEMPTS.c.message_id)
)


def begin(session: Session, messages: Sequence[int], wall: dt.datetime) -> None:
    """Bytes of these messages are about to be written."""
    found = store.below(session).execute(_SO_FAR, {"ids": messages}) if messages else ()
    before = {row[0]: row[1] for row in found}
    rows = [
        {
            "message_id": one,
            "number": before.get(one, 0) + 1,
            "outcome": "started",
            "code": "",
            "provider_id": "",
            "started_at": wall,
        }
        for one in messages
    ]
    bulk.insert(session, _ATTEMPTS, rows)


def first(session: Session, message_id: int) -> dt.datetime:
    """When it was tried first, by the wall clock."""
    tried = _ATTEMPTS.c.message_id == message_id
    found = store.below(session).execute(select(func.min(_ATTEMPTS.c.started_at)).where(tried))
    moment: dt.datetime = found.scalar_one()
    return moment


def end(
    session: Session,
    message_id: int,
    outcome: str,
    wall: dt.datetime,
    *,
    code: str = "",
    provider_id: str = "",
) -> None:
    """How the try that is not over yet ended."""
    _end(session, [_ended(message_id, outcome, code, provider_id)], wall)


def end_all(session: Session, answers: Sequence[tuple[int, Sent]], wall: dt.datetime) -> None:
    """The tries of messages that a provider took are over."""
    taken = [_ended(message_id, "sent", "", answer.provider_id) for message_id, answer in answers]
    _end(session, taken, wall)


def _ended(message_id: int, outcome: str, code: str, provider_id: str) -> Values:
    return {
        "message_id": message_id,
        "outcome": outcome,
        "code": code,
        "provider_id": provider_id,
    }


def _end(session: Session, ended: Sequence[Values], wall: dt.datetime) -> None:
    rows = [one | {"ended_at": wall} for one in ended]
    bulk.update(session, _ATTEMPTS, rows, key="message_id", given={"ended_at": ()})
