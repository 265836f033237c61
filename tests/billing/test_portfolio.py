"""Does a portfolio file become exactly the rows it says, and every fault a sentence?"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import facts, portfolio
from billing.facts import ClientDescribed, InvoiceDisputed, InvoiceIssued, PaymentSettled

REAL = Path(__file__).parents[3] / "shared" / "data" / "accounts_receivable.csv"
REAL_MAP = {
    "client": "customerID",
    "invoice": "invoiceNumber",
    "issued": "InvoiceDate",
    "due": "DueDate",
    "amount": "InvoiceAmount",
    "disputed": "Disputed",
    "paid": "SettledDate",
}
HEAD = "client,invoice,issued,due,amount"
ROW = "acme,A-1,2026-01-02,2026-02-01,100.00"
NEXT = "acme,A-2,2026-01-03,2026-02-02,50.00"
TODAY = date(2026, 3, 1)


def told(*lines: str, head: str = HEAD, **settings: object) -> portfolio.Portfolio:
    return portfolio.read([head, *lines], **settings)  # type: ignore[arg-type]


def only_problem(read: portfolio.Portfolio) -> portfolio.Problem:
    (problem,) = read.problems
    return problem


def happened(extra_head: str, extra: str, on: date = TODAY) -> tuple[facts.Fact, ...]:
    (row,) = told(f"{ROW},{extra}", head=f"{HEAD},{extra_head}").rows
    return portfolio.to_facts(row, on)


def test_a_good_row_becomes_a_client_and_an_invoice() -> None:
    (row,) = told(ROW).rows
    client, invoice = portfolio.to_facts(row, TODAY)
    assert isinstance(client, ClientDescribed)
    assert (client.name, client.timezone, client.country) == ("acme", "UTC", "US")
    assert isinstance(invoice, InvoiceIssued)
    assert (invoice.amount, invoice.due_on) == (10_000, date(2026, 2, 1))


@pytest.mark.skipif(not REAL.exists(), reason="the shared receivables file is not beside us")
def test_the_real_file_reads_without_a_problem() -> None:
    read = portfolio.read(REAL, mapping=REAL_MAP)
    assert not read.problems
    assert len(read.rows) == 2466
    assert len({row.client.external_id for row in read.rows}) == 100
    assert read.totals["USD"].open == 0
    assert read.ignored[0] == "countryCode"


def test_where_only_some_columns_can_be_guessed_those_are() -> None:
    read = portfolio.read(["customer,No,made,till,sum", "a,1,2026-01-02,2026-02-01,10.00"])
    assert "--map client=customer" in read.problems[-1].reason


@pytest.mark.skipif(not REAL.exists(), reason="the shared receivables file is not beside us")
def test_an_unmapped_file_is_answered_with_the_map_that_works() -> None:
    read = portfolio.read(REAL)
    assert read.refused
    assert len(read.problems) == 2
    assert "columns `client`, `invoice`, `issued`, `due`, `amount` are" in read.problems[0].reason
    words = read.problems[-1].reason.partition("check it: ")[2].replace("--map ", "").split()
    mapped = portfolio.read(REAL, mapping=dict(word.split("=") for word in words))
    assert (len(mapped.rows), mapped.problems) == (2466, ())


@pytest.mark.parametrize(
    ("row", "column", "says"),
    [
        pytest.param(",A,2026-01-02,2026-02-01,1", "client", "is empty", id="no client"),
        pytest.param("a,A,2026-01-02,2026-01-01,1", "due", "before the invoice", id="due first"),
        pytest.param("a,A,2026-02-30,2026-03-01,1", "issued", "calendar", id="no such day"),
        pytest.param("a,A,1/2/26,2026-03-01,1", "issued", "two-digit year", id="short year"),
        pytest.param("a,A,soon,2026-03-01,1", "issued", "is not a date", id="no date"),
        pytest.param("a,A,2026-01-02,2026-02-01,ten", "amount", "is not an amount", id="words"),
        pytest.param("a,A,2026-01-02,2026-02-01,0", "amount", "not above zero", id="zero"),
        pytest.param("a,A,2026-01-02,2026-02-01,-5", "amount", "not above zero", id="credit"),
        pytest.param(f"a,A,2026-01-02,2026-02-01,{9**30}", "amount", "larger", id="huge"),
        pytest.param("a,A,2026-01-02,2026-02-01,10000000000000.01", "amount", "larger", id="large"),
        pytest.param("a\0b,A,2026-01-02,2026-02-01,1", "client", "U+0000", id="nul"),
        pytest.param('"a\nb",A,2026-01-02,2026-02-01,1', "client", "U+000A", id="line break"),
        pytest.param(f"{'a' * 201},A,2026-01-02,2026-02-01,1", "client", "at most 200", id="long"),
        pytest.param("a,A,2026-01-02", "", "3 cells", id="short row"),
        pytest.param("a,A,2026-01-02,2026-02-01,1,2,3", "", "7 cells", id="long row"),
        pytest.param('a"b,"A"x,2026-01-02,2026-02-01,1', "", "quote", id="stray quote"),
    ],
)
def test_a_bad_row_is_named_by_line_and_column(row: str, column: str, says: str) -> None:
    read = told(ROW, row)
    problem = only_problem(read)
    assert (problem.line, problem.column, problem.fatal) == (3, column, False)
    assert says in problem.reason
    assert len(read.rows) == 1


@pytest.mark.parametrize(
    ("column", "cell", "says"),
    [
        pytest.param("email", "a@b.example;c@d.example", "one bare address", id="two mailboxes"),
        pytest.param("email", "Ann <a@b.example>", "one bare address", id="display name"),
        pytest.param("email", "a@localhost", "not an email", id="no domain"),
        pytest.param("phone", "12", "not a phone number", id="short phone"),
        pytest.param("phone", "555 0100 ext 4 ext", "not a phone number", id="extension"),
        pytest.param("timezone", "Mars/Base", "not a time zone", id="zone"),
        pytest.param("language", "klingonish", "not a language", id="language"),
        pytest.param("country", "XX", "not a country", id="country"),
        pytest.param("currency", "ZZZ", "not a currency", id="currency"),
        pytest.param("sms_consent", "perhaps", "neither yes nor no", id="consent"),
        pytest.param("disputed", "perhaps", "neither yes nor no", id="dispute"),
        pytest.param("paid", "2026-01-01", "before the invoice was issued", id="paid too early"),
        pytest.param("paid", "perhaps", "is not a date", id="paid"),
        pytest.param("paid_amount", "-1", "below zero", id="refund"),
        pytest.param("paid_amount", "10000000000000.01", "larger than any", id="too much"),
        pytest.param("region", "Bavaria", "'US-Bavaria'; write ISO 3166", id="no region"),
    ],
)
def test_a_bad_cell_says_what_to_write(column: str, cell: str, says: str) -> None:
    problem = only_problem(told(f"{ROW},{cell}", head=f"{HEAD},{column}"))
    assert problem.column == column
    assert says in problem.reason


@pytest.mark.parametrize(
    ("column", "cell", "kept"),
    [
        pytest.param("email", " Ann+Bills@Client.EXAMPLE ", "ann+bills@client.example", id="email"),
        pytest.param("phone", "(212) 555-0123", "+12125550123", id="phone"),
        pytest.param("phone", "+44 20 7946 0123", "+442079460123", id="foreign phone"),
        pytest.param("sms_consent", "NO", False, id="no consent"),
        pytest.param("sms_consent", "", None, id="consent unsaid"),
        pytest.param("language", "pt_br", "pt-BR", id="language"),
    ],
)
def test_a_client_is_kept_in_normal_form(column: str, cell: str, kept: object) -> None:
    (row,) = told(f"{ROW},{cell}", head=f"{HEAD},{column}").rows
    assert getattr(row.client, column) == kept


def test_a_phone_without_a_country_code_belongs_to_the_row_s_country() -> None:
    (row,) = told(f"{ROW},020 7946 0123,gb", head=f"{HEAD},phone,country").rows
    assert (row.client.phone, row.client.country) == ("+442079460123", "GB")


@pytest.mark.parametrize(
    ("first", "second", "refused", "issued"),
    [
        pytest.param("31/01/2026", "02/01/2026", "", date(2026, 1, 2), id="day first"),
        pytest.param("01.31.2026", "02.01.2026", "", date(2026, 2, 1), id="month first"),
        pytest.param("31/01/2026", "01/31/2026", "line 2 (31/01/2026)", None, id="both"),
        pytest.param("01/02/2026", "03/02/2026", "line 2 (01/02/2026)", None, id="neither"),
        pytest.param("2026-01-31", "2026/02/01", "", date(2026, 2, 1), id="year first"),
        pytest.param("02/02/2026", "03/03/2026", "", date(2026, 3, 3), id="no matter"),
        pytest.param("2026-01-31T00:00:00Z", "2026-02-01", "", date(2026, 2, 1), id="midnight"),
    ],
)
def test_the_whole_file_proves_the_order_of_its_dates(
    first: str, second: str, refused: str, issued: date | None
) -> None:
    read = told(f"a,1,{first},2026-12-01,5", f"a,2,{second},2026-12-01,5")
    if issued is None:
        assert only_problem(read).fatal
        assert refused in only_problem(read).reason
    else:
        assert read.rows[1].issued == issued


def test_a_paid_date_can_prove_the_order_of_the_others() -> None:
    read = told("a,1,02/01/2026,03/02/2026,5,25/02/2026", head=f"{HEAD},paid")
    assert read.rows[0].issued == date(2026, 1, 2)


@pytest.mark.parametrize("pattern", ["d/m/y", "DD.MM.YYYY", "%d/%m/%Y", "dmy"])
def test_a_given_format_settles_order_and_century(pattern: str) -> None:
    read = told("a,1,02/01/2026,03-02-26,5", date_format=pattern)
    assert (read.rows[0].issued, read.rows[0].due) == (date(2026, 1, 2), date(2026, 2, 3))


def test_an_unknown_format_is_refused() -> None:
    assert "write d/m/y" in only_problem(told(ROW, date_format="sometimes")).reason


def test_contradicting_data_of_a_client_names_both_lines() -> None:
    read = told(f"{ROW},a@b.example", f"{NEXT},c@b.example", head=f"{HEAD},email")
    assert only_problem(read).line == 3
    assert "contradicts line 2, which says a@b.example" in only_problem(read).reason


def test_a_region_that_nobody_knows_spoils_its_own_lines_only() -> None:
    """It was an error without a line, and nothing of the file could be imported."""
    read = told(
        f"{ROW},US,Bavaria",
        "acme,A-2,2026-01-02,2026-02-01,1.00,US,",
        "birch,B-1,2026-01-02,2026-02-01,1.00,DE,BY",
        head=f"{HEAD},country,region",
    )
    assert (only_problem(read).line, only_problem(read).column) == (2, "region")
    assert [(row.invoice, row.client.region) for row in read.rows] == [("A-2", None), ("B-1", "BY")]


def test_an_empty_cell_contradicts_nothing() -> None:
    read = told(f"{ROW},", f"{NEXT},c@b.example", head=f"{HEAD},email")
    assert {row.client.email for row in read.rows} == {"c@b.example"}


def test_the_same_invoice_twice_is_one() -> None:
    read = told(ROW, NEXT, ROW)
    assert (len(read.rows), read.problems) == (2, ())


def test_another_amount_under_the_same_number_names_both_lines() -> None:
    problem = only_problem(told(ROW, NEXT, ROW.replace("100.00", "90.00")))
    assert problem.line == 4
    assert "is on line 2 too" in problem.reason


def test_a_number_may_repeat_in_another_legal_entity() -> None:
    read = told(f"{ROW},Law", f"{ROW},Clinic", head=f"{HEAD},legal_entity")
    keys = {portfolio.to_facts(row, TODAY)[1].key for row in read.rows}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("head", "cells", "amount", "day"),
    [
        pytest.param("paid", "2026-02-03", 10_000, date(2026, 2, 3), id="a day"),
        pytest.param("paid", "yes", 10_000, TODAY, id="yes is by the import"),
        pytest.param("paid,paid_amount", "2026-02-03,40", 4_000, date(2026, 2, 3), id="a part"),
        pytest.param("paid,paid_amount", ",40", 4_000, TODAY, id="a part, no day"),
        pytest.param("paid,paid_amount", "yes,120", 12_000, TODAY, id="too much"),
    ],
)
def test_a_payment_is_what_the_row_says(head: str, cells: str, amount: int, day: date) -> None:
    payment = happened(head, cells)[-1]
    assert isinstance(payment, PaymentSettled)
    assert (payment.amount, payment.received_on) == (amount, day)
    assert payment.invoice_number == "A-1"


@pytest.mark.parametrize(
    ("head", "cells"),
    [("paid", "no"), ("paid", ""), ("paid,paid_amount", "no,0"), ("paid_amount", "0")],
)
def test_an_unpaid_row_has_no_payment(head: str, cells: str) -> None:
    assert len(happened(head, cells)) == 2


@pytest.mark.parametrize("cells", ["yes,40", "no,40"])
def test_paid_and_paid_amount_must_agree(cells: str) -> None:
    assert only_problem(told(f"{ROW},{cells}", head=f"{HEAD},paid,paid_amount")).column == "paid"


def test_a_dispute_opens_on_the_day_of_import_for_all_that_is_open() -> None:
    dispute = happened("disputed", "yes")[-1]
    assert isinstance(dispute, InvoiceDisputed)
    assert (dispute.opened_on, dispute.amount) == (TODAY, None)


def test_a_dispute_never_opens_before_its_invoice() -> None:
    dispute = happened("disputed", "yes", date(2025, 12, 1))[-1]
    assert isinstance(dispute, InvoiceDisputed)
    assert dispute.opened_on == date(2026, 1, 2)


@pytest.mark.parametrize(
    ("paid", "disputes"), [("2026-02-03", 0), ("2026-03-02", 1)], ids=["cured", "still open"]
)
def test_a_settled_invoice_is_not_disputed(paid: str, disputes: int) -> None:
    found = happened("disputed,paid", f"yes,{paid}")
    assert sum(isinstance(fact, InvoiceDisputed) for fact in found) == disputes


def test_another_import_day_keeps_every_key() -> None:
    first = happened("paid,disputed", "yes,yes")
    later = happened("paid,disputed", "yes,yes", TODAY + timedelta(9))
    assert [fact.key for fact in first] == [fact.key for fact in later]
    assert len({fact.key for fact in first}) == len(first)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"{HEAD}\n{ROW}\n".encode(), id="plain"),
        pytest.param(f"{HEAD}\n{ROW}\n".encode("utf-8-sig"), id="utf-8 with a mark"),
        pytest.param(f"{HEAD}\n{ROW}\n".encode("utf-16"), id="utf-16"),
        pytest.param(f"{HEAD}\r\n\r\n{ROW},,\r\n,,,,\r\n".encode(), id="blank lines and tails"),
        pytest.param(f"\n{HEAD}\r{ROW}".encode(), id="old line ends"),
        pytest.param(f"{HEAD}\n{ROW}".replace(",", ";").encode(), id="semicolons"),
        pytest.param(f"{HEAD}\n{ROW}".replace(",", "\t").encode(), id="tabs"),
        pytest.param(f"sep=;\n{HEAD}\n{ROW}".replace(",", ";").encode(), id="declared"),
        pytest.param(f" Client ,INVOICE,Issued,DUE,Amount\n{ROW}".encode(), id="loose header"),
    ],
)
def test_a_file_reads_the_same_however_it_was_saved(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "ar.csv"
    file.write_bytes(content)
    read = portfolio.read(file)
    assert not read.problems
    assert read.rows == told(ROW).rows
    assert portfolio.read(content) == read


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        pytest.param(f"{HEAD}\n{ROW}\nJos\xe9".encode("cp1252"), 3, "0xE9", id="cp1252"),
        pytest.param(HEAD.encode("utf-16-le"), 1, "not text", id="utf-16 without a mark"),
        pytest.param(HEAD.encode("utf-16") + b"\0", 1, "damaged", id="half a character"),
        pytest.param(b"", 1, "empty", id="empty"),
        pytest.param(b"\n \n", 1, "empty", id="blank"),
        pytest.param(HEAD.encode(), 1, "no row", id="header only"),
        pytest.param(f'{HEAD}\n{ROW}\n"a,b\n'.encode(), 3, "close its quote", id="open quote"),
        pytest.param(f"{HEAD}\n{'x' * 200_000},".encode(), 2, "131,072", id="huge cell"),
        pytest.param(f"{HEAD}\n{'x' * 10_000_000}".encode(), 2, "1,000,000", id="huge line"),
        pytest.param(f"{HEAD},amount\n{ROW},1".encode(), 1, "2 times", id="column twice"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_whole(
    content: bytes, line: int, says: str
) -> None:
    read = portfolio.read(content)
    assert read.refused
    assert not read.rows
    assert read.problems[0].line == line
    assert says in read.problems[0].reason


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"clinet": "client"}, "there is no column `clinet`"),
        ({"owner": "Manager"}, "the file has no column `Manager`"),
    ],
    ids=["ours", "theirs"],
)
def test_a_wrong_map_says_which_side_is_wrong(mapping: dict[str, str], says: str) -> None:
    assert says in only_problem(told(ROW, mapping=mapping)).reason


def test_unknown_columns_are_listed_and_a_dear_one_is_pointed_out() -> None:
    read = told(f"{ROW},x,2026-02-01", head=f"{HEAD},Mood,Settled Date")
    assert read.ignored == ("Mood", "Settled Date")
    assert read.hints == (
        "column `Settled Date` is ignored; did you mean --map 'paid=Settled Date'?",
    )


def test_totals_never_mix_currencies() -> None:
    read = told(
        f"{ROW},USD,40", f"{NEXT.replace('50.00', '50')},JPY,", head=f"{HEAD},currency,paid_amount"
    )
    assert read.totals == {
        "JPY": portfolio.Total(1, 50, 0, 50),
        "USD": portfolio.Total(1, 10_000, 4_000, 6_000),
    }


@given(st.lists(st.text(max_size=40), max_size=6), st.sampled_from([[], [HEAD]]))
def test_arbitrary_text_never_crashes(lines: list[str], head: list[str]) -> None:
    read = portfolio.read([*head, *lines])
    assert read.problems or read.rows


@given(st.binary(max_size=200), st.sampled_from([b"", f"{HEAD}\n".encode()]))
def test_arbitrary_bytes_never_crash(content: bytes, head: bytes) -> None:
    read = portfolio.read(head + content)
    assert read.problems or read.rows


CELLS = st.text('09/-.,;"\n ay€\0\ud800', max_size=12)


@given(st.lists(st.lists(CELLS, min_size=8, max_size=8), max_size=4))
def test_arbitrary_cells_never_crash(cells: list[list[str]]) -> None:
    lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in cells]
    read = told(*lines, head=f"{HEAD},paid,email,phone")
    assert read.problems or read.rows
    for row in read.rows:
        assert portfolio.to_facts(row, TODAY)


BILLS = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.dates(date(2020, 1, 1), date(2030, 1, 1)),
        st.integers(0, 90),
        st.integers(1, 10**12),
        st.integers(0, 120),
    ),
    min_size=1,
    max_size=12,
)


@given(BILLS)
def test_a_generated_file_comes_back_as_it_was(
    bills: list[tuple[int, date, int, int, int]],
) -> None:
    lines = [
        f"c{client},N-{place},{issued},{issued + timedelta(net)},"
        f"{amount // 100}.{amount % 100:02d},{issued + timedelta(late)}"
        for place, (client, issued, net, amount, late) in enumerate(bills)
    ]
    read = told(*lines, head=f"{HEAD},paid")
    assert not read.problems
    back = [
        (int(row.client.external_id[1:]), row.issued, (row.due - row.issued).days, row.amount)
        for row in read.rows
    ]
    assert back == [bill[:4] for bill in bills]
    again = told(*lines, head=f"{HEAD},paid")
    assert [portfolio.to_facts(row, TODAY) for row in read.rows] == [
        portfolio.to_facts(row, TODAY) for row in again.rows
    ]


def test_a_key_of_many_parts_is_bounded_and_unambiguous() -> None:
    assert facts.joined("a/b", "c") != facts.joined("a", "b/c")
    long = [facts.joined("é" * 200, "x" * 200, end) for end in "ab"]
    assert long[0] != long[1]
    assert max(map(len, long)) <= 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": 0},
        {"amount": 1.5},
        {"amount": 10**16},
        {"currency": "ABC"},
        {"number": "a\tb"},
        {"due_on": "9999-12-31"},
        {"due_on": "0001-01-01"},
        {"extra": 1},
    ],
    ids=str,
)
def test_a_malformed_fact_cannot_be_made(wrong: dict[str, object]) -> None:
    good: dict[str, object] = {
        "source": "csv",
        "client_external_id": "a",
        "number": "1",
        "amount": 5,
        "currency": "USD",
        "issued_on": TODAY,
        "due_on": TODAY,
    }
    assert InvoiceIssued.model_validate(good).amount == 5
    with pytest.raises(ValueError, match="validation error"):
        InvoiceIssued.model_validate(good | wrong)


@pytest.mark.parametrize("far", ["9999-12-31T23:59:59-11:00", "0001-01-01T00:00:00+14:00"])
def test_no_moment_is_told_that_no_day_can_follow(far: str) -> None:
    failed = {
        "source": "csv",
        "external_id": "1",
        "client_external_id": "a",
        "amount": 5,
        "currency": "USD",
        "happened_at": far,
    }
    with pytest.raises(ValueError, match="between 1970 and 2199"):
        facts.PaymentFailed.model_validate(failed)


def test_the_bank_takes_no_more_back_than_fits_the_books() -> None:
    taken = {
        "source": "csv",
        "external_id": "1",
        "client_external_id": "a",
        "amount": 5,
        "currency": "USD",
        "chargeback": "c",
        "outcome": "withdrawn",
        "happened_at": "2026-01-05T09:00:00Z",
    }
    assert facts.PaymentChargedBack.model_validate(taken | {"withdrawn": 5}).withdrawn == 5
    with pytest.raises(ValueError, match="less than or equal"):
        facts.PaymentChargedBack.model_validate(taken | {"withdrawn": 10**19})


@pytest.mark.parametrize("written", ["555-0123", "5550123", "whatsapp:+1 212 555 0123"])
def test_a_number_without_its_area_is_nobodys(written: str) -> None:
    """Every area has one: it was kept as +1 555 0123, and texted."""
    problem = only_problem(told(f"{ROW},{written}", head=f"{HEAD},phone"))
    assert problem.column == "phone"
    assert "with its country" in problem.reason
