"""What came in, and which posting moved which amount?

A posting is never edited. Its amount is what it adds to the debt: issuing an instalment adds to
that instalment; a payment takes from the unapplied cash (no instalment); an allocation moves from
there to an instalment, as two postings that sum to zero; a share moves from the client (no payer)
to a payer. So what is open on an instalment, who owes it, what is unapplied and what a client owes
are sums over the same rows.
"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from billing.models.columns import code, key, maybe, minor, moment, number, one_of, ref, that
from billing.settlement import PostingKind
from billing.store import Minor


class PaymentState(StrEnum):
    """Where the money stands; while it is under way it fences dunning."""

    INITIATED = "initiated"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ChargebackOutcome(StrEnum):
    """What the bank did with the money it took back."""

    WITHDRAWN = "withdrawn"
    WON = "won"
    LOST = "lost"


class Payment(SQLModel, table=True):
    """Money that a client or a payer sent.

    ``amount`` is what it comes to by now, ``refunded`` what went back of it. The moments say what
    was told last of each kind; ``state`` follows from them, in whatever order they arrived.
    """

    __table_args__ = (
        one_of("payment", "state", PaymentState),
        that("payment", "amount_positive", "amount > 0"),
        that("payment", "refunded_known", "refunded >= 0"),
        that("payment", "currency_code", "length(currency) = 3"),
    )

    id: int = key()
    client_id: int = ref("client.id", index=True)
    legal_entity_id: int = ref("legal_entity.id")
    currency: str
    reference: str = code()
    payer_id: int | None = maybe("payer.id", index=True)
    method: str = code(default="")
    amount: int = minor()
    refunded: int = number(default=0)
    state: str = code(default=PaymentState.SUCCEEDED)
    received_on: dt.date
    started_as: str = code(default="")
    started_at: dt.datetime | None = moment(nullable=True)
    settled_at: dt.datetime | None = moment(nullable=True)
    failed_as: str = code(default="")
    failed_at: dt.datetime | None = moment(nullable=True)
    recorded_at: dt.datetime = moment()


class PaymentName(SQLModel, table=True):
    """An invoice that a payment names: it may be issued later than the money came.

    By its number, or (``read``) by a code in what the payer wrote. No amount = as much as is open.
    """

    __tablename__ = "payment_name"

    payment_id: int = ref("payment.id", primary=True)
    position: int = Field(primary_key=True, sa_type=Minor)
    invoice_number: str = code(index=True)
    amount: int | None = minor(nullable=True)
    read: bool = False


class Chargeback(SQLModel, table=True):
    """Money that the bank took back, as told last."""

    __table_args__ = (
        UniqueConstraint("payment_id", "reference", name="chargeback_once"),
        one_of("chargeback", "outcome", ChargebackOutcome),
        that("chargeback", "amount_positive", "amount > 0"),
    )

    id: int = key()
    payment_id: int = ref("payment.id", index=True)
    reference: str = code()
    outcome: str = code()
    amount: int = minor()
    happened_at: dt.datetime = moment()


class Posting(SQLModel, table=True):
    """One movement; ``cause`` is a hash of the key of the fact that caused it.

    ``line`` counts the postings of one cause.
    """

    __table_args__ = (
        UniqueConstraint("cause", "line", name="posting_once"),
        # With the amount, so that a sum reads the index alone.
        Index(
            "posting_of_client",
            "client_id",
            "instalment_id",
            "legal_entity_id",
            "currency",
            "payer_id",
            "amount",
        ),
        # Not of what is on no instalment: SQLite would take that for the shortest way to a
        # client's unapplied cash, and read everybody's.
        Index(
            "posting_of_instalment",
            "instalment_id",
            "payer_id",
            "amount",
            sqlite_where=text("instalment_id IS NOT NULL"),
            postgresql_where=text("instalment_id IS NOT NULL"),
        ),
        one_of("posting", "kind", PostingKind),
        that("posting", "amount_moves", "amount <> 0"),
    )

    id: int = key()
    client_id: int = ref("client.id")
    legal_entity_id: int = ref("legal_entity.id")
    currency: str
    kind: str = code()
    instalment_id: int | None = maybe("instalment.id")
    payer_id: int | None = maybe("payer.id")
    payment_id: int | None = maybe("payment.id", index=True)
    credit_note_id: int | None = maybe("credit_note.id")
    amount: int = minor()
    effective_on: dt.date
    recorded_at: dt.datetime = moment()
    cause: str = code()
    line: int = minor()
