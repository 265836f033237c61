"""How does what a member of staff clicked or typed become a change?

A write is tried for a quarter of a second, because Slack waits three seconds for an answer and a
person not much longer; if the store is busy it is spooled and the person is told so. Either way it
happens once: the interaction's own id is the key of an ``Incoming`` row.
"""

import asyncio
import json

from sqlmodel import Session

from bot.app import App
from bot.inbox import Parcel
from comms.duties import instructions
from comms.duties.instructions import Instruction
from comms.office import Office
from comms.writing import covering

PATIENCE = 0.25
"""Seconds."""
SOURCE = "slack.instruction"
LATER = "Working on it: the store is busy, and this is kept until it is done."
ALREADY = "That was already done."


class Desk:
    """What the Slack side may ask of the product."""

    def __init__(self, app: App, patience: float = PATIENCE) -> None:
        self._app = app
        self._patience = patience
        self.store = app.store
        self.settings = app.settings

    def office(self) -> Office:
        """The office of this moment."""
        return self._app.office()

    async def instruct(self, key: str, instruction: Instruction) -> str:
        """Carry an instruction out, once; return what the person reads."""
        app = self._app
        app.inbox.open_day(app.clock.now())
        parcel = Parcel(SOURCE, key, _kept(instruction))

        def carry_out(session: Session) -> str:
            if not app.inbox.keep(session, parcel, app.clock.now(), state="done"):
                return ALREADY
            return instructions.carry_out(session, app.office(), instruction)

        task = asyncio.ensure_future(
            app.store.write(
                carry_out, clients=lambda session: instructions.clients_of(session, instruction)
            )
        )
        try:
            sentence = await asyncio.wait_for(asyncio.shield(task), self._patience)
        except TimeoutError:
            task.add_done_callback(_seen)
            await app.spool.keep(SOURCE, key, instruction.model_dump_json())
            sentence = LATER
        app.wake.set()
        return sentence


def _kept(instruction: Instruction) -> bytes:
    """What is written down of it: no number that nobody may see, though it was typed."""
    return json.dumps(covering.told(instruction.model_dump(mode="json"))).encode()


def _seen(task: "asyncio.Task[str]") -> None:
    """The late write's own failure is of no interest: the spool has what was asked."""
    if not task.cancelled():
        task.exception()


async def drain_spool(app: App) -> int:
    """Make rows of what was spooled; what is in both places happens once."""
    lines, size = app.spool.read()
    now = app.clock.now()
    parcels = [Parcel(source, external_id, body.encode()) for source, external_id, body in lines]
    await asyncio.gather(*(app.inbox.receive(parcel, now) for parcel in parcels))
    if size:
        app.spool.clear(size)
    return len(lines)
