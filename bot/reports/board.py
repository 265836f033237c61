"""Is the system worth it? Five figures against their baseline, and the revenue that leaks away."""

import bisect
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from sqlmodel import Session

from billing import history, spelling
from billing.calendar import add_months
from billing.history import Scope
from billing.history import receivables as debts
from billing.metrics import Period, work
from billing.metrics import receivables as sums
from billing.metrics.invoicing import time_to_invoice
from billing.metrics.receivables import Days, Leakage
from billing.metrics.work import Touch
from bot.charts import Columns
from bot.reports import invoicing, receivables, touchpoints
from bot.reports.answer import (
    NOTHING,
    Amount,
    Answer,
    Asked,
    Cell,
    Figure,
    Number,
    Section,
    bar_height,
    written,
)
from bot.reports.invoicing import History

MONTHS = 12
_MONTH = 30
"""Days over which hours are told, so that periods of any length compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One of the five: now, then, and month by month."""

    key: str
    title: str
    now: Number
    then: Number
    better: Literal["less", "more"]
    trend: Sequence[tuple[dt.date, Fraction | None]]
    note: str
    """What the months show, and what is beside the number."""

    @property
    def change(self) -> Fraction | None:
        """In per cent of the baseline."""
        if self.now.value is None or not self.then.value:
            return None
        return (self.now.value - self.then.value) / self.then.value * 100

    @property
    def improved(self) -> bool | None:
        """Whether it went the right way; None where it did not move or cannot be told."""
        if self.now.value is None or self.then.value is None or self.now.value == self.then.value:
            return None
        return (self.now.value > self.then.value) == (self.better == "more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The page, before anybody draws it."""

    firm: str
    currency: str
    others: Sequence[str]
    as_of: dt.date
    period: Period
    baseline: Period | None
    measures: Sequence[Measure]
    leakage: Leakage
    leakage_then: Leakage | None
    unapplied: int
    disputed: int


def gather(
    session: Session, asked: Asked, baseline: dt.date | None = None, *, firm: str = ""
) -> Board | None:
    """The figures of a firm in one currency (the one with most bills); None of empty books."""
    scope, period = asked.scope, asked.period
    known = history.currencies(session, scope)
    begun = history.first_day(session, scope)
    if not known or begun is None:
        return None
    currency = scope.currency or max(sorted(known), key=lambda one: known[one])
    scope = replace(scope, currency=currency)
    then = _baseline(begun, period, baseline)
    months = _months(period.last, begun)
    aged = sums.aging(debts.debts(debts.owed(session, scope), currency))
    cash = debts.unapplied(session, scope)
    return Board(
        firm=firm or ", ".join(history.entities(session)),
        currency=currency,
        others=sorted(set(known) - {currency}),
        as_of=scope.today,
        period=period,
        baseline=then,
        measures=_measures(session, scope, period, then, months),
        leakage=_leakage(session, scope, period),
        leakage_then=_leakage(session, _as_of(scope, then), then) if then else None,
        unapplied=sum(cash.values()),
        disputed=aged.disputed,
    )


def _as_of(scope: Scope, period: Period) -> Scope:
    """What was known at the end of a period."""
    return replace(scope, day=period.last)


def _baseline(begun: dt.date, period: Period, asked: dt.date | None) -> Period | None:
    """The days that end with the one asked for, or the first full quarter of the books."""
    if asked is not None:
        return Period.ending(asked, period.days)
    first = dt.date(begun.year, (begun.month - 1) // 3 * 3 + 1, 1)
    if first < begun:
        first = add_months(first, 3)
    last = add_months(first, 3) - dt.timedelta(days=1)
    return Period(first, last) if last < period.last else None


def _months(last: dt.date, begun: dt.date) -> list[Period]:
    """The last twelve months of which there is anything, the current one to its day."""
    this = last.replace(day=1)
    firsts = [add_months(this, -back) for back in reversed(range(MONTHS))]
    months = [
        Period(first, min(last, add_months(first, 1) - dt.timedelta(days=1))) for first in firsts
    ]
    return [month for month in months if month.last >= begun]


def _leakage(session: Session, scope: Scope, period: Period) -> Leakage:
    found = receivables.leaks(session, Asked(scope, period))
    return found.get(scope.currency) or Leakage(0, 0, 0, None)


# --- the five -------------------------------------------------------------------------------------


def _measures(
    session: Session, scope: Scope, period: Period, then: Period | None, months: Sequence[Period]
) -> list[Measure]:
    begin = min([period.first, *(month.first for month in months), *([then.first] if then else [])])
    everything = Period(begin, period.last)
    said = touchpoints.said(session, scope, begin, period.last)
    bills = invoicing.read_history(session, scope, everything)
    return [
        _time_to_invoice(bills, period, then, months),
        _errors(bills, period, then, months),
        _dso(session, scope, period, then, months),
        _hours(said, touchpoints.escalated(session, scope, everything), period, then, months),
        _responses(said, period, then, months),
    ]


def _of(
    value: Callable[[Period], Fraction | None],
    period: Period,
    then: Period | None,
    unit: str,
) -> tuple[Number, Number]:
    """Now and then."""
    return Number(value(period), unit), Number(value(then) if then else None, unit)


def _time_to_invoice(
    bills: History, period: Period, then: Period | None, months: Sequence[Period]
) -> Measure:
    def value(of: Period) -> Fraction | None:
        return time_to_invoice(bills.issued(of)).days.median

    found = time_to_invoice(bills.issued(period))
    now, before = _of(value, period, then, "days")
    p90 = written(Number(found.days.p90, "days"))
    return Measure(
        key="time_to_invoice",
        title="Time to invoice",
        now=now,
        then=before,
        better="less",
        trend=[(month.first, value(month)) for month in months],
        note=f"median of {_many(found.days.count, 'bill')}; 90th percentile {p90}; of "
        f"{_many(found.unknown, 'bill')} nobody told when it could be billed",
    )


def _errors(
    bills: History, period: Period, then: Period | None, months: Sequence[Period]
) -> Measure:
    def value(of: Period) -> Fraction | None:
        return bills.errors(of).rate

    found = bills.errors(period)
    now, before = _of(value, period, then, "%")
    return Measure(
        key="billing_errors",
        title="Billing error rate",
        now=now,
        then=before,
        better="less",
        trend=[(month.first, value(month)) for month in months],
        note=f"{_many(found.duplicates, 'possible duplicate')}, {found.incorrect} incorrect, "
        f"{found.missed} missed; {found.issued} issued, {_many(found.corrections, 'correction')}",
    )


def _dso(
    session: Session, scope: Scope, period: Period, then: Period | None, months: Sequence[Period]
) -> Measure:
    moved = debts.receivable(session, scope).get(scope.currency, {})
    sold = debts.sales(session, scope).get(scope.currency, {})

    def value(of: Period) -> Fraction | None:
        return _countback(moved, sold, of.last)

    now, before = _of(value, period, then, "days")
    receivable = sums.up_to(moved, period.last)
    open_ = written(Amount(receivable, scope.currency))
    whole = sums.countback(receivable, sums.months_back(sold, period.last)).complete
    least = "" if whole else "; at least, for more is open than all sales we know of"
    return Measure(
        key="dso",
        title=f"DSO (countback), {scope.currency}",
        now=now,
        then=before,
        better="less",
        trend=[(month.first, value(month)) for month in months],
        note=f"at the end of each month; {open_} open at the end of the period{least}",
    )


def _countback(moved: Days, sold: Days, last: dt.date) -> Fraction | None:
    months = sums.months_back(sold, last)
    return sums.countback(sums.up_to(moved, last), months).days if months else None


def _hours(
    said: Sequence[Touch],
    cases: Sequence[dt.date],
    period: Period,
    then: Period | None,
    months: Sequence[Period],
) -> Measure:
    def hours(of: Period) -> work.Hours:
        done = touchpoints.tasks(_within(said, of), sum(day in of for day in cases))
        return work.hours_recaptured(done)

    def value(of: Period) -> Fraction | None:
        return hours(of).hours * _MONTH / of.days

    now, before = _of(value, period, then, "hours")
    found = hours(period)
    many = sum(number for task, number in found.tasks.items() if task != "logged")
    whole = written(Number(found.hours, "hours"))
    return Measure(
        key="hours",
        title="Staff hours recaptured, per 30 days",
        now=now,
        then=before,
        better="more",
        trend=[(month.first, hours(month).hours) for month in months],
        note=f"{whole} in the period, for {_many(many, 'task')} at stated minutes",
    )


def _responses(
    said: Sequence[Touch], period: Period, then: Period | None, months: Sequence[Period]
) -> Measure:
    def value(of: Period) -> Fraction | None:
        return work.first_response(_within(said, of)).first.median

    found = work.first_response(_within(said, period))
    now, before = _of(value, period, then, "hours")
    p90 = written(Number(found.first.p90, "hours"))
    staff = written(Number(found.staff.median, "hours"))
    return Measure(
        key="response_times",
        title="First response to clients",
        now=now,
        then=before,
        better="less",
        trend=[(month.first, value(month)) for month in months],
        note=f"median of {_many(found.first.count, 'answer')}; 90th percentile {p90}; by staff "
        f"{staff}; {_many(found.waiting, 'client')} still waiting",
    )


def _many(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _within(said: Sequence[Touch], period: Period) -> Sequence[Touch]:
    first = bisect.bisect_left(said, period.first, key=_day)
    return said[first : bisect.bisect_right(said, period.last, key=_day)]


def _day(touch: Touch) -> dt.date:
    return touch.at.date()


# --- as an answer ---------------------------------------------------------------------------------


def answer(board: Board | None, asked: Asked) -> Answer:
    """The same for a terminal, for scripts and as a picture."""
    if board is None:
        return Answer("board", "Board report", asked.scope.today, [], period=asked.period)
    rows: list[list[Cell]] = [
        [one.title, one.now, one.then, _change(one.change), one.note] for one in board.measures
    ]
    figures = [
        *(Figure(one.key, one.title, one.now) for one in board.measures),
        *(
            Figure(f"{one.key}_baseline", f"{one.title}, baseline", one.then)
            for one in board.measures
        ),
        Figure("leakage", "revenue leakage", Amount(board.leakage.amount, board.currency)),
        Figure("leakage_share", "leakage, share of sales", Number(board.leakage.share, "%")),
    ]
    panels = [
        Columns(
            f"{one.title}, {one.now.unit}",
            [(f"{month:%b %Y}", (bar_height(value),)) for month, value in one.trend],
            digits=1,
        )
        for one in board.measures
    ]
    columns = ("figure", "now", "baseline", "change", "beside it")
    return Answer(
        "board",
        "Board report",
        board.as_of,
        [Section(board.currency, figures, columns, rows)],
        period=board.period,
        remarks=remarks(board),
        panels=panels,
    )


def _change(value: Fraction | None) -> str:
    return (
        NOTHING if value is None else f"{'+' if value > 0 else ''}{written(Number(value, '%', 0))}"
    )


def remarks(board: Board) -> list[str]:
    """What a reader must know beside the numbers."""
    base = board.baseline
    said = [
        f"The baseline is {spelling.day(base.first)} to {spelling.day(base.last)}."
        if base
        else "There is no full quarter to compare with yet; --baseline DATE names another period."
    ]
    if base and base.last >= board.period.first:
        said.append("The baseline and the period overlap: there is little history so far.")
    amounts = Amount(board.unapplied, board.currency), Amount(board.disputed, board.currency)
    free, contested = map(written, amounts)
    said.append(
        f"Amounts are {board.currency} only, never converted"
        + (f" ({', '.join(board.others)} not shown)" if board.others else "")
        + f"; {free} unapplied is not deducted, {contested} disputed is included."
    )
    return said
