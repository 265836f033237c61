"""Which delivery from outside brought a message about?

The key of a message says it: keys are made from stable ids, so no column is needed for that.
"""

import re

_ANSWERS = re.compile(r"(?:answer|inbound|unmatched|alert:unreadable|alert:stuck):(\d+)(?::|$)")


def incoming_of(key: str) -> int | None:
    """The id of the ``Incoming`` row that a message answers or tells of; None where none did."""
    found = _ANSWERS.match(key)
    return int(found[1]) if found else None
