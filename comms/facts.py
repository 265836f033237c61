"""What can channels tell us?

Frozen and validated: a row of ours is made only from one of these.
"""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Standing(StrEnum):
    """Where a message stands at the provider, in the order it moves (never backwards)."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"


class InboundMessage(_Fact):
    """A person wrote to us by SMS or email."""

    channel: str
    """``sms`` or ``email``."""
    external_id: str
    """MessageSid, or the Message-ID (or a digest of the raw mail where there is none)."""
    sender: str
    """Normalised: E.164, or a lower-cased mailbox."""
    sender_name: str = ""
    recipient: str
    body: str
    """The text as it came, decoded; never trusted."""
    visible: str
    """The client's own new words, without quoted text and signature."""
    subject: str = ""
    in_reply_to: tuple[str, ...] = ()
    """Message-IDs from In-Reply-To and References, the nearest first."""
    automatic: bool = False
    """A machine wrote it (RFC 3834 and its relatives): never answered by a machine."""
    authenticated: bool | None = None
    """SPF/DKIM/DMARC as our own mail exchanger saw it; None where nobody looked."""
    opt_out_type: str = ""
    """Twilio's OptOutType (STOP, START, HELP) when the carrier has already answered."""
    media: tuple[str, ...] = ()
    """Names of attachments; their bytes stay in the raw mail."""
    occurred_at: AwareDatetime | None = None


class DeliveryReport(_Fact):
    """The provider's word on a message of ours."""

    channel: str
    reference: str = ""
    """Our own reference, when the report carries it (the StatusCallback URL does)."""
    provider_id: str = ""
    standing: Standing
    code: str = ""
    sentence: str = ""
    occurred_at: AwareDatetime | None = None


def rank(standing: Standing) -> int:
    """How far along a standing is; a report of a lower or equal rank changes nothing."""
    return list(Standing).index(standing)
