"""Is this mail a mailbox provider's word that somebody called a mail of ours spam?

A report of abuse (RFC 5965) has three parts: words for people, ``message/feedback-report``, and our
mail or its header, by whose Message-ID we know it. Nobody else knows that id, so nobody else can
complain for them. A report that a mail is *not* spam is none.
"""

import re
from email.message import Message

from comms.channels import mail_parts as parts
from comms.facts import MailRefused

_MARK = b"feedback-report"
_OURS = re.compile(
    r"^message-id:[ \t]*(?:\r?\n[ \t]+)?<([0-9A-Za-z_.~-]{8,100})@", re.IGNORECASE | re.MULTILINE
)
_KIND = re.compile(r"^feedback-type:[ \t]*(\w[\w-]{0,30})", re.IGNORECASE | re.MULTILINE)
_COMPLAINTS = frozenset({"abuse", "fraud", "opt-out", "opt-out-list", "other"})
_RETURNED = frozenset({"message/rfc822", "text/rfc822-headers"})
_LONGEST = 64_000


def reports(raw: bytes) -> list[MailRefused]:
    """What it says; nothing where it is no such mail, or not about one of ours.

    Raises:
        Unreadable: it is beyond our limits.
    """
    if _MARK not in raw[:100_000].lower():
        return []
    mail = parts.parsed(raw)
    if mail.get_content_type() != "multipart/report":
        return []
    kind, reference = "", ""
    for part in mail.walk():
        if part.get_content_type() == "message/feedback-report":
            kind = kind or _first(_KIND, _inside(part)).lower()
        elif part.get_content_type() in _RETURNED:
            reference = reference or _first(_OURS, _inside(part))
    if kind not in _COMPLAINTS or not reference:
        return []
    return [MailRefused(reference=reference, how="complaint")]


def _inside(part: Message) -> str:
    """The lines of a part, whether the parser took it for a mail, for text or for neither."""
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else None
    if isinstance(inner, Message):
        head = "\n".join(f"{name}: {value}" for name, value in inner.raw_items())
        body = inner.get_payload()
        return f"{head}\n\n{body if isinstance(body, str) else ''}"[:_LONGEST]
    return parts.text(part, _LONGEST)


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
