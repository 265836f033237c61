"""How late clients pay, whether they keep their word, and what should come in when."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from sqlmodel import Session

from billing.history import payments as read
from billing.history import receivables as debts
from billing.history.receivables import Owed
from billing.metrics import Period
from billing.metrics import payments as metrics
from bot.charts import Columns
from bot.reports.answer import (
    Amount,
    Answer,
    Asked,
    Figure,
    Number,
    Section,
    bar_height,
    scaled,
)

_HABIT_DAYS = 365


def days_late(session: Session, asked: Asked) -> Answer:
    """How long after the due day money comes."""
    by_currency: defaultdict[str, list[read.PaidOn]] = defaultdict(list)
    for one in read.paid(session, asked.scope, asked.period):
        by_currency[one.currency].append(one)
    sections, panels = [], []
    for currency, paid in sorted(by_currency.items()):
        found = metrics.days_late(one.paid for one in paid)
        figures = [
            Figure("weighted", "days late, weighted by amount", Number(found.weighted, "days")),
            Figure("simple", "days late, simple", Number(found.simple, "days")),
            Figure("payments", "payments", found.count),
            Figure("paid", "paid", Amount(found.amount, currency)),
        ]
        sections.append(Section(currency, figures))
        by_month: defaultdict[dt.date, list[metrics.Paid]] = defaultdict(list)
        for one in paid:
            by_month[one.paid_on.replace(day=1)].append(one.paid)
        columns = [
            (f"{month:%b %Y}", (bar_height(metrics.days_late(of).weighted),))
            for month, of in sorted(by_month.items())
        ]
        panels.append(Columns(f"Days late by amount, {currency}", columns, digits=1))
    return Answer(
        "days-late",
        "Days late",
        asked.scope.today,
        sections,
        period=asked.period,
        panels=panels,
    )


def promises(session: Session, asked: Asked) -> Answer:
    """How much of the promised money came in time."""
    judged = read.promises(session, asked.scope, asked.period, asked.bank_days)
    sections, panels = [], []
    for currency in sorted({*judged.past, *judged.standing}):
        found = metrics.promises_kept(judged.past.get(currency, ()))
        standing = judged.standing.get(currency, [])
        to_come = sum(word.amount for word in standing)
        figures = [
            Figure("by_amount", "kept, by amount", Number(found.by_amount, "%")),
            Figure("by_count", "kept, by count", Number(found.by_count, "%")),
            Figure("promises", "promises whose day has passed", found.promises),
            Figure("kept", "kept in full", found.kept),
            Figure("promised", "promised", Amount(found.amount, currency)),
            Figure("came", "came in time", Amount(found.came, currency)),
            Figure("standing", "promised and still to come", Amount(to_come, currency)),
        ]
        sections.append(Section(currency, figures))
        parts = (("promised", found.amount), ("came in time", found.came), ("to come", to_come))
        columns = [(label, (scaled(sum_, currency),)) for label, sum_ in parts]
        panels.append(Columns(f"Promises, {currency}", columns))
    return Answer(
        "promises",
        "Promises kept",
        asked.scope.today,
        sections,
        period=asked.period,
        panels=panels,
    )


def forecast(session: Session, asked: Asked) -> Answer:
    """What should come in, by week."""
    scope, today = asked.scope, asked.scope.today
    rows = debts.owed(session, scope)
    habit = read.paid(session, scope, Period.ending(today, _HABIT_DAYS))
    words = read.promises(session, scope, asked.period, asked.bank_days).standing
    cash = debts.unapplied(session, scope)
    sections, panels = [], []
    for currency in sorted({row.currency for row in rows}):
        own = [row for row in rows if row.currency == currency and row.debt.open > 0]
        found = metrics.cash_forecast(
            list(_open(own)),
            words.get(currency, []),
            (one.paid for one in habit if one.currency == currency),
            today,
        )
        free = sum(sum_ for (of, _), sum_ in cash.items() if of == currency)
        split = _weeks(found, today)
        sections.append(
            Section(
                currency,
                _apart(found, own, free, currency),
                ("week of", "promised", "by habit", "expected"),
                [
                    [week, *(Amount(sum_, currency) for sum_ in (a, b, a + b))]
                    for week, a, b in split
                ],
            )
        )
        columns = [
            (f"{week:%-d %b}", (scaled(a, currency), scaled(b, currency))) for week, a, b in split
        ]
        panels.append(Columns(f"Expected, {currency}", columns, ("promised", "by habit")))
    return Answer("cash-forecast", "Cash forecast", today, sections, panels=panels)


def _open(rows: Iterable[Owed]) -> Iterator[metrics.Open]:
    """What its client may be expected to pay."""
    for row in rows:
        debt = row.debt
        if not debt.of_payer and debt.open > debt.disputed:
            yield metrics.Open(row.client_id, row.due_on, debt.open - debt.disputed)


def _weeks(found: metrics.Forecast, today: dt.date) -> list[tuple[dt.date, int, int]]:
    first = metrics.monday(today)
    weeks = [first + dt.timedelta(weeks=number) for number in range(metrics.WEEKS)]
    return [(week, found.promised.get(week, 0), found.by_habit.get(week, 0)) for week in weeks]


def _apart(
    found: metrics.Forecast, rows: Sequence[Owed], unapplied: int, currency: str
) -> list[Figure]:
    amounts = (
        ("expected", "expected in 13 weeks", found.expected),
        ("later", "expected later", found.later),
        ("beyond_habit", "late beyond the client's habit", found.beyond_habit),
        ("disputed", "disputed, left out", sum(row.debt.disputed for row in rows)),
        ("of_payers", "others' shares, left out", _of_payers(rows)),
        ("unapplied", "unapplied, not deducted", unapplied),
    )
    return [Figure(key, label, Amount(sum_, currency)) for key, label, sum_ in amounts]


def _of_payers(rows: Sequence[Owed]) -> int:
    return sum(row.debt.open for row in rows if row.debt.of_payer)
