"""Is there a text that takes more than its length to be screened?

``python -m benchmarks.hostile [--seed N] [--many N] [--size BYTES]`` repeats fragments that the
detectors look at twice, and random mixtures of them, at a quarter of ``--size`` and at all of it,
and prints the slowest by seconds a megabyte and by how the time grows. Time is that of the
processor. 1 where four times the text took more than eight times as long, thrice: a square would
take sixteen times.
"""

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Final

from comms.compliance.material import Content
from comms.compliance.screening import screen

FRAGMENTS: Final = (
    "4", "4 ", "4242 ", "4242424242424242 ", "42\u200b", "O0Il", "four two ", "forty-two ",
    "4242 and ", "4242\n> ", "4-", "card ", "card 4242424242424241 12/28 ", "card number is ",
    "and then the rest is ", "cvv ", "cvv code is ", "account no. 1234567 bank ", "acct 123456 ",
    "account number is the ", "110000000 1234567 ", "pay to ", "GB82 WEST ", "is 12 34 56 78 ",
    "GB82WEST12345698765432 ", "123-45-6789 ", "ssn 123456789 ", "born 04/17/1962 ", "born on ",
    "password is x1y2z3A ", "pw is ", "pass=", "a.b.c.d_pass=", "login a@b.c - ", "reset it to ",
    "abc1 is the ", "enter 12345 to ", "code for the gate ", "12 left, ", "seed phrase ",
    "security question ", "first pet was ", "wifi ab, ", "http://a:b", "https://a/", "eyJ",
    "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "sk_live_", "8f14e45f", "QUJD", "<b ", "<div>",
    "&#52", "&amp;", "Can I sue? ", "whether we should sue him ", "my cancer ", "mr. ", "? ", "; ",
    " \n", "\n", "(((", "> ", "- ", "the your our ", "paid invoice 12 ", "payment of $12 for ",
    "approved: ", "a_b_", "a.b.", "A", "привет ", "💳", "٤٢", "\u200b", "=\n", "$1,234.56 ",
)  # fmt: skip
"""What somebody would repeat who knows the rules."""
_MOST: Final = 8.0
_LEAST: Final = 0.004
"""Seconds below which a clock says nothing."""


@dataclass(frozen=True, slots=True)
class Slowness:
    """How long a text took, and how that grew when it was four times as long."""

    piece: str
    size: int
    seconds: float
    growth: float

    @property
    def per_megabyte(self) -> float:
        return self.seconds / self.size * 1e6


def pieces(seed: int, many: int) -> Iterator[str]:
    """Every fragment by itself, then so many mixtures of two to five."""
    yield from FRAGMENTS
    chance = random.Random(seed)
    for _ in range(many):
        yield "".join(chance.choices(FRAGMENTS, k=chance.randint(2, 5)))


def repeated(piece: str, size: int) -> Content:
    """A message of so many characters."""
    return Content((piece * (size // len(piece) + 1))[:size], "client")


def slowness(piece: str, size: int) -> Slowness:
    """The growth that is seen every time: a machine that is busy once says nothing."""
    worst = Slowness(piece, size, float("inf"), float("inf"))
    for _ in range(3):
        short, long = _seconds(piece, size // 4), _seconds(piece, size)
        growth = long / max(short, _LEAST)
        worst = Slowness(piece, size, min(worst.seconds, long), min(worst.growth, growth))
        if worst.growth <= _MOST:
            break
    return worst


def _seconds(piece: str, size: int) -> float:
    content = repeated(piece, size)
    began = process_time()
    screen(content)
    return process_time() - began


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--many", type=int, default=100)
    parser.add_argument("--size", type=int, default=64_000)
    asked = parser.parse_args(arguments)
    found = [slowness(piece, asked.size) for piece in pieces(asked.seed, asked.many)]
    print(f"{len(found)} texts of {asked.size:,} characters, seed {asked.seed}")
    for one in sorted(found, key=lambda one: -one.per_megabyte)[:10]:
        print(f"{one.per_megabyte:8.2f} s/MB  x{one.growth:4.1f}  {one.piece!r}")
    over = [one for one in found if one.growth > _MOST]
    for one in over:
        print(f"slower than its length: x{one.growth:.1f} for four times {one.piece!r}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
