"""Papers: everything is on them, it adds up, and what people wrote is neither cut nor obeyed."""

import datetime as dt
import io
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from billing import taxes
from billing.settlement import PostingKind
from bot.papers import facts, ink, invoice, logos, receipt, statement, totals
from bot.papers.facts import Account, Issuer, Item, Line, Part, Party
from bot.papers.ink import Undrawable
from bot.report import Wrong
from tests.bot.papers.print import pages

DAY = dt.date(2026, 1, 5)
FIRM = Issuer(
    name="Lark & Lantern Studio GmbH", address="Gießereiweg 5\n10115 Berlin", country="DE",
    email="hallo@studio.example", pay_link="https://pay.studio.example/?a=1&b=2",
)  # fmt: skip
CLIENT = Party(name="Müller & Söhne", lines=("Berlin", "Germany"), locale="de_DE")
BILL = facts.Invoice(
    issuer=FIRM, to=CLIENT, as_of=DAY, number="STU-117", currency="EUR", issued_on=DAY,
    due_on=DAY + dt.timedelta(days=30), amount=165_500, po_number="PO 7", terms="Net 30",
    lines=(
        Line(description="Design, two rounds", quantity="1", amount=45_000, discount=5_000,
             tax=8_550, rate=Decimal(19), code="DE19", jurisdiction="DE"),
        Line(description="Brochures", amount=107_000, tax=7_000, rate=Decimal(7), inclusive=True),
        Line(description="Postage", amount=4_950),
    ),
)  # fmt: skip
DEJAVU = [face for face in ink.faces() if "DejaVu" in face.plain]


def spoken(pdf: bytes) -> str:
    """All that stands there, on one kind of space."""
    return " ".join("\n".join(pages(pdf)).replace("\xa0", " ").split())


def test_an_invoice_says_all_of_it() -> None:
    pdf = invoice.pdf(BILL)
    said = spoken(pdf)
    assert b"(https://pay.studio.example/?a=1&b=2)" in pdf
    for words in (
        "Lark & Lantern Studio GmbH", "Gießereiweg 5", "Müller & Söhne", "Invoice STU-117", "PO 7",
        "Net 30", "Design, two rounds", "500,00 €", "-50,00 €", "450,00 €", "19%", "7% incl.",
        "Net 1.499,50 €", "Tax 19%, DE (DE19) on 450,00 € 85,50 €", "Tax 7% on 1.000,00 € 70,00 €",
        "Total 1.655,00 €", "Please pay 1.655,00 € by", "https://pay.studio.example/?a=1",
        "Page 1 of 1",
    ):  # fmt: skip
        assert words in said


def test_what_became_of_an_invoice_is_told() -> None:
    bill = replace(
        BILL,
        moves={PostingKind.ALLOCATION: -65_500, PostingKind.CHARGE: 2_000},
        payers=(("Allianz", 40_000),),
        parts=(
            Part(due_on=DAY, amount=65_500, open=0),
            Part(due_on=BILL.due_on, amount=100_000, open=100_000),
            Part(due_on=BILL.due_on, amount=2_000, open=2_000, kind="late_fee"),
        ),
    )
    said = spoken(invoice.pdf(bill))
    for words in (
        "Paid -655,00 €", "Late fees and interest 20,00 €", "Balance due 1.020,00 €",
        "Owed by Allianz 400,00 €", "You owe 620,00 €", "To be paid", "late fee",
        "Please pay 620,00 € in the parts above",
    ):  # fmt: skip
        assert words in said


def test_who_owes_nothing_of_a_bill_is_asked_for_nothing() -> None:
    """An insurer owed all of it, and the client was asked to pay 0.00."""
    paid = {PostingKind.ALLOCATION: -5_500}
    said = spoken(invoice.pdf(replace(BILL, moves=paid, payers=(("Aetna", 160_000),))))
    assert "Owed by Aetna 1.600,00 €" in said
    assert "Please pay" not in said


@pytest.mark.parametrize(
    ("locale", "currency", "written"),
    [("ja_JP", "JPY", "¥165,500"), ("ar_AE", "AED", "AED 1,655.00"), ("de_DE", "JPY", "165.500 ¥")],
)
def test_an_amount_is_drawn_wherever_the_client_is(
    locale: str, currency: str, written: str
) -> None:
    """A full-width sign, or one that is written from the right, kept all papers from a client."""
    bill = replace(BILL, lines=(), currency=currency, to=Party(name="Sato", locale=locale))
    assert f"Total {written}" in spoken(invoice.pdf(bill))


