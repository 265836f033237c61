"""Which tables does a database have, and how does it get the ones that this version needs?

The scripts lie in ``bot/migrations`` and travel in the wheel; no ``alembic.ini`` is needed. Alembic
is slow to import, so only the commands that migrate or check load it.
"""

import functools
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, MetaData, make_url, text
from sqlmodel import SQLModel

import billing.models as _billing
import bot.models as _bot
import comms.models as _comms
from billing.store import Store
from bot.migrations import append_only

if TYPE_CHECKING:
    from alembic.config import Config

_FLOORS = (_billing, _comms, _bot)  # imported for the tables that they register
_MIGRATING = 0x636F756E  # any number, the same for all who migrate


class SchemaMismatch(Exception):
    """The database and this version of the product do not fit together."""


def head() -> str:
    """The revision that this version of the product needs."""
    return str(_scripts().get_current_head())


def is_known(found: str) -> bool:
    """Whether this version of the product has a script of that name."""
    return found in {script.revision for script in _scripts().walk_revisions()}


def current(url: str) -> str | None:
    """The revision of a database; None where nothing was ever migrated."""
    place = make_url(url)
    if place.get_backend_name() == "sqlite" and not Path(str(place.database)).exists():
        return None
    with closing(Store(url, writable=False)) as store:
        return revision(store.engine)


def revision(engine: Engine) -> str | None:
    """The revision of an open database; None where nothing was ever migrated."""
    from alembic.runtime.migration import MigrationContext

    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(url: str) -> str:
    """Bring a database to ``head()``, in one transaction; one that is there already is left alone.

    Raises:
        StoreBusy: another process writes this SQLite store.
        SchemaMismatch: a newer version of the product migrated it.
    """
    from alembic import command

    with closing(Store(url)) as store:
        if revision(store.engine) == head():
            return head()  # to check every reference again takes half a minute for ten million rows
        with _alone(store) as connection:
            config = _config(connection)
            _refuse_newer(connection)
            command.upgrade(config, "head")
    return head()


def lay(url: str) -> None:
    """A database for a trial run, at ``head()``; on SQLite a file that is not there yet.

    Migrating an empty store takes as long as a month of a small firm: it is done once in a process.
    """
    place = make_url(url)
    if place.get_backend_name() == "sqlite":
        Path(str(place.database)).write_bytes(_empty())
    else:
        upgrade(url)


@functools.cache
def _empty() -> bytes:
    """A SQLite store at ``head()`` in which nothing was ever written."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-empty-") as folder:
        file = Path(folder, "store.db")
        upgrade(f"sqlite:///{file}")
        return file.read_bytes()


def need_head(engine: Engine) -> None:
    """Check before serving that the database is the one this version needs.

    Raises:
        SchemaMismatch: it is older or newer; the sentence says what to do.
    """
    with engine.connect() as connection:
        _refuse_newer(connection)
    found = revision(engine)
    if found != head():
        raise SchemaMismatch(
            f"the database is at {found or 'nothing'}, this version needs {head()}; "
            "run `counterfoil migrate`"
        )


def missing_triggers(engine: Engine) -> list[str]:
    """The triggers that keep tables append-only and that are not there."""
    with engine.connect() as connection:
        return append_only.missing(connection)


def differences(engine: Engine) -> list[Any]:
    """What the models say and the database does not; empty when they agree.

    Of our one index over an expression SQLite tells nothing, and a warning says so each time.
    """
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with engine.connect() as connection, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*expression-based index")
        return list(compare_metadata(MigrationContext.configure(connection), metadata()))


def metadata() -> MetaData:
    """The tables of all three floors: their modules are imported here, so none is missing."""
    return SQLModel.metadata


def draft(url: str, name: str, message: str) -> None:
    """Write a new script from what the models say and the database does not; for developers."""
    from alembic import command

    with closing(Store(url)) as store, _alone(store) as connection:
        command.revision(_config(connection), message, autogenerate=True, rev_id=name)


@contextmanager
def _alone(store: Store) -> Iterator[Connection]:
    """A transaction in which nobody else migrates.

    SQLite rebuilds a table by dropping it, which would run the foreign keys that point at it; they
    are off meanwhile and checked at the end.
    """
    with store.engine.connect() as connection:
        if store.sqlite:
            connection.connection.driver_connection.execute(  # type: ignore[union-attr]
                "PRAGMA foreign_keys = OFF"
            )
        with connection.begin():
            if not store.sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:it)"), {"it": _MIGRATING})
            yield connection
            if store.sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
                raise SchemaMismatch("the migration would leave a reference without its row")


def _refuse_newer(connection: Connection) -> None:
    from alembic.runtime.migration import MigrationContext

    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and not is_known(found):
        raise SchemaMismatch(
            f"the database is at {found}, which this version does not know; "
            "install the version that migrated it, or a newer one"
        )


def _config(connection: Connection | None = None) -> "Config":
    from alembic.config import Config

    from bot import migrations

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", migrations.__path__[0].replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s")
    return config


@functools.cache
def _scripts() -> Any:
    """Every script; reading them takes longer than all else that a start asks of the store."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())
