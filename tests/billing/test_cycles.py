import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import cycles

DAYS = st.dates(dt.date(2000, 1, 1), dt.date(2060, 12, 31))


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("on", "renews", "cycle", "expected"),
    [
        ("2026-07-10", "2026-08-01", "monthly", ("2026-07-01", "2026-08-01")),
        ("2026-07-01", "2026-08-01", "monthly", ("2026-07-01", "2026-08-01")),
        ("2026-06-30", "2026-08-01", "monthly", ("2026-06-01", "2026-07-01")),
        ("2026-02-28", "2026-01-31", "monthly", ("2026-02-28", "2026-03-31")),
        ("2028-02-28", "2026-01-31", "monthly", ("2028-01-31", "2028-02-29")),
        ("2026-05-05", "2026-12-15", "quarterly", ("2026-03-15", "2026-06-15")),
        ("2026-05-05", "2026-12-15", "yearly", ("2025-12-15", "2026-12-15")),
    ],
)
def test_a_day_is_in_the_cycle_that_the_renewal_date_counts(
    on: str, renews: str, cycle: str, expected: tuple[str, str]
) -> None:
    assert cycles.cycle_of(day(on), day(renews), cycle) == tuple(map(day, expected))


@pytest.mark.parametrize("cycle", ["", "once", "milestone"])
def test_what_has_no_length_has_no_cycle(cycle: str) -> None:
    assert cycles.cycle_of(day("2026-07-10"), day("2026-08-01"), cycle) is None


def test_60_the_unused_days_of_a_month_to_the_cent() -> None:
    july = (day("2026-07-01"), day("2026-08-01"))
    assert cycles.unused(24_995, july, (day("2026-07-10"), day("2026-07-20"))) == 8_063


@given(DAYS, DAYS, st.sampled_from(sorted(cycles.MONTHS)))
def test_every_day_is_in_exactly_one_cycle(on: dt.date, renews: dt.date, cycle: str) -> None:
    found = cycles.cycle_of(on, renews, cycle)
    assert found is not None
    assert found[0] <= on < found[1]
    assert cycles.cycle_of(found[1], renews, cycle) != found


@given(st.integers(1, 10_000_000), st.lists(st.integers(0, 31), min_size=1, max_size=4), DAYS)
def test_no_more_is_credited_than_was_billed(
    amount: int, lengths: list[int], renews: dt.date
) -> None:
    """However the days that could not be used are cut, they come to the cycle at most."""
    whole = cycles.cycle_of(renews, renews, "monthly")
    assert whole is not None
    first, total = whole[0], 0
    for length in lengths:
        until = min(whole[1], first + dt.timedelta(days=length))
        total += cycles.unused(amount, whole, (first, until))
        first = until
    assert 0 <= total <= amount + len(lengths)


JULY = (day("2026-07-01"), day("2026-08-01"))


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        ([], [(1, 32)]),
        ([(1, 32)], []),
        ([(10, 20)], [(1, 10), (20, 32)]),
        ([(10, 20), (5, 12)], [(1, 5), (20, 32)]),
        ([(-30, 3), (30, 90)], [(3, 30)]),
        ([(40, 50)], [(1, 32)]),
    ],
)
def test_what_is_left_of_a_span(taken: list[tuple[int, int]], left: list[tuple[int, int]]) -> None:
    def span(days: tuple[int, int]) -> cycles.Span:
        first, last = (JULY[0] + dt.timedelta(days=one - 1) for one in days)
        return first, last

    assert cycles.without(JULY, map(span, taken)) == list(map(span, left))
