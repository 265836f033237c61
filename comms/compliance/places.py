"""Which stretches of a text are taken, and is one still free?"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

Place = tuple[int, int]


def joined(places: Iterable[Place]) -> Sequence[Place]:
    """In their order; those that touch each other are one."""
    merged: list[Place] = []
    for start, end in sorted(places):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def overlaps(taken: Iterable[Place]) -> Callable[[int, int], bool]:
    """Says of a stretch whether it shares a character with one of these; fast, however many."""
    merged = joined(taken)
    ends = [end for _, end in merged]

    def within(start: int, end: int) -> bool:
        at = bisect_right(ends, start)
        return at < len(merged) and merged[at][0] < end

    return within
