"""Which rows does a preview need, and how do they get into a store that is gone with the process?

Table by table, a few hundred clients in one statement, so that what is read is what is needed. The
copy and its keys live in memory alone. Bodies stay where they are, but for what staff typed and the
door has yet to judge; that is sealed anew, under a key that nobody else has.

How a table is cut down to some clients follows from its references: a new table is copied rightly
without anything being said here, unless it is one that a preview can do without.
"""

import datetime as dt
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, Table, bindparam, func, or_, select
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import Session, SQLModel, col

from billing import bulk, vault
from billing.keyring import Keyring
from billing.models import (
    Address,
    Client,
    Contact,
    ContactAddress,
    Enrolment,
    Instalment,
    Invoice,
    InvoiceState,
    Posting,
)
from billing.store import Store, table_of
from comms.models import UNSENT, Audience, ChainHead, Decision, Message, State

MANY = 400
"""Clients whose rows are read in one statement."""
RECENT = dt.timedelta(days=40)
"""How far back messages matter that are settled: further than any budget looks."""
WITHOUT = frozenset(
    {
        *("vault", "incoming", "attempt", "touchpoint", "chain_entry", "external_ref", "thread"),
        *("api_token", "expired", "client_key", "duplicate", "incident"),
        *("checkpoint", "checkpoint_head"),
    }
)
"""What a preview can do without: bodies, what came in, the record of the past, other names."""
EMPTY = frozenset({"note_id", "body_id", "draft_id", "reason_id", "description_id", "incoming_id"})
"""Columns that point at a body; in the copy there is none."""
_MESSAGES = table_of(Message)
_DECISIONS = table_of(Decision)
_CLIENTS = table_of(Client)
_ADDRESSES = table_of(Address)
_CHAINS = table_of(ChainHead)
_WAITING = (*UNSENT, State.SENDING, State.IN_DOUBT)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Place:
    """A store and its keys, in the memory of this process."""

    store: Store
    keyring: Keyring

    def close(self) -> None:
        """Let both go: with the last connection nothing is left of them."""
        self.store.close()
        self.keyring.close()


def place() -> Place:
    """An empty store with every table, and an empty keyring under a key made for it."""
    number = f"{os.getpid()}-{next(_numbers)}"
    store = Store(_in_memory(f"preview-{number}"), exclusive=False, durable=False)
    store.write_now(_make_tables)
    return Place(store, Keyring(_in_memory(f"preview-keys-{number}"), os.urandom(32)))


def _in_memory(name: str) -> str:
    """A database of this process that all its connections share."""
    return f"sqlite:///file:/{name}?vfs=memdb&uri=true"


def _make_tables(session: Session) -> None:
    """Without foreign keys: a row that is left behind must not stop the one that names it."""
    for table in SQLModel.metadata.sorted_tables:
        session.connection().execute(CreateTable(table, include_foreign_key_constraints=[]))
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            session.connection().execute(CreateIndex(index))


# --- whom it is about -----------------------------------------------------------------------------


def families(session: Session) -> list[list[int]]:
    """Clients with something to come, together with whom they share an address or a name with.

    Whoever has a sequence that is due some time, a message that waits, or something open.
    """
    wanted = {*_ids(session, _enrolled()), *_ids(session, _waiting()), *_ids(session, _owing())}
    head: dict[int, int] = {}

    def root(one: int) -> int:
        while head.setdefault(one, one) != one:
            head[one] = one = head[head[one]]
        return one

    for first, second in _kin(session):
        head[root(first)] = root(second)
    members: dict[int, list[int]] = {}
    for one in sorted({*wanted, *head}):
        members.setdefault(root(one), []).append(one)
    return [family for family in members.values() if not wanted.isdisjoint(family)]


def _ids(session: Session, query: Select[Any]) -> Iterable[int]:
    return session.execute(query).scalars()


def _enrolled() -> Select[Any]:
    return select(col(Enrolment.client_id)).where(col(Enrolment.next_due_at).is_not(None))


def _waiting() -> Select[Any]:
    return select(col(Message.client_id)).where(
        col(Message.client_id).is_not(None),
        col(Message.audience) == Audience.CLIENT,
        col(Message.state).in_(_WAITING),
    )


