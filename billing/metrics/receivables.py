"""How much is open, how old is it, how fast does it turn into money, and what is lost?"""

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from billing.metrics import Period, percent, ratio

BUCKETS = ("current", "1-30", "31-60", "61-90", "over 90")
_ENDS = (0, 30, 60, 90)
UNCOLLECTED_AFTER = 120
"""Days after which what is still open counts as leaking away."""
Buckets = tuple[int, ...]
Days = Mapping[dt.date, int]
"""Minor units by day."""


class Debt(NamedTuple):
    """What one debtor owes of an instalment on a day, and how many days late that is then."""

    days_late: int
    open: int
    disputed: int = 0
    of_payer: bool = False


@dataclass(frozen=True, slots=True)
class Aging:
    """Amounts by bucket; of the clients themselves, and of others who owe shares."""

    own: Buckets
    payers: Buckets
    disputed: int
    unapplied: int

    @property
    def receivable(self) -> int:
        """All that is open, whoever owes it."""
        return sum(self.own) + sum(self.payers)

    @property
    def overdue(self) -> int:
        """What of it is late."""
        return sum(self.own[1:]) + sum(self.payers[1:])

    @property
    def balance(self) -> int:
        """What is open less what is unapplied."""
        return self.receivable - self.unapplied


def bucket(days_late: int) -> int:
    """Which bucket so many days are in: due today is current."""
    return bisect_left(_ENDS, days_late)


def aging(debts: Iterable[Debt], unapplied: int = 0) -> Aging:
    """Aging: what is open on a day, by how late it is.

    Formula: per instalment, the sum of its postings up to the day, put by the days between its due
    day and the day in the client's own calendar: current (not late; due today is not late), 1 to
    30, 31 to 60, 61 to 90, over 90.

    Unapplied: not deducted; shown beside it. Money that came before its bill was issued is
    unapplied until then.

    Disputed: included in its bucket; shown beside it.

    Others' shares: what insurers and other payers owe ages apart from what the client owes.

    Foreign money: never converted or added up; one table per currency.

    Source: the usual five buckets of receivables.
    """
    own, payers = [0] * len(BUCKETS), [0] * len(BUCKETS)
    disputed = 0
    for debt in debts:
        if debt.open < 0:
            unapplied -= debt.open
            continue
        (payers if debt.of_payer else own)[bucket(debt.days_late)] += debt.open
        disputed += debt.disputed
    return Aging(tuple(own), tuple(payers), disputed, unapplied)


def together(parts: Iterable[Aging]) -> Aging:
    """Of several clients in one currency."""
    own, payers = [0] * len(BUCKETS), [0] * len(BUCKETS)
    disputed = unapplied = 0
    for part in parts:
        own = [a + b for a, b in zip(own, part.own, strict=True)]
        payers = [a + b for a, b in zip(payers, part.payers, strict=True)]
        disputed, unapplied = disputed + part.disputed, unapplied + part.unapplied
    return Aging(tuple(own), tuple(payers), disputed, unapplied)


def at_risk(aged: Aging) -> Fraction | None:
    """At-risk rate: the share of receivables that is more than 90 days late.

    Formula: open and over 90 days late / all that is open · 100.

    Source: Counterfoil's own; the tail of the aging.
    """
    return percent(aged.own[-1] + aged.payers[-1], aged.receivable)


def dso(receivable: int, sales: int, days: int) -> Fraction | None:
    """DSO, simple: how many days of sales are not paid yet.

    Formula: receivables on the day / sales of the period · days of the period.

    Sales: what was issued, with corrections and voids on the day they were made; credit notes,
    late fees and interest are left out.

    Unapplied: not deducted from receivables.

    Disputed: included.

    Foreign money: never converted; one figure per currency.

    Source: Credit Research Foundation, formulas of credit and collections.
    """
    share = ratio(receivable, sales)
    return None if share is None or sales < 0 else share * days


class Month(NamedTuple):
    """Sales of a month, or of its first days, and how many days that is."""

    sales: int
    days: int


@dataclass(frozen=True, slots=True)
class Countback:
    """Days; not ``complete`` where the sales that we know of are less than what is open."""

    days: Fraction
    complete: bool


