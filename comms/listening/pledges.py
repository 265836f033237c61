"""May a promise be taken as it is, or must a person take it?

Whoever has broken too many within the time that the policy names is believed no more by a machine:
a further promise stops no reminder until somebody says so, but a short while, so that they can.
"""

import datetime as dt
from collections.abc import Iterable

from sqlmodel import Session, col, func, select

from billing import aliases, facts, references
from billing.calendar import local_date, midnight
from billing.models import Client, Hold, Promise, PromiseOutcome
from comms.duties import tasks
from comms.duties.tasks import Wanted
from comms.models import TaskKind
from comms.office import Office

PROPOSED = "promise_proposed"
"""The reason of the hold while a person decides."""


def review(session: Session, office: Office, told: Iterable[facts.Fact]) -> None:
    """Of promises that were booked a moment ago, those that a person must take wait for one."""
    for fact in told:
        if not isinstance(fact, facts.PromiseMade) or fact.said_by == "staff":
            continue
        promise_id = references.known(session, fact.source, "promise", fact.key)
        promise = session.get(Promise, promise_id) if promise_id else None
        if promise is not None and broken(session, office, promise.client_id) >= (
            office.policy.promises.broken
        ):
            _propose(session, office, promise)


def broken(session: Session, office: Office, client_id: int) -> int:
    """How many promises a client has broken within the time that counts."""
    since = office.now - dt.timedelta(days=office.policy.promises.within_days)
    query = select(func.count()).where(
        col(Promise.client_id).in_(aliases.group(session, client_id)),
        Promise.outcome == PromiseOutcome.BROKEN,
        col(Promise.judged_at) >= since,
    )
    return session.exec(query).one()


def _propose(session: Session, office: Office, promise: Promise) -> None:
    client = aliases.master(session, session.get_one(Client, promise.client_id))
    promise.awaits_since = office.now
    last = local_date(office.now, client.timezone) + dt.timedelta(
        days=office.policy.replies.plan_days + 1
    )
    hold = Hold(
        client_id=client.id,
        reason=PROPOSED,
        owner_id=client.owner_id,
        placed_at=office.now,
        until=midnight(last, client.timezone),
    )
    session.add(hold)
    session.flush()
    wanted = Wanted(kind=TaskKind.PROMISE, hold_id=hold.id, promise_id=promise.id)
    tasks.open_task(session, office, client, wanted)
