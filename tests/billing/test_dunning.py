"""What is done about what somebody owes, and when?"""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import calendar, dunning, policy
from billing.arrears import How
from billing.dunning import Account, Taken
from billing.policy import Policy
from tests.billing.ladders import (
    DEFAULT,
    NEW_YORK,
    A,
    B,
    account,
    at,
    day,
    hold,
    ladder,
    owed,
    said,
    took,
)


@pytest.mark.parametrize(
    ("case", "on", "expected"),
    [
        pytest.param(account(A), 10, ("Wait", 0), id="not overdue"),
        pytest.param(account(A), 29, ("Wait", 0), id="overdue but young"),
        pytest.param(account(A), 30, ("Send", 1), id="first step on its day"),
        pytest.param(account(A, taken=(took(1, 30, 1),)), 44, ("Wait", 0), id="in between"),
        pytest.param(account(A, taken=(took(1, 30, 1),)), 45, ("Send", 2), id="second step"),
        pytest.param(account(A, taken=(took(1, 33, 1),)), 47, ("Wait", 0), id="late, interval"),
        pytest.param(account(A, taken=(took(1, 33, 1),)), 48, ("Send", 2), id="late, rested"),
        pytest.param(
            account(A, taken=(took(1, 30, 1), took(2, 45, 1))), 60, ("Escalate", 3), id="owner"
        ),
        pytest.param(
            account(A, taken=(took(2, 45, 1), took(3, 60, 1, how="escalated"))),
            99,
            ("Exhausted", 0),
            id="with its owner",
        ),
        pytest.param(account(A), 100, ("Send", 1), id="25 long down, mildest unsent"),
        pytest.param(
            account(A, taken=(took(1, 100, 1),)), 101, ("Wait", 0), id="25 not two in a row"
        ),
        pytest.param(account(owed(1, due=60)), 60, ("Wait", 0), id="never before overdue"),
        pytest.param(account(owed(1, due=60)), 61, ("Send", 1), id="as soon as overdue"),
        pytest.param(
            account(A, taken=(took(1, 30, 1, how="queued"),)), 80, ("Wait", 0), id="still queued"
        ),
        pytest.param(
            account(A, taken=(took(1, 30, 1, how="failed"),)), 44, ("Wait", 0), id="failed, rests"
        ),
        pytest.param(
            account(A, taken=(took(1, 30, 1, how="failed"),)), 45, ("Send", 1), id="failed, again"
        ),
        pytest.param(
            account(
                A, taken=(took(1, 30, 1, how="failed"), took(1, 45, 1, how="failed", round_=2))
            ),
            46,
            ("Escalate", 1),
            id="nothing gets through",
        ),
        pytest.param(account(), 100, ("Idle", 0), id="35 only issued invoices come here"),
        pytest.param(account(A, unapplied=31000), 40, ("Idle", 0), id="in credit"),
        pytest.param(
            account(B, taken=(took(1, 30, 1),)), 45, ("Cured", 0), id="23 the listed one is paid"
        ),
        pytest.param(account(B), 45, ("Send", 1), id="23 the other starts anew"),
        pytest.param(account(taken=(took(1, 30, 1),)), 31, ("Cured", 0), id="22 paid in between"),
        pytest.param(
            account(B, taken=(took(1, 40, 1, 2),)), 55, ("Send", 2), id="27 a listed one goes on"
        ),
        pytest.param(
            account(B, taken=(took(1, 40, 1, 2),)), 54, ("Wait", 0), id="27 at its own age"
        ),
        pytest.param(
            account(A, B, taken=(took(1, 30, 1),)), 45, ("Send", 2), id="26 siblings come along"
        ),
    ],
)
def test_the_ladder(case: Account, on: int, expected: tuple[str, int]) -> None:
    assert said(dunning.decide(case, at(on), DEFAULT)) == expected


@pytest.mark.parametrize(
    ("case", "on", "rule"),
    [
        (account(), 40, "nothing_open"),
        (account(A), 10, "not_overdue"),
        (account(A), 29, "step_not_due"),
        (account(A), 30, "step_due"),
        (account(replace(A, in_flight=31000)), 40, "in_flight"),
        (account(replace(A, disputed=31000)), 40, "disputed"),
        (account(replace(A, promised=31000)), 40, "promised"),
        (account(replace(A, held=True)), 40, "held"),
        (account(A, unapplied=40000), 40, "in_credit"),
        (account(A, holds=(hold(),)), 40, "held"),
        (account(A, taken=(took(1, 30, 1, how="queued"),)), 31, "step_queued"),
    ],
)
def test_a_rule_has_its_name(case: Account, on: int, rule: str) -> None:
    assert dunning.decide(case, at(on), DEFAULT).rule == rule


