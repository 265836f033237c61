"""What is a figure of ours, and how does it stand beside the bare minimum and its goal?

Every module of this package that measures has ``figures(scale)``, which yields them one by one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Scale(StrEnum):
    """How much is measured: seconds for every change, or minutes for what we publish."""

    SMALL = "small"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing: ours, and the bare minimum that does the same work in the same run."""

    name: str
    database: str
    """``sqlite``, ``postgresql``, or empty where none is involved."""
    ours: float
    bare: float | None
    unit: str
    better: Literal["more", "less"]
    goal: str
    """For people: "at least 0.4 of bare", "at most 25 ms"; empty where there is none."""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How much of the bare minimum ours reaches: 1 is as good, 0.5 is half as good."""
        if not self.bare or not self.ours:
            return None
        return self.ours / self.bare if self.better == "more" else self.bare / self.ours


Measure = Callable[[Scale], Iterator[Figure]]
