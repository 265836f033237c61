"""Which money paid which instalment when, and what was promised and came?"""

import bisect
import datetime as dt
import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session, col

from billing import calendar
from billing.aliases import SPEAKER
from billing.history import Scope
from billing.metrics import Period
from billing.metrics.payments import BANK_DAYS, Paid, Promised, Word
from billing.models import (
    Client,
    Instalment,
    Invoice,
    Posting,
    PostingKind,
    Promise,
    PromisePart,
    PromiseScope,
)


class PaidOn(NamedTuple):
    """What one payment paid of an instalment, and when it first did."""

    currency: str
    paid_on: dt.date
    paid: Paid


def paid(session: Session, scope: Scope, period: Period) -> list[PaidOn]:
    """What the client's own payments of a period paid, and still do on the day."""
    amount, first = -func.sum(col(Posting.amount)), func.min(col(Posting.effective_on))
    sums = (
        select(
            col(Posting.instalment_id),
            col(Posting.currency),
            amount.label("amount"),
            first.label("paid_on"),
        )
        .where(
            col(Posting.kind) == PostingKind.ALLOCATION,
            col(Posting.instalment_id).is_not(None),
            col(Posting.payment_id).is_not(None),
            col(Posting.payer_id).is_(None),
            col(Posting.effective_on) <= scope.horizon,
            *scope.of(Posting),
        )
        .group_by(col(Posting.instalment_id), col(Posting.payment_id), col(Posting.currency))
        .having(amount > 0, first >= period.first, first <= period.last)
        .subquery()
    )
    query = (
        select(
            sums.c.currency,
            sums.c.paid_on,
            sums.c.amount,
            col(Instalment.due_on),
            SPEAKER.label("client_id"),
        )
        .join(Instalment, col(Instalment.id) == sums.c.instalment_id)
        .join(Client, col(Client.id) == col(Instalment.client_id))
    )
    return [
        PaidOn(
            row.currency,
            row.paid_on,
            Paid(row.client_id, int(row.amount), (row.paid_on - row.due_on).days),
        )
        for row in session.connection().execute(query)
    ]


# --- promises -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judged:
    """Promises by currency: those whose last day was in the period, and those that stand."""

    past: dict[str, list[Promised]]
    standing: dict[str, list[Word]]


class _Part(NamedTuple):
    """A part of a promise, with what the parts before it promised."""

    promise_id: int
    client_id: int
    legal_entity_id: int
    currency: str
    made_on: dt.date
    due_on: dt.date
    ends_on: dt.date
    amount: int
    before: int


def promises(session: Session, scope: Scope, period: Period, bank_days: int = BANK_DAYS) -> Judged:
    """What was promised: how much of it came in time, and what is still to come."""
    parts = list(_parts(session, scope, bank_days))
    named = _named(session, [part.promise_id for part in parts])
    came = _Came(session, scope)
    past: defaultdict[str, list[Promised]] = defaultdict(list)
    standing: defaultdict[str, list[Word]] = defaultdict(list)
    for part in parts:
        sum_ = came.between(part, named.get(part.promise_id, ()))
        if part.ends_on in period:
            past[part.currency].append(Promised(part.amount, max(0, sum_ - part.before)))
        left = min(part.amount, part.before + part.amount - sum_)
        if part.ends_on >= scope.today and left > 0:
            standing[part.currency].append(Word(part.client_id, part.due_on, left))
    return Judged(dict(past), dict(standing))


def _parts(session: Session, scope: Scope, bank_days: int) -> Iterator[_Part]:
    """Parts of promises that nobody took back by the day, in the order of their plans."""
    end = dt.datetime.combine(scope.horizon, dt.time.max, dt.UTC)
    withdrawn = col(Promise.withdrawn_at)
    query: Any = (
        select(
            col(PromisePart.promise_id),
            col(PromisePart.due_on),
            col(PromisePart.amount),
            col(Promise.legal_entity_id),
            col(Promise.currency),
            col(Promise.made_at),
            col(Client.timezone),
            col(Client.country),
            col(Client.region),
            SPEAKER.label("owner_id"),
        )
        .join(Promise, col(Promise.id) == col(PromisePart.promise_id))
        .join(Client, col(Client.id) == col(Promise.client_id))
        .where(
            col(Promise.made_at) <= end, withdrawn.is_(None) | (withdrawn > end), *scope.of(Promise)
        )
        .order_by(col(PromisePart.promise_id), col(PromisePart.position))
    )
    before: defaultdict[int, int] = defaultdict(int)
    for row in session.connection().execute(query):
        yield _Part(
            row.promise_id,
            row.owner_id,
            row.legal_entity_id,
            row.currency,
            calendar.local_date(row.made_at, row.timezone),
            row.due_on,
            calendar.add_business_days(row.due_on, bank_days, row.country, row.region),
            row.amount,
            before[row.promise_id],
        )
        before[row.promise_id] += row.amount


