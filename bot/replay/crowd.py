"""How is a long history lived through on every core?

Clients meet only where they share an address, so a history falls into parts that know nothing of
each other: each is lived through by a process of its own, and what came of them is added up.
"""

import asyncio
from collections import Counter
from dataclasses import replace

from bot import cores
from bot.replay import course, outcome
from bot.replay.course import Setting
from bot.replay.history import Event, History
from bot.replay.outcome import Outcome
from bot.report import Progress

WORTH = 600
"""Facts in a part, below which a process of its own costs more than it gains."""


async def live(setting: Setting, progress: Progress, worth: int = WORTH) -> Outcome:
    """Live through a history, on as many cores as it is worth; return what came of it."""
    most = min(len(setting.history.events) // worth, cores.many())
    parts = apart(setting.history, most)
    if len(parts) < 2:
        return await _alone(setting, progress)
    settings = [replace(setting, history=part) for part in parts]
    lived = await asyncio.to_thread(cores.each, _part, settings, setting.span.days, progress)
    return outcome.together(lived)


async def _alone(setting: Setting, progress: Progress) -> Outcome:
    async with course.begun(setting) as begun:
        await course.live_through(begun, progress)
        with begun.app.store.read() as session:
            return outcome.count(session, setting.policy, setting.span)


def _part(setting: Setting, progress: Progress) -> Outcome:
    return asyncio.run(_alone(setting, progress))


def apart(history: History, most: int) -> list[History]:
    """The history in at most so many parts, about as long each, whose clients share no address."""
    if most < 2:
        return [history]
    families = _families(history)
    often = Counter(_whose(event) for event in history.events)
    load = [0] * most
    place: dict[str, int] = {}
    for family in sorted(families, key=lambda names: -sum(often[name] for name in names)):
        lightest = load.index(min(load))
        load[lightest] += sum(often[name] for name in family)
        place |= dict.fromkeys(family, lightest)
    return [_part_of(history, place, number) for number in range(most) if load[number]]


def _part_of(history: History, place: dict[str, int], number: int) -> History:
    return replace(
        history,
        clients=tuple(one for one in history.clients if place[one.external_id] == number),
        events=tuple(one for one in history.events if place[_whose(one)] == number),
    )


def _whose(event: Event) -> str:
    return str(getattr(event.fact, "client_external_id", ""))


def _families(history: History) -> list[list[str]]:
    """Clients that share an address, also through others, are one family."""
    head: dict[str, str] = {}

    def root(name: str) -> str:
        while head.setdefault(name, name) != name:
            head[name] = name = head[head[name]]
        return name

    for client in history.clients:
        for address in (client.email, client.phone):
            if address:
                head[root(address)] = root(client.external_id)
    found: dict[str, list[str]] = {}
    for client in history.clients:
        found.setdefault(root(client.external_id), []).append(client.external_id)
    return list(found.values())
