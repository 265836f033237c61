"""Where does one thought of a text end and the next begin?"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from comms.compliance.places import Place

LONGEST: Final = 600
_AROUND: Final = " \t\r\n\x0b\x0c>|-*"
_SHORTENED: Final = (
    (rb"[a-z]",),
    (rb"mr", rb"ms", rb"mx", rb"dr", rb"st", rb"no", rb"nr", rb"co", rb"vs", rb"hr", rb"jr", rb"sr",
     rb"pt", rb"re"),
    (rb"mrs", rb"inc", rb"ltd", rb"inv", rb"ref", rb"tel", rb"ext", rb"est", rb"fig", rb"hrs",
     rb"sra", rb"min", rb"opp", rb"eff", rb"ins", rb"sen", rb"gen", rb"rev", rb"hon", rb"esq",
     rb"e\.g", rb"i\.e", rb"a\.m", rb"p\.m"),
    (rb"prof", rb"corp", rb"acct", rb"dept", rb"srta"),
    (rb"d\.o\.b",),
    (rb"approx",),
)  # fmt: skip
"""By their length, for what looks behind must know how far."""
_WHOLE_WORD: Final = b"".join(
    rb"(?<![\s(\"'/](?:" + b"|".join(words) + rb")\.)" for words in _SHORTENED
)
_ENDS: Final = tuple(
    map(
        re.compile,
        (
            rb"\.(?:[.!?]+[\"')\]]*|[\"')\]]+|" + _WHOLE_WORD + rb")(?=\s)",
            rb"![.!?]*[\"')\]]*(?=\s)",
            rb"\?[.!?]*[\"')\]]*(?=\s)",
            rb";(?=\s)",
            rb"-(?<=\s-)-?(?=\s)",
        ),
    )
)
"""Each begins with one sign, so that the engine can skip to the next of them."""
_LINE: Final = re.compile(rb"\n")
_UNKNOWN: Final = "\u00d7"
_BEYOND: Final = re.compile("[^\x00-\xff]")


class Sentence(NamedTuple):
    """A stretch of a text, without the spaces around it."""

    start: int
    end: int
    text: str


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text, in their order; one without an end is cut where it is too long."""
    return (Sentence(start, end, text[start:end]) for start, end in places(text))


def places(text: str) -> list[Place]:
    """Where the sentences of a text stand."""
    begun = [0, *_ends(text)]
    found: list[Place] = []
    for start, end in pairwise(begun):
        if end - start > LONGEST:
            found += _long(text, start, end)
            continue
        left = text[start:end].lstrip(_AROUND)
        if left:
            at = end - len(left)
            found.append((at, at + len(left.rstrip(_AROUND))))
    return found


def _long(text: str, start: int, end: int) -> Iterator[Place]:
    """In pieces; the spaces before it are none of its length."""
    if start and text[start - 1] == "\n":
        start = end - len(text[start:end].lstrip())
    for at in range(start, end, LONGEST):
        to = min(at + LONGEST, end)
        left = text[at:to].lstrip(_AROUND)
        if left:
            first = to - len(left)
            yield first, first + len(left.rstrip(_AROUND))


def _ends(text: str) -> Sequence[int]:
    """Where each sentence ends, and the text."""
    plain = latin(text).lower()
    ends = {len(text), *(found.end() for found in _LINE.finditer(plain))}
    behind = b"\n" + plain
    for pattern in _ENDS:
        ends.update(found.end() - 1 for found in pattern.finditer(behind))
    return sorted(ends)


def latin(text: str) -> bytes:
    """A byte for each character; what Latin has not is one that no word has."""
    if text.isascii():
        return text.encode()
    return _BEYOND.sub(_UNKNOWN, text.replace("…", "!")).encode("latin-1")


def stretches(sizes: Sequence[int], long: int) -> list[range]:
    """Neighbours together, until they are long enough."""
    through = [*accumulate(sizes)]
    found: list[range] = []
    first = base = 0
    while first < len(sizes):
        last = min(bisect_left(through, base + long), len(sizes) - 1)
        found.append(range(first, last + 1))
        first, base = last + 1, through[last]
    return found
