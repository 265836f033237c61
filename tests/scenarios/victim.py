"""A worker that is killed at a named point of its work.

One line of JSON on stdin is one victim: a process of its own that delivers what is due until it
reaches its point and ends itself by SIGKILL, with no chance to tidy up. The answer is the line with
the signal that ended it. Modules are loaded and statements compiled once, before the first victim.
"""

import asyncio
import datetime as dt
import gc
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeVar

import alembic.context  # loaded late by the product: once for all victims here
import psycopg
import twilio.rest.api.v2010.account.message
from sqlmodel import Session
from typing_extensions import override

from billing.clock import TurnedClock
from billing.store import Clients, Store
from bot import worker
from bot.app import App, live
from bot.settings import Settings
from bot.watching import logs
from comms.ports import Channel, Found, Outgoing, Sent
from tests import factories
from tests.faults.product import Void

T = TypeVar("T")
LOADED = (alembic.context, psycopg, twilio.rest.api.v2010.account.message)
BEFORE = {"before_claim": 1, "after_claim": 2}
"""Dies when it asks for this write: a message takes a claim, a begin and a settlement."""
WITHIN = {"within_claim": 1, "before_commit": 3}
"""Dies when this write has done its work and is about to be committed."""
POINTS = ("before_claim", "within_claim", "after_claim", "sending", "accepted", "before_commit")


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process goes no further")


class Doomed(Store):
    """A store whose process dies at a write."""

    def __init__(self, url: str, point: str) -> None:
        super().__init__(url)
        self._point = point
        self._writes = 0

    @override
    async def write(self, fn: Callable[[Session], T], *, clients: Clients = ()) -> T:
        self._writes += 1
        if BEFORE.get(self._point) == self._writes:
            die()

        def last(session: Session) -> T:
            fn(session)
            session.flush()
            die()

        within = WITHIN.get(self._point) == self._writes
        return await super().write(last if within else fn, clients=clients)


@dataclass
class Line:
    """A channel whose process dies with bytes about to be written, or written and taken."""

    inner: Channel
    point: str
    name: str

    async def send(self, message: Outgoing) -> Sent:
        if self.point == "sending":
            die()
        sent = await self.inner.send(message)
        if self.point == "accepted":
            die()
        return sent

    async def find(self, message: Outgoing, since: dt.datetime) -> Found | None:
        return await self.inner.find(message, since)

    async def close(self) -> None:
        await self.inner.close()


async def deliver(job: dict[str, Any]) -> None:
    """Work as a worker does, on one channel, until the point is reached."""
    clock = TurnedClock(dt.datetime.fromisoformat(job["now"]))
    app = live(Settings(**job["settings"]), clock)
    app.store.close()
    name, point = job["channel"], job["point"]
    channels = {name: Line(app.channels[name], point, name)}
    app = replace(app, store=Doomed(app.settings.database_url, point), channels=channels)
    await worker.deliver(app)


async def warm(job: dict[str, Any], template: str) -> None:
    """Deliver something once, so that no victim has to load and compile what that takes."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(template, f"{folder}/store.db")
        urls = {f"{one}_url": f"sqlite:///{folder}/{name}.db" for one, name in _STORES}
        clock = TurnedClock(dt.datetime.fromisoformat(job["now"]))
        app = live(Settings(**job["settings"] | urls), clock)
        app.store.write_now(lambda session: _owe(session, app))
        await worker.deliver(replace(app, channels={name: Void(name) for name in app.channels}))
        await app.close()


_STORES = (("database", "store"), ("keyring", "keyring"))


def _owe(session: Session, app: App) -> None:
    """To a client a text and a reminder are to be sent."""
    now = app.clock.now()
    factories.firm(session, now)
    known = factories.client(session, app.keyring, now)
    factories.note(session, app.keyring, known, now)
    factories.reminder(session, app.office(), known)


def main() -> None:
    """One victim after the other."""
    logs.quiet()
    gc.disable()  # a victim is short, and a sweep through everything that is loaded takes long
    warmed = False
    for line in sys.stdin:
        if not warmed:
            asyncio.run(warm(json.loads(line), sys.argv[1]))
            warmed = True
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(deliver(json.loads(line)))
            except BaseException:  # noqa: BLE001 - whatever it is, this child does not go on
                traceback.print_exc()
            os._exit(1)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}\n")
        sys.stdout.flush()
    os._exit(0)  # to take all that is loaded apart takes seconds


if __name__ == "__main__":
    main()
