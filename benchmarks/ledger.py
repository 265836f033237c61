"""How fast is money booked, and is a balance as fast however many clients there are?

Ours books one fact in one transaction, as a hook or the API does: an invoice of an account that has
one, then its payment. The bare minimum writes the same rows by prepared SQL, a transaction for each
fact, and judges nothing. Balances and aging are read as ``/acct`` and ``counterfoil report`` read
them, beside the shortest SQL that answers the same question.
"""

import datetime as dt
import functools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pysqlite3.dbapi2 as sqlite
from sqlalchemy import make_url
from sqlmodel import Session

from benchmarks import stores
from benchmarks.figures import Figure, Scale
from benchmarks.stores import NOON, Place
from billing import accounts, facts, ledger, references
from billing.history import Scope
from billing.metrics import Period
from billing.store import Store
from bot.reports import receivables
from bot.reports.answer import Asked

_WORLDS = {Scale.SMALL: (1_000, 20_000), Scale.FULL: (10_000, 100_000, 1_000_000)}
_FACTS = {Scale.SMALL: 150, Scale.FULL: 2_000}
_LOOKS = {Scale.SMALL: 100, Scale.FULL: 1_000}
_DAY = NOON.date()
_POSTINGS = 4
"""Of an invoice and its payment: issued, received, and applied from the one to the other."""


def figures(scale: Scale) -> Iterator[Figure]:
    """Postings a second, a balance and an aging, for growing stores."""
    for database in stores.DATABASES:
        balances: list[float] = []
        for invoices in _WORLDS[scale]:
            with stores.world(database, invoices) as place:
                if invoices == _WORLDS[scale][-1]:
                    yield _booked(place, _FACTS[scale])
                looked = _balance(place, _LOOKS[scale])
                balances.append(looked.ours)
                yield looked
                yield _aged(place)
        yield Figure(
            name=f"balance, with {_WORLDS[scale][-1]:,} open beside {_WORLDS[scale][0]:,}",
            database=database,
            ours=balances[-1] / balances[0],
            bare=None,
            unit="times",
            better="less",
            goal="at most 1.5 times",
        )


# --- booking --------------------------------------------------------------------------------------


def _booked(place: Place, many: int) -> Figure:
    """Facts of the first clients of a world for us, and of the next for the bare minimum."""
    told = [fact for client in range(1, many + 1) for fact in _facts(client)]
    with closing(Store(place.url)) as store:
        store.write_now(lambda session: _name(session, many))
        ours = _seconds(lambda: _tell(store, told))
    with _connected(place) as connection:
        bare = _seconds(lambda: _by_hand(connection, place, many))
    return Figure(
        name=f"booking, of {place.invoices:,} open",
        database=place.database,
        ours=_POSTINGS * many / ours,
        bare=_POSTINGS * many / bare,
        unit="postings/s",
        better="more",
        goal="at least 0.1 of bare",
        note=f"{1000 * ours / len(told):.1f} ms a fact",
    )


def _name(session: Session, many: int) -> None:
    for client in range(1, many + 1):
        key = facts.joined("bench", "client", f"{client}")
        references.remember(session, "bench", "client", key, client)


def _facts(client: int) -> Sequence[facts.Fact]:
    common: dict[str, Any] = {
        "source": "bench", "client_external_id": f"{client}", "currency": "USD",
    }  # fmt: skip
    amount = 10_000 + client
    return (
        facts.InvoiceIssued(
            number=f"NEW-{client}", amount=amount, issued_on=_DAY, due_on=_DAY, **common
        ),
        facts.PaymentSettled(
            external_id=f"P-{client}", amount=amount, received_on=_DAY,
            invoice_number=f"NEW-{client}", **common,
        ),
    )  # fmt: skip


def _tell(store: Store, told: Sequence[facts.Fact]) -> None:
    """Each in a transaction of its own."""
    for fact in told:
        book = functools.partial(_book, fact=fact)
        store.write_now(book)


