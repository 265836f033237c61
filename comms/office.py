"""What does everything in comms need at hand, besides the session it works in?"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sqlmodel import Session

from billing.keyring import Keyring
from billing.policy import Policy
from comms.ports import Attachment
from comms.processors import Processors


class Papers(Protocol):
    """Makes the papers of these names that go with a mail to a client about these invoices."""

    def __call__(  # noqa: D102 - said above
        self,
        session: Session,
        now: dt.datetime,
        client_id: int,
        names: Sequence[str],
        invoices: Sequence[int],
    ) -> tuple[Attachment, ...]: ...


@dataclass(frozen=True, slots=True)
class Office:
    """The firm's decisions, its keys and this moment, frozen for one transaction.

    ``now`` is business time, ``wall`` the machine's; ``finance`` and ``clients`` are the Slack
    channels where finance is alerted and clients' threads are kept; ``mail_domain`` is where our
    Message-IDs live.
    """

    keyring: Keyring
    policy: Policy
    now: dt.datetime
    wall: dt.datetime
    finance: str
    clients: str
    papers: Papers | None = None
    """Where there is none, mails go without."""
    unsubscribe: Callable[[str], str] | None = None
    """The link by which who got this message, by its reference, hears of no more offers."""
    processors: Processors = field(default_factory=dict)
    """Who handles what we hand over, and what they have signed."""


@dataclass(frozen=True, slots=True)
class Word:
    """Who says so, and why."""

    by: str
    reason: str
    said_at: dt.datetime | None = None
    """When they said so, where it was before now."""