def _named(session: Session, promise_ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """The invoices that promises name."""
    wanted = set(promise_ids)
    found: defaultdict[int, tuple[str, ...]] = defaultdict(tuple)
    query = select(col(PromiseScope.promise_id), col(PromiseScope.invoice_number))
    for promise_id, number in session.connection().execute(query) if wanted else ():
        if promise_id in wanted:
            found[promise_id] = (*found[promise_id], number)
    return dict(found)


Running = tuple[list[dt.date], list[int]]


class _Came:
    """Money by invoice, and by account, with its running sum by day; read when it is asked for."""

    def __init__(self, session: Session, scope: Scope) -> None:
        self._session, self._scope = session, scope

    @functools.cached_property
    def _by_invoice(self) -> dict[Any, Running]:
        return _running(self._session.connection().execute(_on_invoices(self._scope)))

    @functools.cached_property
    def _by_account(self) -> dict[Any, Running]:
        return _running(self._session.connection().execute(_on_accounts(self._scope)))

    def between(self, part: _Part, numbers: tuple[str, ...]) -> int:
        """What came from the day of the promise to its last day."""
        before, end = part.made_on - dt.timedelta(days=1), part.ends_on
        if not numbers:
            account = (part.client_id, part.legal_entity_id, part.currency)
            return _sum(self._by_account, account, before, end)
        keys = ((part.client_id, part.legal_entity_id, number) for number in numbers)
        return sum(_sum(self._by_invoice, key, before, end) for key in keys)


def _on_invoices(scope: Scope) -> Any:
    keys = (SPEAKER, col(Invoice.legal_entity_id), col(Invoice.number), col(Posting.effective_on))
    return (
        select(*keys, -func.sum(col(Posting.amount)))
        .join(Instalment, col(Instalment.id) == col(Posting.instalment_id))
        .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
        .join(Client, col(Client.id) == col(Posting.client_id))
        .where(
            col(Posting.kind) == PostingKind.ALLOCATION,
            col(Posting.payer_id).is_(None),
            col(Posting.effective_on) <= scope.horizon,
            *scope.of(Posting),
        )
        .group_by(*keys)
        .order_by(col(Posting.effective_on))
    )


def _on_accounts(scope: Scope) -> Any:
    keys = (
        SPEAKER, col(Posting.legal_entity_id), col(Posting.currency), col(Posting.effective_on),
    )  # fmt: skip
    kinds = (PostingKind.PAYMENT, PostingKind.REFUND, PostingKind.CHARGEBACK)
    return (
        select(*keys, -func.sum(col(Posting.amount)))
        .join(Client, col(Client.id) == col(Posting.client_id))
        .where(
            col(Posting.kind).in_(kinds),
            col(Posting.payer_id).is_(None),
            col(Posting.effective_on) <= scope.horizon,
            *scope.of(Posting),
        )
        .group_by(*keys)
        .order_by(col(Posting.effective_on))
    )


def _running(rows: Iterable[Any]) -> dict[Any, Running]:
    found: dict[Any, Running] = {}
    for *key, day, amount in rows:
        days, sums = found.setdefault(tuple(key), ([], [0]))
        days.append(day)
        sums.append(sums[-1] + int(amount))
    return found


def _sum(found: dict[Any, Running], key: Any, after: dt.date, end: dt.date) -> int:
    """What came after a day, to the end of another."""
    days, sums = found.get(key, ([], [0]))
    return sums[bisect.bisect_right(days, end)] - sums[bisect.bisect_right(days, after)]
