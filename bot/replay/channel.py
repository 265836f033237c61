"""Where do messages go when a history is replayed? Onto paper: taken, counted, read by nobody."""

import datetime as dt
from collections import Counter

from comms.ports import Found, Outgoing, Sent


class Paper:
    """A channel that takes everything at once and keeps only the count."""

    slots = 512
    """Paper is patient."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.taken = 0
        self.to: Counter[str] = Counter()

    async def send(self, message: Outgoing) -> Sent:
        """Take it; it never fails."""
        self.taken += 1
        self.to[message.to] += 1
        return Sent(f"paper-{self.name}-{self.taken}")

    async def find(self, message: Outgoing, since: dt.datetime) -> Found | None:  # noqa: ARG002
        """Nothing is ever in doubt on paper."""
        return None

    async def close(self) -> None:
        """There is nothing to give back."""
