"""How long until work is billed, and how often is a bill wrong?"""

import bisect
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from billing.history import Scope
from billing.history import invoicing as read
from billing.metrics import Period
from billing.metrics import invoicing as metrics
from billing.metrics.invoicing import Billed, Change, Errors, Wait
from bot.charts import Columns
from bot.reports.answer import Amount, Answer, Asked, Figure, Number, Section, bar_height


def time_to_invoice(session: Session, asked: Asked) -> Answer:
    """Days from the delivery, or the trigger, to the bill."""
    issued = read.billed(session, asked.scope, asked.period)
    found = metrics.time_to_invoice(issued)
    figures = [
        Figure("median", "median", Number(found.days.median, "days")),
        Figure("p90", "90th percentile", Number(found.days.p90, "days")),
        Figure("invoices", "invoices", found.days.count),
        Figure("unknown", "of which nobody told the day", found.unknown),
    ]
    months = sorted(by_month(issued).items())
    columns = [
        (f"{month:%b %Y}", (bar_height(metrics.time_to_invoice(of).days.median),))
        for month, of in months
    ]
    return Answer(
        "time-to-invoice",
        "Time-to-invoice",
        asked.scope.today,
        [Section("", figures)] if issued else [],
        period=asked.period,
        panels=[Columns("Median days, by month of issue", columns, digits=1)],
    )


def billing_errors(session: Session, asked: Asked) -> Answer:
    """Bills that were duplicate, incorrect or missed."""
    history = read_history(session, asked.scope, asked.period)
    found = history.errors(asked.period)
    missed = metrics.missed(history.waits, asked.period.last)
    sections = [Section("", _error_figures(found))] if found.issued or missed else []
    for currency in sorted({one.currency for one in missed}):
        sum_ = sum(one.amount for one in missed if one.currency == currency)
        sections.append(Section(currency, [Figure("missed", "missed", Amount(sum_, currency))]))
    kinds = (
        ("possible duplicates", found.duplicates),
        ("incorrect", found.incorrect),
        ("missed", found.missed),
    )
    return Answer(
        "billing-errors",
        "Billing errors",
        asked.scope.today,
        sections,
        period=asked.period,
        panels=[Columns("Bills that were wrong", [(name, (float(n),)) for name, n in kinds])],
    )


def _error_figures(found: Errors) -> list[Figure]:
    return [
        Figure("rate", "billing error rate", Number(found.rate, "%")),
        Figure("duplicates", "  possible duplicates", found.duplicates),
        Figure("incorrect", "  incorrect", found.incorrect),
        Figure("missed", "  missed", found.missed),
        Figure("issued", "invoices issued", found.issued),
        Figure("corrections", "corrections", found.corrections),
        Figure("per_hundred", "corrections per 100 invoices", Number(found.per_hundred, "")),
    ]


@dataclass(frozen=True, slots=True)
class History:
    """All bills of a span, read once, so that any period in it can be told."""

    billed: Sequence[Billed]
    corrections: Sequence[Change]
    waits: Sequence[Wait]

    def issued(self, period: Period) -> Sequence[Billed]:
        """The invoices of a period."""
        first = bisect.bisect_left(self.billed, period.first, key=_issued_on)
        return self.billed[first : bisect.bisect_right(self.billed, period.last, key=_issued_on)]

    def errors(self, period: Period) -> Errors:
        """What was wrong with the bills of a period, as it was known at its end."""
        return metrics.billing_errors(
            self.issued(period),
            self.issued(Period.ending(period.before, metrics.APART)),
            [one.invoice_id for one in self.corrections if one.on <= period.last],
            len(metrics.missed(self.waits, period.last)),
        )


def _issued_on(one: Billed) -> dt.date:
    return one.issued_on


def read_history(session: Session, scope: Scope, span: Period) -> History:
    """The bills of a span, and what came of them."""
    early = Period(span.first - dt.timedelta(days=metrics.APART), span.last)
    return History(
        read.billed(session, scope, early),
        read.corrections(session, scope, span),
        read.waits(session, scope),
    )


def by_month(issued: Iterable[Billed]) -> dict[dt.date, Sequence[Billed]]:
    """Invoices by the first day of the month in which they were issued."""
    found: defaultdict[dt.date, list[Billed]] = defaultdict(list)
    for one in issued:
        found[one.issued_on.replace(day=1)].append(one)
    return dict(found)
