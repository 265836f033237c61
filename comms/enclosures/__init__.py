"""What do the files say that came with a message? As far as it can be read without harm.

Text is read as it is. PDF and office files are read in a cage. What is a picture, an archive,
locked, broken, too large or too late is not read, which is said in a word: whoever judges the
message must know that there is something that nobody has looked at.
"""

import codecs
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from comms.enclosures import cage
from comms.facts import Enclosed

MOST: Final = 25
"""Files of one message that are read."""
LARGEST: Final = 10_000_000
LONGEST: Final = 2_000_000
_EACH: Final = 8.0
"""Seconds for one file."""
_PDF: Final = re.compile(rb"%PDF-\d")
_UNWRITTEN: Final = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
                 (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_SIGNATURES: Final = re.compile(r"application/(?:x-)?(?:pgp|pkcs7)-signature|application/pgp-keys")
Left = Callable[[], float]
"""How many seconds are left for all of them."""


@dataclass(frozen=True, slots=True)
class File:
    """Bytes that came with a message; ``kind`` is the media type that its sender gave it."""

    name: str
    kind: str
    content: bytes
    words: str = ""
    """What the mail reader has already made of it, where it is text."""
    sender: str = ""
    attached: bool = True
    unread: str = ""
    """Why it cannot be opened, where that is known already."""


def read(files: Sequence[File], left: Left) -> tuple[Enclosed, ...]:
    """What each of them says; those beyond the first ``MOST`` are not read."""
    return tuple(_enclosed(file, at, left) for at, file in enumerate(files))


def told(enclosed: Sequence[Enclosed]) -> str:
    """What staff hear of files that they are not shown: their names, and how many are not read."""
    files = [one for one in enclosed if one.attached]
    if not files:
        return ""
    names = [one.name or "a mail" for one in files[:_NAMED]]
    names += [f"{len(files) - _NAMED} more"] if len(files) > _NAMED else []
    many = "1 attachment" if len(files) == 1 else f"{len(files)} attachments"
    unread = [one for one in files if one.unread]
    why = ", ".join(sorted({_WHY[one.unread] for one in unread}))
    rest = f"; {len(unread)} not read ({why})" if unread else ""
    return f"{many}: {', '.join(names)}{rest}"


_NAMED: Final = 5
_WHY: Final = {
    "locked": "needs a password",
    "large": "too large",
    "picture": "a picture",
    "kind": "of a kind that no machine here reads",
    "within": "holds another file",
    "broken": "broken",
    "late": "took too long",
    "many": "too many",
    "elsewhere": "still with the carrier",
}


def _enclosed(file: File, at: int, left: Left) -> Enclosed:
    said, unread = ("", "many") if at >= MOST else _words(file, left)
    return Enclosed(
        name=file.name,
        said=said,
        sender=file.sender,
        unread=unread,
        attached=file.attached,
        digest=hashlib.sha256(file.content).hexdigest(),
    )


def _words(file: File, left: Left) -> tuple[str, str]:
    if file.unread:
        return "", file.unread
    if file.words:
        return _short(file.words)
    if _SIGNATURES.fullmatch(file.kind) or not file.content.strip():
        return "", ""
    return _unpacked(file, left)


def _unpacked(file: File, left: Left) -> tuple[str, str]:
    if len(file.content) > LARGEST:
        return "", "large"
    if kind := _packed(file.content):
        return cage.words(kind, file.content, min(_EACH, left()))
    if (text := _text(file.content)) is not None:
        return _short(text)
    return "", "picture" if file.kind.startswith("image/") else "kind"


def _packed(content: bytes) -> str:
    """How words are packed in these bytes; empty where they are not, or in no way that we know."""
    if _PDF.search(content[:1024]):
        return "pdf"
    return "office" if content.startswith(b"PK\x03\x04") else ""


def _short(text: str) -> tuple[str, str]:
    return (text, "") if len(text) <= LONGEST else (text[:LONGEST], "large")


def _text(content: bytes) -> str | None:
    """The text that these bytes are; None where they are no text."""
    for name in _encodings(content):
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        strange = len(_UNWRITTEN.findall(text[:20_000]))
        return text if strange * 200 <= len(text[:20_000]) else None
    return None


def _encodings(content: bytes) -> Iterator[str]:
    yield from (name for mark, name in _MARKS if content.startswith(mark))
    yield "utf-8"
    if b"\x00" not in content[:20_000]:
        yield "cp1252"
