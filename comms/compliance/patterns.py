"""Which kinds of words does a text hold at all? Linear in its length, whoever wrote it.

Everything is matched by RE2, which has no pattern that a hostile text can slow down. Many patterns
are asked in one pass; only where one of them is found does anything else look at the text.
"""

from collections.abc import Mapping
from typing import Any, Final

import re2

_NONE: Final[frozenset[str]] = frozenset()
_MANY: Final = 20_000
_MEMORY: Final = 64 << 20
"""Room for the automaton; RE2 takes it as it needs it, and starts anew when it is full."""


def _options() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = _MEMORY
    options.log_errors = False
    options.never_capture = True
    return options


class Which:
    """Says which of many named patterns a text has, in one pass."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self._names = tuple(patterns)
        self._set = re2.Set.SearchSet(_options())
        for pattern in patterns.values():
            self._set.Add(pattern)
        self._set.Compile()
        self._known: dict[tuple[int, ...], frozenset[str]] = {}

    def __call__(self, text: str) -> frozenset[str]:
        """The names of the patterns that it has."""
        found = self._set.Match(text.encode("utf-8", "replace"))
        if not found:
            return _NONE
        key = tuple(found)
        names = self._known.get(key)
        if names is None:
            names = frozenset(self._names[at] for at in key)
            if len(self._known) < _MANY:
                self._known[key] = names
        return names
