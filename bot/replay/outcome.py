"""What came of a history that was lived through? Figures, counted from the rows it left behind."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, func, select
from sqlmodel import Session, col

from billing.models import (
    Instalment,
    Invoice,
    Payment,
    Posting,
    StepListed,
    StepTaken,
)
from billing.policy import Policy
from bot.replay.course import Span
from comms.models import Audience, Decision, Message, State

K = TypeVar("K", str, int)
LEFT = (State.SENT, State.DELIVERED)
_STOPS = ("held", "idle", "defer", "review", "withhold", "cancel")
"""Verdicts that keep something back; ``idle`` only where something is open."""
_SILENT = ("nothing_open",)


@dataclass(frozen=True, slots=True)
class Rung:
    """A step of the ladder, and how often it was taken."""

    step: int
    offset: int
    action: str
    template: str
    notices: int = 0
    """Messages that left, or for the last step cases that were opened."""
    credited: int = 0
    """Steps whose day had long passed on the first day."""
    failed: int = 0


@dataclass(frozen=True, slots=True)
class DaysToPay:
    """From issue until an invoice was paid in full, over the invoices for which that happened."""

    count: int = 0
    mean: float | None = None
    median: float | None = None
    p90: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """All of it, in plain values."""

    rungs: Sequence[Rung]
    escalations: int
    stopped: Mapping[str, int]
    """Sequences and messages that were held, refused or had to wait, by rule."""
    withheld: Mapping[str, int]
    """Messages that never left, by rule."""
    reminders_per_paid_invoice: Mapping[int, int]
    waited: Mapping[int, int]
    """Invoices that were paid in full, by the days from issue until then."""
    cash_by_day: Mapping[str, Mapping[str, int]]
    """Minor units by currency and day."""
    messages: Mapping[str, Mapping[str, int]]
    """What left, by channel and purpose."""
    notices_by_day: Mapping[str, Mapping[int, int]]
    """Steps by day and number."""

    @property
    def days_to_pay(self) -> DaysToPay:
        """How long invoices waited for their money."""
        days = sorted(day for day, number in self.waited.items() for _ in range(number))
        if not days:
            return DaysToPay()
        tenths = statistics.quantiles(days, n=10, method="inclusive") if len(days) > 1 else days * 9
        return DaysToPay(
            count=len(days),
            mean=round(statistics.fmean(days), 2),
            median=float(statistics.median(days)),
            p90=round(float(tenths[8]), 2),
        )

    @property
    def cash_by_month(self) -> dict[str, dict[str, int]]:
        """The same cash, by currency and month."""
        months: dict[str, dict[str, int]] = {}
        for currency, days in self.cash_by_day.items():
            sums = months.setdefault(currency, {})
            for day, amount in days.items():
                sums[day[:7]] = sums.get(day[:7], 0) + amount
        return months

    @property
    def plain(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        told = asdict(self)
        told["steps"] = told.pop("rungs")
        del told["waited"]
        return told | {
            "days_to_pay": asdict(self.days_to_pay),
            "cash_by_month": self.cash_by_month,
        }


def count(session: Session, policy: Policy, span: Span) -> Outcome:
    """Count what happened on the days of the span."""
    query = select(col(StepTaken.step), col(StepTaken.how), col(StepTaken.taken_on))
    steps = session.execute(query.where(*_within(StepTaken.taken_on, span))).all()
    taken = Counter((row.step, row.how) for row in steps if row.how != "imported")
    credited = query.where(col(StepTaken.how) == "imported")  # on its own day, before the span
    taken.update((row.step, row.how) for row in session.execute(credited))
    by_day: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in steps:
        if row.how in ("sent", "escalated"):
            by_day[str(row.taken_on)][row.step] += 1
    return Outcome(
        rungs=_rungs(policy, taken),
        escalations=sum(number for (_, how), number in taken.items() if how == "escalated"),
        stopped=_stopped(session),
        withheld=_withheld(session),
        reminders_per_paid_invoice=_reminders(session, span),
        waited=_waited(session, span),
        cash_by_day=_cash(session, span),
        messages=_messages(session),
        notices_by_day={day: dict(found) for day, found in sorted(by_day.items())},
    )


def together(parts: Sequence[Outcome]) -> Outcome:
    """What came of the parts of a history that was lived through under one policy."""
    first = parts[0]
    if len(parts) == 1:
        return first
    return Outcome(
        rungs=[_added(rungs) for rungs in zip(*(part.rungs for part in parts), strict=True)],
        escalations=sum(part.escalations for part in parts),
        stopped=dict(_sums([part.stopped for part in parts]).most_common()),
        withheld=dict(_sums([part.withheld for part in parts]).most_common()),
        reminders_per_paid_invoice=_sorted([part.reminders_per_paid_invoice for part in parts]),
        waited=_sorted([part.waited for part in parts]),
        cash_by_day=_nested([part.cash_by_day for part in parts]),
        messages=_nested([part.messages for part in parts]),
        notices_by_day=_nested([part.notices_by_day for part in parts]),
    )


def _added(rungs: Sequence[Rung]) -> Rung:
    return replace(
        rungs[0],
        notices=sum(rung.notices for rung in rungs),
        credited=sum(rung.credited for rung in rungs),
        failed=sum(rung.failed for rung in rungs),
    )


def _sums(parts: Sequence[Mapping[K, int]]) -> Counter[K]:
    whole: Counter[K] = Counter()
    for part in parts:
        whole.update(part)
    return whole


def _sorted(parts: Sequence[Mapping[int, int]]) -> dict[int, int]:
    return dict(sorted(_sums(parts).items()))


def _nested(parts: Sequence[Mapping[str, Mapping[K, int]]]) -> dict[str, dict[K, int]]:
    names = sorted({name for part in parts for name in part})
    return {
        name: dict(sorted(_sums([part.get(name, {}) for part in parts]).items())) for name in names
    }


def _within(day: Any, span: Span) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(day) >= span.first, col(day) <= span.last


def _rungs(policy: Policy, taken: Mapping[tuple[int, str], int]) -> list[Rung]:
    return [
        Rung(
            step=number,
            offset=step.offset,
            action=step.action,
            template=step.template,
            notices=taken.get((number, "sent"), 0) + taken.get((number, "escalated"), 0),
            credited=taken.get((number, "imported"), 0),
            failed=taken.get((number, "failed"), 0),
        )
        for number, step in enumerate(policy.dunning.steps, 1)
    ]


def _stopped(session: Session) -> dict[str, int]:
    """By rule, how many sequences or messages it stopped at least once."""
    query = (
        select(col(Decision.rule), func.count(func.distinct(col(Decision.subject_id))))
        .where(col(Decision.verdict).in_(_STOPS), col(Decision.rule).not_in(_SILENT))
        .group_by(col(Decision.subject_kind), col(Decision.rule))
    )
    found: Counter[str] = Counter()
    for rule, number in session.execute(query):
        found[rule] += number
    return dict(found.most_common())


def _withheld(session: Session) -> dict[str, int]:
    query = (
        select(col(Message.rule), func.count())
        .where(
            col(Message.audience) == Audience.CLIENT,
            col(Message.state).in_((State.WITHHELD, State.CANCELLED, State.AWAITING)),
        )
        .group_by(col(Message.rule))
        .order_by(func.count().desc(), col(Message.rule))
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _paid(session: Session, span: Span) -> list[Any]:
    """Invoices that were paid in full within the span, with their last payment's day."""
    last = func.max(col(Payment.received_on)).label("paid_on")
    query = (
        select(col(Instalment.id), col(Invoice.issued_on), last)
        .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
        .join(Posting, col(Posting.instalment_id) == col(Instalment.id))
        .outerjoin(Payment, col(Payment.id) == col(Posting.payment_id))
        .group_by(col(Instalment.id), col(Invoice.issued_on))
        .having(func.sum(col(Posting.amount)) <= 0, last >= span.first, last <= span.last)
    )
    return list(session.execute(query))


