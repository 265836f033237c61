"""In which order does this file write day, month and year, judged over every date in it?"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Literal, TypeAlias

from billing.facts.words import EARLIEST, LATEST

Order: TypeAlias = Literal["ymd", "dmy", "mdy"]

_MIDNIGHT = r"(?:[T ]00:00(?::00(?:\.0+)?)?(?:Z|\+00:?00)?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}}){_MIDNIGHT}", re.ASCII)
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}|\d\d){_MIDNIGHT}", re.ASCII)


def order(pattern: str) -> Order:
    """The order that a person means by d/m/y, DD.MM.YYYY, %m/%d/%Y or dmy.

    Raises:
        ValueError: it names no such order.
    """
    letters = re.sub(r"(.)\1+", r"\1", re.sub(r"[^a-z]", "", pattern.lower()))
    if letters == "ymd":
        return "ymd"
    if letters == "dmy":
        return "dmy"
    if letters == "mdy":
        return "mdy"
    raise ValueError(f"--date-format `{pattern}` is not known; write d/m/y, m/d/y or y-m-d")


@dataclass(slots=True)
class Evidence:
    """What the dates seen so far prove; feed it with ``see``, then ask ``verdict``."""

    day_first: tuple[int, str] | None = None
    month_first: tuple[int, str] | None = None
    either: list[tuple[int, str]] = field(default_factory=list)

    def see(self, line: int, written: str) -> None:
        """Take one date cell into account."""
        leaning = _leaning(written)
        if leaning == "dmy":
            self.day_first = self.day_first or (line, written)
        elif leaning == "mdy":
            self.month_first = self.month_first or (line, written)
        elif leaning == "either" and len(self.either) < 3:
            self.either.append((line, written))

    def verdict(self) -> Order:
        """The one order that fits the whole file.

        Raises:
            ValueError: both are proved, or neither is; the sentence shows the rows.
        """
        if self.day_first and self.month_first:
            raise ValueError(
                f"line {self.day_first[0]} ({self.day_first[1]}) has the day first and line "
                f"{self.month_first[0]} ({self.month_first[1]}) the month; write one order, "
                "best 2026-01-31"
            )
        if self.day_first:
            return "dmy"
        if self.month_first:
            return "mdy"
        if self.either:
            shown = ", ".join(f"line {line} ({written})" for line, written in self.either)
            raise ValueError(
                f"no date of the file tells day from month: {shown}; add --date-format d/m/y "
                "or --date-format m/d/y"
            )
        return "ymd"


@lru_cache(maxsize=16_384)
def _leaning(written: str) -> Literal["dmy", "mdy", "either", ""]:
    """Which order this cell alone proves; a two-digit year proves nothing."""
    match = _YEAR_LAST.fullmatch(written.strip())
    if match is None or len(match[4]) == 2:
        return ""
    first, second = int(match[1]), int(match[3])
    if first == second or not (1 <= min(first, second) <= 12 and max(first, second) <= 31):
        return ""
    if first > 12:
        return "dmy"
    return "mdy" if second > 12 else "either"


@lru_cache(maxsize=16_384)
def parse(written: str, found: Order, given: Order | None = None) -> date:
    """The day that a cell means; only a ``given`` order makes two-digit years 20yy.

    Raises:
        ValueError: it is no day; the sentence says what to write.
    """
    trimmed = written.strip()
    if match := _YEAR_FIRST.fullmatch(trimmed):
        return _day(trimmed, match[1], match[3], match[4])
    if given == "ymd" and (match := re.fullmatch(r"(\d\d)([-/.])(\d\d)\2(\d\d)", trimmed)):
        return _day(trimmed, f"20{match[1]}", match[3], match[4])
    if match := _YEAR_LAST.fullmatch(trimmed):
        first, second, year = match[1], match[3], match[4]
        if len(year) == 2:
            if given is None:
                raise ValueError(f"`{trimmed}` has a two-digit year; add --date-format d/m/y")
            year = f"20{year}"
        if found == "mdy":
            return _day(trimmed, year, first, second)
        if found == "ymd" and first != second:
            raise ValueError(f"`{trimmed}` has no order that the file proves; write 2026-01-31")
        return _day(trimmed, year, second, first)
    raise ValueError(f"`{trimmed[:40]}` is not a date; write one such as 2026-01-31")


def _day(written: str, year: str, month: str, day: str) -> date:
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        raise ValueError(f"`{written}` is not a day of the calendar; correct it") from None
    if not EARLIEST <= found.year <= LATEST:
        raise ValueError(f"`{written}` is not between {EARLIEST} and {LATEST}; correct it")
    return found
