"""How much of what was said does a reader or another system get? The one answer for all of them.

A text of a sealing label is given as a whole to those who are cleared for all of its labels, and to
nobody else: others get the billing fact in it, where there is one, or nothing. Numbers that must
not be seen are masked before anything is kept, so what is called the whole text has none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from billing import spelling
from comms.compliance.labels import SEALING, Label


class Sink(StrEnum):
    """Where content may go."""

    PERSON = "person"
    """One member of staff, alone: an answer that only they see, a terminal."""
    CHANNEL = "channel"
    """A Slack channel: everybody in it, and the vendor's search."""
    CLIENT = "client"
    """The client's own mailbox or phone."""
    EXPORT = "export"
    """A file that a person asked for by name."""
    CRM = "crm"
    MODEL = "model"
    """A language model."""
    SEARCH = "search"
    """An index across clients."""
    LOG = "log"
    METRIC = "metric"


WORDLESS: Final = frozenset({Sink.LOG, Sink.METRIC})
"""Sinks that take ids, codes and numbers, and never what somebody wrote."""
UNLABELLED: Final = frozenset({Sink.MODEL, Sink.SEARCH})
"""Sinks that take only what has no label at all, not even the fact within it."""


class Form(StrEnum):
    """How much is given."""

    FULL = "full"
    MASKED = "masked"
    FACT = "fact"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Content:
    """A text as it is kept, what is in it, and the one sentence of it that may be logged."""

    text: str
    labels: frozenset[Label] = frozenset()
    fact: str = ""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who or what would get it; ``outside``: others than the firm's own people read there."""

    sink: Sink
    cleared: frozenset[Label] = frozenset()
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """What is given, and why not more."""

    form: Form
    text: str
    reason: str = ""


class Ruling(Protocol):
    """A person's word on a text, as a row of any make."""

    change: str
    label: str


def effective(found: Iterable[Label], rulings: Iterable[Ruling]) -> frozenset[Label]:
    """The labels of a text after what people said of it, in their order: the last word counts.

    Only what seals can be taken away or put on; a masked number stays what it is.
    """
    labels = set(found) - {Label.NONE}
    for ruling in rulings:
        if ruling.change == "sealed":
            labels.add(Label(ruling.label))
        else:
            labels -= SEALING & {Label(ruling.label)} if ruling.label else SEALING
    return frozenset(labels)


def together(parts: Iterable[Content]) -> frozenset[Label]:
    """The labels of what was made from several texts: quoted, forwarded, attached or summed up."""
    return frozenset().union(*(part.labels for part in parts))


def release(content: Content, reader: Reader) -> Released:
    """What this reader gets of it."""
    labels = content.labels - {Label.NONE}
    if why := _closed(labels, reader):
        return Released(Form.NOTHING, "", why)
    if sealed := (labels & SEALING) - reader.cleared:
        form = Form.FACT if content.fact else Form.NOTHING
        return Released(form, content.fact, f"Sealed: {named(sealed)}.")
    if masked := labels - SEALING:
        return Released(Form.MASKED, content.text, f"Masked: {named(masked)}.")
    return Released(Form.FULL, content.text)


def _closed(labels: frozenset[Label], reader: Reader) -> str:
    """Why nothing of it goes there, whatever facts are in it; empty where something may."""
    if reader.sink in WORDLESS:
        return f"A {reader.sink} takes no words."
    if reader.outside:
        return "Others than the firm's own people read there."
    if reader.sink in UNLABELLED and labels:
        return f"There is {named(labels)} in it, and a {reader.sink} takes no such text."
    return ""


_NAMES: Final = {
    Label.PRIVILEGED: "legal advice",
    Label.PHI: "about somebody's health",
    Label.PAN: "a card number",
    Label.CVV: "a card's code",
    Label.SSN: "a social security number",
    Label.BANK_ACCOUNT: "an account number",
    Label.IBAN: "an IBAN",
    Label.SECRET: "a password or key",
    Label.DOB: "a date of birth",
    Label.UNSCREENED: "not screened yet",
}


def named(labels: Iterable[Label]) -> str:
    """Labels as people read them: "legal advice and about somebody's health"."""
    return spelling.listed(_NAMES[one] for one in Label if one in labels and one in _NAMES)
