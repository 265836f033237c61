"""Which billing cycle does a day fall into, and what is left of it unused?

Cycles are counted in whole months from the renewal date; where a month is shorter, its last day
stands for the day: from 31 January a month is 28 or 29 February, and the next is 31 March again.
"""

import datetime as dt
from collections.abc import Iterable

from billing import money
from billing.calendar import add_months

MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}
"""Cycles that have a length."""
Span = tuple[dt.date, dt.date]
"""From a day until, not including, another."""


def cycle_of(day: dt.date, renews_on: dt.date, billing_cycle: str) -> Span | None:
    """The cycle that the day is in; None where what is billed has no length."""
    length = MONTHS.get(billing_cycle)
    if length is None:
        return None
    months = (day.year - renews_on.year) * 12 + day.month - renews_on.month
    turn = months // length
    while add_months(renews_on, turn * length) > day:
        turn -= 1
    while add_months(renews_on, (turn + 1) * length) <= day:
        turn += 1
    return add_months(renews_on, turn * length), add_months(renews_on, (turn + 1) * length)


def unused(amount: int, cycle: Span, gap: Span) -> int:
    """What of a cycle's amount belongs to the days of a gap in it, to the last minor unit.

    With what belongs to its other days it adds up to the amount.
    """
    first, last = max(cycle[0], gap[0]), min(cycle[1], gap[1])
    days = max(0, (last - first).days)
    return money.split(amount, (days, (cycle[1] - cycle[0]).days - days))[0]


def without(span: Span, taken: Iterable[Span]) -> list[Span]:
    """What is left of a span beside others, in the order of its days."""
    left: list[Span] = []
    day, until = span
    for first, last in sorted(taken):
        if day < min(first, until):
            left.append((day, min(first, until)))
        day = max(day, last)
    return [*left, (day, until)] if day < until else left


def gaps(cycle_on: Span, renews_on: dt.date, billing_cycle: str) -> list[tuple[Span, Span]]:
    """The cycles that a span touches, each with the part of the span that is in it."""
    found: list[tuple[Span, Span]] = []
    day, until = cycle_on
    while day < until:
        cycle = cycle_of(day, renews_on, billing_cycle)
        if cycle is None:
            return []
        found.append((cycle, (day, min(until, cycle[1]))))
        day = cycle[1]
    return found
