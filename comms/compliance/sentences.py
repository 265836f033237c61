"""Where does one thought of a text end and the next begin?"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_END: Final = re.compile(
    r"[.!?…\n;-](?:(?<=[.!?…])[.!?…]*[\"')\]]*(?=\s)|(?<=\n)\s*|(?<=;)(?=\s)|(?<=\s-)-?(?=\s))"
)
"""Every end begins with one of a few signs, so that the engine can skip to the next of them."""
_SHORTENED: Final = re.compile(
    r"(?:^|[\s(\"'/])(?:mr|mrs|ms|mx|dr|prof|st|no|nr|inc|ltd|co|corp|vs|v|inv|ref|tel|ext"
    r"|acct|approx"
    r"|dept|est|fig|hr|hrs|jr|sr|sra|srta|min|pt|opp|re|eff|ins|sen|gen|rev|hon|esq|e\.g|i\.e"
    r"|a\.m|p\.m"
    r"|d\.o\.b|[a-z])\.$",
    re.IGNORECASE,
)
_TOO_LONG: Final = 7
LONGEST: Final = 600


class Sentence(NamedTuple):
    """A stretch of a text, without the spaces around it."""

    start: int
    end: int
    text: str


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text, in their order; one without an end is cut where it is too long."""
    start = 0
    for found in _END.finditer(text):
        if found[0] == "." and _shortened(text, start, found.start()):
            continue
        yield from _stretch(text, start, found.end())
        start = found.end()
    yield from _stretch(text, start, len(text))


def _shortened(text: str, start: int, end: int) -> bool:
    """Whether the stop belongs to a word: ``Mr.``; no word of seven letters is shortened."""
    if text[max(start, end - _TOO_LONG) : end].isalpha() and end - start >= _TOO_LONG:
        return False
    return _SHORTENED.search(text[max(start, end - 8) : end + 1]) is not None


def _stretch(text: str, start: int, end: int) -> Iterator[Sentence]:
    for at in range(start, end, LONGEST):
        bare = text[at : min(at + LONGEST, end)].strip(" \t\r\n>|-*")
        if bare:
            begins = text.index(bare, at)
            yield Sentence(begins, begins + len(bare), bare)
