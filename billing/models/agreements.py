"""What will come up for renewal, and when?"""

import datetime as dt
from enum import StrEnum

from sqlmodel import Field, SQLModel

from billing.models.columns import code, key, minor, moment, one_of, ref, that


class AgreementKind(StrEnum):
    """What the client agreed to."""

    SUBSCRIPTION = "subscription"
    RETAINER = "retainer"
    TERM = "term"


class AgreementState(StrEnum):
    """Whether it can still renew."""

    ACTIVE = "active"
    RENEWED = "renewed"
    LAPSED = "lapsed"
    CANCELLED = "cancelled"


class Agreement(SQLModel, table=True):
    """A term that ends on ``renews_on`` unless it is renewed.

    ``amount`` is of one billing cycle.
    """

    __table_args__ = (
        one_of("agreement", "kind", AgreementKind),
        one_of("agreement", "state", AgreementState),
        that("agreement", "amount_positive", "amount > 0"),
    )

    id: int = key()
    client_id: int = ref("client.id", index=True)
    legal_entity_id: int = ref("legal_entity.id")
    kind: str = code()
    name: str
    currency: str
    amount: int = minor()
    renews_on: dt.date
    state: str = code(default=AgreementState.ACTIVE)
    service_type: str = ""
    rate_card: str = ""
    billing_cycle: str = code(default="")
    payment_terms: str = ""
    contract_value: int | None = minor(nullable=True)
    ended_on: dt.date | None = None
    recorded_at: dt.datetime = moment()


class AgreementChange(SQLModel, table=True):
    """What an agreement comes to from a day on; nothing more, once it has ended."""

    __tablename__ = "agreement_change"
    __table_args__ = (that("agreement_change", "amount_known", "amount >= 0"),)

    agreement_id: int = ref("agreement.id", primary=True)
    effective_on: dt.date = Field(primary_key=True)
    amount: int = minor()
