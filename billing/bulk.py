"""How are many rows written at once?

Below the session and below SQLAlchemy's own handling of each row, which costs more than the write:
SQLite's driver runs one prepared statement over all rows, and PostgreSQL gets each column as one
array, in one statement. Values pass through the types of their columns, as everywhere.
"""

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    Connection,
    CursorResult,
    Dialect,
    LargeBinary,
    Select,
    String,
    Table,
    bindparam,
    func,
    select,
    text,
)
from sqlmodel import Session

from billing import store

Values = dict[str, Any]
"""A row, by the names of its columns."""
Guard = tuple[tuple[str, tuple[str, ...]], ...]


def insert(session: Session, table: Table, rows: Sequence[Values], *, once: str = "") -> None:
    """Add rows, which all name the same columns; those whose ``once`` is there before are not."""
    if rows:
        _run(session, _insert, table, rows, once)


def update(
    session: Session,
    table: Table,
    rows: Sequence[Values],
    *,
    key: str = "id",
    given: Mapping[str, Collection[str]] | None = None,
) -> set[int]:
    """Change the rows that ``key`` names, ``given`` that they have one of these values still.

    No value at all means that the column must be empty. Returns the keys of what was there.
    """
    if not rows:
        return set()
    guard = tuple((name, tuple(values)) for name, values in (given or {}).items())
    if store.below(session).dialect.name == "postgresql":
        return set(_run(session, _update, table, rows, key, guard).scalars())
    there = _there(session, table, key, guard, [row[key] for row in rows])
    if moving := [row for row in rows if row[key] in there]:
        _run(session, _update, table, moving, key, guard)
    return there


def _there(session: Session, table: Table, key: str, guard: Guard, keys: Sequence[int]) -> set[int]:
    """SQLite's driver cannot say which rows a statement changed that is run for many."""
    if not guard:
        return set(keys)
    query = _still_there(table, key, guard)
    return set(session.connection().execute(query, {"keys": keys}).scalars())


@functools.lru_cache(maxsize=256)
def _still_there(table: Table, key: str, guard: Guard) -> Select[Any]:
    still = [
        table.c[name].in_(values) if values else table.c[name].is_(None) for name, values in guard
    ]
    return select(table.c[key]).where(table.c[key].in_(bindparam("keys", expanding=True)), *still)


def new_ids(session: Session, table: Table, many: int) -> Sequence[int]:
    """Ids for that many new rows, in ascending order."""
    if not many:
        return ()
    connection = store.below(session)
    if connection.dialect.name == "postgresql":
        return sorted(
            connection.execute(_NEXT, {"of": f"{table.name}_id_seq", "many": many}).scalars()
        )
    # One writer, and the rule that SQLite itself has for a key that nobody gave.
    last = int(connection.execute(_last(table)).scalar_one())
    return range(last + 1, last + 1 + many)


_NEXT = text("SELECT nextval(CAST(:of AS regclass)) FROM generate_series(1, :many)")


@functools.cache
def _last(table: Table) -> Select[Any]:
    return select(func.coalesce(func.max(table.c.id), 0))


def _run(
    session: Session,
    statement: Callable[..., str],
    table: Table,
    rows: Sequence[Values],
    *how: Any,
) -> CursorResult[Any]:
    connection = store.below(session)
    names = tuple(rows[0])
    sql = statement(connection.dialect, table, names, *how)
    columns = _columns(connection, table, names, rows)
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(sql, tuple(columns))
    return connection.exec_driver_sql(sql, list(zip(*columns, strict=True)))


def _columns(
    connection: Connection, table: Table, names: tuple[str, ...], rows: Sequence[Values]
) -> list[list[Any]]:
    """Column by column, as the driver takes it."""
    found: list[list[Any]] = []
    for name, kept in zip(names, _kept(connection.dialect, table, names), strict=True):
        values = list(map(itemgetter(name), rows))
        found.append(values if kept is None else list(map(kept, values)))
    return found


@functools.lru_cache(maxsize=256)
def _kept(
    dialect: Dialect, table: Table, names: tuple[str, ...]
) -> tuple[Callable[[Any], Any] | None, ...]:
    """How a value of each column is kept; None where it is kept as it is."""
    return tuple(
        _plain
        if isinstance(table.c[name].type, String)
        else table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
        for name in names
    )


def _plain(value: object) -> str | None:
    """Of an enumeration its text: PostgreSQL's driver does not mix the two in one array."""
    return None if value is None else str(value)


# The names are those of our own tables; values are always bound.
@functools.lru_cache(maxsize=256)
def _insert(dialect: Dialect, table: Table, names: tuple[str, ...], once: str) -> str:
    columns = ", ".join(f'"{name}"' for name in names)
    values = f"VALUES ({', '.join('?' for _ in names)})"
    if dialect.name == "postgresql":
        values = f"SELECT * FROM {_arrays(dialect, table, names)}"  # noqa: S608
    conflict = f' ON CONFLICT ("{once}") DO NOTHING' if once else ""
    return f"INSERT INTO {table.name} ({columns}) {values}{conflict}"


@functools.lru_cache(maxsize=256)
def _update(dialect: Dialect, table: Table, names: tuple[str, ...], key: str, guard: Guard) -> str:
    still = "".join(f" AND {_one_of(table, name, values)}" for name, values in guard)
    others = [name for name in names if name != key]
    if dialect.name == "postgresql":
        changes = ", ".join(f'"{name}" = new."{name}"' for name in others)
        columns = ", ".join(f'"{name}"' for name in names)
        rows = f"{_arrays(dialect, table, names)} AS new ({columns})"
        changed = f"FROM {rows} WHERE {table.name}.{key} = new.{key}"
        still += f" RETURNING {table.name}.{key}"
    else:
        # Numbered, for the key may stand anywhere in the row.
        changes = ", ".join(f'"{name}" = ?{names.index(name) + 1}' for name in others)
        changed = f"WHERE {key} = ?{names.index(key) + 1}"
    return f"UPDATE {table.name} SET {changes} {changed}{still}"  # noqa: S608


def _one_of(table: Table, name: str, values: tuple[str, ...]) -> str:
    """The values are names of states, from our own code."""
    if not values:
        return f"{table.name}.{name} IS NULL"
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{table.name}.{name} IN ({listed})"


def _arrays(dialect: Dialect, table: Table, names: tuple[str, ...]) -> str:
    kinds = [table.c[name].type for name in names]
    arrays = (
        f"{'%b' if isinstance(kind, LargeBinary) else '%s'}::{kind.compile(dialect)}[]"
        for kind in kinds
    )
    return f"unnest({', '.join(arrays)})"
