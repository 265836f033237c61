"""What do the conversations in Slack need of the running process?"""

from typing import Protocol

from billing.store import Store
from comms.duties.instructions import Instruction
from comms.office import Office


class Desk(Protocol):
    """Reads go to ``store.read()``; the only write is ``instruct``."""

    @property
    def store(self) -> Store:
        """The rows."""

    def office(self) -> Office:
        """The firm's decisions, its keys and this moment."""

    async def instruct(self, key: str, instruction: Instruction) -> str:
        """Carry out an instruction; the sentence is for whoever gave it.

        The same key is carried out once. Where the store is busy it answers at once that the
        instruction is kept, and carries it out later.
        """