def countback(receivable: int, months: Sequence[Month]) -> Countback:
    """DSO, countback: how many days of the latest sales are as much as what is open.

    Formula: whole months are taken off receivables, the latest first, each for its days; the first
    month that is more than what is left counts for its share of days. The month of the day counts
    for its days so far.

    Sales, unapplied, disputed, foreign money: as in DSO, simple. Where the sales we know of are
    less than what is open, the figure is marked "at least".

    Source: Credit Research Foundation, the count-back or exhaustion method.
    """
    left, days = max(0, receivable), Fraction(0)
    for month in months:
        if not left:
            break
        if month.sales > left:
            return Countback(days + Fraction(left, month.sales) * month.days, complete=True)
        left -= max(0, month.sales)
        days += month.days
    return Countback(days, complete=not left)


def best_possible_dso(current: int, sales: int, days: int) -> Fraction | None:
    """Best possible DSO: what DSO would be if everybody paid on the day.

    Formula: current receivables (not late) / sales of the period · days of the period.

    Sales, unapplied, disputed, foreign money: as in DSO, simple.

    Source: Credit Research Foundation, formulas of credit and collections.
    """
    return dso(current, sales, days)


def average_days_delinquent(
    simple: Fraction | None, best_possible: Fraction | None
) -> Fraction | None:
    """ADD, average days delinquent: the days of DSO that are there because people pay late.

    Formula: DSO, simple - best possible DSO, of the same period.

    Source: Credit Research Foundation, formulas of credit and collections.
    """
    if simple is None or best_possible is None:
        return None
    return simple - best_possible


def collection_effectiveness(begin: int, sales: int, end: int, current: int) -> Fraction | None:
    """CEI, collection effectiveness index: how much of what could be collected was; 100 is all.

    Formula: (receivables at the beginning + sales - receivables at the end) / (receivables at the
    beginning + sales - current receivables at the end) · 100, all of one period.

    Sales, unapplied, disputed, foreign money: as in DSO, simple. Credit notes and write-offs make
    receivables less, so they count as collected; leakage shows them.

    Source: Credit Research Foundation, formulas of credit and collections.
    """
    return percent(begin + sales - end, begin + sales - current)


@dataclass(frozen=True, slots=True)
class Leakage:
    """Money that was earned and is not coming in, by why, and its share of sales in per cent."""

    written_off: int
    uncollected: int
    missed: int
    share: Fraction | None

    @property
    def amount(self) -> int:
        """All of it."""
        return self.written_off + self.uncollected + self.missed


def leakage(written_off: int, debts: Iterable[Debt], missed: int, sales: int) -> Leakage:
    """Revenue leakage: earned, and not coming in; as an amount and as a share of sales.

    Formula: written off in the period + open for more than 120 days after the due day + amounts of
    bills that should have been issued and were not; the share is of the sales of the period.

    Unapplied: not deducted.

    Disputed: included once it is more than 120 days late.

    Foreign money: never converted; one figure per currency.

    Source: Counterfoil's own; its three parts are printed beside it.
    """
    late = sum(debt.open for debt in debts if debt.open > 0 and debt.days_late > UNCOLLECTED_AFTER)
    return Leakage(written_off, late, missed, percent(written_off + late + missed, sales))


# --- what a period and a day see of amounts by day ------------------------------------------------


def up_to(days: Days, last: dt.date) -> int:
    """The sum to the end of a day: what is open then, where the amounts are movements."""
    return sum(amount for day, amount in days.items() if day <= last)


def within(days: Days, period: Period) -> int:
    """The sum of a period."""
    return sum(amount for day, amount in days.items() if day in period)


def months_back(sales: Days, last: dt.date) -> list[Month]:
    """Sales by month, the month of the day (its days so far) first, to the first sale we know."""
    by_month: dict[dt.date, int] = {}
    for day, amount in sales.items():
        if day <= last:
            first = day.replace(day=1)
            by_month[first] = by_month.get(first, 0) + amount
    found: list[Month] = []
    end = last
    while by_month and end >= min(by_month):
        first = end.replace(day=1)
        found.append(Month(by_month.get(first, 0), end.day))
        end = first - dt.timedelta(days=1)
    return found
