"""How many reminders a second does a dunning run make, and does it stay so, and stay small?

Ours is the worker as it serves, onto a channel that takes everything at once: every account is
judged, every message passes the whole door, every text is sealed and every step is chained. The
bare minimum beside it is in ``bare_dunning``.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import bare_dunning, stores
from benchmarks.figures import Figure, Scale
from benchmarks.product import log_nowhere, settings
from benchmarks.stores import NOON, Database, Place
from billing.clock import TurnedClock
from bot import worker
from bot.app import books
from bot.replay.channel import Paper

_WORLDS = {
    Scale.SMALL: (20_000, (200, 1_000)),
    Scale.FULL: (1_000_000, (1_000, 10_000, 100_000)),
}
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one."""

    reminders: int
    seconds: float
    grown: float
    """Megabytes of memory at the peak, beyond those before it began."""

    @property
    def rate(self) -> float:
        return self.reminders / self.seconds


def figures(scale: Scale) -> Iterator[Figure]:
    """Reminders a second and their memory, for growing numbers of due accounts."""
    invoices, sizes = _WORLDS[scale]
    for database in stores.DATABASES:
        rates: list[float] = []
        for size in sizes:
            ours = apart(_ours, database, invoices, size)
            rates.append(ours.rate)
            yield from _told(
                database, invoices, ours, apart(bare_dunning.run, database, invoices, size)
            )
        yield Figure(
            name=f"dunning, rate with {sizes[-1]:,} due beside {sizes[0]:,}",
            database=database,
            ours=rates[-1] / rates[0],
            bare=None,
            unit="times",
            better="more",
            goal="0.8 to 1.2",
        )


def _told(database: Database, invoices: int, ours: Run, bare: Run) -> Iterator[Figure]:
    run = f"dunning, {ours.reminders:,} due of {invoices:,} open"
    yield Figure(
        name=run,
        database=database,
        ours=ours.rate,
        bare=bare.rate,
        unit="reminders/s",
        better="more",
        goal="at least 0.2 of bare, then 0.4",
    )
    yield Figure(
        name=f"{run}, memory",
        database=database,
        ours=ours.grown,
        bare=bare.grown,
        unit="MB",
        better="less",
        goal="at most 60 MB",
    )


def apart(work: Callable[[Place], int], database: Database, invoices: int, many: int) -> Run:
    """In a store and a process of its own, so that its rows and its memory are its own."""
    spawned: Any = multiprocessing.get_context("spawn")
    with stores.world(database, invoices) as place:
        place.make_due(1, many)
        with ProcessPoolExecutor(1, mp_context=spawned) as process:
            run = process.submit(measured, work, place).result()
    if run.reminders != many:
        raise RuntimeError(f"{many} accounts were due, and {run.reminders} reminders left")
    return run


def measured(work: Callable[[Place], int], place: Place) -> Run:
    """How long it takes, and how much memory."""
    log_nowhere()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = _memory("VmRSS")
    began = time.perf_counter()
    reminders = work(place)
    seconds = time.perf_counter() - began
    return Run(reminders, seconds, (_memory("VmHWM") - before) / _MEGABYTE)


def _memory(which: str) -> int:
    """Bytes, as the kernel counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [found] = [line for line in lines if line.startswith(f"{which}:")]
    return int(found.split()[1]) * 1024


def _ours(place: Place) -> int:
    return asyncio.run(_drained(place))


async def _drained(place: Place) -> int:
    paper = Paper("email")
    app = books(settings(place.url, place.keyring_url), TurnedClock(NOON))
    app = replace(app, channels={"email": paper})
    try:
        await worker.drain(app)
    finally:
        await app.close()
    return paper.taken
