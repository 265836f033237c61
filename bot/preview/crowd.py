"""How are the days to come of many clients lived through, on every core and in little memory?

Clients meet only where they share an address or are one, so families of them can be previewed apart
from each other: a few thousand clients at a time, each lot by a process of its own that reads its
own rows. Only a daily cap counts over everybody; then all are lived through together.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial

from sqlmodel import Session, col, select

from billing.models import LiveSwitch
from bot import cores
from bot.app import App, books
from bot.preview import course
from bot.preview.course import Asked, Coming
from bot.report import Progress
from bot.settings import Settings

WORTH = 300
"""Clients below which a process of their own costs more than it gains."""
MOST = 5_000
"""Clients in one copy."""


def lived(app: App, asked: Asked, families: Sequence[Sequence[int]], progress: Progress) -> Coming:
    """Live through the days for all of these, in as many lots as it is worth."""
    with app.store.read() as session:
        together = asked.as_if_live is False and _capped(session)
    lots = (
        [[one for family in families for one in family]]
        if together
        else lots_of(families, cores.many())
    )
    if len(lots) < 2:
        return course.lived(app, asked, lots[0] if lots else [], progress)
    return _added(cores.each(partial(_lot, app.settings, asked), lots, asked.days, progress))


def lots_of(families: Sequence[Sequence[int]], most: int) -> list[list[int]]:
    """The families in lots about as large as each other, ``most`` unless one would be too large."""
    clients = sum(map(len, families))
    many = max(1, min(clients // WORTH, most), -(-clients // MOST))
    lots: list[list[int]] = [[] for _ in range(many)]
    for family in sorted(families, key=len, reverse=True):
        min(lots, key=len).extend(family)
    return [sorted(lot) for lot in lots if lot]


def _capped(session: Session) -> bool:
    capped = select(LiveSwitch.id).where(col(LiveSwitch.daily_cap).is_not(None)).limit(1)
    return session.exec(capped).first() is not None


def _lot(settings: Settings, asked: Asked, clients: Sequence[int], progress: Progress) -> Coming:
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
