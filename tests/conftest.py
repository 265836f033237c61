"""Which databases does a test run on, and which clock, keys and office does it work with?

A test that asks for ``store`` runs on SQLite and on PostgreSQL; one that can only be about one of
them asks for ``sqlite_store`` or ``postgres_store``. On SQLite every test has a copy of a file that
was migrated once; on PostgreSQL the tests of a worker take turns in one migrated database, emptied
between them (3 ms; cloning one takes 60 to 400 ms). A test that changes the schema itself asks for
``fresh_database``, which is empty.
"""

import datetime as dt
import functools
import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from typer import testing as typed
from typing_extensions import override
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from billing import policy
from billing.clock import TurnedClock
from billing.keyring import Keyring
from billing.store import Store
from bot import schema
from comms.office import Office
from tests.postgres import Cluster

START = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
MASTER_KEY = bytes(range(32))


# Tests start the program some dozens of times; it is compiled once, wherever they run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Typer's runner puts all our commands together anew whenever one is typed: once will do.
typed._get_command = functools.cache(typed._get_command)  # type: ignore[attr-defined]

# What is loaded stays: a sweep through all of it, many thousand times, finds nothing.
gc.disable()

ORDER = 20260105
"""Tests are shuffled, always alike: what fails fails again. ``--randomly-seed`` tries others."""

