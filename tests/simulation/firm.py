"""Who are we in every story, and what do our people do with what they are shown?"""

import datetime as dt
import random

from bot.firm import Entity, Firm, Person
from comms import instructions
from comms.instructions import Instruction
from tests.simulation.books import Hold
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
    case = rows.open_case(client)
    if found is None:
        return None
    if ordered.what == "pause":
        return instructions.Pause(
            client_id=found, days=ordered.days, reason="They asked for time.", by_staff_id=1
        )
    if ordered.what == "resume":
        return instructions.Resume(client_id=found, by=1)
    if case is None:
        return None
    if ordered.what == "assign case":
        return instructions.AssignCase(case_id=case, to_staff_id=2, by=1)
    return instructions.CloseCase(case_id=case, by=1)


def ordered(world: World, client: str, instruction: Instruction, name: str) -> None:
    """It is carried out: from now on it holds."""
    world.note(client, f"staff: {type(instruction).__name__}")
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


def owner_of(seed: int, number: int) -> str | None:
    """Who looks after a client: one of us, somebody who left, or nobody."""
    return random.Random(f"{seed}/owner/{number}").choice((*OWNERS, None))
