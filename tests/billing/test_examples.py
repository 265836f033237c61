"""Do the shipped examples read cleanly, fit together, and hold the stories that they promise?"""

from __future__ import annotations

import runpy
import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from billing import facts, portfolio, shipped
from billing.portfolio import PortfolioRow
from bot import factsheet

START = date(2026, 1, 5)


@pytest.fixture(scope="module")
def firm() -> dict[str, Any]:
    return tomllib.loads(shipped.path("examples", "firm.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rows() -> tuple[PortfolioRow, ...]:
    read = portfolio.read(shipped.path("examples", "portfolio.csv"))
    assert (read.problems, read.ignored, read.hints) == ((), (), ())
    return read.rows


@pytest.fixture(scope="module")
def agreements() -> tuple[facts.AgreementDescribed, ...]:
    read = portfolio.read_agreements(shipped.path("examples", "agreements.csv"))
    assert read.problems == ()
    return read.facts


def of(rows: tuple[PortfolioRow, ...], client: str) -> list[PortfolioRow]:
    return [row for row in rows if row.client.external_id == client]


def owed_on(row: PortfolioRow, day: date) -> bool:
    paid = row.paid_on is not None and row.paid_on <= day and not row.open
    return row.issued <= day and not paid


def test_the_generator_writes_the_shipped_files(tmp_path: Path) -> None:
    made = runpy.run_path(str(shipped.path("examples", "make_portfolio.py")))
    made["write"](tmp_path)
    for name in ("portfolio.csv", "agreements.csv"):
        assert (tmp_path / name).read_bytes() == shipped.path("examples", name).read_bytes()


def test_the_portfolio_has_the_promised_size(rows: tuple[PortfolioRow, ...]) -> None:
    assert 140 <= len(rows) <= 170
    assert 35 <= len({row.client.external_id for row in rows}) <= 45
    assert {row.currency for row in rows} == {"USD", "GBP", "EUR", "JPY"}


def test_names_and_owners_are_those_of_the_firm(
    firm: dict[str, Any], rows: tuple[PortfolioRow, ...]
) -> None:
    staff = {member["email"] for member in firm["staff"]}
    assert {row.legal_entity for row in rows} == {one["name"] for one in firm["legal_entity"]}
    assert {row.client.owner_email for row in rows} - {None} <= staff


def test_a_legal_entity_can_send(firm: dict[str, Any]) -> None:
    for entity in firm["legal_entity"]:
        assert entity["postal_address"]
        assert entity["from_name"]
        assert facts.mailbox(entity["from_address"]) == entity["from_address"]
        assert entity["pay_link"].startswith("https://")
        assert facts.phone(entity["phone"]) == entity["phone"]
        assert facts.currency(entity["currency"])
        assert facts.country(entity["country"])


def test_the_story_starts_on_its_monday(firm: dict[str, Any]) -> None:
    assert firm["story"]["start"] == START
    assert START.weekday() == 0


def test_nobody_real_can_be_reached(rows: tuple[PortfolioRow, ...]) -> None:
    for row in rows:
        assert (row.client.email or ".example").endswith(".example")
        phone = row.client.phone or ""
        fictional = (
            phone[5:10] == "55501",
            phone.startswith("+442079460"),
            phone[:9] == "+49302312",
        )
        assert not phone or any(fictional)


def test_only_one_open_bill_is_older_than_sixty_days(rows: tuple[PortfolioRow, ...]) -> None:
    ages = [(START - row.issued).days for row in rows if owed_on(row, START)]
    assert [age for age in ages if age > 60] == [75]
    assert sum(30 <= age <= 50 for age in ages) >= 5


def test_the_future_is_in_the_file(rows: tuple[PortfolioRow, ...]) -> None:
    assert max(row.issued for row in rows) <= date(2026, 3, 20)
    assert sum(row.issued > START for row in rows) > 50


@pytest.mark.parametrize(
    ("client", "paid_after"),
    [("alder-bakery", 30), ("brook-fen", 45), ("cobalt-cycles", 60), ("dovetail", 30)],
)
def test_a_ladder_reaches_its_step_before_the_money(
    rows: tuple[PortfolioRow, ...], client: str, paid_after: int
) -> None:
    bill = of(rows, client)[0]
    assert bill.paid_on is not None
    step = bill.issued + timedelta(paid_after)
    assert bill.due < step
    assert step <= bill.paid_on < bill.issued + timedelta(paid_after + 30)


def test_one_payment_comes_on_the_very_day_of_the_reminder(rows: tuple[PortfolioRow, ...]) -> None:
    bill = of(rows, "dovetail")[0]
    assert bill.paid_on == bill.issued + timedelta(30)
    assert bill.client.timezone == "America/Los_Angeles"


def test_a_client_in_credit_owes_less_than_it_paid_too_much(
    rows: tuple[PortfolioRow, ...],
) -> None:
    bills = of(rows, "gable")
    assert sum(bill.open for bill in bills) == 90_000
    assert sum(bill.paid - bill.amount for bill in bills) > 0


def test_a_disputed_bill_stands_beside_one_that_is_chased(rows: tuple[PortfolioRow, ...]) -> None:
    assert sorted(row.disputed for row in of(rows, "elmgate")) == [False, True]


def test_a_part_payment_leaves_the_rest_open(rows: tuple[PortfolioRow, ...]) -> None:
    assert [(row.paid, row.open) for row in of(rows, "fernhill")] == [(150_000, 210_000)]


def test_one_client_owes_two_entities(rows: tuple[PortfolioRow, ...]) -> None:
    assert len({row.legal_entity for row in of(rows, "hollis")}) == 2


def test_two_clients_share_one_phone(rows: tuple[PortfolioRow, ...]) -> None:
    phones = {of(rows, client)[0].client.phone for client in ("ivy-pottery", "ivy-framing")}
    assert len(phones) == 1


def test_consent_is_given_refused_and_unsaid(rows: tuple[PortfolioRow, ...]) -> None:
    assert {row.client.sms_consent for row in rows} == {True, False, None}


@pytest.mark.parametrize(("client", "in_time"), [("juniper", True), ("kestrel", False)])
def test_a_renewal_falls_due_while_something_is_overdue(
    rows: tuple[PortfolioRow, ...],
    agreements: tuple[facts.AgreementDescribed, ...],
    client: str,
    in_time: bool,  # noqa: FBT001
) -> None:
    (renews,) = (one.renews_on for one in agreements if one.client_external_id == client)
    (bill,) = of(rows, client)
    assert bill.paid_on is not None
    assert bill.due < renews - timedelta(7)
    assert (bill.due < bill.paid_on < renews) is in_time


def test_agreements_speak_of_clients_of_the_portfolio(
    rows: tuple[PortfolioRow, ...], agreements: tuple[facts.AgreementDescribed, ...]
) -> None:
    known = {row.client.external_id for row in rows}
    assert {one.client_external_id for one in agreements} <= known
    assert {one.kind for one in agreements} == {"subscription", "retainer", "term"}


def test_an_agreement_that_says_two_things_names_both_lines() -> None:
    head = "client,agreement,kind,name,amount,renews"
    read = portfolio.read_agreements(
        [head, "a,R,term,Care,5,2026-01-31", "a,R,term,Care,6,2026-01-31", "a,S,gift,Care,5,soon"]
    )
    assert [(problem.line, problem.column) for problem in read.problems] == [
        (3, "agreement"),
        (4, "kind"),
        (4, "renews"),
    ]
    assert len(read.facts) == 1


def test_what_happens_to_the_money_reads_cleanly_and_fits_the_firm(
    firm: dict[str, Any], rows: tuple[PortfolioRow, ...]
) -> None:
    told = factsheet.read(shipped.path("examples", "events.json").read_bytes())
    described = {one.external_id: one for one in told if isinstance(one, facts.ClientDescribed)}
    issued = [one for one in told if isinstance(one, facts.InvoiceIssued)]
    staff = {member["email"] for member in firm["staff"]}
    assert not described.keys() & {row.client.external_id for row in rows}
    assert {one.owner_email for one in described.values()} <= staff
    assert all(str(one.email).endswith(".example") for one in described.values())
    assert {one.client_external_id for one in issued} == described.keys()
    assert not {one.number for one in issued} & {row.invoice for row in rows}
    assert {one.legal_entity for one in issued} <= {one["name"] for one in firm["legal_entity"]}
    assert {type(one) for one in told} >= {
        facts.PaymentStarted, facts.PaymentFailed, facts.PaymentChargedBack,
        facts.InvoiceDisputed, facts.DisputeClosed, facts.ShareDescribed, facts.PromiseMade,
    }  # fmt: skip
