"""What did this mail say? Reads raw MIME that anybody may have sent."""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime

from comms.channels import mail_files, mail_origin, mail_people
from comms.channels import mail_parts as parts
from comms.channels.mail_parts import LARGEST, Unreadable
from comms.enclosures import File
from comms.facts import InboundMessage
from comms.listening.visible import visible_text

__all__ = ["LARGEST", "Unreadable", "opened", "read"]
_LONGEST_SUBJECT = 998
_MOST_REFERENCES = 50
_MOST_READERS = 100
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,250}>")


def read(raw: bytes, *, our_host: str = "") -> InboundMessage:
    """The facts of one mail, without the files that came with it; see ``opened``."""
    return opened(raw, our_host=our_host)[0]


def opened(raw: bytes, *, our_host: str = "") -> tuple[InboundMessage, Sequence[File]]:
    """The facts of one mail, and whatever it holds besides the words of the letter.

    Args:
        raw: the mail as it came over the wire.
        our_host: the authserv-id of our own mail exchanger; other hosts' verdicts are ignored.

    Raises:
        Unreadable: it is beyond our limits, or names no single sender.
    """
    mail = parts.parsed(raw)
    body, used = _body(mail)
    message = _letter(raw, mail, body, our_host)
    return message, mail_files.files(mail, body, used, message.sender)


def _letter(raw: bytes, mail: Message, body: str, our_host: str) -> InboundMessage:
    sender_name, sender = _sender(mail)
    subject = parts.line(mail, "Subject", _LONGEST_SUBJECT)
    return InboundMessage(
        channel="email",
        external_id=_first_id(mail) or f"sha256:{hashlib.sha256(raw).hexdigest()}",
        sender=sender,
        sender_name=sender_name,
        recipient=_recipient(mail),
        to=_everybody(mail, "To"),
        cc=_everybody(mail, "Cc"),
        bcc=_everybody(mail, "Bcc"),
        body=body,
        visible=visible_text(body),
        subject=subject,
        in_reply_to=_references(mail),
        automatic=mail_origin.is_automatic(lambda name: parts.field(mail, name), subject),
        authenticated=mail_origin.authenticated(
            parts.every(mail, "Authentication-Results"), our_host, sender
        ),
        media=_attachments(mail),
        occurred_at=_date(mail),
    )


def _sender(mail: Message) -> tuple[str, str]:
    found = list(mail_people.named(parts.field(mail, "From")))
    if len(found) != 1:
        raise Unreadable("The mail names no single sender; nobody can be answered.")
    name, address = found[0]
    return parts.decoded(name, 200), address.lower()


def _recipient(mail: Message) -> str:
    """The address of ours that it was sent to; one that carries a reply token wins."""
    names = ("X-Original-To", "Delivered-To", "To", "Cc")
    found = [address for name in names for _, address in mail_people.named(parts.field(mail, name))]
    tokens = [address for address in found if "+r-" in address]
    return next(iter(tokens or found), "")


def _everybody(mail: Message, field: str) -> tuple[str, ...]:
    """The addresses of every such field, each once: what a privilege log tells of copies."""
    found = [
        address for value in parts.every(mail, field) for _, address in mail_people.named(value)
    ]
    return tuple(dict.fromkeys(one.lower() for one in found))[:_MOST_READERS]


def _first_id(mail: Message) -> str:
    found = _MESSAGE_ID.search(parts.field(mail, "Message-ID")[:2_000])
    return parts.clean(found[0]) if found else ""


def _references(mail: Message) -> tuple[str, ...]:
    """Message-IDs, the nearest first: In-Reply-To, then References from its end."""
    answered = _MESSAGE_ID.findall(parts.field(mail, "In-Reply-To")[:8_000])
    earlier = _MESSAGE_ID.findall(parts.field(mail, "References")[-32_000:])
    nearest_first = dict.fromkeys(parts.clean(found) for found in [*answered, *reversed(earlier)])
    return tuple(nearest_first)[:_MOST_REFERENCES]


def _date(mail: Message) -> datetime | None:
    """The sender's own clock, for information only."""
    try:
        written = parsedate_to_datetime(parts.field(mail, "Date")[:200])
        return written.replace(tzinfo=written.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _body(mail: Message) -> tuple[str, Sequence[Message]]:
    """The words of the letter, and the parts whose words they all are."""
    inline = [part for part in parts.leaves(mail) if not parts.is_attached(part)]
    for kind in ("text/plain", "text/html"):
        chosen = [part for part in inline if part.get_content_type() == kind]
        texts = [parts.text(part) for part in chosen]
        said = "\n\n".join(text for text in texts if text.strip())
        if said:
            whole = sum(map(len, texts)) < parts.LONGEST_TEXT
            return said[: parts.LONGEST_TEXT], chosen if whole else []
    return "", []


def _attachments(mail: Message) -> tuple[str, ...]:
    names = (parts.filename(part) for part in mail.walk())
    return tuple(name for name in names if name)[:100]
