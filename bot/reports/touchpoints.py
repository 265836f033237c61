"""What was said between clients and us, and what was done without anybody, in a period?"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable

from sqlalchemy import select
from sqlmodel import Session, col

from billing.aliases import SPEAKER
from billing.history import Scope
from billing.metrics import Period
from billing.metrics.work import BY_STAFF, MINUTES, Touch
from billing.models import Client, EscalationCase
from comms.models import Touchpoint


def said(session: Session, scope: Scope, first: dt.date, last: dt.date) -> list[Touch]:
    """All that was said from one day to another, the first of it first."""
    begin, end = _moments(scope, first, last)
    query = (
        select(
            SPEAKER, col(Touchpoint.occurred_at), col(Touchpoint.kind), col(Touchpoint.direction)
        )
        .join(Client, col(Client.id) == col(Touchpoint.client_id))
        .where(
            col(Touchpoint.direction) != "internal",
            col(Touchpoint.occurred_at) >= begin,
            col(Touchpoint.occurred_at) < end,
        )
        .order_by(col(Touchpoint.occurred_at), col(Touchpoint.id))
    )
    rows = session.connection().execute(query)
    return [Touch(who, at, kind, direction == "in") for who, at, kind, direction in rows]


def escalated(session: Session, scope: Scope, period: Period) -> list[dt.date]:
    """The day of each case that was handed to a person with its file."""
    begin, end = _moments(scope, period.first, period.last)
    opened = col(EscalationCase.opened_at)
    query = select(opened).where(opened >= begin, opened < end).order_by(opened)
    return [at.date() for at in session.connection().execute(query).scalars()]


def _moments(scope: Scope, first: dt.date, last: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """From the first moment of a day to the end of another, in UTC; now, where that is sooner."""
    end = dt.datetime.combine(last + dt.timedelta(days=1), dt.time.min, dt.UTC)
    if scope.day is None and last >= scope.today:
        end = scope.now + dt.timedelta(seconds=1)
    return dt.datetime.combine(first, dt.time.min, dt.UTC), end


def tasks(touches: Iterable[Touch], cases: int) -> Counter[str]:
    """What was done by itself: sent by sequences, answered, logged, and gathered in case files."""
    found: Counter[str] = Counter()
    for touch in touches:
        if not touch.inbound and touch.kind != BY_STAFF and touch.kind in MINUTES:
            found[touch.kind] += 1
            found["logged"] += 1
    if cases:
        found["escalation"] = cases
    return found
