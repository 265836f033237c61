"""What is hidden of a text for which the detectors gave no answer?

Whatever has the form of a card, a social security number, an IBAN or a card's code, whatever stands
beside it. It hides too much rather than too little, needs no other file than the tables of issuers,
and its time grows with the length of the text.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from comms.compliance import numbers
from comms.compliance.patterns import Where
from comms.compliance.places import Place

HIDDEN: Final = "[number]"
_BETWEEN: Final = r"[\s.\-/,|_*·•:;>()\[\]'\"+~=\u00ad\u200b-\u200f\u2060\ufeff]{0,8}"
_RUN: Final = re.compile(rf"\d(?:{_BETWEEN}\d){{11,}}")
_SSN: Final = re.compile(r"(?<!\d)\d{3}[-\s.\u2010-\u2015]\d{2}[-\s.\u2010-\u2015]\d{4}(?!\d)")
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?:[ \-]?[A-Z0-9]){11,30}\b", re.IGNORECASE)
_CODE: Final = re.compile(
    r"\b(?:cvv|cvc|cid|csc|security code)2?\b\D{0,12}\d{3,4}(?!\d)", re.IGNORECASE
)
_MAYBE: Final = Where(
    r"\b[a-z]{2}\d{2}(?:[ \-]?[a-z0-9]){11,30}\b"
    r"|\p{Nd}(?:[\s\p{P}\p{Cf}|+~=]{0,8}\p{Nd}){8,}"
    r"|\b(?:cvv|cvc|cid|csc|security code)2?\b\P{Nd}{0,12}\p{Nd}{3,4}"
)
"""Wherever one of them may stand; RE2 finds it fast, and in a time that grows with the text."""
_LONGEST: Final = 1_000
"""Characters of what may be a number: more than this is a list, and is hidden as one."""
_BESIDE: Final = 30


def hidden(text: str) -> str:
    """The same text without what may be such a number."""
    shown, last = [], 0
    for start, end in places(text):
        shown += [text[last:start], HIDDEN]
        last = end
    return "".join([*shown, text[last:]])


def places(text: str) -> Iterator[Place]:
    """Where such numbers may stand, from left to right."""
    last = 0
    for start, end in _MAYBE(text):
        long = end - start > _LONGEST
        told = [(0, end - start)] if long else sorted(_judged(text[start : end + _BESIDE]))
        for at, to in told:
            if start + to > last:
                yield max(start + at, last), start + to
                last = start + to


def _judged(piece: str) -> Iterator[Place]:
    for form in (_SSN, _CODE):
        yield from (found.span() for found in form.finditer(piece))
    for found in _IBAN.finditer(piece):
        if size := _size_of_iban(found[0]):
            yield found.start(), found.start() + size
    yield from (found.span() for found in _RUN.finditer(piece) if _holds_card(found[0]))


def _size_of_iban(written: str) -> int:
    """How many characters of it are an IBAN; words may follow that look like its groups."""
    wanted = numbers.IBAN_LENGTHS.get(written[:2].upper(), 0)
    places = [at for at, sign in enumerate(written) if sign.isalnum()]
    if not 0 < wanted <= len(places):
        return 0
    size = places[wanted - 1] + 1
    plain = re.sub(r"[ \-]", "", written[:size]).upper()
    return size if plain.isascii() and numbers.is_iban(plain) else 0


def _holds_card(run: str) -> bool:
    digits = "".join(str(unicodedata.digit(sign)) for sign in run if sign.isdigit())
    return any(
        len(digits) >= start + length and numbers.is_card(digits[start : start + length])
        for start in range(len(digits) - 11)
        for length in numbers.card_lengths(digits[start:])
    )
