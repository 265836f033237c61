"""What came in, and which posting moved which amount?

A posting is never edited. Its amount is what it adds to the client's debt: issuing an instalment
adds to that instalment; a payment takes from the client's unapplied cash (no instalment); an
allocation moves from there to an instalment, as two postings that sum to zero. So what is open on
an instalment, what is unapplied and what the client owes are sums over the same rows.
"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import SQLModel

from billing.models.columns import code, key, maybe, minor, moment, one_of, ref, that


class PaymentState(StrEnum):
    """Where the money stands; while it is in flight it fences dunning."""

    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class PostingKind(StrEnum):
    """Why an amount moved."""

    ISSUE = "issue"
    CORRECTION = "correction"
    PAYMENT = "payment"
    ALLOCATION = "allocation"


class Payment(SQLModel, table=True):
    """Money that a client sent."""

    __table_args__ = (
        one_of("payment", "state", PaymentState),
        that("payment", "amount_positive", "amount > 0"),
        that("payment", "currency_code", "length(currency) = 3"),
    )

    id: int = key()
    client_id: int = ref("client.id", index=True)
    legal_entity_id: int = ref("legal_entity.id")
    currency: str
    amount: int = minor()
    state: str = code(default=PaymentState.SUCCEEDED)
    received_on: dt.date
    recorded_at: dt.datetime = moment()


class Posting(SQLModel, table=True):
    """One movement; ``cause`` is the key of the fact that caused it, so that none is posted twice.

    ``line`` counts the postings of one cause.
    """

    __table_args__ = (
        UniqueConstraint("cause", "line", name="posting_once"),
        # With the amount, so that a sum reads the index alone.
        Index(
            "posting_of_client",
            "client_id",
            "legal_entity_id",
            "currency",
            "instalment_id",
            "amount",
        ),
        Index("posting_of_instalment", "instalment_id", "amount"),
        one_of("posting", "kind", PostingKind),
        that("posting", "amount_moves", "amount <> 0"),
    )

    id: int = key()
    client_id: int = ref("client.id")
    legal_entity_id: int = ref("legal_entity.id")
    currency: str
    kind: str = code()
    instalment_id: int | None = maybe("instalment.id")
    payment_id: int | None = maybe("payment.id", index=True)
    amount: int = minor()
    effective_on: dt.date
    recorded_at: dt.datetime = moment()
    cause: str = code()
    line: int = minor()
