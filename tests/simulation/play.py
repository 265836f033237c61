"""How big is a story, what came of it, and how is it told?"""

import asyncio
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import override

from tests.simulation.process import Databases, Died, executor
from tests.simulation.size import Size
from tests.simulation.story import Story
from tests.simulation.world import Wrong

__all__ = ["Outcome", "Size", "play"]


@dataclass
class Outcome:
    """What came of a seed."""

    seed: int
    size: Size
    wrong: Wrong | None
    story: list[str]
    met: Counter[str]
    seconds: float
    days: int
    client_days: int
    digest: str
    """Of everything that anybody got, and when: the same seed gives the same."""

    @override
    def __str__(self) -> str:
        """What is printed where something is wrong."""
        if self.wrong is None:
            return f"seed {self.seed}: all is well"
        wrong = self.wrong
        return "\n".join(
            [
                f"seed {self.seed} broke {wrong.invariant} with {wrong.client}",
                f"  at {wrong.at:%Y-%m-%d %H:%M:%S} UTC:",
                f"  {wrong.said}",
                f"what {wrong.client} went through last:",
                *(f"  {line}" for line in self.story),
                f"again: make simulate SEEDS={self.seed} {self.size} LOUD=1",
            ]
        )


def play(
    seed: int,
    size: Size,
    template: Path | Databases,
    loud: Callable[[str], None] | None = None,
) -> Outcome:
    """Play a seed on databases of its own: a copy of a SQLite store that is migrated, or those."""
    with tempfile.TemporaryDirectory(prefix="simulation-", dir=_fast()) as folder:
        if isinstance(template, Path):
            shutil.copy(template, f"{folder}/store.db")
            databases = Databases(f"sqlite:///{folder}/store.db", f"sqlite:///{folder}/keys.db")
        else:
            databases = template
        began = time.process_time()
        with asyncio.Runner() as runner:
            runner.get_loop().set_default_executor(executor())
            runner.get_loop().set_exception_handler(_unless_dead)
            story = Story(seed, size, Path(folder), databases, loud)
            wrong = runner.run(story.live())
        return Outcome(
            seed=seed, size=size, wrong=wrong,
            story=list(story.world.log.get(wrong.client, ())) if wrong else [],
            met=story.met + story.post.met, seconds=time.process_time() - began,
            days=story.days_lived, client_days=story.days_lived * len(story.world.people),
            digest=story.digest.hexdigest(),
        )  # fmt: skip


def _unless_dead(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Nobody asks what became of what a dead process had begun."""
    if not isinstance(context.get("exception"), Died):
        loop.default_exception_handler(context)


def _fast() -> str | None:
    """A store that is thrown away needs no disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
