"""What wakes the worker on one machine?

APScheduler's timers, and a row that has just arrived. A timer is only a wake-up: what is due stands
in the rows, so a lost one costs a delay. Two passes never overlap.
"""

import asyncio
import datetime as dt
import time
from collections.abc import Awaitable, Callable

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot import audit, checkpoints, missed, worker
from bot.app import App
from bot.custody import nightly, strictures
from bot.desk import drain_spool
from bot.watching import heartbeat

EVERY = 5
"""Seconds between two looks when nothing arrives."""
log = structlog.get_logger("schedule")


async def run(app: App, stop: asyncio.Event) -> None:
    """Work until ``stop`` is set; what was begun is finished first."""
    waking_up = timers(app)
    waking_up.start()
    ending = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            waking = asyncio.ensure_future(app.wake.wait())
            await asyncio.wait({waking, ending}, return_when=asyncio.FIRST_COMPLETED)
            waking.cancel()
            app.wake.clear()
            if not stop.is_set():
                await once(app)
        await _tried(app, "strictures_failed", strictures.keep)
    finally:
        ending.cancel()
        waking_up.shutdown(wait=False)


def timers(app: App) -> AsyncIOScheduler:
    """What wakes the worker, and watches it, when nothing arrives."""
    found = AsyncIOScheduler(timezone="UTC")
    found.add_job(app.wake.set, "interval", seconds=EVERY, id="work", coalesce=True)
    soon = app.clock.now() + dt.timedelta(minutes=2)
    for name, work, trigger, when in (
        ("tidy", nightly.tidy, "cron", {"hour": 3, "minute": 17}),
        ("checkpoint", checkpoints.run, "cron", {"hour": 0, "minute": 7}),
        ("audit", audit.run, "interval", {"hours": 1, "next_run_time": soon}),
        ("missed", missed.look, "interval", {"minutes": missed.EVERY, "next_run_time": soon}),
        ("strictures", strictures.keep, "interval", {"seconds": EVERY}),
    ):
        job = [app, f"{name}_failed", work]
        found.add_job(_tried, trigger, job, id=name, coalesce=True, **when)
    if url := app.settings.heartbeat_url:
        found.add_job(heartbeat.beat, "interval", [app.pulse, url], minutes=1, id="heartbeat")
    return found


async def once(app: App) -> None:
    """One pass over everything that is due; what fails is logged and stays on its row."""
    began = time.perf_counter()
    try:
        # Finance hears of a spool that cannot be read from the worker, so that goes on.
        done = [await _done(app, "spool", drain_spool), await _done(app, "rows", worker.drain)]
        app.pulse.failed = not all(done)
        app.meters.failed_passes.inc(app.pulse.failed)
    finally:
        app.meters.passes.observe(time.perf_counter() - began)


async def _done(app: App, what: str, work: Callable[[App], Awaitable[object]]) -> bool:
    try:
        await work(app)
    except Exception as error:  # noqa: BLE001 - the rows hold what failed; the next pass goes on
        kind = type(error).__name__
        log.error("pass_failed", what=what, error=kind, detail=_kinds(error))  # noqa: TRY400
        return False
    return True


async def _tried(app: App, failed: str, work: Callable[[App], Awaitable[object]]) -> None:
    """What fails is done by the next one; told by the scheduler, it would be told with its text."""
    try:
        await work(app)
    except Exception as error:  # noqa: BLE001 - a job that fails is no reason to stop working
        log.error(failed, error=_kinds(error))  # noqa: TRY400


def _kinds(error: BaseException) -> str:
    """The kinds of what a group holds; their texts may hold what clients wrote."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(sorted({type(one).__name__ for one in error.exceptions}))
    return type(error).__name__
