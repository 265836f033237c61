"""What does the door ask about a message, and what does it answer?"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from billing.gates import Refusal
from billing.models import Health, LegalKind, Verification
from billing.policy import Policy
from comms.addresses.whereabouts import Evidence
from comms.compliance.labels import Label
from comms.consent import Consent
from comms.models import Purpose


class Verdict(StrEnum):
    """What becomes of a message at the door."""

    ALLOW = "allow"
    DEFER = "defer"
    REVIEW = "review"
    WITHHOLD = "withhold"
    CANCEL = "cancel"


HARD = (Verdict.WITHHOLD, Verdict.CANCEL)
BUDGETED = (Purpose.DUNNING, Purpose.RENEWAL, Purpose.OFFER, Purpose.STAFF_TEXT)
ANY_HOUR = (Purpose.OPT_OUT, Purpose.ANSWER)
"""The client wrote a moment ago: the answer to it wakes nobody."""


@dataclass(frozen=True, slots=True)
class Live:
    """The go-live switch as it stands for this client."""

    open: bool = False
    cap_left: int | None = None
    """How many more messages may leave today; None where there is no cap."""
    redirect_to: str = ""
    next_day: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Preference:
    """What a person asked for: by these channels only, or only between these hours."""

    channels: tuple[str, ...] = ()
    """None means any."""
    not_before: dt.time | None = None
    not_after: dt.time | None = None
    zone: str = ""
    """In which zone they meant it; nothing means wherever they may be."""

    @property
    def said(self) -> str:
        """As a person reads it."""
        parts = [f"only by {' or '.join(self.channels)}"] if self.channels else []
        parts += [f"not before {self.not_before:%H:%M}"] if self.not_before else []
        parts += [f"not after {self.not_after:%H:%M}"] if self.not_after else []
        return ", ".join(parts) + (f" ({self.zone})" if self.zone else "")


@dataclass(frozen=True, slots=True)
class Recipient:
    """The address a message would go to."""

    kind: str
    value: str
    verification: str = Verification.ASSERTED
    health: str = Health.OK
    consent: Consent = field(default_factory=Consent)
    zones: tuple[str, ...] = ("UTC",)
    """Every time zone in which the person may be."""
    country: str = "US"
    region: str = ""
    states: tuple[str, ...] = ()
    """Every state whose rules may be theirs."""
    evidence: tuple[Evidence, ...] = ()
    """What says where they are."""
    preferences: tuple[Preference, ...] = ()


@dataclass(frozen=True, slots=True)
class Sender:
    """The legal entity that writes; what it lacks keeps its messages in."""

    name: str
    postal_address: str
    address: str
    """Its mailbox for email, its phone for SMS."""
    pay_link: str
    sms_unregistered: bool = False
    """The carriers do not know its number yet (A2P 10DLC)."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What the person has got: the moments of the messages that count, the oldest first."""

    budgeted: tuple[dt.datetime, ...] = ()
    automatic: tuple[dt.datetime, ...] = ()
    rung: tuple[tuple[dt.datetime, str], ...] = ()
    """What rang: texts and calls, with their channel."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A legal state of the client, or of this person."""

    kind: LegalKind
    since: dt.datetime
    spared: bool = False
    """This message may go all the same: to counsel, or the one notice that compliance approved."""


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that the door asks about."""

    audience: str
    purpose: str
    channel: str
    now: dt.datetime
    expires_at: dt.datetime | None = None
    live: Live = field(default_factory=Live)
    recipient: Recipient | None = None
    sender: Sender | None = None
    billing: Refusal | None = None
    overridden: str = ""
    """By whose word it passes although something is overdue."""
    sync: Refusal | None = None
    """For another system: why it is not told of this client yet."""
    spent: Spent = field(default_factory=Spent)
    written_by_person: bool = False
    labels: frozenset[Label] = frozenset()
    """What is in the words that a person typed, of which not everybody may know."""
    untold: tuple[str, ...] = ()
    """Why some of those words may not go by this channel, whatever they are."""
    released: str = ""
    """Who of those who may has let these words go, this once."""
    stream: Refusal | None = None
    """Why no commercial mail leaves now."""
    legal: tuple[Stop, ...] = ()
    unsigned: str = ""
    """Why nothing may be handed to whoever carries it."""

    @property
    def entity(self) -> str | None:
        """The legal entity that writes, whose packs hold."""
        return self.sender.name if self.sender is not None else None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one place said, for one reason; a place may have several."""

    place: str
    verdict: Verdict
    rule: str = ""
    reason: str = ""
    until: dt.datetime | None = None
    wake_on_client: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The finding that decides, and all of them in the order of the places."""

    decisive: Finding
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """What becomes of the message."""
        return self.decisive.verdict

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """Everything that did not pass."""
        return tuple(found for found in self.findings if found.verdict is not Verdict.ALLOW)


Place = Callable[[Case, Policy], Iterable[Finding]]
"""A place of the door: what keeps a message there, or nothing."""
