"""The audit of the data: what is missing, what contradicts itself, and what that keeps us from."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import Session
from typer.testing import CliRunner

from billing.models import (
    Address,
    Agreement,
    Client,
    Contact,
    ContactAddress,
    Erasure,
    Instalment,
    Invoice,
    InvoiceLine,
    LegalEntity,
    Posting,
    PrimaryRecipient,
    Staff,
)
from billing.store import Store
from bot import cli
from bot.doctor import data, plausible
from bot.report import DONE, NO
from comms.models import ConsentEvent
from tests.conftest import START, Database

DAY = dt.date(2026, 1, 5)
Ask = Callable[..., Any]


@pytest.fixture
def ask(database: Database, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", database.url)

    def asked(code: int = DONE) -> Any:
        result = CliRunner().invoke(cli.app, ["doctor", "--data", "--json"])
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout)

    return asked


def add(session: Session, row: Any) -> int:
    session.add(row)
    session.flush()
    return int(row.id)


def firm(session: Session) -> None:
    add(
        session,
        LegalEntity(
            id=1, name="Harrow", postal_address="1 Row", from_address="a@h.example",
            pay_link="https://pay.example", country="DE", currency="EUR",
        ),
    )  # fmt: skip
    add(session, Staff(id=1, name="Dana", email="dana@h.example"))


def client(session: Session, id_: int, *, mailbox: str = "", **more: Any) -> None:
    told: dict[str, Any] = {
        "key_id": f"client:{id_}",
        "name": f"Client {id_}",
        "created_at": START,
    } | more
    add(session, Client(id=id_, **told))
    add(session, Contact(id=id_, client_id=id_))
    session.add(PrimaryRecipient(client_id=id_, topic="billing", contact_id=id_))
    if mailbox:
        add(session, Address(id=id_, kind="email", value=mailbox, created_at=START))
        session.add(ContactAddress(contact_id=id_, address_id=id_))
    session.flush()


def invoice(session: Session, id_: int, client_id: int, days: int = 30, **more: Any) -> None:
    issued = more.pop("issued_on", DAY)
    due = issued + dt.timedelta(days=days)
    told: dict[str, Any] = {
        "number": f"I-{id_}",
        "currency": "EUR",
        "amount": 1_000,
        "issued_on": issued,
    } | more
    add(
        session,
        Invoice(
            id=id_, client_id=client_id, legal_entity_id=1, due_on=due, first_due_on=due,
            recorded_at=START, **told,
        ),
    )  # fmt: skip
    part = Instalment(id=id_, invoice_id=id_, client_id=client_id, due_on=due, amount=1_000)
    add(session, part)


def owe(session: Session, id_: int, client_id: int, amount: int = 1_000) -> None:
    session.add(
        Posting(
            client_id=client_id, legal_entity_id=1, currency="EUR", kind="issue",
            instalment_id=id_, amount=amount, effective_on=DAY, recorded_at=START,
            cause=f"issue:{id_}", line=1,
        )
    )  # fmt: skip


def agreement(session: Session, id_: int, client_id: int, **more: Any) -> None:
    told: dict[str, Any] = {
        "name": f"A-{id_}",
        "currency": "EUR",
        "amount": 100,
        "kind": "retainer",
    } | more
    add(
        session,
        Agreement(
            id=id_, client_id=client_id, legal_entity_id=1, renews_on=DAY, recorded_at=START, **told
        ),
    )


def field(found: Any, name: str, of: str) -> Any:
    return next(one for one in found["fields"] if (one["field"], one["of"]) == (name, of))


def check(found: Any, name: str) -> tuple[int, list[str]]:
    (one,) = [one for one in found["checks"] if one["check"] == name]
    return one["judged"], one["found"]


def test_an_empty_store_lacks_nothing(store: Store, ask: Ask) -> None:
    assert ask()["well"]


def test_every_gap_is_counted_and_named_with_its_client(store: Store, ask: Ask) -> None:
    def fill(session: Session) -> None:
        firm(session)
        client(
            session, 1, mailbox="a@x.example", owner_id=1, tax_number="DE123456789", country="DE"
        )
        client(session, 2, mailbox="b@x.example")
        whole = {"service_type": "law", "rate_card": "A", "billing_cycle": "monthly"}
        agreement(session, 1, 1, payment_terms="Net 30", contract_value=900, **whole)
        agreement(session, 2, 2)
        agreement(session, 3, 2, state="lapsed")
        invoice(session, 1, 1, service_type="law", terms="Net 30")
        invoice(session, 2, 2)
        invoice(session, 3, 2)
        for line in (InvoiceLine(invoice_id=1, position=1, amount=1, tax_code="DE19"),
                     InvoiceLine(invoice_id=2, position=1, amount=1, tax_code="DE19"),
                     InvoiceLine(invoice_id=2, position=2, amount=1)):  # fmt: skip
            session.add(line)
        owe(session, 1, 1, 500)
        owe(session, 2, 2, 700)

    store.write_now(fill)
    found = ask()
    clients = {one["client"]: one for one in found["clients"]}
    assert list(clients) == [2]
    assert clients[2]["open"] == {"EUR": 700}
    assert {"owner", "tax number", "rate card (1 agreement)", "payment terms (2 invoices)"} <= set(
        clients[2]["lacks"]
    )
    for name in ("service type", "rate card", "billing cycle", "payment terms", "contract value"):
        one = field(found, name, "agreements")
        assert (one["have"], one["of_all"]) == (1, 2)
    for name in ("service type", "payment terms", "tax code on each line"):
        one = field(found, name, "invoices")
        assert (one["have"], one["of_all"]) == (1, 3)
    assert field(found, "owner", "clients")["share"] == 0.5


@pytest.mark.parametrize("why", ["none", "dead", "wrong", "revoked"])
def test_whoever_owes_and_has_no_usable_address_is_an_answer_of_no(
    store: Store, ask: Ask, why: str
) -> None:
    def fill(session: Session) -> None:
        firm(session)
        client(session, 1, mailbox="" if why == "none" else "a@x.example")
        client(session, 2)  # owes nothing
        invoice(session, 1, 1)
        owe(session, 1, 1)
        if why in ("dead", "wrong"):
            column = "health" if why == "dead" else "verification"
            session.get_one(Address, 1).sqlmodel_update({column: why})
        if why == "revoked":
            told: dict[str, Any] = {
                "topic": "all",
                "method": "link",
                "source": "t",
                "recorded_at": START,
            }
            for at, change in enumerate(("revoked", "asserted")):
                moment = START + dt.timedelta(hours=at)
                row = ConsentEvent(address_id=1, change=change, occurred_at=moment, **told)
                session.add(row)
                session.flush()

    store.write_now(fill)
    one = field(ask(NO), "usable address", "clients")
    assert one["stops_reminders_of"] == 1
    assert one["keeps_from_working"] == "without a usable address no reminder can leave"


def test_a_merged_client_is_reached_through_whoever_speaks_for_it(store: Store, ask: Ask) -> None:
    def fill(session: Session) -> None:
        firm(session)
        client(session, 1, mailbox="a@x.example", owner_id=1, tax_number="1", speaks_since=START)
        client(session, 2, merged_into_id=1)
        invoice(session, 1, 2, service_type="law", terms="Net 30")
        owe(session, 1, 2)

    store.write_now(fill)
    found = ask()
    assert field(found, "usable address", "clients")["of_all"] == 1
    assert [one["client"] for one in found["clients"]] == [1]
    assert found["clients"][0]["open"] == {"EUR": 1_000}


def test_of_who_was_erased_nothing_is_missing(store: Store, ask: Ask) -> None:
    def fill(session: Session) -> None:
        firm(session)
        client(session, 1)
        invoice(session, 1, 1, terms="Net 14")
        agreement(session, 1, 1, currency="USD")
        owe(session, 1, 1)
        add(
            session,
            Erasure(
                client_id=1, key_id="client:1", reason="asked", erased_by="cli", erased_at=START
            ),
        )

    store.write_now(fill)
    found = ask()
    assert found["clients"] == []
    assert field(found, "usable address", "clients")["of_all"] == 0
    assert check(found, "payment terms and due days") == (0, [])


def test_an_issuer_without_a_pay_link_is_an_answer_of_no(store: Store, ask: Ask) -> None:
    def fill(session: Session) -> None:
        firm(session)
        session.get_one(LegalEntity, 1).pay_link = ""

    store.write_now(fill)
    assert "no pay link" in ask(NO)["issuers"][0]


def test_what_contradicts_itself_is_found(store: Store, ask: Ask) -> None:
    def fill(session: Session) -> None:
        firm(session)
        client(session, 1, country="FR", tax_number="DE 123 456 789")
        client(session, 2, country="DE", tax_number="12/345/67890")
        agreement(session, 1, 1, currency="USD")
        monthly = {"billing_cycle": "monthly", "service_type": "Web design"}
        agreement(session, 2, 2, **monthly)
        for at in range(3):
            later = DAY + dt.timedelta(days=91 * at)
            invoice(session, at + 1, 2, issued_on=later, terms="Net 30", service_type="Web design")
        invoice(session, 4, 1, days=45, terms="Net 30", service_type="web-designs")
        invoice(session, 5, 1, days=45, terms="as agreed")
        for line in (
            InvoiceLine(invoice_id=4, position=1, amount=1, tax_code="ES21"),
            InvoiceLine(invoice_id=5, position=1, amount=1, jurisdiction="DE"),
        ):
            session.add(line)

    store.write_now(fill)
    found = ask()
    assert check(found, "payment terms and due days") == (
        4, ["I-4: “Net 30”, but due after 45 days"],
    )  # fmt: skip
    assert check(found, "currency of agreements") == (
        2, ["A-1 is in USD, its legal entity bills in EUR"],
    )  # fmt: skip
    assert check(found, "billing cycle and invoices") == (
        1, ["A-2 is monthly, but a bill came every 91 days"],
    )  # fmt: skip
    assert check(found, "tax number and country") == (
        1, ["DE 123 456 789 is of DE, the client is kept in FR"],
    )  # fmt: skip
    assert check(found, "tax on lines and country") == (
        2, ["I-4 has tax of ES21, the client is in FR and we in DE"],
    )  # fmt: skip
    assert check(found, "spelling of service types")[1] == [
        "“Web design” (4) and “web-designs” (1)"
    ]


def test_a_visit_to_everything_speaks_of_the_data_too(store: Store) -> None:
    def fill(session: Session) -> None:
        firm(session)
        client(session, 1)
        invoice(session, 1, 1)
        owe(session, 1, 1)

    (well,) = data.look(store)
    store.write_now(fill)
    (found,) = data.look(store)
    assert (well.verdict, found.verdict, found.what) == ("ok", "warning", "usable address")


@pytest.mark.parametrize(
    ("terms", "days"),
    [
        ("Net 30", 30), ("NET-15", 15), ("net30", 30), ("30 days", 30), ("14 Tage netto", 14),
        ("2/10 net 30", 30), ("2%/10, net 45", 45), ("Due on receipt", 0), ("immediately", 0),
        ("", None), ("as agreed", None), ("net 30 EOM", None), ("10 or 30 days", None),
    ],
)  # fmt: skip
def test_payment_terms_are_read_as_people_write_them(terms: str, days: int | None) -> None:
    assert plausible.days_of(terms) == days


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("DE123456789", "DE"), ("el 123456789", "GR"), ("CHE-123.456.789 MWST", "CH"),
        ("XI123456789", "GB"), ("NL123456789B01", "NL"), ("ATU12345678", "AT"),
        ("DEL680524P76", None), ("27AAPFU0939F1ZV", None), ("", None), ("12-3456789", None),
    ],
)  # fmt: skip
def test_a_tax_number_names_a_country_only_in_its_shape(number: str, country: str | None) -> None:
    assert plausible.country_of_tax_number(number) == country


@pytest.mark.parametrize(
    ("code", "jurisdiction", "client", "country"),
    [
        ("", "US-NY", "US", "US"), ("", "CA", "US", None), ("", "CA", "DE", "CA"),
        ("DE19", "", "FR", "DE"), ("VAT20", "", "FR", None), ("txcd_10000000", "", "US", None),
        ("", "New York", "US", None),
    ],
)  # fmt: skip
def test_a_tax_is_of_a_country_only_where_that_is_certain(
    code: str, jurisdiction: str, client: str, country: str | None
) -> None:
    assert plausible.country_of_tax(code, jurisdiction, client) == country


@pytest.mark.parametrize(
    ("have", "whole", "told"),
    [
        (0, 0, "-"), (0, 9, "░░░░░░░░░░   0%"), (1, 900, "█░░░░░░░░░   0%"),
        (899, 900, "█████████░  99%"), (9, 9, "██████████ 100%"),
    ],
)  # fmt: skip
def test_a_bar_is_full_only_where_nothing_is_missing(have: int, whole: int, told: str) -> None:
    assert data.bar(have, whole) == told
