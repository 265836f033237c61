"""Does a number prove by its own digits what it is?

The tables stand in ``numbers.toml`` with their sources.
"""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

_TABLES: Final[Mapping[str, Any]] = tomllib.loads(
    Path(__file__).with_name("numbers.toml").read_text(encoding="utf-8")
)
_NO_SCHEME: Final = frozenset({"source", "as_of", "verified"})
IBAN_LENGTHS: Final[Mapping[str, int]] = _TABLES["iban"]["length"]
_NUMERIC: Final = frozenset(_TABLES["iban"]["numeric"])
_NOUGHT: Final = ord("0")
_DOUBLED: Final = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))


def _lengths_by_prefix() -> dict[str, tuple[int, ...]]:
    """Every prefix that an issuer has, written out, and the lengths of its cards."""
    found: dict[str, tuple[int, ...]] = {}
    for scheme, ranges in _TABLES["cards"].items():
        if scheme in _NO_SCHEME:
            continue
        for first, last, lengths in ranges:
            for prefix in range(int(first), int(last) + 1):
                known = found.get(str(prefix), ())
                found[str(prefix)] = (*known, *(one for one in lengths if one not in known))
    return found


_LENGTHS: Final = _lengths_by_prefix()
_LONGEST_PREFIX: Final = max(map(len, _LENGTHS))


def card_lengths(digits: str) -> tuple[int, ...]:
    """How many digits a card that begins so can have; the usual number first."""
    return _lengths(digits[:_LONGEST_PREFIX])


@lru_cache(maxsize=20_000)
def _lengths(opening: str) -> tuple[int, ...]:
    found: list[int] = []
    for size in range(len(opening), 0, -1):
        found += [one for one in _LENGTHS.get(opening[:size], ()) if one not in found]
    return tuple(found)


def is_card(digits: str) -> bool:
    """Whether an issuer could have given this number: its range, its length, its check digit."""
    varied = len(set(digits)) > 1
    return varied and len(digits) in card_lengths(digits) and luhn(digits)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1: every second digit from the right counts double."""
    signs = digits.encode()
    plain, doubled = signs[-1::-2], signs.translate(_DOUBLED)[-2::-2]
    return (sum(plain) + sum(doubled) - _NOUGHT * len(plain)) % 10 == 0


def is_iban(written: str) -> bool:
    """ISO 13616: the length of its country, and 1 when divided by 97."""
    if IBAN_LENGTHS.get(written[:2].upper()) != len(written):
        return False
    if written[:2].upper() in _NUMERIC and not written[2:].isdigit():
        return False
    turned = written[4:] + written[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


def is_ssn(area: str, group: str, serial: str) -> bool:
    """What the Social Security Administration never gave is none (also 9xx, which are ITINs)."""
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def is_routing(digits: str) -> bool:
    """ABA: nine digits, weighted 3-7-1, of a Federal Reserve range."""
    district = int(digits[:2])
    if not (district <= 12 or 21 <= district <= 32 or 61 <= district <= 72 or district == 80):
        return False
    weighed = sum(int(digit) * weight for digit, weight in zip(digits, (3, 7, 1) * 3, strict=True))
    return digits != "000000000" and weighed % 10 == 0
