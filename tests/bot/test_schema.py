"""Is a migrated database what the models say, on both databases, and does it stay so?"""

import datetime as dt
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    DateTime,
    Dialect,
    Integer,
    Table,
    inspect,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DatabaseError

from billing.models import (
    AliasEvent,
    Client,
    LegalEntity,
    LiveSwitch,
    PolicyPublication,
    PolicyVersion,
    Posting,
    PostingKind,
)
from billing.store import Moment, Store, StoreBusy
from bot import schema
from bot.migrations import append_only
from comms.models import (
    Access,
    ChainEntry,
    Checkpoint,
    CheckpointHead,
    ConsentEvent,
    Decision,
    Touchpoint,
)

NOW = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)
TABLES = list(schema.metadata().sorted_tables)
POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
COLUMNS = [column for table in TABLES for column in table.columns]


def is_a(column: Column[Any], kind: type) -> bool:
    return isinstance(column.type, kind)


def names(columns: list[Column[Any]]) -> list[str]:
    return [f"{column.table.name}.{column.name}" for column in columns]


def test_every_number_has_64_bits_on_postgresql() -> None:
    dialect = POSTGRESQL
    numbers = [column for column in COLUMNS if is_a(column, Integer | BigInteger)]  # type: ignore[arg-type]
    narrow = [c for c in numbers if c.type.compile(dialect).upper() not in {"BIGINT", "BIGSERIAL"}]
    assert len(numbers) > 50
    assert names(narrow) == []


def test_every_moment_refuses_to_be_naive() -> None:
    times = [column for column in COLUMNS if is_a(column, DateTime)]
    moments = [column for column in COLUMNS if is_a(column, Moment)]
    assert len(moments) > 20
    assert names([column for column in times if not is_a(column, Moment)]) == []


def test_no_column_asks_the_database_for_its_value() -> None:
    asking = [c for c in COLUMNS if c.server_default is not None or c.server_onupdate is not None]
    assert names(asking) == []


def test_no_column_asks_the_clock_for_its_value() -> None:
    asking = [c for c in COLUMNS if c.default is not None and c.default.is_callable]
    assert names(asking) == []


def test_days_are_days() -> None:
    days = [column for column in COLUMNS if column.name.endswith("_on")]
    flags = {"wake_on"}
    dates = [c for c in days if c.type.compile(POSTGRESQL) != "DATE"]
    assert names([c for c in dates if c.name not in flags]) == []


def test_the_models_are_what_was_migrated(store: Store) -> None:
    assert schema.differences(store.engine) == []


def test_every_check_was_migrated(store: Store) -> None:
    wanted = {
        str(check.name): _values(str(check.sqltext))
        for table in TABLES
        for check in table.constraints
        if isinstance(check, CheckConstraint)
    }
    found = {
        str(check["name"]): _values(check["sqltext"])
        for table in TABLES
        for check in inspect(store.engine).get_check_constraints(table.name)
    }
    assert len(wanted) > 20
    assert found == wanted


def _values(condition: str) -> list[str]:
    """The literals of a condition: PostgreSQL writes ``IN`` as ``= ANY (ARRAY[…])``."""
    return sorted(re.findall(r"'[^']*'|\b\d+\b", condition))


def test_an_index_of_some_rows_covers_only_those(store: Store) -> None:
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'",
        "postgresql": "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%WHERE%'",
    }[store.engine.dialect.name]
    wanted = {
        index.name
        for table in TABLES
        for index in table.indexes
        if index.dialect_options["postgresql"]["where"] is not None
    }
    with store.read() as session:
        found = set(session.execute(text(query)).scalars())
    assert found == wanted


def test_migrating_twice_changes_nothing(database: Any) -> None:
    before = schema.current(database.url)
    assert schema.upgrade(database.url) == schema.head() == before


def test_a_database_that_was_never_migrated_says_so(fresh_database: Any) -> None:
    assert schema.current(fresh_database.url) is None


def test_asking_for_the_revision_makes_no_file(tmp_path: Path) -> None:
    file = tmp_path / "none.db"
    assert schema.current(f"sqlite:///{file}") is None
    assert not file.exists()


def test_a_fresh_database_is_migrated_whole(fresh_database: Any) -> None:
    schema.upgrade(fresh_database.url)
    with closing(Store(fresh_database.url)) as store:
        assert schema.missing_triggers(store.engine) == []
        schema.need_head(store.engine)


