"""How well does the firm bill and collect? Each figure is a small function over frozen facts.

The docstring of a metric is its definition: the help, the footnote beside the number and the
documentation all say it, so it is written once. Amounts are minor units of one currency; ratios
are fractions, so that nothing is rounded before it is written. Where there is nothing to divide
by, the answer is None and never zero.
"""

import datetime as dt
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Definition:
    """What a metric says of itself: one line, then how, what of odd money, and who says so."""

    title: str
    notes: tuple[tuple[str, str], ...]
    """Such as ("Formula", "receivables / sales · days")."""

    @property
    def text(self) -> str:
        """All of it, as paragraphs."""
        return "\n\n".join([self.title, *(f"{head}: {said}" for head, said in self.notes)])


def definition(metric: Callable[..., object]) -> Definition:
    """The definition that a metric's docstring is."""
    paragraphs = [" ".join(part.split()) for part in (inspect.getdoc(metric) or "").split("\n\n")]
    title, *rest = paragraphs
    notes = (part.partition(": ") for part in rest)
    return Definition(title, tuple((head, said) for head, _, said in notes))


@dataclass(frozen=True, slots=True)
class Period:
    """Days from the first to the last, both of them in it."""

    first: dt.date
    last: dt.date

    @classmethod
    def ending(cls, last: dt.date, days: int) -> "Period":
        """So many days that end with one."""
        return cls(last - dt.timedelta(days=days - 1), last)

    @property
    def days(self) -> int:
        """How many they are."""
        return (self.last - self.first).days + 1

    @property
    def before(self) -> dt.date:
        """The day before the first: what stood then is what it begins with."""
        return self.first - dt.timedelta(days=1)

    def __contains__(self, day: dt.date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle and the slow end of many durations."""

    count: int
    median: Fraction | None
    p90: Fraction | None


def spread(values: Iterable[int | Fraction]) -> Spread:
    """The median (of two middle ones their mean) and the 90th percentile (nearest rank)."""
    ranked = sorted(Fraction(value) for value in values)
    if not ranked:
        return Spread(0, None, None)
    many = len(ranked)
    median = (ranked[(many - 1) // 2] + ranked[many // 2]) / 2
    return Spread(many, median, ranked[-(-many * 9 // 10) - 1])


def ratio(part: int | Fraction, whole: int | Fraction) -> Fraction | None:
    """A share; None of nothing."""
    return Fraction(part) / whole if whole else None


def percent(part: int | Fraction, whole: int | Fraction) -> Fraction | None:
    """The same in hundredths."""
    share = ratio(part, whole)
    return None if share is None else share * 100
