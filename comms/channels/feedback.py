"""Is this mail a mailbox provider's word that somebody called a mail of ours spam?

A report of abuse (RFC 5965) has three parts: words for people, ``message/feedback-report``, and our
mail or its header, by whose Message-ID we know it. A report that a mail is *not* spam is none.
"""

import re
from email.message import Message

from comms.channels import returned
from comms.facts import MailRefused

_MARK = b"feedback-report"
_KIND = re.compile(r"^feedback-type:[ \t]*(\w[\w-]{0,30})", re.IGNORECASE | re.MULTILINE)
_COMPLAINTS = frozenset({"abuse", "fraud", "opt-out", "opt-out-list", "other"})


def reports(raw: bytes) -> list[MailRefused]:
    """What it says; nothing where it is no such mail, or not about one of ours.

    Raises:
        Unreadable: it is beyond our limits.
    """
    mail = returned.report(raw, _MARK)
    reference = returned.reference(mail) if mail else ""
    if mail is None or not reference or _kind(mail) not in _COMPLAINTS:
        return []
    return [MailRefused(reference=reference, how="complaint")]


def _kind(mail: Message) -> str:
    for part in mail.walk():
        if part.get_content_type() == "message/feedback-report":
            found = _KIND.search(returned.inside(part))
            return found[1].lower() if found else ""
    return ""
