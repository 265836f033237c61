"""Which passages of a text could be likely at all, before any rule is asked?

Most passages are far from it by their words alone. Their words are summed exactly; of the signs
that one pass of RE2 sees in the passage, only those are counted that speak for the label, and so is
a rule. What does not reach the threshold so cannot reach it by the whole sum: nothing is missed,
and the rules are asked about a few passages in a hundred only.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from comms.compliance.likeness import LETTERS, LONG, RULE, Likeness
from comms.compliance.patterns import Which
from comms.compliance.sentences import latin, stretches

_WORTH: Final = 2
"""Of a single passage the rules themselves are asked at once."""
_SLACK: Final = 1e-6
"""What adding up in another order may differ by."""
_MANY: Final = 20_000
_LONGEST_WORD: Final = 16
_SIGNS: Final = "?!$€£"
_DIGITS: Final = b"0123456789"
_LETTER: Final = re.compile("[a-zà-öø-ÿ']")
_WORD: Final = re.compile(rb"[a-z\xe0-\xf6\xf8-\xff]+(?:'[a-z]+)?")
_WORDS: Final = bytes(
    ord(sign) if _LETTER.match(sign := chr(code).lower()) else ord(" ") for code in range(256)
)
"""Each letter in lower case, a space for everything else."""


class _Stems(dict[bytes, tuple[bytes, float]]):
    """What each word is cut to, and what that weighs."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self._weights = weights

    def __missing__(self, word: bytes) -> tuple[bytes, float]:
        cut = {one[:LETTERS] for one in _WORD.findall(word)}
        each = [self._weights.get(one.decode("latin-1"), 0.0) for one in cut]
        if len(cut) == 1:
            known = cut.pop(), each[0]
        else:  # several in one: no less than they can weigh
            known = (word if cut else b""), sum(max(0.0, one) for one in each)
        if len(word) <= _LONGEST_WORD and len(self) < _MANY:
            self[word] = known
        return known


class Seen(NamedTuple):
    """What is seen of a passage at once: no sign is missed, and it may be near without being so."""

    at: range
    signs: frozenset[str]
    near: bool


class Reach:
    """The highest likeness that the passages of a text can have."""

    def __init__(self, likeness: Likeness, signs: Mapping[str, str]) -> None:
        self._weights = likeness.weights
        self._least = likeness.least
        self._signs = Which({name: f"(?m:{pattern})" for name, pattern in signs.items()})
        self._stems = _Stems(self._weights)
        self._all = frozenset(signs)
        self._best = lru_cache(maxsize=_MANY)(self._most)

    def __call__(
        self,
        texts: Sequence[str],
        role: str,
        likely: float,
        above: Iterable[str] = (),
        read: Callable[[str], str] = str,
    ) -> list[Seen]:
        """The passages of these sentences, under those above them, and what is seen of them.

        ``read`` is how the signs see the text.
        """
        head = "".join(f"{text}\n" for text in above)
        passages = stretches([*map(len, texts)], LONG)
        if len(passages) < _WORTH:
            return [Seen(here, self._all, near=True) for here in passages]
        said = [head + "\n".join(texts[here.start : here.stop]) for here in passages]
        signs = [self._signs(read(text)) for text in said]  # one table after the other: each is big
        sums = [self._told(text) for text in said]
        return [
            Seen(here, had, self._highest(told, had, role) >= likely)
            for here, had, told in zip(passages, signs, sums, strict=True)
        ]

    def _highest(self, told: tuple[float, int], signs: frozenset[str], role: str) -> float:
        words, many = told
        most = max(0.0, words + self._best(signs, role))
        return self._least + most / math.sqrt(many + 1) + _SLACK

    def _told(self, text: str) -> tuple[float, int]:
        """What the words of a text weigh, and how many different ones there are at least."""
        plain = latin(text)
        words = dict(map(self._stems.__getitem__, plain.translate(_WORDS).split()))
        words.pop(b"", None)
        told, many = sum(words.values()), len(words)
        others = [sign for sign in _SIGNS if sign in text]
        if len(plain.translate(None, _DIGITS)) < len(plain):
            others.append("#")
        return told + sum(self._weights.get(sign, 0.0) for sign in others), many + len(others)

    def _most(self, signs: frozenset[str], role: str) -> float:
        """What some of these signs could weigh together, with a rule and without one."""
        traits = {RULE, *(f"@{sign}" for sign in signs)}
        most = sum(max(0.0, self._weights.get(trait, 0.0)) for trait in traits)
        return most + self._weights.get(f"={role}", 0.0)
