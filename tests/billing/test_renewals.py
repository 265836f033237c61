import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import calendar, gates, policy, renewals
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


# --- ladders of their own, and time to end it -----------------------------------------------------

LADDERS = """
[renewal]
lead_days = 5
[renewal.by_kind]
subscription = "short"
[[renewal.ladders.short.steps]]
days_before = 14
template = "renewal_notice"
channels = ["sms"]
[[renewal.ladders.long.steps]]
days_before = 120
template = "renewal_notice"
channels = ["email"]
"""


@pytest.mark.parametrize(
    ("more", "first"),
    [
        pytest.param({}, 14, id="of its kind"),
        pytest.param({"ladder": "long"}, 120, id="its own"),
        pytest.param({"ladder": "unknown"}, 14, id="one that is not there"),
        pytest.param({"kind": "retainer"}, 90, id="the firm's"),
        pytest.param({"notice_days": 30}, 35, id="in time to be ended"),
        pytest.param({"notice_days": 3}, 14, id="in time anyway"),
    ],
)
def test_the_first_notice_is_that_of_its_ladder_and_in_time(
    more: dict[str, Any], first: int
) -> None:
    plan = replace(PLAN, **more)
    rules = policy.parse(LADDERS)
    early, due = (
        renewals.decide(plan, (), before(days), rules, NEW_YORK) for days in (first + 1, first)
    )
    assert (type(early), type(due)) == (renewals.Wait, renewals.Send)


def test_a_term_goes_on_under_the_policy_by_which_it_began() -> None:
    begun = replace(PLAN, taken=(1, 2), pinned=DEFAULT)
    found = renewals.decide(begun, (), before(30), policy.parse(LADDERS), NEW_YORK)
    assert isinstance(found, renewals.Send)
    assert (found.step, found.channels) == (3, ("email",))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[renewal.by_kind]\nterm = "shrt"', "renewal.by_kind.term"),
        ('[renewal.by_kind]\ntrem = "short"', "renewal.by_kind.trem"),
        ("[renewal.ladders.a]\nsteps = []", "renewal.ladders.a.steps"),
        ("[renewal.retries]\nafter_days = [0]", "renewal.retries.after_days"),
        ("[renewal.retries]\ndeadline_days = 20", "renewal.retries.deadline_days"),
        ("[renewal]\nwithout = [3]", "renewal.without"),
        ('[renewal]\nunused = "give"', "renewal.unused"),
    ],
)
def test_a_mistake_in_the_renewals_is_named(text: str, key: str) -> None:
    with pytest.raises(policy.PolicyError) as error:
        policy.parse(text)
    assert [one.key for one in error.value.mistakes] == [key]


@pytest.mark.parametrize(
    "text", ["[renewal]\nenabled = false", '[renewal]\nwithout = ["Harrow Law"]']
)
def test_61_where_nothing_is_renewed_nothing_is_due(text: str) -> None:
    plan = replace(PLAN, entity="Harrow Law", taken=(1,))
    for days in (90, 7, -1):
        found = renewals.decide(plan, (), before(days), policy.parse(text), NEW_YORK)
        assert (type(found), found.rule) == (renewals.Idle, "renewals_disabled")


@pytest.mark.parametrize(
    ("days", "more", "expected"),
    [
        pytest.param(31, {}, "", id="there is time"),
        pytest.param(30, {}, "last_day", id="the last day"),
        pytest.param(29, {}, "past", id="the day after"),
        pytest.param(29, {"heard": True}, None, id="they have heard"),
        pytest.param(29, {"notice_days": 0}, None, id="no notice is needed"),
        pytest.param(29, {"state": "cancelled"}, None, id="it is over"),
        pytest.param(
            29,
            {"overrides": (gates.Override(1, "cli:ops", before(20)),)},
            None,
            id="somebody lets it pass",
        ),
    ],
)
def test_the_owner_is_warned_when_a_held_notice_comes_to_be_of_no_use(
    days: int, more: dict[str, Any], expected: str | None
) -> None:
    debt = replace(OTHER_DEBT, due_on=dt.date(2026, 5, 20))
    plan = replace(PLAN, **{"notice_days": 30, "taken": (1,), **more})
    found = renewals.unheard(plan, (debt,), before(days), DEFAULT, NEW_YORK)
    assert (found.warn if found else None) == expected


def test_nobody_is_warned_of_a_notice_that_nothing_holds() -> None:
    plan = replace(PLAN, notice_days=30, taken=(1,))
    assert renewals.unheard(plan, (), before(29), DEFAULT, NEW_YORK) is None
