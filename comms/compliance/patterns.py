"""Which kinds of words does a text hold, and where? Linear in its length, whoever wrote it.

Everything is matched by RE2, which has no pattern that a hostile text can slow down. Many patterns
are asked in one pass; only where one of them is found does anything else look at the text. What
is compiled is compiled when it is first asked: most commands ask nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Any, Final

import re2

from comms.compliance.places import Place

_NONE: Final[frozenset[str]] = frozenset()
_MANY: Final = 20_000
_SIGN: Final = r"[^()\[\\]|\\.|\[(?:\\.|[^\]\\])*\]"
_LOOKING: Final = re.compile(rf"\(\?<?[!=](?:{_SIGN}|\((?:{_SIGN}|\((?:{_SIGN})*\))*\))*\)")
"""What looks ahead or behind, with groups in groups in it."""
_MEMORY: Final = 64 << 20
"""Room for the automaton; RE2 takes it as it needs it, and starts anew when it is full."""


def _options(*, case: bool = False) -> Any:
    options = re2.Options()
    options.case_sensitive = case
    options.max_mem = _MEMORY
    options.log_errors = False
    options.never_capture = True
    return options


class Which:
    """Says which of many named patterns a text has, in one pass."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        names = tuple(patterns)
        self._patterns: Final = tuple(patterns.values())

        @lru_cache(maxsize=_MANY)
        def named(found: tuple[int, ...]) -> frozenset[str]:
            return frozenset(names[at] for at in found)

        self._named: Callable[[tuple[int, ...]], frozenset[str]] = named

    @cached_property
    def _set(self) -> Any:
        made = re2.Set.SearchSet(_options())
        for pattern in self._patterns:
            made.Add(pattern)
        made.Compile()
        return made

    def __call__(self, text: str) -> frozenset[str]:
        """The names of the patterns that it has."""
        found = self._set.Match(text.encode("utf-8", "replace"))
        return self._named(tuple(found)) if found else _NONE


class Where:
    """Says where a text has a pattern, from left to right; groups are not told."""

    def __init__(self, pattern: str, *, case: bool = False) -> None:
        self._source: Final = pattern
        self._case: Final = case

    @cached_property
    def _pattern(self) -> Any:
        return re2.compile(self._source, _options(case=self._case))

    @cached_property
    def _bytes(self) -> Any:
        return re2.compile(self._source.encode(), _options(case=self._case))

    def __call__(self, text: str) -> Iterator[Place]:
        """The places, none of which overlaps another."""
        if text.isascii():
            return (found.span() for found in self._bytes.finditer(text.encode()))
        readable = text.encode("utf-8", "replace").decode()
        return (found.span() for found in self._pattern.finditer(readable))


class Pattern:
    """RE2 says where it may stand, Python's engine what is in it and what must stand around it.

    What looks ahead or behind is left out for RE2, so that it sees too much rather than too little.
    """

    def __init__(self, pattern: str, *, case: bool = False) -> None:
        plain = _LOOKING.sub("", pattern)
        self.cue: Final = f"(?-i:{plain})" if case else plain
        """The same for a set of patterns."""
        self._where = Where(plain, case=case)
        self._source: Final = pattern
        self._case: Final = case

    @cached_property
    def _what(self) -> re.Pattern[str]:
        return re.compile(self._source, 0 if self._case else re.IGNORECASE)

    def finditer(self, text: str) -> "Iterator[re.Match[str]]":
        """As of Python's own, only faster where there is little to find."""
        last = 0
        for start, end in self._where(text):
            at = max(start, last)
            while at < end:
                found = self._what.match(text, at)
                if found:
                    yield found
                    last = found.end()
                at = max(at + 1, last)
