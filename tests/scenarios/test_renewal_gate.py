"""Renewals, charges and offers, as the acceptance scenarios tell them, by their numbers."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from billing import spelling
from bot.report import silent
from bot.staff import duplicates, overrides, publishing
from comms.models import Purpose
from tests.conftest import Database
from tests.factories import FINANCE
from tests.scenarios.parlour import ADA, FINN, OWNER, Parlour, database_in, open_parlour
from tests.scenarios.test_money import bill, client, failed, paid

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]
POLICY = """
[renewal]
without = ["Elm Advisory"]
unused = "credit"
[renewal.tolerance]
USD = "1.00"
[[offers]]
name = "come back"
trigger = "paid"
delay_days = 2
template = "next_engagement"
discount_percent = "10"
code = "BACK10"
service_types = ["tax"]
every_days = 90
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Parlour]:
    folder = tmp_path_factory.mktemp("gate")
    async for stage in open_parlour(database_in(folder, sqlite_template), folder, POLICY):
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def stage(shared: Parlour) -> Parlour:
    """The shared product on a Tuesday at noon, when a mail may leave."""
    now = shared.product.clock.now()
    noon = now.replace(hour=17, minute=0, second=0, microsecond=0)
    days = (1 - now.weekday()) % 7 or (7 if now > noon else 0)
    await shared.product.later(seconds=(noon + dt.timedelta(days=days) - now).total_seconds())
    return shared


def agreement(stage: Parlour, name: str, number: str, days: int = 7, **more: Any) -> dict[str, Any]:
    """One that renews in so many days."""
    told = {
        "type": "agreement_described", "client_external_id": name, "external_id": number,
        "kind": "subscription", "name": f"Plan {number}", "amount": 24_995, "currency": "USD",
        "renews_on": stage.ago(-days),
    }  # fmt: skip
    return told | more


def declined(
    stage: Parlour, name: str, reference: str, number: str, days: float = 0, **more: Any
) -> dict[str, Any]:
    """A charge for the renewal of an agreement that failed so many days ago."""
    return failed(stage, name, reference, 24_995, days) | {"renewal_of": number} | more


def charged(stage: Parlour, name: str, reference: str, number: str, **more: Any) -> dict[str, Any]:
    """A charge for the renewal of an agreement that went through."""
    told = {"renewal_of": number, "happened_at": stage.moment()}
    return paid(stage, name, reference, 24_995) | told | more


def facts_of(stage: Parlour, subject: str) -> list[tuple[str, str]]:
    return [(fact["name"], fact["value"]) for fact in stage.why(subject)["facts"]]


def fact_of(stage: Parlour, subject: str, name: str) -> str:
    return dict(facts_of(stage, subject)).get(name, "")


def notices(stage: Parlour, name: str) -> list[str]:
    """The states of a client's renewal messages."""
    return [one.state for one in stage.messages(name, Purpose.RENEWAL)]


def templates(stage: Parlour, name: str) -> list[str]:
    """What left to a client, by its templates."""
    every = [one for purpose in Purpose for one in stage.messages(name, purpose)]
    gone = sorted((one for one in every if one.sent_at), key=lambda one: one.id)
    return [one.template for one in gone if one.audience == "client"]


def told_finance(stage: Parlour, name: str, words: str) -> int:
    return sum(words in one.text and name in one.text for one in stage.cards(FINANCE))


async def let_pass(
    stage: Parlour, name: str, days: int = 0, reason: str = "they pay on Friday"
) -> Any:
    """``counterfoil override``."""
    asked = {"client": name, "reason": reason, "until": stage.ago(-days), "by": "cli:ops"}
    report = await overrides.grant(stage.product.app, asked, silent)
    await stage.product.settle()
    return report


# --- the gate, and who may let something pass -----------------------------------------------------


