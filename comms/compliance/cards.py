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
from comms.compliance.places import Place, joined, overlaps
from comms.compliance.reading import Reading
from comms.compliance.rows import BETWEEN, LINK, Row, Window

_FEWEST: Final = 12
_SHORTEST: Final = 13
_LONGER: Final = 17
_LONGEST_RUN: Final = 200
_ANY_LENGTH: Final = (16, 15, 14, 13, 12, 18, 19, 17)
_GOES_ON: Final = re.compile(
    r"\b(?:then|rest|half|last|second|followed|remaining|remainder|continues?|luego|resto|weiter|puis)\b",
    re.IGNORECASE,
)
_DATED: Final = re.compile(r"(?:0[1-9]|1[0-2])(?:2[4-9]|3[0-9])(?=\d{13,16}$)")
_LONGEST_ADDRESS: Final = 200
_WORD: Final = re.compile(r"[^\s<>\"'(),;|]*$")
_GOES_WITH: Final = re.compile(r"exp|cvv|cvc|val|x(?:\b|\d)|and|thru", re.IGNORECASE)
_GLUED_ID: Final = re.compile(r"[A-Za-z]*\d")
_SHORT_RUN: Final = 4
_SHORT_WORD: Final = 2
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
CUE: Final = (
    rf"(?:[0-9]|\b[OoIlSB])(?:{BETWEEN}{{0,8}}(?:{LINK}{BETWEEN}{{1,4}})*[0-9OoIlSB]){{11,}}"
)
"""Twelve digits with nothing between them that does not stand between the digits of a card."""
_DIGITS: Final = Where(CUE)
_SPOKEN: Final = Where(SAID)
_NEXT_TO_SPOKEN: Final = 60
_SHAPES: Final = frozenset(
    {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 3), (4, 4, 4, 1), (4, 4, 4, 2),
     (4, 4, 4, 4, 1), (4, 4, 4, 4, 2), (4, 3, 3, 3), (4, 5, 6), (8, 8), (6, 10), (6, 4, 6),
     (6, 6, 4), (4, 4, 8), (4, 12), (12, 4), (8, 4, 4), (6, 13), (8, 11), (4, 11), (4, 10),
     (5, 5, 5), (4, 8, 4)}
)  # fmt: skip
_USUAL: Final = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4)})
_PLAIN_GAP: Final = re.compile(r"[\s\-.·_]{1,6}|\n?[> ]{1,6}")
_CARD_WORDS: Final = (
    r"\b(?:cards?|visa|master ?card|amex|american express|discover|diners|jcb|union ?pay"
    r"|maestro|mir"
    r"|debit|cc|ccn|ccnum|pan|exp|expir(?:y|es|ing|ation)|cvv2?|cvc2?|charge|autopay|on file"
    r"|tarjeta|carte|karte|kreditkarte|carta|cartão|kort|creditcard|the rest is|(?:my|the) number"
    r" (?:begins|starts|is))\b|カード|卡|карт"
)
ABOUT_CARDS: Final = re.compile(_CARD_WORDS, re.IGNORECASE)
_ABOUT: Final = Where(_CARD_WORDS)
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
_AFTER: Final = 60
_AROUND: Final = 90


@dataclass(frozen=True, slots=True)
class Card:
    """Where a card number stands in the plain form."""

    start: int
    end: int
    digits: str


def cards(reading: Reading) -> Sequence[Card]:
    """Every card number, the surest reading of each."""
    text = reading.text
    said = [*_SPOKEN(text)]
    regions = _regions(text, said)
    if not regions:
        return []
    about = overlaps(_ABOUT(text))
    return [
        card
        for start, end in regions
        for card in _Cards(Row(text, groups(text[start:end], start, said=bool(said))), about)
    ]


def _regions(text: str, said: Sequence[Place]) -> Sequence[Place]:
    """Where there are digits enough at all, written or said."""
    if not said:
        return [*_DIGITS(text)]
    around = ((max(0, start - _NEXT_TO_SPOKEN), end + _NEXT_TO_SPOKEN) for start, end in said)
    return joined([*_DIGITS(text), *around])


