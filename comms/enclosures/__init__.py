"""What do the files say that came with a message? As far as it can be read without harm.

Text is read as it is. Everything that is packed is read in a cage, with what lies in it. What is a
picture, locked, broken, too large or too late is not read, which is said in a word: whoever judges
the message must know that there is something that nobody has looked at.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from comms.caged import plain
from comms.caged.verdicts import LARGEST, LONGEST
from comms.enclosures import cage
from comms.facts import Enclosed

__all__ = ["LARGEST", "LONGEST", "MOST", "File", "Left", "read", "told"]

MOST: Final = 25
"""Files of one message that are read."""
_EACH: Final = 8.0
"""Seconds for one file."""
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
    found = [_plainly(file) if at < MOST else ("", "many") for at, file in enumerate(files)]
    shut = [file.content for file, one in zip(files, found, strict=True) if one is None]
    opened = iter(cage.words(shut, _EACH, left()) if shut else ())
    return tuple(
        _enclosed(file, *(one or next(opened))) for file, one in zip(files, found, strict=True)
    )


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
    "deep": "packed too deep",
    "broken": "broken",
    "late": "took too long",
    "many": "too many",
    "elsewhere": "still with the carrier",
}


def _enclosed(file: File, said: str, unread: str) -> Enclosed:
    return Enclosed(
        name=file.name,
        said=said,
        sender=file.sender,
        unread=unread,
        attached=file.attached,
        digest=hashlib.sha256(file.content).hexdigest(),
    )


def _plainly(file: File) -> tuple[str, str] | None:
    """What it says, and why that is not all; None where it is for the cage to say.

    What it is called is not believed: a PDF that says it is text is a PDF.
    """
    kind = plain.packed(file.content)
    if unread := file.unread or _refused(file, kind):
        return "", unread
    if kind:
        return None
    if file.words:
        return _short(plain.unwrapped(file.words))
    if _SIGNATURES.fullmatch(file.kind) or not file.content.strip():
        return "", ""
    return None if plain.mail(file.content) else _text(file)


def _refused(file: File, kind: str) -> str:
    if len(file.content) > LARGEST and not file.words:
        return "large"
    return "picture" if kind == "picture" else ""


def _text(file: File) -> tuple[str, str]:
    if (text := plain.text(file.content)) is not None:
        return _short(text)
    return "", "picture" if file.kind.startswith("image/") else "kind"


def _short(text: str) -> tuple[str, str]:
    return (text, "") if len(text) <= LONGEST else (text[:LONGEST], "large")