# As for the order, so for the examples: ``--hypothesis-profile default`` looks for new ones.
settings.register_profile(
    "always_alike", deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.load_profile("always_alike")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give the shuffling its seed, where nobody named one."""
    if config.getoption("randomly_seed", None) == "default":
        config.option.randomly_seed = ORDER


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """From here on what tests leave is swept up, and only that is looked at."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


WORLDS = ("tests/browser/", "tests/scenarios/test_story")


class Together(LoadFileScheduling):  # type: ignore[misc]
    """The tests of a file run on one worker, and so do those that share a world."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        shared = (world for world in WORLDS if nodeid.startswith(world))
        return next(shared, None) or str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    return Together(config, log) if config.getvalue("dist") == "loadfile" else None


@dataclass(frozen=True)
class Database:
    """A migrated store of its own, and a place for the keys."""

    url: str
    keyring_url: str

    @property
    def sqlite(self) -> bool:
        return self.url.startswith("sqlite")


class Emptied:
    """One database that tests use in turn."""

    def __init__(self, cluster: Cluster) -> None:
        name = cluster.create()
        self.url = cluster.url(name)
        self._connection = cluster.connect(name)
        self._connection.execute("SET session_replication_role = replica")  # no triggers, no keys

    def empty(self) -> None:
        self._connection.execute(_LET_GO)
        self._connection.execute(_EMPTY)

    def close(self) -> None:
        self._connection.close()


_LET_GO = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_EMPTY = """
DO $$ DECLARE found record; BEGIN
    FOR found IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
        AND relkind = 'r' AND relname <> 'alembic_version'
    LOOP EXECUTE format('DELETE FROM %I', found.relname); END LOOP;
    FOR found IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace
        AND relkind = 'S'
    LOOP PERFORM setval(found.oid::regclass, 1, false); END LOOP;
END $$
"""


_LONGEST = (
    "tests/faults/",
    "tests/simulation/",
    "tests/browser/test_page_story",
    "tests/scenarios/test_story_on_postgresql",
    "tests/canary/test_canaries",
    "tests/scenarios/test_watching",
    "tests/scenarios/test_story",
    "tests/bot/test_replay",
    "tests/bot/test_console",
    "tests/browser/",
    "tests/scenarios/test_kill",
    "tests/bot/test_worker",
)
"""Files that take half a minute or more of one processor, the longest first."""
_TOLD = (
    "tests/bot/sandbox/test_desk",
    "tests/browser/",
    "tests/faults/",
    "tests/scenarios/",
    "tests/simulation/",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that no worker begins one when the others have nothing left.

    Stories of one file share a clock that only goes forward, so they are told in their order: in
    another, each would fall on other days, and some of those are holidays. So are the pages of one
    world, and the seeds, before whoever asks what all of them met.
    """
    told: dict[Path, list[int]] = {}
    for at, item in enumerate(items):
        if any(name in item.nodeid for name in _TOLD):
            told.setdefault(item.path, []).append(at)
    for places in told.values():
        ordered = sorted((items[at] for at in places), key=_line)
        for at, item in zip(places, ordered, strict=True):
            items[at] = item
    items.sort(key=lambda item: _length(item.nodeid))


def _length(name: str) -> int:
    """The place of a test's file among the longest; all others come after them."""
    return next((at for at, file in enumerate(_LONGEST) if file in name), len(_LONGEST))


def _line(item: pytest.Item) -> tuple[int, str]:
    return item.location[1] or 0, item.name


@pytest.fixture(autouse=True)
def log_as_found() -> Iterator[None]:
    """A command that a test runs in its own process makes the log quiet, for everybody after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The PostgreSQL server of this worker."""
    with closing(Cluster("pg")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "store.db"
    schema.lay(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def keyring_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "keyring.db"
    Keyring(f"sqlite:///{file}", MASTER_KEY).close()
    return file


@pytest.fixture(scope="session")
def postgres_rows(cluster: Cluster) -> Iterator[Emptied]:
    with closing(Emptied(cluster)) as emptied:
        schema.upgrade(emptied.url)
        yield emptied


@pytest.fixture(scope="session")
def postgres_keys(cluster: Cluster) -> Iterator[Emptied]:
    with closing(Emptied(cluster)) as emptied:
        yield emptied


@pytest.fixture
def sqlite_database(sqlite_template: Path, keyring_template: Path, tmp_path: Path) -> Database:
    rows, keys = tmp_path / "store.db", tmp_path / "keyring.db"
    shutil.copyfile(sqlite_template, rows)
    shutil.copyfile(keyring_template, keys)
    return Database(f"sqlite:///{rows}", f"sqlite:///{keys}")


@pytest.fixture
def postgres_database(postgres_rows: Emptied, postgres_keys: Emptied) -> Database:
    postgres_rows.empty()
    postgres_keys.empty()
    return Database(postgres_rows.url, postgres_keys.url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    name = "sqlite_database" if request.param == "sqlite" else "postgres_database"
    found: Database = request.getfixturevalue(name)
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Without a single table."""
    if request.param == "sqlite":
        yield Database(f"sqlite:///{tmp_path / 'fresh.db'}", f"sqlite:///{tmp_path / 'keys.db'}")
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    names = cluster.create(), cluster.create()
    yield Database(*map(cluster.url, names))
    for name in names:
        cluster.drop(name)


@pytest.fixture
def fresh_postgres(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """Two empty PostgreSQL databases: for rows and for keys."""
    names = cluster.create(), cluster.create()
    yield cluster.url(names[0]), cluster.url(names[1])
    for name in names:
        cluster.drop(name)


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    with closing(Store(database.url, durable=False)) as store:
        yield store


@pytest.fixture
def sqlite_store(sqlite_database: Database) -> Iterator[Store]:
    with closing(Store(sqlite_database.url, durable=False)) as store:
        yield store


@pytest.fixture
def postgres_store(postgres_database: Database) -> Iterator[Store]:
    with closing(Store(postgres_database.url)) as store:
        yield store


@pytest.fixture
def keyring(database: Database) -> Iterator[Keyring]:
    with closing(Keyring(database.keyring_url, MASTER_KEY, durable=False)) as keyring:
        yield keyring


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(START)


@pytest.fixture
def office(keyring: Keyring, clock: TurnedClock) -> Office:
    return Office(
        keyring=keyring,
        policy=policy.default(),
        now=clock.now(),
        wall=clock.wall(),
        finance="C-FINANCE",
        clients="C-CLIENTS",
    )
