"""How is the story of a seed played, from due moment to due moment, with all that goes wrong?

One thread, one loop, and a clock that is turned. What happens to clients comes from ``life``, what
goes wrong from here; after every commit the world looks at what was taken in and what is about to
leave, and the first thing that must not be ends the story.
"""

import asyncio
import datetime as dt
import hashlib
import heapq
import itertools
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlmodel import Session
from typing_extensions import override

from billing.models import LiveSwitch
from bot import factsheet, worker
from bot.firm import Entity, Firm, Person, establish
from bot.inbox import Parcel
from tests.simulation.carrier import Post, Report, Taken
from tests.simulation.judge import Judge
from tests.simulation.life import Day, Happening, Told, today
from tests.simulation.people import person
from tests.simulation.process import Clock, Died, Machine, executor
from tests.simulation.rows import Rows
from tests.simulation.world import OURS, Broken, World, Wrong

_DAY = dt.timedelta(days=1)
PASSES = 400
"""More than anybody needs to come to rest at one moment."""
OWNERS = ("dana@harrow.example", "eli@harrow.example", "gone@harrow.example")


@dataclass(frozen=True)
class Size:
    """How big a story is, and how rough."""

    clients: int = 12
    days: int = 60
    only: tuple[int, ...] = ()
    calm: bool = False

    @override
    def __str__(self) -> str:
        said = f"CLIENTS={self.clients} DAYS={self.days}"
        said += f" ONLY={','.join(map(str, self.only))}" if self.only else ""
        return said + (" CALM=1" if self.calm else "")


@dataclass
class Outcome:
    """What came of a seed."""

    seed: int
    size: Size
    wrong: Wrong | None
    story: list[str]
    met: Counter[str]
    seconds: float
    days: int
    client_days: int
    digest: str
    """Of everything that anybody got, and when: the same seed gives the same."""

    def told(self) -> str:
        """What is printed where something is wrong."""
        if self.wrong is None:
            return f"seed {self.seed}: all is well"
        wrong = self.wrong
        return "\n".join(
            [
                f"seed {self.seed} broke {wrong.invariant} with {wrong.client}",
                f"  at {wrong.at:%Y-%m-%d %H:%M:%S} UTC:",
                f"  {wrong.said}",
                f"what {wrong.client} went through last:",
                *(f"  {line}" for line in self.story),
                f"again: make simulate SEEDS={self.seed} {self.size} LOUD=1",
            ]
        )


def play(
    seed: int, size: Size, template: Path, loud: Callable[[str], None] | None = None
) -> Outcome:
    """Play a seed on a store of its own, a copy of one that is migrated."""
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=_fast()) as folder:
        shutil.copy(template, f"{folder}/store.db")
        began = time.process_time()
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            loop.set_default_executor(executor())
            story = Story(seed, size, Path(folder), loud)
            wrong = runner.run(story.live())
        lived = story.days_lived * len(story.world.people)
        return Outcome(
            seed=seed, size=size, wrong=wrong,
            story=list(story.world.log.get(wrong.client, ())) if wrong else [],
            met=story.met + story.post.met, seconds=time.process_time() - began,
            days=story.days_lived, client_days=lived, digest=story.digest.hexdigest(),
        )  # fmt: skip