def test_a_reason_names_invoice_and_days() -> None:
    decision = dunning.decide(account(A), at(30), DEFAULT)
    assert decision.reason == (
        "Step 1 is due: INV-201, issued on 1 Jan 2026, is 16 days overdue; $310.00 in all."
    )


def test_a_notice_names_what_is_overdue_oldest_first() -> None:
    mixed = account(B, replace(A, disputed=1000), owed(3, issued=29), owed(4, disputed=31000))
    decision = dunning.decide(mixed, at(40), DEFAULT)
    assert isinstance(decision, dunning.Send)
    assert [instalment.id for instalment in decision.listed] == [1, 2]
    assert (decision.anchor.id, decision.total) == (1, 61000)
    assert (decision.template, decision.channels) == ("first_reminder", ("email", "sms"))


def test_17_currencies_have_their_own_minimum() -> None:
    firm = policy.parse("[dunning.minimum]\nEUR = 150\nUSD = 100")
    euro = account(replace(owed(1, open=14900), currency="EUR"), currency="EUR")
    more = replace(euro, instalments=(replace(euro.instalments[0], open=15900),))
    assert dunning.decide(euro, at(40), firm).rule == "below_minimum"
    assert said(dunning.decide(more, at(40), firm)) == ("Send", 1)
    assert said(dunning.decide(account(owed(1, open=12000)), at(40), firm)) == ("Send", 1)


def test_18_the_minimum_is_about_what_is_left() -> None:
    firm = policy.parse("[dunning.minimum]\nUSD = 500")
    left = account(replace(owed(1, open=1000), amount=100000))
    assert dunning.decide(left, at(40), firm).rule == "below_minimum"


@pytest.mark.parametrize(
    ("currency", "open_", "rule"),
    [("USD", 520, "within_tolerance"), ("USD", 551, "step_due"), ("JPY", 1, "step_due")],
)
def test_19_a_tolerance_is_per_currency(currency: str, open_: int, rule: str) -> None:
    firm = policy.parse('[dunning.tolerance]\nEUR = "5.00"\nUSD = "5.50"')
    case = account(replace(owed(1, open=open_), currency=currency), currency=currency)
    assert dunning.decide(case, at(40), firm).rule == rule


def test_a_remainder_within_the_tolerance_neither_keeps_nor_carries_the_ladder() -> None:
    firm = policy.parse('[dunning.tolerance]\nUSD = "1.00"')
    rest = account(owed(1, open=10), owed(2, issued=40), taken=(took(2, 45, 1),))
    assert dunning.decide(rest, at(60), firm).rule == "cured"
    assert said(dunning.decide(replace(rest, taken=()), at(69), firm)) == ("Wait", 0)
    assert said(dunning.decide(replace(rest, taken=()), at(70), firm)) == ("Send", 1)


@pytest.mark.parametrize(
    ("on", "taken", "expected"),
    [
        (9, (), ("Wait", 0)),
        (10, (), ("Send", 1)),
        (14, (took(1, 10, 1),), ("Send", 2)),
        (21, (took(1, 10, 1), took(2, 14, 1)), ("Send", 3)),
        (27, (took(1, 10, 1), took(2, 14, 1), took(3, 21, 1)), ("Wait", 0)),
        (28, (took(1, 10, 1), took(2, 14, 1), took(3, 21, 1)), ("Escalate", 4)),
    ],
)
def test_22_a_ladder_of_ten_fourteen_twenty_one(
    on: int, taken: tuple[Taken, ...], expected: tuple[str, int]
) -> None:
    case = account(owed(1, due=0), taken=taken)
    assert said(dunning.decide(case, at(on), ladder(10, 14, 21))) == expected


def test_24_a_paid_anchor_does_not_skip_a_step() -> None:
    firm, late = ladder(5, 7, 11), owed(3, issued=2, due=2)
    waits = dunning.decide(account(late), at(3), firm)
    assert waits.look_again == calendar.midnight(day(7), NEW_YORK)
    assert said(dunning.decide(account(late), at(7), firm)) == ("Send", 1)
    assert said(dunning.decide(account(late, taken=(took(1, 7, 3),)), at(9), firm)) == ("Send", 2)


def test_days_may_be_counted_from_due() -> None:
    firm = policy.parse('[dunning]\ncount_from = "due"')
    assert said(dunning.decide(account(A), at(43), firm)) == ("Wait", 0)
    assert said(dunning.decide(account(A), at(44), firm)) == ("Send", 1)


