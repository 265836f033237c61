"""How does the product live in its world, and what do we know that it was told?

The world (carrier, workspace, mail server, disk, database server, clocks) lives here and stays; the
product is a process of its own, killed and born again on the same store.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import json
import os
import pickle
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from billing.facts import Fact
from billing.models import Address
from billing.store import Store
from bot.sandbox.faults import Planned
from bot.web import mail_id
from comms.channels import twilio_hooks
from comms.models import ConsentEvent
from comms.outbox import LEASE
from tests.factories import Outside
from tests.faults.history import STOP, Event
from tests.faults.plan import Plan

Answer = dict[str, Any]
During = Callable[[], AbstractAsyncContextManager[None]]
GONE: Answer = {"problem": "gone"}
TICK = dt.timedelta(seconds=5)
"""``bot.schedule.EVERY``: so often the product looks by itself."""
MARGIN = dt.timedelta(minutes=1)
SECOND, HOUR = dt.timedelta(seconds=1), dt.timedelta(hours=1)
PATIENCE = 100
"""Seconds for an answer of the product: not a limit that a loaded machine meets."""
PASSES = 1_000
LONGEST = 24
"""So often a bad disk stays bad for three hours more, until a write fails."""


@dataclass
class Nursery:
    """The process that products are born from."""

    process: subprocess.Popen[str]

    def bear(self, birth: Answer) -> int:
        """A new product; the number of its process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(birth) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@dataclass
class Disk:
    """Where the store lies, and what fills it."""

    folder: Path
    small: bool

    def fill(self) -> None:
        with contextlib.suppress(OSError), (self.folder / "ballast").open("wb", 0) as file:
            while True:
                file.write(bytes(4096))

    def free(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)


