"""How much writing does a bill take, how long do clients wait, and which hours are saved?"""

from sqlmodel import Session

from billing.history import invoicing as bills
from billing.metrics import work as metrics
from billing.metrics.work import MINUTES
from bot.charts import Columns
from bot.reports import touchpoints as read
from bot.reports.answer import Answer, Asked, Cell, Figure, Number, Section, bar_height

_CALLED = {
    "dunning": "reminders",
    "renewal": "renewal notices",
    "receipt": "receipts",
    "answer": "automatic answers",
    "escalation": "case files",
    "logged": "messages logged",
}


def _whole_firm(asked: Asked) -> list[str]:
    """What a reader must know who asked for a part of the firm."""
    if not asked.scope.currency and asked.scope.entity_id is None:
        return []
    return [
        "Messages belong to clients, not to a currency or legal entity: this is of all of them."
    ]


def touches(session: Session, asked: Asked) -> Answer:
    """How often we wrote before an invoice was settled."""
    cycles = bills.cycles(session, asked.scope, asked.period)
    first = min((one.issued_on for one in cycles), default=asked.period.first)
    said = read.said(session, asked.scope, first, asked.period.last)
    found = metrics.touches_per_cycle(cycles, said)
    figures = [
        Figure("mean", "touches per invoice", Number(found.mean, "", 2)),
        Figure("median", "median", Number(found.spread.median, "")),
        Figure("p90", "90th percentile", Number(found.spread.p90, "")),
        Figure("invoices", "invoices settled", found.invoices),
        Figure("untouched", "of them without a touch", found.untouched),
    ]
    shown = (("mean", found.mean), ("median", found.spread.median), ("p90", found.spread.p90))
    columns = [(name, (bar_height(value),)) for name, value in shown]
    return Answer(
        "touches",
        "Touches per billing cycle",
        asked.scope.today,
        [Section("", figures)] if cycles else [],
        period=asked.period,
        panels=[Columns("Touches per invoice", columns, digits=1)],
    )


def responses(session: Session, asked: Asked) -> Answer:
    """How long clients waited for an answer."""
    period = asked.period
    said = read.said(session, asked.scope, period.first, period.last)
    found = metrics.first_response(said)
    kinds = (
        ("first", "first answer", found.first),
        ("automatic", "automatic answer", found.automatic),
        ("staff", "answer by staff", found.staff),
    )
    rows: list[list[Cell]] = [
        [label, Number(one.median, "hours"), Number(one.p90, "hours"), one.count]
        for _, label, one in kinds
    ]
    figures = [
        Figure("first_median", "first answer, median", Number(found.first.median, "hours")),
        Figure("first_p90", "first answer, 90th percentile", Number(found.first.p90, "hours")),
        Figure("staff_median", "by staff, median", Number(found.staff.median, "hours")),
        Figure("waiting", "still waiting", found.waiting),
    ]
    columns = [(label, (bar_height(one.median),)) for _, label, one in kinds]
    return Answer(
        "response-times",
        "First-response times",
        asked.scope.today,
        [Section("", figures, ("answer", "median", "p90", "answers"), rows)] if said else [],
        period=period,
        remarks=_whole_firm(asked),
        panels=[Columns("Median hours", columns, digits=1)],
    )


def hours(session: Session, asked: Asked) -> Answer:
    """Work that was done by itself, at stated minutes."""
    period = asked.period
    said = read.said(session, asked.scope, period.first, period.last)
    cases = len(read.escalated(session, asked.scope, period))
    found = metrics.hours_recaptured(read.tasks(said, cases))
    rows: list[list[Cell]] = [
        [
            _CALLED[task],
            many,
            minutes,
            Number(metrics.hours_recaptured({task: many}).hours, "hours"),
        ]
        for task, minutes in MINUTES.items()
        for many in [found.tasks.get(task, 0)]
    ]
    columns = [
        (_CALLED[task], (bar_height(metrics.hours_recaptured({task: many}).hours),))
        for task, many in found.tasks.items()
    ]
    figures = [Figure("hours", "staff hours recaptured", Number(found.hours, "hours"))]
    section = Section("", figures, ("task", "done", "minutes each", "hours"), rows)
    return Answer(
        "hours",
        "Staff hours recaptured",
        asked.scope.today,
        [section] if said or cases else [],
        period=period,
        remarks=_whole_firm(asked),
        panels=[Columns("Hours by task", columns, digits=1)],
    )
