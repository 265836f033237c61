"""What words stand in a file, and in all that lies in it, as deep as somebody would look?"""

from collections.abc import Iterator, Mapping
from typing import Final

from comms.caged import archives, olden, outlook, pages, plain
from comms.caged.verdicts import (
    BROKEN,
    DEEP,
    LARGE,
    LARGEST,
    LONGEST,
    MANY,
    PICTURE,
    UNKNOWN,
    WHOLE,
    Inner,
    Reader,
    Unread,
)

_DEEPEST: Final = 5
"""Files within files."""
_MOST: Final = 400
"""Files in all that lie in one that came."""
_UNPACKED: Final = 60_000_000
"""Bytes in all that one file that came may hold, however often it is packed."""

READERS: Mapping[str, Reader] = {
    "pdf": pages.words,
    "zip": archives.of_zip,
    "gzip": archives.of_gzip,
    "tar": archives.of_tar,
    "mail": archives.of_mail,
    "ole": olden.of_ole,
    "rtf": olden.of_rtf,
    "tnef": outlook.of_tnef,
}


class Opened:
    """One file that came, being read: ``why`` is what is not read of it, as far as it is known."""

    def __init__(self, readers: Mapping[str, Reader] = READERS) -> None:
        self.why = WHOLE
        self._readers = readers
        self._signs = LONGEST
        self._files = _MOST
        self._bytes = _UNPACKED

    def words(self, content: bytes) -> Iterator[str]:
        """All words in it, as they are found; whoever stops listening has what came so far."""
        yield from self._file(Inner("", content), 0)

    def _file(self, file: Inner, depth: int) -> Iterator[str]:
        yield from self._told(file.name)
        if why := file.unread or self._refused(file, depth):
            self._miss(why)
            return
        if not file.content.strip():
            return
        yield from self._within(file.content, depth)

    def _refused(self, file: Inner, depth: int) -> str:
        self._files -= 1
        self._bytes -= len(file.content)
        if depth > _DEEPEST:
            return DEEP
        if self._files < 0:
            return MANY
        return LARGE if self._bytes < 0 or len(file.content) > LARGEST else WHOLE

    def _within(self, content: bytes, depth: int) -> Iterator[str]:
        kind = plain.packed(content)
        if kind == "picture":
            self._miss(PICTURE)
        elif kind or plain.mail(content):
            yield from self._unpacked(kind or "mail", content, depth)
        elif (said := plain.text(content)) is not None:
            yield from self._told(said)
        else:
            self._miss(UNKNOWN)

    def _unpacked(self, kind: str, content: bytes, depth: int) -> Iterator[str]:
        """A file that breaks ends here, and not whatever it lies in."""
        try:
            for found in self._readers[kind](content):
                if isinstance(found, Inner):
                    yield from self._file(found, depth + 1)
                else:
                    yield from self._told(found)
        except Enough:
            raise
        except Unread as unread:
            self._miss(unread.why)
        except (MemoryError, RecursionError):
            self._miss(LARGE)
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not read
            self._miss(BROKEN)

    def _told(self, words: str) -> Iterator[str]:
        if not words:
            return
        yield words[: self._signs]
        self._signs -= len(words)
        if self._signs <= 0:
            raise Enough

    def _miss(self, why: str) -> None:
        self.why = self.why or why


class Enough(Exception):
    """More words than any letter has; what came so far is kept."""


def words(content: bytes, readers: Mapping[str, Reader] = READERS) -> tuple[str, str]:
    """What could be read, and why that is not all of it."""
    opened = Opened(readers)
    said: list[str] = []
    try:
        said.extend(opened.words(content))
    except Enough:
        opened.why = LARGE
    return "\n".join(said), opened.why
