"""Which digits of a text are the number of a payment card, and which its security code?

Every run of digits may begin a number, which may be glued to its expiry, broken over lines, spoken
or parted by a few words. What an issuer could not have given is none; what its sentence calls a
tracking, order or phone number is none either.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from comms.compliance import numbers
from comms.compliance.digits import SAID, Group, groups
from comms.compliance.patterns import Where
from comms.compliance.places import Place, joined
from comms.compliance.reading import Reading

_SHORTEST: Final = 13
_ANY_LENGTH: Final = (16, 15, 14, 13, 12, 18, 19, 17)
_LONGEST: Final = 19
_LONGER: Final = 17
_LONGEST_RUN: Final = 200
_BETWEEN: Final = r"[^0-9A-Za-z$€£%@]"
"""What people and programs put between the digits of one number; sums have their sign there."""
_LINK: Final = (
    r"(?:and|then|the|rest|is|next|last|final|first|four|five|six|digits?|numbers?|are|ends?"
    r"|ending|begins?|starts?|with|in|followed|by|it|of|to|plus|after|that|dash|hyphen|space"
    r"|comma|half|halves|second|other|ones?|remaining|remainder|continue[sd]?|part|group|block|y"
    r"|luego|el|resto|es|termina|en|und|dann|der|weiter|mit|et|puis|le|fin)"
)
_GOES_ON: Final = re.compile(
    r"\b(?:then|rest|half|last|second|followed|remaining|remainder|continues?|luego|resto|weiter|puis)\b",
    re.IGNORECASE,
)
_DATED: Final = re.compile(r"(?:0[1-9]|1[0-2])(?:2[4-9]|3[0-9])(?=\d{13,16}$)")
_IN_ADDRESS: Final = re.compile(r"(?:https?://|www\.)\S*$", re.IGNORECASE)
_LONGEST_ADDRESS: Final = 200
_GLUED_ON: Final = re.compile(
    r"(?:numbers?|nummer|numero|with|use|using|pay|from|it|are|num)", re.IGNORECASE
)
_PAYS_WITH: Final = re.compile(
    r"\b(?:charge|charged|pay|paid|put|bill|use|debit|run|take)\b[^.!?\n]{0,40}"
    r"\b(?:on|to|with|from|using|via|against)[\s:]{1,2}(?:my |the |our |this )?$"
    r"|\b(?:charge|bill|use|debit|run) (?:my |the |our |this )?$",
    re.IGNORECASE,
)
_EXPIRES: Final = re.compile(
    r"[\s,;:()|]*(?:exp\w{0,8}|valid\w{0,5}|thru|caduca|vence|gültig)?[\s.:,]*"
    r"(?:0[1-9]|1[0-2])[\s/.\-]{0,3}(?:20)?(?:2[0-9]|3[0-9]|4[0-4])(?!\d)",
    re.IGNORECASE,
)
_LISTED: Final = frozenset(",;\n&")
_WRAPPED: Final = re.compile(r"[\s=-]{0,3}\n[> ]{0,8}")
_JOINS: Final = re.compile(rf"{_BETWEEN}{{0,8}}")
_LINKS: Final = re.compile(rf"{_BETWEEN}*(?:\b{_LINK}\b{_BETWEEN}*){{1,8}}", re.IGNORECASE)
CUE: Final = (
    rf"(?:[0-9]|\b[OoIlSB])(?:{_BETWEEN}{{0,8}}(?:{_LINK}{_BETWEEN}{{1,4}})*[0-9OoIlSB]){{11,}}"
)
"""Twelve digits with nothing between them that does not stand between the digits of a card."""
_DIGITS: Final = Where(CUE)
_SPOKEN: Final = Where(SAID)
_NEXT_TO_SPOKEN: Final = 60
_LONGEST_LINK: Final = 45
_SHAPES: Final = frozenset(
    {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 3), (4, 4, 4, 1), (4, 4, 4, 2),
     (4, 4, 4, 4, 1), (4, 4, 4, 4, 2), (4, 3, 3, 3), (4, 5, 6), (8, 8), (6, 10), (6, 4, 6),
     (6, 6, 4), (4, 4, 8), (4, 12), (12, 4), (8, 4, 4), (6, 13), (8, 11), (4, 11), (4, 10),
     (5, 5, 5), (4, 8, 4)}
)  # fmt: skip
_USUAL: Final = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4)})
_PLAIN_GAP: Final = re.compile(r"[\s\-.·_]{1,6}|\n?[> ]{1,6}")
ABOUT_CARDS: Final = re.compile(
    r"\b(?:cards?|visa|master ?card|amex|american express|discover|diners|jcb|union ?pay"
    r"|maestro|mir"
    r"|debit|cc|ccn|ccnum|pan|exp|expir(?:y|es|ing|ation)|cvv2?|cvc2?|charge|autopay|on file"
    r"|tarjeta|carte|karte|kreditkarte|carta|cartão|kort|creditcard|the rest is|(?:my|the) number"
    r" (?:begins|starts|is))\b|カード|卡|карт",
    re.IGNORECASE,
)
_HARD: Final = (
    r"track(?:ing)?|orders?|receipts?|invoices?|inv|trace|serials?|s/?n|imei2?|iccid|sim|device|gtin"
    r"|ean|upc|isbn|barcodes?|sku|lot|batch|licen[cs]e|parcels?|packages?|shipments?"
    r"|consignment|waybill|awb|ups|usps|fedex|dhl|meter|time ?stamp|epoch|uu?id|hash|commit"
    r"|npi|ndc|asset|mac|docket|matter|sendungsnummer|bestell(?:ung|nummer)|rechnung"
    r"|rechnungsnummer|factura|facture|pedido|commande|suivi|seguimiento|auftrag"
)
_SOFT: Final = (
    r"customer|members?|membership|loyalty|phones?|tel|telephone|mobile|fax|cell|call"
    r"|whatsapp|totals?|amounts?|figures|quantities|ids?|user|thread|run id|policy|claim"
    r"|confirmation|booking|reservation|request|session|message|msg|case|ticket|ref|refs"
    r"|reference|po|vat|ein|transaction|txn|trans|model|part|build|job|span"
)
_ENDS: Final = (
    r"(?:[ _-]?(?:no|nos|nr|num|nums|numbers?|ids?|code|key|stamp)\b)?[\s.:=#()\"'/-]{0,5}"
    r"(?:(?:is|are|was|of|by month|ending)\b[\s:=]{0,3})?$"
)
_NO_CARD: Final = re.compile(rf"\b(?:{_HARD})\b{_ENDS}", re.IGNORECASE)
_NUMBER_OF: Final = re.compile(
    r"(?:track\w*|parcels?|shipments?|waybill|serial|imei|iccid|licen[cs]e|meter|gtin|ean|ups|fedex"
    r"|no|nr|num|numbers?|code|id|#)[\s.:=#-]*(?:is )?$",
    re.IGNORECASE,
)
_HARDLY_CARD: Final = re.compile(rf"\b(?:{_SOFT})\b{_ENDS}", re.IGNORECASE)
_NO_CARD_AFTER: Final = re.compile(
    r"@|\s?(?:ns|ms|us|µs|nanoseconds?|milliseconds?)\b|[\s,)(]{0,3}(?:is|was|are|being) "
    r"(?:the |my |our |your |a )?(?:tracking|order|invoice|reference|serial|imei|trace|shipment)\b"
    r"|[\s,)(-]{1,3}(?:tracking|order|invoice|serial|imei|shipment)(?: (?:number|no|id))?\b"
    r"(?![\s:.#]{0,3}(?:[\w-]{0,6}\d|number|no))",
    re.IGNORECASE,
)
_EXPIRY: Final = re.compile(r"(?:0[1-9]|1[0-2])[\s/.\-]{0,3}(?:20)?(?:2[0-9]|3[0-9]|4[0-4])(?!\d)")
_GLUED: Final = re.compile(r"(?:0[1-9]|1[0-2])(?:20)?(?:2[0-9]|3[0-9]|4[0-4])(?:\d{3,4})?")
_CALLED: Final = re.compile(
    r"\b(?:(?:credit|debit|bank|payment|charge)[ -]?cards?|cards?|cc|ccn|pan|visa|mastercard"
    r"|amex)\b"
    r"(?:[ _-]?(?:no|nr|num|number|#)\b\.?)?[\s:=#?]{0,3}(?:is\s)?$",
    re.IGNORECASE,
)
_BEFORE, _AFTER = 48, 60


@dataclass(frozen=True, slots=True)
class Card:
    """Where a card number stands in the plain form."""

    start: int
    end: int
    digits: str


def cards(reading: Reading) -> Sequence[Card]:
    """Every card number, the surest reading of each."""
    text = reading.text
    return [
        card
        for start, end in _regions(text)
        for card in _within(text, groups(text[start:end], start))
    ]


def _regions(text: str) -> Sequence[Place]:
    """Where there are digits enough at all, written or said."""
    said = [
        (max(0, start - _NEXT_TO_SPOKEN), end + _NEXT_TO_SPOKEN) for start, end in _SPOKEN(text)
    ]
    return joined([*_DIGITS(text), *said]) if said else [*_DIGITS(text)]


def _within(text: str, runs: Sequence[Group]) -> Sequence[Card]:
    found: list[Card] = []
    at = 0
    while at < len(runs):
        card = _begun(text, runs, at)
        if card is None:
            at += 1
            continue
        found.append(card)
        while at < len(runs) and runs[at].end <= card.end:
            at += 1
        if at < len(runs) and runs[at].start < card.end:
            at += 1
    return found


def _begun(text: str, runs: Sequence[Group], first: int) -> Card | None:
    """The card number that begins with this run of digits."""
    lengths = numbers.card_lengths(_opening(runs, first))
    called = _CALLED.search(text[max(0, runs[first].start - _BEFORE) : runs[first].start])
    if called:
        lengths = (*lengths, *(one for one in _ANY_LENGTH if one not in lengths))
    right = _proves if called else numbers.is_card
    candidates = {card.length: card for card in _windows(text, runs, first, lengths, right)}
    if candidates and not _goes_on_before(text, runs, first):
        likely = [candidates[length] for length in lengths if length in candidates]
        for candidate in sorted(likely, key=lambda one: bool(one.rest) and not _expires(text, one)):
            if _believable(text, runs, first, candidate):
                return Card(runs[first].start, candidate.end, candidate.digits)
    if called and _mistyped(text, runs, first):
        return Card(runs[first].start, runs[first].end, runs[first].digits)
    return _inside(text, runs[first])


def _proves(digits: str) -> bool:
    """What the text itself calls a card number is one of whatever issuer, if its digits agree."""
    return len(set(digits)) > 1 and numbers.luhn(digits)


def _mistyped(text: str, runs: Sequence[Group], first: int) -> bool:
    """Whether a number that is called a card, has its length and expires is only written wrong."""
    run = runs[first]
    usual = len(run.digits) in numbers.card_lengths(run.digits)
    return usual and _EXPIRES.match(text, run.end) is not None


def _inside(text: str, run: Group) -> Card | None:
    """A number of the usual length within longer digits, where the text speaks of cards."""
    many = len(run.digits)
    if run.spoken or not _LONGER <= many <= _LONGEST_RUN:
        return None
    dated = _DATED.match(run.digits)
    if _named_otherwise(text, run.start) or not (dated or _spoken_of(text, run.start, run.end)):
        return None
    for at in (4,) if dated else range(1, many - _SHORTEST + 1):
        for length in numbers.card_lengths(run.digits[at:])[:1]:
            digits = run.digits[at : at + length]
            if numbers.is_card(digits):
                return Card(run.start + at, run.start + at + length, digits)
    return None


def _named_otherwise(text: str, start: int) -> bool:
    return _NO_CARD.search(text[max(0, start - _BEFORE) : start]) is not None


def _opening(runs: Sequence[Group], first: int) -> str:
    digits = ""
    for run in runs[first : first + 4]:
        digits += run.digits[:4]
        if len(digits) >= 4:
            break
    return digits


@dataclass(frozen=True, slots=True)
class _Window:
    length: int
    end: int
    digits: str
    sizes: tuple[int, ...]
    gaps: tuple[str, ...]
    last: int
    """The run that it ends in."""
    rest: str
    """What is left of that run."""


def _windows(
    text: str,
    runs: Sequence[Group],
    first: int,
    lengths: Sequence[int],
    right: Callable[[str], bool],
) -> Iterator[_Window]:
    """Every number of a right length and check digit that begins here."""
    if not lengths:
        return
    digits, sizes, gaps = "", [0], list[str]()
    for at in range(first, min(first + _LONGEST, len(runs))):
        run = runs[at]
        if at > first:
            gap = text[runs[at - 1].end : run.start]
            if not _joined(gap):
                return
            gaps.append(gap)
            sizes.append(0)
        for length in lengths:
            cut = length - len(digits)
            if 0 < cut <= len(run.digits) and right(digits + run.digits[:cut]):
                shape = (*sizes[:-1], cut)
                end, rest = run.place(cut), run.digits[cut:]
                yield _Window(length, end, digits + run.digits[:cut], shape, tuple(gaps), at, rest)
        digits += run.digits
        sizes[-1] = len(run.digits)
        if len(digits) >= _LONGEST:
            return


def _joined(gap: str) -> bool:
    if _JOINS.fullmatch(gap):
        return True
    return len(gap) <= _LONGEST_LINK and _LINKS.fullmatch(gap) is not None


def _goes_on_before(text: str, runs: Sequence[Group], first: int) -> bool:
    """Whether these digits are the middle of something longer: a decimal, a phone, an id."""
    start = runs[first].start
    before = text[max(0, start - 2) : start]
    if before.endswith("+") or (before.endswith(".") and before[:1].isdigit()):
        return len(runs[first].digits) > 4 or before.endswith("+")
    if _IN_ADDRESS.search(text[max(0, start - _LONGEST_ADDRESS) : start]):
        return True
    word = re.search(r"[A-Za-z0-9_]*$", text[max(0, start - _BEFORE) : start])
    glued = word[0].strip("_") if word else ""
    if glued == "B" and text[max(0, start - 2) : start] == "%B":
        return False
    known = ABOUT_CARDS.search(glued) or _GLUED_ON.fullmatch(glued)
    return bool(glued) and not (known or (glued.isalpha() and len(glued) == 2))


def _believable(text: str, runs: Sequence[Group], first: int, window: _Window) -> bool:
    start = runs[first].start
    before = text[max(0, start - _BEFORE) : start]
    after = text[window.end : window.end + _AFTER]
    expires = _expires(text, window)
    apart = len(window.sizes) > 1 and _LISTED.isdisjoint("".join(window.gaps))
    named = _NO_CARD.search(before) and (not apart or _NUMBER_OF.search(before))
    if not expires and (named or _NO_CARD_AFTER.match(after)):
        return False
    if _HARDLY_CARD.search(before) and not (expires or _spoken_of(text, start, window.end)):
        return False
    if window.rest and not expires:
        return len(window.rest) in {3, 4} and not named and _spoken_of(text, start, window.end)
    if after[:1].isalpha() and not re.match(r"(?i)exp|cvv|cvc|val|x(?:\b|\d)|and|thru", after):
        return not re.match(r"[A-Za-z]*\d", after) and _spoken_of(text, start, window.end)
    if _formatted(window) and not _runs_on(text, runs, first, window):
        return True
    return expires or _spoken_of(text, start, window.end)


def _spoken_of(text: str, start: int, end: int) -> bool:
    return (
        ABOUT_CARDS.search(text, max(0, start - 90), end + _AFTER) is not None
        or _PAYS_WITH.search(text[max(0, start - _BEFORE) : start]) is not None
    )


def _expires(text: str, window: _Window) -> bool:
    """Whether an expiry follows, glued or after a space."""
    if window.rest:
        whole = text[window.end : window.end + 8]
        return bool(_GLUED.fullmatch(window.rest) or _EXPIRY.match(whole))
    return _EXPIRES.match(text[window.end : window.end + 40]) is not None


def _formatted(window: _Window) -> bool:
    """Whether people write card numbers in groups like these."""
    if len(window.sizes) == 1:
        return True
    single = len(set(window.gaps)) == 1
    if len(window.sizes) == 2 and (
        _WRAPPED.fullmatch(window.gaps[0]) or _GOES_ON.search(window.gaps[0])
    ):
        return True
    if window.sizes in _USUAL:
        return True
    if not all(map(_PLAIN_GAP.fullmatch, window.gaps)):
        return False
    even = len(set(window.sizes[:-1])) == 1 and window.sizes[-1] <= window.sizes[0]
    return window.sizes in _SHAPES or (single and even and len(window.sizes) > 2)


def _runs_on(text: str, runs: Sequence[Group], first: int, window: _Window) -> bool:
    """Whether the same row of groups goes on before or after: then it is a longer code."""
    if len(window.sizes) == 1:
        return False
    gap = window.gaps[0]
    follows = window.last + 1 < len(runs) and (
        text[window.end : runs[window.last + 1].start] == gap
        and len(runs[window.last + 1].digits) == window.sizes[0]
    )
    leads = (
        first > 0
        and text[runs[first - 1].end : runs[first].start] == gap
        and not _EXPIRY.fullmatch(runs[first - 1].digits)
    )
    return follows or (leads and len(runs[first - 1].digits) == window.sizes[0])
