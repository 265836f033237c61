"""Which runs of digits does a text hold, also spoken ones and letters that pass for digits?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from comms.compliance.patterns import Pattern

_ONES: Final = {
    **dict.fromkeys(("zero", "oh", "cero", "null", "zéro", "nul"), "0"),
    **dict.fromkeys(("one", "uno", "eins", "un", "um", "een"), "1"),
    **dict.fromkeys(("two", "dos", "zwei", "deux", "due", "dois", "twee"), "2"),
    **dict.fromkeys(("three", "tres", "drei", "trois", "tre", "três"), "3"),
    **dict.fromkeys(("four", "cuatro", "vier", "quatre", "quattro", "quatro"), "4"),
    **dict.fromkeys(("five", "cinco", "fünf", "cinq", "cinque", "vijf"), "5"),
    **dict.fromkeys(("six", "seis", "sechs", "sei", "zes"), "6"),
    **dict.fromkeys(("seven", "siete", "sieben", "sept", "sette", "sete", "zeven"), "7"),
    **dict.fromkeys(("eight", "ocho", "acht", "huit", "otto", "oito"), "8"),
    **dict.fromkeys(("nine", "nueve", "neun", "neuf", "nove", "negen"), "9"),
}
_TEENS: Final = dict(
    zip(
        ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
         "eighteen", "nineteen"),
        map(str, range(10, 20)), strict=True,
    )
)  # fmt: skip
_TENS: Final = dict(
    zip(
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),
        "23456789", strict=True,
    )
)  # fmt: skip
_TIMES: Final = {"double": 2, "triple": 3, "treble": 3}
_ONE: Final = "|".join((*_TEENS, *_TENS, *_ONES))
_SPOKEN: Final = Pattern(
    rf"\b(?:(?:double|triple|treble)\s)?(?:{_ONE})"
    rf"(?:[\s,.\-]{{1,3}}(?:(?:dash|hyphen|space)[\s,.\-]{{1,3}})?(?:(?:double|triple|treble)\s)?(?:{_ONE}))+\b"
)
SAID: Final = _SPOKEN.cue
"""Shown by every text that says digits as words."""
_WORD: Final = re.compile(r"[^\W\d_]+")
_DIGITS: Final = re.compile(r"[0-9]+")
_POSING: Final = re.compile(r"(?<![A-Za-z])[0-9OoIlS](?:[ -]?[0-9OoIlSB]){12,18}(?![A-Za-z])")
_POSES: Final = str.maketrans("OoIlSB", "001158")


@dataclass(frozen=True, slots=True)
class Group:
    """Digits without anything between them, and where they stand."""

    start: int
    end: int
    digits: str
    spoken: bool = False

    def place(self, many: int) -> int:
        """Where so many of them end; spoken ones end together."""
        return self.end if self.spoken else self.start + many


def groups(text: str, start: int = 0, *, said: bool = True) -> Sequence[Group]:
    """Runs of digits, in their order; the text stands ``start`` characters into a longer one.

    ``said`` where words may stand for digits as well.
    """
    found = [
        Group(start + at.start(), start + at.end(), at[0]) for at in _DIGITS.finditer(_posed(text))
    ]
    words = spoken(text, start) if said else ()
    return sorted([*found, *words], key=lambda group: group.start) if words else found


def spoken(text: str, start: int = 0) -> Sequence[Group]:
    """Digits said as words, three or more of them."""
    said = (
        Group(start + at.start(), start + at.end(), _said(at[0]), spoken=True)
        for at in _SPOKEN.finditer(text)
    )
    return [group for group in said if len(group.digits) >= 3]


def _said(words: str) -> str:
    """Forty-two is two digits, and so is forty."""
    digits, times, tens = "", 1, False
    for word in _WORD.findall(words.lower()):
        if word in _TIMES:
            times = _TIMES[word]
            continue
        one = _ONES.get(word, "")
        if tens and one not in {"", "0"}:
            digits = digits[:-1]
        tens = word in _TENS
        digits += _TENS[word] + "0" if tens else _TEENS.get(word, one) * times
        times = 1
    return digits


def _posed(text: str) -> str:
    """With letters that stand among digits in a digit's place read as that digit."""
    return _POSING.sub(lambda at: _posing(at[0]), text)


def _posing(written: str) -> str:
    real = sum(sign.isdigit() for sign in written)
    return written.translate(_POSES) if real >= 9 else written