def _owing() -> Select[Any]:
    return (
        select(col(Posting.client_id))
        .join(Instalment, col(Instalment.id) == col(Posting.instalment_id))
        .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
        .where(col(Invoice.state) == InvoiceState.ISSUED, col(Posting.payer_id).is_(None))
        .group_by(col(Posting.client_id), col(Instalment.id))
        .having(func.sum(col(Posting.amount)) > 0)
    )


def _kin(session: Session) -> Iterator[tuple[int, int]]:
    """Pairs of clients that are one, or have an address in common: their budget is one."""
    merged = select(col(Client.id), col(Client.merged_into_id))
    for row in session.execute(merged.where(col(Client.merged_into_id).is_not(None))):
        yield row[0], row[1]
    owner = col(Contact.client_id)
    held = select(col(ContactAddress.address_id)).join(
        Contact, col(Contact.id) == col(ContactAddress.contact_id)
    )
    shared = held.group_by(col(ContactAddress.address_id)).having(
        func.count(func.distinct(owner)) > 1
    )
    both = held.add_columns(owner).where(col(ContactAddress.address_id).in_(shared))
    first: dict[int, int] = {}
    for address, client in session.execute(both):
        yield first.setdefault(address, client), client


# --- their rows -----------------------------------------------------------------------------------


def fill(
    session: Session, keyring: Keyring, into: Place, ids: Sequence[int], now: dt.datetime
) -> None:
    """Copy what belongs to these clients, and what belongs to the firm."""
    tables = [table for table in SQLModel.metadata.sorted_tables if table.name not in WITHOUT]
    for table in tables:
        if of_clients(table) is None and of_addresses(table) is None:
            _write(into, table, _rows(session, select(table)))
    addresses: set[int] = set()
    for some in _chunks(sorted(ids)):
        for table in tables:
            if (which := of_clients(table)) is not None:
                _write(into, table, _rows(session, _query(table, which, now), {"ids": some}))
        addresses.update(session.execute(_REACHED, {"ids": some}).scalars())
        _words(session, keyring, into, some, now)
    for some in _chunks(sorted(addresses)):
        for table in tables:
            if (which := of_addresses(table)) is not None:
                _write(into, table, _rows(session, select(table).where(which), {"ids": some}))


def _chunks(ids: Sequence[int]) -> Iterator[list[int]]:
    for first in range(0, len(ids), MANY):
        yield list(ids[first : first + MANY])


_SOME: BindParameter[Any] = bindparam("ids", expanding=True)
_REACHED = (
    select(col(ContactAddress.address_id))
    .join(Contact, col(Contact.id) == col(ContactAddress.contact_id))
    .where(col(Contact.client_id).in_(_SOME))
    .union(select(col(Message.address_id)).where(
        col(Message.client_id).in_(_SOME), col(Message.address_id).is_not(None)
    ))
)  # fmt: skip


def of_clients(table: Table) -> ColumnElement[bool] | None:
    """Which of its rows belong to the clients ``:ids``; None where it is not about clients.

    By its own column, or else through the first table that it belongs to. A row of the firm in a
    table that has clients' rows too comes along.
    """
    return _belonging(table, _CLIENTS)


def of_addresses(table: Table) -> ColumnElement[bool] | None:
    """The same for the addresses ``:ids``, where it is about addresses and not about clients."""
    return None if of_clients(table) is not None else _belonging(table, _ADDRESSES)


def _belonging(table: Table, root: Table) -> ColumnElement[bool] | None:
    if table is root:
        return root.c.id.in_(_SOME)
    parents = sorted(
        (key for key in table.foreign_keys if key.column.table is not table),
        key=lambda key: (key.column.table is not root, bool(key.parent.nullable), key.parent.name),
    )
    if root is _CLIENTS and table is _CHAINS:
        return table.c.client_id.in_(_SOME)  # it names clients without a reference
    for key in parents:
        if key.column.table is root:
            mine = key.parent.in_(_SOME)
            firms = key.parent.nullable and table is not _MESSAGES
            return or_(mine, key.parent.is_(None)) if firms else mine
        if (which := _belonging(key.column.table, root)) is not None:
            return key.parent.in_(select(key.column).where(which))
    return None


