"""Which detectors are there, and when does one of them look at a text?"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from comms.compliance import banking, cards, codes, credentials, digits, health, identity, privilege
from comms.compliance.cues import ACCOUNTS, CARDS, SECRETS
from comms.compliance.labels import Label, Span
from comms.compliance.material import Material, span
from comms.compliance.pieces import pieces
from comms.compliance.places import overlaps
from comms.compliance.reading import Reading


@dataclass(frozen=True, slots=True)
class Detector:
    """One kind of looking."""

    name: str
    concerns: Callable[[Material], object]
    """Cheap: whether there can be anything for it in a message at all."""
    find: Callable[[Material], Iterable[Span]]


def _money_there(material: Material) -> bool:
    had = material.cues
    if "iban" in had or not CARDS.isdisjoint(had) or ("six_digits" in had and had & ACCOUNTS):
        return True
    return "code_named" in had and material.has_digits


def _money(material: Material) -> Iterator[Span]:
    """Cards, their codes and accounts: one looks at what the other left."""
    yield from _looked(material, _money_of)


_Found = tuple[int, int, Label]


def _looked(
    material: Material, look: Callable[[Reading, frozenset[str]], Iterable[_Found]]
) -> Iterator[Span]:
    """What is found in each stretch, told in the characters that came."""
    for part, reading in material.parts():
        for piece in pieces(reading, material.cues):
            for start, end, label in look(piece.reading, piece.cues) if piece.cues else ():
                yield span(part, reading, piece.start + start, piece.start + end, label)


def _money_of(reading: Reading, had: frozenset[str]) -> Iterator[_Found]:
    ibans = list(banking.ibans(reading)) if "iban" in had else []
    within = overlaps(ibans)
    numbers = [card for card in _cards(reading, had) if not within(card.start, card.end)]
    taken = [*ibans, *((card.start, card.end) for card in numbers)]
    for start, end in ibans:
        yield start, end, Label.IBAN
    for card in numbers:
        yield card.start, card.end, Label.PAN
    if numbers or "code_named" in had:
        for start, end in set(codes.codes(reading, numbers)):
            yield start, end, Label.CVV
    if had & ACCOUNTS:
        for start, end in banking.accounts(reading, taken):
            yield start, end, Label.BANK_ACCOUNT


def _cards(reading: Reading, had: frozenset[str]) -> Iterable[cards.Card]:
    if CARDS.isdisjoint(had) or not digits.enough(reading.text, 12):
        return ()
    return cards.cards(reading)


_SOCIAL: Final = frozenset({"social", "social_word"})


def _identity_there(material: Material) -> bool:
    had = material.cues
    return not had.isdisjoint(_SOCIAL) or {"date", "born"} <= had


def _identity(material: Material) -> Iterator[Span]:
    yield from _looked(material, _identity_of)


def _identity_of(reading: Reading, had: frozenset[str]) -> Iterator[_Found]:
    for start, end in identity.ssns(reading) if had & _SOCIAL else ():
        yield start, end, Label.SSN
    for start, end in identity.births(reading) if {"born", "date"} <= had else ():
        yield start, end, Label.DOB


def _credentials(material: Material) -> Iterator[Span]:
    yield from _looked(material, _credentials_of)


def _credentials_of(reading: Reading, had: frozenset[str]) -> Iterator[_Found]:
    for start, end in credentials.secrets(reading, had) if had & SECRETS else ():
        yield start, end, Label.SECRET


DETECTORS: Final = (
    Detector("money", _money_there, _money),
    Detector("identity", _identity_there, _identity),
    Detector("credentials", lambda material: material.cues & SECRETS, _credentials),
    Detector("health", health.possible, health.find),
    Detector("privilege", privilege.possible, privilege.find),
)
