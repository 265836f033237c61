"""What is left of words that come in otherwise than in a client's message?

Notes of staff, and the facts and files of other systems: numbers that nobody may see are covered
before anything is written. Few of these words hold any, so most are let be at a glance.
"""

import re
from typing import Any, Final, TypeVar

from comms.compliance.labels import Label
from comms.listening import screening

T = TypeVar("T")
_SUSPECT: Final = re.compile(
    r"(?:\d\D{0,4}){6}|passw|passphrase|pwd|secret|token|credential|\bpin\b|\bkey\b|cvv|cvc|csc",
    re.IGNORECASE,
)
"""Six digits near each other, or a word that a secret stands beside."""
_CALLED: Final = frozenset(
    {
        "type", "source", "external_id", "client_external_id", "number", "invoice_number",
        "tax_number", "message", "payer", "renewal_of", "email", "phone", "owner_email",
        "counsel_email", "currency",
    }
)  # fmt: skip
"""Fields that name things: another form would name another thing."""
HIDDEN: Final = "[not screened]"


def line(text: str) -> str:
    """A text of somebody's without the numbers in it; nothing of what cannot be screened."""
    if not _SUSPECT.search(text):
        return text
    shown, labels, _ = screening.covered(text)
    return HIDDEN if Label.UNSCREENED in labels else shown


def address(value: str) -> str:
    """An address; of a mailbox that is called like a card, only where it is."""
    mailbox, at, domain = value.rpartition("@")
    return f"{line(mailbox)}{at}{domain}" if at else value


def told(value: T, name: str = "") -> T:
    """The same of every text in JSON but what only names things."""
    found: Any = value
    match value:
        case str():
            found = value if name in _CALLED else line(value)
        case list():
            found = [told(one, name) for one in value]
        case dict():
            found = {line(str(key)): told(one, str(key)) for key, one in value.items()}
        case _:
            pass
    return found  # type: ignore[no-any-return]
