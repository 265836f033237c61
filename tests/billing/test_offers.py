import datetime as dt
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import gates, offers, policy, renewals
from billing.arrears import OpenInstalment
from billing.offers import Audience, Made, Make
from billing.policy import PolicyError, whole
from billing.policy.offers import Trigger

NOW = dt.datetime(2026, 7, 1, 16, 0, tzinfo=dt.UTC)
TODAY = NOW.date()
DAY = dt.timedelta(days=1)
GUIDE = Path(__file__).parents[2] / "docs/renewals.md"
TEXT = """
[renewal.tolerance]
USD = "1.00"
[[offers]]
name = "tax year"
trigger = "paid"
template = "next_engagement"
service_types = ["tax"]
discount = { USD = "50.00" }
code = "TAX50"
valid_days = 20
every_days = 100
[[offers]]
name = "more"
trigger = "paid"
template = "offer"
segments = ["small"]
[[offers]]
name = "stay"
trigger = "renewed"
template = "offer"
discount_percent = "7.5"
"""
POLICY = policy.parse(TEXT)
TAX = Audience(timezone="America/New_York", currency="USD", services=frozenset({"tax"}))


def owed(days: int, amount: int, currency: str = "USD") -> OpenInstalment:
    """Due so many days ago."""
    due = TODAY - days * DAY
    return OpenInstalment(
        id=1, invoice_id=1, number="INV-1", currency=currency, issued_on=due - 30 * DAY,
        due_on=due, amount=amount, open=amount,
    )  # fmt: skip


def lately(days: int, name: str = "tax year", *, waiting: bool = False) -> tuple[Made, ...]:
    return (Made(name, NOW - days * DAY, waiting),)


@pytest.mark.parametrize(
    ("trigger", "client", "expected"),
    [
        pytest.param("paid", TAX, "tax year", id="the first that fits"),
        pytest.param("paid", replace(TAX, services=frozenset()), "other_audience", id="services"),
        pytest.param(
            "paid", Audience(timezone="UTC", currency="USD", segment="small"), "more", id="segment"
        ),
        pytest.param("paid", replace(TAX, currency="EUR"), "other_currency", id="no such discount"),
        pytest.param("paid", replace(TAX, owed=(owed(5, 900),)), "overdue", id="overdue"),
        pytest.param("paid", replace(TAX, owed=(owed(-5, 900),)), "still_open", id="not all paid"),
        pytest.param("renewed", replace(TAX, owed=(owed(-5, 900),)), "stay", id="not due yet"),
        pytest.param("renewed", replace(TAX, owed=(owed(5, 90),)), "stay", id="in the tolerance"),
        pytest.param("renewed", replace(TAX, owed=(owed(5, 900, "EUR"),)), "overdue", id="any"),
        pytest.param("paid", replace(TAX, made=lately(99)), "offered_lately", id="too soon"),
        pytest.param("paid", replace(TAX, made=lately(101)), "tax year", id="long ago"),
        pytest.param(
            "paid", replace(TAX, made=lately(1, "x", waiting=True)), "offer_waiting", id="no burst"
        ),
    ],
)
def test_what_is_offered(trigger: Trigger, client: Audience, expected: str) -> None:
    found = offers.decide(trigger, client, NOW, POLICY)
    assert (found.offer.name if isinstance(found, Make) else found.rule) == expected


def test_an_offer_has_its_discount_its_days_and_its_end() -> None:
    found = offers.decide("paid", TAX, NOW, POLICY)
    assert isinstance(found, Make)
    assert (found.amount, found.offer.code) == (5_000, "TAX50")
    assert (found.send_after, found.expires_at) == (NOW + 3 * DAY, NOW + 17 * DAY)
    assert found.valid_until == TODAY + 23 * DAY


def test_a_firm_that_offers_nothing_offers_nothing() -> None:
    assert offers.decide("paid", TAX, NOW, policy.default()).rule == "no_offer"


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ('name = "a"\ntrigger = "payed"\ntemplate = "offer"', "offers[0].trigger", '"paid"?'),
        ('name = "a"\ntrigger = "paid"', "offers[0].template", "missing"),
        (
            'name = "a"\ntrigger = "paid"\ntemplate = "offer"\ncode = "X"',
            "offers[0].code",
            "without a discount",
        ),
        (
            'trigger = "paid"\ntemplate = "t"\ndiscount_percent = "5"\ndiscount.USD = "1"',
            "offers[0].discount",
            "keep one",
        ),
        ('name = "a"\ntrigger = "paid"\ntemplate = "offer"\nevry_days = 3', "offers[0].evry_days",
         "every_days"),
    ],
    ids=["trigger", "template", "code", "two discounts", "unknown key"],
)  # fmt: skip
def test_a_mistake_in_an_offer_is_named(text: str, key: str, reason: str) -> None:
    with pytest.raises(PolicyError) as error:
        policy.parse(f"[[offers]]\n{text}")
    assert any(one.key == key and reason in one.reason for one in error.value.mistakes)


def test_two_offers_have_two_names() -> None:
    one = '[[offers]]\nname = "a"\ntrigger = "paid"\ntemplate = "offer"\n'
    with pytest.raises(PolicyError, match="name of another offer"):
        policy.parse(one * 2)


# --- the one gate ---------------------------------------------------------------------------------

DEBTS = st.lists(
    st.builds(owed, st.integers(-5, 30), st.integers(1, 400), st.sampled_from(("USD", "EUR"))),
    max_size=4,
)
OVERRIDES = st.lists(
    st.builds(
        lambda hours: gates.Override(1, "cli:ops", NOW + dt.timedelta(hours=hours)),
        st.integers(-48, 48),
    ),
    max_size=2,
)
PLAN = renewals.RenewalFact(
    agreement_id=1, name="Plan", kind="subscription", renews_on=TODAY + 7 * DAY, amount=1,
    currency="USD", taken=(), state="active",
)  # fmt: skip


@given(DEBTS, OVERRIDES)
def test_nobody_overdue_is_renewed_or_offered_anything_without_a_word_that_is_valid(
    debts: list[OpenInstalment], words: list[gates.Override]
) -> None:
    late: dict[str, int] = {}
    for debt in debts:
        if debt.due_on < TODAY:
            late[debt.currency] = late.get(debt.currency, 0) + debt.open
    over = any(amount > {"USD": 100}.get(currency, 0) for currency, amount in late.items())
    allowed = not over or any(one.until > NOW for one in words)
    plan = replace(PLAN, overrides=tuple(words))
    notice = renewals.decide(plan, debts, NOW, POLICY, "UTC")
    assert isinstance(notice, renewals.Send) == allowed
    client = replace(TAX, owed=tuple(debts), overrides=tuple(words))
    made = offers.decide("renewed", client, NOW, POLICY)
    assert isinstance(made, Make) == allowed


def test_what_the_policy_offers_is_kept_whole() -> None:
    assert whole.restored(whole.dumped(POLICY)) == POLICY


def test_every_policy_of_the_guide_is_one() -> None:
    written = re.findall(r"^```toml\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(written) == 4
    for text in written:
        policy.parse(text)