@dataclass
class Ordeal:
    """One run: what is done to the product, and what we know that it was told."""

    plan: Plan
    around: Outside
    nursery: Nursery
    disk: Disk
    stop_postgres: Callable[[], None] | None = None
    start_postgres: Callable[[], None] | None = None
    told: list[Fact] = field(default_factory=list)
    kept: set[tuple[str, str]] = field(default_factory=set)
    """Source and id of every hook that was answered with 2xx."""
    silenced: dict[str, int] = field(default_factory=dict)
    """Phones whose STOP is committed, and how many texts the carrier had taken by then."""
    found: list[Any] = field(default_factory=list)
    """What the watcher says at the end."""
    met: Counter[str] = field(default_factory=Counter)
    """What happened, by its name."""
    bites: Counter[str] = field(default_factory=Counter)
    """Troubles that the product felt, by their kind: a fault that meets nothing shows nothing."""
    during: list[During] = field(default_factory=list)
    """What goes on beside the next pass."""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    """What was begun while the product worked, and must be over before the story goes on."""
    afterwards: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """What is made good only when the pass is over."""
    wrong: list[tuple[str, Planned, int]] = field(default_factory=list)
    """Faults at the wire: their kind, themselves, and how often they should strike."""
    blame: str = ""
    """What kills the process, if it dies."""
    plug: asyncio.Lock = field(default_factory=asyncio.Lock)
    pulled: str = ""
    """How PostgreSQL was stopped since the last pass."""
    untold: list[Fact] = field(default_factory=list)
    unheard: list[Event] = field(default_factory=list)
    due: dt.datetime | None = None
    lease: dt.datetime | None = None
    """When the leases of the last dead process are over."""
    problem: str = ""
    pid: int = 0
    bad_until: dt.datetime | None = None
    """When the disk takes writes again."""
    suffered: bool = False
    """Whether a write failed since it takes none."""
    extended: int = 0
    lease_over: bool = True
    doom: tuple[str, int] | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    seen_hooks: int = 0

    @property
    def now(self) -> dt.datetime:
        return self.around.clock.now()

    def happen(self, event: Event) -> None:
        """Facts become known, or somebody writes; what does not get through is tried again."""
        self.untold += event.facts
        if event.channel:
            self.unheard.append(event)

    def arrived(self) -> Counter[str]:
        """How often each message, by its reference, reached the carrier or the mail server."""
        texts = [
            one.asked["StatusCallback"].rpartition("ref=")[2]
            for one in self.around.twilio.messages.values()
            if one.direction != "inbound"
        ]
        mails = [one.message_id.strip("<>").partition("@")[0] for one in self.around.mail.letters]
        return Counter([*texts, *mails])

    def rows(self, look: Callable[[Any], Any]) -> Any:
        """What the store has, read from beside."""
        store = Store(self.around.settings.database_url, writable=False)
        try:
            with store.read() as session:
                return look(session)
        finally:
            store.close()

    @property
    def idle(self) -> bool:
        """Whether nothing is due in the store at this moment."""
        return self.due is None or self.due > self.now

    # --- time -------------------------------------------------------------------------------------

    async def heal(self) -> None:
        """The disk takes writes again."""
        self.bad_until, self.suffered, self.extended = None, False, 0
        self.disk.free()
        await self.ask("limit", bytes=0)

    async def heal_if_felt(self) -> None:
        """A disk that was bad while nothing was written stays so for a while."""
        if self.suffered or self.extended >= LONGEST:
            await self.heal()
        else:
            self.bad_until, self.extended = self.now + 3 * HOUR, self.extended + 1

    async def turn(self, until: dt.datetime) -> None:
        """Time passes, from due moment to due moment."""
        pause = TICK
        for _ in range(PASSES):
            soonest = self.now + pause
            restless = self.untold or self.unheard or self.problem
            pause = min(5 * pause, 2 * HOUR) if restless else TICK
            ends = (self.due, self.lease, self.bad_until)
            wake = min((one for one in ends if one), default=None)
            at = max(wake, soonest) if wake and not restless else soonest
            if (not wake and not restless) or at > until:
                break
            self.pass_time(at)
            if self.bad_until and self.bad_until <= at:
                await self.heal_if_felt()
            await self.settle()
        else:
            raise AssertionError(f"no rest: {self.problem} {self.due} {self.unheard} {self.untold}")
        if until > self.now:
            self.pass_time(until)

    def pass_time(self, until: dt.datetime) -> None:
        """Both clocks move on alike; what is left of a dead process's leases runs out."""
        self.around.clock.ahead += until - self.now
        self.around.clock.turn(until)
        if self.lease and self.lease <= until:
            self.lease = None

    async def settle(self) -> None:
        """Let everything happen that can happen now, on both sides of the wire."""
        while True:
            await self.speak()
            answer = await self.pass_()
            await self.around.twilio.settle()
            heard = self.collect()
            if answer is not GONE and not heard:
                break
        self.due = dt.datetime.fromisoformat(answer["next"]) if answer.get("next") else None
        self.problem = answer["problem"]
        if self.problem:
            self.met[f"failed pass: {self.problem.partition(':')[0]}"] += 1
        if self.bad_until and "disk" in self.problem:
            self.bites["full disk" if "is full" in self.problem else "bad disk"] += 1
            self.suffered = True

    async def pass_(self) -> Answer:
        """One pass of the worker, with what was planned for it."""
        during, self.during = self.during, []
        async with AsyncExitStack() as stack:
            for one in during:
                await stack.enter_async_context(one())
            answer = await self.ask("work")
        tasks, self.tasks = self.tasks, []
        afterwards, self.afterwards = self.afterwards, []
        await asyncio.gather(*tasks, *(one() for one in afterwards))
        if self.pulled and answer["problem"]:
            self.bites[self.pulled] += 1
        self.pulled = ""
        self.note_silence()
        return answer

    async def speak(self) -> None:
        """Tell what is known, and write what people write, until it was taken."""
        if self.untold:
            # No message may be claimed at the very moment of a fact: which was first?
            self.pass_time(self.now + SECOND)
            facts = [one.model_dump(mode="json") for one in self.untold]
            answer = await self.ask("tell", facts=facts)
            if not answer["problem"]:
                self.told += self.untold
                self.untold.clear()
            else:
                self.met[f"not told: {answer['problem'].partition(':')[0]}"] += 1
        for event in list(self.unheard):
            if await self.heard(event):
                self.unheard.remove(event)
            else:
                self.met["not heard"] += 1

    async def heard(self, event: Event) -> bool:
        around = self.around
        if event.channel == "sms":
            number = min(around.twilio.senders)
            return 200 <= await around.twilio.text(event.sender, number, event.words) < 300
        box = around.mail.mailboxes[event.sender]
        last = box[-1] if box else None
        subject = f"Re: {last.subject}" if last else "A question"
        to = last.sender if last else "accounts@harrow.example"
        status = await around.mail.write(event.sender, to, subject, event.words, last)
        if 200 <= status < 300:
            self.kept.add(("email", mail_id(around.mail.written[-1])))
        return 200 <= status < 300

    def collect(self) -> bool:
        """Remember what hooks the product took; say whether there were any."""
        hooks = self.around.twilio.hooks
        taken = [hook for hook in hooks[self.seen_hooks :] if hook.answer.accepted]
        for hook in taken:
            self.kept.add((source_of(hook), twilio_hooks.external_id(dict(hook.params))))
        self.seen_hooks = len(hooks)
        return bool(taken)

    def note_silence(self) -> None:
        """Since when does a committed STOP hold for a phone?"""
        phones = {
            phone
            for phone, texts in self.around.twilio.phones.items()
            if any(one.direction == "out" and one.body == STOP for one in texts)
        }
        if phones <= set(self.silenced):
            return
        with contextlib.suppress(Exception):
            for value in self.rows(lambda s: s.exec(_REVOKED).all()):
                taken = [one for one in self.around.twilio.messages.values() if one.to == value]
                self.silenced.setdefault(value, len(taken))

    # --- the process ------------------------------------------------------------------------------

    async def born(self) -> None:
        """A product starts on what the last one left."""
        self.ready.clear()
        birth = self.clocks() | {
            "settings": base64.b64encode(pickle.dumps(self.around.settings)).decode(),
            "socket": str(self.around.folder / "control"),
            "port": self.around.port,
            "folder": str(self.around.folder),
        }
        for _ in range(20):
            self.pid = await asyncio.to_thread(self.nursery.bear, birth)
            if await self.lives():
                return
        raise AssertionError("the product does not start; its reason is on stderr")

    async def lives(self) -> bool:
        """Whether the new process reports for work; one that cannot start ends instead."""
        for _ in range(2_000):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ready.wait(), 0.05)
                return True
            if not _runs(self.pid):
                return False
        raise AssertionError("the product neither starts nor ends")

    def clocks(self) -> Answer:
        clock = self.around.clock
        return {"now": clock.now().isoformat(), "ahead": clock.ahead.total_seconds()}

    async def ask(self, do: str, **more: Any) -> Answer:
        """Have the product do something; where it dies of it, the next one is born."""
        assert self.streams is not None
        reader, writer = self.streams
        asked = {"do": do} | self.clocks() | more
        if self.doom and do == "work":
            asked["doom"], self.doom = self.doom, None
            self.blame = f"kill {asked['doom'][0]}"
        try:
            writer.write(json.dumps(asked).encode() + b"\n")
            async with asyncio.timeout(PATIENCE):
                line = await reader.readline()
        except ConnectionError:
            line = b""
        if line:
            answer: Answer = json.loads(line)
            return answer
        if do != "stop":
            await self.reborn()
        return GONE

    async def surely(self, do: str, **more: Any) -> Answer:
        """The same until it is done."""
        for _ in range(20):
            answer = await self.ask(do, **more)
            if not answer["problem"]:
                return answer
        raise AssertionError(f"{do} cannot be done: {answer['problem']}")

    async def reborn(self) -> None:
        """It was killed: its leases run out, now or only later."""
        self.met["death"] += 1
        self.bites[self.blame or "a death of its own"] += 1
        self.blame = ""
        await self.gone()
        if self.lease_over:
            self.around.clock.ahead += LEASE + MARGIN
        else:
            self.lease = self.now + LEASE + MARGIN
        # A process cannot start on a full disk: it is started again when there is room.
        self.disk.free()
        self.bad_until, self.suffered, self.extended = None, False, 0
        await self.born()

    async def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        await self.gone()
        self.met["death"] += 1

    async def gone(self) -> None:
        """Wait until the process is no more: its port and its claim on the store are free."""
        assert self.streams is not None
        self.streams[1].close()
        for _ in range(20_000):
            if not _runs(self.pid):
                return
            await asyncio.sleep(0.005)
        raise AssertionError("the product does not end")


_REVOKED = (
    select(Address.value)
    .join(ConsentEvent, col(ConsentEvent.address_id) == Address.id)
    .where(ConsentEvent.change == "revoked", Address.kind == "sms")
)


def source_of(hook: Any) -> str:
    """Under which source the inbox keeps a hook of the carrier."""
    return "twilio.sms" if hook.url.endswith("/sms") else "twilio.status"


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


@asynccontextmanager
async def listening(ordeal: Ordeal) -> AsyncIterator[None]:
    """Wait for products to report for work."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ordeal.streams = reader, writer
        ordeal.ready.set()

    server = await asyncio.start_unix_server(connected, ordeal.around.folder / "control")
    try:
        yield
    finally:
        server.close()
        with contextlib.suppress(ProcessLookupError):
            if ordeal.pid:
                os.kill(ordeal.pid, signal.SIGKILL)
        if ordeal.streams is not None:
            ordeal.streams[1].close()
