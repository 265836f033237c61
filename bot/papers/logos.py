"""Which picture stands at the head of whose paper?

``COUNTERFOIL_LOGO`` is a PNG file for everybody, or a folder of them: one is called like the legal
entity whose it is, and ``default.png`` is everybody else's.
"""

import io
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from bot.report import Wrong

_LARGEST = 2_000_000
"""Bytes: the picture is inside every paper."""
_WIDEST = 4_000
"""Pixels of either side."""


def read(place: Path | None) -> Mapping[str, bytes]:
    """The pictures by how their legal entity is ``called``; "" is everybody else's.

    Raises:
        Wrong: one of them is not there, or no PNG that can be used.
    """
    if place is None:
        return {}
    if place.is_dir():
        shown = (file for file in place.iterdir() if not file.name.startswith("."))
        files = sorted(file for file in shown if file.suffix.lower() == ".png")
        found = {called(file.stem): _png(file) for file in files}
        return {("" if name == "default" else name): png for name, png in found.items()}
    return {"": _png(place)}


def called(name: str) -> str:
    """The name of a legal entity, whoever wrote it: some machines keep an é as two signs."""
    return unicodedata.normalize("NFC", name).casefold()


def _png(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST:
            raise Wrong(f"COUNTERFOIL_LOGO: {file.name} is larger than 2 MB; make it smaller.")
        content = file.read_bytes()
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            if max(picture.size) > _WIDEST:
                raise Wrong(f"COUNTERFOIL_LOGO: {file.name} has more than {_WIDEST:,} pixels.")
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise Wrong(f"COUNTERFOIL_LOGO: {file} cannot be read as a PNG picture.") from None
    return content
