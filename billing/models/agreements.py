"""What will come up for renewal, when, and what became of it?"""

import datetime as dt
from enum import StrEnum

from sqlmodel import Field, SQLModel

from billing.models.columns import code, key, minor, moment, number, one_of, ref, that
from billing.store import Moment


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

    ``amount`` is of one billing cycle. Whether it is past due is not kept here: it follows from the
    charges for it (``billing.agreements``).
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
    ladder: str | None = None
    """The named ladder of the policy that it climbs; none = as the policy says for its kind."""
    notice_days: int | None = number(nullable=True)
    """The client must have heard of the renewal so many days before, to be able to end it."""
    recorded_at: dt.datetime = moment()


class AgreementChange(SQLModel, table=True):
    """What an agreement comes to from a day on; nothing more, once it has ended."""

    __tablename__ = "agreement_change"
    __table_args__ = (that("agreement_change", "amount_known", "amount >= 0"),)

    agreement_id: int = ref("agreement.id", primary=True)
    effective_on: dt.date = Field(primary_key=True)
    amount: int = minor()


class AgreementPause(SQLModel, table=True):
    """The client could not use it from a day until, not including, another."""

    __tablename__ = "agreement_pause"

    agreement_id: int = ref("agreement.id", primary=True)
    suspended_on: dt.date = Field(primary_key=True)
    resumed_on: dt.date | None = None


class RenewalCharge(SQLModel, table=True):
    """A payment that was tried for the next term of an agreement.

    ``item`` is the invoice that it names, or the term; what failed is dunned item by item.
    """

    __tablename__ = "renewal_charge"
    __table_args__ = (
        one_of("renewal_charge", "initiated_by", ("system", "customer")),
        one_of("renewal_charge", "decline", ("", "soft", "hard")),
    )

    payment_id: int = ref("payment.id", primary=True)
    agreement_id: int = ref("agreement.id", index=True)
    term: dt.date
    """The renewal date for which it was tried."""
    item: str = code()
    initiated_by: str = code()
    decline: str = code(default="")
    policy_version: str = ""
    """Of the first that failed: the policy by which its item is tried again."""


class CardChange(SQLModel, table=True):
    """A client gave another card: what its last one refused is worth another try."""

    __tablename__ = "card_change"

    client_id: int = ref("client.id", primary=True)
    happened_at: dt.datetime = Field(primary_key=True, sa_type=Moment)