async def test_21_a_residual_passes_and_a_role_may_let_more_pass_for_a_while(
    stage: Parlour,
) -> None:
    residual, late = "Rowan", "Spruce"
    for name, rest in ((residual, 10), (late, 31_000)):
        await stage.tell(
            client(name, owner_email=OWNER), paid(stage, name, f"p21{name}", 40_000 - rest, days=9),
            bill(stage, name, f"G21{name}", 40_000, days=10), agreement(stage, name, f"a21{name}"),
        )  # fmt: skip
    assert (notices(stage, residual), notices(stage, late)) == (["sent"], ["held"])
    report = await let_pass(stage, late)
    assert report.code == 0, report.lines
    assert notices(stage, late) == ["sent"]
    (message,) = stage.messages(late, Purpose.RENEWAL)
    billing = next(
        one for one in stage.why(f"message:{message.id}")["door"] if one["place"] == "billing"
    )
    assert (billing["verdict"], billing["rule"]) == ("pass", "gate_override")
    made = {one["about"]: one for one in stage.why(late)["decisions"]}
    assert made["override"]["reason"] == "they pay on Friday"
    assert made["Renewal notice by email".lower()]["reason"].startswith("G21Spruce is ")
    assert "by cli:ops: they pay on Friday" in fact_of(stage, late, "override")


async def test_21_an_override_ends_by_itself_or_is_taken_back(stage: Parlour) -> None:
    name = "Tamarack"
    await stage.tell(client(name), bill(stage, name, "G21b", 40_000, days=10))
    await let_pass(stage, name)
    await stage.jump(1)
    await stage.tell(agreement(stage, name, "a21c"))
    assert notices(stage, name) == ["held"]
    await let_pass(stage, name, days=5)
    assert notices(stage, name) == ["sent"]
    asked = {"client": name, "by": "cli:ops"}
    assert (await overrides.end(stage.product.app, asked, silent)).code == 0
    await stage.jump(1)
    await stage.tell(agreement(stage, name, "a21d"))
    assert notices(stage, name) == ["sent", "held"]
    assert fact_of(stage, name, "override") == ""


@pytest.mark.parametrize(("days", "reason"), [(-1, "why not"), (93, "why not"), (1, " ")])
async def test_21_no_override_is_without_end_or_reason(
    stage: Parlour, days: int, reason: str
) -> None:
    name = f"Upas {days}"
    await stage.tell(client(name))
    assert (await let_pass(stage, name, days, reason)).code == 1
    assert fact_of(stage, name, "override") == ""


async def test_54_a_notice_waits_for_the_payment_and_leaves_once(stage: Parlour) -> None:
    name = "Viburnum"
    await stage.tell(
        client(name), bill(stage, name, "G54", 31_000, days=10), agreement(stage, name, "a54"),
    )  # fmt: skip
    assert notices(stage, name) == ["held"]
    (message,) = stage.messages(name, Purpose.RENEWAL)
    assert stage.why(f"message:{message.id}")["reason"].endswith("days overdue, $310.00")
    await stage.tell(paid(stage, name, "p54", 31_000))
    await stage.pass_days(2)
    assert notices(stage, name) == ["sent"]
    assert len(stage.letters(name, "renews on")) == 1


async def test_54_a_payment_after_the_renewal_date_sends_no_notice(stage: Parlour) -> None:
    name = "Walnut"
    await stage.tell(
        client(name, owner_email=OWNER), bill(stage, name, "G54b", 31_000, days=10),
        agreement(stage, name, "a54b", days=2),
    )  # fmt: skip
    await stage.pass_days(3)
    await stage.tell(paid(stage, name, "p54b", 31_000))
    await stage.pass_days(1)
    assert "sent" not in notices(stage, name)
    assert any("Renewal missed" in one.text and name in one.text for one in stage.cards(stage.desk))


async def test_55_a_debt_between_decision_and_sending_holds_the_notice(stage: Parlour) -> None:
    name = "Yew"
    await stage.product.later(hours=10)
    await stage.tell(client(name), agreement(stage, name, "a55"))
    (message,) = stage.messages(name, Purpose.RENEWAL)
    assert (message.state, message.rule) == ("held", "quiet_hours")
    await stage.tell(bill(stage, name, "G55", 31_000, days=10))
    await stage.product.later(hours=14)
    (message,) = stage.messages(name, Purpose.RENEWAL)
    assert (message.state, message.rule) == ("held", "overdue")


