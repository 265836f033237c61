"""How long until work is billed, and how often is a bill wrong?"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlmodel import Session

from billing.history import Scope
from billing.history import invoicing as read
from billing.metrics import Period
from billing.metrics import invoicing as metrics
from billing.metrics.invoicing import Billed, Errors
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
    found = errors(session, asked.scope, asked.period)
    missed = read.missed(session, asked.scope, asked.period.last)
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


def errors(session: Session, scope: Scope, period: Period) -> Errors:
    """The errors of the bills of a period."""
    early = Period.ending(period.before, metrics.APART)
    return metrics.billing_errors(
        read.billed(session, scope, period),
        read.billed(session, scope, early),
        read.corrections(session, scope, period),
        len(read.missed(session, scope, period.last)),
    )


def by_month(issued: Iterable[Billed]) -> dict[dt.date, Sequence[Billed]]:
    """Invoices by the first day of the month in which they were issued."""
    found: defaultdict[dt.date, list[Billed]] = defaultdict(list)
    for one in issued:
        found[one.issued_on.replace(day=1)].append(one)
    return dict(found)
