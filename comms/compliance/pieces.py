"""Into which stretches can a long text be cut, so that only those with something in them are read?

A cut is made at a line's end where neither side is a digit, so that no number is cut in two.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from comms.compliance.cues import cues
from comms.compliance.reading import Reading

_CUT: Final = re.compile(r"[^\d\n-]\n+(?=[^\d\n])")
_SIZE: Final = 400


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a text, where it begins, and the cues that it has."""

    start: int
    reading: Reading
    cues: frozenset[str]


def pieces(reading: Reading, had: frozenset[str]) -> Iterator[Piece]:
    """The stretches of a text; of a short one the whole, which has the cues that are known."""
    text = reading.text
    if len(text) <= _SIZE:
        yield Piece(0, reading, had)
        return
    start = 0
    while start < len(text):
        cut = _CUT.search(text, start + _SIZE)
        end = cut.end() if cut else len(text)
        part = text[start:end]
        yield Piece(start, Reading(part, part), cues(part))
        start = end
