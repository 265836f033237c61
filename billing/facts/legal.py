"""Does the law stand between us and a client, and what did a person there ask for?"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from billing.facts.words import (
    Happened,
    Mailbox,
    Name,
    Phone,
    Reason,
    Reference,
    Timezone,
    Told,
    Words,
    joined,
)


def _clock(value: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError("must be a time of day such as 09:30 or 17:00")
    return value


Clock = Annotated[str, AfterValidator(_clock)]


class _OfSomebody(Told):
    external_id: Reference
    client_external_id: Reference
    email: Mailbox | None = None
    """Of whoever reads there, and not of the whole client."""
    phone: Phone | None = None
    by: Words = ""
    """Who said so, where it was one of ours."""


class LegalStatePlaced(_OfSomebody):
    """Nothing may leave for the client, or for one person there, until somebody lifts it."""

    kind: Literal["represented", "bankruptcy", "cease", "deceased"]
    counsel_name: Name | None = None
    counsel_email: Mailbox | None = None
    """Who speaks for them, and may be written to."""
    reason: Reason = ""
    placed_at: Happened

    @model_validator(mode="after")
    def _has_counsel(self) -> Self:
        if (self.counsel_name or self.counsel_email) and self.kind != "represented":
            raise ValueError("only somebody who is represented has counsel; leave it out")
        if self.counsel_name and not self.counsel_email:
            raise ValueError("counsel is written to by mail; add counsel_email")
        return self

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.source, "legal", self.external_id)


class LegalStateLifted(Told):
    """It stands no more."""

    external_id: Reference
    client_external_id: Reference
    lifted_at: Happened
    by: Words = ""

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined("lifted", self.source, "legal", self.external_id)


class PreferenceStated(_OfSomebody):
    """What the client asked for: by these channels only, or only between these hours.

    Without an address it binds every message to the person; with one, what goes there.
    """

    channels: tuple[Literal["email", "sms", "voice"], ...] = ()
    not_before: Clock | None = None
    not_after: Clock | None = None
    timezone: Timezone | None = None
    stated_at: Happened

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not (self.channels or self.not_before or self.not_after):
            raise ValueError("asks for nothing; name channels, not_before or not_after")
        first, last = self.not_before or "00:00", self.not_after or "24:00"
        if first >= last:
            raise ValueError("leaves no hour of the day; not_before comes before not_after")
        return self

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.source, "preference", self.external_id)


class PreferenceEnded(Told):
    """They no longer ask for it."""

    external_id: Reference
    client_external_id: Reference
    ended_at: Happened
    by: Words = ""

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined("ended", self.source, "preference", self.external_id)
