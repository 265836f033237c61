import datetime as dt
import threading
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlmodel import Session

from billing.models import Client
from billing.store import Moved, Store

NOW = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
PATIENCE = 100


def clients(store: Store, *ids: int) -> None:
    def add(session: Session) -> None:
        for client in ids:
            session.add(Client(id=client, key_id=f"client:{client}", name="", created_at=NOW))

    store.write_now(add)


def boom(_session: Session) -> None:
    raise LookupError("boom")


def test_a_set_of_clients_that_grew_is_locked_whole(postgres_store: Store) -> None:
    clients(postgres_store, 1, 2, 3)
    asked: list[list[int]] = []

    def whom(_session: Session) -> list[int]:
        asked.append([3] if not asked else [1, 3])
        return asked[-1]

    def locked(session: Session) -> None:
        with closing(Store(postgres_store.url)) as other:
            nowait = text("SELECT id FROM client ORDER BY id FOR UPDATE SKIP LOCKED")
            free = other.write_now(lambda there: list(there.execute(nowait).scalars()))
            assert free == [2]

    postgres_store.write_now(locked, clients=whom)
    assert asked == [[3], [1, 3], [1, 3]]


def test_a_set_that_never_settles_gives_up(postgres_store: Store) -> None:
    counter = iter(range(1, 100))
    with pytest.raises(Moved, match="try again"):
        postgres_store.write_now(boom, clients=lambda _session: [next(counter)])


def test_two_writes_of_one_client_wait_for_each_other(postgres_store: Store) -> None:
    clients(postgres_store, 1)
    overlap = threading.Barrier(2)
    met: list[bool] = []

    def meet(_session: Session) -> None:
        try:
            overlap.wait(0.3)
        except threading.BrokenBarrierError:
            met.append(False)
        else:
            met.append(True)

    threads = [
        threading.Thread(target=postgres_store.write_now, args=(meet,), kwargs={"clients": [1]})
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert met == [False, False]


def test_writes_of_two_clients_run_side_by_side(postgres_store: Store) -> None:
    clients(postgres_store, 1, 2)
    overlap = threading.Barrier(2)
    threads = [
        threading.Thread(
            target=postgres_store.write_now,
            args=(lambda _session: overlap.wait(PATIENCE),),
            kwargs={"clients": [client]},
        )
        for client in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not overlap.broken


def test_writes_that_name_clients_in_any_order_never_wait_in_a_circle(
    postgres_store: Store,
) -> None:
    clients(postgres_store, *range(1, 9))
    orders = [[1, 5, 8], [8, 1], [5, 8, 2], [8, 5, 1], [2, 1], [1, 2, 3, 4, 5, 6, 7, 8]] * 8
    done: list[int] = []

    def bump(session: Session, order: list[int]) -> None:
        for client in order:
            session.execute(text("UPDATE client SET region = 'x' WHERE id = :id"), {"id": client})
        done.append(1)

    threads = [
        threading.Thread(
            target=postgres_store.write_now,
            args=(lambda session, order=order: bump(session, order),),
            kwargs={"clients": order},
        )
        for order in orders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(done) == len(orders)


def test_a_stop_and_a_claim_cannot_pass_each_other(postgres_store: Store) -> None:
    """Both look, both wait for the other to have looked, both write: one must see the other."""
    clients(postgres_store, 1)
    looking = threading.Barrier(2)

    def look(session: Session) -> str:
        with_lock = session.execute(text("SELECT region FROM client WHERE id = 1")).scalar_one()
        try:
            looking.wait(0.3)
        except threading.BrokenBarrierError:
            return str(with_lock)
        return str(with_lock)

    def stop(session: Session) -> str:
        seen = look(session)
        session.execute(text("UPDATE client SET region = 'stopped' WHERE id = 1"))
        return seen

    def claim(session: Session) -> str:
        seen = look(session)
        if seen != "stopped":
            session.execute(text("UPDATE client SET language = 'sent' WHERE id = 1"))
        return seen

    seen: dict[str, str] = {}
    threads = [
        threading.Thread(
            target=lambda name, fn: seen.__setitem__(
                name, postgres_store.write_now(fn, clients=[1])
            ),
            args=(name, fn),
        )
        for name, fn in (("stop", stop), ("claim", claim))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    with postgres_store.read() as session:
        language = session.execute(text("SELECT language FROM client")).scalar_one()
    assert looking.broken, "both held the client's lock at once"
    assert (language == "sent") == (seen["claim"] == "")


def test_a_write_that_names_clients_needs_no_lock_on_sqlite(sqlite_store: Store) -> None:
    assert sqlite_store.write_now(lambda _session: 42, clients=lambda _session: [1, 2]) == 42
