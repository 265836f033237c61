"""Where do rows live, how are they written, and what may a column hold?

``Store`` is one SQLite file or one PostgreSQL database, chosen by URL. ``write`` is the only way to
write and ``read`` the only way to read. On SQLite one thread owns the only writing connection and
commits what has gathered in one go, each write inside a savepoint of its own; on PostgreSQL a pool
of threads writes side by side, held apart by locks on client rows taken in ascending id.
"""

import asyncio
import datetime as dt
import fcntl
import functools
import os
import queue
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from typing import Any, TypeVar, cast

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Integer,
    Select,
    Table,
    TypeDecorator,
    bindparam,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm.attributes import manager_of_class
from sqlmodel import Session, SQLModel
from typing_extensions import override

from billing import engines

T = TypeVar("T")
Model = TypeVar("Model", bound=SQLModel)
Clients = Collection[int] | Callable[[Session], Collection[int]]

Id = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both: SQLite's INTEGER is, and only that name makes a key of its rowid."""
Minor = BigInteger
"""Money in minor units of its currency, 64 bits."""

GROUP = 64
"""How many waiting writes share one SQLite commit: measured, more gains nothing."""
LOCK_TRIES = 5
_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""What SQLite's readers have by nature."""


class Moment(TypeDecorator[dt.datetime]):
    """An aware moment, kept as UTC.

    SQLite would drop an offset without a word, so naive values are refused on both databases.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        moment = value.astimezone(dt.UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        moment: dt.datetime = value
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


class StoreBusy(Exception):
    """Somebody else writes this SQLite store, and only one may; or it was opened for reading."""


class StoreClosed(Exception):
    """The store was closed before this write came."""


class Moved(Exception):
    """The clients to lock kept changing while they were being locked; try again later."""


class Store:
    """One database: ``write`` and ``read``, and nothing else.

    Args:
        url: ``sqlite:///FILE`` or ``postgresql+psycopg://…``.
        writable: False opens a SQLite store beside the process that writes it, for reading only.
        exclusive: False lets several processes write the SQLite file, each in its turn; only for
            one that is written rarely.
        durable: False for a SQLite store that is thrown away: it need not survive a power cut.

    Raises:
        StoreBusy: the SQLite file is being written by another process.
        ValueError: the URL names a SQLite database without a file.
    """

    def __init__(
        self,
        url: str,
        *,
        writable: bool = True,
        exclusive: bool = True,
        durable: bool = True,
        pool: int = 8,
    ) -> None:
        self.url = url
        self.sqlite = make_url(url).get_backend_name() == "sqlite"
        if self.sqlite and make_url(url).database in {None, "", ":memory:"}:
            raise ValueError("the store needs a file, like sqlite:///counterfoil.db")
        self._claim = _claim(url) if self.sqlite and writable and exclusive else None
        self._reader = (
            engines.sqlite(url, readonly=True) if self.sqlite else engines.postgres(url, pool)
        )
        self._snapshots = self._reader.execution_options(**({} if self.sqlite else _SNAPSHOT))
        self._writer: _Writer | _Pool | None = None
        try:
            if writable:
                self._writer = (
                    _Writer(engines.sqlite(url, durable=durable))
                    if self.sqlite
                    else _Pool(self._reader, pool)
                )
        except BaseException:
            self.close()
            raise

    async def write(self, fn: Callable[[Session], T], *, clients: Clients = ()) -> T:
        """Run ``fn`` in a transaction; resolve after the commit with what it returned.

        ``clients`` names the client rows to lock first, or is asked for them: looked up, locked,
        and looked up again, because another transaction may have added one in between.

        Raises:
            Moved: the set grew on every try.
            StoreBusy: the store was opened for reading.
        """
        return await asyncio.wrap_future(self._submit(fn, clients))

    def write_now(self, fn: Callable[[Session], T], *, clients: Clients = ()) -> T:
        """``write`` for a caller without an event loop: set-up, backups and tests."""
        return self._submit(fn, clients).result()

    def _submit(self, fn: Callable[[Session], T], clients: Clients) -> "Future[T]":
        if self._writer is None:
            raise StoreBusy("this store was opened for reading")
        return self._writer.submit(_answered(_locked(fn, clients, self)))

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A snapshot of the store, for reading only; it never waits for a writer."""
        with Session(self._snapshots, autoflush=False, expire_on_commit=False) as session:
            yield session

    def empty_log(self) -> None:
        """Bring SQLite's log into its file, and cut it: pages as they were before stand in it.

        Somebody who reads for longer than the busy time-out keeps it; then it goes with the next.
        """
        if self.sqlite:
            with closing(self.engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Finish what was submitted and give every connection back."""
        if self._writer is not None:
            self._writer.close()
        self._reader.dispose()
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    @property
    def engine(self) -> Engine:
        """For migrations and backups, which speak with the database below the session."""
        return self._writer.engine if isinstance(self._writer, _Writer) else self._reader


def _answered(fn: Callable[[Session], T]) -> Callable[[Session], T]:
    """``fn``, which no caller awaits for ever: asyncio's futures refuse a StopIteration."""

    def run(session: Session) -> T:
        try:
            return fn(session)
        except StopIteration as error:
            raise RuntimeError("a transaction raised StopIteration") from error

    return run


def _locked(fn: Callable[[Session], T], clients: Clients, store: Store) -> Callable[[Session], T]:
    """``fn`` behind its locks. SQLite has one writer, so there is nothing to lock."""
    if store.sqlite or (not callable(clients) and not clients):
        return fn

    def run(session: Session) -> T:
        wanted = set(clients(session)) if callable(clients) else set(clients)
        for _ in range(LOCK_TRIES):
            # The locks taken stay: a second pass asks only for more, and ids that are lower than
            # one we hold would break the order, so the transaction starts again instead.
            speaking = lock(session, wanted)
            session.expire_all()  # what was loaded to find the clients may be stale by now
            again = set(clients(session)) if callable(clients) else wanted
            if again <= wanted and speaking.keys() >= set(speaking.values()):
                return fn(session)
            session.rollback()
            wanted |= again | set(speaking.values())
        raise Moved("the clients of this change kept changing; try again")

    return run


_LOCK = text("""
    SELECT id, coalesce(merged_into_id, id) FROM client
    WHERE id = ANY(:ids)
       OR id = ANY(ARRAY(SELECT merged_into_id FROM client WHERE id = ANY(:ids)))
       OR merged_into_id = ANY(ARRAY(
              SELECT coalesce(merged_into_id, id) FROM client WHERE id = ANY(:ids)))
    ORDER BY id FOR UPDATE
""")
"""A client, whoever it is an alias of, and whoever else is: they are one, so one lock."""


def lock(session: Session, clients: Collection[int]) -> dict[int, int]:
    """Lock client rows in ascending id: the one order, so that nobody waits in a circle.

    Returns who speaks for each, as it is under the lock: a merge may have come in between.
    """
    if not clients or session.get_bind().dialect.name != "postgresql":
        return {}
    rows = session.execute(_LOCK, {"ids": sorted(clients)})
    return {row[0]: row[1] for row in rows}


def below(session: Session) -> Connection:
    """The session's connection, for the statements of hot paths: half the cost of the session's.

    What the session was told is written first; what it shows of rows changed here, see ``forget``.
    """
    session.flush()
    return session.connection()


def by_id(
    session: Session, model: type[Model], ids: Collection[int | None], *, lock: bool = False
) -> dict[int, Model]:
    """Rows of a model as they are now, to be looked at only: they have its columns, no more."""
    wanted = sorted({one for one in ids if one is not None})
    if not wanted:
        return {}
    found = below(session).execute(_rows_of(model, lock=lock), {"ids": wanted})
    return {row.id: cast("Model", row) for row in found}


@functools.cache
def _rows_of(model: type[SQLModel], *, lock: bool) -> Select[Any]:
    """Made once: building a statement costs more than SQLite takes to answer it."""
    table = table_of(model)
    those = table.c.id.in_(bindparam("ids", expanding=True))
    query = select(*table.c).where(those).order_by(table.c.id)
    return query.with_for_update() if lock else query


def table_of(model: type[SQLModel]) -> Table:
    """The table of a model, for statements that must not make objects of rows."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


def fresh(model: type[Model], **values: Any) -> Model:
    """A new row of a model that is written below the session, made at a tenth of the usual cost."""
    made: Model = manager_of_class(model).new_instance()
    made.__dict__.update(_defaults(model), **values)
    return made


@functools.cache
def _defaults(model: type[SQLModel]) -> dict[str, Any]:
    fields = model.model_fields.items()
    return {name: field.get_default() for name, field in fields if not field.is_required()}


def forget(session: Session, *models: type[SQLModel]) -> None:
    """Let the session read rows of these models anew: they were changed below it."""
    for loaded in session.identity_map.values():
        if isinstance(loaded, models):
            session.expire(loaded)


class _Writer:
    """The one thread that writes SQLite."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._connection = engine.connect()  # here, so that a file we cannot open is said at once
        self._closing = threading.Lock()
        self._closed = False
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, fn: Callable[[Session], T]) -> "Future[T]":
        job = _Job(fn)
        with self._closing:
            if self._closed:
                raise StoreClosed("the store is closed; this was not written")
            self._waiting.put(job)
        return job.future

    def close(self) -> None:
        with self._closing:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()
        self.engine.dispose()

    def _run(self) -> None:
        with self._connection as connection:
            while (job := self._waiting.get()) is not None:
                last = self._commit(connection, self._gather(job))
                if last:
                    return

    def _gather(self, first: "_Job") -> list["_Job | None"]:
        jobs: list[_Job | None] = [first]
        while len(jobs) < GROUP and jobs[-1] is not None:
            try:
                jobs.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return jobs

    def _commit(self, connection: Connection, jobs: list["_Job | None"]) -> bool:
        """Run the group and commit it; say whether the end of the queue was in it."""
        group = [
            job for job in jobs if job is not None and job.future.set_running_or_notify_cancel()
        ]
        try:
            with connection.begin() as transaction:
                for job in group:
                    job.run(connection, alone=len(group) == 1)
                if len(group) == 1 and group[0].error is not None:
                    transaction.rollback()
        except BaseException as error:  # noqa: BLE001 - it is handed to everyone who waits
            for job in group:
                job.error = error
            if isinstance(error, OperationalError):
                connection.invalidate()
        for job in group:
            job.settle()
        return jobs[-1] is None


