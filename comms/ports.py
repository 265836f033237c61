"""What must a channel be able to do, and how does it say that it could not?

``DeliveryError`` is the root of what a channel raises:

* ``DeliveryError(permanent=True)``: the provider refused for good; the sentence says why.
* ``DeliveryError(permanent=False)``: it did not go, and may go later.
* ``Throttled``: the provider asked us to wait; not an attempt.
* ``Uncertain``: bytes were written and no answer came; it may have gone.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable


class DeliveryError(Exception):
    """A message did not leave. ``sentence`` is for people, ``code`` is the provider's."""

    def __init__(self, sentence: str, *, permanent: bool, code: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.permanent = permanent
        self.code = code


class Throttled(DeliveryError):
    """The provider answered 429; ``retry_after`` is in seconds."""

    def __init__(self, sentence: str, *, retry_after: float, code: str = "429") -> None:
        super().__init__(sentence, permanent=False, code=code)
        self.retry_after = retry_after


class Uncertain(DeliveryError):
    """The wire broke after bytes were written: the provider may have accepted."""

    def __init__(self, sentence: str, *, code: str = "in_doubt") -> None:
        super().__init__(sentence, permanent=False, code=code)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with an email."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A rendered message on its way to one recipient.

    ``reference`` is our public id of the message (URL-safe, unique): SMS carries it in the
    StatusCallback URL, email in its Message-ID, Slack in the message metadata.
    """

    reference: str
    to: str
    sender: str
    text: str
    subject: str = ""
    html: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    thread: str = ""
    blocks: tuple[Mapping[str, object], ...] = ()
    updates: str = ""
    """Slack only: the provider id of the message that this one replaces in place."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took it: its id for the message, and what it said."""

    provider_id: str
    status: str = "sent"


@dataclass(frozen=True, slots=True)
class Found:
    """What the provider's own list says of a message that is in doubt."""

    provider_id: str
    status: str
    sent_at: dt.datetime | None = None


class Channel(Protocol):
    """One way out. Async, because it speaks with a network; it never holds a session."""

    name: str

    async def send(self, message: Outgoing) -> Sent:
        """Hand the message to the provider, once.

        Raises:
            DeliveryError: see the module's docstring.
        """

    async def find(self, message: Outgoing, since: dt.datetime) -> Found | None:
        """Look for a message in doubt in the provider's list; None is not proof of absence.

        Raises:
            DeliveryError: the provider could not be asked.
        """

    async def close(self) -> None:
        """Give connections back."""


class Change(StrEnum):
    """What becomes of a copy at a provider."""

    REDACT = "redact"
    """Its words go; that it was there stays."""
    MEDIA = "media"
    """The files that came with it go."""
    DELETE = "delete"
    """All of it goes."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A message as its provider keeps it: what is to become of it, and its name there."""

    change: Change
    provider_id: str
    place: str = ""
    """Slack only: the channel, or the person of a direct message."""


@runtime_checkable
class Recalling(Protocol):
    """A channel whose provider lets us take words back; asking twice does no harm."""

    async def recall(self, copy: Copy) -> bool:
        """Let a copy lose its words, or go; False where it was not there any more.

        Raises:
            DeliveryError: see the module's docstring; ``Uncertain`` is asked again as well.
        """


@dataclass(frozen=True, slots=True)
class Heard:
    """What a person wrote, as the provider keeps it, in the form of its webhook."""

    external_id: str
    form: bytes


@runtime_checkable
class Listing(Protocol):
    """A channel whose provider lists what people wrote to us."""

    async def heard(self, number: str, since: dt.datetime) -> list[Heard]:
        """What was written to a number of ours since then, the oldest first.

        Raises:
            DeliveryError: the provider could not be asked.
        """
