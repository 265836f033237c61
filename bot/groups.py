"""How is what comes at once done at once?

A commit, or a line synced to disk, costs the same for one as for sixty. What comes while others are
being worked on waits for them, and then goes together with whatever else waits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger("groups")
T = TypeVar("T")
R = TypeVar("R")


class Together(Generic[T, R]):
    """Work on groups of at most ``most``; what fails in a group is tried alone."""

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R]]], most: int) -> None:
        self._work = work
        self._most = most
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._working: asyncio.Task[None] | None = None

    async def do(self, item: T) -> R:
        """Have it worked on, sooner or later with others; its own answer, or its own error."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._all())
        return await answer

    async def _all(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            try:
                found = await self._work([item for item, _ in some])
            except Exception as error:  # noqa: BLE001 - whom it concerns is found out one by one
                log.warning("one_by_one", many=len(some), error=type(error).__name__)
                await asyncio.gather(*(self._alone(item, answer) for item, answer in some))
                continue
            for (_, answer), one in zip(some, found, strict=True):
                if not answer.done():  # whoever waited may have gone
                    answer.set_result(one)

    async def _alone(self, item: T, answer: "asyncio.Future[R]") -> None:
        try:
            [found] = await self._work([item])
        except Exception as error:  # noqa: BLE001 - it is handed to whoever waits
            if not answer.done():
                answer.set_exception(error)
            return
        if not answer.done():
            answer.set_result(found)
