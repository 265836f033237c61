"""What tax is in a bill, and what do its lines come to?

A rate is percent with up to four decimals. Lines that share rate, code, jurisdiction and way of
pricing are taxed together and rounded once, half away from zero; the tax of a group is shared over
its lines by the largest remainder, so that the parts add up to the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing import money

_PARTS = 1_000_000
"""A rate as a whole number: 19 percent is 190,000 millionths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """A line after its discount: net, or with the tax inside where ``inclusive``."""

    amount: int
    rate: Decimal = Decimal(0)
    code: str = ""
    jurisdiction: str = ""
    inclusive: bool = False


def on_lines(lines: Sequence[Priced]) -> tuple[int, ...]:
    """The tax in or on each line, in minor units, in the order of the lines."""
    groups: dict[tuple[Decimal, str, str, bool], list[int]] = {}
    for place, line in enumerate(lines):
        key = (line.rate, line.code, line.jurisdiction, line.inclusive)
        groups.setdefault(key, []).append(place)
    taxes = [0] * len(lines)
    for (rate, _, _, inclusive), places in groups.items():
        amounts = [lines[place].amount for place in places]
        whole = _tax(sum(amounts), rate, inclusive=inclusive)
        for place, share in zip(places, _shared(whole, amounts), strict=True):
            taxes[place] = share
    return tuple(taxes)


def total(lines: Sequence[Priced]) -> int:
    """What the lines come to with their tax, in minor units."""
    on_top = (
        0 if line.inclusive else tax for line, tax in zip(lines, on_lines(lines), strict=True)
    )
    return sum(line.amount for line in lines) + sum(on_top)


def millionths(rate: Decimal) -> int:
    """The rate as it is stored: 7.7 percent is 77,000."""
    return int(rate * (_PARTS // 100))


def _tax(amount: int, rate: Decimal, *, inclusive: bool) -> int:
    share = millionths(rate)
    return _rounded(amount * share, _PARTS + share if inclusive else _PARTS)


def _rounded(numerator: int, denominator: int) -> int:
    """Half away from zero, in whole numbers: a float would lose a cent of a large amount."""
    sign = -1 if numerator < 0 else 1
    return sign * ((2 * abs(numerator) + denominator) // (2 * denominator))


def _shared(whole: int, amounts: Sequence[int]) -> tuple[int, ...]:
    weights = [abs(amount) for amount in amounts]
    return money.split(whole, weights) if sum(weights) else tuple(0 for _ in amounts)
