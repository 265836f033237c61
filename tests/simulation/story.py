"""How is the story of a seed played, from due moment to due moment, with all that goes wrong?

One thread, one loop, and a clock that is turned. What happens to clients comes from ``life``, what
goes wrong with the machine from ``troubles``; after every commit the world looks at what was taken
in and what is about to leave, and the first thing that must not be ends the story.
"""

import datetime as dt
import hashlib
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlmodel import Session

from billing.facts import Fact
from billing.models import LiveSwitch
from bot import factsheet, worker
from bot.firm import establish
from bot.inbox import Parcel
from bot.staff import publishing
from bot.understanding import understand
from comms.duties import instructions
from tests.simulation import firm, hooks, seldom, whole
from tests.simulation.carrier import Post, Report, Taken
from tests.simulation.custody import ORDERS, Shelf
from tests.simulation.judge import Judge
from tests.simulation.life import Day, Happening, Ordered, Said, Told, beginning, today
from tests.simulation.people import Person, person
from tests.simulation.process import Clock, Databases, Died, Machine
from tests.simulation.rows import Rows
from tests.simulation.size import Size
from tests.simulation.troubles import Trouble, troubles
from tests.simulation.world import OURS, Broken, World, Wrong

DAY, MINUTE = dt.timedelta(days=1), dt.timedelta(minutes=1)
_CLAIMED = "SELECT 1 FROM message WHERE state = 'claimed'"
QUIET = 4
"""Days at the end on which nothing goes wrong any more, so that everything can come to rest."""
Do = Callable[[], Awaitable[None] | None]


@dataclass(order=True)
class Due:
    """Something that the world does at a moment."""

    at: dt.datetime
    place: int
    do: Do = field(compare=False)


