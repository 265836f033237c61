"""Which detectors are there, and when does one of them look at a text?"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from comms.compliance import banking, cards, codes, credentials, health, identity, privilege
from comms.compliance.labels import Label, Span
from comms.compliance.material import Material, span
from comms.compliance.places import overlaps
from comms.compliance.reading import Reading


@dataclass(frozen=True, slots=True)
class Detector:
    """One kind of looking."""

    name: str
    concerns: Callable[[Material], object]
    """Cheap: whether there can be anything for it in a message at all."""
    find: Callable[[Material], Iterable[Span]]
    seals: bool = False
    """Whether what it finds hides the whole text: what it left alone needs no second look."""


_Found = tuple[int, int, Label]


def _looking(
    look: Callable[[Reading, frozenset[str]], Iterable[_Found]],
) -> Callable[..., Iterable[Span]]:
    """What is found in each part, told in the characters that came."""

    def find(material: Material) -> Iterator[Span]:
        for part, reading in material.parts():
            for start, end, label in look(reading, material.cues):
                yield span(part, reading, start, end, label)

    return find


def _showing(*cues: str) -> Callable[[Material], object]:
    shown = frozenset(cues)
    return lambda material: not shown.isdisjoint(material.cues)


def _money(reading: Reading, had: frozenset[str]) -> Iterator[_Found]:
    """Cards, their codes and accounts: one looks at what the other left."""
    ibans = list(banking.ibans(reading)) if "iban" in had else []
    within = overlaps(ibans)
    shown = "card" in had or "spoken" in had
    numbers = (
        [one for one in cards.cards(reading) if not within(one.start, one.end)] if shown else []
    )
    taken = [*ibans, *((card.start, card.end) for card in numbers)]
    for start, end in ibans:
        yield start, end, Label.IBAN
    for card in numbers:
        yield card.start, card.end, Label.PAN
    if numbers or "code" in had:
        for start, end in set(codes.codes(reading, numbers)):
            yield start, end, Label.CVV
    if "account" in had:
        for start, end in banking.accounts(reading, taken):
            yield start, end, Label.BANK_ACCOUNT


def _identity(reading: Reading, had: frozenset[str]) -> Iterator[_Found]:
    for start, end in identity.ssns(reading) if had & {"social", "social_word"} else ():
        yield start, end, Label.SSN
    for start, end in identity.births(reading) if "born" in had else ():
        yield start, end, Label.DOB


def _credentials(reading: Reading, had: frozenset[str]) -> Iterator[_Found]:
    for start, end in credentials.secrets(reading, had):
        yield start, end, Label.SECRET


DETECTORS: Final = (
    Detector("money", _showing("iban", "card", "spoken", "code", "account"), _looking(_money)),
    Detector("identity", _showing("social", "social_word", "born"), _looking(_identity)),
    Detector("credentials", _showing(*credentials.SEARCHES), _looking(_credentials)),
    Detector("health", health.possible, health.find, seals=True),
    Detector("privilege", privilege.possible, privilege.find, seals=True),
)
