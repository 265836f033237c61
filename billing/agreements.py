"""What was charged for the renewals of agreements, and where does that leave them?

Reads rows; the rules are in ``billing.retries`` and ``billing.cycles``.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import bindparam, func
from sqlalchemy import select as core_select
from sqlmodel import Session, col

from billing import aliases, cycles, publication, retries
from billing.calendar import local_date
from billing.models import (
    Agreement,
    AgreementChange,
    AgreementPause,
    CardChange,
    Instalment,
    Invoice,
    InvoiceState,
    Payment,
    PaymentState,
    Posting,
    RenewalCharge,
)
from billing.policy import Policy
from billing.retries import Attempt, Item, is_clear

__all__ = [
    "Price",
    "Unused",
    "cards",
    "is_clear",
    "item_of",
    "items",
    "of_payment",
    "price",
    "renewed_by",
    "standing",
    "unused",
]

_CHARGES = (
    core_select(
        col(RenewalCharge.agreement_id),
        col(RenewalCharge.term),
        col(RenewalCharge.item),
        col(RenewalCharge.initiated_by),
        col(RenewalCharge.decline),
        col(RenewalCharge.policy_version),
        col(Payment.id),
        col(Payment.client_id),
        col(Payment.state),
        col(Payment.amount),
        col(Payment.currency),
        col(Payment.started_at),
        col(Payment.settled_at),
        col(Payment.failed_at),
        col(Payment.recorded_at),
    )
    .join(Payment, col(Payment.id) == col(RenewalCharge.payment_id))
    .where(col(RenewalCharge.agreement_id).in_(bindparam("agreements", expanding=True)))
    .order_by(col(Payment.id))
)
_STILL_OPEN = (
    core_select(col(Invoice.number), func.coalesce(func.sum(col(Posting.amount)), 0).label("open"))
    .join(Instalment, col(Instalment.invoice_id) == col(Invoice.id))
    .join(Posting, col(Posting.instalment_id) == col(Instalment.id))
    .where(
        col(Invoice.client_id).in_(bindparam("clients", expanding=True)),
        col(Invoice.number).in_(bindparam("numbers", expanding=True)),
        col(Invoice.state) == InvoiceState.ISSUED,
    )
    .group_by(col(Invoice.id))
)
_OF_PAYMENTS = core_select(col(RenewalCharge.payment_id), col(RenewalCharge.agreement_id)).where(
    col(RenewalCharge.payment_id).in_(bindparam("payments", expanding=True))
)
_CARDS = (
    core_select(col(CardChange.happened_at))
    .where(col(CardChange.client_id).in_(bindparam("clients", expanding=True)))
    .order_by(col(CardChange.happened_at))
)
_PAUSES = (
    core_select(col(AgreementPause.suspended_on), col(AgreementPause.resumed_on))
    .where(col(AgreementPause.agreement_id) == bindparam("agreement"))
    .order_by(col(AgreementPause.suspended_on))
)
_CHANGES = (
    core_select(col(AgreementChange.effective_on), col(AgreementChange.amount))
    .where(col(AgreementChange.agreement_id) == bindparam("agreement"))
    .order_by(col(AgreementChange.effective_on))
)


def pin(session: Session, item: Item, policy: Policy, now: dt.datetime) -> None:
    """What is dunned for the first time goes on by this policy, whatever is published later."""
    if item.pinned is None:
        publication.keep(session, policy, now)
        row = session.get_one(RenewalCharge, retries.first_failure(item).payment_id)
        row.policy_version = policy.version
        session.flush()


def items(session: Session, agreements: Collection[int]) -> dict[int, list[Item]]:
    """What was charged for the renewals of agreements, by agreement; without those never charged.

    An item is the invoice that the charges name, or else the term.
    """
    rows = session.execute(_CHARGES, {"agreements": list(agreements)}).all()
    tries: dict[tuple[int, str], list[Any]] = {}
    for row in rows:
        tries.setdefault((row.agreement_id, row.item or f"term {row.term}"), []).append(row)
    found: dict[int, list[Item]] = {}
    for (agreement_id, name), some in tries.items():
        found.setdefault(agreement_id, []).append(_item(session, name, some))
    return found


def _item(session: Session, name: str, rows: Sequence[Any]) -> Item:
    attempts = [one for row in rows if (one := _attempt(row)) is not None]
    failed = any(one.outcome == "failed" for one in attempts)
    versions = [row.policy_version for row in rows if row.policy_version][:1]
    pinned = publication.versions(session, versions).values()
    return Item(
        key=name,
        term=min(row.term for row in rows),
        amount=rows[-1].amount,
        currency=rows[-1].currency,
        attempts=tuple(sorted(attempts, key=lambda one: (one.at, one.payment_id))),
        settled=failed and bool(rows[0].item) and _is_paid(session, rows[0].client_id, name),
        pinned=next((one.renewal.retries for one in pinned), None),
    )


def _attempt(row: Any) -> Attempt | None:
    """One that was called off by somebody is none."""
    at, outcome = _outcome(row)
    if outcome is None:
        return None
    return Attempt(
        payment_id=row.id,
        at=at,
        outcome=outcome,
        initiated_by=row.initiated_by,
        hard=row.decline == "hard",
    )


def _outcome(
    row: Any,
) -> tuple[dt.datetime, Literal["succeeded", "failed", "under_way"] | None]:
    match row.state:
        case PaymentState.SUCCEEDED:
            return row.settled_at or row.recorded_at, "succeeded"
        case PaymentState.FAILED:
            return row.failed_at or row.recorded_at, "failed"
        case PaymentState.CANCELLED:
            return row.failed_at or row.recorded_at, None
        case _:
            return row.started_at or row.recorded_at, "under_way"


def _is_paid(session: Session, client_id: int, number: str) -> bool:
    """Whether an invoice that we know has nothing open any more, however it was paid."""
    asked = {"clients": list(aliases.of(session, [client_id])), "numbers": [number]}
    rows = session.execute(_STILL_OPEN, asked).all()
    return bool(rows) and all(row.open <= 0 for row in rows)


def renewed_by(session: Session, payments: Collection[int]) -> set[int]:
    """Those of the payments after which nothing that was charged for their agreement is open."""
    asked = {"payments": list(payments)}
    found = {row.payment_id: row.agreement_id for row in session.execute(_OF_PAYMENTS, asked)}
    running = {one for one in found.values() if session.get_one(Agreement, one).ended_on is None}
    charged = items(session, running) if running else {}
    clear = {one for one in running if all(map(is_clear, charged.get(one, ())))}
    return {payment_id for payment_id, agreement_id in found.items() if agreement_id in clear}


def of_payment(session: Session, payment_id: int) -> Agreement | None:
    """The agreement for whose next term a payment was tried."""
    row = session.get(RenewalCharge, payment_id)
    return session.get_one(Agreement, row.agreement_id) if row else None


def item_of(session: Session, payment_id: int) -> Item | None:
    """What a payment was tried for, with every other try."""
    row = session.get(RenewalCharge, payment_id)
    charged = items(session, [row.agreement_id])[row.agreement_id] if row else []
    mine = (one for one in charged if any(try_.payment_id == payment_id for try_ in one.attempts))
    return next(mine, None)


def cards(session: Session, client_id: int) -> list[dt.datetime]:
    """When a client, or one that is one with it, gave a new card."""
    clients = list(aliases.of(session, [client_id]))
    return list(session.execute(_CARDS, {"clients": clients}).scalars())


def standing(
    session: Session, agreement: Agreement, now: dt.datetime, policy: Policy, timezone: str
) -> retries.Standing:
    """Where an agreement stands, by its charges, its pauses and its end."""
    term = retries.Term(
        state=agreement.state, ended_on=agreement.ended_on, pauses=_pauses(session, agreement.id)
    )
    charged = items(session, [agreement.id]).get(agreement.id, [])
    today = local_date(now, timezone)
    return retries.standing(term, charged, now, today, policy.renewal.retries)


def _pauses(session: Session, agreement_id: int) -> tuple[tuple[dt.date, dt.date | None], ...]:
    rows = session.execute(_PAUSES, {"agreement": agreement_id})
    return tuple((row.suspended_on, row.resumed_on) for row in rows)


# --- what it comes to -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Price:
    """What one billing cycle comes to from the renewal on, and what it came to before."""

    amount: int
    before: int | None = None
    """None where it stays as it is."""
    since: dt.date | None = None
    """From when on the new one holds."""


def price(session: Session, agreement: Agreement) -> Price:
    """The price before and after the renewal: a change on its day or later is one by renewal."""
    rows = session.execute(_CHANGES, {"agreement": agreement.id}).all()
    told = [row for row in rows if row.amount > 0]
    earlier = [row for row in told if row.effective_on < agreement.renews_on]
    later = [row for row in told if row.effective_on >= agreement.renews_on]
    if not earlier or not later or later[0].amount == earlier[-1].amount:
        return Price(later[0].amount if later else agreement.amount)
    return Price(later[0].amount, earlier[-1].amount, later[0].effective_on)


@dataclass(frozen=True, slots=True)
class Unused:
    """What was paid for and could not be used: of one cycle, from a day until another."""

    agreement_id: int
    cycle: cycles.Span
    gap: cycles.Span
    amount: int

    @property
    def name(self) -> str:
        """A stable name, which ``days_of`` reads: the same days are credited once."""
        return f"{names_of(self.agreement_id)}{self.gap[0]}-{self.gap[1]}"


def names_of(agreement_id: int) -> str:
    """How the names of all that could not be used of an agreement begin."""
    return f"unused-{agreement_id}-"


def days_of(name: str) -> cycles.Span:
    """The days that a name is of."""
    return dt.date.fromisoformat(name[-21:-11]), dt.date.fromisoformat(name[-10:])


def unused(
    session: Session, agreement: Agreement, today: dt.date, credited: Iterable[cycles.Span] = ()
) -> list[Unused]:
    """The days of billed cycles in which it was suspended, or had ended, up to today.

    Each day once, and without those ``credited``: a pause may turn out longer, or overlap another.
    """
    spans = [
        (first, min(last or agreement.ended_on or first, agreement.ended_on or dt.date.max))
        for first, last in _pauses(session, agreement.id)
    ]
    cycle = None
    if agreement.ended_on is not None and agreement.ended_on <= today:
        cycle = cycles.cycle_of(agreement.ended_on, agreement.renews_on, agreement.billing_cycle)
    if cycle is not None and agreement.ended_on is not None and agreement.ended_on > cycle[0]:
        spans.append((agreement.ended_on, cycle[1]))
    if not spans:
        return []
    changes = session.execute(_CHANGES, {"agreement": agreement.id}).all()
    found: list[Unused] = []
    taken = list(credited)
    for span in spans:
        if span[1] > today and span[0] != agreement.ended_on:
            continue
        for rest in cycles.without(span, taken):
            for whole, gap in cycles.gaps(rest, agreement.renews_on, agreement.billing_cycle):
                known = [one.amount for one in changes if one.effective_on <= whole[0]]
                price = next(filter(None, reversed(known)), agreement.amount)
                if amount := cycles.unused(price, whole, gap):
                    found.append(Unused(agreement.id, whole, gap, amount))
        taken.append(span)
    return found
