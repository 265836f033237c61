"""What stands in a mail that Outlook kept as a file (.msg) or wrapped up (winmail.dat)?

[MS-OXMSG], [MS-OXTNEF] and [MS-OXRTFCP] say how. No library that is kept up reads them under a
licence that we may pass on.
"""

import re
import struct
from collections.abc import Iterator

from olefile import OleFileIO

from comms.caged import plain
from comms.caged.verdicts import BROKEN, LARGE, LARGEST, UNKNOWN, Found, Inner, Unread

_WORDS = {
    0x0037: "Subject", 0x1000: "", 0x1013: "", 0x0C1A: "From", 0x0C1F: "From", 0x0E02: "Bcc",
    0x0E03: "Cc", 0x0E04: "To", 0x3001: "", 0x3703: "", 0x3704: "", 0x3707: "",
}  # fmt: skip
"""Properties that somebody reads, by their number: body, subject, names of files."""
_RTF = 0x1009
_DATA = 0x3701
_STRING, _UNICODE, _BINARY, _OBJECT = 0x1E, 0x1F, 0x102, 0x0D
_PROPERTY = re.compile(r"__substg1\.0_([0-9A-F]{4})([0-9A-F]{4})", re.IGNORECASE)


def of_msg(file: OleFileIO) -> Iterator[Found]:
    """The words and the files of a .msg, and of whatever messages lie in it."""
    for path in file.listdir():
        named = _PROPERTY.fullmatch(path[-1])
        if named is None or path[0].startswith("__nameid"):
            continue
        number, kind = int(named[1], 16), int(named[2], 16)
        if number in _WORDS or number in (_RTF, _DATA):
            if file.get_size(path) > LARGEST:
                yield Inner("", unread=LARGE)
            else:
                yield from _property(number, kind, file.openstream(path).read())


def _property(number: int, kind: int, value: bytes) -> Iterator[Found]:
    if number in _WORDS:
        yield f"{_WORDS[number]} {_string(kind, value)}".strip()
    elif number == _RTF:
        yield _unpressed(value)
    elif number == _DATA and kind == _BINARY:
        yield Inner("", value)


def _unpressed(value: bytes) -> Inner:
    try:
        return Inner("", unpressed(value))
    except Unread as unread:
        return Inner("", unread=unread.why)


def _string(kind: int, value: bytes) -> str:
    if kind == _UNICODE:
        return value.decode("utf-16-le", "replace").rstrip("\0")
    return (plain.text(value.rstrip(b"\0")) or value.decode("cp1252", "replace")).rstrip("\0")


# --- winmail.dat ----------------------------------------------------------------------------------

_SUBJECT, _BODY, _TITLE, _FILE = 0x18004, 0x2800C, 0x18010, 0x6800F
_PROPERTIES = (0x69003, 0x69005)


def of_tnef(content: bytes) -> Iterator[Found]:
    """The words and the files of a letter that Outlook wrapped up.

    Raises:
        Unread: it ends in the middle.
    """
    at = 6
    while at + 9 <= len(content):
        identity, length = struct.unpack_from("<II", content, at + 1)
        value = content[at + 9 : at + 9 + length]
        if len(value) < length:
            raise Unread(BROKEN)
        at += 9 + length + 2
        if identity in (_SUBJECT, _BODY, _TITLE):
            yield _string(_STRING, value)
        elif identity == _FILE:
            yield Inner("", value)
        elif identity in _PROPERTIES:
            yield from _properties(value)


_FIXED = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}


def _properties(table: bytes) -> Iterator[Found]:
    """What stands in a list of MAPI's properties."""
    (count,), at = struct.unpack_from("<I", table), 4
    for _ in range(count):
        kind, number = struct.unpack_from("<HH", table, at)
        at += 4
        if number >= 0x8000:
            at = _after_name(table, at)
        values, at = _values(table, at, kind)
        for value in values:
            if number == _DATA and kind == _OBJECT:
                yield Inner("", value[16:])  # after the name of its interface
            else:
                yield from _property(number, kind & 0xFFF, value)


def _after_name(table: bytes, at: int) -> int:
    (named,) = struct.unpack_from("<I", table, at + 16)
    (length,) = struct.unpack_from("<I", table, at + 20)
    return at + 24 + (_padded(length) if named else 0)


def _values(table: bytes, at: int, kind: int) -> tuple[list[bytes], int]:
    many, base = bool(kind & 0x1000), kind & 0xFFF
    sized = base in (_STRING, _UNICODE, _BINARY, _OBJECT)
    count = 1
    if many or sized:
        (count,) = struct.unpack_from("<I", table, at)
        at += 4
    if not sized:
        if base not in _FIXED:
            raise Unread(UNKNOWN)
        return [], at + count * _FIXED[base]
    values = []
    for _ in range(count):
        (length,) = struct.unpack_from("<I", table, at)
        values.append(table[at + 4 : at + 4 + length])
        at += 4 + _padded(length)
    return values, at


def _padded(length: int) -> int:
    return length + -length % 4


# --- pressed RTF ----------------------------------------------------------------------------------

_PRESSED, _PLAIN = b"LZFu", b"MELA"
_WINDOW = 4096
_BEFORE = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript "
    rb"\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
"""What a window of 4,096 bytes holds before the first."""


def unpressed(value: bytes) -> bytes:
    """RTF as it was before Outlook pressed it.

    Raises:
        Unread: it is pressed in a way that nobody has described, or unpacks to too much.
    """
    if value[8:12] == _PLAIN:
        return value[16:]
    if value[8:12] != _PRESSED:
        raise Unread(UNKNOWN)
    return _replayed(value)


def _replayed(value: bytes) -> bytes:
    """Each piece is a sign, or points to signs in the window of the last 4,096."""
    window = bytearray(_BEFORE.ljust(_WINDOW, b"\0"))
    put, at, told = len(_BEFORE), 16, bytearray()
    while at < len(value):
        flags, at = value[at], at + 1
        for bit in range(8):
            if not flags >> bit & 1:
                where, length, piece = -1, 1, value[at : at + 1]
                at += 1
            else:
                pointer = int.from_bytes(value[at : at + 2].ljust(2, b"\0"), "big")
                where, length, piece = pointer >> 4, (pointer & 15) + 2, b""
                at += 2
            if at > len(value) or where == put % _WINDOW:
                return bytes(told)
            for step in range(length):
                sign = window[(where + step) % _WINDOW] if where >= 0 else piece[0]
                window[put % _WINDOW] = sign
                put += 1
                told.append(sign)
        if len(told) > LARGEST:
            raise Unread(LARGE)
    return bytes(told)
