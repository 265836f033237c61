# ruff: noqa: RUF001  (the letters of other alphabets are meant)
"""How does a text read to a person, and which of its characters stand where?

People write digits full-width, in other scripts, with invisible characters between them, or as
HTML entities. Detectors read the plain form; what they find is told in the characters that came.
"""

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from comms.compliance.sentences import Sentence, sentences

_HIDDEN: Final = "\u200b"
_INVISIBLE: Final = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u200b\u200c\u200d\u200e\u200f"
    "\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\u3164\ufeff\uffa0"
    "\ufe00\ufe01\ufe02\ufe03\ufe04\ufe05\ufe06\ufe07\ufe08\ufe0e\ufe0f\u20e3"
)
_BLANK: Final = "\u2800"
"""Braille without a dot: no space to Unicode, and one to whoever reads it."""
_LIKE: Final = {
    **dict.fromkeys("‐‑‒–—―−﹘﹣－⁃", "-"),
    **dict.fromkeys("‘’‚‛ʼ＇`´", "'"),
    **dict.fromkeys("“”„‟＂«»", '"'),
    **dict.fromkeys("⁄∕／", "/"),
    "\u0085": "\n", "\u2028": "\n", "\u2029": "\n", "：": ":", "；": ";", "，": ",", "。": ".",
    "？": "?", "！": "!", "＝": "=", "＃": "#",
    # letters that look Latin: an IBAN or a keyword may be written with them
    **dict(zip("АВЕКМНОРСТХаеорсух", "ABEKMHOPCTXaeopcyx", strict=True)),
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo", strict=True)),
}  # fmt: skip
_MARKUP: Final = re.compile(
    r"&(?:\#[0-9]{1,7}|\#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,12});"
    r"|</?(?:a|abbr|b|blockquote|body|br|code|div|em|font|h[1-6]|html|i|li|ol|p|pre|s|small|span"
    r"|strong|sub|sup|table|tbody|td|th|tr|tt|u|ul|wbr)(?:[\s/][^<>]{0,400})?>",
    re.IGNORECASE,
)
_INLINE: Final = re.compile(r"</?(?:abbr|b|em|font|i|s|small|span|strong|u|wbr)\b", re.IGNORECASE)
_KNOWN_LIMIT: Final = 20_000


class _Folding(dict[int, str]):
    """How each character reads: always one for one, so that places stay."""

    def __missing__(self, code: int) -> str:
        read = _read(chr(code))
        if len(self) < _KNOWN_LIMIT:
            self[code] = read
        return read


def _read(sign: str) -> str:
    if sign in _INVISIBLE or "\U000e0000" <= sign <= "\U000e0fff":  # tags, for no reader
        return _HIDDEN
    if sign in _LIKE:
        return _LIKE[sign]
    digit = unicodedata.digit(sign, None)
    if digit is not None:
        return str(digit)
    kind = unicodedata.category(sign)
    if kind == "Zs" or sign == _BLANK:
        return " "
    if kind == "Cf":
        return _HIDDEN
    plain = unicodedata.normalize("NFKC", sign)
    return plain if len(plain) == 1 else sign


_FOLDING: Final = _Folding()


@dataclass(frozen=True)
class Reading:
    """A text in its plain form, and where each character of that form came from."""

    original: str
    text: str
    starts: Sequence[int] | None = None
    ends: Sequence[int] | None = None

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where characters of the plain form stand in the original."""
        if self.starts is None or self.ends is None or start >= end:
            return start, end
        return self.starts[start], self.ends[end - 1]

    @cached_property
    def sentences(self) -> Sequence[Sentence]:
        """The sentences of the plain form, cut when somebody first asks."""
        return [*sentences(self.text)]


def read(original: str, *, markup: bool = False) -> Reading:
    """The plain form of a text; ``markup`` where it may hold HTML, which is mail."""
    if original.isascii():
        if not (markup and ("&" in original or "<" in original)):
            return Reading(original, original)
        return _unmarked(Reading(original, original))
    plain = Reading(original, original.translate(_FOLDING))
    if markup and ("&" in plain.text or "<" in plain.text):
        plain = _unmarked(plain)
    return _shown(plain) if _HIDDEN in plain.text else plain


def _shown(reading: Reading) -> Reading:
    """Without the characters that nobody sees."""
    kept = [at for at, sign in enumerate(reading.text) if sign != _HIDDEN]
    return _chosen(reading, "".join(reading.text[at] for at in kept), [(at, at + 1) for at in kept])


def _unmarked(reading: Reading) -> Reading:
    """With entities read and tags taken off: those within a word leave nothing, others a space."""
    text, last = reading.text, 0
    signs: list[str] = []
    places: list[tuple[int, int]] = []
    for found in _MARKUP.finditer(text):
        signs.append(text[last : found.start()])
        places += [(at, at + 1) for at in range(last, found.start())]
        meant = _meant(found[0])
        signs.append(meant)
        places += [found.span()] * len(meant)
        last = found.end()
    if not last:
        return reading
    signs.append(text[last:])
    places += [(at, at + 1) for at in range(last, len(text))]
    return _chosen(reading, "".join(signs), places)


def _meant(markup: str) -> str:
    if markup.startswith("&"):
        read = html.unescape(markup).translate(_FOLDING)
        return read if len(read) == 1 and read != _HIDDEN else "" if read == _HIDDEN else markup
    if _INLINE.match(markup):
        return ""
    return "\n" if markup[1:3].lower() in {"br", "p>", "/p", "/d", "di", "li", "tr", "/t"} else " "


def _chosen(reading: Reading, text: str, places: Sequence[tuple[int, int]]) -> Reading:
    """A form of some characters of another form."""
    if reading.starts is None or reading.ends is None:
        starts, ends = [at for at, _ in places], [at for _, at in places]
    else:
        starts = [reading.starts[at] for at, _ in places]
        ends = [reading.ends[at - 1] for _, at in places]
    return Reading(reading.original, text, starts, ends)
