import asyncio
import datetime as dt
import os
import subprocess
import sys
import threading
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError
from sqlmodel import Session

from billing import store as stores
from billing.models import Client, LegalEntity
from billing.store import Store, StoreBusy, StoreClosed

NOW = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
PATIENCE = 100


def entity(session: Session, name: str) -> None:
    session.add(LegalEntity(name=name))


def entities(store: Store) -> list[str]:
    with store.read() as session:
        return list(session.execute(select(LegalEntity.name).order_by(LegalEntity.id)).scalars())  # type: ignore[call-overload]


def boom(_session: Session) -> None:
    raise LookupError("boom")


class Gate:
    """A write that holds the writer until it is opened, so that others gather behind it."""

    def __init__(self, store: Store) -> None:
        self.entered, self.open = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=store.write_now, args=(self._hold,))
        self._thread.start()
        assert self.entered.wait(PATIENCE)

    def _hold(self, session: Session) -> None:
        session.execute(text("SELECT 1"))
        self.entered.set()
        assert self.open.wait(PATIENCE)

    def pass_(self) -> None:
        self.open.set()
        self._thread.join(PATIENCE)


async def test_a_write_resolves_after_its_commit(store: Store) -> None:
    await store.write(lambda session: entity(session, "A"))
    assert entities(store) == ["A"]


async def test_a_write_answers_what_it_returned(store: Store) -> None:
    assert await store.write(lambda _session: 42) == 42


async def test_rows_that_a_write_returned_can_be_read(store: Store) -> None:
    def add(session: Session) -> LegalEntity:
        found = LegalEntity(name="A")
        session.add(found)
        return found

    assert (await store.write(add)).name == "A"


async def test_a_failing_write_leaves_nothing(store: Store) -> None:
    def fail(session: Session) -> None:
        entity(session, "A")
        session.flush()
        boom(session)

    with pytest.raises(LookupError, match="boom"):
        await store.write(fail)
    assert entities(store) == []


async def test_writes_of_one_group_fail_alone(sqlite_store: Store) -> None:
    gate = Gate(sqlite_store)
    writes = [
        asyncio.ensure_future(sqlite_store.write(lambda session: entity(session, "A"))),
        asyncio.ensure_future(sqlite_store.write(boom)),
        asyncio.ensure_future(sqlite_store.write(lambda session: entity(session, "A"))),
        asyncio.ensure_future(sqlite_store.write(lambda session: entity(session, "B"))),
    ]
    await asyncio.sleep(0)
    gate.pass_()
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(result) for result in results] == [
        type(None),
        LookupError,
        IntegrityError,
        type(None),
    ]
    assert entities(sqlite_store) == ["A", "B"]


async def test_a_group_that_the_database_rolled_back_is_not_acknowledged(
    sqlite_store: Store,
) -> None:
    gate = Gate(sqlite_store)
    before = asyncio.ensure_future(sqlite_store.write(lambda session: entity(session, "A")))
    losing = asyncio.ensure_future(
        sqlite_store.write(lambda session: session.connection().exec_driver_sql("ROLLBACK"))
    )
    after = asyncio.ensure_future(sqlite_store.write(lambda session: entity(session, "B")))
    await asyncio.sleep(0)
    gate.pass_()
    results = await asyncio.gather(before, losing, after, return_exceptions=True)
    assert [isinstance(result, OperationalError) for result in results] == [True, True, True]
    assert entities(sqlite_store) == []
    await sqlite_store.write(lambda session: entity(session, "C"))
    assert entities(sqlite_store) == ["C"]


async def test_writes_happen_in_the_order_in_which_they_came(sqlite_store: Store) -> None:
    names = [f"{n:03}" for n in range(200)]
    await asyncio.gather(*(sqlite_store.write(partial(entity, name=name)) for name in names))
    assert entities(sqlite_store) == names


def test_even_an_exit_inside_a_write_reaches_its_caller(store: Store) -> None:
    def leave(_session: Session) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        store.write_now(leave)
    store.write_now(lambda session: entity(session, "A"))
    assert entities(store) == ["A"]


