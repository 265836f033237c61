"""Why is a message taken for legal advice, or for somebody's health, and why is another not?

For who runs the product and tunes it: the words of the message are among the reasons, so they go
to nobody who may not read the message itself.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from comms.compliance import health, privilege
from comms.compliance.labels import Label
from comms.compliance.likeness import RULE, Likeness, words
from comms.compliance.material import Material

_SAID: Final = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_MOST: Final = 5
_AROUND: Final = ".,;:()[]\"'"
_READ: Final = {Label.PRIVILEGED: ("privilege", privilege), Label.PHI: ("health", health)}


@dataclass(frozen=True, slots=True)
class Reason:
    """What one passage weighs, and which of its traits weighed most."""

    label: Label
    likeness: float
    likely: float
    """From this likeness on a passage is sealed."""
    rule: bool
    """Whether a rule tells it by itself."""
    speaking_for: tuple[str, ...]
    speaking_against: tuple[str, ...]


def reasons(material: Material) -> list[Reason]:
    """Each passage that is likely enough for a label; where none is, the likeliest."""
    found: list[Reason] = []
    for label, (name, detector) in _READ.items():
        known, likely = Likeness(name), detector.LIKELY
        every = [
            _reason(label, known, likely, passage.traits, material)
            for passage in detector.passages(material)
        ]
        every.sort(key=lambda one: -one.likeness)
        found += [one for one in every if one.likeness >= likely] or every[:1]
    return found


def _reason(
    label: Label, known: Likeness, likely: float, traits: frozenset[str], material: Material
) -> Reason:
    weighed = sorted((known.weight(trait), trait) for trait in traits if known.weight(trait))
    lightest, heaviest = weighed[:_MOST], weighed[: -_MOST - 1 : -1]
    return Reason(
        label,
        round(known(traits), 2),
        likely,
        RULE in traits,
        _plain((trait for weight, trait in heaviest if weight > 0), material),
        _plain((trait for weight, trait in lightest if weight < 0), material),
    )


def _plain(traits: Iterable[str], material: Material) -> tuple[str, ...]:
    told = material.text.split()
    return tuple(said(trait, told) for trait in traits)


def said(trait: str, told: Iterable[str]) -> str:
    """What a sign means, or the word of the text that a trait was cut from."""
    if trait[0] in "@=":
        return str(_SAID.get(trait) or _SAID["signs"][trait[1:]])
    if trait == "#":
        return "a number"
    whole = next((word for word in told if trait in words(word)), trait)
    return f'"{whole.strip(_AROUND).lower() or trait}"'
