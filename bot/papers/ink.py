"""Which font draws every letter of a paper, and what if none does?

Vera comes with reportlab and covers western Europe; DejaVu is the same design with Central
European, Greek and Cyrillic letters, and is used where it is installed. A letter is never left out
or replaced: what cannot be drawn is an error that names it.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import reportlab
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

from bot.report import Wrong

_BUNDLED = Path(reportlab.__file__).parent / "fonts"
_SYSTEM = (
    Path("/usr/share/fonts/truetype/dejavu"),
    Path("/usr/share/fonts/dejavu-sans-fonts"),
    Path("/usr/share/fonts/dejavu"),
    Path("/usr/share/fonts/TTF"),
    Path("/usr/local/share/fonts"),
    Path("/Library/Fonts"),
)
_SPACES = re.compile(r"[ \t\r\f\v\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = frozenset({"Cc", "Cf"})
_NAMED = 5


class Undrawable(Wrong):
    """A letter that none of the fonts of this machine has."""


@dataclass(frozen=True, slots=True)
class Face:
    """A font and its bold, under the names that reportlab knows them by."""

    plain: str
    bold: str

    def text(self, said: str) -> str:
        """What is drawn: composed, on one kind of space, without signs that nobody sees.

        Raises:
            Undrawable: a letter is missing, or is written in a way that we cannot draw.
        """
        composed = _SPACES.sub(" ", unicodedata.normalize("NFC", said).replace("\u202f", "\xa0"))
        kept = "".join(
            sign
            for sign in composed
            if sign == "\n" or unicodedata.category(sign) not in _INVISIBLE
        )
        missing = [sign for sign in dict.fromkeys(kept) if sign != "\n" and not self._draws(sign)]
        if missing:
            raise Undrawable(_sentence(kept, missing))
        return kept

    def _draws(self, sign: str) -> bool:
        if unicodedata.bidirectional(sign) in {"R", "AL"} or unicodedata.category(sign)[0] == "M":
            return False  # drawn letter by letter it would be wrong
        return ord(sign) in _glyphs(self.plain) and ord(sign) in _glyphs(self.bold)


def _sentence(text: str, missing: list[str]) -> str:
    named = ", ".join(
        f"{sign} (U+{ord(sign):04X})" if sign.isprintable() else f"U+{ord(sign):04X}"
        for sign in missing[:_NAMED]
    )
    more = " and more" if len(missing) > _NAMED else ""
    start = " ".join(text.split())[:60]
    return (
        f"The fonts here cannot draw {named}{more} in “{start}”; install the DejaVu fonts "
        "(fonts-dejavu-core) for Central European, Greek and Cyrillic letters, or write it in "
        "another script."
    )


def faces() -> Iterator[Face]:
    """The fonts of this machine, the first choice first."""
    yield _face("Vera", _BUNDLED / "Vera.ttf", _BUNDLED / "VeraBd.ttf")
    for folder in _SYSTEM:
        plain, bold = folder / "DejaVuSans.ttf", folder / "DejaVuSans-Bold.ttf"
        if plain.is_file() and bold.is_file():
            yield _face("DejaVu", plain, bold)
            return


@functools.cache
def _face(name: str, plain: Path, bold: Path) -> Face:
    face = Face(f"Paper-{name}", f"Paper-{name}-Bold")
    for called, file in ((face.plain, plain), (face.bold, bold)):
        pdfmetrics.registerFont(TTFont(called, str(file)))
    # Paragraphs have no slanted words: their markup is escaped.
    pdfmetrics.registerFontFamily(face.plain, face.plain, face.bold, face.plain, face.bold)
    return face


def _glyphs(name: str) -> dict[int, int]:
    found: dict[int, int] = pdfmetrics.getFont(name).face.charToGlyph
    return found
