"""Is a guest among those who would read a card?

Guests of a workspace see nothing about clients, wherever an administrator has let them in. Slack
says of a channel who is in it, and of a person what they are; both are kept for a while.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

Ask = Callable[[str, Mapping[str, object]], Awaitable[Mapping[str, object]]]
"""Asks Slack; raises a ``DeliveryError`` where it does not tell."""
_KEPT = 3600.0
"""Seconds for which somebody counts as what they were."""
_AT_ONCE = 8
_PAGE = 500


class Readership:
    """Who of those who read somewhere is a guest, or of another workspace."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._guests: dict[str, tuple[float, bool]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def has_guest(self, channel: str) -> bool:
        """Whether one is in a channel."""
        return any(await asyncio.gather(*map(self.is_guest, await self._members(channel))))

    async def is_guest(self, person: str) -> bool:
        """Whether this person is one."""
        until, guest = self._guests.get(person, (0.0, False))
        if until <= time.monotonic():
            async with self._slots:
                told = (await self._ask("users.info", {"user": person})).get("user")
            guest = _outside(told)
            self._guests[person] = (time.monotonic() + _KEPT, guest)
        return guest

    async def _members(self, channel: str) -> Sequence[str]:
        found: list[str] = []
        cursor = ""
        while True:
            asked = {"channel": channel, "limit": _PAGE} | ({"cursor": cursor} if cursor else {})
            answer = await self._ask("conversations.members", asked)
            told, about = answer.get("members"), answer.get("response_metadata")
            found += [str(one) for one in told] if isinstance(told, list) else []
            cursor = str(about.get("next_cursor") or "") if isinstance(about, dict) else ""
            if not cursor:
                return found


def _outside(told: object) -> bool:
    """What Slack does not tell is not assumed."""
    if not isinstance(told, dict):
        return True
    if told.get("deleted") or told.get("is_bot"):
        return False
    return any(told.get(one) for one in ("is_restricted", "is_ultra_restricted", "is_stranger"))
