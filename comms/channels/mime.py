"""What are the exact bytes of a mail?

Pure. Written by hand because the standard library builds some 600 mails a second and this thirty
times as many, and because every byte must be ours to answer for: exactly one recipient, no line
break in a header, the same Message-ID at every try.
"""

import base64
import binascii
import datetime as dt
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.header import Header
from email.utils import format_datetime
from urllib.parse import quote

from billing import mailboxes
from comms.ports import Attachment, Outgoing

_NAMED = re.compile(r'\s*"?(?P<name>[^<>"]*?)"?\s*<(?P<address>[^<>]*)>\s*')
_REFERENCE = re.compile(r"[A-Za-z0-9_~-]+(?:\.[A-Za-z0-9_~-]+)*")
_FIELD = re.compile(r"[A-Za-z0-9-]{1,70}")
_CONTENT_TYPE = re.compile(r"(?!multipart/|message/)[a-z0-9.+-]+/[a-z0-9.+-]+")
_PLAIN_WORDS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_MESSAGE_IDS = re.compile(r"<[!-;=?-~]+>(?: *<[!-;=?-~]+>)*")
# Line ends of every kind, and lone surrogates; zero-width joiners stay, people's emoji need them.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_OURS = frozenset(
    [
        "bcc",
        "cc",
        "date",
        "from",
        "message-id",
        "mime-version",
        "received",
        "resent-bcc",
        "resent-cc",
        "resent-to",
        "return-path",
        "sender",
        "subject",
        "to",
        "dkim-signature",
        "apparently-to",
    ]
)
_LINE = 76
_LONGEST_WORD = 900


class Unsendable(ValueError):
    """The message cannot become a mail; the sentence says what to correct."""


@dataclass(frozen=True, slots=True)
class Mail:
    """An envelope and its bytes."""

    sender: str
    """MAIL FROM; empty is the null return path of automatic answers."""
    recipient: str
    content: bytes
    smtputf8: bool


def mailbox(text: str) -> str:
    """Exactly one mailbox, its domain in ASCII; no name, no quoting, no list.

    Raises:
        Unsendable: anything else.
    """
    try:
        return mailboxes.exact(text)
    except ValueError:
        raise Unsendable("The address is not exactly one mailbox; correct it.") from None


def compose(message: Outgoing, date: dt.datetime) -> Mail:
    """The mail of a message; the same message gives the same bytes but for the date.

    Without an ``Auto-Submitted`` of its own it is marked as made by a machine; what a person wrote
    says ``no``. A header ``Return-Path`` is the envelope's sender, and never a header.

    Raises:
        Unsendable: an address, header, name or attachment cannot be sent as it is.
    """
    name, sender = _named(message.sender)
    recipient = mailbox(message.to)
    if not _REFERENCE.fullmatch(message.reference):
        raise Unsendable("The reference cannot be part of a Message-ID.")
    lines = [
        _address("From", name, sender),
        f"To: {recipient}",
        _unstructured("Subject", message.subject),
        f"Date: {format_datetime(date)}",
        f"Message-ID: {message_id(message.reference, sender)}",
        *_extra(message.headers),
        "MIME-Version: 1.0",
    ]
    head = "\r\n".join(lines)
    path = _return_path(message.headers, sender)
    content = head.encode("utf-8") + b"\r\n" + _body(message)
    return Mail(path, recipient, content, smtputf8=not (head + path).isascii())


def message_id(reference: str, sender: str) -> str:
    """Our Message-ID: the reference, at the domain of the sender."""
    return f"<{reference}@{_named(sender)[1].rpartition('@')[2]}>"


def _named(text: str) -> tuple[str, str]:
    found = _NAMED.fullmatch(text) if len(text) <= 500 else None
    if found is None:
        return "", mailbox(text.strip(" "))
    return _clean(found["name"]), mailbox(found["address"])


def _return_path(headers: Mapping[str, str], sender: str) -> str:
    for name, value in headers.items():
        if name.lower() == "return-path":
            return "" if value == "<>" else mailbox(value)
    return sender


def _extra(headers: Mapping[str, str]) -> list[str]:
    lower = {name.lower() for name in headers}
    if len(lower) != len(headers):
        raise Unsendable("A header is given twice.")
    lines = [] if "auto-submitted" in lower else ["Auto-Submitted: auto-generated"]
    return lines + [_field(*one) for one in headers.items() if one[0].lower() != "return-path"]


