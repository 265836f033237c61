"""What stands on the pages of a PDF file that reportlab made, read back out of its bytes."""

import base64
import re
import zlib

_OBJECT = re.compile(rb"(\d+) 0 obj\s(.*?)\sendobj", re.DOTALL)
_STREAM = re.compile(rb"stream\r?\n(.*?)endstream", re.DOTALL)
_SHOWN = re.compile(rb"/(F\d+(?:\+\d+)?) [\d.]+ Tf|\(((?:\\.|[^\\()])*)\) Tj", re.DOTALL)
_ESCAPED = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_ENDS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pages(pdf: bytes) -> list[str]:
    """The words of each page, in the order in which they are drawn, a line for each piece."""
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    fonts = _fonts(objects)
    order = [body for body in objects.values() if re.search(rb"/Type /Page\b", body)]
    return [_words(_stream(objects[_reference(body, b"Contents")]), fonts) for body in order]


def _reference(body: bytes, name: bytes) -> int:
    found = re.search(rb"/" + name + rb" (\d+) 0 R", body)
    assert found is not None
    return int(found[1])


def _stream(body: bytes) -> bytes:
    found = _STREAM.search(body)
    assert found is not None
    content = found[1]
    if b"ASCII85Decode" in body:
        content = base64.a85decode(content.strip().removesuffix(b"~>"))
    return zlib.decompress(content) if b"FlateDecode" in body else content


def _fonts(objects: dict[int, bytes]) -> dict[bytes, list[str]]:
    """By the name of each font: the letter that each code draws."""
    found: dict[bytes, list[str]] = {}
    for body in objects.values():
        name = re.search(rb"/Name /(F\d+\+\d+)", body)
        if name is not None and b"/ToUnicode" in body:
            table = _stream(objects[_reference(body, b"ToUnicode")])
            letters = re.findall(rb"<[0-9A-F]{2}> <([0-9A-F]{4,8})>", table)
            found[name[1]] = [bytes.fromhex(one.decode()).decode("utf-16-be") for one in letters]
    return found


def _words(content: bytes, fonts: dict[bytes, list[str]]) -> str:
    said: list[str] = []
    letters: list[str] | None = None
    for font, shown in _SHOWN.findall(content):
        if font:
            letters = fonts.get(font)
        else:
            codes = _ESCAPED.sub(_plain, shown)
            said.append("".join(letters[code] if letters else chr(code) for code in codes))
    return "\n".join(said)


def _plain(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([int(code, 8)]) if code.isdigit() else _ENDS.get(code, code)