async def test_56_a_debt_anywhere_holds_every_renewal_of_the_client(stage: Parlour) -> None:
    name, other = "Alder", "Alder Holding"
    await stage.tell(
        client(name), client(other), agreement(stage, name, "a56"),
        bill(stage, other, "G56", 31_000, days=10, legal_entity="Harrow Tax"),
    )  # fmt: skip
    assert notices(stage, name) == ["sent"]
    asked = {"one": name, "other": other, "by": "cli:ops"}
    assert (await duplicates.merge(stage.product.app, asked, silent)).code == 0
    await stage.jump(1)
    await stage.tell(agreement(stage, name, "a56b"))
    assert notices(stage, name) == ["sent", "held"]


async def test_a_notice_that_is_of_no_use_after_today_warns_the_owner_who_may_let_it_pass(
    stage: Parlour,
) -> None:
    name = "Buckthorn"
    await stage.tell(
        client(name, owner_email=OWNER), bill(stage, name, "G57", 31_000, days=10),
        agreement(stage, name, "a57", days=43, notice_days=36),
    )  # fmt: skip
    words = f"Plan a57 of {name}"
    assert not [one for one in stage.cards(stage.desk) if words in one.text]
    await stage.pass_days(7)
    assert len([one for one in stage.cards(stage.desk) if words in one.text]) == 1
    refused = await stage.clicks(stage.desk, words, "client.let_pass", ADA)
    assert "finance" in refused
    assert notices(stage, name) == ["held"]
    stage.product.slack.workspace.channels[stage.desk].members.add(FINN)
    await stage.clicks(stage.desk, words, "client.let_pass", FINN)
    assert notices(stage, name) == ["sent"]
    (letter,) = stage.letters(name, "renews on")
    assert f"by {stage.today:%B} {stage.today.day}, {stage.today:%Y} and we" in letter


async def test_a_new_price_is_told_beside_the_old_one(stage: Parlour) -> None:
    name = "Cherry"
    dearer = {"amount": 29_900, "effective_on": stage.ago(-20)}
    await stage.tell(
        client(name),
        agreement(stage, name, "a58x", days=20, effective_on=stage.ago(300)),
        agreement(stage, name, "a58x", days=20) | dearer,
    )  # fmt: skip
    (letter,) = stage.letters(name, "renews on")
    assert "until now it is $249.95, and from" in letter
    assert "on it is $299.00" in letter


# --- charges --------------------------------------------------------------------------------------


async def test_45_one_failure_told_twice_is_one_mail(stage: Parlour) -> None:
    name = "Dogwood"
    await stage.tell(client(name), agreement(stage, name, "a45", days=0))
    await stage.tell(declined(stage, name, "ch45", "a45", days=0.01))
    await stage.tell(declined(stage, name, "ch45", "a45", decline="soft"))
    await stage.pass_days(1)
    assert templates(stage, name).count("charge_failed") == 1


async def test_58_nothing_says_renewed_before_the_money_is_there(stage: Parlour) -> None:
    name = "Elder"
    await stage.tell(client(name), agreement(stage, name, "a58", days=0))
    await stage.tell(declined(stage, name, "ch58", "a58"))
    await stage.pass_days(2)
    await stage.tell(declined(stage, name, "ch58b", "a58"))
    assert templates(stage, name).count("charge_failed") == 1
    assert not stage.letters(name, "is renewed")
    assert fact_of(stage, name, "Plan a58").startswith("past due")
    await stage.tell(charged(stage, name, "ch58c", "a58"))
    assert len(stage.letters(name, "is renewed")) == 1
    assert "receipt" not in templates(stage, name)
    assert fact_of(stage, name, "Plan a58").startswith("renewed")


