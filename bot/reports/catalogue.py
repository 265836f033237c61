"""Which reports are there, and by which definitions do they reckon?

Names, lines and definitions only: what reads the books is imported when a report is asked for, so
that ``--help`` is there at once.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from billing.metrics import (
    Definition,
    definition,
    invoicing,
    payments,
    receivables,
    retention,
    work,
)

if TYPE_CHECKING:
    from sqlmodel import Session

    from bot.reports.answer import Answer, Asked

QUARTER, YEAR = 90, 365


@dataclass(frozen=True, slots=True)
class Entry:
    """A report: what it says in a line, its metrics, who makes it, and of how many days."""

    line: str
    metrics: tuple[Callable[..., object], ...]
    maker: str
    """Module and function."""
    days: int | None = QUARTER
    """Where nobody asked for others; None where there is only a day."""

    @property
    def definitions(self) -> list[Definition]:
        """How its figures are reckoned."""
        return [definition(one) for one in self.metrics]

    @property
    def help(self) -> str:
        """The same for a person who asks for help."""
        return "\n\n".join([f"{self.line}.", *(one.text for one in self.definitions)])


REPORTS: Mapping[str, Entry] = {
    "aging": Entry(
        "What is open, by client and by how late it is",
        (receivables.aging, receivables.at_risk),
        "receivables.aging",
        days=None,
    ),
    "dso": Entry(
        "Days sales outstanding: simple, countback, best possible, and the delay (ADD)",
        (
            receivables.dso,
            receivables.countback,
            receivables.best_possible_dso,
            receivables.average_days_delinquent,
        ),
        "receivables.dso",
    ),
    "cei": Entry(
        "Collection effectiveness index: how much of what could be collected was",
        (receivables.collection_effectiveness,),
        "receivables.cei",
    ),
    "days-late": Entry(
        "How long after the due day money comes, simple and by amount",
        (payments.days_late,),
        "payments.days_late",
    ),
    "promises": Entry(
        "How much of the money that was promised came in time",
        (payments.promises_kept,),
        "payments.promises",
    ),
    "cash-forecast": Entry(
        "What should come in by week, from promises and each client's own habit",
        (payments.cash_forecast,),
        "payments.forecast",
        days=None,
    ),
    "time-to-invoice": Entry(
        "Days from the delivery, or the trigger, to the bill",
        (invoicing.time_to_invoice,),
        "invoicing.time_to_invoice",
    ),
    "billing-errors": Entry(
        "Bills that were duplicate, incorrect or missed, and corrections per 100",
        (invoicing.billing_errors,),
        "invoicing.billing_errors",
    ),
    "touches": Entry(
        "How often we write to a client before an invoice is settled",
        (work.touches_per_cycle,),
        "work.touches",
    ),
    "response-times": Entry(
        "How long clients wait for our first answer",
        (work.first_response,),
        "work.responses",
    ),
    "hours": Entry(
        "Staff hours recaptured, at stated minutes per task",
        (work.hours_recaptured,),
        "work.hours",
    ),
    "retention": Entry(
        "Net and gross revenue retention (NRR, GRR) of what clients agreed to",
        (retention.net_retention, retention.gross_retention),
        "retention.retention",
        YEAR,
    ),
    "lifetime-value": Entry(
        "What a client brought so far, and brings over the time that clients stay",
        (retention.lifetime_value,),
        "retention.lifetime",
        YEAR,
    ),
    "leakage": Entry(
        "Revenue leakage: written off, not collected, never billed",
        (receivables.leakage,),
        "receivables.leakage",
        YEAR,
    ),
}
BOARD = Entry(
    "The five figures that justify the system against their baseline, on one page",
    (
        invoicing.time_to_invoice,
        invoicing.billing_errors,
        receivables.countback,
        work.hours_recaptured,
        work.first_response,
        receivables.leakage,
    ),
    "board.answer",
)


def answer(name: str, session: "Session", asked: "Asked") -> "Answer":
    """The report of a name, with its definitions."""
    entry = REPORTS[name]
    module, _, function = entry.maker.partition(".")
    maker: Any = getattr(importlib.import_module(f"bot.reports.{module}"), function)
    made: Answer = maker(session, asked)
    return replace(made, definitions=entry.definitions)
