"""Is this mail a mail server's word on one of ours, and what does it say of it?

A server that took a mail and cannot deliver it says so in a mail of its own (RFC 3464), which is
all that a plain relay ever tells. It names the mail by its header, that came back with it.
"""

import re
from collections.abc import Iterator
from email.message import Message
from itertools import islice

from comms.channels import mail_parts as parts
from comms.channels import refusals, returned
from comms.facts import DeliveryReport, Standing

_MARK = b"delivery-status"
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_STANDINGS = {"failed": Standing.FAILED, "delivered": Standing.DELIVERED}
"""``delayed`` is no end, and ``relayed`` or ``expanded`` is not known to have arrived."""
_MOST = 20
"""Recipients in one report; ours always have one."""


def reports(raw: bytes) -> list[DeliveryReport]:
    """What it says of each recipient; nothing where it is no such mail, or not about one of ours.

    Raises:
        Unreadable: it is beyond our limits.
    """
    mail = returned.report(raw, _MARK)
    reference = returned.reference(mail) if mail else ""
    return [_report(one, reference) for one in _recipients(mail)] if mail and reference else []


def _recipients(mail: Message) -> Iterator[Message]:
    """The blocks of a delivery-status part that have an end: the parser makes each a message."""
    for part in mail.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        blocks = part.get_payload()
        if isinstance(blocks, list):
            told = (one for one in blocks if isinstance(one, Message) and _standing(one))
            yield from islice(told, _MOST)


def _standing(block: Message) -> Standing | None:
    return _STANDINGS.get(parts.field(block, "Action").strip().lower()[:20])


def _report(block: Message, reference: str) -> DeliveryReport:
    standing = _standing(block) or Standing.FAILED
    status = _STATUS.search(parts.field(block, "Status")[:200])
    code = status[0] if status else "5.0.0"
    failed = standing is Standing.FAILED
    whom = parts.field(block, "Original-Recipient") or parts.field(block, "Final-Recipient")
    return DeliveryReport(
        channel="email",
        reference=reference,
        recipient=whom.rpartition(";")[2].strip().strip("<>").lower()[:320],
        standing=standing,
        code=code if failed else "",
        # It was tried for days by somebody else: whatever its code, nobody tries it again.
        sentence=refusals.of_smtp(500, code).sentence if failed else "",
    )