async def test_a_write_that_runs_out_of_a_generator_reaches_its_caller(store: Store) -> None:
    """asyncio's futures refuse a StopIteration: whoever awaited the write waited for ever."""

    def exhaust(_session: Session) -> None:
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        await asyncio.wait_for(store.write(exhaust), PATIENCE)
    await store.write(lambda session: entity(session, "A"))
    assert entities(store) == ["A"]


async def test_a_write_may_not_end_the_transaction_of_its_group(sqlite_store: Store) -> None:
    def commit(session: Session) -> None:
        entity(session, "A")
        session.commit()
        boom(session)

    with pytest.raises(LookupError):
        await sqlite_store.write(commit)
    assert entities(sqlite_store) == []


def test_reading_never_waits_for_a_writer(store: Store) -> None:
    gate = Gate(store)
    try:
        answer: list[list[str]] = []
        reader = threading.Thread(target=lambda: answer.append(entities(store)))
        reader.start()
        reader.join(30)
        assert answer == [[]]
    finally:
        gate.pass_()


def test_a_read_sees_one_moment(store: Store) -> None:
    count = text("SELECT count(*) FROM legal_entity")
    with store.read() as session:
        assert session.execute(count).scalar_one() == 0
        store.write_now(lambda writing: entity(writing, "A"))
        assert session.execute(count).scalar_one() == 0
    assert entities(store) == ["A"]


def test_nothing_can_be_written_while_reading(store: Store) -> None:
    with store.read() as session, pytest.raises(Exception, match=r"read-?only"):
        session.execute(text("UPDATE legal_entity SET name = 'B'"))


async def test_a_store_opened_for_reading_refuses_to_write(database: Any) -> None:
    with closing(Store(database.url, writable=False)) as reading:
        with pytest.raises(StoreBusy, match="opened for reading"):
            await reading.write(boom)
        with pytest.raises(StoreBusy, match="opened for reading"):
            reading.write_now(boom)
        assert entities(reading) == []


async def test_a_closed_store_refuses_at_once(database: Any) -> None:
    store = Store(database.url)
    store.close()
    with pytest.raises(StoreClosed, match="was not written"):
        await asyncio.wait_for(store.write(boom), PATIENCE)


def test_closing_finishes_what_was_submitted(database: Any) -> None:
    store = Store(database.url)
    gate = Gate(store)
    writing = threading.Thread(target=store.write_now, args=(lambda s: entity(s, "A"),))
    writing.start()
    while not _is_waiting(store):
        threading.Event().wait(0.005)
    threading.Timer(0.05, gate.open.set).start()
    store.close()
    writing.join(PATIENCE)
    gate.pass_()
    with closing(Store(database.url, writable=False)) as reading:
        assert entities(reading) == ["A"]


def _is_waiting(store: Store) -> bool:
    if isinstance(store._writer, stores._Writer):
        return not store._writer._waiting.empty()
    return entities(store) == ["A"]


def test_a_store_may_be_closed_twice(database: Any) -> None:
    store = Store(database.url)
    store.close()
    store.close()


def test_a_file_that_cannot_be_opened_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    with pytest.raises(OperationalError, match="unable to open"):
        Store(f"sqlite:///{tmp_path / 'store.db'}")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_store_needs_a_file(url: str) -> None:
    with pytest.raises(ValueError, match="needs a file"):
        Store(url)


OPEN_AND_SAY = """
import sys
from billing.store import Store, StoreBusy
try:
    store = Store(sys.argv[1], exclusive=sys.argv[2] == "exclusive")
except StoreBusy as error:
    print(error)
    sys.exit(3)
print("open", flush=True)
sys.stdin.read()
"""


def another(url: str, how: str = "exclusive") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", OPEN_AND_SAY, url, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(stores.__file__).parents[1],
    )


def test_a_second_process_is_refused_and_told_who_writes(sqlite_store: Store) -> None:
    process = another(sqlite_store.url)
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    assert f"is being written by process {os.getpid()}" in said


