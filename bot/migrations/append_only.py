"""Which tables only ever grow, and how does the database itself hold to that?

A migration that rebuilds one of these tables (Alembic's batch mode on SQLite drops its triggers)
calls ``protect`` again; ``missing`` is what the tests and ``doctor`` ask.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, text

GROWING = (
    "access",
    "alias_event",
    "chain_entry",
    "checkpoint",
    "checkpoint_head",
    "consent_event",
    "live_switch",
    "policy_publication",
    "policy_version",
    "posting",
    "touchpoint",
)
"""Rows are added: never changed, never deleted."""
EXPIRING = ("decision",)
"""Rows are added and never changed; policy may let them expire, their chain entries stay."""
EARLY = "decision_no_early_delete"
"""Lets only that of a decision go which ``bot.custody.retention`` may delete."""

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
    if not tables:
        keep_decisions(connection)


def keep_decisions(connection: Connection) -> None:
    """Make the trigger that keeps decisions until policy lets them expire.

    A decision may go when its moment has passed and nobody needs it: of a sequence the newest one
    stays, of a message all stay until it has ended, and the newest of all stays, because SQLite
    would give its number to the next.
    """
    for statement in _EARLY[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def forget_decisions(connection: Connection) -> None:
    """Take that trigger away."""
    on = " ON decision" if connection.dialect.name == "postgresql" else ""
    connection.exec_driver_sql(f"DROP TRIGGER {EARLY}{on}")


def missing(connection: Connection) -> list[str]:
    """The triggers that should be there, switched on, and are not."""
    query = _ON_POSTGRES if connection.dialect.name == "postgresql" else _ON_SQLITE
    present = set(connection.execute(text(query)).scalars())
    wanted = (
        name for table in GROWING + EXPIRING for name in _names(connection.dialect.name, table)
    )
    return sorted(name for name in (*wanted, EARLY) if name not in present)


_ON_SQLITE = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
_ON_POSTGRES = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'"
_POSTGRES_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: {_SENTENCE}', TG_TABLE_NAME;
END $$
"""

_EARLY_SENTENCE = "decision: only policy lets it go, when it is old and nobody needs it"
_NEEDED = """
    NOT EXISTS (
        SELECT 1 FROM expired WHERE kind = 'decisions' AND before > OLD.decided_at
    ) OR NOT EXISTS (
        SELECT 1 FROM decision WHERE id > OLD.id
    ) OR CASE OLD.subject_kind WHEN 'message' THEN EXISTS (
        SELECT 1 FROM message WHERE id = OLD.subject_id AND state IN
            ('queued', 'held', 'awaiting', 'claimed', 'sending', 'in_doubt')
    ) ELSE NOT EXISTS (
        SELECT 1 FROM decision AS newer WHERE newer.subject_kind = OLD.subject_kind
            AND newer.subject_id = OLD.subject_id AND newer.id > OLD.id
    ) END
"""
_EARLY = {
    "sqlite": (
        f"DROP TRIGGER IF EXISTS {EARLY}",
        f"""
CREATE TRIGGER {EARLY} BEFORE DELETE ON decision WHEN {_NEEDED}
BEGIN SELECT RAISE(ABORT, '{_EARLY_SENTENCE}'); END
""",
    ),
    "postgresql": (
        f"""
CREATE OR REPLACE FUNCTION refuse_early_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF ({_NEEDED}) THEN RAISE EXCEPTION '{_EARLY_SENTENCE}'; END IF;
    RETURN OLD;
END $$
""",
        f"""
CREATE OR REPLACE TRIGGER {EARLY} BEFORE DELETE ON decision
FOR EACH ROW EXECUTE FUNCTION refuse_early_delete()
""",
    ),
}


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
