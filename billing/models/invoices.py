"""What was billed, when is it due, and what does the client contest?"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import SQLModel

from billing.models.columns import (
    body,
    code,
    key,
    maybe,
    minor,
    moment,
    number,
    one_of,
    ref,
    that,
)
from billing.settlement import CreditKind, InstalmentKind


class InvoiceState(StrEnum):
    """The document's own state; what is paid and what is overdue are derived."""

    DRAFT = "draft"
    APPROVED = "approved"
    ISSUED = "issued"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


UNISSUED = (InvoiceState.DRAFT, InvoiceState.APPROVED)
"""Nobody is asked for it yet, and nothing is posted."""


class DisputeState(StrEnum):
    """A client's query about an invoice; it holds its amount while it is open."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


OPEN_DISPUTES = (DisputeState.RAISED, DisputeState.ACKNOWLEDGED)


class PayerKind(StrEnum):
    """Who else than the client pays bills."""

    INSURER = "insurer"
    THIRD_PARTY = "third_party"


class ShareState(StrEnum):
    """What the payer of a share has said so far."""

    WAITING = "waiting"
    SETTLED = "settled"
    DENIED = "denied"


class Invoice(SQLModel, table=True):
    """A bill. Once issued it is immutable: ``amount`` and ``first_due_on`` are as issued.

    What a later fact says (a correction, a void, a write-off) stands beside it with its moment, so
    that the youngest wins in whatever order they arrive; each moves money by postings of its own.
    """

    __table_args__ = (
        UniqueConstraint("legal_entity_id", "number", name="invoice_number_once"),
        one_of("invoice", "state", InvoiceState),
        that("invoice", "amount_positive", "amount > 0"),
        that("invoice", "currency_code", "length(currency) = 3"),
        Index(
            "invoice_with_ladder",
            "ladder",
            sqlite_where=text("ladder IS NOT NULL"),
            postgresql_where=text("ladder IS NOT NULL"),
        ),
    )

    id: int = key()
    client_id: int = ref("client.id", index=True)
    legal_entity_id: int = ref("legal_entity.id")
    number: str = code(index=True)
    currency: str
    amount: int = minor()
    issued_on: dt.date
    due_on: dt.date
    first_due_on: dt.date
    ready_on: dt.date | None = None
    state: str = code(default=InvoiceState.ISSUED)
    corrected_amount: int | None = minor(nullable=True)
    corrected_at: dt.datetime | None = moment(nullable=True)
    voided_on: dt.date | None = None
    written_off_at: dt.datetime | None = moment(nullable=True)
    write_off_undone_at: dt.datetime | None = moment(nullable=True)
    service_type: str = ""
    terms: str = ""
    po_number: str = ""
    matter: str = ""
    ladder: str | None = None
    """The ladder of this invoice, whatever its client's."""
    recorded_at: dt.datetime = moment()


class InvoiceLine(SQLModel, table=True):
    """One line of a bill; what it is for is a narrative, so it lies in the vault."""

    __tablename__ = "invoice_line"

    id: int = key()
    invoice_id: int = ref("invoice.id", index=True)
    position: int = number()
    quantity: str = ""
    amount: int = minor()
    discount: int = number(default=0)
    tax: int = number(default=0)
    tax_rate: int = number(default=0)
    tax_code: str = ""
    jurisdiction: str = ""
    inclusive: bool = False
    description_id: int | None = body()


class Instalment(SQLModel, table=True):
    """The unit that ages: a due day and an amount. A charge is one as well, until it is waived."""

    __table_args__ = (
        one_of("instalment", "kind", InstalmentKind),
        that("instalment", "amount_positive", "amount > 0"),
    )

    id: int = key()
    invoice_id: int = ref("invoice.id", index=True)
    client_id: int = ref("client.id", index=True)
    kind: str = code(default=InstalmentKind.PRINCIPAL)
    position: int = number(default=1)
    due_on: dt.date
    amount: int = minor()
    waived_on: dt.date | None = None


class Payer(SQLModel, table=True):
    """Somebody else who pays clients' bills: an insurer, a third party."""

    __table_args__ = (one_of("payer", "kind", PayerKind),)

    id: int = key()
    name: str
    kind: str = code()


class Share(SQLModel, table=True):
    """How much of an invoice a payer owes, as told last."""

    __table_args__ = (
        one_of("share", "state", ShareState),
        that("share", "amount_known", "amount >= 0"),
    )

    invoice_id: int = ref("invoice.id", primary=True)
    payer_id: int = ref("payer.id", primary=True, index=True)
    state: str = code()
    amount: int = minor()
    respond_by: dt.date | None = None
    told_at: dt.datetime = moment()


class CreditNote(SQLModel, table=True):
    """What was credited, until it is voided."""

    __tablename__ = "credit_note"
    __table_args__ = (
        one_of("credit_note", "kind", CreditKind),
        that("credit_note", "amount_positive", "amount > 0"),
    )

    id: int = key()
    client_id: int = ref("client.id", index=True)
    legal_entity_id: int = ref("legal_entity.id")
    currency: str
    number: str = ""
    kind: str = code()
    amount: int = minor()
    invoice_id: int | None = maybe("invoice.id", index=True)
    issued_on: dt.date
    voided_on: dt.date | None = None
    recorded_at: dt.datetime = moment()


class CreditApplication(SQLModel, table=True):
    """Money on account of a credit note that goes on an invoice."""

    __tablename__ = "credit_application"
    __table_args__ = (that("credit_application", "amount_positive", "amount > 0"),)

    id: int = key()
    credit_note_id: int = ref("credit_note.id", index=True)
    invoice_id: int = ref("invoice.id", index=True)
    amount: int = minor()
    applied_on: dt.date


class InvoiceDispute(SQLModel, table=True):
    """The client contests an amount of an invoice, or (no amount) all that is open."""

    __tablename__ = "invoice_dispute"
    __table_args__ = (
        one_of("invoice_dispute", "state", DisputeState),
        that("invoice_dispute", "amount_positive", "amount IS NULL OR amount > 0"),
    )

    id: int = key()
    invoice_id: int = ref("invoice.id", index=True)
    client_id: int = ref("client.id", index=True)
    amount: int | None = minor(nullable=True)
    line: int | None = number(nullable=True)
    reason: str = code(default="unstated")
    owner_id: int | None = maybe("staff.id")
    respond_by: dt.date | None = None
    state: str = code(default=DisputeState.RAISED)
    granted: int | None = minor(nullable=True)
    opened_on: dt.date
    recorded_at: dt.datetime = moment()
    closed_at: dt.datetime | None = moment(nullable=True)
