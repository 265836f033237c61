"""What was billed, when is it due, and what does the client contest?"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import UniqueConstraint
from sqlmodel import SQLModel

from billing.models.columns import body, code, key, minor, moment, number, one_of, ref, that


class InvoiceState(StrEnum):
    """The document's own state; what is paid and what is overdue are derived."""

    DRAFT = "draft"
    APPROVED = "approved"
    ISSUED = "issued"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


class DisputeState(StrEnum):
    """A client's query about an invoice; it holds its amount while it is open."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


OPEN_DISPUTES = (DisputeState.RAISED, DisputeState.ACKNOWLEDGED)


class Invoice(SQLModel, table=True):
    """A bill. Once issued it is immutable; a correction is a posting of its own."""

    __table_args__ = (
        UniqueConstraint("legal_entity_id", "number", name="invoice_number_once"),
        one_of("invoice", "state", InvoiceState),
        that("invoice", "amount_positive", "amount > 0"),
        that("invoice", "currency_code", "length(currency) = 3"),
    )

    id: int = key()
    client_id: int = ref("client.id", index=True)
    legal_entity_id: int = ref("legal_entity.id")
    number: str = code(index=True)
    currency: str
    amount: int = minor()
    issued_on: dt.date
    due_on: dt.date
    state: str = code(default=InvoiceState.ISSUED)
    service_type: str = ""
    terms: str = ""
    po_number: str = ""
    matter: str = ""
    recorded_at: dt.datetime = moment()


class InvoiceLine(SQLModel, table=True):
    """One line of a bill; what it is for is a narrative, so it lies in the vault."""

    __tablename__ = "invoice_line"

    id: int = key()
    invoice_id: int = ref("invoice.id", index=True)
    position: int = number()
    amount: int = minor()
    description_id: int | None = body()


class Instalment(SQLModel, table=True):
    """The unit that ages: a due day and an amount."""

    __table_args__ = (that("instalment", "amount_positive", "amount > 0"),)

    id: int = key()
    invoice_id: int = ref("invoice.id", index=True)
    client_id: int = ref("client.id", index=True)
    position: int = number(default=1)
    due_on: dt.date
    amount: int = minor()


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
    reason: str = code(default="unstated")
    state: str = code(default=DisputeState.RAISED)
    opened_on: dt.date
    recorded_at: dt.datetime = moment()
    closed_at: dt.datetime | None = moment(nullable=True)
