"""What is in each part of a mail? Bounded before Python's parser sees it, decoded with limits.

`email.policy.default` needs gigabytes for a long subject of encoded words, and nested parts end its
recursion. So the limits come first, then `compat32`, which decodes nothing by itself; then each
piece is decoded with a limit of its own.
"""

import codecs
import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message

from comms.channels.mail_text import LONGEST_HTML, from_html, unflowed

LARGEST = 30_000_000
_LARGEST_HEADERS = 256_000
_MOST_HEADERS = 1_000
_MOST_CONTAINERS = 30
_MOST_DASHED_LINES = 20_000
_MOST_PARTS = 500
_MOST_LINES = 1_000_000
LONGEST_TEXT = 200_000

_CONTAINER = re.compile(rb"content-type:[ \t\r\n]{0,100}(?:multipart|message)/", re.IGNORECASE)
_CONTENT_FIELD = re.compile(
    rb"^content-(?:type|disposition)[ \t]*:[^\r\n]*(?:\r?[\n\r][ \t][^\r\n]*)*",
    re.IGNORECASE | re.MULTILINE,
)
_LONGEST_CONTENT_FIELD = 8_000
_BODY_STARTS = re.compile(rb"\r?\n\r?\n|\r\r")
_TEXT_CODECS = re.compile(
    r"(?:utf|iso8859|iso2022|cp|koi8|gb|hz|big5|euc|shift|johab|ascii|mac|tis)[\w-]*"
)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ONE_LINE = re.compile("[\x00-\x1f\x7f]+")
_TURNED = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""Signs that nobody sees, and that make ``exe`` look like the end of ``fdp.exe``."""
_ENCODED_WORD = re.compile(r"=\?[\w*-]{1,40}\?[bq]\?[^?]{0,2000}\?=", re.IGNORECASE)


class Unreadable(ValueError):
    """The mail is refused; the sentence says why, and never repeats what is in it."""


def parsed(raw: bytes) -> Message:
    """The parts of a mail.

    Raises:
        Unreadable: it is beyond our limits.
    """
    _refuse_excess(raw)
    return _well_formed(raw)


def _refuse_excess(raw: bytes) -> None:
    """Bound everything that the parser's time, memory or recursion grows with."""
    if len(raw) > LARGEST:
        raise Unreadable("The mail is larger than 30 MB; ask the sender for a smaller one.")
    start = _BODY_STARTS.search(raw, 0, _LARGEST_HEADERS + 4)
    head = raw[: start.start()] if start else raw
    if len(head) > _LARGEST_HEADERS or max(head.count(b"\n"), head.count(b"\r")) > _MOST_HEADERS:
        raise Unreadable("The mail's header is larger than any real one; it is set aside.")
    lines = max(raw.count(b"\n"), raw.count(b"\r"))
    containers = sum(1 for _ in _CONTAINER.finditer(raw))
    dashed = raw.count(b"\n--") + raw.count(b"\r--")
    if containers > _MOST_CONTAINERS or (containers and dashed > _MOST_DASHED_LINES):
        raise Unreadable("The mail is nested deeper than any real one; it is set aside.")
    if any(len(one[0]) > _LONGEST_CONTENT_FIELD for one in _CONTENT_FIELD.finditer(raw)):
        raise Unreadable("A part of the mail is described at greater length than any real one.")
    if lines > _MOST_LINES:
        raise Unreadable("The mail has more than a million lines; ask the sender for a file.")


def _well_formed(raw: bytes) -> Message:
    try:
        mail = message_from_bytes(raw, policy=policy.compat32)
        parts = sum(1 for _ in mail.walk())
    except (RecursionError, MessageError, ValueError, LookupError, AssertionError) as error:
        raise Unreadable("The mail is not well formed; it is set aside.") from error
    if parts > _MOST_PARTS:
        raise Unreadable("The mail has more than 500 parts; it is set aside.")
    return mail


def leaves(part: Message) -> Iterator[Message]:
    """The leaves, without those of a mail that is attached to this one."""
    pending = [part]
    while pending:
        current = pending.pop(0)
        if current.get_content_maintype() == "message":
            continue
        if current.is_multipart():
            children = current.get_payload()
            pending[:0] = [child for child in children if isinstance(child, Message)]
        else:
            yield current


def is_attached(part: Message) -> bool:
    """Whether its sender calls it a file."""
    return field(part, "Content-Disposition").strip().lower().startswith("attachment")


def text(part: Message, longest: int = LONGEST_TEXT) -> str:
    """The words of a text part, without its wrapping."""
    octets, most = payload(part), 4 * longest
    said = unicode(octets[:most], param(part, "charset"), whole=len(octets) < most)[:longest]
    said = clean(said.replace("\r\n", "\n").replace("\r", "\n"))
    if part.get_content_type() == "text/html" and len(said) <= LONGEST_HTML:
        return from_html(said)
    if param(part, "format").lower() == "flowed":
        return unflowed(said, delete_space=param(part, "delsp").lower() == "yes")
    return said


def payload(part: Message) -> bytes:
    """Its bytes, decoded as far as they can be."""
    try:
        decoded = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError, TypeError):
        decoded = None
    return decoded if isinstance(decoded, bytes) else b""


def unicode(octets: bytes, charset: str, *, whole: bool = True) -> str:
    """Decode as declared where the octets agree, else guess; never fail."""
    for name in (charset, "utf-8"):
        try:
            codec = codecs.lookup(name)
            if _TEXT_CODECS.fullmatch(codec.name):
                return codec.incrementaldecoder().decode(octets, whole)
        except (LookupError, ValueError, TypeError):
            continue
    return octets.decode("cp1252", errors="replace")


def param(part: Message, name: str) -> str:
    """A parameter of its content type."""
    try:
        value = part.get_param(name, "")
    except (ValueError, TypeError, IndexError, AttributeError):
        return ""
    return value[:60].strip() if isinstance(value, str) else ""


def filename(part: Message) -> str:
    """What its sender calls it, without folders."""
    try:
        name = part.get_filename("")
    except (ValueError, TypeError, LookupError, IndexError, AttributeError):
        name = "unnamed"
    base = re.split(r"[/\\]", str(name)[:2_000])[-1]
    return _TURNED.sub("", decoded(base, 200))


def field(part: Message, name: str) -> str:
    """The first value of a field, undecoded."""
    values = every(part, name)
    return values[0] if values else ""


def every(part: Message, name: str) -> list[str]:
    """Every value of a field, undecoded and on one line; raw 8-bit octets are read as UTF-8."""
    values = [value for key, value in part.raw_items() if key.lower() == name.lower()]
    return [_ONE_LINE.sub(" ", _octets_shown(str(value))) for value in values[:20]]


def _octets_shown(value: str) -> str:
    """The parser keeps 8-bit octets of a header as surrogates."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def line(mail: Message, name: str, longest: int) -> str:
    """The first value of a field, as people read it."""
    return decoded(field(mail, name), longest)


def decoded(value: str, longest: int) -> str:
    """Encoded words as text, on one line; the work is bounded before it starts."""
    short = value[: 4 * longest]
    if "=?" not in short:
        return " ".join(clean(short).split())[:longest]
    try:
        pieces = decode_header(short)
    except (MessageError, ValueError, LookupError):
        pieces = [(_ENCODED_WORD.sub("", short), None)]
    said = "".join(
        piece if isinstance(piece, str) else unicode(piece, charset or "ascii")
        for piece, charset in pieces
    )
    return " ".join(clean(said).split())[:longest]


def clean(text: str) -> str:
    """Without what no database or terminal should see."""
    return _CONTROLS.sub("", text)
