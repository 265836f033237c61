"""What will come up for renewal, and when?"""

import datetime as dt
from enum import StrEnum

from sqlmodel import SQLModel

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
    """A term that ends on ``renews_on`` unless it is renewed."""

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
    recorded_at: dt.datetime = moment()