async def test_58_a_contract_renews_as_well(stage: Parlour) -> None:
    name = "Fir tree"
    await stage.tell(client(name), agreement(stage, name, "a58c", days=200))
    accepted = {
        "type": "agreement_accepted", "client_external_id": name, "external_id": "a58c",
        "renews_on": stage.ago(-200),
    }  # fmt: skip
    assert await stage.tell(accepted, accepted) == [True, False]
    assert len(stage.letters(name, "is renewed")) == 1
    assert fact_of(stage, name, "Plan a58c").startswith("renewed")


async def test_59_one_of_two_recovered_is_still_past_due(stage: Parlour) -> None:
    name = "Gean"
    orders = ("G59a", "G59b")
    await stage.tell(
        client(name), agreement(stage, name, "a59", days=0),
        *(bill(stage, name, one, 24_995, days=1) for one in orders),
        *(declined(stage, name, f"ch{one}", "a59", invoice_number=one) for one in orders),
    )  # fmt: skip
    assert fact_of(stage, name, "Plan a59").startswith("past due")
    await stage.tell(charged(stage, name, "ch59", "a59", invoice_number="G59a"))
    assert fact_of(stage, name, "Plan a59").startswith("past due")
    assert not stage.letters(name, "is renewed")
    # The second by bank transfer, which nobody told us was for the renewal.
    await stage.tell(paid(stage, name, "p59", 24_995, invoice_number="G59b"))
    assert fact_of(stage, name, "Plan a59").startswith("active")


async def test_60_what_could_not_be_used_is_credited_to_the_day(stage: Parlour) -> None:
    name = "Hazel"
    plan = agreement(
        stage, name, "a60", renews_on="2027-01-01", billing_cycle="monthly",
        effective_on="2025-01-01",
    )  # fmt: skip
    blocked = {
        "type": "agreement_suspended", "client_external_id": name, "external_id": "a60",
        "suspended_on": "2025-07-10",
    }  # fmt: skip
    await stage.tell(client(name), plan, blocked)
    assert fact_of(stage, name, "Plan a60").startswith("suspended")
    assert stage.owes(name) == ""
    resumed = blocked | {"resumed_on": "2025-07-20"}
    assert await stage.tell(resumed, resumed) == [True, False]
    assert stage.owes(name) == "$80.63 on account"
    await stage.tell(bill(stage, name, "G60", 24_995, days=0))
    assert stage.is_open("G60") == "$169.32"


async def test_60_a_pause_that_turned_out_longer_is_credited_for_its_new_days_alone(
    stage: Parlour,
) -> None:
    name = "Hornbeam"
    plan = agreement(
        stage, name, "a60c", renews_on="2027-01-01", billing_cycle="monthly",
        effective_on="2025-01-01",
    )  # fmt: skip
    paused = {
        "type": "agreement_suspended", "client_external_id": name, "external_id": "a60c",
        "suspended_on": "2025-07-10", "resumed_on": "2025-07-20",
    }  # fmt: skip
    await stage.tell(client(name), plan, paused)
    assert stage.owes(name) == "$80.63 on account"
    await stage.tell(paused | {"resumed_on": "2025-07-25"})
    assert stage.owes(name) == "$120.94 on account"  # 15 of 31 days
    within = {"suspended_on": "2025-07-12", "resumed_on": "2025-07-23"}
    ended = {
        "type": "agreement_ended", "client_external_id": name, "external_id": "a60c",
        "ended_on": "2025-07-20",
    }  # fmt: skip
    await stage.tell(paused | within, ended)
    assert stage.owes(name) == "$177.38 on account"  # to the end of the month, each day once


