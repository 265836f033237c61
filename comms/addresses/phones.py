"""Which number is this, written one way, and where may the person who answers it be?

Pure. A number is stored as E.164 only; its zones feed the quiet hours, which take the strictest of
all candidates: a toll-free number says "42 zones", an unknown one says nothing.
"""

import functools

import phonenumbers
from babel.core import get_global
from phonenumbers import timezone as number_zones

from billing import facts

UNITED_STATES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Adak",
    "Pacific/Honolulu",
)


def normalise(number: str, region: str = "US") -> str | None:
    """E.164, or None where no single phone can be meant; see ``billing.facts.phone``."""
    try:
        return facts.phone(number, region)
    except ValueError:
        return None


@functools.lru_cache(maxsize=65536)
def place_of(number: str) -> str:
    """Where the area code lies, as "Texas" or "New York, NY"; nothing where nobody knows."""
    from phonenumbers import geocoder  # its names take half a second; most commands ask for none

    parsed = _parse(number)
    return geocoder.description_for_number(parsed, "en") if parsed else ""


@functools.lru_cache(maxsize=65536)
def candidate_zones(number: str) -> tuple[str, ...]:
    """Every IANA zone in which the phone may be.

    All of its country where its area is in no plan; all of the United States where nobody knows.
    """
    parsed = _parse(number)
    if parsed is None:
        return UNITED_STATES
    found = number_zones.time_zones_for_number(parsed)
    return tuple(zone for zone in found if zone != "Etc/Unknown") or _of_country(parsed)


def _of_country(number: phonenumbers.PhoneNumber) -> tuple[str, ...]:
    code = number.country_code or 1
    if code == 1:
        return UNITED_STATES
    main, *_ = phonenumbers.region_codes_for_country_code(code) or ("",)
    return tuple(get_global("territory_zones").get(main, UNITED_STATES))


def _parse(number: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number, "US")
    except phonenumbers.NumberParseException:
        return None
