"""Words that must be found nowhere, and whoever looks for them in any shape that they may take."""

import base64
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import re2

_BETWEEN = b"\x00 \t\r\n=-_.,:;()/\\\"'<>+"
"""Signs that may stand between digits, in folded lines or beside every letter (UTF-16)."""
_PACKED = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
_LARGEST = 64_000_000
_ROOM = 1 << 29
"""Bytes for the automaton of some thousand words; with less it crawls."""
_SHORTEST, _SHORTEST_DIGITS = 9, 11


class Kind(StrEnum):
    """What may become of it."""

    NUMBER = "number"
    """Covered before anything is written: not even a key opens it again."""
    SEALED = "sealed"
    """Kept whole, as ciphertext; in clear for nobody who is not cleared."""
    PLAIN = "plain"
    """An ordinary word, to show that the search finds what is there."""


@dataclass(frozen=True, slots=True)
class Needle:
    """Something unique, and the way in by which it came."""

    text: str
    kind: Kind
    way: str
    proves_itself: bool = False
    """Whether its own digits tell what it is, and no words beside it are needed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A needle where it was found, with what stands around it."""

    place: str
    needle: Needle
    around: str


def card(way: str) -> Needle:
    """A card number that checks: 16 digits of an issuer's range, ending in its check digit."""
    bare = "45" + str(_dice(way) % 10**13).zfill(13)
    return Needle(bare + str(_luhn(bare)), Kind.NUMBER, way, proves_itself=True)


def ssn(way: str) -> Needle:
    """A social security number that may exist."""
    dice = _dice(f"ssn {way}")
    found = f"{101 + dice % 500}-{10 + dice // 7 % 80:02}-{1000 + dice // 11 % 8999:04}"
    return Needle(found, Kind.NUMBER, way)


def iban(way: str) -> Needle:
    """A German IBAN whose check digits are right."""
    bare = str(_dice(f"iban {way}") % 10**18).zfill(18)
    check = 98 - int(f"{bare}131400") % 97
    return Needle(f"DE{check:02}{bare}", Kind.NUMBER, way, proves_itself=True)


def account(way: str) -> Needle:
    """An account number, to be named beside a routing number."""
    return Needle("7" + str(_dice(f"account {way}") % 10**10).zfill(10), Kind.NUMBER, way)


def password(way: str) -> Needle:
    """A password."""
    return Needle(f"Kq7{made_up(f'password {way}')}9Zx", Kind.NUMBER, way)


def word(way: str, kind: Kind = Kind.SEALED) -> Needle:
    """A word that no language has, like the name of a suit or of a clinic."""
    return Needle(made_up(f"{kind} {way}").capitalize(), kind, way)


def _dice(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:12])


def made_up(seed: str) -> str:
    """Letters that no language puts together."""
    dice, made = _dice(seed), ""
    for _ in range(6):
        dice, sign = divmod(dice, 17)
        dice, sound = divmod(dice, 5)
        made += "bdfgjklmnprstvwxz"[sign] + "aeiou"[sound]
    return made


def _luhn(bare: str) -> int:
    doubled = [int(sign) * (2 if at % 2 == 0 else 1) for at, sign in enumerate(reversed(bare))]
    return -sum(one - 9 if one > 9 else one for one in doubled) % 10


# --- looking --------------------------------------------------------------------------------------


class Search:
    """Looks for all needles at once, in whatever bytes it is given."""

    def __init__(self, needles: Iterable[Needle]) -> None:
        self._of = {form: needle for needle in needles for form in forms(needle)}
        longest_first = sorted(self._of, key=len, reverse=True)
        roomy = re2.Options()
        roomy.max_mem = _ROOM
        roomy.encoding = re2.Options.Encoding.LATIN1
        pattern = b"|".join(re2.escape(form) for form in longest_first)
        self._pattern = re2.compile(pattern, roomy)

    def find(self, place: str, found: bytes | str) -> Iterator[Finding]:
        """Every needle in it, each once; what is packed in it is unpacked."""
        blob = found.encode(errors="replace") if isinstance(found, str) else found
        seen: set[Needle] = set()
        for view in (blob, *unpacked(blob)):
            for plain in (unfolded(view), squeezed(view)):
                for at in self._pattern.finditer(plain):
                    needle = self._of[at.group()]
                    if needle not in seen:
                        seen.add(needle)
                        around = plain[max(0, at.start() - 60) : at.end() + 30]
                        yield Finding(place, needle, around.decode(errors="replace"))


def forms(needle: Needle) -> set[bytes]:
    """The needle as it may be written: plain, in hexadecimal, in base64 at any offset.

    Also without what may stand between its signs, but for digits so few that ids hold them by
    chance. Twelve digits of a card are found as well, so that nothing but its end is ever shown.
    """
    text = needle.text.encode()
    digits = squeezed(text)
    wide = needle.text.encode("utf-16-le")
    found = {text, text.hex().encode(), wide.hex().encode()}
    found |= {digits} if len(digits) >= _SHORTEST_DIGITS or not digits.isdigit() else set()
    found |= {squeezed(one) for raw in (text, wide) for one in _base64(raw)}
    if needle.kind is Kind.NUMBER and digits.isdigit() and len(digits) > 12:
        found.add(digits[:12])
    return {one.lower() for one in found if len(one) >= _SHORTEST}


def _base64(raw: bytes) -> Iterator[bytes]:
    """Of the three ways in which it may lie in a longer text, what does not hang on its sides."""
    for offset in range(3):
        whole = base64.b64encode(b"\x00" * offset + raw)
        yield whole[-(-offset * 8 // 6) : len(whole) - 4 if (offset + len(raw)) % 3 else None]


def unfolded(blob: bytes) -> bytes:
    """With its separators, but no letter spelled wide and no line of a mail cut in two."""
    return re.sub(rb"=\r?\n|\x00", b"", blob).lower()


def squeezed(blob: bytes) -> bytes:
    """Without separators and in small letters; what was folded or spelled wide is one word."""
    return blob.translate(None, _BETWEEN).lower()


def unpacked(blob: bytes) -> Iterator[bytes]:
    """What was compressed in it, by gzip or zlib."""
    for at in _PACKED.finditer(blob):
        open_ = zlib.decompressobj(31 if at[0][0] == 0x1F else 15)
        try:
            yield open_.decompress(blob[at.start() : at.start() + _LARGEST], _LARGEST)
        except zlib.error:
            continue