def test_a_process_that_died_leaves_the_store_free(sqlite_database: Any) -> None:
    process = another(sqlite_database.url)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    with pytest.raises(StoreBusy, match=f"process {process.pid};"):
        Store(sqlite_database.url)
    process.kill()
    process.communicate(timeout=PATIENCE)
    Store(sqlite_database.url).close()


def test_a_second_writer_in_this_process_is_refused_too(sqlite_store: Store) -> None:
    with pytest.raises(StoreBusy):
        Store(sqlite_store.url)


def test_a_second_name_of_the_same_file_is_the_same_store(
    sqlite_store: Store, tmp_path: Path
) -> None:
    link = tmp_path / "current.db"
    link.symlink_to(sqlite_store.url.removeprefix("sqlite:///"))
    with pytest.raises(StoreBusy):
        Store(f"sqlite:///{link}")


def test_reading_beside_the_writer_is_allowed(sqlite_store: Store) -> None:
    with closing(Store(sqlite_store.url, writable=False)) as reading:
        sqlite_store.write_now(lambda session: entity(session, "A"))
        assert entities(reading) == ["A"]


def test_a_store_that_is_not_exclusive_is_shared(sqlite_database: Any) -> None:
    with closing(Store(sqlite_database.url, exclusive=False)) as one:
        process = another(sqlite_database.url, "shared")
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        one.write_now(lambda session: entity(session, "A"))
        process.communicate(timeout=PATIENCE)


def test_many_processes_may_write_postgresql(postgres_store: Store) -> None:
    with closing(Store(postgres_store.url)) as second:
        second.write_now(lambda session: entity(session, "A"))
        assert entities(postgres_store) == ["A"]


@pytest.mark.parametrize("kind", ["write", "where"])
def test_a_naive_moment_is_refused(store: Store, kind: str) -> None:
    naive = dt.datetime(2026, 1, 5, 9, 0)  # noqa: DTZ001

    def use(session: Session) -> None:
        if kind == "write":
            session.add(Client(key_id="client:1", name="", created_at=naive))
            session.flush()
        else:
            session.execute(select(Client).where(Client.created_at > naive))  # type: ignore[arg-type]

    with pytest.raises(StatementError, match="has no time zone"):
        store.write_now(use)


@given(
    moment=st.datetimes(
        min_value=dt.datetime(1900, 1, 2),  # noqa: DTZ001
        max_value=dt.datetime(2999, 12, 30),  # noqa: DTZ001
        timezones=st.timezones() | st.just(dt.UTC),
        allow_imaginary=False,
    )
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_moment_comes_back_as_it_was_in_utc(store: Store, moment: dt.datetime) -> None:
    def there_and_back(session: Session) -> dt.datetime:
        row = Client(key_id="client:1", name="", created_at=moment)
        session.add(row)
        session.flush()
        session.expire(row)
        found = row.created_at
        session.delete(row)
        return found

    found = store.write_now(there_and_back)
    assert found == moment.astimezone(dt.UTC)
    assert found.utcoffset() == dt.timedelta()


def test_moments_in_any_zone_are_ordered_as_they_happened(store: Store) -> None:
    earlier = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.timezone(dt.timedelta(hours=13)))
    later = dt.datetime(2026, 1, 5, 1, 0, tzinfo=dt.timezone(dt.timedelta(hours=-11)))

    def add(session: Session) -> None:
        session.add(Client(key_id="client:1", name="later", created_at=later))
        session.add(Client(key_id="client:2", name="earlier", created_at=earlier))

    store.write_now(add)
    query = text("SELECT name FROM client ORDER BY created_at")
    with store.read() as session:
        assert list(session.execute(query).scalars()) == ["earlier", "later"]


def test_big_money_is_kept_to_the_cent(store: Store) -> None:
    big = 2**62 + 1
    store.write_now(lambda session: session.add(LegalEntity(id=big, name="A")))
    with store.read() as session:
        assert session.get_one(LegalEntity, big).id == big
