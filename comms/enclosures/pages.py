"""What words stand in a PDF or an office file? A program of its own, which may be killed.

``cage`` runs it on one file at a time: its kind as the argument, its bytes on standard input, its
words on standard output, and why they are not all of them as the exit code. Whatever a hostile file
makes of it, it has no more memory than ``MEMORY``, may write no file, and ends.
"""

import io
import resource
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from xml.parsers import expat

MEMORY = 768 * 1024 * 1024
CPU_SECONDS = 20
LONGEST = 2_000_000
"""Characters; more is no letter."""
MOST_PAGES = 500
_UNPACKED = 25_000_000
_MOST_MEMBERS = 10_000
_DEEPEST = 500
"""Elements within elements; a parser pays for each level."""
WHOLE, BROKEN, LOCKED, LARGE, PICTURE, UNKNOWN, WITHIN = 0, 10, 11, 12, 13, 14, 15
"""Exit codes; with the last something is in the file that was not read, and the rest was."""


class Unread(Exception):
    """Not all of it can be read; ``code`` says why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


# --- PDF ------------------------------------------------------------------------------------------


def of_pdf(content: bytes) -> Iterator[str]:
    """Its words, page by page, with what is written into forms and notes.

    Raises:
        Unread: locked, too long, or a page is a picture.
    """
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unread(LOCKED)
    about: Mapping[str, object] = reader.metadata or {}
    yield "\n".join(str(about[name]) for name in _ABOUT if about.get(name))
    if len(reader.pages) > MOST_PAGES:
        raise Unread(LARGE)
    seen = True
    for page in reader.pages:
        said = page.extract_text()
        seen = seen and bool(said.strip())
        yield _joined(said)
        for note in page.get("/Annots") or ():
            yield from _written(note.get_object())
    if "/EmbeddedFiles" in (reader.root_object.get("/Names") or {}):
        raise Unread(WITHIN)
    if not seen:
        raise Unread(PICTURE)


_ABOUT = ("/Title", "/Subject", "/Author", "/Keywords")


def _written(note: object) -> Iterator[str]:
    """What somebody wrote into a form's field or a note."""
    if isinstance(note, Mapping):
        yield from (str(note[name]) for name in ("/V", "/Contents") if name in note)


def _joined(said: str) -> str:
    """Where every letter was set by itself, each comes as a line."""
    lines = said.split("\n")
    alone = sum(len(line) <= 2 for line in lines)
    return "".join(lines) if len(lines) > 8 and alone > 0.8 * len(lines) else said


# --- Office Open XML and OpenDocument -------------------------------------------------------------


