"""What words stand in a PDF, and which files does it carry?"""

import io
from collections.abc import Iterator, Mapping

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from comms.caged.verdicts import (
    BROKEN,
    LARGE,
    LOCKED,
    MANY,
    PICTURE,
    WITHIN,
    Found,
    Inner,
    Unread,
)

MOST_PAGES = 500
_MOST_WITHIN = 50
_ABOUT = ("/Title", "/Subject", "/Author", "/Keywords")


def words(content: bytes) -> Iterator[Found]:
    """Its words, page by page, with what is written into forms and notes, and the files in it.

    Raises:
        Unread: locked, too long, or a page is a picture.
    """
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unread(LOCKED)
    about: Mapping[str, object] = reader.metadata or {}
    yield "\n".join(str(about[name]) for name in _ABOUT if about.get(name))
    yield from _within(reader)
    if len(reader.pages) > MOST_PAGES:
        raise Unread(LARGE)
    seen = True
    for page in reader.pages:
        said = page.extract_text()
        seen = seen and bool(said.strip())
        yield _joined(said)
        for note in page.get("/Annots") or ():
            yield from _written(note.get_object())
    if not seen:
        raise Unread(PICTURE)


def _within(reader: PdfReader) -> Iterator[Inner]:
    """What a PDF carries along; first, so that a scan does not hide it."""
    try:
        for at, file in enumerate(reader.attachment_list):
            if at >= _MOST_WITHIN:
                yield Inner("", unread=MANY)
                return
            yield Inner(file.name, file.content)
    except (PyPdfError, ValueError, KeyError, AttributeError, TypeError):
        yield Inner("", unread=BROKEN)  # its pages may be whole


def _written(note: object) -> Iterator[Found]:
    """What somebody wrote into a form's field or a note, or pinned to the page."""
    if isinstance(note, Mapping):
        yield from (str(note[name]) for name in ("/V", "/Contents") if name in note)
        if note.get("/Subtype") == "/FileAttachment":
            yield Inner("", unread=WITHIN)


def _joined(said: str) -> str:
    """Where every letter was set by itself, each comes as a line."""
    lines = said.split("\n")
    alone = sum(len(line) <= 2 for line in lines)
    return "".join(lines) if len(lines) > 8 and alone > 0.8 * len(lines) else said
