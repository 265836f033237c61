import asyncio
import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event
from sqlalchemy import select as core_select
from sqlmodel import Session, col, func, select
from typer.testing import CliRunner

from billing import accounts, facts, introductions, opening, portfolio, references
from billing.clock import TurnedClock
from billing.models import (
    Address,
    Client,
    Contact,
    ContactAddress,
    ContactRole,
    Enrolment,
    ExternalRef,
    Invoice,
    InvoiceDispute,
    LegalEntity,
    Payment,
    Posting,
    PrimaryRecipient,
    Staff,
)
from bot import cli, consents, imports, intake, zones
from bot.app import App, books
from bot.report import DONE, WRONG, Report, Wrong, silent
from bot.settings import Settings
from comms import timeline
from comms.models import ConsentEvent
from comms.office import Office
from tests.conftest import Database

NOW = dt.datetime(2026, 3, 2, 15, tzinfo=dt.UTC)
HEADER = "client,invoice,issued,due,amount,paid,paid_amount,disputed,email,timezone,legal_entity\n"
MASTER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
REAL = Path(__file__).parents[3] / "shared" / "data" / "accounts_receivable.csv"


@pytest.fixture
def app(database: Database) -> Iterator[App]:
    settings = Settings(
        database_url=database.url,
        keyring_url=database.keyring_url,
        master_key=MASTER_KEY,
    )
    app = books(settings, TurnedClock(NOW))
    yield app
    asyncio.run(app.close())


@pytest.fixture
def csv(tmp_path: Path) -> Any:
    def write(*rows: str, header: str = HEADER, name: str = "ar.csv") -> str:
        path = tmp_path / name
        path.write_text(header + "".join(f"{row}\n" for row in rows))
        return str(path)

    return write


def row(
    client: str = "a1",
    invoice: str = "INV-1",
    amount: str = "100.00",
    due: str = "2026-02-15",
    **more: str,
) -> str:
    given = {"issued": "2026-01-15", "timezone": "America/New_York"} | more
    told = {"client": client, "invoice": invoice, "amount": amount, "due": due} | given
    return ",".join(told.get(name, "") for name in HEADER.strip().split(","))


def run(app: App, file: str, **flags: Any) -> Report:
    return asyncio.run(imports.run(app, {"file": file, **flags}, silent))


def count(app: App, model: Any) -> int:
    with app.store.read() as session:
        return int(session.exec(select(func.count()).select_from(model)).one())


def balances(session: Session, name: str = "a1") -> list[tuple[str, int, int]]:
    client = session.exec(select(Client).where(Client.name == name)).one()
    found = accounts.balances(session, client.id, NOW.date())
    return [(one.currency, one.open, one.unapplied) for one in found]


def test_a_file_is_booked_with_its_totals(app: App, csv: Any) -> None:
    file = csv(row(), row(invoice="INV-2", amount="50.00", paid="2026-02-01"))
    report = run(app, file)
    assert (report.code, report.data["booked"]["invoices"]) == (DONE, 2)
    assert report.data["totals"]["USD"] == {
        "invoices": 2,
        "issued": 15000,
        "paid": 5000,
        "open": 10000,
    }
    with app.store.read() as session:
        assert balances(session) == [("USD", 10000, 0)]


def test_the_same_file_twice_changes_nothing(app: App, csv: Any) -> None:
    file = csv(row(disputed="yes"), row("b2", "INV-2", paid_amount="30.00"))
    run(app, file)
    before = [count(app, model) for model in (Client, Invoice, Payment, Posting, InvoiceDispute)]
    again = run(app, file)
    assert "Nothing changed." in again.lines
    assert not any(again.data["booked"].values())
    after = [count(app, model) for model in (Client, Invoice, Payment, Posting, InvoiceDispute)]
    assert after == before


def test_one_bad_row_keeps_all_of_the_file_out(app: App, csv: Any) -> None:
    report = run(app, csv(row(), row(invoice="INV-2", amount="much")))
    assert report.code == WRONG
    assert [problem["line"] for problem in report.data["problems"]] == [3]
    assert count(app, Client) == 0


def test_skip_bad_stores_the_good_rows(app: App, csv: Any) -> None:
    report = run(app, csv(row(), row(invoice="INV-2", amount="much")), skip_bad=True)
    assert (report.code, count(app, Invoice)) == (DONE, 1)
    assert report.data["problems"]


