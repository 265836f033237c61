"""Who are the clients of the firm of a seed, where are they, and how do they pay?"""

import datetime as dt
import random
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from billing.facts import ClientDescribed

SOURCE = "csv"
FINANCE, CLIENTS = "C0FINANCE", "C0CLIENTS"
"""Our channels in Slack."""
_NAMES = (
    "Amber", "Birch", "Cobalt", "Dune", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Juniper",
    "Kestrel", "Larch", "Meadow", "Nimbus", "Otter", "Prairie", "Quarry", "Raven", "Saffron",
    "Tundra", "Umber", "Vesper", "Willow", "Yarrow", "Zephyr",
)  # fmt: skip
_TRADES = (
    "Logistics", "Dental", "Bakery", "Partners", "Robotics", "Farms", "Studio", "Clinic", "Motors",
    "Foods", "Press", "Optics", "Marine", "Timber", "Energy", "Textiles", "Games",
)  # fmt: skip
SHARED = 9
"""One phone in so many is that of the client before as well."""


@dataclass(frozen=True)
class Place:
    """A zone, its country and region, and how the numbers of phones begin that people there have.

    The first is of the place itself; others may be of elsewhere.
    """

    zone: str
    country: str
    region: str
    dial: tuple[str, ...]


PLACES = (
    Place("America/New_York", "US", "NY", ("+1212555", "+1646555")),
    Place("America/New_York", "US", "FL", ("+1305555", "+1212555")),
    Place("America/Chicago", "US", "IL", ("+1312555", "+1213555")),
    Place("America/Chicago", "US", "TX", ("+1214555", "+1212555")),
    Place("America/Denver", "US", "CO", ("+1303555", "+1312555")),
    Place("America/Phoenix", "US", "AZ", ("+1602555",)),
    Place("America/Los_Angeles", "US", "CA", ("+1213555", "+1212555")),
    Place("Europe/London", "GB", "", ("+4420794", "+1212555")),
    Place("Europe/Berlin", "DE", "BE", ("+4930123",)),
    Place("Australia/Sydney", "AU", "NSW", ("+6129374",)),
    Place("America/Sao_Paulo", "BR", "SP", ("+55112345",)),
)
AREAS = {
    "+1212": "America/New_York", "+1646": "America/New_York", "+1305": "America/New_York",
    "+1312": "America/Chicago", "+1214": "America/Chicago", "+1303": "America/Denver",
    "+1602": "America/Phoenix", "+1213": "America/Los_Angeles", "+4420": "Europe/London",
    "+4930": "Europe/Berlin", "+6129": "Australia/Sydney", "+5511": "America/Sao_Paulo",
}  # fmt: skip
"""Where a phone is, by how its number begins: our own knowledge, not the product's."""
STATES = {
    "+1212": "NY", "+1646": "NY", "+1305": "FL", "+1312": "IL", "+1214": "TX", "+1303": "CO",
    "+1602": "AZ", "+1213": "CA",
}  # fmt: skip
ENTITIES = (("", "USD"), ("", "USD"), ("", "USD"), ("Harrow Europe", "EUR"))
_PAYS = ("prompt", "late", "late", "parts", "never")


@dataclass
class Person:
    """A client as the world knows it now; where they are and how they are reached may change."""

    number: int
    name: str
    place: Place
    pays: str
    phone: str
    email: str
    agrees: bool
    entity: str
    currency: str
    every: int
    """Days between two bills, about."""
    terms: int
    grumbles: float
    """How often they say no: disputes, STOP, silence."""

    @property
    def id(self) -> str:
        return f"C{self.number}"

    @property
    def agreement(self) -> str:
        """What they have agreed to, in a word that stands in no other message."""
        return f"Care-Plan-{self.number}"

    def described(self, owner: str | None) -> ClientDescribed:
        return ClientDescribed(
            source=SOURCE,
            external_id=self.id,
            name=self.name,
            timezone=self.place.zone,
            country=self.place.country,
            region=self.place.region or None,
            email=self.email,
            phone=self.phone or None,
            sms_consent=(bool(self.phone) and self.agrees) or None,
            contact_name=f"Person {self.number}",
            owner_email=owner,
        )


def person(seed: int, number: int) -> Person:
    """The client of a number: always the same, however many others there are."""
    dice, place = _first(seed, number)
    entity, currency = dice.choice(ENTITIES)
    first, second = _NAMES[number % len(_NAMES)], _TRADES[number // len(_NAMES) % len(_TRADES)]
    return Person(
        number=number,
        name=f"{first} {second} {number}",
        place=place,
        pays=dice.choice(_PAYS),
        phone=_phone(seed, number, dice),
        email=f"ap{number}@client{number}.example",
        agrees=dice.random() < 0.75,
        entity=entity,
        currency=currency,
        every=dice.randint(9, 40),
        terms=dice.choice((7, 14, 21, 30)),
        grumbles=dice.choice((0.2, 1.0, 1.0, 3.0)),
    )


def _first(seed: int, number: int) -> tuple[random.Random, Place]:
    dice = random.Random(f"{seed}/person/{number}")
    return dice, dice.choice(PLACES)


def _phone(seed: int, number: int, dice: random.Random) -> str:
    place, has, dial = _first(seed, number)[1], dice.random() < 0.8, dice.random()
    if number % SHARED == 1:
        number, place, has = number - 1, _first(seed, number - 1)[1], True
    if number % SHARED == 0:
        has, dial = True, 0.0
    return f"{place.dial[int(dial * len(place.dial))]}{1000 + number:04}" if has else ""


def zones_of(zone: str, phone: str) -> set[str]:
    """Every zone in which somebody may be who answers this phone, or reads at this mailbox."""
    return {zone} | {where for start, where in AREAS.items() if phone.startswith(start)}


def states_of(place: Place, phone: str) -> set[str]:
    """Every state of the US in which whoever answers this phone may be."""
    found = {state for start, state in STATES.items() if phone.startswith(start)}
    return found | ({place.region} if place.country == "US" else set())


def local(moment: dt.datetime, zone: str) -> dt.datetime:
    """What the clock on the wall says there."""
    return moment.astimezone(ZoneInfo(zone))


def at(day: dt.date, time: dt.time, zone: str) -> dt.datetime:
    """The moment at which the clock on the wall there says so, in UTC."""
    return dt.datetime.combine(day, time, ZoneInfo(zone)).astimezone(dt.UTC)
