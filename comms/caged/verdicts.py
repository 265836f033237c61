"""What can a reader find in a file, and in which words does it say that this is not all of it?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

LONGEST = 2_000_000
"""Characters of one file that came; more is no letter."""
LARGEST = 10_000_000
"""Bytes of a file, also of one that lies in another."""

WHOLE = ""
BROKEN = "broken"
LOCKED = "locked"
LARGE = "large"
PICTURE = "picture"
UNKNOWN = "kind"
WITHIN = "within"
"""Something lies in it that was not read, and the rest was."""
DEEP = "deep"
MANY = "many"
LATE = "late"
REASONS = (WHOLE, BROKEN, LOCKED, LARGE, PICTURE, UNKNOWN, WITHIN, DEEP, MANY, LATE)


class Unread(Exception):
    """Not all of it can be read; ``why`` is one of ``REASONS``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Inner:
    """A file that lies in another; ``unread`` says why it cannot be taken out."""

    name: str
    content: bytes = b""
    unread: str = WHOLE


Found = str | Inner


def seen(found: Iterator[Found]) -> Iterator[Found]:
    """The same; where not a word was in it, it is a picture of words.

    Raises:
        Unread: nothing was said.
    """
    said = False
    for one in found:
        said = said or (isinstance(one, str) and bool(one.strip()))
        yield one
    if not said:
        raise Unread(PICTURE)


Reader = Callable[[bytes], Iterator[Found]]
"""Yields words and files as it comes upon them, and raises ``Unread`` where it must stop."""
