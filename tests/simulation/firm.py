"""Who are we in every story, and what do our people do with what they are shown?"""

import datetime as dt
import random

from bot.firm import Entity, Firm, Person
from comms.duties import instructions
from comms.duties.instructions import Instruction
from tests.simulation import policy
from tests.simulation.books import Hold
from tests.simulation.judge import Rules
from tests.simulation.life import Ordered
from tests.simulation.people import at, local
from tests.simulation.rows import Rows
from tests.simulation.world import World

OWNERS = ("dana@harrow.example", "eli@harrow.example", "gone@harrow.example")
DESKS: dict[str | None, str] = {OWNERS[0]: "U0DANA", OWNERS[1]: "U0ELI"}
"""Where an owner reads; one who left reads nothing."""
_ENTITIES = (("Harrow Law", "USD"), ("Harrow Europe", "EUR"))
FIRM = Firm(
    legal_entity=tuple(
        Entity(
            name=name, postal_address="12 Tanner Row, Albany", from_name=name,
            from_address=f"accounts{place}@harrow.example", pay_link=f"https://pay.example/{place}",
            phone=f"+1500555000{6 + place}", currency=currency,
        )
        for place, (name, currency) in enumerate(_ENTITIES)
    ),
    staff=tuple(
        Person(
            name=owner.partition("@")[0].title(), email=owner, active=owner in DESKS,
            slack_user=DESKS.get(owner, "U0GONE"), roles=("account_manager", "finance"),
        )
        for owner in OWNERS
    ),
)  # fmt: skip


def order(world: World, rows: Rows, client: str, ordered: Ordered) -> Instruction | None:
    """What a member of staff clicks about a client; None where there is nothing to click."""
    found = rows.client_id(client)
    if found is None:
        return None
    if ordered.what == "merge":
        return _merged(rows, found, next_to(world, client))
    if ordered.what == "pause":
        return instructions.Pause(
            client_id=found, days=ordered.days, reason="They asked for time.", by_staff_id=1
        )
    if ordered.what == "resume":
        return instructions.Resume(client_id=found, by=1)
    case = rows.open_case(client)
    return None if case is None else _of_case(ordered.what, case)


def _of_case(what: str, case: int) -> Instruction:
    if what == "assign case":
        return instructions.AssignCase(case_id=case, to_staff_id=2, by=1)
    return instructions.CloseCase(case_id=case, by=1)


def _merged(rows: Rows, keep: int, other: str) -> Instruction | None:
    alias = rows.client_id(other)
    return None if alias in (None, keep) else instructions.Merge(keep_id=keep, alias_id=alias, by=1)


def ordered(world: World, rows: Rows, client: str, instruction: Instruction, name: str) -> None:
    """It is carried out: from now on it holds."""
    world.note(client, f"staff: {type(instruction).__name__}")
    if isinstance(instruction, instructions.Merge) and rows.are_one(client, next_to(world, client)):
        world.join(client, next_to(world, client))
    kin = world.one_with(client)
    if isinstance(instruction, instructions.Pause | instructions.Resume):
        for key, hold in world.books.holds.items():
            if key.startswith("pause") and hold.client in kin:
                hold.released = True
    if isinstance(instruction, instructions.Pause):
        zone = world.people[client].place.zone
        day = local(world.now, zone).date() + dt.timedelta(days=instruction.days or 0)
        until = at(day, dt.time(), zone)
        world.books.holds[f"pause {name}"] = Hold(client, None, world.now, until)


def next_to(world: World, client: str) -> str:
    """The client after this one: who may turn out to be the same."""
    names = list(world.people)
    return names[(names.index(client) + 1) % len(names)]


def another_policy(dice: random.Random) -> tuple[str, Rules]:
    """What the firm publishes next, and what that says of hours and budgets."""
    text = policy.first()
    first, last = dice.choice(((8, 18), (9, 17), (10, 12)))
    week, offset = dice.choice((2, 3)), dice.choice((20, 30, 35))
    for old, new in (
        ('start = "08:00"\nend = "18:00"', f'start = "{first:02}:00"\nend = "{last:02}:00"'),
        ("per_week = 3", f"per_week = {week}"),
        ("offset = 30\n", f"offset = {offset}\n"),
        ('count_from = "issued"', f'count_from = "{dice.choice(("issued", "due"))}"'),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text, Rules((first, last), per_week=week)


def owner_of(seed: int, number: int) -> str | None:
    """Who looks after a client: one of us, somebody who left, or nobody."""
    return random.Random(f"{seed}/owner/{number}").choice((*OWNERS, None))
