"""What can channels tell us, and what can others who listened to a client?

Frozen and validated: a row of ours is made only from one of these.
"""

import ipaddress
from enum import StrEnum
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, model_validator

from billing import facts
from billing.facts.words import (
    Amount,
    Currency,
    Day,
    Happened,
    Mailbox,
    Phone,
    Reason,
    Reference,
    Told,
    Words,
    joined,
)
from comms.intents import EFFECTS, Effect, Intent


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Standing(StrEnum):
    """Where a message stands at the provider, in the order it moves (never backwards)."""

    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"


class Enclosed(_Fact):
    """What stands in a file that came with a message; its bytes stay in the raw request."""

    name: str = ""
    said: str = ""
    """Its words, as far as they could be read; covered once it is screened."""
    sender: str = ""
    """Who wrote it, where it is a mail that was passed on."""
    unread: str = ""
    """Why not all of it was read, in a word; empty where it was."""
    attached: bool = True
    """A person put it there; else it is another form of the letter, or a picture in it."""
    digest: str = ""
    """SHA-256 of its bytes."""
    labels: tuple[str, ...] = ()


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
    to: tuple[str, ...] = ()
    """Everybody a mail says that it went to, and ``cc`` and ``bcc``: addresses, without names."""
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
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
    enclosed: tuple[Enclosed, ...] = ()
    """What stands in them, and in every other part that is not in ``body``."""
    labels: tuple[str, ...] = ()
    """What was found in it that not everybody may see; its numbers are covered already."""
    fact: str = ""
    """The one sentence about billing that may be logged although the rest is sealed."""
    occurred_at: AwareDatetime | None = None


class DeliveryReport(_Fact):
    """The provider's word on a message of ours."""

    channel: str
    reference: str = ""
    """Our own reference, when the report carries it (the StatusCallback URL does)."""
    provider_id: str = ""
    recipient: str = ""
    """Whom the provider tried, where it says so: a mail that was forwarded ends elsewhere."""
    standing: Standing
    code: str = ""
    sentence: str = ""
    occurred_at: AwareDatetime | None = None


class MailRefused(_Fact):
    """Who got a mail of ours wants no more offers: by one click, or by calling it spam."""

    reference: str
    """Our own reference of the mail."""
    how: Literal["one_click", "complaint"]


def _ip(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("must be an IP address such as 192.0.2.1 or 2001:db8::1") from None


class ClientSaid(Told):
    """The client said something, and whoever heard it says what was meant.

    ``message`` is the text or mail that it was in: the carrier's id of a text, the Message-ID of a
    mail, or ``touchpoint:12`` as ``counterfoil timeline`` shows it. Else it was said elsewhere, by
    ``client_external_id``.
    """

    external_id: Reference
    client_external_id: Reference | None = None
    message: Reference | None = None
    intent: Intent
    said_at: Happened
    channel: Literal["sms", "email", "call", "letter", "other"] = "other"
    email: Mailbox | None = None
    """The mailbox that it was said from, or about."""
    phone: Phone | None = None
    """The number that it was said from, or about."""
    date: Day | None = None
    """The day of a promise, of a payment, or of their return."""
    amount: Amount | None = None
    currency: Currency | None = None
    method: Literal["", "bank_transfer", "cheque", "card"] = ""
    invoice_number: Reference | None = None
    legal_entity: Words = ""
    note: Reason = ""
    """What else they named, such as the reference of a transfer."""

    @model_validator(mode="after")
    def _of_somebody(self) -> Self:
        if self.client_external_id is None and self.message is None:
            raise ValueError("name the client, or the message that it was said in")
        of_address = {Effect.STOP, Effect.START, Effect.MISDIRECTED}
        named = self.message or self.email or self.phone
        if EFFECTS[self.intent] in of_address and not named:
            raise ValueError("is about an address; name the message, the email or the phone")
        return self

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.source, "said", self.external_id)


class ReplyHandled(Told):
    """Somebody has read what the client wrote and done what it asks: reminders may go on."""

    client_external_id: Reference
    handled_at: Happened

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        client = self.client_external_id
        return joined(self.source, "handled", client, self.handled_at.isoformat())


class ConsentStated(Told):
    """Somebody agreed to be written to at an address, or took it back, and how that is shown.

    A form, a letter, a contract or a call: what they said to us is a ``client_said``.
    """

    external_id: Reference
    client_external_id: Reference
    email: Mailbox | None = None
    phone: Phone | None = None
    agreed: bool
    topic: Literal["all", "billing", "renewal", "marketing", "unencrypted"] = "all"
    """``unencrypted``: they were warned, and want details at this address although it is not."""
    method: Literal["form", "letter", "contract", "call"]
    given_at: Happened
    wording: Reason = ""
    """What they agreed to, with the name that they know us by; kept sealed."""
    ip: Annotated[str, AfterValidator(_ip)] | None = None
    """Where a form was sent from; kept sealed."""

    @model_validator(mode="after")
    def _of_an_address(self) -> Self:
        if self.email is None and self.phone is None:
            raise ValueError("is about an address; name the email or the phone")
        return self

    @property
    def key(self) -> str:
        """Stable name of what this speaks of."""
        return joined(self.source, "consent", self.external_id)


Heard: TypeAlias = ClientSaid | ReplyHandled | ConsentStated
"""What others tell of a conversation."""
Tellable: TypeAlias = facts.Fact | Heard
"""Everything that another system may tell."""