@dataclass(frozen=True, slots=True)
class _Cards:
    """The cards of a row of digits; and where the text speaks of cards."""

    row: Row
    about: Callable[[int, int], bool]

    def __iter__(self) -> Iterator[Card]:
        runs, at = self.row.runs, 0
        while at < len(runs):
            card = self._begun(at)
            at += 1
            if card is None:
                continue
            yield card
            while at < len(runs) and runs[at].start < card.end:
                at += 1

    def _begun(self, first: int) -> Card | None:
        """The card number that begins with this run of digits."""
        if self.row.many(first) < _FEWEST:
            return None
        before = self.row.before(first)
        called = _worded(before) and _CALLED.search(before) is not None
        for window in sorted(self._windows(first, called=called), key=self._unlikely):
            if self._believable(window, first, before):
                return Card(window.start, window.end, window.digits)
        run = self.row.runs[first]
        if called and self._mistyped(run):
            return Card(run.start, run.end, run.digits)
        return self._inside(run, before)

    def _windows(self, first: int, *, called: bool) -> Iterator[Window]:
        lengths = numbers.card_lengths(self.row.digits(first))
        if called:
            lengths = (*lengths, *(one for one in _ANY_LENGTH if one not in lengths))
        found = self.row.windows(first, lengths, _proves if called else numbers.is_card)
        return (window for window in found if not self._goes_on_before(window))

    def _unlikely(self, window: Window) -> bool:
        return bool(window.rest) and not self._expires(window)

    def _mistyped(self, run: Group) -> bool:
        """Whether what is called a card, has its length and expires is only written wrong."""
        usual = len(run.digits) in numbers.card_lengths(run.digits)
        return usual and _EXPIRES.match(self.row.text, run.end) is not None

    def _inside(self, run: Group, before: str) -> Card | None:
        """A number of the usual length within longer digits, where the text speaks of cards."""
        many = len(run.digits)
        if run.spoken or not _LONGER <= many <= _LONGEST_RUN:
            return None
        dated = _DATED.match(run.digits)
        if not (dated or self._spoken_of(run.start, run.end, before)) or _NO_CARD.search(before):
            return None
        for at in (4,) if dated else range(1, many - _SHORTEST + 1):
            for length in numbers.card_lengths(run.digits[at:])[:1]:
                digits = run.digits[at : at + length]
                if numbers.is_card(digits):
                    return Card(run.start + at, run.start + at + length, digits)
        return None

    def _goes_on_before(self, window: Window) -> bool:
        """Whether these digits are the middle of something longer: a decimal, a phone, an id."""
        text, start = self.row.text, window.start
        sign = text[max(0, start - 2) : start]
        if sign.endswith("+") or (sign.endswith(".") and sign[:1].isdigit()):
            return window.sizes[0] > _SHORT_RUN or sign.endswith("+")
        word = _WORD.search(text[max(0, start - _LONGEST_ADDRESS) : start])
        glued = word[0] if word else ""
        if not glued or sign == "%B":
            return False
        if "://" in glued or glued.startswith("www."):
            return True
        glued = re.split(r"[^A-Za-z0-9]", glued.strip("_"))[-1]
        known = ABOUT_CARDS.search(glued) or _GLUED_ON.fullmatch(glued)
        return bool(glued) and not (known or (glued.isalpha() and len(glued) == _SHORT_WORD))

    def _believable(self, window: Window, first: int, before: str) -> bool:
        start, end = window.start, window.end
        after = self.row.text[end : end + _AFTER]
        expires = self._expires(window)
        apart = len(window.sizes) > 1 and _LISTED.isdisjoint("".join(window.gaps))
        named = _named(before, apart=apart)
        if not expires and (named or _NO_CARD_AFTER.match(after)):
            return False
        if expires:
            return True
        spoken = self._spoken_of(start, end, before)
        if window.rest:
            return len(window.rest) in {3, 4} and spoken
        if after[:1].isalpha() and not _GOES_WITH.match(after):
            return spoken and not _GLUED_ID.match(after)
        return spoken or (
            not (_worded(before) and _HARDLY_CARD.search(before))
            and _formatted(window)
            and not self._runs_on(window, first)
        )

    def _spoken_of(self, start: int, end: int, before: str) -> bool:
        near = self.about(max(0, start - _AROUND), end + _AFTER)
        return near or (_worded(before) and _PAYS_WITH.search(before) is not None)

    def _expires(self, window: Window) -> bool:
        """Whether an expiry follows, glued or after a space."""
        following = self.row.text[window.end : window.end + 40]
        if window.rest:
            return bool(_GLUED.fullmatch(window.rest) or _EXPIRY.match(following[:8]))
        return _EXPIRES.match(following) is not None

    def _runs_on(self, window: Window, first: int) -> bool:
        """Whether the same row of groups goes on before or after: then it is a longer code."""
        if len(window.sizes) == 1:
            return False
        runs, gap, size = self.row.runs, window.gaps[0], window.sizes[0]
        follows = self.row.gap(window.last) == gap and len(runs[window.last + 1].digits) == size
        leads = self.row.gap(first - 1) == gap and len(runs[first - 1].digits) == size
        return follows or (leads and not _EXPIRY.fullmatch(runs[first - 1].digits))


def _worded(before: str) -> bool:
    return any(map(str.isalpha, before))


def _named(before: str, *, apart: bool) -> bool:
    """Whether it is said to be something else; groups look like a card in spite of that."""
    if not _worded(before) or not _NO_CARD.search(before):
        return False
    return not apart or _NUMBER_OF.search(before) is not None


def _proves(digits: str) -> bool:
    """What the text itself calls a card number is one of whatever issuer, if its digits agree."""
    return len(set(digits)) > 1 and numbers.luhn(digits)


def _formatted(window: Window) -> bool:
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
