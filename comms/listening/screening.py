"""What of a client's message is kept, and what must be known of it before anybody reads it?

Numbers that nobody may see are covered before anything is written; what is to be sealed is kept
whole, with its labels. A message that could not be screened in time is sealed as well.
"""

import re
from collections.abc import Collection
from typing import Final

from comms.compliance import clearance, masking, rough, screening
from comms.compliance.labels import SEALING, Label, Span
from comms.compliance.material import Content, Parties, Role
from comms.compliance.screening import Screen, Spent
from comms.facts import Enclosed, InboundMessage
from comms.listening import seams

PURGED: Final = frozenset({Label.PAN, Label.CVV})
"""What a card is paid with: it is never kept, and who sends it hears how to pay instead (PCI DSS
4.0.1, 3.3.1 and 4.2.2)."""
MASKED: Final = frozenset(Label) - SEALING - {Label.NONE}
"""Of these not even the raw request is kept as it came."""
NOBODY: Final = Parties()
_DIGITS: Final = re.compile(r"\d.{0,3}$")
"""A subject that ends with a digit may be the beginning of a number."""


def screened(
    message: InboundMessage,
    parties: Parties = NOBODY,
    screen: Screen = screening.screen,
    spent: Spent = lambda: False,
    files_spent: Spent = lambda: False,
) -> InboundMessage:
    """The same message with its labels, its numbers covered in every part, and its billing fact.

    What stands in files that came with it is screened as well, each by itself. Their labels are the
    message's; that one of them could not be read is only told of it.
    """
    told = _letter(message, parties, screen, spent)
    enclosed = tuple(_file(one, parties, screen, files_spent) for one in message.enclosed)
    names = [_name(name, parties, screen) for name in message.media]
    who, of_name, _ = covered(message.sender_name, "email", parties, screen)
    of_sender = [one for one in of_name if Label(one) in MASKED]  # a name is no advice
    found = (told.labels, of_sender, *(one.labels for one in enclosed), *(ls for _, ls in names))
    labels = clearance.together(clearance.Content("", frozenset(map(Label, one))) for one in found)
    return told.model_copy(
        update={
            "labels": _named(labels),
            "sender_name": who,
            "media": tuple(name for name, _ in names),
            "enclosed": enclosed,
        }
    )


def _letter(
    message: InboundMessage, parties: Parties, screen: Screen, spent: Spent
) -> InboundMessage:
    whole = Content(message.body, message.sender, message.channel, message.subject or None, parties)
    own = Content(message.visible, message.sender, message.channel, None, parties)
    found = screen(whole, spent)
    alone = message.visible == message.body
    new = found if alone or Label.UNSCREENED in found.labels else screen(own, spent)
    if Label.UNSCREENED in new.labels:
        return _unscreened(message)
    spans, mine = _numbers(found.spans), _numbers(new.spans)
    if _DIGITS.search(message.subject):
        spans += seams.continued(message.subject, message.body, screen)
        mine += seams.continued(message.subject, message.visible, screen)
    body, subject = masking.masked(whole, spans)
    visible = body if alone else masking.masked(own, mine)[0]
    return message.model_copy(
        update={
            "body": body,
            "subject": subject or "",
            "visible": visible,
            "fact": new.billing_fact or found.billing_fact or "",
            "labels": _named((*found.labels, *new.labels, *(span.label for span in spans))),
        }
    )


def _unscreened(message: InboundMessage) -> InboundMessage:
    """Sealed, and even so without whatever has the form of a number that nobody may see."""
    parts = {name: rough.hidden(getattr(message, name)) for name in ("body", "subject", "visible")}
    return message.model_copy(update=parts | {"labels": _named((Label.UNSCREENED,))})


def _file(file: Enclosed, parties: Parties, screen: Screen, spent: Spent) -> Enclosed:
    name, by_name = _name(file.name, parties, screen)
    whole = Content(file.said, file.sender or Role.UNKNOWN, "email", None, parties)
    found = screen(whole, spent)
    labels = {*map(Label, by_name), *found.labels} - {Label.UNSCREENED}
    late = Label.UNSCREENED in found.labels
    said = rough.hidden(file.said) if late else masking.masked(whole, _numbers(found.spans))[0]
    return file.model_copy(
        update={
            "name": name,
            "said": said,
            "unread": file.unread or ("late" if late else ""),
            "labels": _named(labels),
        }
    )


def _name(name: str, parties: Parties, screen: Screen) -> tuple[str, tuple[str, ...]]:
    """What may be shown of a file's name, and the numbers in it.

    A name of a few words is hidden where it tells too much, and seals nothing else.
    """
    shown, labels, _ = covered(name, "email", parties, screen)
    numbers = _named([Label(one) for one in labels if Label(one) in MASKED])
    return (shown if set(numbers) == set(labels) else masking.SEALED), numbers


def _named(labels: Collection[Label]) -> tuple[str, ...]:
    there = {label for label in labels if label is not Label.NONE}
    return tuple(label.value for label in Label if label in there)


def covered(
    text: str, channel: str = "email", parties: Parties = NOBODY, screen: Screen = screening.screen
) -> tuple[str, tuple[str, ...], str]:
    """A text by itself with its numbers covered, its labels, and its billing fact."""
    content = Content(text, "", channel, None, parties)
    found = screen(content)
    if Label.UNSCREENED in found.labels:
        shown = rough.hidden(text)
    else:
        shown = masking.masked(content, _numbers(found.spans))[0]
    return shown, _named(found.labels), found.billing_fact or ""


def _numbers(spans: Collection[Span]) -> list[Span]:
    """What is covered where it stands; a text that is sealed is hidden as a whole instead."""
    return [span for span in spans if span.label not in SEALING]
