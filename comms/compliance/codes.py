"""Which digits are the security code of a card?"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from comms.compliance.cards import Card
from comms.compliance.digits import spoken
from comms.compliance.patterns import Pattern
from comms.compliance.places import overlaps
from comms.compliance.reading import Reading

_NAMED: Final = Pattern(
    r"\b(?:cvv2?|cvc2?|cvn2?|cv2|cav2?|csc|card (?:security|verification) (?:code|value|number)"
    r"|card code|kartenpr(?:ü|ue)fnummer|pr(?:ü|ue)f(?:ziffer|nummer)|cryptogramme(?: visuel)?"
    r"|c[óo]digo de (?:seguridad|verificaci[óo]n)|codice di sicurezza|security digits"
    r"|(?:[34]|three|four)[- ]digits?(?: (?:code|number|security))?(?: on the (?:back|front))?"
    r"|(?:number|code|digits?|three|3|four|4) on the (?:back|front|reverse))\b"
)
_CALLED: Final = Pattern(
    r"\b(?:security code|sec code|verification code|code|c[óo]digo|kod|code de s[ée]curit[ée]"
    r"|sicherheitscode|cid)\b"
)
_CODE: Final = re.compile(r"(?<![\d*x#])(?<!\d[ ./\-])(?<!\d,)\d{3,4}(?![\d%]|[.,/:]\d|-\d)")
_NOT_IT: Final = re.compile(
    r"(?:ending|ends?|last (?:four|4)(?: digits)?|\bexp\w*|expir\w+|[*x•.]{2,}|\$|€|£|invoice|inv"
    r"|order|zip|postcode|plz|room|ext)(?: (?:in|with|on|is|no|number))?[\s:.#-]{0,3}$",
    re.IGNORECASE,
)
_BACKWARDS: Final = Pattern(
    r"(?<![\d*x#$€£./-])(\d{3,4})\s?(?:\(|is (?:the|my)|as|=|-|for)?\s?(?:the |my )?"
    r"(?:cvv2?|cvc2?|csc|security code|card code|on the back)\b"
)
CUE: Final = f"{_NAMED.cue}|{_CALLED.cue}|{_BACKWARDS.cue}"
_AFTER_CARD: Final = re.compile(
    r"[\s,;:|/()\-]*(?:(?:exp\w{0,8}|valid\w{0,5}|thru|caduca|vence)?[\s.:,]*"
    r"(?:0[1-9]|1[0-2])[\s/.\-]{0,3}(?:20)?(?:2\d|3\d|4[0-4])(?!\d{1,2}\b[/.\-]))"
    r"[\s,;:|/()\-]+(\d{3,4})(?![\d%]|[.,/]\d)",
    re.IGNORECASE,
)
_BARE_AFTER_CARD: Final = re.compile(r"[\s,;|/]{1,3}(\d{3})(?![\d%]|[.,/:\-]\d|\s?\d)")
_GLUED: Final = re.compile(r"(?:0[1-9]|1[0-2])(?:20)?(?:2\d|3\d|4[0-4])(\d{3,4})(?!\d)")
_CARD: Final = re.compile(r"\b(?:cards?|visa|amex|mastercard)\b", re.IGNORECASE)
_WITHIN = 45


def codes(reading: Reading, known: Sequence[Card]) -> Iterator[tuple[int, int]]:
    """Security codes: named as one, or standing where one stands after a card number."""
    within = overlaps((card.start, card.end) for card in known)
    for start, end in _codes(reading.text, known, within):
        if not within(start, end):
            yield start, end


def _codes(
    text: str, known: Sequence[Card], within: Callable[[int, int], bool]
) -> Iterator[tuple[int, int]]:
    for named in _NAMED.finditer(text):
        yield from _near(text, named.end(), within)
    for found in _BACKWARDS.finditer(text):
        yield found.span(1)
    for card in known:
        yield from _following(text, card)
    for called in _CALLED.finditer(text):
        if known or _CARD.search(text, max(0, called.start() - 60), called.end() + 40):
            yield from _near(text, called.end(), within, reach=16)


def _near(
    text: str, start: int, within: Callable[[int, int], bool], reach: int = _WITHIN
) -> Iterator[tuple[int, int]]:
    """The first number of three or four digits, or three spoken ones, after a word for it."""
    stretch = re.split(r"[!?]|\.\s+[A-Z]|\n\n", text[start : start + reach], maxsplit=1)[0]
    found = [
        (at.start(), at.end())
        for at in _CODE.finditer(text, start, start + len(stretch) + 4)
        if at.start() < start + len(stretch)
        and not _NOT_IT.search(text[max(0, at.start() - 18) : at.start()])
    ]
    found += [
        (start + group.start, start + group.end)
        for group in spoken(stretch)
        if len(group.digits) in (3, 4)
    ]
    free = [place for place in found if not within(*place)]
    if free:
        yield min(free)


def _following(text: str, card: Card) -> Iterator[tuple[int, int]]:
    after = text[card.end : card.end + 40]
    for pattern in (_GLUED, _AFTER_CARD, _BARE_AFTER_CARD):
        found = pattern.match(after)
        if found:
            yield card.end + found.start(1), card.end + found.end(1)
            return
