"""Which numbers could the digits of a row be, wherever they are broken up?"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from comms.compliance.digits import Group

LONGEST: Final = 19
BETWEEN: Final = r"[^0-9A-Za-z$€£%@]"
"""What people and programs put between the digits of one number; sums have their sign there."""
LINK: Final = (
    r"(?:and|then|the|rest|is|next|last|final|first|four|five|six|digits?|numbers?|are|ends?"
    r"|ending|begins?|starts?|with|in|followed|by|it|of|to|plus|after|that|dash|hyphen|space"
    r"|comma|half|halves|second|other|ones?|remaining|remainder|continue[sd]?|part|group|block|y"
    r"|luego|el|resto|es|termina|en|und|dann|der|weiter|mit|et|puis|le|fin)"
)
_JOINS: Final = re.compile(rf"{BETWEEN}{{0,8}}")
_LINKS: Final = re.compile(rf"{BETWEEN}*(?:\b{LINK}\b{BETWEEN}*){{1,8}}", re.IGNORECASE)
_LONGEST_LINK: Final = 45
_BEFORE: Final = 48
_ANOTHER: Final = 3
"""So many digits before a number are another number: no word beyond them speaks of it."""


@dataclass(frozen=True, slots=True)
class Window:
    """So many digits from a run on."""

    start: int
    end: int
    digits: str
    sizes: tuple[int, ...]
    gaps: tuple[str, ...]
    last: int
    """The run that it ends in."""
    rest: str
    """What is left of that run."""


class Row:
    """Runs of digits that stand near each other, and what of them may be read as one number."""

    def __init__(self, text: str, runs: Sequence[Group]) -> None:
        self.text = text
        self.runs = runs
        self._digits = "".join(run.digits for run in runs)
        self._at = [0, *accumulate(len(run.digits) for run in runs)]
        self._ends = self._joined_until()

    def _joined_until(self) -> list[int]:
        """For each run, how far the digits go that may belong to it."""
        ends = self._at[1:]
        gaps = [self.text[one.end : other.start] for one, other in pairwise(self.runs)]
        for at in range(len(gaps) - 1, -1, -1):
            if _joins(gaps[at]):
                ends[at] = ends[at + 1]
        return ends

    def many(self, first: int) -> int:
        """How many digits there are from a run on."""
        return self._ends[first] - self._at[first]

    def digits(self, first: int) -> str:
        """The digits from a run on, no more than a number can have."""
        start = self._at[first]
        return self._digits[start : min(start + LONGEST, self._ends[first])]

    def windows(
        self, first: int, lengths: Sequence[int], right: Callable[[str], bool]
    ) -> Iterator[Window]:
        """Every number of these lengths that begins with a run and proves right."""
        digits = self.digits(first)
        for length in lengths:
            if length <= len(digits) and right(digits[:length]):
                yield self._window(first, digits[:length])

    def _window(self, first: int, digits: str) -> Window:
        end = self._at[first] + len(digits)
        last = bisect_right(self._at, end - 1) - 1
        cut = end - self._at[last]
        within = self.runs[first : last + 1]
        sizes = (*(len(run.digits) for run in within[:-1]), cut)
        gaps = tuple(self.text[one.end : other.start] for one, other in pairwise(within))
        final = within[-1]
        return Window(
            within[0].start, final.place(cut), digits, sizes, gaps, last, final.digits[cut:]
        )

    def before(self, first: int) -> str:
        """What stands before a run and is not of another number."""
        start = self.runs[first].start
        begin = max(0, start - _BEFORE)
        if first and len(self.runs[first - 1].digits) >= _ANOTHER:
            begin = max(begin, self.runs[first - 1].end)
        return self.text[begin:start]

    def gap(self, after: int) -> str:
        """What stands between a run and the next; nothing where there is none."""
        if not 0 <= after < len(self.runs) - 1:
            return ""
        return self.text[self.runs[after].end : self.runs[after + 1].start]


def _joins(gap: str) -> bool:
    if _JOINS.fullmatch(gap):
        return True
    return len(gap) <= _LONGEST_LINK and _LINKS.fullmatch(gap) is not None