def of_office(content: bytes) -> Iterator[str]:
    """The words of a document, a workbook or slides.

    Raises:
        Unread: locked, too large unpacked, no such file, or there are only pictures in it.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        members = packed.infolist()
        if len(members) > _MOST_MEMBERS:
            raise Unread(LARGE)
        if any(one.flag_bits & 1 for one in members):
            raise Unread(LOCKED)
        names = [one.filename for one in members]
        if not _KINDS.intersection(names):
            raise Unread(UNKNOWN)
        yield from _read(packed, names)
    if any("/embeddings/" in name or name.startswith("Object ") for name in names):
        raise Unread(WITHIN)


_KINDS = frozenset({"word/document.xml", "xl/workbook.xml", "ppt/presentation.xml", "content.xml"})
_ASIDE = ("theme", "style", "settings", "fontTable", "webSettings", "[Content_Types]", "_rels/")


def _read(packed: zipfile.ZipFile, names: Iterable[str]) -> Iterator[str]:
    budget = _Budget(_UNPACKED)
    wanted = [
        one for one in names if one.endswith(".xml") and not any(word in one for word in _ASIDE)
    ]
    shared: list[str] = []
    if "xl/sharedStrings.xml" in wanted:
        strings = _Strings()
        budget.feed(packed, "xl/sharedStrings.xml", strings)
        shared = strings.told
        wanted.remove("xl/sharedStrings.xml")
        yield "\n".join(shared)  # also what no cell shows
    for name in wanted:
        sheet = name.startswith("xl/worksheets/")
        words: _Cells | _Words = _Cells(shared) if sheet else _Words()
        budget.feed(packed, name, words)
        yield "".join(words.told)


class _Budget:
    """So many bytes are unpacked of one file, however many its directory promises."""

    def __init__(self, left: int) -> None:
        self._left = left

    def feed(self, packed: zipfile.ZipFile, name: str, into: "_Strings | _Cells | _Words") -> None:
        """Parse one member; it may define no entities."""
        depth = 0

        def start(element: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            if depth > _DEEPEST:
                raise Unread(BROKEN)
            into.start(element, attributes)

        def end(element: str) -> None:
            nonlocal depth
            depth -= 1
            into.end(element)

        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = _refuse
        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = into.data
        parser.buffer_text = True
        with packed.open(name) as member:
            while piece := member.read(65_536):
                self._left -= len(piece)
                if self._left < 0:
                    raise Unread(LARGE)
                parser.Parse(piece, False)
        parser.Parse(b"", True)


def _refuse(*_declared: object) -> None:
    raise Unread(BROKEN)


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


_BREAKS = frozenset({"p", "h", "br", "cr", "tr", "line-break", "comment"})
_GAPS = frozenset({"tab", "tc", "table-cell", "s"})


class _Words:
    """All the text of a member; paragraphs are lines."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        if _local(name) in ("tab", "s"):
            self.told.append(" ")

    def end(self, name: str) -> None:
        local = _local(name)
        if local in _BREAKS or local in _GAPS:
            self.told.append("\n" if local in _BREAKS else " ")

    def data(self, said: str) -> None:
        self.told.append(said)


class _Strings:
    """The strings that a workbook's cells refer to, by their number."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._inside = False

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        local = _local(name)
        if local == "si":
            self.told.append("")
        self._inside = local == "t" or (self._inside and local != "si")

    def end(self, name: str) -> None:
        if _local(name) == "t":
            self._inside = False

    def data(self, said: str) -> None:
        if self._inside and self.told:
            self.told[-1] += said


class _Cells:
    """A sheet as lines of cells, so that a number keeps what stands beside it."""

    def __init__(self, shared: list[str]) -> None:
        self.told: list[str] = []
        self._shared = shared
        self._points = False
        self._value = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._value = ""
        if _local(name) == "c":
            self._points = attributes.get("t") == "s"

    def end(self, name: str) -> None:
        local = _local(name)
        if local in ("v", "t"):
            self.told += [self._shown(), "\t"]
        if local == "row":
            self.told.append("\n")
        self._value = ""

    def data(self, said: str) -> None:
        self._value += said

    def _shown(self) -> str:
        if not self._points:
            return self._value
        at = int(self._value) if self._value.isdecimal() else len(self._shared)
        return self._shared[at] if at < len(self._shared) else ""


# --- the program ----------------------------------------------------------------------------------

KINDS: Mapping[str, Callable[[bytes], Iterator[str]]] = {"pdf": of_pdf, "office": of_office}


def words(kind: str, content: bytes) -> tuple[str, int]:
    """What could be read, and whether that is all."""
    said: list[str] = []
    left = LONGEST
    code = WHOLE
    try:
        for piece in KINDS[kind](content):
            said.append(piece[:left])
            left -= len(piece)
            if left <= 0:
                code = LARGE
                break
    except Unread as unread:
        code = unread.code
    except (MemoryError, RecursionError):
        code = LARGE
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not read
        code = BROKEN
    if code == WHOLE and not any(piece.strip() for piece in said):
        code = PICTURE
    return "\n".join(said), code


def main() -> int:
    """Read one file and end."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    said, code = words(sys.argv[1], sys.stdin.buffer.read())
    sys.stdout.buffer.write(said.encode(errors="replace"))
    return code


if __name__ == "__main__":
    sys.exit(main())
