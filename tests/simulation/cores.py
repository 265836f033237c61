"""How are many seeds played on all cores, and what is the smallest story that still breaks?"""

import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from tests.simulation.play import Outcome, Size, play


@dataclass(frozen=True)
class Wanted:
    """A seed to play, how large, and whether every event is printed."""

    seed: int
    size: Size
    template: Path
    loud: bool = False


def play_all(wanted: Sequence[Wanted], jobs: int) -> Iterator[Outcome]:
    """Play them, on so many processes; each is told as soon as it is over."""
    if jobs <= 1 or len(wanted) <= 1:
        yield from map(play_one, wanted)
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from pool.map(play_one, wanted)


def play_one(wanted: Wanted) -> Outcome:
    """Play a seed in this process."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    return play(wanted.seed, wanted.size, wanted.template, say if wanted.loud else None)


def shrink(broken: Outcome, template: Path) -> Outcome:
    """The same seed with fewer clients and days, as long as the same thing breaks."""
    assert broken.wrong is not None
    size, number = broken.size, broken.wrong.client.removeprefix("C")
    fewer = [replace(size, days=min(size.days, broken.days + 1))]
    if number.isdigit():
        fewer.append(replace(fewer[0], only=(int(number),)))
        fewer.append(replace(fewer[1], calm=True))
    smallest = broken
    for smaller in fewer:
        found = play_one(Wanted(broken.seed, smaller, template))
        if found.wrong is not None and found.wrong.invariant == broken.wrong.invariant:
            smallest = found
    return smallest


def say(said: str) -> None:
    """Print a line at once."""
    sys.stdout.write(said + "\n")
    sys.stdout.flush()
