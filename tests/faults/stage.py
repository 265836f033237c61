"""Where are the stories of many seeds played, and what came of each?"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot import schema
from tests import factories
from tests.conftest import Database
from tests.faults.course import play
from tests.faults.ordeal import Disk, Nursery, Ordeal, listening
from tests.faults.plan import Plan, plan
from tests.faults.verdict import verdict
from tests.postgres import SCRATCH, Cluster

ROOT = Path(__file__).parents[2]
SMALL = "12m"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a seed."""

    plan: Plan
    wrong: list[str]
    met: Counter[str]
    bites: Counter[str]

    def told(self) -> str:
        """What is printed where something is wrong."""
        seen = [f"  {name}: {count}" for name, count in sorted((self.met + self.bites).items())]
        return "\n".join(["", *self.wrong, str(self.plan), *seen])


@dataclass
class Stage:
    """What is set up once for all seeds; each is played once."""

    folder: Path
    template: Path
    stack: ExitStack
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    unplayable: dict[int, Exception] = field(default_factory=dict)
    _nursery: Nursery | None = None
    _server: Cluster | None = None
    _migrated: str = ""

    @property
    def nursery(self) -> Nursery:
        """The process that products are born from, started when the first is."""
        if self._nursery is None:
            self._nursery = self.stack.enter_context(_breeding(self.template))
        return self._nursery

    @property
    def server(self) -> Cluster:
        """The PostgreSQL server that may be stopped: what it took survives that."""
        if self._server is None:
            server = self._server = Cluster("ordeal", synchronous_commit="on")
            self.stack.callback(server.close)
            self._migrated = server.create()
            schema.upgrade(server.url(self._migrated))
        return self._server

    async def outcome(self, seed: int) -> Outcome:
        """Play a seed, if nobody did before."""
        if seed in self.unplayable:
            raise self.unplayable[seed]
        if seed not in self.outcomes:
            try:
                with ExitStack() as stack:
                    self.outcomes[seed] = await self._play(plan(seed), stack)
            except Exception as error:
                error.add_note(str(plan(seed)))
                self.unplayable[seed] = error
                raise
        return self.outcomes[seed]

    async def _play(self, planned: Plan, stack: ExitStack) -> Outcome:
        folder = self.folder / str(planned.seed)
        folder.mkdir()
        database, disk = self._place(planned, folder, stack)
        async with factories.outside(database, folder) as around:
            around.twilio.stop_filter = False  # ours must hold without the carrier's
            around.clock._now = around.clock._now.replace(day=1)
            ordeal = Ordeal(planned, around, self.nursery, disk)
            if planned.postgres:
                ordeal.stop_postgres, ordeal.start_postgres = self.server.stop, self.server.start
            async with listening(ordeal):
                await play(ordeal)
            wrong = ordeal.rows(lambda rows: verdict(ordeal, rows))
        return Outcome(planned, wrong, ordeal.met, ordeal.bites)

    def _place(self, planned: Plan, folder: Path, stack: ExitStack) -> tuple[Database, Disk]:
        """Where the store of a plan lies, migrated."""
        if planned.postgres:
            server = self.server
            names = server.create(self._migrated), server.create()
            return Database(*map(server.url, names)), Disk(folder, small=False)
        small = stack.enter_context(_small_disk(folder / "disk")) if planned.small_disk else None
        place = small or folder
        shutil.copy(self.template, place / "store.db")
        url, keys = f"sqlite:///{place / 'store.db'}", f"sqlite:///{place / 'keyring.db'}"
        return Database(url, keys), Disk(place, small=small is not None)


@contextmanager
def _breeding(template: Path) -> Iterator[Nursery]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.product", str(template)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


def cannot_mount() -> str:
    """Why there is no disk that can be full; nothing where there is one."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "only root can mount a small tmpfs"
    folder = SCRATCH / f"mount-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    with _small_disk(folder) as mounted:
        found = "" if mounted else "this machine refuses to mount a tmpfs"
    folder.rmdir()
    return found


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    """A folder that can be full; None where nothing can be mounted."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", str(folder)]
    can = os.geteuid() == 0 and shutil.which("mount") is not None
    if not can or subprocess.run(mount, check=False, capture_output=True).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
