"""How do the steps of a sequence follow the messages that were made for them?"""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import Table, bindparam, update
from sqlmodel import Session

from billing import bulk, charges, store
from billing.calendar import local_date
from billing.models import Client, Enrolment, StepTaken
from comms.models import Message
from comms.office import Office

_STEPS: Table = StepTaken.__table__  # type: ignore[attr-defined]
_ENROLMENTS: Table = Enrolment.__table__  # type: ignore[attr-defined]
_LOOK = (
    update(_ENROLMENTS)
    .where(_ENROLMENTS.c.id.in_(bindparam("ids", expanding=True)))
    .values(next_due_at=bindparam("now"))
)


def follow(session: Session, office: Office, messages: Sequence[Message], how: str) -> None:
    """The steps follow their messages, and the sequences are due for a look."""
    found = store.by_id(session, StepTaken, [one.step_id for one in messages])
    waiting = [step for step in found.values() if step.how == "queued"]
    if not waiting:
        return
    days = _days(session, office, messages) if how == "sent" else {}
    rows = [
        {
            "id": step.id,
            "how": how,
            "taken_on": days.get(step.id, step.taken_on),
            "taken_at": office.now if how == "sent" else step.taken_at,
        }
        for step in waiting
    ]
    bulk.update(session, _STEPS, rows)
    due = {"ids": [step.enrolment_id for step in waiting], "now": office.now}
    session.connection().execute(_LOOK, due)
    store.forget(session, StepTaken, Enrolment)
    if how == "sent":
        left = [(step, days.get(step.id, step.taken_on)) for step in waiting]
        charges.assess(session, left, office.policy, office.now)


def _days(session: Session, office: Office, messages: Sequence[Message]) -> dict[int, dt.date]:
    """By step, what day it is where its client is."""
    clients = store.by_id(session, Client, [one.client_id for one in messages])
    return {
        one.step_id: local_date(office.now, clients[one.client_id].timezone)
        for one in messages
        if one.step_id is not None and one.client_id is not None
    }
