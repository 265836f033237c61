"""Are these bytes text, and if not, how are words packed in them? The name is never believed."""

import base64
import codecs
import json
import quopri
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
                 (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
_UNWRITTEN: Final = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\ufffd]")
_PDF: Final = re.compile(rb"%PDF-\d")
_STARTS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"PK\x07\x08", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"), (b"\x78\x9f\x3e\x22", "tnef"),
    (b"\x1f\x8b", "gzip"), (b"\x89PNG", "picture"), (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"), (b"II*\x00", "picture"), (b"MM\x00*", "picture"),
)  # fmt: skip
_RTF: Final = re.compile(rb"\s{0,20}\{\\rtf")
_FIELD: Final = re.compile(rb"[\r\n]{0,4}[!-9;-~]{1,60}:[ \t]")
_MIME: Final = re.compile(
    rb"^content-(?:type|transfer-encoding)[ \t]{0,9}:", re.IGNORECASE | re.MULTILINE
)
_FOLDED: Final = re.compile(r"\r?\n[ \t]")
_CALENDAR: Final = re.compile(r"\s{0,20}BEGIN:V(?:CALENDAR|CARD)\b", re.IGNORECASE)
_WRAPPED: Final = re.compile(
    r"(;ENCODING=(?:(QUOTED-PRINTABLE)|B|BASE64)\b[^:\r\n]{0,200}:)"
    r"([^\r\n]*(?:(?<==)\r?\n[^\r\n]*)*)",
    re.IGNORECASE,
)
"""A value of an address card that is written as bytes (vCard 2.1 and 3.0)."""
_LONGEST_DATA: Final = 2_000_000


def packed(content: bytes) -> str:
    """How words are packed in these bytes; empty where they are not, or in no way that we know."""
    for start, kind in _STARTS:
        if content.startswith(start):
            return kind
    if _RTF.match(content):
        return "rtf"
    if content[257:262] == b"ustar":
        return "tar"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "picture"
    if content[4:8] == b"ftyp":
        return "picture"
    return "pdf" if _PDF.search(content[:1024]) else ""


def mail(content: bytes) -> bool:
    """Whether it is a mail as it travels, whatever it is called."""
    return bool(_FIELD.match(content)) and bool(_MIME.search(content[:200_000]))


def text(content: bytes) -> str | None:
    """The text that these bytes are; None where they are no text."""
    for name in _encodings(content):
        try:
            said = content.decode(name)
        except UnicodeDecodeError:
            continue
        strange = len(_UNWRITTEN.findall(said[:20_000]))
        return unwrapped(said) if strange * 200 <= len(said[:20_000]) else None
    return None


def _encodings(content: bytes) -> Iterator[str]:
    yield from (name for mark, name in _MARKS if content.startswith(mark))
    yield "utf-8"
    if b"\x00" not in content[:20_000]:
        yield "cp1252"


def unwrapped(said: str) -> str:
    """Without what a form of text does to words: folded lines of calendars, escapes of JSON."""
    if _CALENDAR.match(said):
        plain = _WRAPPED.sub(_written, _FOLDED.sub("", said)).replace("\\n", "\n")
        return plain.replace("\\,", ",").replace("\\;", ";")
    if said.lstrip("\ufeff \t\r\n")[:1] in ("{", "[") and "\\" in said[:_LONGEST_DATA]:
        return said + _unescaped(said)
    return said


def _written(found: re.Match[str]) -> str:
    """The words of such a value; as it came where it is a picture."""
    value = found[3].encode()
    try:
        said = quopri.decodestring(value) if found[2] else base64.b64decode(value)
        return f"{found[1]}{said.decode()}"
    except ValueError:
        return found[0]


def _unescaped(said: str) -> str:
    """The words of JSON whose signs are written as escapes; nothing where it is none."""
    if len(said) > _LONGEST_DATA:
        return ""
    try:
        return "\n" + "\n".join(_leaves(json.loads(said)))
    except (ValueError, RecursionError):
        return ""


def _leaves(data: Any) -> Iterator[str]:
    """Every name and value, in no promised order; no recursion, for depth is cheap."""
    waiting = [data]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            for key, value in one.items():
                nested = isinstance(value, Mapping | list)
                yield str(key) if nested else f"{key}: {value}"
                waiting += [value] if nested else []
        elif isinstance(one, list):
            waiting += reversed(one)
        else:
            yield str(one)
