"""Is a stretch of a text still free?"""

from bisect import bisect_right
from collections.abc import Callable, Iterable

Place = tuple[int, int]


def overlaps(taken: Iterable[Place]) -> Callable[[int, int], bool]:
    """Says of a stretch whether it shares a character with one of these; fast, however many."""
    merged: list[list[int]] = []
    for start, end in sorted(taken):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    ends = [end for _, end in merged]

    def within(start: int, end: int) -> bool:
        at = bisect_right(ends, start)
        return at < len(merged) and merged[at][0] < end

    return within
