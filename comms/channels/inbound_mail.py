"""What did this mail say? Reads raw MIME that anybody may have sent.

Everything is bounded before Python's parser sees it: `email.policy.default` needs gigabytes for a
long subject of encoded words, and nested parts end its recursion. So the limits come first, then
`compat32`, which decodes nothing by itself; then each piece is decoded with a limit of its own.
"""

import codecs
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime

from comms import mailbox
from comms.channels import mail_origin
from comms.channels.mail_text import from_html, unflowed
from comms.facts import InboundMessage
from comms.visible import visible_text

_MEGABYTE = 1_000_000
LARGEST = 30 * _MEGABYTE
_LARGEST_HEADERS = 256_000
_MOST_HEADERS = 1_000
_MOST_CONTAINERS = 30
_MOST_DASHED_LINES = 20_000
_MOST_PARTS = 500
_MOST_LINES = 1_000_000
_LONGEST_SUBJECT = 998
_LONGEST_TEXT = 200_000
_MOST_OCTETS = 4 * _LONGEST_TEXT
_MOST_REFERENCES = 50

_CONTAINER = re.compile(rb"content-type:[ \t\r\n]{0,100}(?:multipart|message)/", re.IGNORECASE)
_CONTENT_FIELD = re.compile(
    rb"^content-(?:type|disposition)[ \t]*:[^\r\n]*(?:\r?[\n\r][ \t][^\r\n]*)*",
    re.IGNORECASE | re.MULTILINE,
)
_LONGEST_CONTENT_FIELD = 8_000
_BODY_STARTS = re.compile(rb"\r?\n\r?\n|\r\r")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")
_TEXT_CODECS = re.compile(
    r"(?:utf|iso8859|iso2022|cp|koi8|gb|hz|big5|euc|shift|johab|ascii|mac|tis)[\w-]*"
)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ONE_LINE = re.compile("[\x00-\x1f\x7f]+")
_ENCODED_WORD = re.compile(r"=\?[\w*-]{1,40}\?[bq]\?[^?]{0,2000}\?=", re.IGNORECASE)


class Unreadable(ValueError):
    """The mail is refused; the sentence says why, and never repeats what is in it."""


def read(raw: bytes, *, our_host: str = "") -> InboundMessage:
    """The facts of one mail.

    Args:
        raw: the mail as it came over the wire.
        our_host: the authserv-id of our own mail exchanger; other hosts' verdicts are ignored.

    Raises:
        Unreadable: it is beyond our limits, or names no single sender.
    """
    _refuse_excess(raw)
    mail = _parsed(raw)
    sender_name, sender = _sender(mail)
    body = _body(mail)
    subject = _line(mail, "Subject", _LONGEST_SUBJECT)
    return InboundMessage(
        channel="email",
        external_id=_first_id(mail) or f"sha256:{hashlib.sha256(raw).hexdigest()}",
        sender=sender,
        sender_name=sender_name,
        recipient=_recipient(mail),
        body=body,
        visible=visible_text(body),
        subject=subject,
        in_reply_to=_references(mail),
        automatic=mail_origin.is_automatic(lambda name: _raw(mail, name), subject),
        authenticated=mail_origin.authenticated(
            _all(mail, "Authentication-Results"), our_host, sender
        ),
        media=_attachments(mail),
        occurred_at=_date(mail),
    )


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
    if any(len(field[0]) > _LONGEST_CONTENT_FIELD for field in _CONTENT_FIELD.finditer(raw)):
        raise Unreadable("A part of the mail is described at greater length than any real one.")
    if lines > _MOST_LINES:
        raise Unreadable("The mail has more than a million lines; ask the sender for a file.")


def _parsed(raw: bytes) -> Message:
    try:
        mail = message_from_bytes(raw, policy=policy.compat32)
        parts = sum(1 for _ in mail.walk())
    except (RecursionError, MessageError, ValueError, LookupError, AssertionError) as error:
        raise Unreadable("The mail is not well formed; it is set aside.") from error
    if parts > _MOST_PARTS:
        raise Unreadable("The mail has more than 500 parts; it is set aside.")
    return mail


def _sender(mail: Message) -> tuple[str, str]:
    found = mailbox.named(_raw(mail, "From"))
    if len(found) != 1:
        raise Unreadable("The mail names no single sender; nobody can be answered.")
    name, address = found[0]
    return _decoded(name, 200), address.lower()


def _recipient(mail: Message) -> str:
    """The address of ours that it was sent to; one that carries a reply token wins."""
    names = ("X-Original-To", "Delivered-To", "To", "Cc")
    found = [address for name in names for _, address in mailbox.named(_raw(mail, name))]
    tokens = [address for address in found if "+r-" in address]
    return next(iter(tokens or found), "")


