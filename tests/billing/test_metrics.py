"""Do the figures come out as the formulas say, in any order, and never over two currencies?"""

import datetime as dt
import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.metrics import (
    Period,
    definition,
    invoicing,
    payments,
    receivables,
    retention,
    spread,
    work,
)
from billing.metrics.invoicing import Billed
from billing.metrics.payments import Open, Paid, Promised, Word
from billing.metrics.receivables import Debt, Month
from billing.metrics.retention import Base
from billing.metrics.work import Cycle, Touch

DAY = dt.timedelta(days=1)
MONDAY = dt.date(2026, 3, 2)
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
AUTUMN = [Month(10_000_000, 30), Month(6_000_000, 31), Month(9_000_000, 30)]


def plain(*values: object) -> tuple[object, ...]:
    """Fractions beside the whole numbers that they are."""
    return values


# --- receivables ----------------------------------------------------------------------------------


def test_73_countback_takes_whole_months_backwards() -> None:
    found = receivables.countback(18_000_000, AUTUMN)
    assert found.complete
    assert found.days == Fraction(203, 3)
    assert round(found.days, 2) == Fraction("67.67")


@pytest.mark.parametrize(
    ("receivable", "days", "complete"),
    [
        pytest.param(0, 0, True, id="nothing open"),
        pytest.param(5_000_000, 15, True, id="within the month"),
        pytest.param(10_000_000, 30, True, id="a whole month"),
        pytest.param(25_000_000, 91, True, id="all sales"),
        pytest.param(25_000_001, 91, False, id="more than all sales"),
    ],
)
def test_countback_ends_where_nothing_is_left(
    receivable: int, days: int, *, complete: bool
) -> None:
    assert receivables.countback(receivable, AUTUMN) == receivables.Countback(
        Fraction(days), complete=complete
    )


def test_the_delay_is_what_lies_between_dso_and_the_best_possible() -> None:
    simple = receivables.dso(180, 360, 90)
    best = receivables.best_possible_dso(120, 360, 90)
    assert plain(simple, best) == (45, 30)
    assert receivables.average_days_delinquent(simple, best) == 15


@pytest.mark.parametrize("sales", [0, -5])
def test_without_sales_there_is_no_dso(sales: int) -> None:
    assert receivables.dso(100, sales, 90) is None
    assert receivables.average_days_delinquent(None, Fraction(1)) is None


@pytest.mark.parametrize(
    ("figures", "index"),
    [
        pytest.param((100, 50, 30, 30), Fraction(100), id="all that is late was collected"),
        pytest.param((100, 50, 150, 50), Fraction(0), id="nothing was collected"),
        pytest.param((100, 50, 60, 20), Fraction(900, 13), id="some"),
        pytest.param((0, 0, 0, 0), None, id="nothing to collect"),
    ],
)
def test_effectiveness_is_of_what_could_be_collected(
    figures: tuple[int, int, int, int], index: Fraction | None
) -> None:
    assert receivables.collection_effectiveness(*figures) == index


@pytest.mark.parametrize(
    ("late", "bucket"),
    [(-9, 0), (0, 0), (1, 1), (30, 1), (31, 2), (60, 2), (61, 3), (90, 3), (91, 4), (999, 4)],
)
def test_due_today_is_current(late: int, bucket: int) -> None:
    assert receivables.bucket(late) == bucket


def test_months_begin_with_the_days_of_this_one_so_far() -> None:
    sales = {dt.date(2025, 12, 31): 5, dt.date(2026, 2, 1): 7, dt.date(2026, 2, 11): 9}
    found = receivables.months_back(sales, dt.date(2026, 2, 10))
    assert found == [Month(7, 10), Month(0, 31), Month(5, 31)]


DEBTS = st.lists(
    st.builds(
        Debt,
        st.integers(-400, 400),
        st.integers(-(2**40), 2**40).filter(bool),
        st.integers(0, 100),
        st.booleans(),
    )
)


@settings(max_examples=40)
@given(DEBTS, st.integers(0, 2**40), st.randoms())
def test_aging_adds_up_to_the_balance_in_any_order(
    debts: list[Debt], unapplied: int, luck: random.Random
) -> None:
    shuffled = debts[:]
    luck.shuffle(shuffled)
    found = receivables.aging(debts, unapplied)
    assert receivables.aging(shuffled, unapplied) == found
    assert found.balance == sum(debt.open for debt in debts) - unapplied
    assert found.receivable == sum(debt.open for debt in debts if debt.open > 0)


@settings(max_examples=40)
@given(st.integers(1, 10**12), st.lists(st.tuples(st.integers(0, 10**10), st.integers(28, 31))))
def test_countback_grows_with_what_is_open(receivable: int, months: list[tuple[int, int]]) -> None:
    told = [Month(*month) for month in months]
    less, more = (receivables.countback(sum_, told) for sum_ in (receivable, receivable + 1))
    assert less.days <= more.days <= sum(days for _, days in months)


