"""How does the product live in one thread, and die at any boundary between two transactions?

The production code, put together by ``bot.app`` on a SQLite store, with two things of ours beneath:
a store that writes at once instead of on a thread of its own (so that nothing depends on timing),
and channels that lead to the carrier of the story instead of over a wire. A process that died takes
nothing and gives nothing any more; the next one finds the rows that it left behind.
"""

import asyncio
import base64
import datetime as dt
import random
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from pydantic import SecretStr
from sqlalchemy import Engine
from sqlmodel import Session
from typing_extensions import override

from billing import engines
from billing.store import Clients, Store, _Job, _Pool, _Writer
from bot.app import App, books, readers
from bot.inbox import Inbox
from bot.settings import Settings
from comms.ports import Copy, Found, Outgoing, Sent
from tests.simulation import policy
from tests.simulation.people import CLIENTS, FINANCE

T = TypeVar("T")
PATIENCE = 4
"""How often another task may go first at most, wherever one waits."""


class Died(BaseException):
    """The process ended here; nothing catches it."""


class Clock:
    """Both clocks of the machine: wherever the story puts them."""

    def __init__(self, start: dt.datetime) -> None:
        self.moment = start
        self.astray = dt.timedelta()
        """By how much the wall is wrong."""

    def now(self) -> dt.datetime:
        return self.moment

    def wall(self) -> dt.datetime:
        return self.moment + self.astray


class Alone(_Writer):
    """Writes at once, in the thread that asks; ``seen`` hears of every commit."""

    def __init__(self, url: str, seen: Callable[[], None]) -> None:
        self.engine = engines.sqlite(url, durable=False)
        self._connection = self.engine.connect()
        self._seen = seen

    @override
    def submit(self, fn: Callable[[Session], T]) -> "Future[T]":
        job = _Job(fn)
        self._commit(self._connection, [job])
        self._seen()
        return job.future

    @override
    def close(self) -> None:
        self._connection.close()
        self.engine.dispose()


class Aside(_Pool):
    """The same on PostgreSQL."""

    def __init__(self, engine: Engine, seen: Callable[[], None]) -> None:
        super().__init__(engine, 1)
        self._seen = seen

    @override
    def submit(self, fn: Callable[[Session], T]) -> "Future[T]":
        done: Future[T] = Future()
        try:
            done.set_result(self._run(fn))
        except Exception as error:  # noqa: BLE001 - it is whoever waits who minds
            done.set_exception(error)
        self._seen()
        return done


class Inline(ThreadPoolExecutor):
    """What is given to a thread is done at once."""

    @override
    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - it is whoever waits who minds
            done.set_exception(error)
        return done


class Carrier(Protocol):
    """The world at the end of every channel."""

    def take(self, channel: str, message: Outgoing) -> Sent: ...
    def look(self, channel: str, message: Outgoing) -> Found | None: ...


@dataclass
class Life:
    """One process: whether it still runs, and where it is to end."""

    dice: random.Random
    pause: Callable[[], Any]
    """Called between transactions: what else happens in the world just then."""
    point: str = ""
    left: int = 0
    over: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def doom(self, point: str, nth: int) -> None:
        self.point, self.left = point, nth

    def reach(self, point: str) -> None:
        """A place at which a process may end."""
        if self.over:
            raise Died
        if point == self.point:
            self.left -= 1
            if self.left <= 0:
                self.end()
                raise Died

    def end(self) -> None:
        """It is over: what was begun goes no further."""
        self.over = True
        self.ended.set()

    async def yield_(self) -> None:
        """Others may go first, or not."""
        for _ in range(self.dice.randrange(PATIENCE)):
            await asyncio.sleep(0)
        if self.over:
            raise Died


