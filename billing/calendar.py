"""Which day is it there, is it a business day, and when may somebody be disturbed?

Every moment is aware and comes back in UTC. A wall-clock time that a DST change skips means the
first moment after the gap.
"""

import datetime as dt
import functools
import operator
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import holidays
from holidays.holiday_base import HolidayBase

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""As policies and rules write them; 0 is Monday."""
EVERY_DAY = frozenset(range(len(WEEKDAYS)))
_SEARCH = dt.timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Hours:
    """Open from ``start`` until just before ``end``, local time; ``holidays``: open on them too.

    Raises:
        ValueError: it never opens, or a weekday is not 0 (Monday) to 6 (Sunday).
    """

    start: dt.time
    end: dt.time
    weekdays: frozenset[int]
    holidays: bool

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise ValueError(f"hours must end after they start, {self.start:%H:%M}")
        if not self.weekdays or not self.weekdays <= frozenset(range(7)):
            raise ValueError("hours need weekdays from 0 (Monday) to 6 (Sunday)")


@dataclass(frozen=True, slots=True)
class Window:
    """One zone and the hours there; several hours (other ones on Sunday, say) are joined.

    Where a ``country`` is given, its holidays and its ``region``'s count, not those of who asks.
    """

    zone: str
    hours: tuple[Hours, ...]
    country: str = ""
    region: str = ""


class NeverOpen(ValueError):
    """No moment of the next 14 days lies inside every window."""


def local_date(moment: dt.datetime, tz: str) -> dt.date:
    """The day on the wall there.

    Raises:
        ValueError: the moment is naive, or the zone unknown.
    """
    return _utc(moment).astimezone(zone(tz)).date()


def midnight(day: dt.date, tz: str) -> dt.datetime:
    """The first moment of the day there, in UTC."""
    return _instant(day, dt.time.min, tz)


def is_holiday(day: dt.date, country: str, region: str = "") -> bool:
    """A public or bank holiday; without a country there is none.

    Raises:
        ValueError: the country or the region is unknown.
    """
    return bool(country) and day in _year(country, region, day.year)


def is_business_day(day: dt.date, country: str, region: str = "") -> bool:
    """Banks work: no weekend of the country, no holiday; without a country Monday to Friday.

    Raises:
        ValueError: the country or the region is unknown.
    """
    if not country:
        return day.weekday() < 5
    return _year(country, region, day.year).is_working_day(day)


def add_months(day: dt.date, n: int) -> dt.date:
    """The same day n months later; where that month has none, its last: 31 January, 28 February."""
    if not n:
        return day
    years, month = divmod(day.month - 1 + n, 12)
    year, month = day.year + years, month + 1
    last = monthrange(year, month)[1]
    return dt.date(year, month, min(day.day, last))


def add_business_days(day: dt.date, n: int, country: str, region: str = "") -> dt.date:
    """The n-th business day after the day; the day itself for 0.

    Raises:
        ValueError: n is negative, or the country or the region is unknown.
    """
    if n < 0:
        raise ValueError(f"cannot add {n} business days; count forward")
    while n:
        day += dt.timedelta(days=1)
        n -= is_business_day(day, country, region)
    return day


def next_open(
    moment: dt.datetime, windows: Sequence[Window], country: str, region: str = ""
) -> dt.datetime:
    """The first moment, from the given one on, that is inside every window.

    Raises:
        NeverOpen: there is none within 14 days.
        ValueError: no window is given, or a zone is unknown.
    """
    if not windows:
        raise ValueError("no time zone is known; give every candidate zone")
    start = found = _utc(moment)
    while True:
        latest = max(_next_in(found, window, country, region) for window in windows)
        if latest - start > _SEARCH:
            names = ", ".join(window.zone for window in windows)
            raise NeverOpen(f"there is no common hour in {names} within {_SEARCH.days} days")
        if latest == found:
            return found
        found = latest


@functools.cache
def clock_of(tz: str) -> tuple[dt.timedelta | None, ...]:
    """What tells two zones apart today: their offsets through a year.

    Raises:
        ValueError: there is no such zone.
    """
    place = zone(tz)
    months = (dt.datetime(2026, month, 15, 12, tzinfo=dt.UTC) for month in range(1, 13))
    return tuple(place.utcoffset(day.astimezone(place)) for day in months)


@functools.cache
def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name.

    Raises:
        ValueError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as unknown:
        message = f"{name!r} is not a time zone; write one like America/New_York"
        raise ValueError(message) from unknown


def _utc(moment: dt.datetime) -> dt.datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    return moment.astimezone(dt.UTC)


def _instant(day: dt.date, time: dt.time, tz: str) -> dt.datetime:
    """The first moment of the day at or after a wall-clock time."""
    place = zone(tz)
    wall = dt.datetime.combine(day, time, tzinfo=place)
    after = wall.astimezone(dt.UTC)
    if after.astimezone(place).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return after
    return _end_of_gap(wall.replace(fold=1).astimezone(dt.UTC), after, place)


def _end_of_gap(before: dt.datetime, after: dt.datetime, place: ZoneInfo) -> dt.datetime:
    """The second at which the offset changes, between two moments on either side of it."""
    offset = after.astimezone(place).utcoffset()
    while after - before > dt.timedelta(seconds=1):
        middle = before + dt.timedelta(seconds=int((after - before).total_seconds()) // 2)
        if middle.astimezone(place).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def is_open(moment: dt.datetime, window: Window, country: str, region: str = "") -> bool:
    """Whether a moment lies inside a window."""
    local = _utc(moment).astimezone(zone(window.zone))
    return any(_holds(local, hours, _calendar(window, country, region)) for hours in window.hours)


def _next_in(moment: dt.datetime, window: Window, country: str, region: str) -> dt.datetime:
    """The first open moment of one window; just past the search when there is none."""
    if is_open(moment, window, country, region):
        return moment
    place, local = _calendar(window, country, region), moment.astimezone(zone(window.zone))
    starts = sorted(map(operator.attrgetter("start"), window.hours))
    for days in range(_SEARCH.days + 2):
        day = local.date() + dt.timedelta(days=days)
        for candidate in (_instant(day, start, window.zone) for start in starts):
            there = candidate.astimezone(zone(window.zone))
            if candidate > moment and any(_holds(there, hours, place) for hours in window.hours):
                return candidate
    return moment + _SEARCH + dt.timedelta(days=1)


def _calendar(window: Window, country: str, region: str) -> tuple[str, str]:
    return (window.country, window.region) if window.country else (country, region)


def _holds(local: dt.datetime, hours: Hours, place: tuple[str, str]) -> bool:
    return (
        hours.start <= local.time() < hours.end
        and local.weekday() in hours.weekdays
        and (hours.holidays or not is_holiday(local.date(), *place))
    )


@functools.lru_cache(maxsize=1024)
def _year(country: str, region: str, year: int) -> HolidayBase:
    """One year, complete before anybody sees it: a calendar that grows is not safe in threads."""
    try:
        whole = holidays.country_holidays(country)
        kinds = {"public", "bank"} & set(whole.supported_categories)
        return holidays.country_holidays(
            country, subdiv=region or None, years=year, expand=False, categories=kinds or None
        )
    except NotImplementedError as unknown:
        place = f"{country}-{region}" if region else country
        message = f"no holidays are known for {place!r}; write ISO 3166 codes like US and NY"
        raise ValueError(message) from unknown
