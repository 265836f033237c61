"""What was open on a day, what was sold until then, and what was given up?"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlmodel import Session, col

from billing.aliases import SPEAKER
from billing.history import Scope
from billing.metrics.receivables import Debt
from billing.models import Client, Instalment, Invoice, InvoiceDispute, Posting, PostingKind

ByDay = dict[str, dict[dt.date, int]]
"""Minor units by currency and day."""
SALES = (PostingKind.ISSUE, PostingKind.CORRECTION, PostingKind.VOID)


class Owed(NamedTuple):
    """What one debtor owes of an instalment on the day."""

    currency: str
    client_id: int
    invoice_id: int
    number: str
    due_on: dt.date
    debt: Debt


def owed(session: Session, scope: Scope) -> list[Owed]:
    """All that was open on the day, the oldest due first; negative: paid before it was issued."""
    contested = _contested(session, scope)
    days = _Days(scope)
    return [_owed(row, days, contested) for row in session.connection().execute(_open(scope))]


def _open(scope: Scope) -> Select[Any]:
    total = func.sum(col(Posting.amount))
    sums = (
        select(col(Posting.instalment_id), col(Posting.payer_id), total.label("open"))
        .where(
            col(Posting.instalment_id).is_not(None),
            col(Posting.effective_on) <= scope.horizon,
            *scope.of(Posting),
        )
        .group_by(col(Posting.instalment_id), col(Posting.payer_id))
        .having(total != 0)
        .subquery()
    )
    return (
        select(
            col(Invoice.currency),
            SPEAKER.label("client_id"),
            col(Instalment.invoice_id),
            col(Invoice.number),
            col(Instalment.due_on),
            col(Client.timezone),
            sums.c.open,
            sums.c.payer_id,
        )
        .join_from(sums, Instalment, col(Instalment.id) == sums.c.instalment_id)
        .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
        .join(Client, col(Client.id) == col(Instalment.client_id))
        .order_by(col(Instalment.due_on), col(Instalment.id), sums.c.payer_id)
    )


class _Days(dict[str, dt.date]):
    """Today by time zone, asked once each."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def __missing__(self, timezone: str) -> dt.date:
        self[timezone] = day = self._scope.day_in(timezone)
        return day


def _owed(row: Any, days: _Days, contested: dict[int, int | None]) -> Owed:
    """Takes from ``contested`` what this instalment covers, so that the next one sees the rest."""
    currency, client_id, invoice_id, number, due_on, timezone, sum_, payer_id = row
    open_, disputed = int(sum_), 0
    if contested and payer_id is None and open_ > 0 and invoice_id in contested:
        left = contested[invoice_id]
        disputed = open_ if left is None else min(open_, left)
        contested[invoice_id] = None if left is None else left - disputed
    late = (days[timezone] - due_on).days
    debt = Debt(late, open_, disputed, payer_id is not None)
    return Owed(currency, client_id, invoice_id, number, due_on, debt)


def _contested(session: Session, scope: Scope) -> dict[int, int | None]:
    """What was disputed of each invoice on the day; None means all of it."""
    query = (
        select(col(InvoiceDispute.invoice_id), col(InvoiceDispute.amount))
        .join(Invoice, col(Invoice.id) == col(InvoiceDispute.invoice_id))
        .where(col(InvoiceDispute.opened_on) <= scope.horizon, _standing(scope), *scope.of(Invoice))
    )
    found: dict[int, int | None] = {}
    for invoice_id, amount in session.connection().execute(query):
        so_far = found.get(invoice_id, 0)
        found[invoice_id] = None if amount is None or so_far is None else so_far + amount
    return found


def _standing(scope: Scope) -> ColumnElement[bool]:
    closed = col(InvoiceDispute.closed_at)
    end = dt.datetime.combine(scope.horizon, dt.time.max, dt.UTC)
    return or_(closed.is_(None), closed > (end if scope.day else scope.now))


def unapplied(session: Session, scope: Scope) -> dict[tuple[str, int], int]:
    """Money on account by currency and client, a payer's money on a client's account included."""
    query = (
        select(col(Posting.currency), SPEAKER, -func.sum(col(Posting.amount)))
        .join(Client, col(Client.id) == col(Posting.client_id))
        .where(
            col(Posting.instalment_id).is_(None),
            col(Posting.effective_on) <= scope.horizon,
            *scope.of(Posting),
        )
        .group_by(col(Posting.currency), SPEAKER)
    )
    rows = session.connection().execute(query)
    return {(currency, client_id): int(sum_) for currency, client_id, sum_ in rows if sum_}


def sales(session: Session, scope: Scope) -> ByDay:
    """What was issued, corrected and voided, by the day on which it was."""
    return _by_day(session, scope, col(Posting.kind).in_(SALES))


def receivable(session: Session, scope: Scope) -> ByDay:
    """How what is open moved, by day: the sum up to a day is what was open then."""
    return _by_day(session, scope, col(Posting.instalment_id).is_not(None))


def written_off(session: Session, scope: Scope) -> ByDay:
    """What was given up, by day; taken back, it is less."""
    found = _by_day(session, scope, col(Posting.kind) == PostingKind.WRITE_OFF)
    return {
        currency: {day: -sum_ for day, sum_ in days.items()} for currency, days in found.items()
    }


def received(session: Session, scope: Scope) -> ByDay:
    """Money that came, less what went back, by day."""
    kinds = (PostingKind.PAYMENT, PostingKind.REFUND, PostingKind.CHARGEBACK)
    found = _by_day(session, scope, col(Posting.kind).in_(kinds))
    return {
        currency: {day: -sum_ for day, sum_ in days.items()} for currency, days in found.items()
    }


def _by_day(session: Session, scope: Scope, condition: ColumnElement[bool]) -> ByDay:
    day = col(Posting.effective_on)
    query = (
        select(col(Posting.currency), day, func.sum(col(Posting.amount)))
        .where(condition, day <= scope.horizon, *scope.of(Posting))
        .group_by(col(Posting.currency), day)
    )
    found: defaultdict[str, dict[dt.date, int]] = defaultdict(dict)
    for currency, on, sum_ in session.connection().execute(query):
        found[currency][on] = int(sum_)
    return dict(found)


def debts(rows: list[Owed], currency: str) -> Iterator[Debt]:
    """The debts of one currency."""
    return (row.debt for row in rows if row.currency == currency)