def _book(session: Session, fact: facts.Fact) -> None:
    if not ledger.apply(session, fact, NOON, iter(())).changed:
        raise RuntimeError(f"{fact.key} was known")


_ISSUE = (
    "INSERT INTO invoice (id, client_id, legal_entity_id, number, currency, amount, issued_on,"
    " due_on, first_due_on, state, service_type, terms, po_number, matter, recorded_at)"
    " VALUES (?, ?, 1, ?, 'USD', ?, ?, ?, ?, 'issued', '', '', '', '', ?)"
)
_PART = (
    "INSERT INTO instalment (id, invoice_id, client_id, kind, position, due_on, amount)"
    " VALUES (?, ?, ?, 'principal', 1, ?, ?)"
)
_PAY = (
    "INSERT INTO payment (id, client_id, legal_entity_id, currency, reference, method, amount,"
    " refunded, state, received_on, started_as, settled_at, failed_as, recorded_at)"
    " VALUES (?, ?, 1, 'USD', ?, '', ?, 0, 'succeeded', ?, '', ?, '', ?)"
)
_NAMED = (
    "INSERT INTO payment_name (payment_id, position, invoice_number, amount, read)"
    " VALUES (?, 1, ?, NULL, ?)"
)
_REFER = "INSERT INTO external_ref (system, kind, external_id, target_id) VALUES ('bench', ?, ?, ?)"
_POST = (
    "INSERT INTO posting (client_id, legal_entity_id, currency, kind, instalment_id, payment_id,"
    " amount, effective_on, recorded_at, cause, line) VALUES (?, 1, 'USD', ?, ?, ?, ?, ?, ?, ?, ?)"
)
_WAKE = "UPDATE enrolment SET next_due_at = ? WHERE client_id = ?"


def _by_hand(connection: Any, place: Place, many: int) -> None:
    """The rows of the same facts, of the clients after ours."""
    sqlite3 = place.database == "sqlite"
    day: Any = str(_DAY) if sqlite3 else _DAY
    now: Any = f"{NOON:%Y-%m-%d %H:%M:%S.%f}" if sqlite3 else NOON
    cursor = connection.cursor()

    def run(*statements: tuple[str, Sequence[Any]]) -> None:
        cursor.execute("BEGIN IMMEDIATE" if sqlite3 else "BEGIN")
        for sql, values in statements:
            cursor.execute(_marked(sql, place), values)
        cursor.execute("COMMIT")

    for client in range(many + 1, 2 * many + 1):
        id_, amount, number = 10_000_000 + client, 10_000 + client, f"NEW-{client}"
        cause, paid = f"bench/invoice/{client}", f"bench/payment/{client}"
        run(
            (_ISSUE, (id_, client, number, amount, day, day, day, now)),
            (_REFER, ("invoice", cause, id_)),
            (_PART, (id_, id_, client, day, amount)),
            (_POST, (client, "issue", id_, None, amount, day, now, cause, 1)),
            (_WAKE, (now, client)),
        )
        run(
            (_PAY, (id_, client, f"P-{client}", amount, day, now, now)),
            (_REFER, ("payment", paid, id_)),
            (_NAMED, (id_, number, False)),
            (_POST, (client, "payment", None, id_, -amount, day, now, paid, 1)),
            (_POST, (client, "allocation", None, id_, amount, day, now, paid, 2)),
            (_POST, (client, "allocation", id_, id_, -amount, day, now, paid, 3)),
            (_WAKE, (now, client)),
        )


# --- reading --------------------------------------------------------------------------------------

