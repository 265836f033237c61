"""What of a client is kept because a lawsuit is expected, and who has asked to be forgotten?

Whoever is cut off while erasing is told so by the next process, and what is left is done then.
"""

from dataclasses import dataclass, field

from bot.custody import erasure, erasurelog, legalholds
from tests.simulation.life import Ordered
from tests.simulation.process import Machine
from tests.simulation.rows import ERASED, Rows
from tests.simulation.world import OURS, World

MATTER = "a claim"
ORDERS = ("erase", "keep", "let go")


@dataclass
class Shelf:
    """Who is kept, and who is gone."""

    world: World
    rows: Rows
    machine: Machine
    unheard: dict[str, str] = field(default_factory=dict)
    """Who asked and was not erased, though nothing of theirs is kept; and what was said."""
    begun: dict[str, int] = field(default_factory=dict)
    """Who is being erased, and their rows."""

    async def carry_out(self, client: str, ordered: Ordered) -> str:
        """What a member of staff types; what came of it, or nothing where nobody is there."""
        found = self.rows.client_id(client)
        if found is None:
            return ""
        asked = {"client": f"client:{found}", "reason": "They asked for it."}
        if ordered.what == "erase":
            return await self._erase(client, asked)
        kin = self.world.one_with(client)
        if ordered.what == "keep":
            await legalholds.place(self.machine.below, asked | {"matter": MATTER}, _nobody)
            self.world.kept |= kin
        else:
            await legalholds.release(self.machine.below, asked, _nobody)
            self.world.kept -= kin
        self.world.note(client, f"staff: {ordered.what}")
        return ordered.what

    async def _erase(self, client: str, asked: dict[str, str]) -> str:
        kin = self.world.one_with(client)
        kept = kin & self.world.kept
        known = {one: self.rows.client_id(one) for one in kin}
        self.begun = {one: row for one, row in known.items() if row is not None}
        report = await erasure.erase(self.machine.other(), asked, _nobody)
        if not report.data["erased"]:
            if not kept:
                self.unheard[client] = str(report.data["why"])
            self.world.note(client, "staff: not erased")
            return "kept from erasure"
        self._erased()
        return "erase"

    def go_on(self) -> bool:
        """A new process does what was cut off in the last one; whether that was anything."""
        cut_off, app = bool(self.begun), self.machine.below
        erasure.again(app, erasure.log_of(app.settings), _nobody)
        self._erased()
        return cut_off

    def _erased(self) -> None:
        """Of whom it was begun, those whose rows say that it is done."""
        query = "SELECT name FROM client WHERE id = ?"
        gone = {
            one for one, row in self.begun.items() if self.rows.one(query, row)["name"] == ERASED
        }
        self.begun = {}
        self.world.erased |= gone
        for one in sorted(gone):
            self.world.note(one, "staff: erased")

    def look(self) -> None:
        """Nobody who was erased is here by name or by a mailbox of their own; all others are."""
        for client, why in self.unheard.items():
            self.world.break_(client, "who_asks_is_forgotten", f"not erased: {why}")
        app = self.machine.below
        log = erasurelog.read(erasure.log_of(app.settings))
        if left := erasurelog.pending(log, app.store, app.keyring):
            self.world.break_(OURS, "who_asks_is_forgotten", f"{len(left)} keys are still here")
        for client in self.world.kept:
            if self.rows.client_id(client) is None:
                self.world.break_(client, "what_is_kept_is_there", f"{client} is gone")
        for client in self.world.erased:
            person = self.world.people[client]
            theirs = [] if person.email in self.world.stopped else [person.email]
            here = [person.name] if self.rows.client_id(client) else []
            query = "SELECT 1 FROM address WHERE value = ?"
            here += [one for one in theirs if self.rows.one(query, one)]
            if here:
                self.world.break_(client, "who_asks_is_forgotten", f"{here} is still here")


def _nobody(_done: int, _whole: int) -> None:
    """Nobody waits and sees how far it is."""
