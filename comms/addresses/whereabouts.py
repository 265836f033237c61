"""In which time zones and states may somebody be, and what says so?

The postal code says more than the state of an address, and that more than the account's time zone,
which chooses among the zones of the place and is one more where it contradicts it. A phone number
adds where its area code lies: people keep their numbers when they move, so both are possible. Where
nothing is known, every zone of the country is. Pure.
"""

import functools
from dataclasses import dataclass

from babel.core import get_global
from typing_extensions import override

from billing import rules
from billing.calendar import clock_of
from comms.addresses import phones

NOT_SAID = "UTC"
"""The time zone of an account of which nobody said one."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What says that somebody may be there: postal_code, state, account, area_code or country."""

    by: str
    zones: tuple[str, ...]
    states: tuple[str, ...] = ()

    @override
    def __str__(self) -> str:
        """As a decision keeps it."""
        return f"{self.by}: {', '.join((*self.states, *self.zones))}"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Every zone and every state that is possible."""

    evidence: tuple[Evidence, ...]

    @property
    def zones(self) -> tuple[str, ...]:
        """One for each clock that runs differently."""
        clocks: dict[object, str] = {}
        for one in self.evidence:
            for name in one.zones:
                clocks.setdefault(clock_of(name), name)
        return tuple(clocks.values())

    @property
    def states(self) -> tuple[str, ...]:
        """Each once."""
        return tuple(dict.fromkeys(state for one in self.evidence for state in one.states))


@functools.lru_cache(maxsize=4096)
def of_account(country: str, region: str, postal_code: str, timezone: str) -> Whereabouts:
    """Where a client is, by what is known of the account."""
    by, place = "postal_code", rules.of_postal_code(country, postal_code)
    if not place.zones:
        by, place = "state", rules.of_state(country, region)
    if timezone == NOT_SAID:
        known = Evidence(by, place.zones, place.states)
        return Whereabouts((known,) if place.zones else (_country(country),))
    told = Evidence("account", (timezone,))
    if not place.zones:
        return Whereabouts((told,))
    agrees = any(clock_of(timezone) == clock_of(name) for name in place.zones)
    zones = () if agrees else place.zones
    return Whereabouts((told, Evidence(by, zones, place.states)))


@functools.lru_cache(maxsize=65536)
def of_phone(number: str, timezone: str = NOT_SAID) -> Evidence | None:
    """Where a phone's area code lies; None where it says nothing, as a toll-free number does.

    It may be anywhere in its state, unless the account's time zone says where in it.
    """
    zones = phones.candidate_zones(number)
    if number.startswith("+1") and len(zones) > len(phones.UNITED_STATES):
        return None
    state = rules.state_named(phones.place_of(number))
    everywhere = rules.of_state("US", state).zones
    if timezone != NOT_SAID and clock_of(timezone) in map(clock_of, everywhere):
        everywhere = ()
    return Evidence("area_code", (*zones, *everywhere), (state,) if state else ())


def of_address(account: Whereabouts, kind: str, value: str) -> Whereabouts:
    """Where whoever reads at an address may be."""
    told = next((one.zones[0] for one in account.evidence if one.by == "account"), NOT_SAID)
    phone = of_phone(value, told) if kind == "sms" else None
    return Whereabouts((*account.evidence, phone)) if phone else account


@functools.cache
def _country(country: str) -> Evidence:
    if country == "US":
        return Evidence("country", phones.UNITED_STATES)
    return Evidence("country", tuple(get_global("territory_zones").get(country, ("UTC",))))
