"""How does one speak to SQLite, and how to PostgreSQL?"""

from collections.abc import MutableMapping
from typing import Any

from sqlalchemy import URL, Dialect, Engine, create_engine, event
from sqlalchemy.util import LRUCache

STATEMENTS = 2_000
"""How many are kept compiled: more than we have."""
_CONTENDED = {"SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED", "40001", "40P01", "55P03"}
"""Locked by another; could not be serialized, deadlock, lock not available."""
_COMPILED: MutableMapping[Any, Any] = LRUCache(STATEMENTS)
_DIALECTS: dict[URL, Dialect] = {}


def sqlite(url: str, *, readonly: bool = False, durable: bool = True) -> Engine:
    """Connections to a file: one of them may write, any number read."""
    import pysqlite3.dbapi2 as driver  # SQLite ≥ 3.51.3: older ones can corrupt a WAL

    engine = create_engine(
        url, module=driver, hide_parameters=True, connect_args={"check_same_thread": False}
    )

    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA recursive_triggers = ON")  # else INSERT OR REPLACE slips past
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        if readonly:
            connection.execute("PRAGMA query_only = ON")
        else:
            connection.execute("PRAGMA journal_mode = WAL")
            # What is deleted, written over or moved is overwritten: a key, a name. It costs nothing
            # that could be measured.
            connection.execute("PRAGMA secure_delete = ON")

    event.listen(engine, "connect", connected)
    begin = "BEGIN" if readonly else "BEGIN IMMEDIATE"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return _acquainted(engine)


def postgres(url: str, pool: int) -> Engine:
    """A pool of connections to a server."""
    # jit and parallel plans turn a search of 1.5 ms into one of 86 ms.
    options = "-c jit=off -c max_parallel_workers_per_gather=0 -c timezone=UTC"
    engine = create_engine(
        url,
        hide_parameters=True,  # an error is shown to whoever runs a command, and they are of rows
        pool_size=pool,
        max_overflow=pool,
        connect_args={"options": options},
    )
    return _acquainted(engine)


def contended(error: BaseException | None) -> bool:
    """Whether a driver met others at their work, and not a disk or a server that fails."""
    names = (getattr(error, "sqlite_errorname", None), getattr(error, "sqlstate", None))
    return not _CONTENDED.isdisjoint(names)


def _acquainted(engine: Engine) -> Engine:
    """The engine, with what was compiled for others: we read, write and keep keys through several.

    A statement is compiled for a dialect; one that knows its server serves whoever comes later.
    """
    server = engine.url.set(database="")
    if server in _DIALECTS:
        engine.dialect = _DIALECTS[server]
    else:
        event.listen(engine, "connect", lambda *_: _DIALECTS.setdefault(server, engine.dialect))
    return engine.execution_options(compiled_cache=_COMPILED)
