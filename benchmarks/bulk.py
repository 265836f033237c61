"""How do millions of rows get into a migrated store, without the product's own way in?

Rows are gathered per table and written in big bundles: with ``executemany`` into SQLite, with COPY
into PostgreSQL. Indexes that guard nothing are made again at the end; constraints, triggers and the
foreign keys of later writes stay as they were migrated.
"""

import datetime as dt
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import Table, make_url

from bot import schema

BUNDLE = 4000
"""Rows of a table that are written together: all that is in memory."""
_EVERY = 10.0
Row = Mapping[str, Any]


class _Sink(Protocol):
    def write(self, table: Table, rows: list[tuple[Any, ...]]) -> None:
        """Write a bundle."""

    def finish(self) -> None:
        """Make the indexes again and let others in."""


class Bulk:
    """A migrated, empty store that is being filled."""

    def __init__(self, url: str) -> None:
        schema.upgrade(url)
        self._tables = {table.name: table for table in schema.metadata().sorted_tables}
        self._blank = {name: _blank(table) for name, table in self._tables.items()}
        self._columns = {
            name: itemgetter(*table.columns.keys()) for name, table in self._tables.items()
        }
        self._held: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self._tables}
        self._ids = dict.fromkeys(self._tables, 0)
        self._sink = _sink(url)
        self.counts = dict.fromkeys(self._tables, 0)
        self._began = self._told = time.perf_counter()

    def add(self, name: str, row: Row) -> int:
        """Add a row with the values of its model where it says none; its id, if it has one."""
        whole: dict[str, Any] = {**self._blank[name], **row}
        if whole.get("id", 0) is None:
            self._ids[name] += 1
            whole["id"] = self._ids[name]
        held = self._held[name]
        held.append(self._columns[name](whole))
        if len(held) >= BUNDLE:
            self._write(name)
        key: int = whole.get("id", 0)
        return key

    def blank(self, name: str) -> dict[str, Any]:
        """The row of a model that was given nothing."""
        return dict(self._blank[name])

    def next_id(self, name: str) -> int:
        """The id that the next row will have."""
        return self._ids[name] + 1

    @property
    def total(self) -> int:
        """Rows in all tables together."""
        return sum(self.counts.values())

    def finish(self) -> None:
        """Write what is left and make the indexes again."""
        for name in self._held:
            self._write(name)
        self.say("rows are in; making indexes")
        self._sink.finish()
        self.say("done")

    def say(self, what: str) -> None:
        """How far it is, for whoever waits."""
        took = time.perf_counter() - self._began
        print(f"{took:7.1f} s  {self.total:>12,} rows  {what}", file=sys.stderr, flush=True)

    def _write(self, name: str) -> None:
        held = self._held[name]
        if held:
            self._sink.write(self._tables[name], held)
            self.counts[name] += len(held)
            held.clear()
        if time.perf_counter() - self._told > _EVERY:
            self._told = time.perf_counter()
            self.say(f"{self.total / (self._told - self._began):,.0f} rows/s")


def _blank(table: Table) -> dict[str, Any]:
    return {column.name: _plain(getattr(column.default, "arg", None)) for column in table.columns}


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, StrEnum) else value


def _sink(url: str) -> _Sink:
    return _Sqlite(url) if make_url(url).get_backend_name() == "sqlite" else _Postgres(url)


class _Sqlite:
    """One connection that nobody shares and that need not survive a power cut."""

    def __init__(self, url: str) -> None:
        import pysqlite3.dbapi2 as driver

        driver.register_adapter(dt.datetime, _moment)
        driver.register_adapter(dt.date, dt.date.isoformat)
        self._connection = driver.connect(str(make_url(url).database), isolation_level=None)
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "locking_mode = EXCLUSIVE",
            "cache_size = -1500000",
            "foreign_keys = OFF",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        self._indexes = self._connection.execute(query).fetchall()
        for name, _ in self._indexes:
            self._connection.execute(f"DROP INDEX {name}")
        self._connection.execute("BEGIN")

    def write(self, table: Table, rows: list[tuple[Any, ...]]) -> None:
        columns = ", ".join(table.columns.keys())
        places = ", ".join("?" * len(table.columns))
        statement = f"INSERT INTO {table.name} ({columns}) VALUES ({places})"
        self._connection.executemany(statement, rows)

    def finish(self) -> None:
        for _, statement in self._indexes:
            self._connection.execute(statement)
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA locking_mode = NORMAL")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.close()


def _moment(value: dt.datetime) -> str:
    """As SQLAlchemy writes it: UTC, without saying so."""
    return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


class _Postgres:
    """A superuser's session: neither foreign keys nor triggers are asked while rows come in."""

    def __init__(self, url: str) -> None:
        import psycopg

        place = make_url(url).set(drivername="postgresql")
        found = place.render_as_string(hide_password=False)
        self._connection = psycopg.connect(found, autocommit=True)
        self._run("SET session_replication_role = replica")
        self._run("SET synchronous_commit = off")
        self._run("SET maintenance_work_mem = '1GB'")
        self._indexes = self._connection.execute(_LOOSE).fetchall()
        for name, _ in self._indexes:
            self._run(f"DROP INDEX {name}")

    def write(self, table: Table, rows: list[tuple[Any, ...]]) -> None:
        with self._copying(table) as copy:
            for row in rows:
                copy.write_row(row)

    @contextmanager
    def _copying(self, table: Table) -> Iterator[Any]:
        columns = ", ".join(table.columns.keys())
        statement = f"COPY {table.name} ({columns}) FROM STDIN"
        with self._connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            yield copy

    def finish(self) -> None:
        for _, statement in self._indexes:
            self._run(statement)
        self._run(_SEQUENCES)
        self._run("VACUUM ANALYZE")
        self._connection.close()

    def _run(self, statement: str) -> None:
        self._connection.execute(statement.encode())


_LOOSE = """
SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND NOT EXISTS (
    SELECT 1 FROM pg_constraint WHERE conname = indexname
)
"""
_SEQUENCES = """
DO $$ DECLARE found record; top bigint; BEGIN
    FOR found IN SELECT table_name, pg_get_serial_sequence(table_name, 'id') AS of
        FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'id'
    LOOP
        IF found.of IS NULL THEN CONTINUE; END IF;
        EXECUTE format('SELECT coalesce(max(id), 0) + 1 FROM %I', found.table_name) INTO top;
        PERFORM setval(found.of, top, false);
    END LOOP;
END $$
"""