def test_a_database_from_the_future_is_refused(fresh_database: Any) -> None:
    schema.upgrade(fresh_database.url)
    with closing(Store(fresh_database.url)) as store:
        _stamp(store, "9999_from_the_future")
        with pytest.raises(schema.SchemaMismatch, match="9999_from_the_future"):
            schema.need_head(store.engine)
    with pytest.raises(schema.SchemaMismatch, match="this version does not know"):
        schema.upgrade(fresh_database.url)


def test_an_old_database_is_not_served(fresh_database: Any) -> None:
    schema.upgrade(fresh_database.url)
    with closing(Store(fresh_database.url)) as store:
        _stamp(store, "0001_firm_and_clients")
        with pytest.raises(schema.SchemaMismatch, match="run `counterfoil migrate`"):
            schema.need_head(store.engine)


def _stamp(store: Store, revision: str) -> None:
    statement = text("UPDATE alembic_version SET version_num = :it")
    store.write_now(lambda session: session.execute(statement, {"it": revision}))


def test_nobody_migrates_under_a_running_process(sqlite_store: Store) -> None:
    with pytest.raises(StoreBusy):
        schema.upgrade(sqlite_store.url)


GROWING = (
    Client(id=1, key_id="client:1", name="Anker Dental", created_at=NOW),
    LegalEntity(id=1, name="Firm"),
    Checkpoint(id=1, taken_at=NOW, heads=1, root="r", previous="", hash="h"),
    CheckpointHead(client_id=1, seq=1, hash="h", checkpoint_id=1),
    Access(id=1, client_id=1, change="read", by="r@f.example", occurred_at=NOW, recorded_at=NOW),
    AliasEvent(id=1, master_id=1, alias_id=1, change="merged", occurred_at=NOW, recorded_at=NOW),
    Posting(
        id=1,
        client_id=1,
        legal_entity_id=1,
        currency="USD",
        kind=PostingKind.PAYMENT,
        amount=-100,
        effective_on=NOW.date(),
        recorded_at=NOW,
        cause="test:1",
        line=1,
    ),
    Touchpoint(
        id=1,
        client_id=1,
        seq=1,
        channel="sms",
        direction="in",
        kind="message",
        occurred_at=NOW,
        recorded_at=NOW,
    ),
    ChainEntry(
        client_id=1,
        seq=1,
        kind="touchpoint",
        detail_id=1,
        digest="d",
        occurred_at=NOW,
        recorded_at=NOW,
        previous="",
        hash="h",
    ),
    LiveSwitch(id=1, state="open", changed_at=NOW),
    PolicyVersion(id=1, version="d5c8adc5d488", said="{}", kept_at=NOW),
    PolicyPublication(id=1, version="d5c8adc5d488", published_at=NOW, published_by="cli"),
    Decision(
        id=1,
        client_id=1,
        seq=2,
        subject_kind="message",
        subject_id=1,
        verdict="allow",
        rule="",
        digest="d",
        decided_at=NOW,
    ),
)


@pytest.fixture
def grown(store: Store) -> Store:
    """A store with one row in each table that only grows."""

    def fill(session: Any) -> None:
        for row in GROWING:
            session.add(type(row)(**row.model_dump()))
            session.flush()
        session.execute(
            text(
                "INSERT INTO address (id, kind, value, verification, health, created_at)"
                " VALUES (1, 'sms', '+12125550100', 'asserted', 'ok', :now)"
            ).bindparams(now=NOW.replace(tzinfo=None) if store.sqlite else NOW)
        )
        session.add(
            ConsentEvent(
                id=1,
                address_id=1,
                change="granted",
                method="form",
                source="web",
                occurred_at=NOW,
                recorded_at=NOW,
            )
        )

    store.write_now(fill)
    return store


def run(store: Store, statement: str) -> None:
    store.write_now(lambda session: session.execute(text(statement)))


ANY_COLUMN = {
    "access": "by",
    "alias_event": "change",
    "chain_entry": "digest",
    "checkpoint": "root",
    "checkpoint_head": "hash",
    "consent_event": "method",
    "decision": "rule",
    "live_switch": "changed_by",
    "policy_publication": "note",
    "policy_version": "text",
    "posting": "currency",
    "touchpoint": "kind",
}


