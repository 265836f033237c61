"""How does the story of a seed go while its plan of faults comes true?

The world (carrier, workspace, mail server, disk, database server, clocks) lives here and stays; the
product is a process of its own, killed and born again on the same store.
"""

import asyncio
import contextlib
import datetime as dt
import itertools
import json
import os
import random
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlmodel import col, select

from billing.facts import Fact
from billing.models import Address
from billing.store import Store
from bot.sandbox import loopback
from bot.sandbox.faults import Fault
from bot.web import mail_id
from comms.channels import sms
from comms.models import ConsentEvent, Message, State
from comms.outbox import LEASE
from tests.factories import Outside
from tests.faults.history import START, STOP, Event, history
from tests.faults.plan import Plan, Trouble

Answer = dict[str, Any]
GONE: Answer = {"problem": "gone"}
SHORT = 0.06
"""Seconds that a provider stays silent before its connection breaks; the product would wait 20."""
TICK = dt.timedelta(seconds=5)
"""``bot.schedule.EVERY``: so often the product looks by itself."""
MARGIN = dt.timedelta(minutes=1)
BAD_AFTER = 8192
"""Bytes of a file on a bad disk that can be written; SQLite meets an I/O error beyond them."""
PATIENCE = 60
PASSES = 1_000


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
    untold: list[Fact] = field(default_factory=list)
    unheard: list[Event] = field(default_factory=list)
    due: dt.datetime | None = None
    lease: dt.datetime | None = None
    """When the leases of the last dead process are over."""
    problem: str = ""
    pid: int = 0
    bad_until: dt.datetime | None = None
    """When the disk takes writes again."""
    shot: float = 0
    stopped: float = 0
    lease_over: bool = True
    doom: tuple[str, int] | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    seen_hooks: int = 0

    @property
    def now(self) -> dt.datetime:
        return self.around.clock.now()

    # --- the story --------------------------------------------------------------------------------

    async def play(self) -> None:
        """The whole story, then a quiet end in which everything can come to rest."""
        if self.now < START:
            self.around.clock.turn(START)
        await self.born()
        await self.surely("establish")
        moments: list[tuple[dt.datetime, int, Event | Trouble]] = [
            (event.at, place, event) for place, event in enumerate(history(self.plan))
        ]
        moments += [(_moment(one), -1, one) for one in self.plan.troubles]
        moments.sort(key=lambda one: one[:2])
        for at, group in itertools.groupby(moments, key=lambda one: one[0]):
            await self.turn(at)
            for _, _, what in group:
                if isinstance(what, Trouble):
                    await self.befall(what)
                else:
                    self.happen(what)
            await self.settle()
        await self.turn(START + dt.timedelta(days=self.plan.days))
        await self.rest()

    def happen(self, event: Event) -> None:
        """Facts become known, or somebody writes; what does not get through is tried again."""
        self.untold += event.facts
        if event.channel:
            self.unheard.append(event)

    async def rest(self) -> None:
        """Nothing goes wrong any more; people decide what only they can."""
        around = self.around
        around.clock.ahead += 2 * LEASE + len(self.plan.troubles) * _HOUR
        for one in (around.twilio, around.slack, around.mail):
            self.met["fault that met nothing"] += one.faults.waiting()
            one.faults.clear()
        await self.heal()
        await self.kill()
        await self.born()
        await self.turn(self.now + dt.timedelta(days=2))
        await self.decide()
        await self.turn(self.now + dt.timedelta(days=3))
        self.found = (await self.surely("audit"))["found"]
        await self.ask("stop")
        await self.gone()

    async def decide(self) -> None:
        """Finance answers every card that asks whether a message went, and knows it."""
        for message in self.rows(lambda s: s.exec(_DOUBTFUL).all()):
            went = message.reference in self.arrived()
            self.met[f"a person said {'it went' if went else 'it did not go'}"] += 1
            key = f"answer:{message.id}:{message.attempts}"
            await self.surely("resolve", message=message.id, went=went, key=key)
        await self.settle()

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

    # --- time -------------------------------------------------------------------------------------

    async def turn(self, until: dt.datetime) -> None:
        """Time passes, from due moment to due moment."""
        pause = TICK
        for _ in range(PASSES):
            soonest = self.now + pause
            restless = self.untold or self.unheard or self.problem
            pause = min(2 * pause, _HOUR) if restless else TICK
            ends = (self.due, self.lease, self.bad_until)
            wake = min((one for one in ends if one), default=None)
            at = max(wake, soonest) if wake and not restless else soonest
            if (not wake and not restless) or at > until:
                break
            self.pass_time(at)
            if self.bad_until and self.bad_until <= at:
                await self.heal()
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

    async def pass_(self) -> Answer:
        """One pass of the worker, with what was planned for it."""
        tasks = []
        if self.shot:
            tasks.append(asyncio.create_task(self.shoot(self.shot)))
            self.shot = 0
        if self.stopped:
            tasks.append(asyncio.create_task(self.pull_plug(self.stopped)))
            self.stopped = 0
        answer = await self.ask("work")
        await asyncio.gather(*tasks)
        self.note_silence()
        return answer

    async def speak(self) -> None:
        """Tell what is known, and write what people write, until it was taken."""
        if self.untold:
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
        for hook in hooks[self.seen_hooks :]:
            if hook.answer.accepted:
                source = "twilio.sms" if hook.url.endswith("/sms") else "twilio.status"
                self.kept.add((source, sms.external_id(dict(hook.params))))
        new = len(hooks) > self.seen_hooks
        self.seen_hooks = len(hooks)
        return new

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
        settings = self.around.settings.model_dump(mode="json")
        for name in settings:
            secret = getattr(self.around.settings, name)
            if hasattr(secret, "get_secret_value"):
                settings[name] = secret.get_secret_value()
        birth = self.clocks() | {
            "settings": settings,
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
        for _ in range(1_000):
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
        await self.gone()
        if self.lease_over:
            self.around.clock.ahead += LEASE + MARGIN
        else:
            self.lease = self.now + LEASE + MARGIN
        # A process cannot start on a full disk: it is started again when there is room.
        self.disk.free()
        self.bad_until = None
        await self.born()

    async def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        await self.gone()
        self.met["death"] += 1

    async def gone(self) -> None:
        """Wait until the process is no more: its port and its claim on the store are free."""
        assert self.streams is not None
        self.streams[1].close()
        for _ in range(2_000):
            if not _runs(self.pid):
                return
            await asyncio.sleep(0.005)
        raise AssertionError("the product does not end")

    # --- faults -----------------------------------------------------------------------------------

    async def befall(self, trouble: Trouble) -> None:
        """What the plan says comes true."""
        self.met[trouble.what] += 1
        getattr(self, "befall_" + trouble.what.replace(" ", "_"))(trouble)
        if trouble.what == "hooks again":
            await self.repeat(trouble.get("hooks"))
        if trouble.what == "bad disk":
            await self.ask("limit", bytes=BAD_AFTER)

    def befall_kill(self, trouble: Trouble) -> None:
        self.doom = (trouble.get("point"), trouble.get("nth"))
        self.lease_over = trouble.get("lease_over")

    def befall_shot(self, trouble: Trouble) -> None:
        self.shot, self.lease_over = trouble.get("after"), trouble.get("lease_over")

    def befall_sms(self, trouble: Trouble) -> None:
        self.go_wrong(self.around.twilio.faults, "send", trouble)

    def befall_sms_list(self, trouble: Trouble) -> None:
        self.go_wrong(self.around.twilio.faults, "list", trouble)

    def befall_slack(self, trouble: Trouble) -> None:
        self.go_wrong(self.around.slack.faults, "chat.postMessage", trouble)

    def befall_mail(self, trouble: Trouble) -> None:
        self.go_wrong(self.around.mail.faults, trouble.get("command"), trouble)

    def befall_report(self, trouble: Trouble) -> None:
        self.go_wrong(self.around.twilio.faults, "status", trouble)

    def befall_hooks_again(self, trouble: Trouble) -> None:
        """Done by ``repeat``."""

    def befall_jump(self, trouble: Trouble) -> None:
        hour = dt.timedelta(hours=trouble.get("hours"))
        clock = self.around.clock
        if trouble.get("clock") == "business":
            clock.turn(clock.now() + hour)
        else:
            clock.ahead += hour if trouble.get("clock") == "wall" else -hour

    def befall_far_jump(self, trouble: Trouble) -> None:
        clock = self.around.clock
        clock.turn(clock.now() + dt.timedelta(days=trouble.get("days")))

    def befall_bad_disk(self, trouble: Trouble) -> None:
        self.bad_until = self.now + dt.timedelta(hours=trouble.get("hours"))

    def befall_full_disk(self, trouble: Trouble) -> None:
        if self.disk.small:
            self.bad_until = self.now + dt.timedelta(hours=trouble.get("hours"))
            self.disk.fill()

    def befall_stop_postgres(self, trouble: Trouble) -> None:
        self.stopped = trouble.get("after")

    def go_wrong(self, faults: Any, endpoint: str, trouble: Trouble) -> None:
        fault: Fault = trouble.get("fault")
        seconds = 2 if fault is Fault.RATE_LIMIT else SHORT
        faults.plan(endpoint, fault, times=trouble.get("times"), seconds=seconds)

    async def repeat(self, count: int) -> None:
        """Hooks of the past come again, in another order."""
        dice = random.Random(f"{self.plan.seed} {self.now}")
        around = self.around
        old = [one for one in around.twilio.hooks if one.answer.accepted]
        for hook in dice.sample(old, min(count, len(old))):
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Twilio-Signature": around.twilio.signature(hook.url, hook.params),
            }
            await loopback.post(hook.url, urlencode(hook.params).encode(), headers)
        mails = list(around.mail.written)
        for raw in dice.sample(mails, min(2, len(mails))):
            await around.mail.deliver_raw(raw)

    async def shoot(self, after: float) -> None:
        await asyncio.sleep(after)
        os.kill(self.pid, signal.SIGKILL)

    async def pull_plug(self, after: float) -> None:
        assert self.stop_postgres is not None
        assert self.start_postgres is not None
        await asyncio.sleep(after)
        await asyncio.to_thread(self.stop_postgres)
        await asyncio.sleep(0.05)
        await asyncio.to_thread(self.start_postgres)

    async def heal(self) -> None:
        """The disk takes writes again."""
        self.bad_until = None
        self.disk.free()
        await self.ask("limit", bytes=0)


_HOUR = dt.timedelta(hours=1)
_DOUBTFUL = select(Message).where(Message.state == State.IN_DOUBT, col(Message.wake_at).is_(None))
_REVOKED = (
    select(Address.value)
    .join(ConsentEvent, col(ConsentEvent.address_id) == Address.id)
    .where(ConsentEvent.change == "revoked", Address.kind == "sms")
)


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def _moment(trouble: Trouble) -> dt.datetime:
    midnight = START.replace(hour=0)
    return midnight + dt.timedelta(days=trouble.day, hours=trouble.hour, minutes=trouble.minute)


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
