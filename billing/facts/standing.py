"""What stands against an amount: a dispute, a promise, a plan, a hold?"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from billing.facts.invoices import AboutInvoice
from billing.facts.words import (
    Amount,
    Currency,
    Day,
    Happened,
    Mailbox,
    Reason,
    Reference,
    Told,
    Words,
    joined,
)


class _OfDispute(AboutInvoice):
    external_id: Reference | None = None
    """Where there are several about one invoice."""

    @property
    def dispute_key(self) -> str:
        """Stable name of the dispute itself."""
        return joined(self.named("dispute"), *([self.external_id] if self.external_id else []))


class InvoiceDisputed(_OfDispute):
    """The client questions an invoice; ``amount`` None = the line, or all that is open."""

    amount: Amount | None = None
    line: int | None = Field(default=None, ge=1, strict=True)
    opened_on: Day
    reason: Reason = ""
    code: Literal["", "price", "quality", "not_delivered", "duplicate", "terms", "other"] = ""
    owner_email: Mailbox | None = None
    respond_by: Day | None = None

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return self.dispute_key


class DisputeClosed(_OfDispute):
    """How it ended: ``accepted`` credits ``amount`` (None = all of it), else it is owed again."""

    outcome: Literal["accepted", "rejected", "withdrawn"]
    amount: Amount | None = None
    closed_at: Happened

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined("closed", self.dispute_key, self.closed_at.isoformat())


class PlanPart(BaseModel):
    """An amount that is promised for a day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    due_on: Day
    amount: Amount


class PromiseMade(Told):
    """The client promised money: once, or in ``parts`` as a payment plan."""

    external_id: Reference
    client_external_id: Reference
    legal_entity: Words = ""
    currency: Currency
    parts: tuple[PlanPart, ...] = Field(min_length=1, max_length=120)
    invoices: tuple[Reference, ...] = ()
    """What it is for; none = all that is open."""
    made_at: Happened
    said_by: Literal["client", "staff", "system"] = "client"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        days = [part.due_on for part in self.parts]
        if days != sorted(days):
            raise ValueError("the parts of a plan go by their days, the earliest first")
        return self

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.source, "promise", self.external_id)


class PromiseWithdrawn(Told):
    """It no longer holds: taken back, or another took its place."""

    external_id: Reference
    client_external_id: Reference
    withdrawn_at: Happened
    superseded: bool = False

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined("withdrawn", self.source, "promise", self.external_id)


class HoldPlaced(Told):
    """Dunning stops for the client, or for one invoice, until a moment or until released.

    Placed again after that, it stands again.
    """

    external_id: Reference
    client_external_id: Reference
    invoice_number: Reference | None = None
    legal_entity: Words = ""
    reason: Literal[
        "requested",
        "under_review",
        "payment_claimed",
        "hardship",
        "away",
        "bankruptcy",
        "cease",
        "other",
    ]
    owner_email: Mailbox | None = None
    placed_at: Happened
    until: Happened | None = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.until is None and self.reason not in {"bankruptcy", "cease"}:
            raise ValueError("a hold has an end; say until when")
        return self

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.source, "hold", self.external_id)


class HoldReleased(Told):
    """The hold ends now."""

    external_id: Reference
    client_external_id: Reference
    released_at: Happened

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined("released", self.source, "hold", self.external_id)
