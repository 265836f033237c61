"""The facts of papers from rows, on both databases, through the command."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select
from typer.testing import CliRunner

from billing import books, facts, ledger
from billing.keyring import Keyring
from billing.models import Client, Invoice, LegalEntity
from billing.store import Store
from bot import cli
from bot.papers.enclosed import Enclosing
from comms.rendering import TemplateMistake
from tests import factories
from tests.bot.papers.print import pages
from tests.conftest import MASTER_KEY, Database
from tests.factories import NOON

Paper = Callable[..., str]
DAY = NOON.date()
OF: dict[str, Any] = {"source": "test", "client_external_id": "Acme & Sons", "currency": "USD"}


@pytest.fixture
def keyring(database: Database) -> Iterator[Keyring]:
    with closing(Keyring(database.keyring_url, MASTER_KEY)) as keyring:
        yield keyring


@pytest.fixture
def told(store: Store, keyring: Keyring) -> Store:
    def make(session: Session) -> None:
        factories.firm(session, NOON)
        factories.client(session, keyring, NOON, "Acme & Sons")
        about = {**OF, "invoice_number": "INV-1"}
        for fact in (
            facts.InvoiceIssued(
                **OF, number="INV-1", amount=23_800, issued_on=DAY, due_on=DAY,
                lines=(
                    facts.Line(
                        description="Advice on <b>the lease</b>", quantity="2 h", amount=20_000,
                        discount=1_000, tax_rate=Decimal(19), jurisdiction="US-NY",
                    ),
                ),
            ),
            facts.ShareDescribed(
                **{key: about[key] for key in ("source", "client_external_id", "invoice_number")},
                payer="ins", payer_name="Aetna", state="waiting", amount=3_800, told_at=NOON,
            ),
            facts.PaymentSettled(**OF, external_id="P-1", amount=5_000, received_on=DAY),
            facts.PaymentSettled(
                **OF | {"currency": "EUR"}, external_id="P-2", amount=700, received_on=DAY,
                method="card",
            ),
        ):  # fmt: skip
            ledger.apply(session, fact, NOON, iter(()), keyring)

    store.write_now(make)
    return store


@pytest.fixture
def paper(
    told: Store, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Paper:
    (tmp_path / "master.key").write_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", database.url)
    monkeypatch.setenv("COUNTERFOIL_KEYRING_URL", database.keyring_url)
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY_FILE", str(tmp_path / "master.key"))

    def made(*args: str, code: int = 0) -> str:
        out = tmp_path / "paper.pdf"
        result = CliRunner().invoke(cli.app, ["paper", *args, "--out", str(out)])
        assert result.exit_code == code, (result.output, result.exception)
        if code:
            return result.stderr
        return " ".join("\n".join(pages(out.read_bytes())).replace("\xa0", " ").split())

    return made


def test_an_invoice_with_what_became_of_it(paper: Paper) -> None:
    said = paper("invoice", "INV-1")
    for words in (
        "Harrow Law", "12 Tanner Row, Albany", "Acme & Sons", "2 h",
        "$210.00", "-$10.00", "Tax 19%, US-NY on $200.00 $38.00", "Total $238.00", "Paid -$50.00",
        "Balance due $188.00", "Owed by Aetna $38.00", "You owe $150.00",
    ):  # fmt: skip
        assert words in said
    assert "Adviceon<b>thelease</b>" in said.replace(" ", "")


def test_a_statement_of_each_currency(paper: Paper) -> None:
    said = paper("statement", "Acme & Sons", "--since", f"{DAY - dt.timedelta(days=1)}")
    for words in (
        "INV-1", "Balance $150.00", "P-1 $50.00", "Nothing is open.", "Money on account -€7.00",
        "P-2 card €7.00", "Page 2 of 2",
    ):  # fmt: skip
        assert words in said


def test_a_receipt_and_where_the_money_went(paper: Paper) -> None:
    said = paper("receipt", "P-1")
    assert "INV-1 $50.00" in said
    assert "Left on account $0.00" in said
    assert "Left on account €7.00" in paper("receipt", "P-2")


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        (("invoice", "Acme & Sons"), "no invoice"),
        (("receipt", "P-9"), "no payment P-9"),
        (("statement", "Nobody"), "nothing called Nobody"),
        (("statement", "Acme & Sons", "--since", "yesterday"), "write the day like"),
    ],
    ids=["a client", "no payment", "no client", "no day"],
)
def test_what_is_not_there_is_one_sentence(paper: Paper, asked: tuple[str, ...], word: str) -> None:
    assert word in paper(*asked, code=2)


def test_the_paper_of_an_erased_client_says_so(paper: Paper, keyring: Keyring) -> None:
    keyring.destroy("client:Acme & Sons")
    said = paper("invoice", "INV-1")
    assert said.count("(erased)") == 2
    assert "Acme" not in said
    assert "Total $238.00" in said


def test_a_mail_whose_paper_cannot_be_drawn_is_refused_and_not_tried_for_ever(
    told: Store, keyring: Keyring
) -> None:
    def rename(session: Session) -> int:
        client = session.exec(select(Client)).one()
        client.name = "株式会社"
        return client.id

    client_id = told.write_now(rename)
    enclosing = Enclosing(keyring, dict)
    with told.read() as session, pytest.raises(TemplateMistake, match="cannot draw"):
        enclosing(session, NOON, client_id, ["statement"], [])


def test_amounts_are_written_as_in_the_clients_language(told: Store, paper: Paper) -> None:
    def move(session: Session) -> None:
        session.exec(select(Client)).one().sqlmodel_update(
            {"language": "de", "country": "DE", "city": "Berlin", "postal_code": "10115"}
        )
        session.exec(select(LegalEntity)).one().country = "DE"

    told.write_now(move)
    said = paper("invoice", "INV-1")
    assert "Total 238,00 $" in said
    assert "10115 Berlin Germany" in said


def test_the_balance_is_what_the_books_say(told: Store, paper: Paper, keyring: Keyring) -> None:
    about = {"source": "test", "client_external_id": "Acme & Sons", "invoice_number": "INV-1"}
    later = NOON + dt.timedelta(hours=1)

    def more(session: Session) -> int:
        for fact in (
            facts.InvoiceCorrected(
                **OF, number="INV-1", amount=22_000, due_on=DAY, corrected_at=later
            ),
            facts.CreditNoteIssued(
                **OF, external_id="C-1", kind="debt_cancellation", amount=1_000, issued_on=DAY,
                invoice_number="INV-1",
            ),
            facts.ChargeAdded(
                **about, external_id="F-1", kind="late_fee", amount=500, charged_on=DAY
            ),
            facts.ChargeAdded(
                **about, external_id="F-2", kind="interest", amount=70, charged_on=DAY
            ),
            facts.ChargeWaived(
                source="test", client_external_id="Acme & Sons", external_id="F-2", waived_on=DAY
            ),
        ):  # fmt: skip
            ledger.apply(session, fact, later, iter(()), keyring)
        invoice = session.exec(select(Invoice).where(Invoice.number == "INV-1")).one()
        return books.open_of(session, invoice.id)

    assert told.write_now(more) == 16_500
    said = paper("invoice", "INV-1")
    for words in (
        "Corrected -$18.00", "Late fees and interest $5.00", "Credited -$10.00",
        "Balance due $165.00", "You owe $127.00", "late fee $5.00 $5.00",
    ):  # fmt: skip
        assert words in said