def test_a_dry_run_stores_nothing(app: App, csv: Any) -> None:
    report = run(app, csv(row()), dry_run=True)
    assert (report.code, report.data["stored"]) == (DONE, False)
    assert [count(app, model) for model in (Client, LegalEntity)] == [0, 0]


@pytest.mark.parametrize(
    ("second", "column"),
    [
        pytest.param(row(amount="120.00"), "amount", id="another amount"),
        pytest.param(row(due="2026-02-20"), "due", id="another due date"),
    ],
)
def test_a_changed_invoice_is_named_with_its_line(
    app: App, csv: Any, second: str, column: str
) -> None:
    run(app, csv(row()))
    report = run(app, csv(row("b2", "INV-7"), second))
    (problem,) = report.data["problems"]
    assert (report.code, problem["line"], problem["column"]) == (WRONG, 3, column)
    assert "--correct" in problem["reason"]
    assert count(app, Invoice) == 1


def test_correct_posts_the_difference_once(app: App, csv: Any) -> None:
    run(app, csv(row()))
    changed = csv(row(amount="120.00"))
    assert run(app, changed, correct=True).data["booked"]["corrections"] == 1
    assert "Nothing changed." in run(app, changed, correct=True).lines
    with app.store.read() as session:
        assert balances(session) == [("USD", 12000, 0)]


def test_a_currency_is_never_corrected(app: App, csv: Any) -> None:
    run(app, csv(row()))
    report = run(app, csv(row()), correct=True, default_currency="EUR")
    assert [problem["column"] for problem in report.data["problems"]] == ["currency"]


def test_a_number_that_another_client_has_is_refused(app: App, csv: Any) -> None:
    run(app, csv(row()))
    report = run(app, csv(row("b2")))
    assert "has already issued INV-1 to a1" in report.data["problems"][0]["reason"]


def test_a_firm_whose_file_begins_with_a_new_entity_is_compared_with_who_bills(
    app: App, csv: Any, tmp_path: Path
) -> None:
    """A row that names no entity is billed by the first that there is, not by the first of a file.

    The numbers were compared with those of the new one, which has none: what stood against the row
    was met in the middle of booking, and told as somebody else's doing.
    """
    firm = tmp_path / "firm.toml"
    firm.write_text('[[legal_entity]]\nname = "New"\n[[legal_entity]]\nname = "Our firm"\n')
    run(app, csv(row()))
    report = run(app, csv(row("b2")), firm=firm)
    sentence = report.data["problems"][0]["reason"]
    assert sentence.startswith("Our firm has already issued INV-1 to a1")


def test_an_empty_store_has_the_first_entity_of_the_file_bill_what_names_none(
    app: App, csv: Any
) -> None:
    report = run(app, csv(row(legal_entity="Acme"), row("b2")))
    (problem,) = report.data["problems"]
    assert (problem["line"], problem["column"]) == (3, "invoice")


def test_a_client_who_is_gone_before_they_are_booked_is_one_sentence(app: App, csv: Any) -> None:
    """No key was laid by for them; the want of one ended a generator, and nobody was ever told."""
    run(app, csv(row()))
    told = portfolio.read(Path(csv(row(), row(invoice="INV-2"))))
    with app.store.read() as session:
        plan = imports.plan.make(session, told, portfolio.Agreements(), NOW, correct=False)
    app.store.write_now(
        lambda session: session.execute(
            delete(ExternalRef).where(col(ExternalRef.kind) == "client")
        )
    )
    with pytest.raises(Wrong, match="run the same command again"):
        asyncio.run(asyncio.wait_for(imports.booking.book(app, plan, silent), 5))


def test_two_clients_cannot_share_a_number_in_a_file(app: App, csv: Any) -> None:
    report = run(app, csv(row(), row("b2")))
    assert [problem["line"] for problem in report.data["problems"]] == [3]


@pytest.mark.parametrize("column", ["issued", "paid"])
def test_a_row_from_the_future_is_refused(app: App, csv: Any, column: str) -> None:
    report = run(app, csv(row(due="2026-06-01", **{column: "2026-03-03"})))
    (problem,) = report.data["problems"]
    assert (problem["column"], "after today" in problem["reason"]) == (column, True)


def test_a_day_that_has_begun_there_is_not_the_future(app: App, csv: Any) -> None:
    there = row(issued="2026-03-03", due="2026-04-01", timezone="Pacific/Auckland")
    assert run(app, csv(there)).code == DONE


