"""What words stand in a document, a workbook or slides of Office Open XML or OpenDocument?"""

import zipfile
from collections.abc import Iterable, Iterator
from xml.parsers import expat

from comms.caged.verdicts import BROKEN, LARGE, LOCKED, MANY, Found, Inner, Unread, seen

_UNPACKED = 25_000_000
_MOST_MEMBERS = 10_000
_DEEPEST = 500
"""Elements within elements; a parser pays for each level."""
_KINDS = frozenset({"word/document.xml", "xl/workbook.xml", "ppt/presentation.xml", "content.xml"})
_ASIDE = ("theme", "style", "settings", "fontTable", "webSettings", "[Content_Types]", "_rels/")
_MOST_WITHIN = 50


def is_office(names: Iterable[str]) -> bool:
    """Whether an archive with these members is a file of an office program."""
    return not _KINDS.isdisjoint(names)


def words(packed: zipfile.ZipFile) -> Iterator[Found]:
    """The words of it, and the files that lie in it.

    Raises:
        Unread: locked, or too large unpacked.
    """
    members = packed.infolist()
    if len(members) > _MOST_MEMBERS:
        raise Unread(LARGE)
    if any(one.flag_bits & 1 for one in members):
        raise Unread(LOCKED)
    names = [one.filename for one in members]
    budget = _Budget(_UNPACKED)
    within = [one for one in names if _is_within(one)]
    for name in within[:_MOST_WITHIN]:
        yield Inner(name, budget.taken(packed, name))
    yield from seen(_read(packed, names, budget))
    if len(within) > _MOST_WITHIN:
        raise Unread(MANY)


def _is_within(name: str) -> bool:
    if name.endswith("/"):
        return False
    return "/embeddings/" in name or (name.startswith("Object ") and "/" not in name)


def _read(packed: zipfile.ZipFile, names: Iterable[str], budget: "_Budget") -> Iterator[Found]:
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
        into: _Cells | _Words = _Cells(shared) if sheet else _Words()
        budget.feed(packed, name, into)
        yield "".join(into.told)


class _Budget:
    """So many bytes are unpacked of one file, however many its directory promises."""

    def __init__(self, left: int) -> None:
        self._left = left

    def taken(self, packed: zipfile.ZipFile, name: str) -> bytes:
        """A member as it is."""
        return b"".join(self._pieces(packed, name))

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
        for piece in self._pieces(packed, name):
            parser.Parse(piece, False)
        parser.Parse(b"", True)

    def _pieces(self, packed: zipfile.ZipFile, name: str) -> Iterator[bytes]:
        with packed.open(name) as member:
            while piece := member.read(65_536):
                self._left -= len(piece)
                if self._left < 0:
                    raise Unread(LARGE)
                yield piece


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
