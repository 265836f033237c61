"""Do the books say of a day what they said on that day, on both databases?"""

import datetime as dt
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from sqlmodel import Session, select

from billing import accounts, history
from billing.history import Scope
from billing.history import invoicing as bills
from billing.history import payments as cash
from billing.history import receivables as read
from billing.metrics import Period, receivables
from billing.metrics.invoicing import missed
from billing.metrics.payments import Promised, Word
from billing.models import Client, Posting
from billing.store import Store
from tests.bot.reports import year

SCOPE = Scope(year.NOW, year.LAST)
LAST_QUARTER = Period(dt.date(2025, 10, 1), year.LAST)
WHOLE = Period(dt.date(2025, 1, 1), year.LAST)


@pytest.fixture
def books(store: Store) -> Iterator[Session]:
    store.write_now(year.tell)
    with store.read() as session:
        yield session


@pytest.fixture(scope="module")
def one_book(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: object
) -> Iterator[Session]:
    """For what is the same on both databases."""
    file = tmp_path_factory.mktemp("year") / "store.db"
    shutil.copy(str(sqlite_template), file)
    with closing(Store(f"sqlite:///{file}")) as store:
        store.write_now(year.tell)
        with store.read() as session:
            yield session


def test_every_read_says_the_year_as_it_was(books: Session) -> None:
    """On both databases: what is known by hand."""
    owed = read.owed(books, SCOPE)
    usd = receivables.aging(read.debts(owed, "USD"))
    # north: 10 (110,000), 11 (corrected to 100,000), 12 and its twin (112,000), old (25,000);
    # south: 10 to 12 (160,000 to 162,000).
    assert usd.receivable == 110_000 + 100_000 + 2 * 112_000 + 25_000 + 483_000
    assert usd.own == (112_000 * 2 + 162_000, 100_000 + 161_000, 110_000 + 160_000, 0, 25_000)
    assert usd.disputed == 30_000
    assert read.unapplied(books, SCOPE) == {}
    assert history.currencies(books, SCOPE) == {"USD": 46, "EUR": 21}
    sold = read.sales(books, SCOPE)["USD"]
    assert sold[dt.date(2025, 12, 1)] == -11_000
    assert receivables.within(sold, LAST_QUARTER) == 110_000 + 100_000 + 224_000 + 483_000
    assert sum(read.written_off(books, SCOPE)["USD"].values()) == 40_000
    assert len(bills.corrections(books, SCOPE, LAST_QUARTER)) == 1
    assert [one.amount for one in missed(bills.waits(books, SCOPE), year.LAST)] == [60_000]
    assert {one.paid.days for one in cash.paid(books, SCOPE, WHOLE)} == {10}
    settled = bills.cycles(books, SCOPE, WHOLE)
    assert len(settled) == 27
    assert {(one.settled_on - one.issued_on).days for one in settled} == {40}
    assert bills.clients_billed(books, SCOPE) == {"USD": 2, "EUR": 1}
    judged = cash.promises(books, SCOPE, LAST_QUARTER)
    assert sorted(judged.past["USD"]) == [Promised(50_000, 0), Promised(50_000, 159_000)]
    assert [word[1:] for word in judged.standing["USD"]] == [(dt.date(2026, 1, 15), 70_000)]
    bases = bills.bases(books, SCOPE, WHOLE)["USD"]
    assert [(int(one.start), int(one.end)) for one in bases] == [(10_000, 11_200), (700, 0)]


def test_as_of_today_is_what_is_owed_now(one_book: Session) -> None:
    now = Scope(year.NOW)
    found = receivables.aging(row.debt for row in read.owed(one_book, now))
    live = [
        balance
        for client in one_book.exec(select(Client))
        for balance in accounts.balances(one_book, client.id, now.day_in(client.timezone))
    ]
    assert (found.receivable, found.overdue, found.unapplied) == (
        sum(one.open for one in live),
        sum(one.overdue for one in live),
        sum(one.unapplied for one in live),
    )


@pytest.mark.parametrize("month", range(1, 13))
def test_any_day_adds_up_to_its_postings(one_book: Session, month: int) -> None:
    scope = replace(SCOPE, day=dt.date(2025, month, 20))
    rows = list(one_book.exec(select(Posting).where(Posting.effective_on <= scope.today)))
    for currency in ("USD", "EUR"):
        cash_ = sum(v for (of, _), v in read.unapplied(one_book, scope).items() if of == currency)
        aged = receivables.aging(read.debts(read.owed(one_book, scope), currency), cash_)
        assert aged.balance == sum(row.amount for row in rows if row.currency == currency)
        moved = read.receivable(one_book, SCOPE)[currency]
        assert receivables.up_to(moved, scope.today) == aged.receivable


@pytest.mark.parametrize("currency", ["USD", "EUR"])
def test_one_currency_is_the_same_alone(one_book: Session, currency: str) -> None:
    alone = replace(SCOPE, currency=currency)
    both = [row for row in read.owed(one_book, SCOPE) if row.currency == currency]
    assert read.owed(one_book, alone) == both
    assert set(read.sales(one_book, alone)) == {currency}
    assert read.sales(one_book, alone)[currency] == read.sales(one_book, SCOPE)[currency]


def test_the_day_is_the_clients_own(one_book: Session) -> None:
    """After midnight in London it is still the day before in New York."""
    late = Scope(dt.datetime(2026, 1, 4, 2, tzinfo=dt.UTC))
    (row,) = [one for one in read.owed(one_book, late) if one.number == "south-12"]
    assert row.due_on == dt.date(2026, 1, 3)
    assert row.debt.days_late == 0


def test_a_written_off_bill_was_open_before(one_book: Session) -> None:
    def numbers(day: dt.date) -> set[str]:
        return {one.number for one in read.owed(one_book, replace(SCOPE, day=day))}

    assert "lost" in numbers(dt.date(2025, 8, 31))
    assert "lost" not in numbers(dt.date(2025, 9, 1))


def test_a_draft_is_missed_only_once_it_waits(one_book: Session) -> None:
    ready = dt.date(2025, 11, 1)
    waits = bills.waits(one_book, SCOPE)
    days = (ready + dt.timedelta(days=number) for number in (13, 14))
    assert [len(missed(waits, day)) for day in days] == [0, 1]


def test_a_standing_promise_is_still_to_come(one_book: Session) -> None:
    judged = cash.promises(one_book, SCOPE, Period.ending(year.LAST, 5))
    assert judged.past == {}
    assert [Word(0, *word[1:]) for word in judged.standing["USD"]] == [
        Word(0, dt.date(2026, 1, 15), 70_000)
    ]
