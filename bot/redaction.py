"""What is kept of a request that holds a card number, when not even its raw form may be kept?

The same request with the numbers covered in every text of it (PCI DSS 4.0.1, 4.2.2: what came
unasked is deleted). A mail keeps its headers, its other parts and its attachments.
"""

import email
import email.policy
from collections.abc import Callable, Sequence
from dataclasses import replace
from email.errors import MessageError
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qsl, urlencode

from bot.inbox import Parcel
from comms import screening
from comms.facts import InboundMessage
from comms.screening import PURGED

Cover = Callable[[str], str]
Read = Callable[[Parcel], Sequence[object]]
_TEXTS = frozenset({"Body", "ButtonText"})
"""Fields of Twilio's request that hold what a person wrote."""


def redacted(parcel: Parcel, message: InboundMessage, read: Read) -> Parcel:
    """The parcel with its texts covered; ``message`` is what was read of it, covered already.

    A mail too broken to be written again, or in which a number still shows, is kept as the plain
    words that were read of it.
    """
    if parcel.source == "twilio.sms":
        return replace(parcel, body=_form(parcel.body, cover))
    try:
        made = replace(parcel, body=_mail(parcel.body, cover))
        shows = {label for one in read(made) for label in getattr(one, "labels", ())}
    except (AttributeError, LookupError, MessageError, TypeError, ValueError):
        return replace(parcel, body=_plain(message))
    return made if PURGED.isdisjoint(shows) else replace(parcel, body=_plain(message))


def cover(text: str) -> str:
    """A text without the numbers in it."""
    return screening.covered(text)[0]


def _plain(message: InboundMessage) -> bytes:
    subject = " ".join(message.subject.split())
    head = f"From: {message.sender}\r\nSubject: {subject}\r\n"
    kind = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return (head + kind + message.body).encode(errors="replace")


def _form(body: bytes, cover: Cover) -> bytes:
    fields = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    shown = [(name, cover(value) if name in _TEXTS else value) for name, value in fields]
    return urlencode(shown).encode()


def _mail(raw: bytes, cover: Cover) -> bytes:
    mail: Any = email.message_from_bytes(raw, policy=email.policy.default)
    for part in mail.walk():
        _subject(part, cover)  # a forwarded mail is a part, and has one of its own
        if part.get_content_maintype() == "text":
            _text(part, cover)
    return bytes(mail)


def _subject(mail: EmailMessage, cover: Cover) -> None:
    subject = str(mail.get("Subject", ""))
    if cover(subject) != subject:
        del mail["Subject"]
        mail["Subject"] = " ".join(cover(subject).split())


def _text(part: EmailMessage, cover: Cover) -> None:
    """Replace a text by what is covered; one that cannot be read is not kept at all."""
    try:
        text = str(part.get_content())
    except (LookupError, UnicodeError, ValueError):
        text = ""
    covered = cover(text)
    if covered != text or not text:
        disposition, name = part.get_content_disposition(), part.get_filename()
        part.set_content(covered, subtype=part.get_content_subtype(), charset="utf-8")
        if disposition:
            part.add_header("Content-Disposition", disposition, **_named(name, cover))


def _named(name: str | None, cover: Cover) -> dict[str, str]:
    return {"filename": cover(name)} if name else {}
