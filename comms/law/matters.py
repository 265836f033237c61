"""Which matter is a message about, and what says so?

What names a matter decides, the nearest first: the sender's own words, a bill in them, what they
answer, whose counsel they are, what they quote. A guess is none: where nothing is named and there
is more than one matter, whoever keeps a wall keeps all of them.
"""

import functools
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

How = Literal[
    "said",
    "named",
    "numbered",
    "answered",
    "counsel",
    "quoted",
    "only",
    "only_open",
    "several",
    "listed",
]
HOWS: Final[tuple[How, ...]] = (
    "said", "named", "numbered", "answered", "counsel", "quoted", "only", "only_open", "several",
)  # fmt: skip
_WHY: Final[dict[How, str]] = {
    "said": "somebody said so",
    "named": "it names the matter",
    "numbered": "it names a bill of the matter",
    "answered": "it answers what was written about the matter",
    "counsel": "its sender is counsel in the matter",
    "quoted": "what it quotes or encloses names the matter",
    "only": "the client has no other",
    "only_open": "no other of the client's has open bills",
    "several": "nothing says which of several",
    "listed": "it lists bills of the matter",
}


@dataclass(frozen=True, slots=True)
class Matter:
    """A matter that a message may be about; ``billed`` where bills of the client name it."""

    name: str
    numbers: frozenset[str] = frozenset()
    """Of its bills."""
    open: bool = False
    billed: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """What of a message tells its matter."""

    own: str
    """Its subject and its sender's own words."""
    whole: str = ""
    """With what is quoted and enclosed."""
    answers: frozenset[str] = frozenset()
    """Matters of what it answers."""
    counsel: frozenset[str] = frozenset()
    """Matters in which its sender is counsel."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """The matter, or none; ``among`` are all that it may be about, for whoever keeps a wall."""

    matter: str
    among: tuple[str, ...]
    how: How

    @property
    def reason(self) -> str:
        """For people."""
        return _WHY[self.how]


def attributed(heard: Heard, known: Sequence[Matter]) -> Attribution | None:
    """The matter of a message; None where the client has none that anybody knows of."""
    evidence = [(how, found) for how, found in _evidence(heard, known) if found]
    every = tuple(sorted({name for _, found in evidence for name in found}))
    if evidence:
        how, nearest = evidence[0]
        if len(nearest) == 1:
            return Attribution(next(iter(nearest)), every, how)
        return Attribution("", every, "several")
    return unnamed([one for one in known if one.billed])


def unnamed(billed: Collection[Matter]) -> Attribution | None:
    """What holds where a message names nothing."""
    names = tuple(sorted(one.name for one in billed))
    if len(names) <= 1:
        return Attribution(names[0], names, "only") if names else None
    open_ = [one.name for one in billed if one.open]
    if len(open_) == 1:
        return Attribution(open_[0], names, "only_open")
    return Attribution("", names, "several")


def _evidence(heard: Heard, known: Sequence[Matter]) -> Iterator[tuple[How, frozenset[str]]]:
    there = frozenset(one.name for one in known)
    yield "named", _named(heard.own, known)
    yield "numbered", _numbered(heard.own, known)
    yield "answered", heard.answers & there
    yield "counsel", heard.counsel & there
    yield "quoted", _named(heard.whole, known) | _numbered(heard.whole, known)


def _named(text: str, known: Sequence[Matter]) -> frozenset[str]:
    return frozenset(one.name for one in known if _pattern(one.name).search(text))


_SPACES: Final = re.compile(r"\s+")
_TELLING: Final = re.compile(r"\D{4}|[^\W\d].*\d|\d.*\W.*\d|\d{5}", re.DOTALL)
"""What is nothing else by chance; of all else the word has to stand before it."""
_CALLED: Final = r"(?:matter|case|file|docket|akte|our ref(?:erence)?|your ref(?:erence)?)"


@functools.lru_cache(maxsize=4_096)
def _pattern(name: str) -> re.Pattern[str]:
    words = r"\s+".join(map(re.escape, _SPACES.split(name.strip())))
    before = r"(?<![\w-])"
    if not _TELLING.search(name):
        before += rf"{_CALLED}\s{{0,3}}(?:no\.?|number|nr\.?|#|:)?\s{{0,3}}[#:]?\s?"
    return re.compile(rf"{before}{words}(?![\w-])", re.IGNORECASE)


_TOKEN: Final = re.compile(r"[^\W_](?:[\w./#-]*[^\W_])?")


def _numbered(text: str, known: Sequence[Matter]) -> frozenset[str]:
    """By the numbers of bills; one of less than four signs stands in any text."""
    tokens = {one.casefold() for one in _TOKEN.findall(text)}
    return frozenset(
        one.name
        for one in known
        if any(len(number) > 3 and number.casefold() in tokens for number in one.numbers)
    )