class Mortal(Store):
    """The store as one process has it."""

    def __init__(self, below: Store, life: Life) -> None:
        self.__dict__.update(below.__dict__)
        self.life = life

    @override
    async def write(self, fn: Callable[[Session], T], *, clients: Clients = ()) -> T:
        await self.life.yield_()
        self.life.reach("before write")
        await self.life.pause()
        result = await super().write(fn, clients=clients)
        self.life.reach("after write")
        await self.life.yield_()
        return result

    @override
    @contextmanager
    def read(self) -> Iterator[Session]:
        self.life.reach("read")
        with super().read() as session:
            yield session


@dataclass
class Line:
    """A channel as one process has it."""

    name: str
    carrier: Carrier
    life: Life

    async def send(self, message: Outgoing) -> Sent:
        await self.life.yield_()
        self.life.reach("before send")
        try:
            return self.carrier.take(self.name, message)
        finally:
            self.life.reach("after send")
            await self.life.yield_()

    async def find(self, message: Outgoing, _since: dt.datetime) -> Found | None:
        await self.life.yield_()
        return self.carrier.look(self.name, message)

    async def recall(self, _copy: Copy) -> bool:
        """Whatever they had is gone when it is asked for."""
        await self.life.yield_()
        return True

    async def close(self) -> None:
        """Nothing to give back."""


class Databases(NamedTuple):
    """Where the rows are, and where the keys."""

    rows: str
    keys: str


@dataclass
class Machine:
    """The store and its keys, and the processes that come and go on it."""

    folder: Path
    clock: Clock
    carrier: Carrier
    seen: Callable[[], None]
    pause: Callable[[], Any]
    dice: random.Random
    databases: Databases
    app: App = field(init=False)
    life: Life = field(init=False)
    _below: App = field(init=False)

    def __post_init__(self) -> None:
        rules = self.folder / "policy.toml"
        rules.write_text(policy.first())
        settings = Settings(
            database_url=self.databases.rows,
            keyring_url=self.databases.keys,
            erasure_log=self.folder / "erasures",
            master_key=SecretStr(base64.b64encode(bytes(range(32))).decode()),
            policy_file=rules,
            email_host="accounts.harrow.example",
            slack_finance_channel=FINANCE,
            slack_clients_channel=CLIENTS,
            twilio_account_sid="AC" + "5a" * 16,
        )
        self._below = books(settings, self.clock, durable=False)
        _alone(self._below.store, self.seen)
        _alone(self._below.keyring.store, lambda: None)
        self.born()

    def born(self) -> None:
        """A process begins, on what the last one left."""
        self.life = Life(self.dice, self.pause)
        store = Mortal(self._below.store, self.life)
        self._below.keyring._known.clear()
        lines = {name: Line(name, self.carrier, self.life) for name in ("sms", "email", "slack")}
        app = replace(self._below, store=store, channels=lines, wake=asyncio.Event())
        inbox = Inbox(store, app.keyring, app.policy)
        self.app = replace(app, inbox=inbox, readers=readers(app.settings, self.clock))

    def other(self) -> App:
        """The same installation, as another process beside this one has it."""
        app = self.app
        return replace(app, inbox=Inbox(app.store, app.keyring, app.policy))

    async def lives(self, work: Coroutine[Any, Any, None]) -> None:
        """Let the process do it.

        Raises:
            Died: it ended over that; what it had begun goes no further.
        """
        working = asyncio.ensure_future(work)
        ending = asyncio.ensure_future(self.life.ended.wait())
        await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
        me = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not me]
        if not self.life.over:
            ending.cancel()
            await working
            return
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        raise Died

    @property
    def below(self) -> App:
        """The installation as whoever looks on has it: it lives whatever process dies."""
        return self._below

    async def close(self) -> None:
        self.life.over = False
        await self._below.close()


def _alone(store: Store, seen: Callable[[], None]) -> None:
    """Let a store write in the thread that asks."""
    if store._writer is not None:
        store._writer.close()
    store._writer = Alone(store.url, seen) if store.sqlite else Aside(store.engine, seen)


def executor() -> Executor:
    """For the event loop of a story."""
    return Inline(max_workers=1)
