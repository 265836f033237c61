"""What is kept of a request that holds a number which nobody may see, not even in its raw form?

The same request with the numbers covered in every text of it (PCI DSS 4.0.1, 4.2.2: what came
unasked is deleted). A mail keeps its headers, its other parts and its files; a file in which such a
number stands is kept as its words alone, covered. What no detector could read, and what cannot be
read at all, is kept without whatever has the form of such a number.
"""

import binascii
import email
import email.policy
import hashlib
import quopri
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from email.errors import MessageError
from email.message import EmailMessage
from typing import Any
from urllib.parse import parse_qsl, urlencode

from bot.custody import mailheads
from bot.inbox import Parcel
from comms.compliance import rough
from comms.compliance.labels import Label
from comms.facts import Enclosed, InboundMessage
from comms.listening import screening
from comms.listening.screening import MASKED

Cover = Callable[[str], str]
Read = Callable[[Parcel], Sequence[object]]
_TEXTS = frozenset({"Body", "ButtonPayload", "ButtonText", "ProfileName", "Label", "Address"})
"""Fields of Twilio's request that hold what a person wrote."""
_ROUNDS = 3
NOTE = "This file held a number that may not be kept. Its words, without such numbers:\n\n"


def needed(parcel: Parcel, message: InboundMessage) -> bool:
    """Whether a message may not be kept as it came, be it for what nobody reads of it."""
    if not (MASKED | {Label.UNSCREENED}).isdisjoint(message.labels):
        return True
    return parcel.source == "email" and mailheads.hides(parcel.body)


def kept(parcel: Parcel, message: InboundMessage, read: Read) -> Parcel | None:
    """What is kept of a request instead of it; None where it is kept as it came."""
    return redacted(parcel, message, read) if needed(parcel, message) else None


def redacted(parcel: Parcel, message: InboundMessage, read: Read) -> Parcel:
    """The parcel with its texts covered; ``message`` is what was read of it, covered already.

    A mail too broken to be written again, or in which a number still shows, is kept as the plain
    words that were read of it.
    """
    hide = rough.hidden if Label.UNSCREENED in message.labels else cover
    if parcel.source == "twilio.sms":
        return replace(parcel, body=_form(parcel.body, message, hide))
    held = {one.digest: one for one in message.enclosed if not MASKED.isdisjoint(one.labels)}
    try:
        made = replace(parcel, body=_mail(parcel.body, hide, held))
        shows = {label for one in read(made) for label in getattr(one, "labels", ())}
    except (AttributeError, LookupError, MessageError, TypeError, ValueError):
        return plain(parcel, message)
    return made if MASKED.isdisjoint(shows) else plain(parcel, message)


def plain(parcel: Parcel, message: InboundMessage) -> Parcel:
    """A mail as the plain words that were read of it."""
    return replace(parcel, body=_plain(message))


def cover(text: str) -> str:
    """A text without the numbers in it, also those that come about where one was covered."""
    for _ in range(_ROUNDS):
        text, labels, _fact = screening.covered(text)
        if MASKED.isdisjoint(labels):
            return text
    return rough.hidden(text)


def _plain(message: InboundMessage) -> bytes:
    subject = " ".join(cover(message.subject).split())
    head = f"From: {message.sender}\r\nSubject: {subject}\r\n"
    kind = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    files = [f"{one.name}\n{one.said}" for one in message.enclosed if one.attached and one.said]
    said = cover("\n\n".join([message.body, *files]))
    return (head + kind + said).encode(errors="replace")


def _form(body: bytes, message: InboundMessage, hide: Cover) -> bytes:
    """The words as they were read: what they complete of an earlier text shows in none alone."""
    told = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
    fields = [(name, message.body if name == "Body" else value) for name, value in told]
    shown = [(name, hide(value) if name in _TEXTS else value) for name, value in fields]
    return urlencode(shown).encode()


