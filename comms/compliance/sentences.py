"""Where does one thought of a text end and the next begin?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

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
LONGEST: Final = 600


@dataclass(frozen=True, slots=True)
class Sentence:
    """A stretch of a text, without the spaces around it."""

    start: int
    end: int
    text: str


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text, in their order; one without an end is cut where it is too long."""
    start = 0
    for found in _END.finditer(text):
        if found[0] == "." and _SHORTENED.search(text[max(start, found.start() - 8) : found.end()]):
            continue
        yield from _stretch(text, start, found.end())
        start = found.end()
    yield from _stretch(text, start, len(text))


def _stretch(text: str, start: int, end: int) -> Iterator[Sentence]:
    for at in range(start, end, LONGEST):
        piece = text[at : min(at + LONGEST, end)]
        bare = piece.strip(" \t\r\n>|-*")
        if bare:
            begins = at + piece.index(bare)
            yield Sentence(begins, begins + len(bare), bare)
