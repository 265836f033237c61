"""What do detectors look at: a message in its plain form, and who speaks to whom?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from comms.compliance.cues import cues
from comms.compliance.labels import Label, Part, Span
from comms.compliance.reading import Reading, read


class Role(StrEnum):
    """Who wrote it, as far as it is known."""

    COUNSEL = "counsel"
    CLIENT = "client"
    STAFF = "staff"
    THIRD_PARTY = "third_party"
    UNKNOWN = "unknown"


_ROLES: Final = {role.value: role for role in Role}
_PRACTICE: Final = re.compile(
    r"@(?:[\w-]+\.)*[\w-]*(?:law(?:yers?|firm|offices?)?|legal|attorneys?|solicitors?|counsel|llp"
    r"|barristers?|rechtsanw[a-z]+|abogados?|avocats?)(?:[.-]|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Learned:
    """What the firm's own people said of earlier messages of this sender, each as its signals.

    A word on one sender's messages says nothing of another's.
    """

    opened: frozenset[frozenset[str]] = field(default_factory=frozenset)
    """A detector had sealed them, and a person took the seal off."""
    closed: frozenset[frozenset[str]] = field(default_factory=frozenset)
    """No detector had seen what they are, and a person sealed them."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Whom this firm knows as counsel, and whose counsel stands against it."""

    counsel: frozenset[str] = field(default_factory=frozenset)
    """Addresses and domains of our lawyers and the client's, in lower case."""
    opposing: frozenset[str] = field(default_factory=frozenset)
    """Those of the other side: what they write to us is no secret between us and our client."""
    names: frozenset[str] = field(default_factory=frozenset)
    """Names of our counsel, as people write them."""
    learned: Learned = field(default_factory=Learned)


NOBODY: Final = Parties()


@dataclass(frozen=True, slots=True)
class Content:
    """A message as it came."""

    body: str
    sender: str = Role.UNKNOWN
    """A role, or an address."""
    channel: str = "email"
    subject: str | None = None
    parties: Parties = NOBODY


@dataclass(frozen=True, slots=True)
class Material:
    """A message as detectors read it."""

    body: Reading
    subject: Reading | None
    role: Role
    parties: Parties
    text: str
    """All of it, in its plain form."""
    cues: frozenset[str]
    """Which numbers and secrets it could hold."""
    noted: bool = False
    """Whether it is a note of ours on a client, who is then meant without being named."""

    @classmethod
    def of(cls, content: Content) -> "Material":
        """Read a message; mail and what comes through hooks may hold HTML."""
        markup = content.channel != "sms"
        subject = read(content.subject, markup=markup) if content.subject else None
        role = role_of(content.sender, content.parties)
        body = read(content.body, markup=markup)
        text = f"{subject.text}\n{body.text}" if subject else body.text
        noted = content.channel == "call_note"
        return cls(body, subject, role, content.parties, text, cues(text), noted)

    def parts(self) -> Iterator[tuple[Part, Reading]]:
        """The subject where there is one, and the body."""
        if self.subject is not None:
            yield "subject", self.subject
        yield "body", self.body


def span(part: Part, reading: Reading, start: int, end: int, label: Label) -> Span:
    """Characters of the plain form, told in the characters that came."""
    at, to = reading.place(start, end)
    return Span(at, to, label, part)


def role_of(sender: str, parties: Parties) -> Role:
    """The role that was named, or the one of this address."""
    written = sender.strip().lower()
    if written in _ROLES:
        return _ROLES[written]
    domain = written.rpartition("@")[2]
    if written in parties.opposing or domain in parties.opposing:
        return Role.THIRD_PARTY
    if written in parties.counsel or domain in parties.counsel:
        return Role.COUNSEL
    return Role.COUNSEL if _PRACTICE.search(written) else Role.UNKNOWN
