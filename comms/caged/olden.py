"""What words stand in the files of older office programs: .doc, .xls, .ppt and RTF?

[MS-DOC] and [MS-PPT] say where; workbooks are read by xlrd and RTF by striprtf.
"""

import io
import re
import struct
from collections.abc import Iterator

import olefile
import xlrd
from olefile import OleFileIO
from striprtf.striprtf import rtf_to_text

from comms.caged import outlook
from comms.caged.verdicts import BROKEN, LARGE, LOCKED, UNKNOWN, WITHIN, Found, Inner, Unread

_LARGEST_STREAM = 30_000_000
_CODES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def of_ole(content: bytes) -> Iterator[Found]:
    """The words of whatever old file it is, by the streams that it has.

    Raises:
        Unread: locked, or of a kind that is not known here.
    """
    with OleFileIO(io.BytesIO(content), raise_defects=olefile.DEFECT_FATAL) as file:
        if any(map(file.exists, _LOCKS)):
            raise Unread(LOCKED)
        if file.exists("WordDocument"):
            yield from _of_doc(file)
        elif file.exists("Workbook") or file.exists("Book"):
            yield from _of_xls(content)
        elif file.exists("PowerPoint Document"):
            yield from _of_ppt(_stream(file, "PowerPoint Document"))
        elif file.exists("__properties_version1.0"):
            yield from outlook.of_msg(file)
        else:
            yield from _of_object(file)
        yield from _within(file)


_LOCKS = ("EncryptedPackage", "EncryptedSummary", "EncryptedSummaryInformation")
_HOLDS = ("ObjectPool", "MBD")
"""Where a document or a workbook keeps the files that were put into it."""


def _within(file: OleFileIO) -> Iterator[Inner]:
    if any(path[0].startswith(_HOLDS) for path in file.listdir(streams=False, storages=True)):
        yield Inner("", unread=WITHIN)


def _stream(file: OleFileIO, name: str) -> bytes:
    if file.get_size(name) > _LARGEST_STREAM:
        raise Unread(LARGE)
    told: bytes = file.openstream(name).read()
    return told


def _of_object(file: OleFileIO) -> Iterator[Found]:
    """A file that an office program put into one of its own."""
    for name in ("Package", "CONTENTS", "\x01Ole10Native"):
        if file.exists(name):
            whole = _stream(file, name)
            starts = [whole.find(one) for one in _SIGNS]
            first = min((one for one in starts if one >= 0), default=-1)
            yield Inner("", whole[first:]) if first >= 0 else Inner("", unread=UNKNOWN)
            return
    raise Unread(UNKNOWN)


_SIGNS = (b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"{\\rtf")


# --- Word -----------------------------------------------------------------------------------------

_WORD = 0xA5EC
_WORD_97 = 0x00C1
_ENCRYPTED, _TABLE_1 = 0x0100, 0x0200


def _of_doc(file: OleFileIO) -> Iterator[str]:
    """All text of it, with notes, headers and boxes: they stand in one row of pieces."""
    main = _stream(file, "WordDocument")
    magic, version = struct.unpack_from("<HH", main)
    (flags,) = struct.unpack_from("<H", main, 0x0A)
    if magic != _WORD or version < _WORD_97:
        raise Unread(UNKNOWN)
    if flags & _ENCRYPTED:
        raise Unread(LOCKED)
    table = _stream(file, "1Table" if flags & _TABLE_1 else "0Table")
    start, length = struct.unpack_from("<II", main, 0x01A2)
    for piece in _pieces(table[start : start + length]):
        yield _CODES.sub(" ", _piece(main, *piece).replace("\r", "\n").replace("\x07", "\t"))


def _pieces(pointers: bytes) -> Iterator[tuple[int, int]]:
    """Where each piece of text stands, and how many signs it has."""
    at = 0
    while pointers[at : at + 1] == b"\x01":
        at += 3 + struct.unpack_from("<H", pointers, at + 1)[0]
    if pointers[at : at + 1] != b"\x02":
        raise Unread(BROKEN)
    count = (struct.unpack_from("<I", pointers, at + 1)[0] - 4) // 12
    at += 5
    ends = struct.unpack_from(f"<{count + 1}I", pointers, at)
    for n in range(count):
        (where,) = struct.unpack_from("<I", pointers, at + 4 * (count + 1) + 8 * n + 2)
        yield where, max(0, ends[n + 1] - ends[n])


def _piece(main: bytes, where: int, signs: int) -> str:
    if where & 0x40000000:
        start = (where & 0x3FFFFFFF) // 2
        return main[start : start + signs].decode("cp1252", "replace")
    return main[where : where + 2 * signs].decode("utf-16-le", "replace")


# --- Excel ----------------------------------------------------------------------------------------


def _of_xls(content: bytes) -> Iterator[str]:
    """Every sheet as lines of cells, also those that are hidden, with the notes on cells."""
    try:
        book = xlrd.open_workbook(file_contents=content, logfile=io.StringIO())
    except xlrd.XLRDError as error:
        raise Unread(LOCKED if "ncrypted" in str(error) else BROKEN) from error
    for sheet in book.sheets():
        yield sheet.name
        for row in range(sheet.nrows):
            yield "\t".join(map(_cell, sheet.row(row)))
        yield from (str(note.text) for note in sheet.cell_note_map.values())


def _cell(cell: xlrd.sheet.Cell) -> str:
    value = cell.value
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


# --- PowerPoint -----------------------------------------------------------------------------------

_UNICODE, _LATIN, _STRING, _CRYPT = 0x0FA0, 0x0FA8, 0x0FBA, 0x2F14


def _of_ppt(stream: bytes) -> Iterator[str]:
    at = 0
    while at + 8 <= len(stream):
        version, kind, length = struct.unpack_from("<HHI", stream, at)
        at += 8
        if kind == _CRYPT:
            raise Unread(LOCKED)
        if version & 15 == 15:
            continue  # it holds others, which come next
        if kind in (_UNICODE, _STRING):
            yield stream[at : at + length].decode("utf-16-le", "replace").replace("\r", "\n")
        elif kind == _LATIN:
            yield stream[at : at + length].decode("latin-1").replace("\r", "\n")
        at += length


# --- RTF ------------------------------------------------------------------------------------------

_ASIDE = re.compile(
    r"(?:\\\*\s{0,4})?\\(?:header[lrf]?|footer[lrf]?|footnote|annotation|shptxt|shpinst|shp|sp|sv"
    r"|result|fldinst|info|title|subject|keywords|comment|doccomm|txe|htmltag|private|upr|ud"
    r"|formfield|ffdeftext|ffhelptext|ffstattext)(?:-?\d{1,10})?(?![a-z0-9])"
)
"""Parts that the library leaves out, and in which people write."""


def of_rtf(content: bytes) -> Iterator[Found]:
    """Its words, also those in heads, feet, notes and boxes."""
    told = content.decode("latin-1")
    said: str = rtf_to_text(_ASIDE.sub(r"\\par ", told), errors="replace")  # type: ignore[no-untyped-call]
    yield said
    if "\\objdata" in told:
        yield Inner("", unread=WITHIN)
