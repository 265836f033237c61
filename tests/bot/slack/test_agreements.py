import datetime as dt
from typing import Any

from sqlmodel import select

from billing.models import Agreement
from comms import outreach
from tests.bot.slack.test_cards import compose, shown, tell

CYCLE = dt.date(2025, 12, 1)


def ended(firm: Any, on: dt.date) -> int:
    """A retainer of $5,000.00 a month that ended on a day; its id."""
    firm.agree("northwind")
    with firm.store.read() as session:
        agreement = session.exec(select(Agreement)).one()
    firm.change(
        Agreement, agreement.id, ended_on=on, state="cancelled", billing_cycle="monthly",
        renews_on=dt.date(2026, 12, 1),
    )  # fmt: skip
    return int(agreement.id)


def test_60_finance_is_asked_to_credit_what_could_not_be_used(firm: Any) -> None:
    agreement_id = ended(firm, CYCLE + dt.timedelta(days=20))
    firm.write(lambda s: outreach.advance_client(s, firm.office, firm.client().id))
    (card,) = firm.told("unused")
    assert (card.audience, card.subject_id) == ("staff", agreement_id)
    text = shown(compose(firm, card.id))
    assert "21 Dec 2025 to 1 Jan 2026: 11 of 31 days, $1,774.19" in text


def test_an_agreement_that_ends_with_its_cycle_leaves_nothing_to_credit(firm: Any) -> None:
    ended(firm, CYCLE)
    firm.write(lambda s: outreach.advance_client(s, firm.office, firm.client().id))
    assert firm.told("unused") == []


def test_a_held_notice_says_until_when_it_is_of_use(firm: Any) -> None:
    firm.agree("northwind")
    with firm.store.read() as session:
        agreement = session.exec(select(Agreement)).one()
    firm.change(Agreement, agreement.id, notice_days=10)
    alert = tell(firm, "renewal_unheard", ("agreement", agreement.id), client_id=firm.client().id)
    text = shown(compose(firm, alert))
    assert "15 Jan 2026" in text
    assert "client.let_pass" in text
