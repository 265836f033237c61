"""The year of a large firm that benchmarks run on is one that the product could have written."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session

from benchmarks import firm
from billing import policy
from billing.keyring import Keyring
from billing.models import Client
from billing.store import Store
from bot import audit, schema
from bot.reasons import explain
from comms import timeline
from comms.office import Office

AT = audit.Moment(firm.END, firm.END)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, int]:
    url = f"sqlite:///{tmp_path_factory.mktemp('firm') / 'firm.db'}"
    keys = firm.keys_beside(url)
    return url, keys, firm.make(url, keys, 8000, 7)


def rows(session: Session, query: str) -> list[Any]:
    return list(session.execute(text(query)))


def test_every_chain_of_the_firm_holds(year: tuple[str, str, int]) -> None:
    url, _, made = year
    with closing(Store(url, writable=False)) as store, store.read() as session:
        assert list(timeline.verify(session)) == []
        assert rows(session, "PRAGMA foreign_key_check") == []
        assert schema.missing_triggers(store.engine) == []
        tables = [name for (name,) in rows(session, "SELECT name FROM pragma_table_list")]
        ours = set(schema.metadata().tables) & set(tables)
        assert sum(rows(session, f"SELECT count(*) FROM {name}")[0][0] for name in ours) == made


def test_nothing_of_the_firm_stands_still_but_what_is_due_today(
    year: tuple[str, str, int],
) -> None:
    with closing(Store(year[0], writable=False)) as store, store.read() as session:
        found = {one.kind for one in audit.standing(session, AT, policy.default())}
    assert found <= {"look_late"}


def test_what_the_firm_wrote_can_be_read(year: tuple[str, str, int]) -> None:
    with (
        closing(Store(year[0], writable=False)) as store,
        closing(Keyring(year[1], firm.MASTER_KEY)) as keyring,
        store.read() as session,
    ):
        client = session.get_one(Client, 1)
        office = Office(keyring, policy.default(), firm.END, firm.END, "C1", "C2")
        told = explain.of(session, office, "client", client.id)
    assert client.name in told.reason


def test_the_same_seed_makes_the_same_firm(year: tuple[str, str, int], tmp_path: Path) -> None:
    again = f"sqlite:///{tmp_path / 'again.db'}"
    assert firm.make(again, firm.keys_beside(again), 8000, 7) == year[2]
    query = "SELECT client_id, number, amount, issued_on FROM invoice ORDER BY id"
    found = []
    for url in (year[0], again):
        with closing(Store(url, writable=False)) as store, store.read() as session:
            found.append(rows(session, query))
    assert found[0] == found[1]
