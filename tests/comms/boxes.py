"""Makes the old kinds of file that no library at hand writes: as small as their readers allow."""

import itertools
import struct
from collections.abc import Mapping

_SECTOR = 512
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def ole(streams: Mapping[str, bytes]) -> bytes:
    """A compound file; a name with one slash lies in a folder."""
    folders = list(dict.fromkeys(name.split("/")[0] for name in streams if "/" in name))
    contents = [one.ljust(4096, b"\0") for one in streams.values()]
    entries = 1 + len(folders) + len(streams)
    directory = -(-entries * 128 // _SECTOR)
    fat = [_FAT, *_chain(1, directory)]
    starts = []
    for one in contents:
        starts.append(len(fat))
        fat += _chain(len(fat), -(-len(one) // _SECTOR))
    assert len(fat) <= 128, "one sector of the table is enough for a test"
    table = struct.pack("<128I", *fat, *[_FREE] * (128 - len(fat)))
    named = _directory(streams, folders, starts, [len(one) for one in contents])
    body = b"".join(one + b"\0" * (-len(one) % _SECTOR) for one in contents)
    return _head() + table + named.ljust(directory * _SECTOR, b"\0") + body


def _chain(start: int, length: int) -> list[int]:
    return [*range(start + 1, start + length), _END]


def _head() -> bytes:
    signature = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 16
    sizes = struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    where = struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, _END, 0, _END, 0)
    return signature + sizes + where + struct.pack("<109I", 0, *[_FREE] * 108)


def _directory(
    streams: Mapping[str, bytes], folders: list[str], starts: list[int], sizes: list[int]
) -> bytes:
    names = [*folders, *streams]
    inside = {folder: [n for n in streams if n.startswith(f"{folder}/")] for folder in folders}
    top = [*folders, *(name for name in streams if "/" not in name)]
    at = {name: 1 + n for n, name in enumerate(names)}
    right: dict[str, int] = {}
    for kin in (top, *inside.values()):
        right |= {one: at[after] for one, after in itertools.pairwise(kin)}
    entries = [_entry("Root Entry", 5, _FREE, at[top[0]], _END, 0)]
    entries += [
        _entry(folder, 1, right.get(folder, _FREE), at[inside[folder][0]], 0, 0)
        for folder in folders
    ]
    for name, start, size in zip(streams, starts, sizes, strict=True):
        last = name.split("/")[-1]
        entries.append(_entry(last, 2, right.get(name, _FREE), _FREE, start, size))
    return b"".join(entries)


def _entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
    told = name.encode("utf-16-le")
    head = told.ljust(64, b"\0") + struct.pack("<HBB", len(told) + 2, kind, 1)
    return head + struct.pack("<III36xIQ", _FREE, right, child, start, size)


def doc(words: str, *, locked: bool = False) -> bytes:
    """A document of Word 97 in two pieces: one of bytes, one of UTF-16."""
    half = len(words) // 2
    one, two = words[:half].encode("cp1252"), words[half:].encode("utf-16-le")
    main = struct.pack("<HH6xH", 0xA5EC, 0x00C1, 0x0200 | (0x0100 if locked else 0))
    pieces = struct.pack("<III", 0, half, len(words))
    pieces += struct.pack("<HIHHIH", 0, 0x40000000 | 2 * 2048, 0, 0, 3072, 0)
    clx = b"\x02" + struct.pack("<I", len(pieces)) + pieces
    main = main.ljust(0x01A2, b"\0") + struct.pack("<II", 0, len(clx))
    main = main.ljust(2048, b"\0") + one
    return ole({"WordDocument": main.ljust(3072, b"\0") + two, "1Table": clx})


def ppt(words: str) -> bytes:
    """Slides: a container with a text of each kind."""
    atoms = _atom(0x0FA0, words.encode("utf-16-le")) + _atom(0x0FA8, b"latin")
    slide = struct.pack("<HHI", 15, 0x03EE, len(atoms)) + atoms
    return ole({"PowerPoint Document": slide})


def _atom(kind: int, content: bytes) -> bytes:
    return struct.pack("<HHI", 0, kind, len(content)) + content


def xls(words: str, number: float) -> bytes:
    """A workbook of Excel 5 with a word and a number."""
    told = words.encode("cp1252")
    bof = struct.pack("<HHHHHH", 0x0809, 8, 0x0500, 0x0005, 0, 0)
    sheet_bof = struct.pack("<HHHHHH", 0x0809, 8, 0x0500, 0x0010, 0, 0)
    end = struct.pack("<HH", 0x000A, 0)
    bound = struct.pack("<HHIHB", 0x0085, 9, len(bof) + 13 + len(end), 0, 2) + b"S1"
    label = struct.pack("<HHHHHH", 0x0204, 8 + len(told), 0, 0, 0, len(told)) + told
    value = struct.pack("<HHHHHd", 0x0203, 14, 0, 1, 0, number)
    return ole({"Book": bof + bound + end + sheet_bof + label + value + end})


def msg(subject: str, body: str, *files: bytes) -> bytes:
    """A mail that Outlook saved."""
    streams = {
        "__properties_version1.0": b"",
        "__substg1.0_0037001F": subject.encode("utf-16-le"),
        "__substg1.0_1000001F": body.encode("utf-16-le"),
    }
    for at, one in enumerate(files):
        streams[f"__attach_version1.0_#{at:08X}/__substg1.0_37010102"] = one
    return ole(streams)


def tnef(subject: str, *files: bytes) -> bytes:
    """What Outlook wraps up as winmail.dat, with a body in MAPI's properties."""
    body = b"see the file\0".ljust(16, b"\0")
    table = struct.pack("<IHHIHHII", 2, 3, 0x3FDE, 1252, 0x1E, 0x1000, 1, 13) + body
    told = _attribute(0x18004, subject.encode() + b"\0") + _attribute(0x69003, table)
    return b"\x78\x9f\x3e\x22\x01\x00" + told + b"".join(_attribute(0x6800F, f) for f in files)


def _attribute(identity: int, value: bytes) -> bytes:
    check = struct.pack("<H", sum(value) & 0xFFFF)
    return struct.pack("<BII", 1, identity, len(value)) + value + check
