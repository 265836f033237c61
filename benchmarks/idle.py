"""How long does the worker look for work where there is none, with a million invoices open?"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from sqlalchemy import text

from benchmarks import stores
from benchmarks.figures import Figure, Scale
from benchmarks.product import settings
from benchmarks.stores import NOON, Place
from billing.clock import TurnedClock
from billing.store import Store
from bot import worker
from bot.app import books
from bot.replay.channel import Paper

_OPEN = {Scale.SMALL: 20_000, Scale.FULL: 1_000_000}
_PASSES = 50
_BARE = text("SELECT min(next_due_at) FROM enrolment")


def figures(scale: Scale) -> Iterator[Figure]:
    """A pass that finds nothing due, beside asking for the first moment of one table."""
    for database in stores.DATABASES:
        with stores.world(database, _OPEN[scale]) as place:
            yield Figure(
                name=f"idle pass, {place.invoices:,} open",
                database=database,
                ours=asyncio.run(_ours(place)),
                bare=_bare(place),
                unit="ms",
                better="less",
                goal="at most 25 ms",
            )


async def _ours(place: Place) -> float:
    app = books(settings(place.url, place.keyring_url), TurnedClock(NOON))
    app = replace(app, channels={name: Paper(name) for name in ("email", "sms", "slack")})
    times: list[float] = []
    try:
        for _ in range(_PASSES):
            began = time.perf_counter()
            if await worker.drain(app):
                raise RuntimeError("something was due; delete .scratch/bench to make it anew")
            times.append(time.perf_counter() - began)
    finally:
        await app.close()
    return statistics.median(times) * 1000


def _bare(place: Place) -> float:
    times: list[float] = []
    with closing(Store(place.url)) as store:
        for _ in range(_PASSES):
            began = time.perf_counter()
            with store.read() as session:
                session.execute(_BARE).one()
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000
