"""Does a number go on from one piece of writing to the next, and what of it may be kept?

People write a card's number in two texts, or half by mail and half by text, or begin it in the
subject of a mail; after the number they write the date, and then three digits that nobody would
know for a code. What comes later is covered, so that no such number is ever there as a whole.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from comms.compliance import masking, screening
from comms.compliance.labels import SEALING, Label, Span
from comms.compliance.material import Content
from comms.compliance.screening import Screen
from comms.facts import InboundMessage

REACH: Final = 300
"""Characters before and after the seam; no number is longer, with the words that introduce it."""
_CODE: Final = re.compile(
    r"\s*(?:exp[a-z.]{0,10}\s*)?(?:\d{1,2}\s?[/.-]\s?\d{2,4}\b[\s,;&]*)?"
    r"(?:(?!inv|bill|order|pay|usd|eur|no\b|nr\b|suite|apt|room)[a-z']{1,12}[\s:,.!]+){0,6}"
    r"(?<![\w$€£#/-])(?P<code>\d{3,4})(?![\w%]|[.,/-]\d)"
    r"(?:[\s,;&]*(?:exp[a-z.]{0,10}\s*)?\d{1,2}\s?[/.-]\s?\d{2,4})?[\s.!)]*",
    re.IGNORECASE,
)
"""The three or four digits of a text that has hardly anything else, but a card's date."""
_DIGIT: Final = re.compile(r"\d")


def may_go_on(text: str) -> bool:
    """Whether it is short and has digits, so that what came before matters."""
    return len(text) <= REACH and bool(_DIGIT.search(text) or len(text.split()) == 1)


def closed(message: InboundMessage, earlier: Sequence[str], *, card: bool) -> InboundMessage:
    """A message without what completes a number that the ones before it began.

    ``card``: there was a card in one of them, so that bare digits are its code.
    """
    said = message.visible
    spans = [*continued("\n".join(earlier), said), *(_codes(said) if card else ())]
    if not spans:
        return message
    shown, _ = masking.masked(Content(said, message.sender, message.channel), spans)
    body = message.body.replace(said, shown) if said in message.body else shown
    found = {*message.labels, *(span.label.value for span in spans)}
    labels = tuple(label.value for label in Label if label.value in found)
    return message.model_copy(update={"body": body, "visible": shown.strip(), "labels": labels})


def continued(before: str, text: str, screen: Screen = screening.screen) -> list[Span]:
    """Where in a text a number ends that began before it, or is told by the words before it."""
    if not (before and text):
        return []
    head, size = before[-REACH:] + "\n", min(len(before), REACH) + 1
    found = screen(Content(head + text[:REACH]))
    return [
        replace(span, start=max(0, span.start - size), end=span.end - size)
        for span in found.spans
        if span.end > size and span.label not in SEALING
    ]


def _codes(text: str) -> Iterator[Span]:
    if found := _CODE.fullmatch(text):
        yield Span(*found.span("code"), Label.CVV)
