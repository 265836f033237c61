"""What is kept of a request that holds a card number, when not even its raw form may be kept?

The same request with the numbers covered in every text of it (PCI DSS 4.0.1, 4.2.2: what came
unasked is deleted). A mail keeps its headers, its other parts and its attachments.
"""

import email
import email.policy
from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qsl, urlencode

from bot.inbox import Parcel

Cover = Callable[[str], str]
_TEXTS = frozenset({"Body", "ButtonText"})
"""Fields of Twilio's request that hold what a person wrote."""


def redacted(parcel: Parcel, cover: Cover) -> Parcel:
    """The parcel with its texts covered; one of a source that nobody writes texts to stays."""
    if parcel.source == "twilio.sms":
        return replace(parcel, body=_form(parcel.body, cover))
    if parcel.source == "email":
        return replace(parcel, body=_mail(parcel.body, cover))
    return parcel


def _form(body: bytes, cover: Cover) -> bytes:
    fields = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    shown = [(name, cover(value) if name in _TEXTS else value) for name, value in fields]
    return urlencode(shown).encode()


def _mail(raw: bytes, cover: Cover) -> bytes:
    mail: Any = email.message_from_bytes(raw, policy=email.policy.default)
    _subject(mail, cover)
    for part in mail.walk():
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
