"""Is this exactly one mailbox, and how is it written when we compare?

A comma in an address adds a recipient, a line break adds a header. So nothing is an address of ours
until it has passed here.
"""

import re
from email.utils import getaddresses

_MAILBOX = re.compile(
    r"[^\s@<>()\[\]\\,:;\"\x00-\x1f\x7f\ud800-\udfff]{1,64}"
    r"@[^\s@<>()\[\]\\,:;\"\x00-\x1f\x7f\ud800-\udfff.]{1,63}"
    r"(?:\.[^\s@<>()\[\]\\,:;\"\x00-\x1f\x7f\ud800-\udfff.]{1,63}){1,8}"
)


class NotOneMailbox(ValueError):
    """The text is no single mailbox; the sentence says so without repeating it."""


def exact(value: str) -> str:
    """The mailbox with the case of its local part kept, for addresses that carry a token.

    Raises:
        NotOneMailbox: it is empty, malformed, a list or a group.
    """
    bare = value.strip(" ")
    if len(bare) > 254 or _MAILBOX.fullmatch(bare) is None:
        sentence = "Give exactly one address, like name@example.com, without names or commas."
        raise NotOneMailbox(sentence)
    local, _, domain = bare.rpartition("@")
    return f"{local}@{domain.lower()}"


def named(header: str) -> list[tuple[str, str]]:
    """The (name, mailbox) pairs of an address header; what is no mailbox is left out."""
    if (
        len(header) > 8_000 or header.count("(") > 20
    ):  # comments nest, and Python's parser with them
        return []
    pairs = getaddresses([" ".join(header.split())])
    return [
        (name, exact(address)) for name, address in pairs if _MAILBOX.fullmatch(address.strip(" "))
    ]
