"""Which faults meet the product in the run of a seed, and when? Data, made from the seed alone."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from typing_extensions import override

from bot.sandbox.faults import Fault

SHORT_ONES = 25
"""So many seeds are short ones, because every run of the tests plays them."""
FAR_JUMP = 30
POSTGRES_EVERY = 8
"""One seed in so many runs on PostgreSQL, which is stopped without a goodbye."""
DEVICE_EVERY = 6
"""One seed in so many has system calls fail, which needs a tracer and is slow."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """On a day of the story, at an hour and minute (UTC), this goes wrong."""

    day: int
    hour: int
    minute: int
    what: str
    detail: tuple[tuple[str, Any], ...] = ()

    @override
    def __str__(self) -> str:
        """A line of the plan."""
        said = ", ".join(f"{name}={value}" for name, value in self.detail)
        return f"day {self.day:>2} {self.hour:02}:{self.minute:02}  {self.what:<12} {said}"

    def get(self, name: str) -> Any:
        return dict(self.detail)[name]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a seed decides about what goes wrong."""

    seed: int
    postgres: bool
    small_disk: bool
    days: int
    clients: int
    troubles: tuple[Trouble, ...]

    @override
    def __str__(self) -> str:
        """What is printed when the run of this seed fails."""
        where = "PostgreSQL" if self.postgres else "SQLite"
        where += " on a small tmpfs" if self.small_disk else ""
        size = f"{self.clients} clients, {self.days} days"
        lines = [f"seed {self.seed}, {size}, on {where}; again: make faults SEEDS={self.seed}"]
        return "\n".join([*lines, *(f"  {trouble}" for trouble in self.troubles)])


Make = Callable[[random.Random], dict[str, Any]]
POINTS = ("before write", "within write", "after write", "before send", "after send")
_HTTP = (
    Fault.RATE_LIMIT,
    Fault.UNAVAILABLE,
    Fault.UNAVAILABLE_AFTER_ACCEPT,
    Fault.TIMEOUT,
    Fault.TIMEOUT_AFTER_ACCEPT,
    Fault.CUT,
    Fault.CUT_AFTER_ACCEPT,
    Fault.GARBAGE,
    Fault.GARBAGE_AFTER_ACCEPT,
    Fault.SLOW,
)
_SMTP = (
    Fault.REFUSE,
    Fault.TIMEOUT,
    Fault.CUT,
    Fault.SLOW,
    Fault.TIMEOUT_AFTER_ACCEPT,
    Fault.CUT_AFTER_ACCEPT,
)
_REPORTS = (
    Fault.REPEAT_CALLBACKS,
    Fault.UNDELIVERED,
    Fault.REORDER_CALLBACKS,
    Fault.FAILED,
    Fault.LOSE_CALLBACKS,
)
_CLOCKS = ("business", "wall", "wall back")


def _kill(dice: random.Random) -> dict[str, Any]:
    return {
        "point": dice.choice(POINTS),
        "nth": dice.randint(1, 9),
        "lease_over": dice.random() < 0.6,
    }


def _shot(dice: random.Random) -> dict[str, Any]:
    return {"after": round(dice.uniform(0.001, 0.06), 3), "lease_over": dice.random() < 0.6}


def _sms(dice: random.Random) -> dict[str, Any]:
    return {"fault": dice.choice(_HTTP), "times": dice.randint(1, 3)}


def _look(dice: random.Random) -> dict[str, Any]:
    return {"fault": dice.choice((*_HTTP[:6], Fault.EMPTY)), "times": dice.randint(1, 3)}


def _mail(dice: random.Random) -> dict[str, Any]:
    command = dice.choice(("mail", "rcpt", "data", "data", "data"))
    known = _SMTP if command == "data" else _SMTP[:4]
    return {"command": command, "fault": dice.choice(known), "times": dice.randint(1, 3)}


def _report(dice: random.Random) -> dict[str, Any]:
    return {"fault": dice.choice(_REPORTS), "times": dice.randint(1, 3)}


def _again(dice: random.Random) -> dict[str, Any]:
    return {"hooks": dice.randint(3, 12)}


def _jump(dice: random.Random) -> dict[str, Any]:
    return {"hours": 1, "clock": dice.choice(_CLOCKS)}