def test_48_a_disputed_invoice_is_not_named_and_the_rest_starts_mildly() -> None:
    case = account(
        replace(A, disputed=31000), owed(2, issued=20), taken=(took(1, 30, 1), took(2, 45, 1))
    )
    decision = dunning.decide(case, at(50), DEFAULT)
    assert isinstance(decision, dunning.Send)
    assert (decision.step, decision.round) == (1, 2)
    assert [instalment.id for instalment in decision.listed] == [2]


def test_8_a_failed_debit_goes_on_at_the_same_step() -> None:
    under_way = account(replace(A, in_flight=31000), taken=(took(1, 30, 1),))
    assert dunning.decide(under_way, at(45), DEFAULT).rule == "in_flight"
    failed = account(A, taken=(took(1, 30, 1),))
    assert said(dunning.decide(failed, at(49), DEFAULT)) == ("Send", 2)


def test_33_an_ended_pause_sends_one_step() -> None:
    paused = account(A, holds=(hold(at(90)),))
    stopped = dunning.decide(paused, at(60), DEFAULT)
    assert isinstance(stopped, dunning.Held)
    assert stopped.look_again == at(90)
    assert said(dunning.decide(paused, at(90), DEFAULT)) == ("Send", 1)
    sent = replace(paused, taken=(took(1, 90, 1),))
    assert said(dunning.decide(sent, at(91), DEFAULT)) == ("Wait", 0)


def test_the_longest_hold_counts() -> None:
    case = account(A, holds=(hold(at(50)), replace(hold(), id=2, reason="bankruptcy")))
    decision = dunning.decide(case, at(40), DEFAULT)
    assert isinstance(decision, dunning.Held)
    assert (decision.hold.id, decision.look_again) == (2, None)


def test_a_hold_on_an_invoice_spares_only_that() -> None:
    case = account(A, B, holds=(hold(at(60), invoice=1),))
    decision = dunning.decide(case, at(41), DEFAULT)
    assert isinstance(decision, dunning.Send)
    assert [instalment.id for instalment in decision.listed] == [2]
    alone = dunning.decide(replace(case, instalments=(A,)), at(41), DEFAULT)
    assert (alone.rule, alone.look_again) == ("held", at(60))


@pytest.mark.parametrize(
    ("case", "on", "again"),
    [
        pytest.param(account(A), 3, 15, id="overdue"),
        pytest.param(account(A), 15, 30, id="old enough"),
        pytest.param(account(A, taken=(took(1, 33, 1),)), 34, 48, id="rested"),
        pytest.param(
            account(owed(1, due=35), owed(2, issued=10, due=20)), 25, 36, id="an older one joins"
        ),
        pytest.param(account(A, owed(2, issued=20), unapplied=31000), 30, 35, id="out of credit"),
        pytest.param(account(replace(A, disputed=31000), B), 20, 25, id="beside a dispute"),
        pytest.param(account(replace(A, disputed=31000)), 20, None, id="only a dispute"),
    ],
)
def test_it_looks_again_when_something_can_happen(
    case: Account, on: int, again: int | None
) -> None:
    expected = None if again is None else calendar.midnight(day(again), NEW_YORK)
    assert dunning.decide(case, at(on), DEFAULT).look_again == expected


def credited(decision: dunning.Decision) -> list[tuple[int, dt.date]]:
    assert isinstance(decision, dunning.Credit)
    return [(step.step, step.on) for step in decision.steps]


def store(case: Account, decision: dunning.Decision, today: dt.date) -> Account:
    """What the caller records after a decision."""
    new: tuple[Taken, ...] = ()
    if isinstance(decision, dunning.Send | dunning.Escalate):
        how: How = "sent" if isinstance(decision, dunning.Send) else "escalated"
        named = frozenset(instalment.id for instalment in decision.listed)
        step, round_ = decision.step, decision.round
        new = (Taken(step=step, round=round_, taken_on=today, how=how, listed=named),)
    elif isinstance(decision, dunning.Credit):
        new = tuple(
            Taken(step=c.step, round=c.round, taken_on=c.on, how="imported", listed=c.listed)
            for c in decision.steps
        )
    elif isinstance(decision, dunning.Cured):
        return replace(case, taken=())
    return replace(case, taken=case.taken + new)


