"""What do carrier, mail server and Slack do with what they are handed, and what do they say?

A model at the port of a channel, not at its wire: what the official SDKs make of a broken
connection is tried by the fault harness. Whatever was taken is kept; nothing else is known of what
a client got.
"""

import datetime as dt
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from comms.ports import DeliveryError, Found, Outgoing, Sent, Throttled, Uncertain
from tests.simulation.process import Clock

_SOFT = {"sms": "30001", "email": "451", "slack": "service_unavailable"}
_HARD = {
    "sms": ("21211", "21610", "21614", "21408"),
    "email": ("5.1.1", "5.7.1"),
    "slack": ("channel_not_found",),
}

_LOST = ("30003", "30005", "30006", "30007", "30008")


@dataclass(frozen=True)
class Taken:
    """A message that was taken: from here on somebody may read it."""

    at: dt.datetime
    channel: str
    message: Outgoing
    provider_id: str
    fate: tuple[str, ...] = ()
    """What becomes of a text: the words of its reports, a code after the last."""

    @property
    def lost(self) -> bool:
        """Nobody ever reads it."""
        return "undelivered" in self.fate


@dataclass(frozen=True)
class Report:
    """What the carrier says later of a text that it took."""

    sid: str
    reference: str
    status: str
    code: str = ""


@dataclass
class Post:
    """All three, and everything that they ever took."""

    seed: int
    clock: Clock
    calm: bool
    took: Callable[[Taken], None]
    reports: Callable[[Report], None]
    taken: list[Taken] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    tries: Counter[str] = field(default_factory=Counter)
    down: dict[str, dt.datetime] = field(default_factory=dict)
    """Channels that take nothing, until when."""

    def take(self, channel: str, message: Outgoing) -> Sent:
        """Take a message, or let its sender down in one of the known ways."""
        if not message.to:
            raise DeliveryError("There is no address.", permanent=True, code="no_address")
        if self.down.get(channel, self.clock.now()) > self.clock.now():
            self.met[f"{channel}: down"] += 1
            raise DeliveryError("It is down.", permanent=False, code=_SOFT[channel])
        dice = self._dice(channel, message)
        roll = dice.random() if not self.calm else 1.0
        self._refuse(channel, roll, dice)
        sid = f"SM{self.seed:08x}{len(self.taken):024x}"
        if 0.04 <= roll < 0.05:
            self.met[f"{channel}: no answer, not taken"] += 1
            raise Uncertain("No answer came.")
        fate = self._fate(dice) if channel == "sms" else ()
        taken = Taken(self.clock.now(), channel, message, sid, fate)
        self.taken.append(taken)
        self.took(taken)
        for word in fate[:2]:
            code = fate[2] if taken.lost and word == "undelivered" else ""
            self.reports(Report(sid, message.reference, word, code))
        if 0.05 <= roll < 0.07:
            self.met[f"{channel}: no answer, taken"] += 1
            raise Uncertain("No answer came.")
        return Sent(sid)

    def _dice(self, channel: str, message: Outgoing) -> random.Random:
        """The luck of a recipient's n-th message, whoever else gets some meanwhile."""
        self.tries[message.to] += 1
        return random.Random(f"{self.seed}/{channel}/{message.to}/{self.tries[message.to]}")

    def _refuse(self, channel: str, roll: float, dice: random.Random) -> None:
        if roll < 0.01:
            self.met[f"{channel}: throttled"] += 1
            raise Throttled("Slow down.", retry_after=dice.randint(1, 900))
        if roll < 0.03:
            self.met[f"{channel}: later"] += 1
            raise DeliveryError("Try later.", permanent=False, code=_SOFT[channel])
        if roll < 0.04 and channel != "slack":
            self.met[f"{channel}: never"] += 1
            code = dice.choice(_HARD[channel])
            raise DeliveryError("It was refused.", permanent=True, code=code)

    def _fate(self, dice: random.Random) -> tuple[str, ...]:
        """Delivered, mostly; sometimes not, and sometimes nobody says a word."""
        roll = dice.random() if not self.calm else 1.0
        if roll < 0.1:
            return ()
        if roll < 0.14:
            return "sent", "undelivered", dice.choice(_LOST)
        return "sent", "delivered"

    def look(self, channel: str, message: Outgoing) -> Found | None:
        """The carrier's own list, which may not show yet what is there."""
        if channel != "sms":
            return None
        dice = self._dice("look", message)
        if not self.calm and dice.random() < 0.3:
            self.met["list: fails"] += 1
            raise DeliveryError("The list cannot be read.", permanent=False, code="503")
        if not self.calm and dice.random() < 0.3:
            self.met["list: not there yet"] += 1
            return None
        same = [
            one
            for one in self.taken
            if one.channel == "sms" and one.message.to == message.to
            and one.message.text == message.text
        ]  # fmt: skip
        return Found(same[-1].provider_id, "delivered") if same else None

    def has(self, reference: str) -> bool:
        return any(one.message.reference == reference for one in self.taken)
