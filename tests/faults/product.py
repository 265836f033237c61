"""The product as a process of its own, that does as it is told and dies where it is told to.

A line of JSON on stdin is the birth of one: a fork of this process, in which every module is loaded
already. It opens the store, answers hooks, and works when its parent says so over a Unix socket, as
``serve`` does by its timers; its clock is what the parent says it is.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import gc
import json
import os
import pickle
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

import psycopg  # loaded late by the product: once for all that are born here
from pydantic import TypeAdapter
from sqlmodel import Session, select
from typing_extensions import override

from billing import vault
from billing.clock import TurnedClock
from billing.facts import ClientDescribed, Fact
from billing.models import LegalEntity
from billing.store import Clients, Store
from bot import audit, intake, worker
from bot.app import App, books, live
from bot.desk import Desk, drain_spool
from bot.inbox import Inbox
from bot.sandbox import loopback
from bot.settings import Settings
from bot.spool import Spool
from bot.web import web
from comms.duties.instructions import ResolveDoubt
from comms.ports import Channel, Found, Outgoing, Sent
from comms.rendering import Templates
from tests import factories
from tests.faults.history import START, history
from tests.faults.plan import plan

T = TypeVar("T")
Answer = dict[str, Any]
_FACT: TypeAdapter[Fact] = TypeAdapter(Fact)


LOADED = psycopg
TEMPLATES = Templates()
"""Inherited by every process that is born, as the compiled statements are."""


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process goes no further")


@dataclass
class Doom:
    """The point at which this process ends: none, until one is set."""

    point: str = ""
    left: int = 0

    def strikes(self, point: str) -> bool:
        if point != self.point:
            return False
        self.left -= 1
        return self.left == 0


class Mortal(Store):
    """A store whose process may die before, within or just after a write."""

    def __init__(self, url: str, doom: Doom) -> None:
        super().__init__(url)
        self._doom = doom

    @override
    async def write(self, fn: Callable[[Session], T], *, clients: Clients = ()) -> T:
        if self._doom.strikes("before write"):
            die()

        def last(session: Session) -> T:
            fn(session)
            session.flush()
            die()

        within = self._doom.strikes("within write")
        result = await super().write(last if within else fn, clients=clients)
        if self._doom.strikes("after write"):
            die()
        return result


@dataclass
class Line:
    """A channel whose process may die with bytes about to be written, or taken."""

    inner: Channel
    name: str
    doom: Doom

    async def send(self, message: Outgoing) -> Sent:
        if self.doom.strikes("before send"):
            die()
        sent = await self.inner.send(message)
        if self.doom.strikes("after send"):
            die()
        return sent

    async def find(self, message: Outgoing, since: dt.datetime) -> Found | None:
        return await self.inner.find(message, since)

    async def close(self) -> None:
        await self.inner.close()


class Wall(TurnedClock):
    """Both clocks stand where the parent says."""

    ahead = dt.timedelta()

    @override
    def wall(self) -> dt.datetime:
        return super().wall() + self.ahead


@dataclass
class Process:
    """What the parent can ask of a running product."""

    app: App
    clock: Wall
    doom: Doom = field(default_factory=Doom)

    async def work(self, _asked: Answer) -> Answer:
        """One pass, as ``bot.schedule.once`` does it, and when there is something to do next."""
        problem, moved = "", 0
        try:
            await drain_spool(self.app)
            moved = await worker.drain(self.app)
        except Exception as error:  # noqa: BLE001 - as in the schedule: the next pass goes on
            problem = _kinds(error)
        with contextlib.suppress(Exception):
            return {"moved": moved, "problem": problem, "next": self._next()}
        return {"moved": moved, "problem": problem or "cannot read", "next": None}

    def _next(self) -> str | None:
        with self.app.store.read() as session:
            due = worker.next_due(session)
        return due.isoformat() if due else None

    async def establish(self, _asked: Answer) -> Answer:
        """The firm is there, and its door open; asked again, it changes nothing."""

        def once(session: Session) -> None:
            if session.exec(select(LegalEntity)).first() is None:
                factories.firm(session, self.clock.now())

        await self.app.store.write(once)
        return {}

    async def tell(self, asked: Answer) -> Answer:
        """Take facts in, all of them in one transaction."""
        facts = [_FACT.validate_python(one) for one in asked["facts"]]
        owners = [
            f"client:{os.urandom(12).hex()}" for one in facts if isinstance(one, ClientDescribed)
        ]
        if owners:
            self.app.keyring.make(owners, self.clock.now())
        keys = iter(owners)

        def take_in(session: Session) -> None:
            for fact in facts:
                intake.take_in(session, self.app.office(), fact, keys)

        def touched(session: Session) -> set[int]:
            return {one for fact in facts for one in intake.clients_of(fact)(session)}

        await self.app.store.write(take_in, clients=touched)
        return {}

    async def resolve(self, asked: Answer) -> Answer:
        """A person says whether a message in doubt went."""
        by = ResolveDoubt(message_id=asked["message"], went=asked["went"], by=1)
        return {"said": await Desk(self.app).instruct(asked["key"], by)}

    async def audit(self, _asked: Answer) -> Answer:
        """What the watcher finds."""
        return {"found": [[one.kind, one.count, one.ids] for one in audit.look(self.app)]}

    async def limit(self, asked: Answer) -> Answer:
        """No file of this process grows beyond so many bytes; the write fails with an I/O error."""
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["bytes"] or hard, hard))
        return {}


async def live_and_die(birth: Answer) -> None:
    """Be the product until the parent says stop or goes away."""
    vault._ids = vault._Ids()  # no two processes may go on where their parent stood
    settings: Settings = pickle.loads(base64.b64decode(birth["settings"]))
    clock = Wall(dt.datetime.fromisoformat(birth["now"]))
    clock.ahead = dt.timedelta(seconds=birth["ahead"])
    doom = Doom()
    app = live(settings, clock)
    app.store.close()
    store = Mortal(settings.database_url, doom)
    lines = {name: Line(channel, name, doom) for name, channel in app.channels.items()}
    inbox = Inbox(store, app.keyring, app.policy)
    spool = Spool(Path(birth["folder"]) / "spool", bytes(range(32)))
    app = replace(app, store=store, inbox=inbox, channels=lines, spool=spool, templates=TEMPLATES)
    async with loopback.serve(web(app, factories._when_asked(app)), birth["port"]):
        reader, writer = await asyncio.open_unix_connection(birth["socket"])
        process = Process(app, clock, doom)
        while line := await reader.readline():
            asked = json.loads(line)
            if asked["do"] == "stop":
                break
            writer.write(json.dumps(await _answered(process, asked)).encode() + b"\n")
            await writer.drain()
    await app.close()


async def _answered(process: Process, asked: Answer) -> Answer:
    now = dt.datetime.fromisoformat(asked["now"])
    if now > process.clock.now():
        process.clock.turn(now)
    process.clock.ahead = dt.timedelta(seconds=asked["ahead"])
    if asked.get("doom"):
        process.doom.point, process.doom.left = asked["doom"]
    try:
        answer: Answer = await getattr(process, asked["do"])(asked)
    except Exception as error:  # noqa: BLE001 - the parent decides what it means
        return {"problem": _kinds(error)}
    return {"problem": ""} | answer


def _kinds(error: BaseException) -> str:
    if os.environ.get("FAULTS_LOUD"):
        traceback.print_exception(error)
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(sorted({_kinds(one) for one in error.exceptions}))
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


@dataclass
class Void:
    """A channel that takes everything."""

    name: str

    async def send(self, message: Outgoing) -> Sent:
        return Sent(message.reference)

    async def find(self, _message: Outgoing, _since: dt.datetime) -> Found | None:
        return None

    async def close(self) -> None:
        """Nothing to give back."""


async def warm(template: str) -> None:
    """Do a little of everything once, so that no process has to load and compile it again."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(template, f"{folder}/store.db")
        url, keys = f"sqlite:///{folder}/store.db", f"sqlite:///{folder}/keyring.db"
        settings = Settings(
            database_url=url,
            keyring_url=keys,
            master_key=base64.b64encode(bytes(range(32))).decode(),
        )
        clock = Wall(START)
        app = books(settings, clock)
        app.store.close()
        store = Mortal(url, Doom())
        channels = {name: Void(name) for name in ("sms", "email", "slack")}
        app = replace(
            app,
            store=store,
            inbox=Inbox(store, app.keyring, app.policy),
            channels=channels,
            templates=TEMPLATES,
        )
        web(app, factories._when_asked(app))
        process = Process(app, clock)
        await process.establish({})
        for event in [event for event in history(plan(1)) if event.facts]:
            while due := (await process.work({}))["next"]:
                if dt.datetime.fromisoformat(due) > event.at:
                    break
                clock.turn(max(clock.now(), dt.datetime.fromisoformat(due)))
            clock.turn(event.at)
            await process.tell({"facts": [one.model_dump() for one in event.facts]})
        await process.audit({})
        await app.close()


def _bury(_signal: int, _frame: FrameType | None) -> None:
    """No process that ended stays in the table: its parent in the story asks whether it runs."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main() -> None:
    """Give birth to one process after the other, and say its number."""
    gc.disable()  # a story is short, and a sweep through everything that is loaded takes long
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the log
    asyncio.run(warm(sys.argv[1]))
    signal.signal(signal.SIGCHLD, _bury)
    for line in sys.stdin:
        number = os.fork()
        if number == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                asyncio.run(live_and_die(json.loads(line)))
            except BaseException:  # noqa: BLE001 - whatever it is, this child does not go on
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        answers.write(f"{number}\n")
        answers.flush()
    os._exit(0)  # to take all that is loaded apart takes seconds


if __name__ == "__main__":
    main()