def test_every_table_that_only_grows_has_its_triggers(store: Store) -> None:
    assert schema.missing_triggers(store.engine) == []


@pytest.mark.parametrize("table", append_only.GROWING + append_only.EXPIRING)
def test_no_row_is_changed(grown: Store, table: str) -> None:
    with pytest.raises(DatabaseError, match=f"{table}: rows are only added"):
        run(grown, f"UPDATE {table} SET {ANY_COLUMN[table]} = 'EUR'")


@pytest.mark.parametrize("table", append_only.GROWING)
def test_no_row_is_deleted(grown: Store, table: str) -> None:
    with pytest.raises(DatabaseError, match=f"{table}: rows are only added"):
        run(grown, f"DELETE FROM {table}")


def test_no_decision_goes_before_policy_lets_it(grown: Store) -> None:
    with pytest.raises(DatabaseError, match="only policy lets it go"):
        run(grown, "DELETE FROM decision")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("table", append_only.GROWING + append_only.EXPIRING)
def test_no_row_is_replaced_on_sqlite(grown: Store, table: str) -> None:
    with pytest.raises(DatabaseError, match=f"{table}: rows are only added"):
        run(grown, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


@pytest.mark.parametrize("table", append_only.GROWING + append_only.EXPIRING)
def test_no_row_is_upserted(grown: Store, table: str) -> None:
    key = "client_id, seq" if table in {"chain_entry", "checkpoint_head"} else "id"
    with pytest.raises(DatabaseError, match=f"{table}: rows are only added"):
        run(
            grown,
            f"INSERT INTO {table} SELECT * FROM {table} WHERE true "
            f"ON CONFLICT ({key}) DO UPDATE SET {ANY_COLUMN[table]} = 'EUR'",
        )


@pytest.mark.parametrize("table", append_only.GROWING + append_only.EXPIRING)
def test_no_table_is_truncated(postgres_store: Store, table: str) -> None:
    with pytest.raises(DatabaseError, match=f"{table}: rows are only added"):
        run(postgres_store, f"TRUNCATE {table} CASCADE")


def test_truncating_what_a_timeline_hangs_on_is_refused_too(postgres_store: Store) -> None:
    with pytest.raises(DatabaseError, match="rows are only added"):
        run(postgres_store, "TRUNCATE client CASCADE")


def test_a_lost_trigger_is_named_and_can_be_made_again(fresh_database: Any) -> None:
    schema.upgrade(fresh_database.url)
    with closing(Store(fresh_database.url)) as store:
        of = "" if store.sqlite else " ON posting"
        run(store, f"DROP TRIGGER posting_no_update{of}")
        assert schema.missing_triggers(store.engine) == ["posting_no_update"]
        store.write_now(lambda session: append_only.protect(session.connection(), "posting"))
        assert schema.missing_triggers(store.engine) == []


@pytest.mark.parametrize("fresh_database", ["postgresql"], indirect=True)
def test_a_trigger_that_was_switched_off_is_named(fresh_database: Any) -> None:
    schema.upgrade(fresh_database.url)
    with closing(Store(fresh_database.url)) as store:
        run(store, "ALTER TABLE posting DISABLE TRIGGER posting_no_delete")
        assert schema.missing_triggers(store.engine) == ["posting_no_delete"]


def test_rebuilding_a_table_on_sqlite_loses_what_missing_finds(tmp_path: Path) -> None:
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    url = f"sqlite:///{tmp_path / 'rebuilt.db'}"
    schema.upgrade(url)

    def rebuild(connection: Connection) -> None:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("live_switch", recreate="always"):
            pass

    with closing(Store(url)) as store:
        store.write_now(lambda session: rebuild(session.connection()))
        assert schema.missing_triggers(store.engine) == [
            "live_switch_no_delete",
            "live_switch_no_update",
        ]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_reference_to_a_client_can_be_followed(table: Table) -> None:
    """A client's rows are looked up by client on every card and at every claim."""
    if "client_id" not in table.columns or table.name in {"client", "thread"}:
        return
    leading = [next(iter(index.columns)).name for index in table.indexes]
    leading.append(next(iter(table.primary_key.columns)).name)
    assert "client_id" in leading