async def test_60_an_agreement_that_ended_within_a_cycle_is_credited_and_hears_no_failure(
    stage: Parlour,
) -> None:
    name = "Ironwood"
    ended = {
        "type": "agreement_ended", "client_external_id": name, "external_id": "a60b",
        "ended_on": "2025-12-21",
    }  # fmt: skip
    plan = agreement(
        stage, name, "a60b", renews_on="2027-01-01", billing_cycle="monthly",
        effective_on="2025-01-01",
    )  # fmt: skip
    assert await stage.tell(client(name), plan, ended) == [True] * 3
    assert stage.owes(name) == "$88.69 on account"  # 11 of 31 days
    await stage.tell(ended, declined(stage, name, "ch60", "a60b"))
    assert templates(stage, name) == []
    assert (stage.owes(name), fact_of(stage, name, "Plan a60b")) == ("$88.69 on account", "ended")


async def test_61_where_nothing_is_renewed_nothing_is_due_and_nothing_charged(
    stage: Parlour,
) -> None:
    name = "Juniper"
    elm = {"legal_entity": "Elm Advisory"}
    await stage.tell(client(name), agreement(stage, name, "a61", days=1) | elm)
    await stage.tell(declined(stage, name, "ch61", "a61") | elm)
    await stage.pass_days(4)
    assert (templates(stage, name), notices(stage, name)) == ([], [])
    assert told_finance(stage, name, "Charge again") == 0
    assert any(one["rule"] == "renewals_disabled" for one in stage.why(name)["decisions"])


async def test_62_the_ladder_of_retries(stage: Parlour) -> None:
    name = "Kapok"
    await stage.tell(client(name), agreement(stage, name, "a62", days=0))
    await stage.tell(declined(stage, name, "ch62", "a62"))
    await stage.jump(2)
    assert told_finance(stage, name, "Charge again") == 1
    await stage.tell(declined(stage, name, "ch62b", "a62"))
    due = f"the next try is due {spelling.day(stage.today + dt.timedelta(days=5))}"
    assert due in fact_of(stage, name, "charge")
    await stage.tell(declined(stage, name, "ch62c", "a62", initiated_by="customer"))
    assert due in fact_of(stage, name, "charge")
    await stage.jump(1)
    card = {"type": "card_changed", "client_external_id": name, "happened_at": stage.moment()}
    assert await stage.tell(card, card) == [True, False]
    assert told_finance(stage, name, "Charge again") == 2
    await stage.tell(declined(stage, name, "ch62d", "a62"))
    assert due in fact_of(stage, name, "charge")  # the ladder is where it was
    await stage.jump(4)
    assert told_finance(stage, name, "Charge again") == 3


async def test_a_charge_that_failed_is_tried_again_by_the_policy_that_held_then(
    stage: Parlour,
) -> None:
    early, late = "Acacia", "Baobab"
    app, before = stage.product.app, stage.product.app.rules
    retries = POLICY + "[renewal.retries]\nafter_days = [9]\ndeadline_days = 40\n"
    await stage.tell(client(early), agreement(stage, early, "pin1", days=0))
    await stage.tell(declined(stage, early, "pin1", "pin1"))
    assert (await publishing.publish(app, {"text": retries}, silent)).data["published"]
    await stage.tell(client(late), agreement(stage, late, "pin2", days=0))
    await stage.tell(declined(stage, late, "pin2", "pin2"))
    for name, days in ((early, 2), (late, 9)):
        due = spelling.day(stage.today + dt.timedelta(days=days))
        assert f"the next try is due {due}" in fact_of(stage, name, "charge")
    await stage.jump(2)
    assert [told_finance(stage, name, "Charge again") for name in (early, late)] == [1, 0]
    await stage.jump(20)  # the earlier deadline was after 21 days, the later is after 40
    assert [told_finance(stage, name, "Not renewed") for name in (early, late)] == [1, 0]
    assert fact_of(stage, early, "Plan pin1").startswith("suspended")
    await publishing.publish(app, {"text": POLICY}, silent)
    assert app.rules.version == before.version


async def test_62_a_hard_decline_is_not_tried_again_before_its_deadline(stage: Parlour) -> None:
    name = "Larch"
    await stage.tell(client(name), agreement(stage, name, "a62h", days=0))
    await stage.tell(declined(stage, name, "ch62h", "a62h", decline="hard"))
    assert "refuses this card for good" in fact_of(stage, name, "charge")
    await stage.jump(20)
    assert told_finance(stage, name, "Charge again") == 0
    await stage.jump(2)
    assert told_finance(stage, name, "Not renewed") == 1
    assert fact_of(stage, name, "Plan a62h").startswith("suspended")