def _field(name: str, value: str) -> str:
    lower = name.lower()
    if not _FIELD.fullmatch(name) or lower in _OURS or lower.startswith("content-"):
        raise Unsendable("A header of the message is not allowed; only its text may be given.")
    if lower == "reply-to":
        label, address = _named(value)
        return _address(name, label, address)
    if lower in {"in-reply-to", "references"} and not _MESSAGE_IDS.fullmatch(value):
        raise Unsendable("In-Reply-To and References take Message-IDs in angle brackets.")
    if lower.startswith("list-") and not value.isascii():
        raise Unsendable("A List header must be in ASCII.")
    return _unstructured(name, value)


def _address(header: str, name: str, address: str) -> str:
    if not name:
        return f"{header}: {address}"
    if len(name) > 200:
        raise Unsendable("The name of the sender is too long.")
    if not name.isascii() or "=?" in name:
        words = Header(name, "utf-8", maxlinelen=_LINE, header_name=header).encode(linesep="\r\n")
    elif _PLAIN_WORDS.fullmatch(name):
        words = name
    else:
        words = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{header}: {words}\r\n <{address}>"


def _unstructured(header: str, value: str) -> str:
    """One header line, folded; words that ASCII cannot carry are encoded (RFC 2047)."""
    text = _clean(value)
    longest = max(map(len, text.split(" ")), default=0)
    if text.isascii() and "=?" not in text and longest <= _LONGEST_WORD:
        return _fold(f"{header}: {text}")
    if header.lower() in {"in-reply-to", "references"} or header.lower().startswith("list-"):
        raise Unsendable("A header of the message is too long.")
    encoded = Header(text, "utf-8", maxlinelen=_LINE, header_name=header).encode(linesep="\r\n")
    return f"{header}: {encoded}"


def _fold(line: str) -> str:
    if len(line) <= _LINE:
        return line
    folded: list[str] = []
    for word in line.split(" "):
        if folded and len(folded[-1]) + len(word) < _LINE:
            folded[-1] += " " + word
        else:
            folded.append(word)
    # A field name with nothing but its fold after it is read as an empty header by some servers.
    if len(folded) > 1 and folded[0].endswith(":"):
        folded[:2] = [f"{folded[0]} {folded[1]}"]
    return "\r\n ".join(folded)


def _clean(value: str) -> str:
    """A header's text, its runs of spaces made one."""
    if _CONTROL.search(value):
        raise Unsendable("A header contains a line break or a control character; remove it.")
    return re.sub(" +", " ", value).strip(" ")


def _body(message: Outgoing) -> bytes:
    boundary = b"=_" + hashlib.sha256(message.reference.encode()).hexdigest()[:32].encode()
    body = _part("text/plain", message.text)
    if message.html:
        parts = [body, _part("text/html", message.html)]
        body = _multipart("alternative", boundary + b"a", parts)
    if message.attachments:
        parts = [body, *map(_attachment, message.attachments)]
        body = _multipart("mixed", boundary + b"m", parts)
    return body


def _part(content_type: str, text: str) -> bytes:
    try:
        lines = text.replace("\r\n", "\n").replace("\r", "\n")
        raw = lines.rstrip("\n").encode("utf-8")
    except UnicodeEncodeError as error:
        raise Unsendable("The text contains broken characters; write it again.") from error
    quoted = binascii.b2a_qp(raw, istext=True).replace(b"\n", b"\r\n")
    return (
        b"Content-Type: " + content_type.encode() + b'; charset="utf-8"\r\n'
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted + b"\r\n"
    )


def _multipart(kind: str, boundary: bytes, parts: list[bytes]) -> bytes:
    # Neither quoted-printable nor base64 can contain "=_", so no body can forge a boundary.
    head = b"Content-Type: multipart/" + kind.encode() + b';\r\n boundary="' + boundary + b'"'
    inner = b"".join(b"--" + boundary + b"\r\n" + part for part in parts)
    return head + b"\r\n\r\n" + inner + b"--" + boundary + b"--\r\n"


def _attachment(file: Attachment) -> bytes:
    name = _clean(file.name)
    kind = file.content_type.lower()
    if not _CONTENT_TYPE.fullmatch(kind) or not 0 < len(name) <= 120:
        raise Unsendable("An attachment has no usable name or content type.")
    quoted = quote(name, safe=" ")
    if len(quoted) > _LONGEST_WORD:
        raise Unsendable("The name of an attachment is too long; shorten it.")
    label = f'filename="{name}"' if quoted == name else f"filename*=utf-8''{quote(name, safe='')}"
    head = (
        f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment;\r\n {label}"
    )
    lines = base64.encodebytes(file.content) or b"\n"
    return head.encode() + b"\r\n\r\n" + lines.replace(b"\n", b"\r\n")
