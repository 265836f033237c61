import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import calendar, policy, renewals
from billing.arrears import OpenInstalment
from billing.renewals import RenewalFact

NEW_YORK = "America/New_York"
RENEWS = dt.date(2026, 7, 1)
DEFAULT = policy.default()
PLAN = RenewalFact(
    agreement_id=1,
    name="Managed care plan",
    kind="subscription",
    renews_on=RENEWS,
    amount=120000,
    currency="USD",
    taken=(),
    state="active",
)
OTHER_DEBT = OpenInstalment(
    id=1,
    invoice_id=1,
    number="INV-204",
    currency="EUR",
    issued_on=dt.date(2026, 5, 1),
    due_on=dt.date(2026, 6, 12),
    amount=31000,
    open=31000,
)


def before(days: int) -> dt.datetime:
    return calendar.midnight(RENEWS - dt.timedelta(days=days), NEW_YORK) + dt.timedelta(hours=9)


def decide(
    renewal: RenewalFact, days: int, overdue: tuple[OpenInstalment, ...] = ()
) -> renewals.Decision:
    return renewals.decide(renewal, overdue, before(days), DEFAULT, NEW_YORK)


@pytest.mark.parametrize(
    ("days", "taken", "expected"),
    [
        pytest.param(91, (), ("Wait", 0), id="too early"),
        pytest.param(90, (), ("Send", 1), id="first"),
        pytest.param(89, (1,), ("Wait", 0), id="waits for the next"),
        pytest.param(60, (1,), ("Send", 2), id="second"),
        pytest.param(30, (1, 2), ("Send", 3), id="third"),
        pytest.param(7, (1, 2, 3), ("Send", 4), id="fourth"),
        pytest.param(5, (), ("Send", 4), id="only the latest of four missed"),
        pytest.param(20, (1,), ("Send", 3), id="only the latest of two missed"),
        pytest.param(5, (1,), ("Send", 4), id="a missed one is not made up for"),
        pytest.param(0, (1, 2), ("Send", 4), id="still on the day"),
        pytest.param(5, (4,), ("Idle", 0), id="all said"),
        pytest.param(-1, (1, 2), ("Late", 0), id="54 the date has passed"),
        pytest.param(-1, (1, 2, 3, 4), ("Idle", 0), id="passed, all said"),
    ],
)
def test_the_latest_reached_notice_goes(
    days: int, taken: tuple[int, ...], expected: tuple[str, int]
) -> None:
    decision = decide(replace(PLAN, taken=taken), days)
    assert (type(decision).__name__, getattr(decision, "step", 0)) == expected


@pytest.mark.parametrize("state", ["renewed", "lapsed", "cancelled"])
def test_an_agreement_that_is_over_says_nothing(state: str) -> None:
    assert decide(replace(PLAN, state=state), 7).rule == state


def test_the_next_notice_is_looked_for_at_its_midnight() -> None:
    expected = calendar.midnight(RENEWS - dt.timedelta(days=60), NEW_YORK)
    assert decide(replace(PLAN, taken=(1,)), 75).look_again == expected


def test_54_an_overdue_client_gets_no_renewal_until_it_pays() -> None:
    taken = replace(PLAN, taken=(1, 2, 3))
    held = decide(taken, 7, (OTHER_DEBT,))
    assert isinstance(held, renewals.Held)
    assert (held.step, held.rule) == (4, "overdue")
    assert held.reason == (
        "The notice for Managed care plan waits: INV-204 is 12 days overdue, €310.00."
    )
    assert held.look_again == calendar.midnight(RENEWS + dt.timedelta(days=1), NEW_YORK)
    assert isinstance(decide(taken, 5), renewals.Send)
    assert isinstance(decide(taken, -1, (OTHER_DEBT,)), renewals.Late)


def test_56_debt_of_one_agreement_holds_the_other() -> None:
    assert isinstance(decide(replace(PLAN, agreement_id=2), 7, (OTHER_DEBT,)), renewals.Held)


def test_what_is_due_today_holds_nothing() -> None:
    due = replace(OTHER_DEBT, due_on=RENEWS - dt.timedelta(days=7))
    assert isinstance(decide(PLAN, 7, (due,)), renewals.Send)


def test_a_notice_comes_with_its_template() -> None:
    decision = decide(PLAN, 60)
    assert isinstance(decision, renewals.Send)
    assert (decision.template, decision.channels) == ("renewal_notice", ("email",))


@given(st.lists(st.integers(-5, 100), max_size=30))
def test_no_notice_goes_twice_or_backwards(days: list[int]) -> None:
    renewal = PLAN
    for left in sorted(days, reverse=True):
        decision = decide(renewal, left)
        if isinstance(decision, renewals.Send):
            assert decision.step > max(renewal.taken, default=0)
            renewal = replace(renewal, taken=(*renewal.taken, decision.step))
            assert not isinstance(decide(renewal, left), renewals.Send)
        if isinstance(decision, renewals.Wait):
            assert decision.look_again > before(left)


def test_a_last_notice_that_reached_nobody_makes_it_late() -> None:
    vain = replace(PLAN, taken=(1, 2, 3, 4), in_vain=(4,))
    waiting = decide(vain, 0)
    assert isinstance(waiting, renewals.Wait)
    assert waiting.rule == "last_notice_in_vain"
    assert waiting.look_again == calendar.midnight(RENEWS + dt.timedelta(days=1), NEW_YORK)
    assert isinstance(decide(vain, -1), renewals.Late)