def test_leakage_is_given_up_forgotten_and_long_overdue() -> None:
    debts = [Debt(120, 1_000), Debt(121, 300), Debt(400, 500), Debt(400, -50)]
    found = receivables.leakage(200, debts, 100, 11_000)
    assert plain(found.uncollected, found.amount, found.share) == (800, 1_100, 10)


# --- payments -------------------------------------------------------------------------------------


def test_75_days_late_simple_and_weighted() -> None:
    found = payments.days_late([Paid(1, 100_000, 5), Paid(2, 900_000, 20)])
    assert (found.simple, found.weighted) == (Fraction("12.5"), Fraction("18.5"))


def test_paid_early_is_not_late() -> None:
    assert payments.days_late([Paid(1, 100, -10), Paid(1, 100, 10)]).simple == 5


def test_a_promise_is_kept_by_money() -> None:
    found = payments.promises_kept([Promised(100, 150), Promised(200, 80), Promised(100, -5)])
    assert plain(found.by_amount, found.by_count) == (45, Fraction(100, 3))
    assert payments.promises_kept([]).by_amount is None


@pytest.mark.parametrize(
    ("paid", "week"),
    [
        pytest.param([], 1, id="nobody's habit: on the day"),
        pytest.param([Paid(1, 100, 7)], 2, id="the client's habit"),
        pytest.param([Paid(9, 100, 14)], 3, id="no payments of its own: everybody's"),
        pytest.param([Paid(1, 100, -7), Paid(9, 100, 14)], 0, id="early"),
        pytest.param([Paid(1, 900, 7), Paid(1, 100, 0)], 2, id="by amount, rounded up"),
    ],
)
def test_money_is_expected_by_habit(paid: list[Paid], week: int) -> None:
    debt = Open(1, MONDAY + 7 * DAY, 500)
    found = payments.cash_forecast([debt], [], paid, MONDAY)
    assert found.by_habit == {MONDAY + 7 * week * DAY: 500}


def test_a_promise_is_stronger_than_habit_and_takes_the_oldest() -> None:
    debts = [Open(1, MONDAY - 20 * DAY, 300), Open(1, MONDAY + DAY, 300)]
    found = payments.cash_forecast(debts, [Word(1, MONDAY + 7 * DAY, 400)], [], MONDAY)
    assert found.promised == {MONDAY + 7 * DAY: 400}
    assert found.by_habit == {MONDAY: 200}
    assert found.beyond_habit == 0


@settings(max_examples=40)
@given(
    st.lists(st.builds(Open, st.integers(1, 3), st.dates(MONDAY - 90 * DAY), st.integers(1, 99))),
    st.lists(st.builds(Word, st.integers(1, 3), st.dates(MONDAY), st.integers(1, 99))),
    st.lists(st.builds(Paid, st.integers(1, 4), st.integers(1, 99), st.integers(-40, 90))),
    st.randoms(),
)
def test_a_forecast_is_of_all_that_is_open_in_any_order(
    debts: list[Open], words: list[Word], paid: list[Paid], luck: random.Random
) -> None:
    near = [debt._replace(due_on=min(debt.due_on, MONDAY + 900 * DAY)) for debt in debts]
    found = payments.cash_forecast(near, words, paid, MONDAY)
    for rows in (near, words, paid):
        luck.shuffle(rows)
    assert payments.cash_forecast(near, words, paid, MONDAY) == found
    whole = found.expected + found.later + found.beyond_habit
    assert whole == sum(debt.amount for debt in near)


# --- invoicing ------------------------------------------------------------------------------------


def bill(number: int, day: int, amount: int = 100, **told: Any) -> Billed:
    made = Billed(number, 1, 1, "USD", amount, MONDAY + day * DAY, MONDAY)
    return made._replace(**told)


def test_time_to_invoice_is_from_delivery_to_bill() -> None:
    bills = [bill(1, 4), bill(2, 1), bill(3, -2), bill(4, 9, ready_on=None)]
    found = invoicing.time_to_invoice(bills)
    assert plain(found.days.median, found.days.p90, found.unknown) == (1, 4, 1)


@pytest.mark.parametrize(
    ("other", "double"),
    [
        pytest.param(bill(2, 27), {2}, id="too soon for a monthly bill"),
        pytest.param(bill(2, 28), set(), id="a monthly bill"),
        pytest.param(bill(2, 0), {2}, id="the same day"),
        pytest.param(bill(2, 5, 101), set(), id="another amount"),
        pytest.param(bill(2, 5, client_id=2), set(), id="another client"),
        pytest.param(bill(2, 5, currency="EUR"), set(), id="another currency"),
        pytest.param(bill(2, 5, service="matter 2"), set(), id="another matter"),
    ],
)
def test_a_possible_duplicate_is_alike_and_near(other: Billed, double: set[int]) -> None:
    assert invoicing.duplicates([bill(1, 0), other]) == double
    assert invoicing.duplicates([other, bill(1, 0)]) == double


