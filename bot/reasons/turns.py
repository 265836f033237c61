"""Whose turn is it, and for what?

Reads only: the same few words for Slack, the command line and `explain`.
"""

from collections.abc import Mapping

from sqlmodel import Session

from billing import spelling
from billing.calendar import local_date
from billing.models import Client, Staff
from comms.models import Task, TaskKind

WHAT: Mapping[str, str] = {
    TaskKind.REPLY: "a reply waits to be read",
    TaskKind.CLAIM: "they say it is paid: find the money",
    TaskKind.PROMISE: "a promise waits for your yes, after those that they broke",
    TaskKind.PLAN: "they ask for a payment plan",
    TaskKind.DISPUTE: "they question an invoice",
    TaskKind.ADDRESS: "an address is somebody else's: find theirs",
    TaskKind.CARE: "they are in difficulty: speak with them",
    TaskKind.WORDING: "a message says what may not leave that way: word it otherwise",
    TaskKind.PRESERVE: "they demand that everything is preserved: place a legal hold, or not",
}
"""What is asked for, by the kind of task."""
DECIDED = frozenset({TaskKind.PROMISE, TaskKind.PRESERVE})
"""What is taken or refused, not just done."""


def line(session: Session, task: Task) -> str:
    """What waits, since when, and whose it is."""
    client = session.get_one(Client, task.client_id)
    since = local_date(task.opened_at, client.timezone)
    again = f", asked {task.asked + 1} times" if task.asked else ""
    return f"{WHAT[task.kind]} since {spelling.day(since)}, {owner(session, task)}{again}"


def owner(session: Session, task: Task) -> str:
    """Whose it is."""
    person = session.get(Staff, task.owner_id) if task.owner_id else None
    return person.name if person and person.active else "finance, as nobody looks after them"
