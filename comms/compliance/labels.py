"""Which words of a message must not be seen by everybody?"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Part = Literal["subject", "body"]


class Label(StrEnum):
    """What a piece of content is; the words are the ones of ``counterfoil screen``."""

    PRIVILEGED = "privileged"
    PHI = "phi"
    PAN = "pan"
    CVV = "cvv"
    SSN = "ssn"
    BANK_ACCOUNT = "bank_account"
    IBAN = "iban"
    SECRET = "password_or_secret"  # noqa: S105 - the name of a label
    DOB = "dob"
    UNSCREENED = "unscreened"
    """A detector gave no answer: nobody knows what is in it, so it is sealed."""
    NONE = "none"


SEALING = frozenset({Label.PRIVILEGED, Label.PHI, Label.UNSCREENED})
"""Labels of a text that is hidden as a whole; the others are masked where they stand."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Some characters of the text as it came, and what they are."""

    start: int
    end: int
    label: Label
    part: Part = "body"

    def touches(self, other: "Span") -> bool:
        """Whether they share a character."""
        return self.part == other.part and self.start < other.end and other.start < self.end
