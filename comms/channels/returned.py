"""Which mail of ours came back in this one, as a report on it (RFC 6522)?

Its reader knows the Message-ID of ours, and nobody else does: so nobody else can say that it came
back, or complain of it.
"""

import re
from email.message import Message

from comms.channels import mail_parts as parts

_OURS = re.compile(
    r"^message-id:[ \t]*(?:\r?\n[ \t]+)?<([0-9A-Za-z_.~-]{8,100})@[^<>@\s]{1,253}>",
    re.IGNORECASE | re.MULTILINE,
)
_RETURNED = frozenset({"message/rfc822", "text/rfc822-headers"})
_LONGEST = 64_000


def report(raw: bytes, kind: bytes) -> Message | None:
    """The report that this mail is, where its parts may be of that kind.

    Raises:
        Unreadable: it is beyond our limits.
    """
    if kind not in raw[:100_000].lower():
        return None
    mail = parts.parsed(raw)
    return mail if mail.get_content_type() == "multipart/report" else None


def reference(mail: Message) -> str:
    """The reference of ours in a report: the mail came back whole, or only its header."""
    for part in mail.walk():
        if part.get_content_type() in _RETURNED and (found := _OURS.search(inside(part))):
            return found[1]
    return ""


def inside(part: Message) -> str:
    """The lines of a part, whether the parser took it for a mail, for text or for neither."""
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload else None
    if isinstance(inner, Message):
        head = "\n".join(f"{name}: {value}" for name, value in inner.raw_items())
        body = inner.get_payload()
        return f"{head}\n\n{body if isinstance(body, str) else ''}"[:_LONGEST]
    return parts.text(part, _LONGEST)