def _fast() -> str | None:
    """A store that is thrown away needs no disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


@dataclass(order=True)
class Due:
    """Something that the world does at a moment."""

    at: dt.datetime
    place: int
    do: Callable[[], Any] = field(compare=False)


@dataclass
class Story:
    """One seed while it is played."""

    seed: int
    size: Size
    folder: Path
    loud: Callable[[str], None] | None = None
    met: Counter[str] = field(default_factory=Counter)
    days_lived: int = 0
    heap: list[Due] = field(default_factory=list)
    watched: dict[tuple[str, str], Callable[[], None]] = field(default_factory=dict)
    """Deliveries that were acknowledged, and what is so once they are taken in."""
    meanwhile: list[Callable[[], Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(f"story {self.seed}")
        first = dt.date(2026, 1, 5) + self.dice.randrange(365) * _DAY
        self.begins = dt.datetime.combine(first, dt.time(6), dt.UTC)
        self.ends = self.begins + self.size.days * _DAY
        self.clock = Clock(self.begins)
        wanted = self.size.only or range(self.size.clients)
        people = [person(self.seed, number) for number in wanted]
        self.world = World(self.clock, {one.id: one for one in people}, heard=self.loud)
        self.judge = Judge(self.world)
        self.post = Post(self.seed, self.clock, self.size.calm, self._took, self._reported)
        self.digest = hashlib.sha256()
        self.order = itertools.count()
        self.machine = Machine(
            self.folder, self.clock, self.post, self._seen, self._pause,
            random.Random(f"order {self.seed}"),
        )  # fmt: skip
        self.rows = Rows(self.folder / "store.db", self.world, self.judge)

    # --- the whole of it --------------------------------------------------------------------------

    async def live(self) -> Wrong | None:
        """Play it; say what broke."""
        try:
            await self._begin()
            while self.heap and (at := self._next()) < self.ends:
                self.clock.moment = max(self.clock.moment, at)
                await self._happen()
                await self._work()
            await self._end()
        except Broken as broken:
            return broken.wrong
        finally:
            self.rows.close()
            await self.machine.close()
        return None

    async def _begin(self) -> None:
        def establish_(session: Session) -> None:
            establish(session, FIRM, self.clock.now(), "simulation")
            session.add(LiveSwitch(state="open", changed_at=self.clock.now(), changed_by="us"))

        await self.machine.app.store.write(establish_)
        dice = random.Random(f"owners {self.seed}")
        for one in self.world.people.values():
            owner = dice.choice((*OWNERS, None))
            moment = self.begins + dt.timedelta(seconds=one.number)
            self._tell_at(moment, Told((one.described(owner),)))
        for day in range(self.size.days):
            self.at(self.begins + day * _DAY + dt.timedelta(hours=1), self._dawn)

    async def _end(self) -> None:
        self.rows.whole()
        self.met["messages judged"] += self.judge.checked

    def at(self, moment: dt.datetime, do: Callable[[], Any]) -> None:
        heapq.heappush(self.heap, Due(moment, next(self.order), do))

    def _next(self) -> dt.datetime:
        """When something happens next: in the world, or in the rows."""
        due = self.rows.next_due(self.clock.astray)
        return min(self.heap[0].at, due) if due else self.heap[0].at

    async def _happen(self) -> None:
        while self.heap and self.heap[0].at <= self.clock.now():
            found = heapq.heappop(self.heap).do()
            if found is not None:
                await found

    def _dawn(self) -> None:
        """Another day: what becomes of everybody is settled now, hour by hour."""
        self.rows.whole()
        self.days_lived += 1
        for one in self.world.people.values():
            if one.id not in self.world.known:
                continue
            heard = self.world.reminded.get(one.id)
            reminded = heard is not None and self.clock.now() - heard < 7 * _DAY
            there = today(self.clock.now(), one)
            day = Day(self.seed, one, there, self.world.books, reminded)
            for happening in day.happenings():
                self._arrange(happening)

    def _arrange(self, happening: Happening) -> None:
        moment = max(happening.at, self.clock.now())
        if isinstance(happening.what, Told):
            self._tell_at(moment, happening.what)

    # --- what we are told -------------------------------------------------------------------------

    def _tell_at(self, moment: dt.datetime, told: Told) -> None:
        name = f"evt-{next(self.order)}"
        body = factsheet.write(told.facts)
        parcel = Parcel("facts", name, body)
        self.at(moment, lambda: self._deliver(parcel, lambda: self._taken_in(told)))

    async def _deliver(self, parcel: Parcel, then: Callable[[], None]) -> None:
        """A hook knocks; where nobody answers it knocks again."""
        try:
            new = await self.machine.app.inbox.receive(parcel, self.clock.now())
        except Died:
            await self._reborn()
            self.at(self.clock.now() + dt.timedelta(minutes=1), lambda: self._deliver(parcel, then))
            return
        if new:
            self.watched[parcel.key] = then

    def _taken_in(self, told: Told) -> None:
        for fact in told.facts:
            self.world.take(fact)

    # --- the product at work ----------------------------------------------------------------------

    async def _work(self) -> None:
        """A pass of the worker; where its process dies, the next one goes on at once."""
        try:
            await worker.drain(self.machine.app)
        except Died:
            await self._reborn()
        except Broken:
            raise
        except BaseExceptionGroup as group:
            broken = group.subgroup(Broken)
            if broken is not None:
                raise _first(broken) from None
            self.world.break_(OURS, "no_pass_fails", _kinds(group))

    async def _reborn(self) -> None:
        self.met["deaths"] += 1
        await self.machine.bury()
        self.machine.born()

    async def _pause(self) -> None:
        while self.meanwhile:
            found = self.meanwhile.pop(0)()
            if found is not None:
                await found

    def _seen(self) -> None:
        """After every commit: what was taken in by it, and what is about to leave?"""
        for key, then in list(self.watched.items()):
            row = self.rows.incoming(*key)
            if row and row["state"] != "pending":
                del self.watched[key]
                then()
        self.rows.leaving()

    def _took(self, taken: Taken) -> None:
        said = f"{taken.at.isoformat()}|{taken.channel}|{taken.message.to}|{taken.message.text}\n"
        self.digest.update(said.encode())
        self.met[f"{taken.channel} taken"] += 1
        self.judge.arrives(taken)

    def _reported(self, report: Report) -> None:
        pass


FIRM = Firm(
    legal_entity=tuple(
        Entity(
            name=name, postal_address="12 Tanner Row, Albany", from_name=name,
            from_address=f"accounts{place}@harrow.example", pay_link=f"https://pay.example/{place}",
            phone=f"+1500555000{6 + place}", currency=currency,
        )
        for place, (name, currency) in enumerate((("Harrow Law", "USD"), ("Harrow Europe", "EUR")))
    ),
    staff=(
        Person(name="Dana", email=OWNERS[0], slack_user="U0DANA", roles=("account_manager",)),
        Person(name="Eli", email=OWNERS[1], slack_user="U0ELI", roles=("finance",)),
        Person(name="Gone", email=OWNERS[2], slack_user="U0GONE", active=False),
    ),
)  # fmt: skip


def _first(group: BaseExceptionGroup[Any]) -> Broken:
    one: Any = group
    while isinstance(one, BaseExceptionGroup):
        one = one.exceptions[0]
    assert isinstance(one, Broken)
    return one


def _kinds(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(sorted({_kinds(one) for one in error.exceptions}))
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
