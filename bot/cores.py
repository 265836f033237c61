"""How is work shared among the cores of this machine, and how far has all of it come?"""

import gc
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from typing import Any, TypeVar

from bot.report import Progress
from bot.watching import logs

P = TypeVar("P")
T = TypeVar("T")
_LOOK = 0.5
_done: Any = None
"""In a process of its own: the days that each part has lived through, shared by all."""


def many() -> int:
    """How many parts this machine works on at once."""
    return os.cpu_count() or 1


def each(
    work: Callable[[P, Progress], T], parts: Sequence[P], days: int, progress: Progress
) -> list[T]:
    """What comes of every part, each in a process of its own that has so many days to live through.

    ``work`` is known by its name there, and what it takes and gives is copied.
    """
    # Started anew: a fork of a process with threads may wait for a lock that nobody holds.
    context = multiprocessing.get_context("spawn")
    done = context.Array("l", len(parts))
    workers = min(len(parts), many())
    with ProcessPoolExecutor(workers, context, initializer=_share, initargs=(done,)) as pool:
        works = [pool.submit(_one, work, number, part) for number, part in enumerate(parts)]
        while pending := [one for one in works if not one.done()]:
            wait(pending, timeout=_LOOK)
            progress(sum(done[:]) // len(parts), days)
        return [one.result() for one in works]


def _share(done: Any) -> None:
    global _done  # noqa: PLW0603 - the one way that a shared array reaches a process
    _done = done
    logs.quiet()
    # A tenth of the time goes into looking for rubbish among rows that all live to the end.
    gc.set_threshold(100_000, 20, 50)


def _one(work: Callable[[P, Progress], T], number: int, part: P) -> T:
    def progress(done: int, _whole: int) -> None:
        _done[number] = done

    return work(part, progress)
