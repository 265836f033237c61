"""Does somebody outside hear that the work goes on?

A watcher elsewhere expects a call every minute and raises the alarm when none comes. So it is
called only while all is well: silence is the message, and needs no wire of ours.
"""

import time
from dataclasses import dataclass

import aiohttp
import structlog

PATIENCE = 10
"""Seconds for the other side to answer."""
STILL = 300.0
"""Seconds without a finished round after which the worker counts as stopped."""
log = structlog.get_logger("heartbeat")


@dataclass
class Pulse:
    """How the work goes, as this process last saw it."""

    last_round: float = float("-inf")
    """On the monotonic clock; a pass over a long queue has many rounds."""
    failed: bool = False
    """Whether the last pass met a row that it could not work on."""
    severe: int = 0
    """Severe findings of the last audit."""

    def went_round(self) -> None:
        """The worker came through once more."""
        self.last_round = time.monotonic()

    @property
    def trouble(self) -> str:
        """Why the heartbeat stays silent, in a word; nothing where all is well."""
        if time.monotonic() - self.last_round > STILL:
            return "worker_still"
        if self.failed:
            return "pass_failed"
        return "audit" if self.severe else ""


async def beat(pulse: Pulse, url: str) -> bool:
    """Call the watcher where all is well; whatever comes of it, the work goes on."""
    if pulse.trouble:
        log.warning("heartbeat_withheld", reason=pulse.trouble)
        return False
    try:
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            well = answer.status < 400
            if not well:
                log.warning("heartbeat_refused", status=answer.status)
            return well
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        log.warning("heartbeat_lost", error=type(error).__name__)
        return False
