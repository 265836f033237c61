"""How much of a promise still stands, until when, and was it kept?

A promise is amounts for days; with several it is a plan. Each part stands until the end of its day
and some bank days more, in the client's own calendar. Money that came since the promise was made
fulfils the earliest parts first. What a part that has passed still lacks is asked for again.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from billing import calendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An amount in minor units, and the day it is promised for."""

    due_on: dt.date
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A promise that nobody withdrew; ``paid`` is what came since for what it is about."""

    id: int
    made_on: dt.date
    parts: tuple[Part, ...]
    paid: int
    scope: frozenset[str] = frozenset()
    """Numbers of invoices; none = all that was issued by then."""

    def covers(self, number: str, issued_on: dt.date) -> bool:
        """Whether it is about an invoice."""
        return number in self.scope if self.scope else issued_on <= self.made_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a promise still covers, and the first moment at which that becomes less."""

    amount: int
    until: dt.datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose calendar it is, and how many bank days a transfer may take."""

    timezone: str
    country: str
    region: str
    bank_days: int


def standing(promise: Promise, now: dt.datetime, place: Place) -> Standing:
    """What is not asked for today because it is promised."""
    left = [(ends_at(part, place), lacks) for part, lacks in _lacking(promise)]
    ahead = [(end, lacks) for end, lacks in left if end > now and lacks]
    return Standing(
        amount=sum(lacks for _, lacks in ahead),
        until=min((end for end, _ in ahead), default=None),
    )


def outcome(promise: Promise, now: dt.datetime, place: Place) -> str:
    """Once its last part has passed: "kept", "partially_kept" or "broken"; "" until then.

    It is kept as soon as all of it has come.
    """
    whole = sum(part.amount for part in promise.parts)
    if promise.paid >= whole:
        return "kept"
    if now < ends_at(promise.parts[-1], place):
        return ""
    return "partially_kept" if promise.paid > 0 else "broken"


def missed(promise: Promise, now: dt.datetime, place: Place) -> int:
    """The position of the last part that has passed without all its money; 0 where none has."""
    late = (
        position
        for position, (part, lacks) in enumerate(_lacking(promise), 1)
        if lacks and ends_at(part, place) <= now
    )
    return max(late, default=0)


def ends_at(part: Part, place: Place) -> dt.datetime:
    """The first moment at which the part is late: after its day and the bank days, there."""
    last = calendar.add_business_days(part.due_on, place.bank_days, place.country, place.region)
    return calendar.midnight(last + dt.timedelta(days=1), place.timezone)


def _lacking(promise: Promise) -> Iterator[tuple[Part, int]]:
    paid = promise.paid
    for part in promise.parts:
        covered = min(paid, part.amount)
        paid -= covered
        yield part, part.amount - covered
