"""Which people does a mail name, and at which mailboxes?"""

import contextlib
from collections.abc import Iterator
from email.utils import getaddresses

from billing import mailboxes

_LONGEST = 8_000
_MOST_COMMENTS = 20


def named(header: str) -> Iterator[tuple[str, str]]:
    """The (name, mailbox) pairs of an address header; what is no mailbox is left out."""
    # Comments nest, and Python's parser with them.
    if len(header) > _LONGEST or header.count("(") > _MOST_COMMENTS:
        return
    for name, address in getaddresses([" ".join(header.split())]):
        with contextlib.suppress(ValueError):
            yield name, mailboxes.exact(address)