def _first_id(mail: Message) -> str:
    found = _MESSAGE_ID.search(_raw(mail, "Message-ID")[:2_000])
    return _clean(found[0]) if found else ""


def _references(mail: Message) -> tuple[str, ...]:
    """Message-IDs, the nearest first: In-Reply-To, then References from its end."""
    answered = _MESSAGE_ID.findall(_raw(mail, "In-Reply-To")[:8_000])
    earlier = _MESSAGE_ID.findall(_raw(mail, "References")[-32_000:])
    nearest_first = dict.fromkeys(_clean(found) for found in [*answered, *reversed(earlier)])
    return tuple(nearest_first)[:_MOST_REFERENCES]


def _date(mail: Message) -> datetime | None:
    """The sender's own clock, for information only."""
    try:
        written = parsedate_to_datetime(_raw(mail, "Date")[:200])
        return written.replace(tzinfo=written.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _body(mail: Message) -> str:
    inline = [part for part in _own_parts(mail) if not _is_attached(part)]
    for kind in ("text/plain", "text/html"):
        texts = [_text(part) for part in inline if part.get_content_type() == kind]
        said = "\n\n".join(text for text in texts if text.strip())
        if said:
            return said[:_LONGEST_TEXT]
    return ""


def _own_parts(part: Message) -> Iterator[Message]:
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


def _is_attached(part: Message) -> bool:
    return _raw(part, "Content-Disposition").strip().lower().startswith("attachment")


def _text(part: Message) -> str:
    text = _unicode(_payload(part)[:_MOST_OCTETS], _param(part, "charset"))[:_LONGEST_TEXT]
    text = _clean(text.replace("\r\n", "\n").replace("\r", "\n"))
    if part.get_content_type() == "text/html":
        return from_html(text)
    if _param(part, "format").lower() == "flowed":
        return unflowed(text, delete_space=_param(part, "delsp").lower() == "yes")
    return text


def _payload(part: Message) -> bytes:
    try:
        decoded = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError, TypeError):
        decoded = None
    return decoded if isinstance(decoded, bytes) else b""


def _unicode(octets: bytes, charset: str) -> str:
    """Decode as declared where the octets agree, else guess; never fail."""
    whole = len(octets) < _MOST_OCTETS
    for name in (charset, "utf-8"):
        try:
            codec = codecs.lookup(name)
            if _TEXT_CODECS.fullmatch(codec.name):
                return codec.incrementaldecoder().decode(octets, whole)
        except (LookupError, ValueError, TypeError):
            continue
    return octets.decode("cp1252", errors="replace")


def _param(part: Message, name: str) -> str:
    try:
        value = part.get_param(name, "")
    except (ValueError, TypeError, IndexError, AttributeError):
        return ""
    return value[:60].strip() if isinstance(value, str) else ""


def _attachments(mail: Message) -> tuple[str, ...]:
    names = (_filename(part) for part in mail.walk())
    return tuple(name for name in names if name)[:100]


def _filename(part: Message) -> str:
    try:
        name = part.get_filename("")
    except (ValueError, TypeError, LookupError, IndexError, AttributeError):
        name = "unnamed"
    base = re.split(r"[/\\]", str(name)[:2_000])[-1]
    return _decoded(base, 200)


def _raw(part: Message, name: str) -> str:
    values = _all(part, name)
    return values[0] if values else ""


def _all(part: Message, name: str) -> list[str]:
    """Every value of a field, undecoded and on one line; raw 8-bit octets are read as UTF-8."""
    values = [value for key, value in part.raw_items() if key.lower() == name.lower()]
    return [_ONE_LINE.sub(" ", _octets_shown(str(value))) for value in values[:20]]


def _octets_shown(value: str) -> str:
    """The parser keeps 8-bit octets of a header as surrogates."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _line(mail: Message, name: str, longest: int) -> str:
    return _decoded(_raw(mail, name), longest)


def _decoded(value: str, longest: int) -> str:
    """Encoded words as text, on one line; the work is bounded before it starts."""
    short = value[: 4 * longest]
    if "=?" not in short:
        return " ".join(_clean(short).split())[:longest]
    try:
        pieces = decode_header(short)
    except (MessageError, ValueError, LookupError):
        pieces = [(_ENCODED_WORD.sub("", short), None)]
    said = "".join(
        piece if isinstance(piece, str) else _unicode(piece, charset or "ascii")
        for piece, charset in pieces
    )
    return " ".join(_clean(said).split())[:longest]


def _clean(text: str) -> str:
    """Without what no database or terminal should see."""
    return _CONTROLS.sub("", text)
