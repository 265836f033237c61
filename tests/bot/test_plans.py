"""No hot query reads a whole big table: a day of the product, each of its statements explained.

SQLite's planner knows no sizes, so it says the same of ten rows and of ten million. PostgreSQL's
would read a table of ten rows whole; told not to, it does so only where no index helps.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event
from sqlmodel import Session

from billing import books
from billing.models import Client, Invoice
from billing.store import Store
from bot import audit, intake, subjects, worker
from bot.custody import nightly, retention
from bot.reasons import conversation, explain
from bot.slack import answers
from bot.slack.people import Person
from bot.watching import metrics
from comms import timeline
from tests import factories
from tests.factories import PHONE, SENDER, Product

BIG = {
    "address", "agreement", "attempt", "chain_entry", "chain_head", "client", "consent_event",
    "contact", "contact_address", "decision", "enrolment", "escalation_case", "external_ref",
    "hold", "incoming", "instalment", "invoice", "invoice_dispute", "message", "payment", "posting",
    "primary_recipient", "step_listed", "step_taken", "thread", "touchpoint", "vault",
}  # fmt: skip
MAY_SCAN = {
    "lower(client.name)": "a part of a name is looked for in all names; the index has them",
    "client.name ILIKE": "the same on PostgreSQL",
    "recorded_at FROM": "the last row is the end of the table",
    "hold.until IS NULL AND": "once an hour, of a table that is never big",
    "CAST(message.attempts AS VARCHAR)": "by its key as soon as there are rows to speak of",
    "max(": "the last of a column is the end of its index",
    "min(": "the first of a column is the beginning of its index",
}
Said = list[tuple[str, Any]]


@pytest.fixture
async def product(database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        yield running


@contextmanager
def heard(product: Product) -> Iterator[Said]:
    """Every statement that goes to the database meanwhile, with what it was given."""
    said: Said = []

    def listen(*given: Any) -> None:
        statement, parameters, many = given[2], given[3], given[5]
        if re.match(r"\s*(SELECT|UPDATE|DELETE|WITH)", statement):
            said.append((statement, parameters[0] if many else parameters))

    engines: set[Engine] = {product.store.engine, product.store._reader}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", listen)
    try:
        yield said
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", listen)


def scans(connection: Connection, statement: str, parameters: Any) -> list[str]:
    """The big tables that a statement reads whole."""
    sqlite = connection.dialect.name == "sqlite"
    how = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
    rows = connection.exec_driver_sql(f"{how} {statement}", parameters).all()
    wanted = r"\bSCAN (\w+)" if sqlite else r"Seq Scan on (\w+)"
    names = {name for row in rows for name in re.findall(wanted, str(row[-1]))}
    return sorted(_tables(statement, names) & BIG)


def _tables(statement: str, names: set[str]) -> set[str]:
    """The tables behind aliases."""
    pairs = re.findall(r'(\w+) AS "?(\w+)"?', statement)
    known = {alias: table for table, alias in pairs}
    return {known.get(name, name) for name in names}


def whole(product: Product, said: Said) -> list[str]:
    """The statements that read a big table whole, but for those that may."""
    found: list[str] = []
    with product.store.engine.connect() as connection:
        if not product.store.sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, parameters in dict(said).items():
            plain = " ".join(statement.split())
            if any(some in plain for some in MAY_SCAN):
                continue
            if tables := scans(connection, statement, parameters):
                found.append(f"{', '.join(tables)}: {plain[:400]}")
    return found


async def day(product: Product) -> None:
    """A client is reminded, writes, is written to, pays and says STOP; the night tidies up."""
    known = product.known()
    product.reminder(known)
    product.note(known, channel="email")
    await product.settle()
    await product.twilio.text(PHONE, SENDER, "I will pay on Friday")
    await product.settle()
    office = product.app.office()
    told = factories.paid(known, office.now)
    await product.app.store.write(
        lambda session: intake.take_in(session, office, told, iter(())),
        clients=intake.clients_of(told),
    )
    await product.settle()
    await product.twilio.text(PHONE, SENDER, "STOP")
    await product.settle()
    await worker.recover(product.app)
    await nightly.tidy(product.app)


def look(session: Session, product: Product) -> None:
    """Everything that a person or a watcher asks to see."""
    office = product.app.office()
    client = session.get_one(Client, 1)
    person = Person(1, "Ann", "ann@harrow.example", frozenset({"finance"}))
    answers.card(session, office, client)
    answers.timeline(session, office, client, person, answers.Cut())
    answers.why(session, office, client)
    answers.why_invoice(session, office, session.get_one(Invoice, 1))
    conversation.timeline(session, office, client, 50, words=True)
    for kind in ("client", "invoice", "message"):
        explain.of(session, office, kind, 1)
    for word in (client.name, "INV-1", "client:1", "1"):
        subjects.find(session, word)
    list(timeline.verify(session, client.id))
    worker.next_due(session)


async def test_no_statement_of_a_day_reads_a_big_table_whole(product: Product) -> None:
    with heard(product) as said:
        await day(product)
        app = product.app
        for _ in range(2):  # the second scrape counts what the first has seen
            metrics.Scrape(app.meters, app.store, app.spool, app.channels).text(app.clock.now())
        await asyncio.to_thread(_look, product)
        await retention.run(app)
    assert len({statement for statement, _ in said}) > 100
    found = whole(product, said)
    assert not found, "\n".join(found)


def _look(product: Product) -> None:
    with product.store.read() as session:
        # What the helpers of this test ask for by themselves is no query of the product.
        look(session, product)
    audit.look(product.app)


@pytest.mark.parametrize("many", [1, 100])
def test_a_client_is_not_looked_for_among_all_that_is_unapplied(
    sqlite_store: Store, many: int
) -> None:
    """A plan may name an index and still read half a table: 15 seconds for a hundred clients."""
    said: list[tuple[str, Any]] = []
    with sqlite_store.read() as session:
        event.listen(
            sqlite_store._reader,
            "before_cursor_execute",
            lambda *given: said.append((given[2], given[3])),
        )
        books.unapplied_by(session, range(1, many + 1))
    statement, parameters = said[-1]
    with sqlite_store.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
    assert "posting_of_client (client_id=? AND instalment_id=?)" in str(plan)