@dataclass
class Story:
    """One seed while it is played."""

    seed: int
    size: Size
    folder: Path
    databases: Databases
    loud: Callable[[str], None] | None = None
    met: Counter[str] = field(default_factory=Counter)
    days_lived: int = 0
    lived: dict[str, dt.date] = field(default_factory=dict)
    """The last day of each client, where they are."""
    heap: list[Due] = field(default_factory=list)
    watched: dict[tuple[str, str], Callable[[int], None]] = field(default_factory=dict)
    """Deliveries that were acknowledged, and what is so once they are taken in."""
    waiting: dict[int, set[str]] = field(default_factory=dict)
    """Deliveries of which something waits for something else: whose it is."""
    meanwhile: list[tuple[int, Do]] = field(default_factory=list)
    """What happens between two transactions of a pass, after so many of them."""
    stall: dt.timedelta | None = None
    """By how much time passes when a message is claimed and not yet on the wire."""
    settled: set[tuple[str, str]] = field(default_factory=set)
    """Deliveries that were taken in: when they come again they change nothing."""
    wrong: Wrong | None = None
    whole_today: bool = False

    def __post_init__(self) -> None:
        self.dice = random.Random(f"story {self.seed}")
        first = dt.date(2026, 1, 5) + self.dice.randrange(365) * DAY
        self.begins = dt.datetime.combine(first, dt.time(6), dt.UTC)
        self.ends = self.begins + (self.size.days + QUIET) * DAY
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
            random.Random(f"order {self.seed}"), self.databases,
        )  # fmt: skip
        self.rows = Rows(self.databases.rows, self.world, self.judge)
        self.shelf = Shelf(self.world, self.rows, self.machine)

    # --- the whole of it --------------------------------------------------------------------------

    async def live(self) -> Wrong | None:
        """Play it; say what broke."""
        try:
            await self._begin()
            while self.heap and (moment := self._next()) < self.ends:
                self.clock.moment = max(self.clock.moment, moment)
                await self._step()
            whole.at_rest(self.rows, self.world, self.machine.app, self.post)
            self.met += self.judge.tally() + self.rows.tally()
        except Broken as broken:
            return broken.wrong
        finally:
            self.rows.close()
            await self.machine.close()
        return None

    async def _step(self) -> None:
        """What happens at this moment, and what follows from it."""
        try:
            await self.machine.lives(self._work())
        except Died:
            self._reborn()
            return
        finally:
            if self.wrong is not None:
                raise Broken(self.wrong)
        if self.whole_today:
            self.whole_today = False
            whole.daily(self.rows, self.world)
            self.shelf.look()

    async def _begin(self) -> None:
        def establish_(session: Session) -> None:
            establish(session, firm.FIRM, self.clock.now(), "simulation")
            session.add(LiveSwitch(state="open", changed_at=self.clock.now(), changed_by="us"))

        await self.machine.app.store.write(establish_)
        for one in self.world.people.values():
            self._come(one)
        for day in range(self.size.days + QUIET):
            self.at(self.begins + day * DAY + dt.timedelta(hours=1), self._dawn)
        if not self.size.calm:
            for trouble in troubles(self.seed, self.begins, self.size.days):
                self.at(trouble.at, partial(self._befall, trouble))
        self.at(self.begins + self.size.days * DAY, self._hush)

    def _come(self, one: Person) -> None:
        """A client comes with what they owe already."""
        moment = self.begins + dt.timedelta(seconds=one.number % 7200)
        told = (one.described(firm.owner_of(self.seed, one.number)),)
        self._tell_at(moment, one.id, told + beginning(self.seed, one, self.begins.date()))

    def _hush(self) -> None:
        """From here on nothing goes wrong any more."""
        self.post.calm, self.clock.astray = True, dt.timedelta()
        self.post.down.clear()
        self.machine.life.doom("", 0)

    def at(self, moment: dt.datetime, do: Do) -> None:
        heapq.heappush(self.heap, Due(moment, next(self.order), do))

    def _next(self) -> dt.datetime:
        """When something happens next: in the world, or in the rows."""
        due = self.rows.next_due(self.clock.astray)
        return min(self.heap[0].at, due) if due else self.heap[0].at

    async def _happen(self) -> None:
        while self.heap and self.heap[0].at <= self.clock.now():
            await _done(heapq.heappop(self.heap).do)

    def _dawn(self) -> None:
        """Another day: what becomes of everybody is settled now, hour by hour."""
        self.days_lived += 1
        self.whole_today = True
        if self.days_lived > self.size.days:
            return
        for one in self.world.people.values():
            if one.id not in self.world.known or one.id in self.world.erased:
                continue
            there = today(self.clock.now(), one)
            if self.lived.get(one.id) == there:
                continue  # clocks went back at midnight: a day of 25 hours is lived once
            self.lived[one.id] = there
            day = Day(self.seed, one, there, self.world.books, self.world.heard_lately(one.id))
            for happening in (*day.happenings(), *seldom.happenings(day, self.world.renewals)):
                self._arrange(one, happening)

    def _arrange(self, one: Person, happening: Happening) -> None:
        moment = max(happening.at, self.clock.now())
        match happening.what:
            case Told(told):
                self._tell_at(moment, one.id, told)
            case Said(channel, words):
                self.at(moment, lambda: self._say(one, channel, words))
            case Ordered(what):
                do = partial(self._file if what in ORDERS else self._order, one.id, happening.what)
                self.at(moment, partial(self._in_between, do) if what in ORDERS else do)

    # --- what the product is told -----------------------------------------------------------------

    def _tell_at(self, moment: dt.datetime, client: str, told: tuple[Fact, ...]) -> None:
        name = f"evt-{client}-{next(self.order)}"
        parcel = hooks.facts(name, told)

        def taken_in(row: int) -> None:
            self._taken_in(client, told, row)

        self.at(moment, lambda: self._knock(parcel, taken_in, client))
        if self.dice.random() < 0.04:
            # The same facts in a delivery of their own: nothing is new in them.
            copy = hooks.facts(f"{name}-again", told)
            later = moment + dt.timedelta(minutes=self.dice.randint(0, 40_000))
            self.at(later, lambda: self._knock(copy, lambda _row: None, client))

    def _taken_in(self, client: str, told: tuple[Fact, ...], row: int) -> None:
        """What was booked counts from now on; what waits, from when its own delivery is done."""
        if client in self.world.erased:
            return
        refused = whole.refused(self.machine.below, row)
        waiting = whole.waiting(self.machine.below, row)
        late = [name for names in waiting.values() for name in names]
        for fact in told:
            name = whole.name_of(fact)
            if name in refused or name in late:
                kind = "refused" if name in refused else "waits"
                self.world.note(client, f"{kind}: {type(fact).__name__}")
                self.met[f"facts: {kind}"] += 1
            else:
                self.world.take(fact)
                self.met[f"told: {type(fact).__name__}"] += 1
        for parcel, names in waiting.items():
            some = tuple(fact for fact in told if whole.name_of(fact) in names)
            self.watched[factsheet.WAITING, parcel] = partial(self._in_the_end, client, some)

    def _in_the_end(self, client: str, told: tuple[Fact, ...], row: int) -> None:
        if self.rows.one("SELECT state FROM incoming WHERE id = ?", row)["state"] == "done":
            self._taken_in(client, told, row)
        else:
            self.met["facts: never taken"] += 1
            self.world.note(client, f"given up: {', '.join(map(whole.name_of, told))}")

    def _say(self, one: Person, channel: str, words: str) -> None:
        if one.id in self.world.erased:
            return
        sender = one.phone if channel == "sms" else one.email
        name = f"{one.id}-{next(self.order)}"
        if channel == "sms":
            parcel = hooks.text(self.seed, name, sender, words)
        else:
            parcel = hooks.mail(name, sender, words, self.clock.now())
        self.world.note(one.id, f"writes by {channel}: {words}")
        self.at(
            self.clock.now(), lambda: self._knock(parcel, lambda _: self._heard(one, sender, words))
        )

    def _heard(self, one: Person, sender: str, words: str) -> None:
        world = self.world
        world.note(one.id, f"understood: {words}")
        if words in (*hooks.STOPS, *hooks.MAIL_STOPS):
            world.stopped[sender] = f"{world.now:%Y-%m-%d %H:%M:%S} by {words!r}"
            self.met["stops"] += 1
        elif words in hooks.STARTS and "@" not in sender:
            world.stopped.pop(sender, None)

    def _order(self, client: str, ordered: Ordered) -> None:
        instruction = firm.order(self.world, self.rows, client, ordered)
        if instruction is None:
            return
        name = f"{client}-{next(self.order)}"
        self.met[f"staff: {ordered.what}"] += 1

        def carried_out(_row: int) -> None:
            firm.ordered(self.world, self.rows, client, instruction, name)

        parcel = hooks.click(name, instruction)
        self.at(self.clock.now(), lambda: self._knock(parcel, carried_out))

    def _in_between(self, do: Do) -> None:
        """In the middle of the pass that follows, where one does."""
        self.meanwhile.append((self.dice.randint(1, 6), do))

    async def _file(self, client: str, ordered: Ordered) -> None:
        """Keep or erase all of a client; now and then the machine dies over that."""
        dice = random.Random(f"{self.seed}/{client}/{ordered.what}")
        if ordered.what == "erase" and not self.size.calm and dice.random() < 0.4:
            self.machine.life.doom(dice.choice(("before write", "after write")), 1)
        done = await self.shelf.carry_out(client, ordered)
        self.met[f"staff: {done}"] += 1
        self._judged(self.shelf.look)

    async def _knock(self, parcel: Parcel, then: Callable[[int], None], about: str = "") -> None:
        """A hook knocks, now and then while a pass goes on; unanswered it knocks again."""
        if about in self.world.erased:
            return  # whoever tells of them has forgotten them as well
        if not self.size.calm and self.dice.random() < 0.2:
            self.meanwhile.append((self.dice.randint(1, 6), lambda: self._receive(parcel, then)))
        else:
            await self._receive(parcel, then)
        for span in hooks.again(self.dice) if not self.size.calm else ():
            self.met["deliveries again"] += 1
            self.at(self.clock.now() + span, lambda: self._receive(parcel, then))

    async def _receive(self, parcel: Parcel, then: Callable[[int], None]) -> None:
        """Keep it; where the process dies over that, whoever knocked does so again."""
        if parcel.key not in self.settled:
            self.watched.setdefault(parcel.key, then)
        answered = False
        try:
            await self.machine.other().inbox.receive(parcel, self.clock.now())
            answered = True
        finally:
            if not answered:
                self.at(self.clock.now() + MINUTE, lambda: self._receive(parcel, then))

    # --- the product at work ----------------------------------------------------------------------

    async def _work(self) -> None:
        """What knocks now, a pass of the worker, and another one, until nothing is left."""
        try:
            await self._happen()
            await worker.drain(self.machine.app)
            while self.meanwhile:
                await _done(self.meanwhile.pop(0)[1])
                await worker.drain(self.machine.app)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not be
            if isinstance(error, Broken) or self.machine.life.over:
                raise Died from None
            self.world.break_(OURS, "no_pass_fails", whole.kinds(error))

    def _reborn(self) -> None:
        self.met["deaths"] += 1
        self.world.note(OURS, f"the process died {self.machine.life.point}")
        self.machine.born()
        self.met["deaths while erasing"] += self.shelf.go_on()
        self.at(self.clock.now() + dt.timedelta(seconds=2), lambda: None)

    async def _pause(self) -> None:
        """Between two transactions of a pass: time may pass, and another process may work."""
        if self.stall is not None and self.rows.one(_CLAIMED):
            self.clock.moment += self.stall
            self.stall = None
            self.met["stalls"] += 1
        self.meanwhile = [(left - 1, do) for left, do in self.meanwhile]
        while due := [one for one in self.meanwhile if one[0] <= 0]:
            self.meanwhile.remove(due[0])
            do = due[0][1]
            self.met["meanwhile"] += 1
            await _done(do)
            try:
                await understand(self.machine.other())
            except Exception as error:  # noqa: BLE001 - the other process fails, not this one
                self._judged(partial(self._failed, error))

    def _befall(self, trouble: Trouble) -> None:
        self.met[f"trouble: {trouble.kind}"] += 1
        match trouble.kind:
            case "death":
                self.machine.life.doom(trouble.what, trouble.nth)
            case "down":
                self.post.down[trouble.what] = self.clock.now() + trouble.span
            case "stall":
                self.stall = trouble.span
            case "wall":
                self.clock.astray = trouble.span
            case "publish":
                self.at(self.clock.now(), lambda: self._publish(random.Random(trouble.nth)))
            case "back":
                self.clock.moment -= trouble.span
            case _:
                self.clock.moment += trouble.span

    async def _publish(self, dice: random.Random) -> None:
        """The firm changes its mind; from the commit on, and a moment before, either may rule."""
        text, rules = firm.another_policy(dice)
        self.judge.rules.append((self.clock.now(), rules))
        asked = {"text": text, "by": "dana@harrow.example"}
        await publishing.publish(self.machine.other(), asked, lambda *_: None)
        self.world.note(OURS, f"published {rules}")

    # --- what the world sees ----------------------------------------------------------------------

    def _seen(self) -> None:
        """After every commit: what was taken in by it, and what is about to leave?"""
        self._judged(self._look)

    def _judged(self, look: Callable[[], None]) -> None:
        """The first thing that must not be ends the process, so that nothing can hide it."""
        try:
            look()
        except Broken as broken:
            self.wrong = self.wrong or broken.wrong
            self.machine.life.end()
            raise Died from None

    def _failed(self, error: Exception) -> None:
        self.world.break_(OURS, "no_pass_fails", whole.kinds(error))

    def _look(self) -> None:
        for key, then in list(self.watched.items()):
            row = self.rows.incoming(*key)
            if row and row["state"] != "pending":
                del self.watched[key]
                self.settled.add(key)
                then(row["id"])
        self.rows.leaving()

    def _took(self, taken: Taken) -> None:
        said = f"{taken.at.isoformat()}|{taken.channel}|{taken.message.to}|{taken.message.text}\n"
        self.digest.update(said.encode())
        self.met[f"{taken.channel} taken"] += 1
        if taken.channel == "slack":
            self._shown(taken)
        else:
            self._judged(lambda: self.judge.arrives(taken))

    def _shown(self, taken: Taken) -> None:
        """Finance is asked whether a message arrived, and asks the client."""
        asked = self.rows.question(taken.message.reference)
        if asked is None:
            return
        client, message_id, reference = asked

        def answer() -> None:
            went = self.post.has(reference)
            told = instructions.ResolveDoubt(message_id=message_id, went=went, by=2)
            self.met[f"a person said {'it went' if went else 'it did not go'}"] += 1
            parcel = hooks.click(f"doubt-{reference}-{next(self.order)}", told)
            self.world.note(client, f"staff: {reference} went: {went}")
            self.at(self.clock.now(), lambda: self._knock(parcel, lambda _: None))

        self.at(self.clock.now() + dt.timedelta(minutes=self.dice.randint(10, 1200)), answer)

    def _reported(self, report: Report) -> None:
        """Delivery reports come in any order, twice, or much later."""
        parcel = hooks.report(report)
        wait = dt.timedelta(seconds=self.dice.choice((0, 1, 5, 60, 4000)))
        self.at(self.clock.now() + wait, lambda: self._knock(parcel, lambda _: None))


async def _done(do: Do) -> None:
    found = do()
    if found is not None:
        await found
