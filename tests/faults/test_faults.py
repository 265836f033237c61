"""Whatever goes wrong, in whatever order: nothing is lost, nothing doubled, and people are told.

Every test is a seed, and prints how to run it again. ``make faults SEEDS=1..100`` runs others.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.faults import Fault
from tests.faults import plan as plans
from tests.faults.plan import POINTS, plan
from tests.faults.stage import Stage, cannot_mount
from tests.faults.troubles import cannot_trace

SEEDS = os.environ.get("FAULT_SEEDS", "1..25")
SHORT = range(1, plans.SHORT_ONES + 1)
pytestmark = pytest.mark.timeout(900)


def seeds(text: str) -> list[int]:
    """``17``, ``1..25`` and ``3,5,8..10``."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("..")
        found += range(int(first), int(last or first) + 1)
    return found


@pytest.fixture(scope="module")
def stage(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with ExitStack() as stack:
        yield Stage(tmp_path_factory.mktemp("ordeals"), sqlite_template, stack)


@pytest.mark.parametrize("seed", seeds(SEEDS))
async def test_nothing_is_lost_or_doubled(seed: int, stage: Stage, record_property: Any) -> None:
    outcome = await stage.outcome(seed)
    for name, count in sorted((outcome.met + outcome.bites).items()):
        record_property(name, count)
    assert not outcome.wrong, outcome.told()


# --- the plan -------------------------------------------------------------------------------------

WIRE = {
    "lost answer": (
        Fault.TIMEOUT_AFTER_ACCEPT, Fault.CUT_AFTER_ACCEPT, Fault.UNAVAILABLE_AFTER_ACCEPT,
    ),
    "cut connection": (Fault.CUT,),
    "silent connection": (Fault.TIMEOUT,),
    "slow connection": (Fault.SLOW,),
    "429": (Fault.RATE_LIMIT,),
    "503": (Fault.UNAVAILABLE,),
    "garbage": (Fault.GARBAGE, Fault.GARBAGE_AFTER_ACCEPT),
    "doubled hook": (Fault.REPEAT_CALLBACKS,),
    "reordered hook": (Fault.REORDER_CALLBACKS,),
    "lost hook": (Fault.LOSE_CALLBACKS,),
}  # fmt: skip
ALONE = (
    *(f"kill {point}" for point in POINTS),
    "shot", "hooks again", "jump: business", "jump: wall", "jump: wall back",
    "far jump", "bad disk", "stop postgres, sending",
)  # fmt: skip
"""A stop of PostgreSQL at any moment may meet nobody; the one while a message is sent always does.
"""


def test_a_seed_is_always_the_same_plan() -> None:
    assert [str(plan(seed)) for seed in SHORT] == [str(plan(seed)) for seed in SHORT]
    assert len({str(plan(seed).troubles) for seed in SHORT}) == len(SHORT)


@pytest.mark.skipif(not set(SHORT) <= set(seeds(SEEDS)), reason="other seeds were asked for")
async def test_every_kind_of_trouble_is_felt(stage: Stage) -> None:
    felt = sum([(await stage.outcome(seed)).bites for seed in SHORT], Counter[str]())
    kinds = list(ALONE)
    kinds += [] if cannot_mount() else ["full disk"]
    missing = [name for name in kinds if not felt[name]]
    for name, faults in WIRE.items():
        struck = [count for kind, count in felt.items() if kind.partition(": ")[2] in set(faults)]
        missing += [] if sum(struck) else [name]
    assert not missing, f"no seed of {SEEDS} felt {missing}; felt: {dict(felt)}"


@pytest.mark.skipif(not set(SHORT) <= set(seeds(SEEDS)), reason="other seeds were asked for")
@pytest.mark.skipif(bool(cannot_trace()), reason=cannot_trace())
async def test_failing_system_calls_are_felt(stage: Stage) -> None:
    felt = sum([(await stage.outcome(seed)).bites for seed in SHORT], Counter[str]())
    assert any(count for kind, count in felt.items() if kind.startswith("bad device")), felt


@pytest.mark.skipif(bool(cannot_mount()), reason=cannot_mount() or "-")
def test_a_full_disk_is_planned() -> None:
    assert any(plan(seed).small_disk for seed in SHORT)
