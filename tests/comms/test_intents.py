"""What follows from what a client meant: a table without holes, and facts from it."""

import datetime as dt

import pytest

from billing import facts, policy
from comms.intents import EFFECTS, Debt, Effect, Intent, Meaning, Speaker, billing_facts

NOON = dt.datetime(2026, 1, 6, 17, 0, tzinfo=dt.UTC)
POLICY = policy.default()
LATE = Debt(legal_entity="Harrow", currency="USD", number="A", open=500, overdue=500)
NOT_YET = Debt(legal_entity="Harrow", currency="USD", number="B", open=300, overdue=0)
EUROS = Debt(legal_entity="Harrow", currency="EUR", number="C", open=200, overdue=200)
FRIDAY = dt.date(2026, 1, 9)


def told(intent: Intent, *debts: Debt, **more: object) -> tuple[facts.Fact, ...]:
    meaning = Meaning(intent=intent, said_at=NOON, **more)  # type: ignore[arg-type]
    by = Speaker(client_id=7, timezone="America/New_York", country="US", region="", debts=debts)
    return billing_facts(meaning, by, "x", POLICY)


def promised(*found: facts.Fact) -> list[tuple[str, int]]:
    return [(one.currency, one.parts[0].amount) for one in found]  # type: ignore[union-attr]


def test_every_intent_has_an_effect() -> None:
    assert set(EFFECTS) == set(Intent)


def test_what_no_rule_acts_on_is_read_by_a_person() -> None:
    acting = {intent for intent, effect in EFFECTS.items() if effect is not Effect.READ}
    assert {Intent.OTHER, Intent.LEGAL_THREAT, Intent.BANK_DETAIL_CHANGE} & acting == set()


@pytest.mark.parametrize(
    ("debts", "more", "found"),
    [
        ((LATE, NOT_YET), {"date": FRIDAY}, [("USD", 500)]),
        ((NOT_YET,), {"date": FRIDAY}, [("USD", 300)]),
        ((LATE, EUROS), {"date": FRIDAY}, [("USD", 500), ("EUR", 200)]),
        ((LATE, EUROS), {"date": FRIDAY, "amount": 100}, []),
        ((LATE, EUROS), {"date": FRIDAY, "amount": 100, "currency": "EUR"}, [("EUR", 100)]),
        ((LATE,), {}, []),
        ((LATE,), {"date": dt.date(2026, 1, 5)}, []),
        ((), {"date": FRIDAY}, []),
    ],
    ids=[
        "overdue", "nothing overdue", "two accounts", "which account", "named account", "no day",
        "a day that has passed", "nothing owed",
    ],
)  # fmt: skip
def test_a_promise_is_taken_where_its_day_and_account_are_clear(
    debts: tuple[Debt, ...], more: dict[str, object], found: list[tuple[str, int]]
) -> None:
    assert promised(*told(Intent.PROMISE_TO_PAY, *debts, **more)) == found


def test_a_dispute_of_nobody_knows_what_is_read_by_a_person() -> None:
    assert told(Intent.DISPUTE, LATE, NOT_YET) == ()
    (one,) = told(Intent.DISPUTE, LATE)
    assert isinstance(one, facts.InvoiceDisputed)
    assert one.invoice_number == "A"


@pytest.mark.parametrize(
    ("method", "day"), [("", 9), ("bank_transfer", 9), ("cheque", 15), ("card", 7)]
)
def test_a_claim_rests_for_business_days_by_its_method(method: str, day: int) -> None:
    (hold,) = told(Intent.PAID_CLAIM, LATE, method=method)
    assert isinstance(hold, facts.HoldPlaced)
    assert hold.until == dt.datetime(2026, 1, day + 1, 5, tzinfo=dt.UTC)


def test_who_is_away_without_a_day_stops_nothing() -> None:
    assert told(Intent.OUT_OF_OFFICE, LATE) == ()


def test_only_we_name_clients_by_our_own_ids() -> None:
    (hold,) = told(Intent.HARDSHIP, LATE)
    assert (hold.source, hold.client_external_id) == (facts.OURSELVES, "7")  # type: ignore[union-attr]