def _stop(dice: random.Random) -> dict[str, Any]:
    return {"after": round(dice.uniform(0.001, 0.05), 3)}


def _stop_sending(dice: random.Random) -> dict[str, Any]:
    return {"endpoint": dice.choice(("send", "data", "data", "chat.postMessage"))}


def _device(dice: random.Random) -> dict[str, Any]:
    """Which system call fails, and when: its nth in a thread, alone or with all that follow."""
    when = f"{dice.randint(1, 3)}{dice.choice(('', '+'))}"
    return {"call": dice.choice(("fsync", "pwrite64", "fsync", "pread64")), "when": when}


def _hours(dice: random.Random) -> dict[str, Any]:
    return {"hours": dice.randint(1, 8)}


def _always(detail: dict[str, Any]) -> Make:
    return lambda _: detail


Kind = tuple[str, int, Make]
"""Its name, how often it is chosen, and how its details are drawn."""
_COMMON: tuple[Kind, ...] = (
    ("kill", 4, _kill),
    ("shot", 2, _shot),
    ("sms", 3, _sms),
    ("sms list", 2, _look),
    ("slack", 2, _sms),
    ("mail", 3, _mail),
    ("report", 3, _report),
    ("hooks again", 2, _again),
    ("jump", 1, _jump),
)


def plan(seed: int) -> Plan:
    """The plan of a seed: always the same."""
    dice = random.Random(seed)
    postgres = seed % POSTGRES_EVERY == 0
    small_disk = not postgres and seed % 3 == 0
    kinds = list[Kind](_COMMON)
    sure = [kinds[0]]
    if postgres:
        sure += [("stop postgres", 2, _stop), ("stop postgres, sending", 2, _stop_sending)]
    else:
        kinds.append(("bad disk", 1, _hours))
    if small_disk:
        sure.append(("full disk", 2, _hours))
    if not postgres and seed % DEVICE_EVERY == 2:
        sure.append(("bad disk", 1, _hours))
    if not postgres and seed % DEVICE_EVERY == 1:
        sure.append(("bad device", 2, _device))
    kinds += sure[1:]
    weights = [weight for _, weight, _ in kinds]
    days, clients = (18, 6) if seed <= SHORT_ONES else (35, 24)
    chosen = dice.choices(kinds, weights, k=dice.randint(days // 6, days // 4))
    troubles = [_one(dice, days, *one) for one in (*sure, *chosen)]
    troubles += [_early(_one(dice, days // 2, *one)) for one in _in_turn(seed)]
    if seed % 5 == 0:
        troubles.append(_one(dice, days, "far jump", 1, lambda _: {"days": FAR_JUMP}))
    return Plan(seed, postgres, small_disk, days, clients, tuple(sorted(troubles, key=_when)))


def _in_turn(seed: int) -> Iterator[Kind]:
    """What a seed has for sure, early in its story: one after the other, every fault has its."""
    point, wire = POINTS[seed % len(POINTS)], _HTTP[seed % len(_HTTP)]
    yield "kill", 0, lambda dice: _kill(dice) | {"point": point, "nth": dice.randint(1, 5)}
    yield "sms", 0, lambda _: {"fault": wire, "times": 1 + seed % 2}
    for report in (_REPORTS[seed % 5], _REPORTS[(seed + 2) % 5]):
        yield "report", 0, _always({"fault": report, "times": 1})
    if seed % 2:
        yield "hooks again", 0, _again
    else:
        clock = _CLOCKS[seed // 2 % len(_CLOCKS)]
        yield "jump", 0, lambda _: {"hours": 1, "clock": clock}


def _one(dice: random.Random, days: int, what: str, _weight: int, make: Make) -> Trouble:
    # Working hours of the clients: a fault that meets nothing shows nothing.
    day, hour, minute = dice.randint(1, days - 2), dice.randint(11, 17), dice.randint(0, 59)
    return Trouble(day, hour, minute, what, tuple(make(dice).items()))


def _early(trouble: Trouble) -> Trouble:
    """What befalls a report waits for one before anything else goes wrong: there are few texts."""
    return replace(trouble, day=1, hour=0) if trouble.what == "report" else trouble


def _when(trouble: Trouble) -> tuple[int, int, int]:
    return trouble.day, trouble.hour, trouble.minute