_BALANCE = (
    "SELECT legal_entity_id, currency, sum(CASE WHEN instalment_id IS NULL THEN 0 ELSE amount END),"
    " sum(CASE WHEN instalment_id IS NULL THEN amount ELSE 0 END) FROM posting"
    " WHERE client_id = ? AND payer_id IS NULL GROUP BY 1, 2"
)
_LATE = (
    "SELECT p.legal_entity_id, p.currency, sum(p.amount) FROM posting p"
    " JOIN instalment t ON t.id = p.instalment_id"
    " WHERE p.client_id = ? AND p.payer_id IS NULL AND t.due_on < ? GROUP BY 1, 2"
)
_AGING = {
    "sqlite": "cast(julianday(?) - julianday(t.due_on) AS integer)",
    "postgresql": "(?::date - t.due_on)",
}
_BUCKETS = (
    "SELECT i.currency, CASE WHEN {days} <= 0 THEN 0 WHEN {days} <= 30 THEN 1 WHEN {days} <= 60"
    " THEN 2 WHEN {days} <= 90 THEN 3 ELSE 4 END, sum(o.amount) FROM (SELECT instalment_id,"
    " sum(amount) AS amount FROM posting WHERE instalment_id IS NOT NULL GROUP BY instalment_id) o"
    " JOIN instalment t ON t.id = o.instalment_id JOIN invoice i ON i.id = t.invoice_id"
    " WHERE o.amount > 0 GROUP BY 1, 2"
)


def _balance(place: Place, looks: int) -> Figure:
    step = max(1, place.invoices // looks)
    clients = range(1, place.invoices + 1, step)[:looks]
    with closing(Store(place.url, writable=False)) as store, store.read() as session:
        session.connection()
        ours = _median(lambda client: accounts.balances(session, client, _DAY), clients)
    day: Any = str(_DAY) if place.database == "sqlite" else _DAY
    with _connected(place) as connection:

        def look(client: int) -> None:
            _asked(connection, place, _BALANCE, (client,))
            _asked(connection, place, _LATE, (client, day))

        bare = _median(look, clients)
    return Figure(
        name=f"balance of a client, of {place.invoices:,} open",
        database=place.database,
        ours=1000 * ours,
        bare=1000 * bare,
        unit="ms",
        better="less",
        goal="at most 5 ms",
    )


def _aged(place: Place) -> Figure:
    asked = Asked(Scope(NOON), Period(_DAY - dt.timedelta(days=89), _DAY))
    with closing(Store(place.url, writable=False)) as store, store.read() as session:
        ours = _seconds(lambda: receivables.aging(session, asked))
    sql = _BUCKETS.format(days=_AGING[place.database])
    day: Any = str(_DAY) if place.database == "sqlite" else _DAY
    with _connected(place) as connection:
        bare = _seconds(lambda: _asked(connection, place, sql, (day,) * 4))
    return Figure(
        name=f"aging of everybody, {place.invoices:,} open",
        database=place.database,
        ours=1000 * ours,
        bare=1000 * bare,
        unit="ms",
        better="less",
        goal="",
        note="ours is by client, with names, disputes and shares; bare is five sums",
    )


def _asked(connection: Any, place: Place, sql: str, values: Sequence[Any]) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute(_marked(sql, place), values)
    return list(cursor.fetchall())


def _marked(sql: str, place: Place) -> str:
    """With the marks for values that the driver takes."""
    return sql if place.database == "sqlite" else sql.replace("?", "%s")


# --- how it is measured ---------------------------------------------------------------------------


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _median(look: Callable[[int], object], clients: Sequence[int]) -> float:
    look(clients[0])
    return statistics.median(_seconds(functools.partial(look, client)) for client in clients)


@contextmanager
def _connected(place: Place) -> Iterator[Any]:
    """A connection of the driver's own, as durable as the product's; it commits when told to."""
    url = make_url(place.url)
    if place.database == "sqlite":
        with closing(sqlite.connect(url.database, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            yield connection
        return
    host = str(url.query["host"])
    with psycopg.connect(
        f"host={host} user=postgres dbname={url.database}", autocommit=True
    ) as connected:
        yield connected
