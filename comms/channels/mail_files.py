"""What came with a letter: files, mails that were passed on, and other forms of the letter itself?

Everything in a mail that is not in its words is a file here, however deep it lies, so that nothing
in it goes unjudged.
"""

import binascii
import quopri
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from email.message import Message

from comms.channels import mail_parts as parts
from comms.channels import mail_people
from comms.channels.mail_parts import Unreadable
from comms.enclosures import LONGEST, File

_DEEPEST = 4
"""Mails as files within mails as files."""
_MAIL_NAMES = (".eml", ".mht", ".mhtml")
_UNWRAPPING: Mapping[str, Callable[[bytes], bytes]] = {
    "base64": binascii.a2b_base64,
    "quoted-printable": quopri.decodestring,
}


def files(mail: Message, body: str, used: Collection[Message], sender: str) -> Sequence[File]:
    """All of them; ``used`` are the parts whose words are the ``body`` of the letter."""
    said = " ".join(body.split())
    return [
        file
        for file in _files(mail, used, sender, 0)
        if file.attached or not file.words or " ".join(file.words.split()) != said
    ]


def _files(part: Message, used: Collection[Message], sender: str, depth: int) -> Iterator[File]:
    if any(part is one for one in used):
        return
    if part.get_content_maintype() == "message":
        yield from _passed_on(part, used, sender, depth)
    elif part.is_multipart():
        yield from _aside(part, sender)
        for child in _children(part):
            yield from _files(child, used, sender, depth)
    else:
        yield from _file(part, sender, depth)


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)] if part.is_multipart() else []


def _aside(part: Message, sender: str) -> Iterator[File]:
    """What no mail program shows: before the first part of several, and after the last."""
    for words in (part.preamble, part.epilogue):
        if words and any(map(str.isdigit, words)):
            yield File("", "text/plain", b"", words[: LONGEST + 1], sender, attached=False)


def _passed_on(part: Message, used: Collection[Message], sender: str, depth: int) -> Iterator[File]:
    wrapped = parts.field(part, "Content-Transfer-Encoding").strip().lower()
    inner = _children(part)
    if wrapped in _UNWRAPPING and inner:
        yield from _mail(parts.filename(part), _unwrapped(inner[0], wrapped), sender, depth)
        return
    for mail in inner:
        if subject := parts.line(mail, "Subject", 998):
            yield File("", "text/plain", b"", subject, _writer(mail, sender), attached=False)
        yield from _files(mail, used, _writer(mail, sender), depth)


def _unwrapped(mail: Message, wrapped: str) -> bytes:
    """A mail that was encoded as a whole, which no mail may be, and some are."""
    octets = mail.as_bytes()
    try:
        return _UNWRAPPING[wrapped](octets)
    except (ValueError, LookupError):
        return octets


def _mail(name: str, content: bytes, sender: str, depth: int) -> Iterator[File]:
    """A mail that came as a file: what is in it, or the file where it cannot be opened.

    One that lies very deep is left to whoever reads files.
    """
    if depth >= _DEEPEST:
        yield File(name, "message/rfc822", content, "", sender)
        return
    mail = _parsed(content)
    if mail is None:
        yield File(name, "message/rfc822", content, "", sender, unread="broken")
        return
    writer = _writer(mail, sender)
    yield File(name, "message/rfc822", content, parts.line(mail, "Subject", 998) or " ", writer)
    yield from _files(mail, (), writer, depth + 1)


def _parsed(content: bytes) -> Message | None:
    try:
        return parts.parsed(content)
    except Unreadable:
        return None


def _writer(mail: Message, sender: str) -> str:
    found = list(mail_people.named(parts.field(mail, "From")))
    return found[0][1].lower() if len(found) == 1 else sender


def _file(part: Message, sender: str, depth: int) -> Iterator[File]:
    name, kind, content = parts.filename(part), part.get_content_type(), parts.payload(part)
    if name.lower().endswith(_MAIL_NAMES):
        yield from _mail(name, content, sender, depth)
        return
    attached = parts.is_attached(part) or (bool(name) and not _in_the_letter(part))
    words = parts.text(part, LONGEST + 1) if part.get_content_maintype() == "text" else ""
    yield File(name, kind, content, words, sender, attached=attached)


def _in_the_letter(part: Message) -> bool:
    """A picture that the letter itself shows: a logo, mostly."""
    return part.get_content_maintype() == "image" and bool(parts.field(part, "Content-ID"))
