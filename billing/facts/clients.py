"""Who is a client?"""

from __future__ import annotations

from datetime import date
from typing import Self

from pydantic import model_validator

from billing import calendar
from billing.facts.words import (
    Country,
    Language,
    Mailbox,
    Name,
    Phone,
    Reference,
    Timezone,
    Told,
    Words,
    joined,
)


class ClientDescribed(Told):
    """Who a client is, as the source has it now; what it leaves out stays as it was."""

    external_id: Reference
    name: Name
    timezone: Timezone | None = None
    country: Country | None = None
    region: Words | None = None
    language: Language | None = None
    owner_email: Mailbox | None = None
    email: Mailbox | None = None
    phone: Phone | None = None
    sms_consent: bool | None = None
    contact_name: Name | None = None
    tax_number: Words | None = None
    city: Words | None = None
    postal_code: Words | None = None
    segment: Words | None = None
    """What kind of client it is: the policy may give its kind a ladder of its own."""
    ladder: Words | None = None
    """The ladder of this client, whatever its segment; empty for none of its own."""

    @model_validator(mode="after")
    def _has_a_calendar(self) -> Self:
        """Deadlines are judged by its holidays, so its place must be one that has them."""
        if self.region and self.country is None:
            raise ValueError("a region belongs to a country; write both")
        if self.country is not None:
            calendar.is_holiday(date(2026, 1, 1), self.country, self.region or "")
        return self

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.source, "client", self.external_id)
