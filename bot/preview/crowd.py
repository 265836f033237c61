"""How are the days to come of many clients lived through, on every core and in little memory?

Clients meet only where they share an address or are one, so families of them can be previewed apart
from each other: a few thousand clients at a time, each lot by a process of its own that reads its
own rows. Only a daily cap counts over everybody; then all are lived through together.
"""

import asyncio
import gc
import multiprocessing
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from typing import Any

from sqlmodel import Session, col, select

from billing.models import LiveSwitch
from bot.app import App, books
from bot.preview import course
from bot.preview.course import Asked, Coming
from bot.report import Progress
from bot.settings import Settings
from bot.watching import logs

WORTH = 300
"""Clients below which a process of their own costs more than it gains."""
MOST = 5_000
"""Clients in one copy."""
_LOOK = 0.5
_days: Any = None
"""In a process of its own: the days that each lot has lived through, shared by all."""


def lived(app: App, asked: Asked, families: Sequence[Sequence[int]], progress: Progress) -> Coming:
    """Live through the days for all of these, in as many lots as it is worth."""
    with app.store.read() as session:
        together = asked.as_if_live is False and _capped(session)
    lots = [[one for family in families for one in family]] if together else lots_of(families)
    if len(lots) < 2:
        return course.lived(app, asked, lots[0] if lots else [], progress)
    return _apart(app.settings, asked, lots, progress)


def lots_of(families: Sequence[Sequence[int]], cores: int | None = None) -> list[list[int]]:
    """The families in lots about as large as each other, of at most so many clients."""
    cores = cores or os.cpu_count() or 1
    clients = sum(map(len, families))
    many = max(1, min(clients // WORTH, cores), -(-clients // MOST))
    lots: list[list[int]] = [[] for _ in range(many)]
    for family in sorted(families, key=len, reverse=True):
        min(lots, key=len).extend(family)
    return [sorted(lot) for lot in lots if lot]


def _capped(session: Session) -> bool:
    capped = select(LiveSwitch.id).where(col(LiveSwitch.daily_cap).is_not(None)).limit(1)
    return session.exec(capped).first() is not None


def _apart(
    settings: Settings, asked: Asked, lots: Sequence[Sequence[int]], progress: Progress
) -> Coming:
    # Started anew: a fork of a process with threads may wait for a lock that nobody holds.
    context = multiprocessing.get_context("spawn")
    days = context.Array("l", len(lots))
    workers = min(len(lots), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, context, initializer=_share, initargs=(days,)) as pool:
        works = [pool.submit(_lot, settings, asked, *one) for one in enumerate(lots)]
        while pending := [work for work in works if not work.done()]:
            wait(pending, timeout=_LOOK)
            progress(sum(days[:]) // len(lots), asked.days)
        return _added([work.result() for work in works])


def _share(days: Any) -> None:
    global _days  # noqa: PLW0603 - the one way that a shared array reaches a process
    _days = days
    logs.quiet()
    # A tenth of the time goes into looking for rubbish among rows that all live to the end.
    gc.set_threshold(100_000, 20, 50)


def _lot(settings: Settings, asked: Asked, number: int, clients: Sequence[int]) -> Coming:
    def progress(done: int, _whole: int) -> None:
        _days[number] = done

    app = books(settings, writable=False)
    try:
        return course.lived(app, asked, clients, progress)
    finally:
        asyncio.run(app.close())


def _added(parts: Sequence[Coming]) -> Coming:
    problems: Counter[str] = Counter()
    for part in parts:
        problems += part.problems
    entries = sorted((one for part in parts for one in part.entries), key=lambda one: one.order)
    return Coming(entries, problems)
