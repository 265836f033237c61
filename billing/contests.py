"""What does a client contest of its invoices, and what did it contest in vain?"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlmodel import Session, col

from billing.models import OPEN_DISPUTES, DisputeState, InvoiceDispute

_CONTESTED = (
    select(
        col(InvoiceDispute.invoice_id),
        col(InvoiceDispute.amount),
        col(InvoiceDispute.state),
        col(InvoiceDispute.closed_at),
    )
    .where(
        col(InvoiceDispute.client_id).in_(bindparam("clients", expanding=True)),
        col(InvoiceDispute.state).in_((*OPEN_DISPUTES, DisputeState.REJECTED)),
    )
    .order_by(col(InvoiceDispute.id))
)


@dataclass
class Contested:
    """What the client disputes of an invoice, and what it disputed in vain; None means all."""

    amount: int | None = 0
    rejected: int | None = 0
    rejected_at: dt.datetime | None = None

    def take(self, open_: int) -> tuple[int, int]:
        """Both shares of an instalment, so that the next one sees the rest."""
        share = open_ if self.amount is None else min(open_, self.amount)
        if self.amount is not None:
            self.amount -= share
        rest = open_ - share
        vain = rest if self.rejected is None else min(rest, self.rejected)
        if self.rejected is not None:
            self.rejected -= vain
        return share, vain


def by_invoice(session: Session, clients: Sequence[int]) -> dict[int, Contested]:
    """Of these clients' invoices; of what was disputed in vain, the last."""
    found: dict[int, Contested] = {}
    for row in session.execute(_CONTESTED, {"clients": clients}):
        one = found.setdefault(row.invoice_id, Contested())
        if row.state == DisputeState.REJECTED:
            one.rejected, one.rejected_at = row.amount, row.closed_at
        else:
            whole = row.amount is None or one.amount is None
            one.amount = None if whole else one.amount + row.amount
    return found
