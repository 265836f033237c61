"""In which time zone is a client of whom only the country, and perhaps the state, is known?

Answered only where there is one answer. Pure.
"""

import datetime as dt
import functools
from zoneinfo import ZoneInfo

from babel.core import get_global

_OF_STATE = {
    zone: states.split()
    for zone, states in {
        "America/New_York": "CT DC DE GA MA MD ME NC NH NJ NY OH PA RI SC VA VT WV",
        "America/Chicago": "AR IA IL LA MN MO MS OK WI",
        "America/Denver": "CO MT NM UT WY",
        "America/Los_Angeles": "CA WA",
        "Pacific/Honolulu": "HI",
    }.items()
}
"""States of the USA that lie in one zone, and have one clock: Arizona's north has another."""
_STATES = {state: zone for zone, states in _OF_STATE.items() for state in states}
_DAYS = [dt.datetime(2026, month, 15, 12, tzinfo=dt.UTC) for month in range(1, 13)]


def only_zone(country: str, region: str = "") -> str | None:
    """The one zone of a country (ISO 3166) or of a state; None where there are several."""
    if country == "US":
        return _STATES.get(region.strip().upper().removeprefix("US-"))
    zones = _by_country().get(country, [])
    return zones[0] if zones and len({_clock(zone) for zone in zones}) == 1 else None


@functools.cache
def _by_country() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for zone, country in get_global("zone_territories").items():
        found.setdefault(country, []).append(zone)
    return found


@functools.cache
def _clock(zone: str) -> tuple[dt.timedelta | None, ...]:
    """What tells two zones apart: their offsets through a year."""
    place = ZoneInfo(zone)
    return tuple(place.utcoffset(day.astimezone(place)) for day in _DAYS)