class _Job:
    """One write, and the future of whoever waits for it."""

    def __init__(self, fn: Callable[[Session], Any]) -> None:
        self.fn = fn
        self.future: Future[Any] = Future()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self, connection: Connection, *, alone: bool) -> None:
        """Do it, inside a savepoint where others share the commit."""
        try:
            with (
                nullcontext() if alone else connection.begin_nested(),
                Session(connection, join_transaction_mode="rollback_only") as session,
            ):
                self.result = self.fn(session)
                session.flush()
                session.expunge_all()
        except BaseException as error:
            self.error = error
            if not _in_transaction(connection):
                raise  # SQLite rolled all of the group back: a full disk, for one

    def settle(self) -> None:
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class _Pool:
    """Threads that write PostgreSQL side by side."""

    def __init__(self, engine: Engine, size: int) -> None:
        self.engine = engine
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="store")

    def submit(self, fn: Callable[[Session], T]) -> "Future[T]":
        try:
            return self._threads.submit(self._run, fn)
        except RuntimeError:
            raise StoreClosed("the store is closed; this was not written") from None

    def close(self) -> None:
        self._threads.shutdown()

    def _run(self, fn: Callable[[Session], T]) -> T:
        with Session(self.engine, expire_on_commit=False) as session:
            result = fn(session)
            session.commit()
            return result


def _in_transaction(connection: Connection) -> bool:
    return bool(connection.connection.driver_connection.in_transaction)  # type: ignore[union-attr]


def _claim(url: str) -> int:
    """Become the one process that writes this file; the descriptor holds the claim while open.

    Raises:
        StoreBusy: somebody else is.
    """
    file = os.path.realpath(str(make_url(url).database))  # links to one file are one store
    descriptor = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode().strip() or "unknown"
        os.close(descriptor)
        raise StoreBusy(
            f"{file} is being written by process {holder}; stop it first, or let it do the work"
        ) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor
