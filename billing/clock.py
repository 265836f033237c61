"""What time is it? The only place that asks.

``now()`` is business time: it decides what is due, and the sandbox can turn it. ``wall()`` is the
machine's time: leases and signatures hang on it, because other machines see only that.
"""

import datetime as dt
from typing import Protocol

from typing_extensions import override


class Clock(Protocol):
    """Two aware UTC moments."""

    def now(self) -> dt.datetime:
        """Business time."""

    def wall(self) -> dt.datetime:
        """The machine's time."""


class SystemClock:
    """Business time is the machine's time."""

    def now(self) -> dt.datetime:
        """The same as ``wall``."""
        return dt.datetime.now(dt.UTC)

    def wall(self) -> dt.datetime:
        """What the operating system says."""
        return dt.datetime.now(dt.UTC)


class TurnedClock(SystemClock):
    """Business time stands still until somebody turns it; it never runs backwards.

    Raises:
        ValueError: the start is naive, or a turn goes into the past.
    """

    def __init__(self, start: dt.datetime) -> None:
        self._now = _utc(start)

    @override
    def now(self) -> dt.datetime:
        """Where the clock was turned to."""
        return self._now

    def turn(self, to: dt.datetime) -> None:
        """Move business time forward to ``to`` (aware)."""
        moment = _utc(to)
        if moment < self._now:
            message = f"the clock stands at {self._now:%Y-%m-%d %H:%M} and cannot go back"
            raise ValueError(message)
        self._now = moment


def _utc(moment: dt.datetime) -> dt.datetime:
    if moment.tzinfo is None:
        message = "a moment needs a time zone"
        raise ValueError(message)
    return moment.astimezone(dt.UTC)