# --- offers ---------------------------------------------------------------------------------------


async def test_an_offer_follows_a_payment_that_settles_all_once(stage: Parlour) -> None:
    name = "Maple"
    for number in ("O1", "O2"):
        await stage.tell(
            client(name), bill(stage, name, number, 5_000, days=10, service_type="tax")
        )
        await stage.tell(paid(stage, name, f"p{number}", 5_000))
        await stage.jump(2)
    (message,) = stage.messages(name, Purpose.OFFER)
    assert message.state == "sent"
    (letter,) = stage.letters(name, "What comes next")
    assert "10 % less with the code BACK10, until" in letter
    told = dict(facts_of(stage, f"message:{message.id}"))
    assert told["offer"] == "come back, because the client has paid"
    assert any(one["rule"] == "offered_lately" for one in stage.why(name)["decisions"])


async def test_an_offer_waits_at_the_door_for_whatever_became_overdue(stage: Parlour) -> None:
    name = "Nutmeg"
    await stage.tell(client(name), bill(stage, name, "O3", 5_000, days=10, service_type="tax"))
    await stage.tell(paid(stage, name, "pO3", 5_000))
    await stage.tell(bill(stage, name, "O4", 5_000, days=12, legal_entity="Harrow Tax"))
    await stage.jump(2)
    (message,) = stage.messages(name, Purpose.OFFER)
    assert (message.state, message.rule) == ("held", "overdue")
    await stage.tell(paid(stage, name, "pO4", 5_000, legal_entity="Harrow Tax"))
    assert [one.state for one in stage.messages(name, Purpose.OFFER)] == ["sent"]


async def test_nothing_is_offered_to_others_or_to_who_still_owes(stage: Parlour) -> None:
    other, owing = "Oak", "Poplar"
    await stage.tell(client(other), bill(stage, other, "O5", 5_000, days=3))
    await stage.tell(paid(stage, other, "pO5", 5_000))
    await stage.tell(
        client(owing), bill(stage, owing, "O6", 5_000, days=3, service_type="tax"),
        bill(stage, owing, "O7", 5_000, days=3, service_type="tax"),
    )  # fmt: skip
    await stage.tell(paid(stage, owing, "pO6", 5_000))
    assert stage.messages(other, Purpose.OFFER) == stage.messages(owing, Purpose.OFFER) == []
    rules = [{one["rule"] for one in stage.why(name)["decisions"]} for name in (other, owing)]
    assert "other_audience" in rules[0]
    assert "still_open" in rules[1]


# --- on both databases ----------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module")
async def postgres(postgres_database: Database, tmp_path: Path) -> AsyncIterator[Parlour]:
    async for stage in open_parlour(postgres_database, tmp_path, POLICY):
        yield stage


async def test_the_gate_stands_the_same_on_postgresql(postgres: Parlour) -> None:
    stage, name, other = postgres, "Quince", "Rose"
    await stage.tell(
        client(name), bill(stage, name, "G01", 31_000, days=10, service_type="tax"),
        agreement(stage, name, "a01"), client(other), agreement(stage, other, "a02", days=0),
        declined(stage, other, "ch01", "a02"),
    )  # fmt: skip
    assert notices(stage, name) == ["held"]
    await let_pass(stage, name)
    assert notices(stage, name) == ["sent"]
    await stage.tell(paid(stage, name, "p01", 31_000))
    assert [one.state for one in stage.messages(name, Purpose.OFFER)] == ["queued"]
    assert fact_of(stage, other, "Plan a02").startswith("past due")
    await stage.jump(2)
    assert told_finance(stage, other, "Charge again") == 1
    await stage.tell(charged(stage, other, "ch02", "a02"))
    assert fact_of(stage, other, "Plan a02").startswith("renewed")
