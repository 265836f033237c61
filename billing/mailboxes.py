"""Is this exactly one mailbox, and how is it written?

A comma in an address adds a recipient, a line break adds a header. So nothing is an address, of a
client's or of ours, until it has passed here: told by a firm, read in a mail, or written to. Pure.
"""

import re

LONGEST = 254
_LOCAL = re.compile(r"[^\s@<>()\[\]\\,:;\"]{1,64}")
_DOMAIN = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")


def exact(value: str) -> str:
    """The mailbox, its domain in lower-case ASCII, its local part as it is: it may carry a token.

    Raises:
        ValueError: it is empty, malformed, a list, a group, or has a name beside it.
    """
    bare = value.strip(" ")
    local, _, domain = bare.rpartition("@") if len(bare) <= LONGEST else ("", "", "")
    # Judged as it is encoded: that turns a full-width "@" or "," into the real one.
    domain = _ascii(domain).lower()
    if not (bare.isprintable() and _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain)):
        raise ValueError("must be one bare address such as ann@client.example, without a name")
    return f"{local}@{domain}"


def _ascii(domain: str) -> str:
    if domain.isascii():
        return domain
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
