"""Which bills were issued, corrected, settled or forgotten, and what was agreed to when?"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from sqlalchemy import case, func, select
from sqlmodel import Session, col

from billing.aliases import SPEAKER
from billing.history import Scope
from billing.metrics import Period
from billing.metrics.invoicing import Billed, Change, Wait
from billing.metrics.retention import Base, monthly
from billing.metrics.work import Cycle
from billing.models import (
    UNISSUED,
    Agreement,
    AgreementChange,
    AgreementState,
    Client,
    Instalment,
    Invoice,
    Posting,
    PostingKind,
)
from billing.store import table_of

_OWNER = SPEAKER.label("owner_id")


def billed(session: Session, scope: Scope, period: Period) -> list[Billed]:
    """The invoices issued in a period, the first of them first."""
    query = (
        select(
            col(Invoice.id),
            _OWNER,
            col(Invoice.legal_entity_id),
            col(Invoice.currency),
            col(Invoice.amount),
            col(Invoice.issued_on),
            col(Invoice.ready_on),
            col(Invoice.service_type),
            col(Invoice.matter),
        )
        .join(Client, col(Client.id) == col(Invoice.client_id))
        .where(
            col(Invoice.state).not_in(UNISSUED),
            col(Invoice.issued_on) >= period.first,
            col(Invoice.issued_on) <= min(period.last, scope.horizon),
            *scope.of(Invoice),
        )
        .order_by(col(Invoice.issued_on), col(Invoice.id))
    )
    rows = session.connection().execute(query)
    return [Billed(*row[:7], service=f"{row[7]}\n{row[8]}") for row in rows]


def corrections(session: Session, scope: Scope, period: Period) -> list[Change]:
    """Each correction, void and credit note of the invoices issued in a period."""
    by_cause = (PostingKind.CORRECTION, PostingKind.VOID)
    restated = _changes(scope, period, col(Posting.cause)).where(col(Posting.kind).in_(by_cause))
    credited = (
        _changes(scope, period, col(Posting.credit_note_id))
        .where(col(Posting.kind) == PostingKind.CREDIT)
        .having(func.sum(col(Posting.amount)) < 0)  # a credit note that was voided is none
    )
    connection = session.connection()
    return [Change(*row) for one in (restated, credited) for row in connection.execute(one)]


def _changes(scope: Scope, period: Period, by: Any) -> Any:
    """The invoices of a period, once for each thing that changed them, and when it first did."""
    query: Any = (
        select(col(Instalment.invoice_id), func.min(col(Posting.effective_on)))
        .join_from(Posting, Instalment, col(Instalment.id) == col(Posting.instalment_id))
        .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
        .where(
            col(Posting.effective_on) <= scope.horizon,
            col(Invoice.issued_on) >= period.first,
            col(Invoice.issued_on) <= period.last,
            *scope.of(Posting),
        )
        .group_by(col(Instalment.invoice_id), by)
    )
    return query


def waits(session: Session, scope: Scope) -> list[Wait]:
    """Work that waited, or waits, to be billed; a draft of which nobody told since it was made."""
    unissued = col(Invoice.state).in_(UNISSUED)
    ready = func.coalesce(col(Invoice.ready_on), col(Invoice.issued_on))
    billed_on = case((unissued, None), else_=col(Invoice.issued_on))
    query = (
        select(col(Invoice.currency), col(Invoice.amount), ready, billed_on)
        .where(
            unissued | (col(Invoice.issued_on) > col(Invoice.ready_on)),
            ready <= scope.horizon,
            *scope.of(Invoice),
        )
        .order_by(ready, col(Invoice.id))
    )
    return [Wait(*row) for row in session.connection().execute(query)]


def cycles(session: Session, scope: Scope, period: Period) -> list[Cycle]:
    """Invoices that were settled in a period: nothing is open on the day, and money was paid."""
    last = func.max(col(Posting.effective_on))
    query = (
        select(_OWNER, col(Invoice.issued_on), last)
        .join_from(Posting, Instalment, col(Instalment.id) == col(Posting.instalment_id))
        .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
        .join(Client, col(Client.id) == col(Invoice.client_id))
        .where(col(Posting.effective_on) <= scope.horizon, *scope.of(Posting))
        .group_by(col(Invoice.id), col(Invoice.issued_on), _OWNER)
        .having(
            func.sum(col(Posting.amount)) == 0,
            func.count().filter(col(Posting.kind) == PostingKind.ALLOCATION) > 0,
            last >= period.first,
            last <= period.last,
        )
    )
    return [Cycle(*row) for row in session.connection().execute(query)]


def clients_billed(session: Session, scope: Scope) -> dict[str, int]:
    """How many clients were ever billed, by currency."""
    query = (
        select(col(Invoice.currency), func.count(_OWNER.distinct()))
        .join(Client, col(Client.id) == col(Invoice.client_id))
        .where(
            col(Invoice.state).not_in(UNISSUED),
            col(Invoice.issued_on) <= scope.horizon,
            *scope.of(Invoice),
        )
        .group_by(col(Invoice.currency))
    )
    return {row[0]: row[1] for row in session.connection().execute(query)}


# --- agreements -----------------------------------------------------------------------------------


def bases(session: Session, scope: Scope, period: Period) -> dict[str, list[Base]]:
    """What each client's agreements came to in a month, before a period and at its end."""
    start: defaultdict[tuple[str, int], Fraction] = defaultdict(Fraction)
    end: defaultdict[tuple[str, int], Fraction] = defaultdict(Fraction)
    for row, changes in _agreements(session, scope):
        for day, sums in ((period.before, start), (period.last, end)):
            value = monthly(_amount(row, changes, day), row.kind, row.billing_cycle)
            sums[row.currency, row.owner_id] += value or 0
    found: defaultdict[str, list[Base]] = defaultdict(list)
    for currency, client_id in sorted({*start, *end}):
        key = (currency, client_id)
        found[currency].append(Base(start[key], end[key]))
    return dict(found)


def _agreements(session: Session, scope: Scope) -> Iterator[tuple[Any, list[Any]]]:
    changes: defaultdict[int, list[Any]] = defaultdict(list)
    told = table_of(AgreementChange)
    for row in session.connection().execute(select(told).order_by(told.c.effective_on)):
        changes[row.agreement_id].append(row)
    query: Any = (
        select(
            col(Agreement.id),
            col(Agreement.kind),
            col(Agreement.billing_cycle),
            col(Agreement.currency),
            col(Agreement.state),
            col(Agreement.renews_on),
            _OWNER,
        )
        .join(Client, col(Client.id) == col(Agreement.client_id))
        .where(*scope.of(Agreement))
        .order_by(col(Agreement.id))
    )
    for row in session.connection().execute(query):
        yield row, changes[row.id]


def _amount(row: Any, changes: list[Any], day: dt.date) -> int:
    """What an agreement came to on a day; one that lapsed ended on its day."""
    if row.state == AgreementState.LAPSED and day >= row.renews_on:
        return 0
    return next((one.amount for one in reversed(changes) if one.effective_on <= day), 0)
