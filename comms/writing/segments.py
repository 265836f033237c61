"""What does an SMS cost, and which of its characters can be said more cheaply?

Handsets count septets of the GSM 03.38 alphabet: 160 in one message, 153 in each part of a longer
one. One character outside of it turns the whole text into UCS-2: 70, or 67 a part. Neither an
escaped character (two septets) nor a surrogate pair may be cut in two, so parts are packed.
"""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("^{}\\[~]|€\f")

LONGEST = 1600
"""Twilio refuses more characters (21617)."""

_SPACES = (
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u202f\u205f\u3000\t"
)
_APOSTROPHES = "\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4\u0060"
_QUOTES = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_NOTHING = "\u200b\u2060\ufeff\u00ad"
_PLAIN = str.maketrans(
    dict.fromkeys(_SPACES, " ")
    | dict.fromkeys(_APOSTROPHES, "'")
    | dict.fromkeys(_QUOTES, '"')
    | dict.fromkeys(_DASHES, "-")
    | dict.fromkeys(_NOTHING, "")
    | {"\u2026": "...", "\u2022": "-", "\u2028": "\n", "\u2029": "\n"}
)


class Encoding(StrEnum):
    """The alphabet that the text travels in."""

    GSM7 = "GSM-7"
    UCS2 = "UCS-2"


@dataclass(frozen=True, slots=True)
class Segments:
    """What a text costs."""

    encoding: Encoding
    units: int
    """Septets of GSM-7, or 16-bit units of UCS-2."""
    parts: int


def count(text: str) -> Segments:
    """Count a text as the network will."""
    if all(character in BASIC or character in EXTENSION for character in text):
        widths = [2 if character in EXTENSION else 1 for character in text]
        return _packed(Encoding.GSM7, widths, single=160, part=153)
    widths = [2 if ord(character) > 0xFFFF else 1 for character in text]
    return _packed(Encoding.UCS2, widths, single=70, part=67)


def plain(text: str) -> str:
    """The same words, with every character that has a faithful equivalent in GSM-7 replaced.

    Letters are never changed: an á, a ç or a Chinese sign stays, at its price.
    """
    return unicodedata.normalize("NFC", text).translate(_PLAIN)


def cheapest(text: str) -> str:
    """The plain form where it saves a part, else the text as it was written."""
    simple = plain(text)
    return simple if count(simple).parts < count(text).parts else text


def _packed(encoding: Encoding, widths: list[int], *, single: int, part: int) -> Segments:
    units = sum(widths)
    if units <= single:
        return Segments(encoding, units, 1 if units else 0)
    parts, room = 1, part
    for width in widths:
        if width > room:
            parts, room = parts + 1, part
        room -= width
    return Segments(encoding, units, parts)
