"""What did a client promise to pay, by when, and did they?"""

import datetime as dt
from enum import StrEnum

from sqlmodel import Field, SQLModel

from billing.models.columns import code, key, minor, moment, one_of, ref, that
from billing.store import Minor


class PromiseOutcome(StrEnum):
    """What became of a promise whose last day has passed; judged against cash, not words."""

    KEPT = "kept"
    PARTIALLY_KEPT = "partially_kept"
    BROKEN = "broken"


class Promise(SQLModel, table=True):
    """Money promised for a day; with several parts it is a payment plan."""

    __table_args__ = (
        one_of("promise", "said_by", ("client", "staff", "system")),
        one_of("promise", "outcome", ("", *PromiseOutcome)),
    )

    id: int = key()
    client_id: int = ref("client.id", index=True)
    legal_entity_id: int = ref("legal_entity.id")
    currency: str
    said_by: str = code()
    made_at: dt.datetime = moment()
    awaits_since: dt.datetime | None = moment(nullable=True)
    """Since when a person has yet to take it; until then it stops no reminder."""
    withdrawn_at: dt.datetime | None = moment(nullable=True)
    superseded: bool = False
    outcome: str = code(default="")
    judged_at: dt.datetime | None = moment(nullable=True)


class PromisePart(SQLModel, table=True):
    """An amount, and the day it is promised for."""

    __tablename__ = "promise_part"
    __table_args__ = (that("promise_part", "amount_positive", "amount > 0"),)

    promise_id: int = ref("promise.id", primary=True)
    position: int = Field(primary_key=True, sa_type=Minor)
    due_on: dt.date
    amount: int = minor()


class PromiseScope(SQLModel, table=True):
    """An invoice that a promise is for; a promise without any is for all that is open."""

    __tablename__ = "promise_scope"

    promise_id: int = ref("promise.id", primary=True)
    invoice_number: str = Field(primary_key=True)
