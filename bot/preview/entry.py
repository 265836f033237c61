"""What can a preview tell of a day?"""

import datetime as dt
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class What(StrEnum):
    """The kinds, in the order in which a day tells them."""

    MESSAGE = "message"
    HOLD = "hold"
    ESCALATION = "escalation"
    REFUSAL = "refusal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing to come: a message, a hold, a case for the owner, a message that never goes.

    ``day`` is the client's own. ``standing`` is a hold that began before the preview did.
    """

    at: dt.datetime
    day: dt.date
    what: What
    client_id: int
    client: str
    timezone: str
    purpose: str
    step: int | None = None
    template: str = ""
    channel: str = ""
    currency: str = ""
    amount: int | None = None
    rule: str = ""
    reason: str = ""
    until: dt.datetime | None = None
    owner: str = ""
    disputed: bool = False
    """Something of what the client owes is contested."""
    standing: bool = False

    @property
    def order(self) -> tuple[Any, ...]:
        """By moment; what stands comes first."""
        return self.at, not self.standing, self.client, self.client_id, self.what, self.rule

    @property
    def plain(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return asdict(self)