def test_a_bill_that_is_wrong_twice_counts_once() -> None:
    issued = [bill(2, 5), *(bill(number, number, number) for number in range(3, 12))]
    found = invoicing.billing_errors(issued, [bill(1, 0)], [2, 2, 3, 99], missed=2)
    assert (found.duplicates, found.incorrect, found.corrections) == (1, 2, 3)
    assert found.rate == Fraction(400, 12)
    assert found.per_hundred == 30


# --- work -----------------------------------------------------------------------------------------


def touch(hours: float, kind: str = "message", client: int = 1) -> Touch:
    return Touch(client, NOON + dt.timedelta(hours=hours), kind, kind == "message")


def test_a_touch_counts_for_every_bill_that_is_open() -> None:
    cycles = [
        Cycle(1, MONDAY, MONDAY + 5 * DAY),
        Cycle(1, MONDAY - 9 * DAY, MONDAY),
        Cycle(2, MONDAY, MONDAY),
    ]
    said = [touch(0, "dunning"), touch(24, "staff_text"), touch(0, "receipt"), touch(0)]
    found = work.touches_per_cycle(cycles, said)
    assert plain(found.mean, found.untouched, found.spread.median) == (1, 1, 1)


@pytest.mark.parametrize(
    ("said", "first", "staff", "waiting"),
    [
        pytest.param([touch(0), touch(2, "staff_text")], 2, 2, 0, id="by staff"),
        pytest.param([touch(0), touch(1, "answer"), touch(5, "staff_text")], 1, 5, 0, id="machine"),
        pytest.param([touch(0), touch(3), touch(4, "answer")], 4, None, 0, id="the first of two"),
        pytest.param([touch(0), touch(1, "dunning")], None, None, 1, id="a reminder is none"),
        pytest.param([touch(0), touch(1, "answer", client=2)], None, None, 1, id="another client"),
        pytest.param(
            [touch(0, "automatic"), touch(1, "answer")], None, None, 0, id="out of office"
        ),
    ],
)
def test_an_answer_answers(
    said: list[Touch], first: int | None, staff: int | None, waiting: int
) -> None:
    found = work.first_response(reversed(said))
    assert (found.first.median, found.staff.median, found.waiting) == (first, staff, waiting)


def test_hours_are_tasks_at_stated_minutes() -> None:
    found = work.hours_recaptured({"dunning": 10, "logged": 10, "escalation": 1, "offer": 5})
    assert found.hours == Fraction(10 * 6 + 10 + 20, 60)
    said = definition(work.hours_recaptured).text
    assert all(str(minutes) in said for minutes in work.MINUTES.values())


# --- retention ------------------------------------------------------------------------------------


def test_75_net_and_gross_retention() -> None:
    bases = [(50, 62), (30, 27), (4, 0), (16, 16), (0, 99)]
    found = retention.recurring(Base(Fraction(a), Fraction(b)) for a, b in bases)
    assert plain(found.start, found.expansion, found.contraction, found.churn) == (100, 12, 3, 4)
    assert retention.net_retention(found) == 105
    assert retention.gross_retention(found) == 93
    assert retention.net_retention(retention.recurring([])) is None


@pytest.mark.parametrize(
    ("kind", "cycle", "month"),
    [
        ("subscription", "monthly", 1200),
        ("subscription", "quarterly", 400),
        ("retainer", "", 1200),
        ("term", "", 100),
        ("term", "milestone", None),
        ("term", "once", None),
    ],
)
def test_agreements_are_told_by_month(kind: str, cycle: str, month: int | None) -> None:
    assert retention.monthly(1200, kind, cycle) == month


def test_a_lifetime_ends_with_the_rate_at_which_clients_leave() -> None:
    lost = retention.recurring(
        [Base(Fraction(100), Fraction(100)), Base(Fraction(50), Fraction(0))]
    )
    found = retention.lifetime_value(4, 1_000, lost, 12)
    assert plain(found.so_far, found.lifetime) == (250, 75 * 24)
    kept = retention.recurring([Base(Fraction(100), Fraction(100))])
    assert retention.lifetime_value(4, 1_000, kept, 12).lifetime is None


# --- what all of them share -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "median", "p90"),
    [([], None, None), ([3], 3, 3), ([1, 2], Fraction(3, 2), 2), (list(range(1, 11)), 5.5, 9)],
)
def test_the_middle_and_the_slow_end(values: list[int], median: object, p90: object) -> None:
    found = spread(values)
    assert (found.median, found.p90) == (median, p90)


def test_a_period_has_both_its_ends() -> None:
    period = Period.ending(dt.date(2026, 3, 31), 90)
    assert (period.first, period.days) == (dt.date(2026, 1, 1), 90)
    assert period.last in period
    assert period.before not in period