def test_more_is_paid_in_a_later_file(app: App, csv: Any) -> None:
    run(app, csv(row(paid_amount="30.00")))
    assert run(app, csv(row(paid_amount="100.00"))).data["booked"]["payments"] == 1
    with app.store.read() as session:
        assert balances(session) == []


def test_what_is_overpaid_goes_to_the_other_invoices(app: App, csv: Any) -> None:
    run(app, csv(row(paid="2026-02-01", paid_amount="130.00"), row(invoice="INV-2")))
    with app.store.read() as session:
        assert balances(session) == [("USD", 7000, 0)]


def test_money_on_account_goes_to_an_invoice_of_a_later_file(app: App, csv: Any) -> None:
    run(app, csv(row(paid="2026-02-01", paid_amount="130.00")))
    run(app, csv(row(invoice="INV-2")))
    with app.store.read() as session:
        assert balances(session) == [("USD", 7000, 0)]


def test_no_question_names_all_that_a_client_has(app: App, csv: Any) -> None:
    """A database takes so many names in a statement, and one client may have more invoices."""
    sizes: list[int] = []

    def measure(_connection: Any, _cursor: Any, statement: str, names: Any, *_more: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            sizes.append(len(names))

    event.listen(Engine, "before_cursor_execute", measure)
    try:
        file = csv(*(row(invoice=f"INV-{n}", paid="2026-02-01") for n in range(600)))
        assert run(app, file).data["booked"]["payments"] == 600
    finally:
        event.remove(Engine, "before_cursor_execute", measure)
    assert max(sizes) <= 2 * imports.shelves.AT_ONCE + 10


def test_every_account_is_enrolled_and_due(app: App, csv: Any) -> None:
    run(app, csv(row(), row("b2", "INV-2")))
    with app.store.read() as session:
        assert [one.next_due_at for one in session.exec(select(Enrolment))] == [NOW, NOW]


def test_agreements_come_with_their_clients(app: App, csv: Any) -> None:
    header = "client,agreement,kind,name,amount,renews\n"
    terms = csv("a1,A-1,retainer,Care,500.00,2026-06-30", header=header, name="terms.csv")
    assert run(app, csv(row()), agreements=terms).data["booked"]["agreements"] == 1


def test_an_agreement_of_nobody_is_a_problem(app: App, csv: Any) -> None:
    header = "client,agreement,kind,name,amount,renews\n"
    terms = csv("zz,A-1,retainer,Care,500.00,2026-06-30", header=header, name="terms.csv")
    report = run(app, csv(row()), agreements=terms)
    assert (report.code, count(app, Client)) == (WRONG, 0)


def test_a_file_that_is_not_there_is_one_sentence(app: App, tmp_path: Path) -> None:
    with pytest.raises(Wrong, match="cannot be opened"):
        run(app, str(tmp_path / "none.csv"))


@pytest.mark.parametrize(
    ("country", "region", "zone"),
    [
        pytest.param("GB", "", "Europe/London", id="one zone"),
        pytest.param("DE", "", "Europe/Berlin", id="two names, one clock"),
        pytest.param("US", "NY", "America/New_York", id="a state"),
        pytest.param("US", "TX", None, id="a state with two zones"),
        pytest.param("US", "", None, id="a country with many"),
        pytest.param("AU", "", None, id="another with many"),
    ],
)
def test_a_zone_is_known_where_there_is_one(country: str, region: str, zone: str | None) -> None:
    assert zones.only_zone(country, region) == zone


def test_a_client_without_a_zone_is_told_of(app: App, csv: Any) -> None:
    report = run(app, csv(row(timezone="")))
    assert any("no time zone" in note for note in report.data["notes"])


# --- at once is as one by one ---------------------------------------------------------------------


def _told(number: int, client: str, paid: int) -> list[facts.Fact]:
    issued = facts.InvoiceIssued(
        source="csv", client_external_id=client, number=f"INV-{number}", amount=10_000,
        currency="USD", issued_on=dt.date(2026, 1, number), due_on=dt.date(2026, 2, number),
        matter="M", po_number="P", terms="net 30", service_type="S",
    )  # fmt: skip
    if not paid:
        return [issued]
    settled = facts.PaymentSettled(
        source="csv", external_id=f"{client}//INV-{number}", client_external_id=client, amount=paid,
        currency="USD", received_on=dt.date(2026, 2, 1), invoice_number=issued.number,
    )  # fmt: skip
    return [issued, settled]


def _rows(session: Session, model: Any, *without: str) -> list[dict[str, Any]]:
    rows = [one.model_dump(exclude={"id", *without}) for one in session.exec(select(model))]
    return sorted(rows, key=lambda one: sorted((key, str(value)) for key, value in one.items()))


def test_openings_post_what_the_ledger_posts(app: App, office: Office) -> None:
    told = [_told(number, client, paid) for number, client, paid in
            ((1, "a1", 0), (2, "a1", 4_000), (3, "b2", 10_000), (4, "a1", 10_000))]  # fmt: skip
    app.keyring.make(keys := ["client:1", "client:2"], NOW)

    def describe(session: Session) -> None:
        spare = iter(keys)
        for name in ("a1", "b2"):
            fact = facts.ClientDescribed(source="csv", external_id=name, name=name)
            intake.book(session, office, fact, spare)

    def by_ledger(session: Session) -> list[Any]:
        describe(session)
        for fact in (fact for some in told for fact in some):
            intake.book(session, office, fact, iter(()))
        return _snapshot(session)

    def at_once(session: Session) -> list[Any]:
        describe(session)
        entity = references.entity(session, "", "USD")
        openings = []
        for issued, *paid in told:
            assert isinstance(issued, facts.InvoiceIssued)
            client = references.client_of(session, "csv", issued.client_external_id)
            openings.append(opening.Opening(client, entity.id, issued, *paid))  # type: ignore[arg-type]
        opening.post(session, openings, office.now)
        return _snapshot(session)

    assert _undone(app, at_once) == _undone(app, by_ledger)


def test_money_of_a_client_that_is_the_same_pays_what_a_file_brings(app: App, csv: Any) -> None:
    """It stayed on account, beside the new invoices of the other name."""
    run(
        app,
        csv(row("a1", amount="100.00", paid="2026-02-01", paid_amount="130.00"), row("b2", "B")),
    )

    def merge(session: Session) -> None:
        b2, a1 = session.exec(select(Client).order_by(col(Client.name).desc())).all()
        b2.speaks_since, a1.merged_into_id = NOW, b2.id

    app.store.write_now(merge)
    run(app, csv(row("b2", "B"), row("b2", "C", amount="20.00"), name="more.csv"))
    with app.store.read() as session:
        assert balances(session, "b2") == [("USD", 9_000, 0)]


def test_introductions_make_what_the_ledger_makes(app: App, office: Office) -> None:
    common = {"source": "csv", "timezone": "Europe/London", "country": "GB"}
    told = [
        facts.ClientDescribed(
            external_id="a1", name="A", email="a@x.example", owner_email="o@x.example",
            phone="+442079460000", sms_consent=True, contact_name="Ann", **common,
        ),
        facts.ClientDescribed(external_id="b2", name="B", email="a@x.example", **common),
        facts.ClientDescribed(external_id="c3", name="C", phone="+442079460001", **common),
        facts.ClientDescribed(external_id="d4", name="D", source="csv"),
    ]  # fmt: skip
    app.keyring.make(keys := [f"client:{one.external_id}" for one in told], NOW)

    def by_ledger(session: Session) -> list[Any]:
        for fact, key in zip(told, keys, strict=True):
            intake.book(session, office, fact, iter([key]))
        return _people(session)

    def at_once(session: Session) -> list[Any]:
        pairs = zip(told, keys, strict=True)
        introductions.make(
            session, [introductions.Introduction(*pair) for pair in pairs], office.now
        )
        consents.assert_all(session, office, told)
        return _people(session)

    assert _undone(app, at_once) == _undone(app, by_ledger)


def _people(session: Session) -> list[Any]:
    session.flush()
    assert not list(timeline.verify(session))
    ids = ("client_id", "contact_id", "address_id", "target_id", "owner_id")
    query = (
        core_select(
            *map(col, (Client.name, Staff.email, Address.kind, Address.value, ConsentEvent.change))
        )
        .outerjoin(Staff, col(Staff.id) == Client.owner_id)
        .outerjoin(Contact, col(Contact.client_id) == Client.id)
        .outerjoin(ContactAddress, col(ContactAddress.contact_id) == Contact.id)
        .outerjoin(Address, col(Address.id) == ContactAddress.address_id)
        .outerjoin(ConsentEvent, col(ConsentEvent.address_id) == Address.id)
    )
    tables = (Client, ExternalRef, Contact, ContactRole, PrimaryRecipient, Address, ConsentEvent)
    return [
        sorted(map(str, session.execute(query))),
        *(_rows(session, model, *ids) for model in tables),
    ]


def test_a_client_whose_details_change_is_updated(app: App, csv: Any) -> None:
    run(app, csv(row()))
    report = run(app, csv(row(email="ann@x.example")))
    assert report.data["booked"]["clients"] == 1
    assert "Nothing changed." in run(app, csv(row(email="ann@x.example"))).lines
    assert "Nothing changed." in run(app, csv(row())).lines


def _snapshot(session: Session) -> list[Any]:
    return [
        _rows(session, Invoice, "client_id", "legal_entity_id"),
        _rows(session, Payment, "client_id", "legal_entity_id"),
        _rows(session, Posting, "client_id", "legal_entity_id", "instalment_id", "payment_id"),
        _rows(session, ExternalRef, "target_id"),
        _rows(session, Enrolment, "client_id", "legal_entity_id"),
        sorted(balances(session, "a1") + balances(session, "b2")),
    ]


class _Undo(Exception):
    pass


def _undone(app: App, fn: Any) -> list[Any]:
    found: list[Any] = []

    def write(session: Session) -> None:
        found.extend(fn(session))
        raise _Undo

    with pytest.raises(_Undo):
        app.store.write_now(write)
    return found


# --- the real thing -------------------------------------------------------------------------------

MAPPING = {
    "client": "customerID", "invoice": "invoiceNumber", "issued": "InvoiceDate", "due": "DueDate",
    "amount": "InvoiceAmount", "paid": "SettledDate", "disputed": "Disputed",
}  # fmt: skip


@pytest.mark.skipif(not REAL.exists(), reason="the real list is not here")
def test_the_real_list_is_imported_whole(app: App) -> None:
    began = time.perf_counter()
    report = run(app, str(REAL), mapping=MAPPING)
    print(f"2,466 invoices in {time.perf_counter() - began:.1f} s")  # noqa: T201
    assert (report.code, report.data["booked"]["invoices"]) == (DONE, 2466)
    assert "Nothing changed." in run(app, str(REAL), mapping=MAPPING).lines


MANY = 1_500
"""Rows of an import that writes them in several turns."""
DIES = """
import os, runpy, signal
from sqlalchemy import Engine, event

@event.listens_for(Engine, "after_cursor_execute")
def count(connection, cursor, statement, *rest):
    if statement.startswith("INSERT INTO invoice "):
        own = connection.connection.driver_connection
        if own.execute("SELECT count(*) FROM invoice").fetchone()[0] > 700:
            os.kill(os.getpid(), signal.SIGKILL)

runpy.run_module("bot", run_name="__main__")
"""
"""The program, which is killed within the second turn of an import, however quick it is."""


def test_an_import_that_was_killed_is_completed_by_the_next(
    sqlite_database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "ar.csv"
    rows = [row(f"c{number // 10}", f"INV-{number}") for number in range(MANY)]
    file.write_text(HEADER + "\n".join(rows) + "\n")
    environ = os.environ | {
        "COUNTERFOIL_DATABASE_URL": sqlite_database.url,
        "COUNTERFOIL_KEYRING_URL": sqlite_database.keyring_url,
        "COUNTERFOIL_MASTER_KEY": MASTER_KEY,
    }
    asked = ["import", str(file)]
    first = subprocess.run([sys.executable, "-c", DIES, *asked], env=environ, check=False)
    assert first.returncode == -signal.SIGKILL
    reached = _invoices(sqlite_database)
    assert 0 < reached < MANY
    done = CliRunner().invoke(cli.app, asked, env=environ)
    assert done.exit_code == 0, done.output
    assert _invoices(sqlite_database) == MANY
    again = CliRunner().invoke(cli.app, asked, env=environ)
    assert "Nothing changed." in again.stdout


def _invoices(database: Database) -> int:
    import pysqlite3.dbapi2 as driver

    connection = driver.connect(database.url.removeprefix("sqlite:///"))
    try:
        return int(connection.execute("SELECT count(*) FROM invoice").fetchone()[0])
    finally:
        connection.close()