def _query(table: Table, which: ColumnElement[bool], now: dt.datetime) -> Select[Any]:
    query = select(table).where(which)
    if table is _MESSAGES:
        recent = or_(
            table.c.state.in_(_WAITING),
            table.c.created_at > now - RECENT,
            table.c.claimed_at > now - RECENT,
        )
        return query.where(table.c.audience == Audience.CLIENT, recent)
    if table is _DECISIONS:
        last = select(func.max(table.c.id)).where(which)
        return query.where(table.c.id.in_(last.group_by(table.c.subject_kind, table.c.subject_id)))
    return query


def _rows(
    session: Session, query: Select[Any], given: Mapping[str, Any] | None = None
) -> Iterator[list[dict[str, Any]]]:
    """The rows, a few thousand at a time, without what points at bodies."""
    found = session.connection().execute(query, given or {})
    names = tuple(found.keys())
    emptied = dict.fromkeys(EMPTY.intersection(names))
    while rows := found.fetchmany(2000):
        yield [dict(zip(names, row, strict=True)) | emptied for row in rows]


def _write(into: Place, table: Table, pages: Iterable[list[dict[str, Any]]]) -> None:
    for rows in pages:
        into.store.write_now(_adding(table, _adapted(table, rows)))


def _adapted(table: Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A message that another follows in its thread may be too old to be here."""
    if table is _MESSAGES:
        return [row | {"thread_id": None, "updates_id": None} for row in rows]
    return rows


def _adding(table: Table, rows: list[dict[str, Any]]) -> Callable[[Session], None]:
    once = ", ".join(f'"{column.name}"' for column in table.primary_key)[1:-1]
    return lambda session: bulk.insert(session, table, rows, once=once)


# --- their words ----------------------------------------------------------------------------------


def _words(
    session: Session, keyring: Keyring, into: Place, ids: Sequence[int], now: dt.datetime
) -> None:
    """New keys for the clients, and under them what staff typed, and why a sequence is held."""
    owners = select(_CLIENTS.c.id, _CLIENTS.c.key_id).where(_CLIENTS.c.id.in_(_SOME))
    keys = {row.id: row.key_id for row in session.execute(owners, {"ids": ids})}
    into.keyring.make(keys.values(), now)
    for table, column, which in (
        (_MESSAGES, _MESSAGES.c.draft_id, _MESSAGES.c.state.in_(UNSENT)),
        (_DECISIONS, _DECISIONS.c.reason_id, _DECISIONS.c.id.in_(_held_now())),
    ):
        said = select(table.c.id, table.c.client_id, column).where(
            table.c.client_id.in_(_SOME), column.is_not(None), which
        )
        rows = session.execute(said, {"ids": ids}).all()
        words = [(keys[row[1]], vault.text(session, keyring, row[2])) for row in rows]
        ids_ = [row[0] for row in rows]
        into.store.write_now(partial(_keep, into.keyring, (table, column.name), ids_, words, now))


def _held_now() -> Select[Any]:
    """The last decision about each sequence, where nothing is asked for."""
    mine = (_DECISIONS.c.client_id.in_(_SOME), _DECISIONS.c.subject_kind == "enrolment")
    last = select(func.max(_DECISIONS.c.id)).where(*mine).group_by(_DECISIONS.c.subject_id)
    return select(_DECISIONS.c.id).where(
        _DECISIONS.c.id.in_(last), _DECISIONS.c.verdict.in_(("held", "idle"))
    )


def _keep(
    keyring: Keyring,
    place: tuple[Table, str],
    ids: Sequence[int],
    words: Sequence[tuple[str, str]],
    now: dt.datetime,
    session: Session,
) -> None:
    table, column = place
    kept = vault.put_all(session, keyring, words, now) if words else []
    rows = [{"id": id_, column: one.vault_id} for id_, one in zip(ids, kept, strict=True)]
    bulk.update(session, table, rows)
