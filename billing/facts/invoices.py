"""What was billed, corrected, split, credited, charged on top, given up or taken back?"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from billing import taxes
from billing.facts.words import (
    Amount,
    AmountOrNone,
    Currency,
    Day,
    Happened,
    Name,
    Percent,
    Reason,
    Reference,
    Told,
    Words,
    joined,
)


class _Detail(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(_Detail):
    """One line of a bill: ``amount`` is what it costs after ``discount``, tax apart or inside."""

    description: Reason = ""
    quantity: Words = ""
    amount: Amount
    discount: AmountOrNone = 0
    tax_rate: Percent = Decimal(0)
    tax_code: Words = ""
    jurisdiction: Words = ""
    inclusive: bool = False

    def priced(self) -> taxes.Priced:
        """The line as the tax is reckoned on it."""
        return taxes.Priced(
            amount=self.amount,
            rate=self.tax_rate,
            code=self.tax_code,
            jurisdiction=self.jurisdiction,
            inclusive=self.inclusive,
        )


class Part(_Detail):
    """An instalment: an amount, and the day it is due."""

    due_on: Day
    amount: Amount


class _OfInvoice(Told):
    client_external_id: Reference
    number: Reference
    external_id: Reference | None = None
    legal_entity: Words = ""
    amount: Amount
    currency: Currency
    due_on: Day

    @property
    def invoice_key(self) -> str:
        """Stable name of the invoice itself, whatever is said about it."""
        if self.external_id is not None:
            return joined(self.source, "invoice", "", self.external_id)
        parts = (self.client_external_id, self.legal_entity, self.number)
        return joined(self.source, "invoice", *parts)


class _Billed(_OfInvoice):
    service_type: Words = ""
    terms: Words = ""
    po_number: Words = ""
    matter: Words = ""
    ladder: Words = ""
    """Its own ladder of the policy, whatever its client's."""
    ready_on: Day | None = None
    """The day on which it could have been billed: the delivery, or what triggered it."""
    lines: tuple[Line, ...] = ()
    instalments: tuple[Part, ...] = ()
    """Where it is paid in parts; none = all of it on ``due_on``."""

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.instalments and sum(part.amount for part in self.instalments) != self.amount:
            raise ValueError(f"the instalments do not add up to {self.amount}")
        if self.lines:
            come_to = taxes.total([line.priced() for line in self.lines])
            # Who rounds the tax line by line may be off by one for each line.
            if abs(come_to - self.amount) > len(self.lines):
                raise ValueError(f"the lines come to {come_to} with tax, not to {self.amount}")
        return self


class InvoiceDrafted(_Billed):
    """An invoice is being written, or waits to be issued; nobody is asked for it yet."""

    state: Literal["draft", "approved"]
    drafted_on: Day

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.state, self.invoice_key)


class InvoiceIssued(_Billed):
    """An invoice was posted and numbered; from now on it is immutable."""

    issued_on: Day

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return self.invoice_key


class InvoiceCorrected(_OfInvoice):
    """The source now has another amount or another day for an issued invoice, and means it."""

    corrected_at: Happened
    issued_on: Day | None = None

    @property
    def key(self) -> str:
        """Stable name of this correction."""
        return joined("correction", self.invoice_key, self.corrected_at.isoformat())


class AboutInvoice(Told):
    """Base of what is said about an invoice that was issued."""

    client_external_id: Reference
    invoice_number: Reference
    legal_entity: Words = ""

    def named(self, *more: str) -> str:
        """Stable name of something about this invoice."""
        parts = (self.client_external_id, self.legal_entity, self.invoice_number)
        return joined(self.source, *more, *parts)


class InvoiceVoided(AboutInvoice):
    """It was never owed. Only where no money came and nobody was asked; else credit it."""

    voided_on: Day

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return self.named("void")


class InvoiceWrittenOff(AboutInvoice):
    """It is still owed, but nobody collects it any more; ``undone`` takes that back."""

    undone: bool = False
    happened_at: Happened
    reason: Reason = ""

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        kind = "write-off undone" if self.undone else "write-off"
        return joined(self.named(kind), self.happened_at.isoformat())


class ShareDescribed(AboutInvoice):
    """How much of an invoice somebody else owes, as of now.

    ``waiting`` is with the payer; ``settled`` is what the payer agreed to pay, the rest is the
    client's again; ``denied`` is all the client's.
    """

    payer: Reference
    payer_name: Name
    payer_kind: Literal["insurer", "third_party"] = "insurer"
    state: Literal["waiting", "settled", "denied"]
    amount: AmountOrNone
    told_at: Happened
    respond_by: Day | None = None

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.named("share"), self.payer, self.told_at.isoformat())


class CreditNoteIssued(Told):
    """Something is credited.

    ``debt_cancellation`` makes an unpaid invoice smaller; ``refund`` credits a paid one whose money
    goes back; ``credit_to_balance`` is money on account, of a paid invoice or of none.
    """

    external_id: Reference
    client_external_id: Reference
    legal_entity: Words = ""
    number: Words = ""
    kind: Literal["debt_cancellation", "refund", "credit_to_balance"]
    amount: Amount
    currency: Currency
    issued_on: Day
    invoice_number: Reference | None = None
    reason: Reason = ""

    @model_validator(mode="after")
    def _has_its_invoice(self) -> Self:
        if self.invoice_number is None and self.kind != "credit_to_balance":
            raise ValueError(f"a {self.kind} credit note names the invoice that it credits")
        return self

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.source, "credit_note", self.external_id)


class CreditNoteVoided(Told):
    """A credit note was taken back; what it credited is owed again."""

    external_id: Reference
    client_external_id: Reference
    voided_on: Day

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined("void", self.source, "credit_note", self.external_id)


class CreditApplied(AboutInvoice):
    """Money on account from a credit note goes on an invoice."""

    external_id: Reference
    credit_note_external_id: Reference
    amount: Amount
    applied_on: Day

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.source, "credit applied", self.external_id)


class ChargeAdded(AboutInvoice):
    """A late fee or interest on an invoice; it is an instalment of its own on that invoice."""

    external_id: Reference
    kind: Literal["late_fee", "interest"]
    amount: Amount
    charged_on: Day
    due_on: Day | None = None

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.source, "charge", self.external_id)


class ChargeWaived(Told):
    """A late fee or interest is forgiven."""

    external_id: Reference
    client_external_id: Reference
    waived_on: Day
    reason: Reason = ""

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined("waived", self.source, "charge", self.external_id)
