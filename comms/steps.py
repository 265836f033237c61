"""How do the steps of a sequence follow the messages that were made for them?"""

import datetime as dt
from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, select, update
from sqlmodel import Session

from billing import bulk, charges, store
from billing.arrears import Account, How, OpenInstalment
from billing.bulk import Values
from billing.calendar import local_date
from billing.models import Client, Enrolment, StepListed, StepTaken
from billing.store import table_of
from comms.models import Message
from comms.office import Office

_STEPS = table_of(StepTaken)
_LISTED = table_of(StepListed)
_ENROLMENTS = table_of(Enrolment)
_LOOK = (
    update(_ENROLMENTS)
    .where(_ENROLMENTS.c.id.in_(bindparam("ids", expanding=True)))
    .values(next_due_at=bindparam("now"))
)


def follow(session: Session, office: Office, messages: Sequence[Message], how: How) -> None:
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


def unlisted(
    message: Message,
    taken: Mapping[int, StepTaken],
    account: Account | None,
    named: Sequence[OpenInstalment],
) -> list[Values]:
    """What a reminder names that was not there yet when its step was decided, as rows.

    A step that did not list what the client has read would go again for it, in the same words.
    """
    step = taken.get(message.step_id or 0)
    if step is None or account is None:
        return []
    listed = next(
        (one.listed for one in account.taken if (one.step, one.round) == (step.step, step.round)),
        frozenset(),
    )
    return [
        {"step_taken_id": step.id, "instalment_id": one.id} for one in named if one.id not in listed
    ]


def list_also(session: Session, rows: Sequence[Values]) -> None:
    """Let steps list these as well."""
    if not rows:
        return
    those = select(_LISTED.c.step_taken_id, _LISTED.c.instalment_id).where(
        _LISTED.c.step_taken_id.in_([row["step_taken_id"] for row in rows])
    )
    there = {tuple(row) for row in session.connection().execute(those)}
    new = [row for row in rows if (row["step_taken_id"], row["instalment_id"]) not in there]
    bulk.insert(session, _LISTED, new)


def _days(session: Session, office: Office, messages: Sequence[Message]) -> dict[int, dt.date]:
    """By step, what day it is where its client is."""
    clients = store.by_id(session, Client, [one.client_id for one in messages])
    return {
        one.step_id: local_date(office.now, clients[one.client_id].timezone)
        for one in messages
        if one.step_id is not None and one.client_id is not None
    }
