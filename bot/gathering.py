"""How do many that come at about the same time share one write, without anybody waiting for it?

Whoever comes while nobody writes is written at once; who comes meanwhile goes together in the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger("gathering")
T = TypeVar("T")
_Waiting = tuple[T, "asyncio.Future[None]"]


class Gathered(Generic[T]):
    """What waits to be written, by ``write``, which takes many at once."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[None]]) -> None:
        self._write = write
        self._waiting: list[_Waiting[T]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, one: T) -> None:
        """Return when it is written.

        Raises:
            Exception: what ``write`` raised for it alone.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, done))
        if self._writing is None:
            # A task of its own: if the one who came first is cancelled, the others are written.
            self._writing = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._write_batch(batch)
        finally:
            self._writing = None

    async def _write_batch(self, batch: Sequence[_Waiting[T]]) -> None:
        """All together; where that fails, each alone, so that one bad row stops no other."""
        try:
            await self._write([one for one, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is handed to everyone who waits
            if len(batch) > 1:
                log.warning("written_one_by_one", many=len(batch), error=type(error).__name__)
            for alone in batch if len(batch) > 1 else ():
                await self._write_batch([alone])
            if len(batch) == 1 and not batch[0][1].done():
                batch[0][1].set_exception(error)
            return
        for _, done in batch:
            if not done.done():
                done.set_result(None)
