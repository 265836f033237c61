"""Does a number that may not be kept stand where nobody reads it: in a mail's head, or in markup?

Mail programs write the subject once more (``Thread-Topic``), and names beside addresses. What HTML
hides, comments out or keeps in an attribute is shown to nobody, and kept with the rest.
"""

import re
from collections.abc import Callable, Iterator
from email.message import Message
from email.utils import formataddr
from typing import Any

from comms.channels import mail_parts, mail_people
from comms.compliance import rough
from comms.writing import covering

Cover = Callable[[str], str]
_ADDRESSES = frozenset(
    {"from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-to", "resent-cc"}
)
_MACHINES = re.compile(
    r"(?:received|return-path|delivered-to|x-original-to|message-id|in-reply-to|references"
    r"|resent-message-id|mime-version|content-(?:type|disposition|transfer-encoding|id)"
    r"|(?:arc|dkim|domainkey|authentication|received)-[a-z-]+|list-[a-z-]+|auto-submitted)"
)
"""Fields that mail servers write and compare; nobody types into them."""
_LONGEST = 2_000
"""Characters of a field; what of it is longer is kept only where no number is in it."""


def hides(raw: bytes) -> bool:
    """Whether a number stands in the head of a mail, or of one in it, or in its markup.

    Raises:
        Unreadable: it is beyond our limits.
    """
    mail = mail_parts.parsed(raw)
    return any(
        next(_told(part, covering.line), None) is not None or _marked(part) for part in mail.walk()
    )


def clean(part: Any, hide: Cover) -> None:
    """Cover what stands in the head of a part; mailboxes stay, so that they can be answered."""
    for name, shown in list(_told(part, hide)):
        del part[name]
        part[name] = shown


def unmarked(markup: str) -> str:
    """HTML without what may be such a number, also where nobody is shown it."""
    return rough.hidden(markup)


def _told(part: Message, hide: Cover) -> Iterator[tuple[str, str]]:
    """The fields in which a number stands, each with what may be kept of all that it says."""
    for name in dict.fromkeys(name.lower() for name, _ in part.raw_items()):
        if _MACHINES.fullmatch(name):
            continue
        said = [mail_parts.decoded(one, _LONGEST) for one in mail_parts.every(part, name)]
        shown = [hide(one) for one in said]
        if shown != said:
            yield name, _people(said, hide) if name in _ADDRESSES else " ".join(shown)


def _people(said: list[str], hide: Cover) -> str:
    """Addresses with what may be kept of the names beside them."""
    pairs = [pair for one in said for pair in mail_people.named(one)]
    return ", ".join(formataddr((hide(name), address)) for name, address in pairs)


def _marked(part: Message) -> bool:
    """Whether a number stands anywhere in a part's HTML, seen or not."""
    if part.get_content_type() != "text/html":
        return False
    markup = mail_parts.unicode(mail_parts.payload(part), mail_parts.param(part, "charset"))
    return any(rough.places(markup))
