"""What does being late cost, by policy?

Only where the policy names the step, and only once its notice has left: one fee for the step, on
the oldest invoice that it named, and simple interest on the principal that is open of each, from
the day after it was due, or from the day up to which it was charged before. Both are instalments
of their own on the invoice, so that they can be paid, waived and explained by themselves.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlmodel import Session, col

from billing import facts, publication, store
from billing.ledger import invoices
from billing.ledger.entry import Entry
from billing.ledger.invoices import Charge
from billing.models import (
    Enrolment,
    Instalment,
    InstalmentKind,
    Invoice,
    InvoiceState,
    Posting,
    StepListed,
    StepTaken,
)
from billing.models import Sequence as Ladder
from billing.policy import Charges, Policy

SOURCE = "policy"
YEAR = 365
"""Days that interest counts in a year, also in a leap year."""

_LISTED = (
    select(
        col(Instalment.invoice_id),
        col(Instalment.due_on),
        func.sum(col(Posting.amount)).label("open"),
    )
    .join(StepListed, col(StepListed.instalment_id) == col(Instalment.id))
    .join(Posting, col(Posting.instalment_id) == col(Instalment.id))
    .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
    .where(
        col(StepListed.step_taken_id) == bindparam("step"),
        col(Instalment.kind) == InstalmentKind.PRINCIPAL,
        col(Invoice.state) == InvoiceState.ISSUED,
        col(Posting.payer_id).is_(None),
    )
    .group_by(col(Instalment.id))
    .having(func.sum(col(Posting.amount)) > 0)
    .order_by(col(Instalment.due_on), col(Instalment.id))
)
_CHARGED_UNTIL = select(func.max(col(Instalment.due_on))).where(
    col(Instalment.invoice_id) == bindparam("invoice"),
    col(Instalment.kind) == InstalmentKind.INTEREST,
)


def interest(principal: int, percent: Decimal, days: int) -> int:
    """Simple interest in minor units, rounded half up: 10,000 at 8 % for 30 days is 65.75."""
    whole = Decimal(principal) * percent * days / (100 * YEAR)
    return int(whole.quantize(Decimal(1), ROUND_HALF_UP))


def assess(
    session: Session, steps: Sequence[tuple[StepTaken, dt.date]], policy: Policy, now: dt.datetime
) -> None:
    """Charge for steps whose notice has left, each on its client's day; each once.

    By the policy under which the step's episode goes on, as its ladder does; by the given one where
    none is kept.
    """
    of = store.by_id(session, Enrolment, [step.enrolment_id for step, _ in steps])
    pinned = publication.versions(session, {one.policy_version for one in of.values()})
    entry = Entry(session, now, iter(()))
    for step, today in steps:
        enrolment = of[step.enrolment_id]
        by = pinned.get(enrolment.policy_version, policy).charges
        if enrolment.sequence == Ladder.DUNNING and step.step in by.steps:
            for charge in _of_step(session, step, today, (by, enrolment.currency)):
                invoices.add(entry, *charge)


def _of_step(
    session: Session, step: StepTaken, today: dt.date, rules: tuple[Charges, str]
) -> Iterator[tuple[Invoice, Charge]]:
    """The fee, and the interest of each invoice that the step named and that is still open."""
    by, currency = rules
    rows = session.connection().execute(_LISTED, {"step": step.id}).all()
    stem = (SOURCE, str(step.enrolment_id), str(step.episode), str(step.step))

    def on(row: Any, kind: str, amount: int, *name: str) -> tuple[Invoice, Charge]:
        key = facts.joined(*stem, *name)
        charge = Charge(SOURCE, key, kind, amount, today, today)
        return session.get_one(Invoice, row.invoice_id), charge

    # Before the first of them is charged: an invoice may be late with several parts.
    late = [(row, _charged_until(session, row.invoice_id, row.due_on)) for row in rows]
    if rows and (fee := by.late_fee.of(currency)):
        yield on(rows[0], InstalmentKind.LATE_FEE, fee, "fee")
    for row, since in late if by.interest_percent else ():
        amount = interest(int(row.open), by.interest_percent, (today - since).days)
        if amount > 0:
            name = ("interest", str(row.invoice_id), row.due_on.isoformat())
            yield on(row, InstalmentKind.INTEREST, amount, *name)


def _charged_until(session: Session, invoice_id: int, due_on: dt.date) -> dt.date:
    """The day up to which interest was charged, or else on which it was due."""
    asked = {"invoice": invoice_id}
    until: dt.date | None = session.connection().execute(_CHARGED_UNTIL, asked).scalar_one()
    return due_on if until is None else max(until, due_on)
