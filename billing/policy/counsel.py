"""Whom does the firm know as counsel, for every client: its own lawyers, and those against it?"""

import re
from dataclasses import dataclass

from billing.toml import Table

_VALUE = re.compile(r"(?:[^@\s]{1,64}@)?(?:[^@\s.]{1,63}\.)+[^@\s.]{2,63}")


@dataclass(frozen=True, slots=True)
class Counsel:
    """Addresses and domains in lower case, and names as people write them."""

    ours: tuple[str, ...] = ()
    opposing: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def read_counsel(table: Table) -> Counsel:
    """Read its table; what is wrong is noted there."""
    counsel = Counsel(
        ours=_places(table, "ours"),
        opposing=_places(table, "opposing"),
        names=table.words("names", "Ann Example"),
    )
    table.close()
    both = sorted({*counsel.ours} & {*counsel.opposing})
    if both:
        table.wrong("opposing", f"names {both[0]!r}, which is ours as well; say whose it is")
    return counsel


def is_place(value: str) -> bool:
    """Whether it is one address or domain."""
    return len(value) <= 254 and _VALUE.fullmatch(value) is not None


def _places(table: Table, key: str) -> tuple[str, ...]:
    found = tuple(word.lower() for word in table.words(key, "law.example"))
    for at, word in enumerate(found):
        if not is_place(word):
            table.wrong(f"{key}[{at}]", f"must be an address or a domain, not {word!r}")
    return found
