"""How are days, moments and numbers of things written for people?"""

import datetime as dt
from collections.abc import Iterable


def day(date: dt.date) -> str:
    """Like 2 Mar 2026: the month as a word, because 02/03 is two days to two readers."""
    return f"{date.day} {date:%b %Y}"


def weekday(date: dt.date) -> str:
    """Like Mon 2 Mar 2026, where somebody plans by it."""
    return f"{date:%a} {day(date)}"


def moment(at: dt.datetime) -> str:
    """Like 2 Mar 2026, 14:05 UTC."""
    utc = at.astimezone(dt.UTC)
    return f"{day(utc)}, {utc:%H:%M} UTC"


def counted(count: int, one: str, more: str = "") -> str:
    """Like 1 client, 1,200 clients, 2 replies."""
    return f"{count:,} {one if count == 1 else more or f'{one}s'}"


def listed(names: Iterable[str]) -> str:
    """Like a, b and c."""
    *others, last = list(names) or [""]
    return f"{', '.join(others)} and {last}" if others else last
