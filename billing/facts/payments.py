"""What became of a client's money: on its way, here, failed, given back, or called back?

Every fact of a payment says when it happened, so that the order in which they arrive changes
nothing: a failure that is older than the success is stale, and one that is younger moves it back.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Literal

from pydantic import BaseModel, ConfigDict

from billing.facts.words import (
    Amount,
    AmountOrNone,
    Currency,
    Day,
    Happened,
    PaymentReference,
    Reason,
    Reference,
    Told,
    Words,
    joined,
)


class Allocated(BaseModel):
    """What a payment is for; no amount = as much of the invoice as is open."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    invoice_number: Reference
    amount: Amount | None = None


class OfPayment(Told):
    """Base of what is said about a payment; the first such fact makes it known."""

    external_id: PaymentReference
    client_external_id: Reference
    legal_entity: Words = ""
    amount: Amount
    currency: Currency
    invoice_number: Reference | None = None
    """The invoice it pays; None = as ``allocations`` and ``remittance`` say, or else the oldest."""
    allocations: tuple[Allocated, ...] = ()
    remittance: Reason = ""
    """What the payer wrote with it; only the codes in it that can be invoice numbers are kept."""
    payer: Reference | None = None
    """Who pays, where it is not the client: as in ``ShareDescribed``."""
    method: Literal["", "bank_transfer", "debit", "card", "cheque", "cash", "other"] = ""
    happened_at: Happened | None = None
    renewal_of: Reference | None = None
    """The agreement for whose next term it was charged, by the id of this source."""
    initiated_by: Literal["system", "customer"] = "system"
    """Who tried; what customers try themselves does not count among the tries of a renewal."""

    @property
    def payment_key(self) -> str:
        """Stable name of the payment itself, whatever is said about it."""
        return joined(self.source, "payment", self.external_id)


class PaymentStarted(OfPayment):
    """Money is on its way, or waits for the payer; while it is, nobody is asked for it."""

    state: Literal["initiated", "requires_action", "processing"]
    happened_at: Happened

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.state, self.payment_key, self.happened_at.isoformat())


class PaymentSettled(OfPayment):
    """Money arrived; ``amount`` is what this payment comes to by now."""

    received_on: Day

    @property
    def at(self) -> datetime:
        """When it happened; told as a day, its end: a try that failed that day came before."""
        return self.happened_at or datetime.combine(self.received_on, time.max, UTC)

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return self.payment_key


class PaymentFailed(OfPayment):
    """It did not arrive after all; after a success this moves it back."""

    happened_at: Happened
    outcome: Literal["failed", "cancelled"] = "failed"
    reason: Reason = ""
    decline: Literal["", "soft", "hard"] = ""
    """``hard``: the bank refuses this card for good, so that nobody tries it again."""

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.outcome, self.payment_key, self.happened_at.isoformat())


class PaymentRefunded(OfPayment):
    """Money went back; ``refunded`` is all that went back by now, ``amount`` the payment's own."""

    refunded: AmountOrNone
    refunded_on: Day

    @property
    def key(self) -> str:
        """Stable name of what this speaks of: all that was refunded so far."""
        return joined("refund", self.payment_key, str(self.refunded))


class PaymentChargedBack(OfPayment):
    """The bank took money back, or gave it again: ``won`` is ours, ``lost`` is gone."""

    chargeback: Reference
    outcome: Literal["withdrawn", "won", "lost"]
    withdrawn: Amount
    happened_at: Happened

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined("chargeback", self.payment_key, self.chargeback, self.outcome)
