"""A firm with clients that owe, and what it sees when it looks ahead."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr
from sqlalchemy import inspect, text
from sqlmodel import Session

from billing.clock import TurnedClock
from billing.store import Store
from bot import preview
from bot.app import App, books
from bot.preview.entry import What
from bot.report import Report, silent
from bot.settings import Settings
from comms import outreach
from tests import factories
from tests.conftest import Database
from tests.factories import NOON, Known

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
DAY = dt.timedelta(days=1)


@contextmanager
def opened(database: Database) -> Iterator[App]:
    """The product on a store with a firm, its door open, at noon."""
    settings = Settings(
        database_url=database.url,
        keyring_url=database.keyring_url,
        master_key=SecretStr(KEY),
        slack_finance_channel="finance",
        slack_clients_channel="clients",
    )
    app = books(settings, TurnedClock(NOON))
    app.store.write_now(lambda session: factories.firm(session, NOON))
    yield app
    asyncio.run(app.close())


def client(app: App, number: int = 1, **given: Any) -> Known:
    name = f"Client {number}"
    addresses = {"phone": None, "email": f"c{number}@northwind.example"} | given
    return app.store.write_now(
        lambda session: factories.client(session, app.keyring, NOON, name, **addresses)
    )


def owing(app: App, number: int = 1, days: int = 31, **given: Any) -> Known:
    """A client whose invoice is so many days old, looked at once."""
    known = client(app, number, **given)

    def owe(session: Session) -> None:
        factories.owes(session, known, NOON, days=days, number=f"INV-{number}")
        outreach.advance_client(session, app.office(), known.client_id)

    app.store.write_now(owe)
    return known


def ahead(app: App, days: int = 14, **flags: Any) -> Report:
    return preview.run(app, preview.Asked(days=days, **flags), silent)


def entries(report: Report, what: What | None = None) -> list[dict[str, Any]]:
    return [one for one in report.data["entries"] if what in (None, one["what"])]


def content(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, as the database has it."""
    with store.read() as session:
        connection = session.connection()
        return {
            name: sorted(map(tuple, connection.execute(text(f'SELECT * FROM "{name}"'))), key=str)
            for name in inspect(connection).get_table_names()
        }
