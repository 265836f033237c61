"""Which ladder is an invoice on where a firm has several, and whose days count?"""

from dataclasses import replace

import pytest

from billing import calendar, dunning, policy
from tests.billing.ladders import DEFAULT, NEW_YORK, account, at, day, owed, said, took

# --- ladders of one's own -------------------------------------------------------------------------

NAMED = policy.parse(
    """
[dunning]
courtesy_days = 5
[ladders.gentle]
count_from = "due"
grace_days = 10
[ladders.alone]
chase = false
[ladders.works]
days = "business"
[ladders.monthly]
[[ladders.monthly.steps]]
months = 1
action = "remind"
template = "t"
channels = ["email"]
[segments]
hospitals = "gentle"
partners = "alone"
"""
)


@pytest.mark.parametrize(
    ("invoice", "client", "segment", "on", "expected"),
    [
        pytest.param("", "", "", 30, ("Send", 1), id="the policy's"),
        pytest.param("", "", "hospitals", 43, ("Wait", 0), id="the segment's"),
        pytest.param("", "", "hospitals", 44, ("Send", 1), id="the segment's day"),
        pytest.param("", "alone", "hospitals", 44, ("Idle", 0), id="the client's before it"),
        pytest.param("default", "alone", "hospitals", 30, ("Send", 1), id="the invoice's first"),
        pytest.param("gone", "", "", 30, ("Send", 1), id="one that is not there is none"),
        pytest.param("", "", "partners", 300, ("Idle", 0), id="left alone"),
    ],
)
def test_an_invoice_has_its_own_ladder_or_else_its_clients_or_its_segments(
    invoice: str, client: str, segment: str, on: int, expected: tuple[str, int]
) -> None:
    debt = replace(owed(1), ladder=invoice)
    case = account(debt, ladder=client, segment=segment)
    assert said(dunning.decide(case, at(on), NAMED)) == expected


def test_what_is_left_alone_is_not_part_of_what_is_asked() -> None:
    case = account(replace(owed(1), ladder="alone"), owed(2, issued=5))
    decision = dunning.decide(case, at(40), NAMED)
    assert isinstance(decision, dunning.Send)
    assert ([one.id for one in decision.listed], decision.total) == ([2], 31000)


def test_what_has_begun_keeps_its_version_but_not_whom_it_leaves_alone() -> None:
    begun = account(owed(1), taken=(took(1, 30, 1),), pinned=DEFAULT)
    sooner = policy.parse(
        '[[dunning.steps]]\noffset = 30\naction = "remind"\ntemplate = "t"\nchannels = ["sms"]\n'
        '[[dunning.steps]]\noffset = 35\naction = "escalate"\n'
    )
    assert said(dunning.decide(begun, at(40), sooner)) == ("Wait", 0)
    assert said(dunning.decide(replace(begun, pinned=None), at(40), sooner)) == ("Escalate", 2)
    nobody = policy.parse("[dunning]\nchase = false")
    assert said(dunning.decide(begun, at(50), nobody)) == ("Idle", 0)


def test_after_a_rejected_dispute_the_next_step_follows_with_courtesy() -> None:
    debt = replace(owed(1), rejected=31000, rejected_at=at(46))
    case = account(debt, taken=(took(1, 30, 1),))
    resting = dunning.decide(case, at(50), NAMED)
    assert said(resting) == ("Idle", 0)
    assert resting.look_again == calendar.midnight(day(51), NEW_YORK)
    assert said(dunning.decide(case, at(51), NAMED)) == ("Send", 2)


def test_an_anchor_that_was_not_named_has_a_step_of_its_own() -> None:
    named = took(2, 45, 2)
    old, young = owed(1, issued=0), owed(2, issued=1)
    case = account(old, young, taken=(took(1, 31, 2), named))
    # The older one came out of a dispute: it is old enough for the second step, and gets that.
    assert said(dunning.decide(case, at(61), NAMED)) == ("Escalate", 3)
    younger = account(owed(1, issued=15), owed(2, issued=16), taken=(took(1, 31, 2), named))
    decision = dunning.decide(younger, at(61), NAMED)
    assert said(decision) == ("Send", 2)
    assert isinstance(decision, dunning.Send)
    assert decision.round == 2


def test_business_days_are_those_of_the_clients_country() -> None:
    case = account(owed(1), ladder="works")
    # 30 business days after 1 January 2026, with one holiday: 13 February, not 12.
    assert said(dunning.decide(case, at(42), NAMED)) == ("Wait", 0)
    assert said(dunning.decide(case, at(43), NAMED)) == ("Send", 1)


def test_a_month_after_the_31st_is_the_last_of_february() -> None:
    case = account(owed(1, issued=30, due=31), ladder="monthly")
    assert said(dunning.decide(case, at(57), NAMED)) == ("Wait", 0)
    assert said(dunning.decide(case, at(58), NAMED)) == ("Send", 1)