@pytest.mark.parametrize(
    ("age", "counted", "then"),
    [
        pytest.param(33, [], ("Send", 1), id="one step, just passed"),
        pytest.param(37, [], ("Send", 1), id="seven days are caught up"),
        pytest.param(38, [1], ("Wait", 0), id="eight days are credited"),
        pytest.param(50, [1], ("Send", 2), id="one credited, one contact"),
        pytest.param(100, [1, 2], ("Escalate", 3), id="both credited, the owner is told"),
    ],
)
def test_imported_history_is_no_burst(age: int, counted: list[int], then: tuple[str, int]) -> None:
    case = account(A, imported_on=day(age))
    decision = dunning.decide(case, at(age), DEFAULT)
    if counted:
        days = {1: day(30), 2: day(45)}
        assert credited(decision) == [(step, days[step]) for step in counted]
        decision = dunning.decide(store(case, decision, day(age)), at(age), DEFAULT)
    assert said(decision) == then


def test_a_young_invoice_gets_no_credit_from_an_old_one() -> None:
    case = account(A, owed(2, issued=60), imported_on=day(100))
    decision = dunning.decide(case, at(100), DEFAULT)
    assert isinstance(decision, dunning.Credit)
    assert [sorted(step.listed) for step in decision.steps] == [[1, 2], [1]]


def test_what_is_issued_after_the_import_gets_no_credit() -> None:
    case = account(owed(1, issued=10), imported_on=day(5))
    assert said(dunning.decide(case, at(90), DEFAULT)) == ("Send", 1)


amounts = st.integers(0, 500)
instalments = st.builds(
    lambda id_, issued, terms, open_, fences: replace(
        owed(id_, issued=issued, due=issued + terms, open=open_),
        disputed=fences[0],
        in_flight=fences[1],
        promised=fences[2],
        held=fences[3],
    ),
    st.integers(1, 6),
    st.integers(0, 50),
    st.integers(0, 40),
    st.integers(300, 900),
    st.one_of(st.just((0, 0, 0, False)), st.tuples(amounts, amounts, amounts, st.booleans())),
)
accounts = st.builds(
    lambda items, unapplied, holds, imported: account(
        *items, unapplied=unapplied, holds=holds, imported_on=imported
    ),
    st.lists(instalments, min_size=1, max_size=5, unique_by=lambda i: i.id),
    st.one_of(st.just(0), amounts),
    st.one_of(st.just(()), st.tuples(st.builds(hold, st.builds(at, st.integers(0, 60))))),
    st.one_of(st.none(), st.builds(day, st.integers(0, 120))),
)
policies = st.sampled_from(
    [
        DEFAULT,
        ladder(10, 14, 21),
        policy.parse('[dunning]\ncount_from = "due"\ngrace_days = 3'),
        policy.parse('[dunning.tolerance]\nUSD = "1.00"\n[dunning.minimum]\nUSD = "2.00"'),
    ]
)


@settings(max_examples=150, deadline=None)
@given(accounts, policies, st.lists(st.integers(1, 16), min_size=8, max_size=25), st.data())
def test_the_ladder_keeps_its_promises(
    case: Account, firm: Policy, pauses: list[int], data: st.DataObject
) -> None:
    today, contacts, reached = 0, [], 0
    for pause in pauses:
        today += pause
        for _ in range(4):
            decision = dunning.decide(case, at(today), firm)
            assert decision == dunning.decide(case, at(today), firm)
            if isinstance(decision, dunning.Send):
                owes = dunning.collectible(case, day(today), firm)
                assert decision.total > firm.dunning.tolerance.of("USD")
                assert decision.total >= firm.dunning.minimum.of("USD")
                assert decision.total <= owes
                assert decision.step <= reached + 1
                assert today not in contacts
                contacts.append(today)
            if isinstance(decision, dunning.Wait):
                assert decision.look_again > at(today)
            before, case = case, store(case, decision, day(today))
            keys = [(taken.step, taken.round) for taken in case.taken]
            assert len(keys) == len(set(keys))
            reached = max((taken.step for taken in case.taken), default=0)
            if case == before:
                break
        else:
            pytest.fail("it never comes to rest")
        if case.instalments and data.draw(st.integers(0, 12)) == 12:
            case = replace(case, instalments=case.instalments[1:])


@settings(max_examples=150, deadline=None)
@given(accounts, policies, st.integers(10, 150))
def test_nothing_happens_before_it_looks_again(case: Account, firm: Policy, today: int) -> None:
    decision = dunning.decide(case, at(today), firm)
    if not isinstance(decision, dunning.Wait | dunning.Held | dunning.Idle):
        return
    until = decision.look_again or at(today + 200)
    for later in range(today, today + 200):
        if at(later) >= until:
            break
        still = dunning.decide(case, at(later), firm)
        assert isinstance(still, dunning.Wait | dunning.Held | dunning.Idle)