@pytest.mark.parametrize("state", ["void", "draft", "uncollectible"])
def test_nobody_is_asked_for_what_is_not_owed(state: str) -> None:
    assert "Please pay" not in spoken(invoice.pdf(replace(BILL, state=state)))


LINES = st.lists(
    st.builds(
        taxes.Priced,
        amount=st.integers(1, 10**9),
        rate=st.sampled_from([Decimal(0), Decimal(7), Decimal(19), Decimal("8.875")]),
        code=st.sampled_from(["", "S"]),
        jurisdiction=st.sampled_from(["", "DE", "US-NY"]),
        inclusive=st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(LINES, st.integers(-3, 3), st.integers(0, 10**6))
def test_the_rows_of_every_invoice_add_up(priced: list[taxes.Priced], off: int, paid: int) -> None:
    lines = tuple(
        Line(amount=one.amount, tax=tax, rate=one.rate, code=one.code,
             jurisdiction=one.jurisdiction, inclusive=one.inclusive)
        for one, tax in zip(priced, taxes.on_lines(priced), strict=True)
    )  # fmt: skip
    amount = taxes.total(priced) + off
    bill = replace(BILL, lines=lines, amount=amount, moves={PostingKind.ALLOCATION: -paid})
    *rows, total = totals.billed(bill)
    assert total.amount == amount
    assert not rows or sum(row.amount for row in rows) == amount
    *moves, due = totals.since(bill)
    assert amount + sum(row.amount for row in moves) == due.amount == amount - paid


def items(count: int) -> tuple[Item, ...]:
    return tuple(
        Item(number=f"I-{at:03}", issued_on=DAY, due_on=DAY - dt.timedelta(days=at),
             amount=1_000 + at, open=1_000 + at, in_query=100 if at == 3 else 0)
        for at in range(count)
    )  # fmt: skip


def told(*accounts: Account) -> facts.Statement:
    return facts.Statement(to=CLIENT, as_of=DAY, since=DAY, accounts=accounts)


def test_a_statement_says_all_of_it() -> None:
    came = facts.Came(received_on=DAY, reference="ch_1", method="card", amount=500)
    account = Account(
        issuer=FIRM, currency="EUR", items=items(100), unapplied=2_000, under_way=300, came=(came,)
    )
    said = spoken(statement.pdf(told(account)))
    open_ = sum(item.open for item in account.items)
    assert sum(totals.aging(account.items, DAY)) == open_
    for words in (
        "Open invoices 1.049,50 €", "Money on account -20,00 €", "Balance 1.029,50 €",
        "Of this, 1,00 € is in query", "3,00 € is on its way", "1 to 30 days", "ch_1 card 5,00 €",
    ):  # fmt: skip
        assert words in said
    assert said.index("I-099") < said.index("I-000")


def test_200_items_go_on_over_pages_under_the_same_head() -> None:
    found = pages(statement.pdf(told(Account(issuer=FIRM, currency="EUR", items=items(200)))))
    assert len(found) > 3
    assert "I-199" in found[0]
    numbers = re.findall(r"I-\d{3}", "\n".join(found))
    assert numbers == [f"I-{at:03}" for at in reversed(range(200))]
    for number, page in enumerate(found, 1):
        assert f"Page {number} of {len(found)}" in page
        assert ("Days overdue" in page) == bool(re.search(r"I-\d{3}", page))
        assert FIRM.name in page


def test_accounts_are_never_added() -> None:
    other = replace(FIRM, name="Harrow Law", country="US")
    accounts = (Account(issuer=FIRM, currency="EUR", items=items(1)),
                Account(issuer=other, currency="USD", items=items(1)))  # fmt: skip
    pdf = statement.pdf(told(*accounts))
    first, second = pages(pdf)
    assert "Harrow Law" in second
    assert "Harrow Law" not in first
    assert re.findall(rb"MediaBox \[ 0 0 (\d+)", pdf) == [b"595", b"612"]


PAID = facts.Receipt(
    issuer=FIRM, to=CLIENT, paid_by="Allianz", reference="B-77", method="bank_transfer",
    received_on=DAY, currency="EUR", amount=50_000, went_back=1_000,
    paid=(("I-1", 20_000), ("I-2", 5_000)), left=24_000,
)  # fmt: skip


def test_a_receipt_says_all_of_it() -> None:
    said = spoken(receipt.pdf(PAID))
    for words in (
        "Receipt", "B-77", "bank transfer", "Allianz", "I-1 200,00 €", "I-2 50,00 €",
        "We received 490,00 €", "Paid on invoices -250,00 €", "Left on account 240,00 €",
    ):  # fmt: skip
        assert words in said
    assert totals.received(PAID)[-1].amount == PAID.left


def test_the_same_facts_are_the_same_bytes() -> None:
    assert invoice.pdf(BILL) == invoice.pdf(BILL)


def test_the_file_says_what_it_is() -> None:
    pdf = invoice.pdf(replace(BILL, issuer=replace(FIRM, name="Harrow Law")))
    assert b"/Title (Invoice STU-117)" in pdf
    assert b"/Author (Harrow Law)" in pdf


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("<b>Bold</b> <img src='file:///etc/passwd'/> &amp; <para>", id="markup"),
        pytest.param("<a href='javascript:alert(1)'>", id="link"),
        pytest.param("x" * 1_000, id="one long word"),
        pytest.param("word " * 200, id="many words"),
        pytest.param("%s {0} \\ ( ) Tj ET", id="of the format"),
    ],
)
def test_words_are_words_and_none_is_cut(words: str) -> None:
    hostile = replace(
        BILL,
        to=replace(CLIENT, name=words[:200]),
        issuer=replace(FIRM, name=words[:200], pay_link="javascript:alert(1)"),
        lines=(replace(BILL.lines[0], description=words, quantity=words[:200]),),
        amount=53_550,
    )
    pdf = invoice.pdf(hostile)
    said = re.sub(r"\s", "", "".join(pages(pdf)))
    assert said.count(re.sub(r"\s", "", words[:200])) >= 3
    assert re.sub(r"\s", "", words) in said
    assert b"/URI" not in pdf


