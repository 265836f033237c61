"""How much does a passage read like those that people labelled?

Rules know what their author thought of. Beside them stands a sum: each trait of a passage (its
words cut to five letters, the signs that the rules know, who wrote it, whether a rule held) has a
weight, learned by ``python -m benchmarks.learn`` from sentences written for it. A sum explains
itself: the traits that weighed most are its reasons.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, overload

from typing_extensions import override

from comms.compliance.sentences import Sentence, stretches

RULE: Final = "=rule"
_WORD: Final = re.compile(r"[a-zà-öø-ÿ]+(?:'[a-z]+)?|[0-9]+|[?!$€£]")
LETTERS: Final = 5
LONG: Final = 400
_HERE: Final = Path(__file__).parent


class Told(NamedTuple):
    """A sentence, the signs that the rules see in it, and what they weigh by themselves."""

    sentence: Sentence
    signs: frozenset[str]
    weight: float = 0.0


class WhenAsked(Sequence[Told]):
    """Sentences of which the rules say something when it is asked for, and once."""

    def __init__(self, said: Sequence[Sentence], tell: Callable[[Sentence], Told]) -> None:
        self._said, self._tell = said, tell
        self._known: dict[int, Told] = {}

    @override
    def __len__(self) -> int:
        return len(self._said)

    @overload
    def __getitem__(self, at: int) -> Told: ...
    @overload
    def __getitem__(self, at: slice) -> list[Told]: ...
    @override
    def __getitem__(self, at: int | slice) -> Told | list[Told]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        known = self._known.get(at)
        if known is None:
            known = self._known[at] = self._tell(self._said[at])
        return known


@dataclass(frozen=True, slots=True)
class Passage:
    """Neighbouring sentences, read as one."""

    at: range
    traits: frozenset[str]


class Likeness:
    """The weights of one label, as they were learned."""

    def __init__(self, name: str) -> None:
        self.weights: dict[str, float] = {}
        for line in (_HERE / f"{name}.weights").read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                trait, _, weight = line.partition("\t")
                self.weights[trait] = float(weight)
        self.least = self.weights.pop("")
        self._known = frozenset(self.weights)

    def __call__(self, traits: AbstractSet[str]) -> float:
        """Above nought: more like those with the label than like those without it."""
        told = math.fsum(map(self.weights.__getitem__, self._known & traits))
        return self.least + told / math.sqrt(len(traits) or 1)

    def weight(self, trait: str) -> float:
        """What one trait weighs; nought where it was never learned."""
        return self.weights.get(trait, 0.0)

    def reasons(self, traits: AbstractSet[str], many: int = 5) -> list[str]:
        """The traits that spoke most for the label, the heaviest first."""
        known = self.weights
        heavy = (trait for trait in traits if known.get(trait, 0.0) > 0)
        return sorted(heavy, key=lambda trait: (-known[trait], trait))[:many]


def words(text: str) -> set[str]:
    """What stays of the words of a text; all numbers are one."""
    cut = {word[:LETTERS] for word in _WORD.findall(text.lower())}
    digits = {word for word in cut if word[0].isdigit()}
    return (cut - digits) | {"#"} if digits else cut


def traits(told: Sequence[Told], *marks: str) -> frozenset[str]:
    """The words of some sentences, and what is known of them."""
    signs = frozenset[str]().union(*(one.signs for one in told))
    found = {*marks, *(f"@{sign}" for sign in signs)}
    found |= words("\n".join(one.sentence.text for one in told))
    return frozenset(found)


def passages(
    told: Sequence[Told], ruled: AbstractSet[int], role: str, above: Sequence[Told] = ()
) -> Iterator[Passage]:
    """A text in stretches of a few sentences, each under what stands above them all."""
    for here in stretches([len(one.sentence.text) for one in told], LONG):
        yield passage(told, here, ruled, role, above)


def passage(
    told: Sequence[Told],
    here: range,
    ruled: AbstractSet[int],
    role: str,
    above: Sequence[Told] = (),
) -> Passage:
    """Some neighbouring sentences of a text, under what stands above them."""
    marks = (f"={role}",) if ruled.isdisjoint(here) else (f"={role}", RULE)
    return Passage(here, traits([*above, *told[here.start : here.stop]], *marks))


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
