"""By when must a person be answered, and what must be kept although they ask us to erase it?

Pure. The rows lie in ``rules/keeping.toml``; each says where it holds, and whether counsel has
signed it.
"""

import datetime as dt
import functools
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from billing import shipped
from billing.calendar import add_months

EVERYWHERE = "EU"
"""The shortest of the rules is kept for everybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How soon, and how much later with notice."""

    id: str
    number: str
    says: str
    jurisdiction: str
    source: str
    as_of: dt.date
    verified: bool
    months: int = 0
    more_months: int = 0
    days: int = 0
    more_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What is kept for so many years after the last time that something was done."""

    id: str
    number: str
    says: str
    jurisdiction: str
    packs: tuple[str, ...]
    years: int
    source: str
    as_of: dt.date
    verified: bool

    @property
    def cited(self) -> str:
        """The rule as a person reads it."""
        signed = "" if self.verified else ", not yet confirmed by counsel"
        return f"{self.says} ({self.source}{signed})"


def every() -> tuple[Answer | Keep, ...]:
    """Every row of the data, in their order."""
    answers, kept = _rules()
    return (*answers, *kept)


def due(received: dt.date, place: str, *, extended: bool = False) -> dt.date:
    """By which day a person at a place (``US-CA``) is answered."""
    return min(_day(one, received, extended=extended) for one in _answers_at(place))


def keeps(packs: Collection[str], last: dt.date | None) -> tuple[Keep, dt.date] | None:
    """What forbids erasing the record of a debt of which was last spoken then, and until when."""
    if last is None:
        return None
    holds = [one for one in _rules()[1] if not set(packs).isdisjoint(one.packs)]
    found = [(one, add_months(last, 12 * one.years)) for one in holds]
    return max(found, key=lambda pair: pair[1], default=None)


def _day(rule: Answer, received: dt.date, *, extended: bool) -> dt.date:
    months = rule.months + rule.more_months * extended
    return add_months(received, months) + dt.timedelta(days=rule.days + rule.more_days * extended)


def _answers_at(place: str) -> list[Answer]:
    return [one for one in _rules()[0] if one.jurisdiction in (EVERYWHERE, place)]


@functools.cache
def _rules() -> tuple[tuple[Answer, ...], tuple[Keep, ...]]:
    text = shipped.path("rules", "keeping.toml").read_text(encoding="utf-8")
    told: dict[str, list[dict[str, Any]]] = tomllib.loads(text)
    kept = [row | {"packs": tuple(row["packs"])} for row in told["keep"]]
    return tuple(Answer(**row) for row in told["answer"]), tuple(Keep(**row) for row in kept)