# --- a mail ---------------------------------------------------------------------------------------


def _mail(raw: bytes, hide: Cover, held: Mapping[str, Enclosed]) -> bytes:
    mail: Any = email.message_from_bytes(raw, policy=email.policy.default)
    for part in mail.walk():
        mailheads.clean(part, hide)  # a forwarded mail is a part, and has a head of its own
        if part.get_content_maintype() == "text":
            _text(part, hide)
        elif not part.is_multipart():
            _file(part, hide, held)
    return bytes(mail)


def _text(part: EmailMessage, hide: Cover) -> None:
    """Replace a text by what is covered; one that cannot be read is not kept at all."""
    try:
        text = str(part.get_content())
    except (LookupError, UnicodeError, ValueError):
        text = ""
    covered = hide(text)
    if part.get_content_subtype() == "html":
        covered = mailheads.unmarked(covered)
    if covered != text or not text:
        disposition, name = part.get_content_disposition(), part.get_filename()
        part.set_content(covered, subtype=part.get_content_subtype(), charset="utf-8")
        if disposition:
            part.add_header("Content-Disposition", disposition, **_named(name, hide))


def _file(part: EmailMessage, hide: Cover, held: Mapping[str, Enclosed]) -> None:
    """A file in which such a number stands becomes its words."""
    content: Any = part.get_payload(decode=True)
    told = held.get(hashlib.sha256(content or b"").hexdigest())
    if told is None:
        return
    name = f"{part.get_filename() or 'file'}.txt"
    part.set_content(NOTE + hide(told.said), charset="utf-8")
    part.add_header("Content-Disposition", "attachment", **_named(name, hide))


def _named(name: str | None, hide: Cover) -> dict[str, str]:
    return {"filename": hide(name)} if name else {}


# --- what cannot be read --------------------------------------------------------------------------

_BLOCK = re.compile(rb"[A-Za-z0-9+/=\r\n]{16,}")
_EMPTY_LINE = re.compile(rb"(\r?\n\r?\n)")
_NO_SIGN = re.compile(rb"[\r\n=]")
_SHORT = 100_000
"""Bytes; of a longer block the beginning is where its first piece begins."""


def scrubbed(raw: bytes) -> bytes:
    """Bytes that nobody could read, without what has the form of a number that may not be kept.

    Also where it is wrapped in base64 or quoted-printable; then its block goes as a whole.
    """
    raw = _hidden(_BLOCK.sub(lambda found: _unwrapped(found[0]), raw))
    opened = quopri.decodestring(raw) if b"=" in raw else raw
    return _hidden(opened) if _holds(opened) else raw


def _unwrapped(block: bytes) -> bytes:
    """A run that may be base64, without the pieces that hold such a number."""
    pieces = _EMPTY_LINE.split(block)
    return b"".join(b"[hidden]" if _wraps(piece) else piece for piece in pieces)


def _wraps(piece: bytes) -> bool:
    plain = _NO_SIGN.sub(b"", piece)
    starts = range(4 if len(plain) <= _SHORT else 1)
    return any(_holds(_decoded(plain[start:])) for start in starts)


def _decoded(plain: bytes) -> bytes:
    whole = plain[:-1] if len(plain) % 4 == 1 else plain
    return binascii.a2b_base64(whole + b"=" * (-len(whole) % 4))


def _holds(octets: bytes) -> bool:
    return any(rough.places(_read(octets)))


def _hidden(octets: bytes) -> bytes:
    shown, last = [], 0
    for start, end in rough.places(_read(octets)):
        shown += [octets[last:start], rough.HIDDEN.encode()]
        last = end
    return b"".join([*shown, octets[last:]])


def _read(octets: bytes) -> str:
    """As text in which each sign is one octet; of what is not ASCII none can be of a number."""
    return octets.translate(_ASCII).decode("ascii")


_ASCII = bytes(range(128)) + b"?" * 128
