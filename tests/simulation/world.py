"""What is true in the world of a seed: who is who, what was told, what was said, what was taken?

It knows what the outside knows, and of the rows only what it needs to say when something was taken
in: a fact counts from the commit in which its delivery is settled.
"""

import datetime as dt
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from billing import facts
from billing.facts import Fact
from tests.simulation.books import Books
from tests.simulation.people import Person, Place
from tests.simulation.process import Clock

KEPT = 40
"""Events of a client that are shown when something is wrong."""
OURS = "the firm"


@dataclass(frozen=True)
class Wrong:
    """Something that must not be, when it was seen, and of whom."""

    at: dt.datetime
    client: str
    invariant: str
    said: str


class Broken(Exception):
    """An invariant does not hold; the story ends here."""

    def __init__(self, wrong: Wrong) -> None:
        super().__init__(wrong.said)
        self.wrong = wrong


@dataclass
class World:
    """Everything that is known outside the product."""

    clock: Clock
    people: dict[str, Person]
    books: Books = field(default_factory=Books)
    stopped: dict[str, str] = field(default_factory=dict)
    """Addresses that no message may go to, and since when and why."""
    kin: dict[str, frozenset[str]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    legal: dict[str, str] = field(default_factory=dict)
    """By the name of a legal state, whose it is."""
    wishes: dict[str, facts.PreferenceStated] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    """Whose everything is kept for a lawsuit."""
    erased: set[str] = field(default_factory=set)
    renewals: dict[str, dt.date] = field(default_factory=dict)
    reminded: dict[str, dt.datetime] = field(default_factory=dict)
    log: dict[str, deque[str]] = field(default_factory=dict)
    heard: Callable[[str], None] | None = None
    """Hears of every event, as it is told."""

    @property
    def now(self) -> dt.datetime:
        return self.clock.now()

    def heard_lately(self, client: str) -> bool:
        """Whether they were reminded within a week."""
        heard = self.reminded.get(client)
        return heard is not None and self.now - heard < dt.timedelta(days=7)

    def one_with(self, client: str) -> frozenset[str]:
        """Everybody who is the same client."""
        return self.kin.get(client) or frozenset({client})

    def join(self, *clients: str) -> None:
        """They are one client from now on."""
        kin = frozenset().union(*map(self.one_with, clients))
        self.kin |= dict.fromkeys(kin, kin)
        self.books.forget()
        for one in sorted(kin):
            self.note(one, f"one client now: {sorted(kin)}")

    def note(self, client: str, said: str) -> None:
        line = f"{self.now:%Y-%m-%d %H:%M:%S}  {client:>8}  {said}"
        self.log.setdefault(client, deque(maxlen=KEPT)).append(line)
        if self.heard:
            self.heard(line)

    def break_(self, client: str, invariant: str, said: str) -> None:
        """Say that something is wrong: nothing goes on from there."""
        self.note(client, f"WRONG: {invariant}: {said}")
        raise Broken(Wrong(self.now, client, invariant, said))

    def take(self, fact: Fact) -> None:
        """It is taken in: from now on the product has to know it."""
        client = getattr(fact, "client_external_id", OURS)
        if isinstance(fact, facts.ClientDescribed):
            client = fact.external_id
        self.note(client, f"taken in: {_shown(fact)}")
        match fact:
            case facts.ClientDescribed():
                self._describe(fact)
            case facts.AgreementDescribed():
                self.renewals[fact.external_id] = fact.renews_on
            case facts.AgreementEnded():
                self.renewals.pop(fact.external_id, None)
            case facts.LegalStatePlaced():
                self.legal[fact.external_id] = fact.client_external_id
            case facts.LegalStateLifted():
                self.legal.pop(fact.external_id, None)
            case facts.PreferenceStated():
                self.wishes[fact.external_id] = fact
            case facts.PreferenceEnded():
                self.wishes.pop(fact.external_id, None)
            case _:
                self.books.take(fact)

    def _describe(self, fact: facts.ClientDescribed) -> None:
        person = self.people[fact.external_id]
        self.known.add(fact.external_id)
        if fact.timezone:
            place = person.place
            country = fact.country or place.country
            region = fact.region or (place.region if country == place.country else "")
            person.place = Place(fact.timezone, country, region, place.dial)
        person.email = fact.email or person.email
        person.phone = fact.phone or person.phone


def _shown(fact: Fact) -> str:
    hidden = {"source", "client_external_id"}
    told = fact.model_dump(exclude_defaults=True, exclude=hidden)
    words = ", ".join(f"{name}={_plain(value)}" for name, value in told.items())
    return f"{type(fact).__name__}({words})"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else str(value)
