"""Which tables only ever grow, and how does the database itself hold to that?

A migration that rebuilds one of these tables (Alembic's batch mode on SQLite drops its triggers)
calls ``protect`` again; ``missing`` is what the tests and ``doctor`` ask.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, text

GROWING = ("chain_entry", "consent_event", "live_switch", "posting", "touchpoint")
"""Rows are added: never changed, never deleted."""
EXPIRING = ("decision",)
"""Rows are added and never changed; policy may let them expire, their chain entries stay."""

_FUNCTION = "refuse_all_but_insert"
_SENTENCE = "rows are only added here, never changed or removed"


def protect(connection: Connection, *tables: str) -> None:
    """Make the triggers of these tables (all of them, if none is named)."""
    wanted = tables or GROWING + EXPIRING
    if connection.dialect.name == "postgresql":
        connection.execute(text(_POSTGRES_FUNCTION))
    for table in wanted:
        for statement in _statements(connection.dialect.name, table):
            connection.exec_driver_sql(statement)


def missing(connection: Connection) -> list[str]:
    """The triggers that should be there, switched on, and are not."""
    query = _ON_POSTGRES if connection.dialect.name == "postgresql" else _ON_SQLITE
    present = set(connection.execute(text(query)).scalars())
    wanted = (
        name for table in GROWING + EXPIRING for name in _names(connection.dialect.name, table)
    )
    return sorted(name for name in wanted if name not in present)


_ON_SQLITE = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
_ON_POSTGRES = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
_POSTGRES_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: {_SENTENCE}', TG_TABLE_NAME;
END $$
"""


def _names(dialect: str, table: str) -> Iterator[str]:
    return (f"{table}_{action}" for action, _ in _actions(dialect, table))


def _actions(dialect: str, table: str) -> Iterator[tuple[str, str]]:
    yield "no_update", "UPDATE"
    if table in GROWING:
        yield "no_delete", "DELETE"
    if dialect == "postgresql":
        yield "no_truncate", "TRUNCATE"
    elif table in EXPIRING:
        # INSERT OR REPLACE deletes the old row, which an expiring table allows by itself.
        yield "no_replace", "INSERT"


def _statements(dialect: str, table: str) -> Iterator[str]:
    for name, event in _actions(dialect, table):
        if dialect == "postgresql":
            each = "STATEMENT" if event == "TRUNCATE" else "ROW"
            yield (
                f"CREATE OR REPLACE TRIGGER {table}_{name} BEFORE {event} ON {table} "
                f"FOR EACH {each} EXECUTE FUNCTION {_FUNCTION}()"
            )
            continue
        same = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id)"  # noqa: S608 - a name of ours
        when = f"WHEN {same}" if event == "INSERT" else ""
        yield f"DROP TRIGGER IF EXISTS {table}_{name}"
        yield (
            f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table} {when} "
            f"BEGIN SELECT RAISE(ABORT, '{table}: {_SENTENCE}'); END"
        )
