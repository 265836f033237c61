import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import policy, retries
from billing.retries import Attempt, Item, Next, Rest, Term

DEFAULT = policy.default().renewal.retries
START = dt.datetime(2026, 7, 1, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HARD = {"hard": True}
CUSTOMER = {"initiated_by": "customer"}


def at(days: float) -> dt.datetime:
    return START + days * DAY


def failed(days: float, **more: object) -> Attempt:
    return Attempt(payment_id=int(days * 100), at=at(days), outcome="failed", **more)  # type: ignore[arg-type]


def item(*attempts: Attempt, settled: bool = False) -> Item:
    return Item(
        key="INV-1", term=START.date(), amount=24_995, currency="USD", attempts=attempts,
        settled=settled,
    )  # fmt: skip


PAID = Attempt(payment_id=9, at=at(30), outcome="succeeded")
UNDER_WAY = Attempt(payment_id=8, at=at(3), outcome="under_way")


@pytest.mark.parametrize(
    ("tried", "cards", "expected"),
    [
        pytest.param((failed(0),), (), ("retry_due", 2), id="first failure"),
        pytest.param((failed(0), failed(2)), (), ("retry_due", 7), id="62 five days after"),
        pytest.param((failed(0), failed(2), failed(7)), (), ("retry_due", 14), id="third"),
        pytest.param(
            (failed(0), failed(2), failed(3, **CUSTOMER)), (), ("retry_due", 7), id="62 customer"
        ),
        pytest.param((failed(0), failed(2)), (3,), ("new_card", 3), id="62 a new card at once"),
        pytest.param(
            (failed(0), failed(2), failed(3)), (2.5,), ("retry_due", 7), id="62 no rung of its own"
        ),
        pytest.param((failed(0, **HARD),), (), ("hard_decline", 21), id="62 hard"),
        pytest.param((failed(0, **HARD),), (1,), ("new_card", 1), id="hard, but a new card"),
        pytest.param((failed(0), UNDER_WAY), (), ("charge_under_way", 21), id="under way"),
        pytest.param(
            tuple(map(failed, (0, 2, 7, 14, 21))), (), ("retries_over", 21), id="all declined"
        ),
        pytest.param((failed(0), PAID), (), ("recovered", None), id="recovered"),
        pytest.param((failed(0, **CUSTOMER),), (), ("nothing_failed", None), id="theirs alone"),
    ],
)
def test_62_what_is_tried_next(
    tried: tuple[Attempt, ...], cards: tuple[float, ...], expected: tuple[str, float | None]
) -> None:
    found = retries.decide(item(*tried), [at(day) for day in cards], DEFAULT)
    when = found.at if isinstance(found, Next) else found.until
    assert (found.rule, when) == (expected[0], None if expected[1] is None else at(expected[1]))


def test_what_was_paid_in_another_way_is_not_tried() -> None:
    found = retries.decide(item(failed(0), settled=True), [], DEFAULT)
    assert isinstance(found, Rest)
    assert not retries.is_dunned(item(failed(0), settled=True))


@given(
    st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), min_size=1, max_size=8),
    st.lists(st.integers(0, 40), max_size=3),
)
def test_no_try_comes_before_the_last_or_after_the_deadline(
    tries: list[tuple[int, bool, bool]], cards: list[int]
) -> None:
    attempts = [
        failed(day, hard=hard, initiated_by="customer" if own else "system")
        for day, hard, own in sorted(tries)
    ]
    moments = sorted(at(day) for day in cards)
    found = retries.decide(item(*attempts), moments, DEFAULT)
    if isinstance(found, Next):
        assert found.at >= attempts[-1].at or attempts[-1].initiated_by == "customer"
        assert found.rule == "new_card" or found.at <= retries.deadline(item(*attempts), DEFAULT)
        assert found.number <= len(attempts)


ACTIVE = Term(state="active")


@pytest.mark.parametrize(
    ("term", "items", "days", "expected"),
    [
        pytest.param(ACTIVE, (), 0, "active", id="nothing charged"),
        pytest.param(ACTIVE, (item(failed(0)),), 1, "past_due", id="58 declined"),
        pytest.param(
            ACTIVE, (item(failed(0), PAID), item(failed(0))), 1, "past_due", id="59 one of two"
        ),
        pytest.param(
            ACTIVE, (item(failed(0), PAID), item(failed(0), PAID)), 1, "active", id="59 both"
        ),
        pytest.param(ACTIVE, (item(failed(0)),), 22, "suspended", id="after its deadline"),
        pytest.param(
            replace(ACTIVE, pauses=((at(-5).date(), None),)), (), 0, "suspended", id="told so"
        ),
        pytest.param(
            replace(ACTIVE, pauses=((at(-5).date(), at(0).date()),)), (), 0, "active", id="resumed"
        ),
        pytest.param(
            Term(state="cancelled", ended_on=at(0).date()), (item(failed(1)),), 2, "ended",
            id="60 ended, and nothing after",
        ),
        pytest.param(
            Term(state="cancelled", ended_on=at(9).date()), (item(failed(0)),), 1, "past_due",
            id="is to end, and owes",
        ),
        pytest.param(
            Term(state="cancelled", ended_on=at(9).date()), (), 1, "cancel_scheduled", id="to end"
        ),
        pytest.param(Term(state="renewed"), (), 0, "renewed", id="renewed"),
    ],
)  # fmt: skip
def test_where_an_agreement_stands(
    term: Term, items: tuple[Item, ...], days: int, expected: str
) -> None:
    assert retries.standing(term, items, at(days), at(days).date(), DEFAULT) == expected