def _reminders(session: Session, span: Span) -> dict[int, int]:
    """Over invoices that were paid: how many have been reminded of how often."""
    query = (
        select(col(StepListed.instalment_id), func.count())
        .join(StepTaken, col(StepTaken.id) == col(StepListed.step_taken_id))
        .where(col(StepTaken.how) == "sent")
        .group_by(col(StepListed.instalment_id))
    )
    often = {row[0]: row[1] for row in session.execute(query)}
    found = Counter(often.get(row.id, 0) for row in _paid(session, span))
    return dict(sorted(found.items()))


def _waited(session: Session, span: Span) -> dict[int, int]:
    days = ((row.paid_on - row.issued_on).days for row in _paid(session, span))
    return dict(sorted(Counter(days).items()))


def _cash(session: Session, span: Span) -> dict[str, dict[str, int]]:
    day = col(Payment.received_on)
    query = (
        select(col(Payment.currency), day, func.sum(col(Payment.amount)))
        .where(*_within(Payment.received_on, span))
        .group_by(col(Payment.currency), day)
        .order_by(col(Payment.currency), day)
    )
    found: dict[str, dict[str, int]] = {}
    for currency, on, amount in session.execute(query):
        found.setdefault(currency, {})[str(on)] = int(amount)
    return found


def _messages(session: Session) -> dict[str, dict[str, int]]:
    query = (
        select(col(Message.channel), col(Message.purpose), func.count())
        .where(col(Message.state).in_(LEFT))
        .group_by(col(Message.channel), col(Message.purpose))
        .order_by(col(Message.channel), col(Message.purpose))
    )
    found: dict[str, dict[str, int]] = {}
    for channel, purpose, number in session.execute(query):
        found.setdefault(channel, {})[purpose] = number
    return found
