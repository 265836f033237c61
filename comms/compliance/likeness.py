"""How much does a passage read like those that people labelled?

Rules know what their author thought of. Beside them stands a sum: each trait of a passage (its
words cut to five letters, the signs that the rules know, who wrote it, whether a rule held) has a
weight, learned by ``python -m benchmarks.learn`` from sentences written for it. A sum explains
itself: the traits that weighed most are its reasons.
"""

import math
import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

from comms.compliance.sentences import Sentence

RULE: Final = "=rule"
_WORD: Final = re.compile(r"[a-zà-öø-ÿ]+(?:'[a-z]+)?|[0-9]+|[?!$€£]")
_LETTERS: Final = 5
_LONG: Final = 400
_HERE: Final = Path(__file__).parent

Told = tuple[Sentence, frozenset[str]]
"""A sentence, and the signs that the rules see in it."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Neighbouring sentences, read as one."""

    at: range
    traits: frozenset[str]


class Likeness:
    """The weights of one label, as they were learned."""

    def __init__(self, name: str) -> None:
        self._weights: dict[str, float] = {}
        for line in (_HERE / f"{name}.weights").read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                trait, _, weight = line.partition("\t")
                self._weights[trait] = float(weight)
        self._least = self._weights.pop("")
        self._known = frozenset(self._weights)

    def __call__(self, traits: AbstractSet[str]) -> float:
        """Above nought: more like those with the label than like those without it."""
        told = math.fsum(map(self._weights.__getitem__, self._known & traits))
        return self._least + told / math.sqrt(len(traits) or 1)

    def reasons(self, traits: AbstractSet[str], many: int = 5) -> list[str]:
        """The traits that spoke most for the label, the heaviest first."""
        known = self._weights
        heavy = (trait for trait in traits if known.get(trait, 0.0) > 0)
        return sorted(heavy, key=lambda trait: (-known[trait], trait))[:many]


def words(text: str) -> set[str]:
    """What stays of the words of a text; all numbers are one."""
    cut = {word[:_LETTERS] for word in _WORD.findall(text.lower())}
    digits = {word for word in cut if word[0].isdigit()}
    return (cut - digits) | {"#"} if digits else cut


def traits(told: Sequence[Told], *marks: str) -> frozenset[str]:
    """The words of some sentences, and what is known of them, each alone and each two together."""
    signs = frozenset[str]().union(*(had for _, had in told))
    known = sorted([*marks, *(f"@{sign}" for sign in signs)])
    found = {*known, *(f"{one}+{other}" for one, other in combinations(known, 2))}
    for sentence, _ in told:
        found.update(words(sentence.text))
    return frozenset(found)


def passages(
    told: Sequence[Told], ruled: AbstractSet[int], role: str, above: Sequence[Told] = ()
) -> Iterator[Passage]:
    """A text in stretches of a few sentences, each under what stands above them all."""
    first, size = 0, 0
    for at, (sentence, _) in enumerate(told):
        size += len(sentence.text)
        if size >= _LONG or at == len(told) - 1:
            here = range(first, at + 1)
            marks = (f"={role}",) if ruled.isdisjoint(here) else (f"={role}", RULE)
            yield Passage(here, traits([*above, *told[first : at + 1]], *marks))
            first, size = at + 1, 0


def telling(
    likeness: Likeness, told: Sequence[Told], passage: Passage, ruled: AbstractSet[int], role: str
) -> set[int]:
    """Which sentences of a passage make it what it is: those of a rule, or else the likeliest."""
    by_rule = {at for at in passage.at if at in ruled}
    if by_rule:
        return by_rule
    alone = {at: likeness(traits(told[at : at + 1], f"={role}")) for at in passage.at}
    best = max(alone.values())
    return {at for at, score in alone.items() if score >= min(best, 0.0)}