def test_a_line_longer_than_a_page_goes_on() -> None:
    words = " ".join(f"w{at}" for at in range(2_000))
    found = pages(invoice.pdf(replace(BILL, lines=(Line(description=words, amount=165_500),))))
    said = set("\n".join(found).split())
    assert len(found) > 1
    assert {f"w{at}" for at in range(2_000)} <= said


def test_signs_that_nobody_sees_are_left_out() -> None:
    name = "Acme\u202e GmbH\u200b\x07"
    assert "Acme GmbH" in spoken(invoice.pdf(replace(BILL, to=replace(CLIENT, name=name))))


@pytest.mark.parametrize("name", ["株式会社", "שלום", "Acme 🙂", "नमस्ते"])
def test_what_cannot_be_drawn_is_named(name: str) -> None:
    with pytest.raises(Undrawable, match=r"U\+[0-9A-F]{4}") as refused:
        invoice.pdf(replace(BILL, to=replace(CLIENT, name=name)))
    assert name in str(refused.value)


@pytest.mark.skipif(not DEJAVU, reason="the DejaVu fonts are not installed here")
@pytest.mark.parametrize("name", ["Dvořák a Erdős", "Ελληνική ΑΕ", "ООО Ромашка"])  # noqa: RUF001
def test_other_letters_are_drawn_where_a_font_has_them(name: str) -> None:
    assert name in spoken(invoice.pdf(replace(BILL, to=replace(CLIENT, name=name))))


def png(folder: Path, name: str = "logo.png", size: tuple[int, int] = (60, 20)) -> Path:
    out = io.BytesIO()
    Image.new("RGBA", size, (30, 80, 110, 128)).save(out, "PNG")
    (folder / name).write_bytes(out.getvalue())
    return folder / name


def test_a_logo_stands_at_the_head(tmp_path: Path) -> None:
    logo = logos.read(png(tmp_path))[""]
    with_logo = invoice.pdf(replace(BILL, issuer=replace(FIRM, logo=logo)))
    assert b"/Subtype /Image" in with_logo
    assert FIRM.name in spoken(with_logo)


def test_each_legal_entity_may_have_its_own(tmp_path: Path) -> None:
    png(tmp_path, "Harrow Law.png")
    png(tmp_path, "default.png", (10, 10))
    assert set(logos.read(tmp_path)) == {"harrow law", ""}


def test_a_logo_is_found_however_a_machine_writes_its_name(tmp_path: Path) -> None:
    png(tmp_path, "Cafe\u0301 Droit.PNG")
    (tmp_path / "._Cafe\u0301 Droit.PNG").write_bytes(b"what a machine keeps beside it")
    assert set(logos.read(tmp_path)) == {logos.called("Caf\u00e9 Droit")}


@pytest.mark.parametrize("content", [b"<svg/>", b"\x89PNG\r\n\x1a\n", None])
def test_a_logo_that_is_no_png_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "logo.png").write_bytes(content)
    with pytest.raises(Wrong, match="COUNTERFOIL_LOGO"):
        logos.read(tmp_path / "logo.png")
