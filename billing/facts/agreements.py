"""What did a client agree to, and does it go on?"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from billing.facts.words import (
    Amount,
    Currency,
    Day,
    Happened,
    Name,
    Reference,
    Told,
    Words,
    joined,
)

NoticeDays = Annotated[int, Field(ge=0, le=366, strict=True)]


class _OfAgreement(Told):
    client_external_id: Reference
    external_id: Reference

    @property
    def agreement_key(self) -> str:
        """Stable name of the agreement itself, whatever is said about it."""
        return joined(self.source, "agreement", self.external_id)


class AgreementDescribed(_OfAgreement):
    """What a client has agreed to, and when it is renewed.

    ``amount`` is what one ``billing_cycle`` comes to; from ``effective_on`` on, where it is told.
    """

    kind: Literal["subscription", "retainer", "term"]
    name: Name
    amount: Amount
    currency: Currency
    renews_on: Day
    legal_entity: Words = ""
    effective_on: Day | None = None
    service_type: Words = ""
    rate_card: Words = ""
    billing_cycle: Literal["", "monthly", "quarterly", "yearly", "milestone", "once"] = ""
    payment_terms: Words = ""
    contract_value: Amount | None = None
    ladder: Words = ""
    """The ladder of the policy by whose notices it is renewed; none = that of its kind."""
    notice_days: NoticeDays | None = None
    """By how many days before it is renewed the client must have ended it."""

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return self.agreement_key


class AgreementAccepted(_OfAgreement):
    """The client has accepted the term that begins on ``renews_on``, by a contract."""

    renews_on: Day

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined("accepted", self.agreement_key, self.renews_on.isoformat())


class AgreementSuspended(_OfAgreement):
    """The client cannot use it from a day on, until (not including) the day it is resumed."""

    suspended_on: Day
    resumed_on: Day | None = None

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> Self:
        if self.resumed_on is not None and self.resumed_on < self.suspended_on:
            raise ValueError("it is resumed before it was suspended; write the days in their order")
        return self

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined("suspended", self.agreement_key, self.suspended_on.isoformat())


class AgreementEnded(_OfAgreement):
    """The client no longer has it from a day on; nothing is renewed."""

    ended_on: Day

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined("ended", self.agreement_key)


class CardChanged(Told):
    """A client gave another card: what their last one refused can be tried again at once."""

    client_external_id: Reference
    happened_at: Happened

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        client = joined(self.source, "client", self.client_external_id)
        return joined("card", client, self.happened_at.isoformat())
