"""What of a client's message is kept, and what must be known of it before anybody reads it?

Numbers that nobody may see are covered before anything is written; what is to be sealed is kept
whole, with its labels. A message that could not be screened in time is sealed as well.
"""

from collections.abc import Callable, Collection
from typing import Final

from comms.compliance import masking, screening
from comms.compliance.labels import SEALING, Label, Span
from comms.compliance.material import Content, Parties
from comms.compliance.screening import Screen, Spent
from comms.facts import InboundMessage

PURGED: Final = frozenset({Label.PAN, Label.CVV})
"""Of these not even the raw message is kept (PCI DSS 4.0.1, 3.3.1 and 4.2.2)."""
NOBODY: Final = Parties()


def screened(
    message: InboundMessage,
    parties: Parties = NOBODY,
    screen: Screen = screening.screen,
    spent: Spent = lambda: False,
) -> InboundMessage:
    """The same message with its labels, its numbers covered in every part, and its billing fact."""
    whole = Content(message.body, message.sender, message.channel, message.subject or None, parties)
    found = screen(whole, spent)
    if Label.UNSCREENED in found.labels:
        return _told(message, found.labels, lambda text: text)
    own = Content(message.visible, message.sender, message.channel, None, parties)
    new = screen(own, spent)
    if Label.UNSCREENED in new.labels:
        return _told(message, new.labels, lambda text: text)
    labels = dict.fromkeys((*found.labels, *new.labels))
    body, subject = masking.masked(whole, _numbers(found.spans))
    visible, _ = masking.masked(own, _numbers(new.spans))
    told = _told(message, labels, lambda name: _cover(name, parties, screen))
    fact = new.billing_fact or found.billing_fact or ""
    return told.model_copy(
        update={"body": body, "subject": subject or "", "visible": visible, "fact": fact}
    )


def covered(
    text: str, channel: str = "email", parties: Parties = NOBODY, screen: Screen = screening.screen
) -> tuple[str, tuple[str, ...], str]:
    """A text by itself with its numbers covered, its labels, and its billing fact."""
    content = Content(text, "", channel, None, parties)
    found = screen(content)
    labels = tuple(label.value for label in found.labels if label is not Label.NONE)
    shown = masking.masked(content, _numbers(found.spans))[0]
    return shown, labels, found.billing_fact or ""


def _numbers(spans: Collection[Span]) -> list[Span]:
    """What is covered where it stands; a text that is sealed is hidden as a whole instead."""
    return [span for span in spans if span.label not in SEALING]


def _cover(name: str, parties: Parties, screen: Screen) -> str:
    return covered(name, "email", parties, screen)[0]


def _told(
    message: InboundMessage, labels: Collection[Label], cover: Callable[[str], str]
) -> InboundMessage:
    known = tuple(label.value for label in labels if label is not Label.NONE)
    return message.model_copy(update={"labels": known, "media": tuple(map(cover, message.media))})
