"""Disputes, promises and replies, as the acceptance scenarios tell them, by their numbers.

Clients write by text and mail, another system tells what they meant, Ada reads it in Slack. What
came of it is read in the mailboxes, on the phones, in Slack and in ``explain``.
"""

import datetime as dt
from collections.abc import AsyncIterator
from email import message_from_bytes
from pathlib import Path

import pytest
import pytest_asyncio

from billing import calendar, spelling
from bot.report import Wrong
from comms.models import Purpose
from tests.bot import telling
from tests.conftest import Database
from tests.factories import CLIENTS, FINANCE
from tests.scenarios import parlour
from tests.scenarios.parlour import Parlour
from tests.scenarios.test_money import bill, client, paid

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]
FIRST, FIRMER = ("first_reminder", "email"), ("firmer_reminder", "email")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Parlour]:
    folder = tmp_path_factory.mktemp("replies")
    async for room in parlour.open_parlour(parlour.database_in(folder, sqlite_template), folder):
        yield room


@pytest_asyncio.fixture(loop_scope="module")
async def stage(shared: Parlour) -> Parlour:
    """The shared product on a Tuesday at noon, when a mail may leave."""
    await shared.product.later(days=(1 - shared.product.clock.now().weekday()) % 7)
    return shared


@pytest_asyncio.fixture(loop_scope="module")
async def postgres(postgres_database: Database, tmp_path: Path) -> AsyncIterator[Parlour]:
    async for room in parlour.open_parlour(postgres_database, tmp_path):
        yield room


# --- disputes -------------------------------------------------------------------------------------


def disputed(stage: Parlour, name: str, number: str, amount: int) -> dict[str, object]:
    return {
        "type": "invoice_disputed", "client_external_id": name, "invoice_number": number,
        "amount": amount, "opened_on": stage.ago(0),
    }  # fmt: skip


def closed(stage: Parlour, name: str, number: str, outcome: str) -> dict[str, object]:
    return {
        "type": "dispute_closed", "client_external_id": name, "invoice_number": number,
        "outcome": outcome, "closed_at": stage.moment(),
    }  # fmt: skip


async def test_47_the_rest_of_a_disputed_invoice_is_asked_for(stage: Parlour) -> None:
    accepted, rejected = "Acorn", "Beech"
    for name in (accepted, rejected):
        await stage.billed(name, f"R47{name}", 500_000, days=29)
        await stage.tell(disputed(stage, name, f"R47{name}", 120_000))
    await stage.jump(1)
    for name in (accepted, rejected):
        (letter,) = stage.letters(name, "Reminder")
        assert "$3,800.00" in letter
        assert "$5,000.00" not in letter
    await stage.tell(closed(stage, accepted, f"R47{accepted}", "accepted"))
    assert stage.is_open(f"R47{accepted}") == "$3,800.00"
    await stage.jump(10)
    await stage.tell(closed(stage, rejected, f"R47{rejected}", "rejected"))
    assert stage.is_open(f"R47{rejected}") == "$5,000.00"
    await stage.jump(5)
    for name, amount in ((accepted, "$3,800.00"), (rejected, "$5,000.00")):
        assert stage.gone(name) == [FIRST, FIRMER]
        assert amount in stage.letters(name, "still open")[-1]


async def test_47_after_a_rejected_dispute_the_next_step_follows_with_courtesy(
    stage: Parlour,
) -> None:
    name = "Bilberry"
    await stage.billed(name, "R47b", 500_000, days=30)
    await stage.tell(disputed(stage, name, "R47b", 500_000))
    await stage.jump(21)
    await stage.tell(closed(stage, name, "R47b", "rejected"))
    await stage.jump(2)
    assert stage.gone(name) == [FIRST]
    await stage.jump(1)
    assert stage.gone(name) == [FIRST, FIRMER]


async def test_48_one_disputed_invoice_does_not_shield_another(stage: Parlour) -> None:
    name = "Cherry"
    await stage.tell(
        client(name), bill(stage, name, "R48A", 70_000, days=29),
        bill(stage, name, "R48B", 30_000, days=29), disputed(stage, name, "R48A", 70_000),
    )  # fmt: skip
    await stage.jump(1)
    (letter,) = stage.letters(name, "Reminder")
    assert ("R48B" in letter, "R48A" in letter) == (True, False)


# --- promises -------------------------------------------------------------------------------------


def promise(stage: Parlour, name: str, key: str, amount: int, days: int) -> dict[str, object]:
    due_on = str(stage.today + dt.timedelta(days=days))
    return {
        "type": "promise_made", "external_id": key, "client_external_id": name, "currency": "USD",
        "parts": [{"due_on": due_on, "amount": amount}], "made_at": stage.moment(),
    }  # fmt: skip


async def test_49_what_is_promised_is_not_asked_for_until_its_day_has_passed(
    stage: Parlour,
) -> None:
    partly, nothing = "Damson", "Elder"
    for name in (partly, nothing):
        await stage.billed(name, f"R49{name}", 100_000, days=30)
        assert stage.gone(name) == [FIRST]
        await stage.tell(promise(stage, name, f"p49{name}", 100_000, days=17))
    await stage.jump(14)
    await stage.tell(paid(stage, partly, "m49", 40_000))
    await stage.jump(5)
    assert stage.gone(partly) == stage.gone(nothing) == [FIRST]
    assert stage.why(partly)["rule"] == stage.why(nothing)["rule"] == "promised"
    await stage.jump(3)
    assert stage.gone(partly) == stage.gone(nothing) == [FIRST, FIRMER]
    assert stage.outcomes(partly) == ["partially_kept"]
    assert stage.outcomes(nothing) == ["broken"]
    assert "$600.00" in stage.letters(partly, "still open")[0]
    told = [card.text for card in stage.cards(stage.desk) if "has not paid what was" in card.text]
    ours = sorted(text for text in told if text.startswith((partly, nothing)))
    assert ours == [f"{name} has not paid what was promised" for name in (partly, nothing)]


async def test_50_after_three_broken_promises_a_person_takes_the_next(stage: Parlour) -> None:
    name = "Fig"
    await stage.billed(name, "R50", 100_000, days=0)
    for number in range(3):
        await stage.tell(promise(stage, name, f"p50{number}", 10_000, days=0))
        await stage.jump(4)
    assert stage.waiting(name) == []
    await stage.tell(promise(stage, name, "p50", 100_000, days=30))
    assert stage.waiting(name) == ["promise"]
    assert "promised" not in {fact["name"] for fact in stage.why(name)["facts"]}
    answer = await stage.clicks(stage.desk, name, "task.accept")
    assert "accepted" in answer
    assert stage.waiting(name) == []
    assert "promised" in {fact["name"] for fact in stage.why(name)["facts"]}


async def test_50_a_promise_that_is_refused_stops_nothing(stage: Parlour) -> None:
    name = "Gean"
    await stage.billed(name, "R50b", 100_000, days=0)
    for number in range(3):
        await stage.tell(promise(stage, name, f"q50{number}", 10_000, days=0))
        await stage.jump(4)
    due = str(stage.today + dt.timedelta(days=30))
    assert await stage.says(name, "promise_to_pay", date=due) == [True]
    assert stage.waiting(name) == ["promise"]
    await stage.handled(f"task:{stage.task(name).id}", "refused")
    await stage.jump(23)
    assert stage.gone(name) == [FIRST]


# --- what a client said, as an intent -------------------------------------------------------------


async def test_51_a_claim_of_payment_is_waited_for_and_then_asked_again(stage: Parlour) -> None:
    name, phone = "Hawthorn", "+12125550151"
    await stage.billed(name, "R51", 50_000, days=30, phone=phone, sms_consent=True)
    assert stage.gone(name) == [FIRST]
    await stage.jump(14)
    sid = await stage.texts(phone, "paid yesterday, ref 881")
    yesterday = stage.ago(1)
    said = {"message": sid, "method": "bank_transfer", "date": yesterday, "note": "ref 881"}
    assert await stage.says(name, "paid_claim", **said) == [True]
    assert await stage.says(name, "paid_claim", **said) == [False]
    assert stage.waiting(name) == ["claim"]
    assert stage.timeline(name)[-2:] == [("in", "sms", "message"), ("internal", "other", "said")]
    card = stage.cards(FINANCE)[-1]
    assert "find the money" in card.text
    assert "ref 881" in str(card.blocks)
    await stage.jump(3)
    why = stage.why(name)
    assert (why["rule"], "payment_claimed" in why["reason"]) == ("held", True)
    await stage.jump(4)
    assert stage.gone(name) == [FIRST, ("firmer_reminder", "sms")]
    assert stage.waiting(name) == ["claim"]


@pytest.mark.parametrize(("method", "days"), [("card", 1), ("bank_transfer", 3), ("cheque", 7)])
async def test_51_a_claim_holds_as_long_as_its_way_of_paying_takes(
    stage: Parlour, method: str, days: int
) -> None:
    name = f"Claim by {method}"
    await stage.billed(name, f"R51{method}", 50_000, days=20)
    await stage.says(name, "paid_claim", method=method)
    end = calendar.add_business_days(stage.today, days, "US") + dt.timedelta(days=1)
    (hold,) = [one["value"] for one in stage.why(name)["facts"] if one["name"] == "hold"]
    assert hold.startswith(f"payment_claimed until {spelling.day(end)}")


async def test_51_the_money_that_was_claimed_closes_its_task(stage: Parlour) -> None:
    name = "Iris"
    await stage.billed(name, "R51i", 50_000, days=30)
    await stage.says(name, "paid_claim")
    assert stage.waiting(name) == ["claim"]
    await stage.tell(paid(stage, name, "m51i", 50_000))
    assert stage.waiting(name) == []
    assert stage.task(name).outcome == "paid"


async def test_51_stop_closes_one_channel_and_mail_goes_on(stage: Parlour) -> None:
    name, phone = "Jasmine", "+12125550152"
    await stage.billed(name, "R51j", 50_000, days=30, phone=phone, sms_consent=True)
    await stage.texts(phone, "STOP")
    assert stage.waiting(name) == []
    await stage.jump(15)
    assert stage.gone(name) == [FIRST, FIRMER]


async def test_51_who_opts_out_in_other_words_is_heard_as_a_fact(stage: Parlour) -> None:
    name, phone = "Kerria", "+12125550153"
    await stage.billed(name, "R51k", 50_000, days=30, phone=phone, sms_consent=True)
    assert "about an address" in await malformed(stage, name, "opt_out")
    await stage.says(name, "opt_out", phone=phone)
    await stage.jump(15)
    assert stage.gone(name) == [FIRST, FIRMER]
    assert stage.texts_at(phone) == []


async def malformed(stage: Parlour, name: str, intent: str) -> str:
    told = {
        "type": "client_said", "source": "crm", "external_id": "x", "client_external_id": name,
        "intent": intent, "said_at": stage.moment(),
    }  # fmt: skip
    status, found, _ = await telling.post(stage.product, stage.token, telling.body(told))
    assert status == 400
    return str(found["error"]["message"])


async def test_51_a_wrong_number_is_dead_for_that_client_and_its_owner_is_told(
    stage: Parlour,
) -> None:
    name, other, phone = "Lupin", "Mallow", "+12125550154"
    for one in (name, other):
        await stage.billed(one, f"R51{one}", 50_000, days=30, phone=phone, sms_consent=True)
    await stage.says(name, "wrong_person", phone=phone)
    assert stage.waiting(name) == ["address"]
    assert any("somebody else's" in card.text for card in stage.cards(stage.desk))
    await stage.jump(15)
    assert stage.gone(name) == [FIRST, FIRMER]
    assert stage.gone(other) == [FIRST, ("firmer_reminder", "sms")]
    await stage.texts(phone, "Who is this?")
    assert stage.waiting(name) == ["address"]
    assert stage.waiting(other) == ["reply"]


async def test_51_who_is_away_is_not_reminded_until_they_are_back(stage: Parlour) -> None:
    name = "Nettle"
    await stage.billed(name, "R51n", 50_000, days=30)
    back = stage.today + dt.timedelta(days=25)
    await stage.says(name, "out_of_office", date=str(back))
    await stage.jump(24)
    assert stage.gone(name) == [FIRST]
    await stage.jump(4)
    assert stage.gone(name) == [FIRST, FIRMER]


async def test_51_hardship_is_a_persons_turn(stage: Parlour) -> None:
    name = "Oleander"
    await stage.billed(name, "R51o", 50_000, days=20)
    await stage.says(name, "hardship")
    assert stage.waiting(name) == ["care"]
    assert "hardship" in stage.why(name)["reason"]


async def test_51_a_dispute_in_their_words_is_one_of_that_invoice(stage: Parlour) -> None:
    name = "Poppy"
    await stage.billed(name, "R51p", 50_000, days=20)
    await stage.says(name, "dispute", amount=20_000)
    assert stage.waiting(name) == ["dispute"]
    assert {
        "name": "disputed",
        "value": f"$200.00 of R51p since {spelling.day(stage.today)}",
    } in stage.why(name)["facts"]


async def test_51_a_state_in_law_that_they_name_stops_everything(stage: Parlour) -> None:
    name = "Quince"
    await stage.billed(name, "R51q", 50_000, days=29)
    await stage.says(name, "bankruptcy")
    await stage.jump(20)
    assert stage.gone(name) == []


async def test_51_a_promise_in_their_words_is_one_of_all_that_is_overdue(stage: Parlour) -> None:
    name = "Rowan"
    await stage.tell(
        client(name), bill(stage, name, "R51r", 50_000, days=20),
        bill(stage, name, "S51r", 30_000, days=1),
    )  # fmt: skip
    due = stage.today + dt.timedelta(days=10)
    await stage.says(name, "promise_to_pay", date=str(due))
    facts = {fact["name"]: fact["value"] for fact in stage.why(name)["facts"]}
    assert facts["promised"] == f"$500.00 by {spelling.day(due)}"


# --- any reply ------------------------------------------------------------------------------------


async def test_52_after_a_reply_the_next_step_waits_until_somebody_has_read_it(
    stage: Parlour,
) -> None:
    name, phone = "Sorrel", "+12125550155"
    await stage.billed(name, "R52", 50_000, days=30, phone=phone)
    assert stage.gone(name) == [FIRST]
    await stage.mails(name, "Which hours are these? I do not recognise them.")
    assert stage.waiting(name) == ["reply"]
    hold = next(one["value"] for one in stage.why(name)["facts"] if one["name"] == "hold")
    assert hold.startswith("reply until ")
    for _ in range(3):
        await stage.jump(7)
    assert stage.gone(name) == [FIRST]
    turn = next(one for one in stage.why(name)["facts"] if one["name"] == "a person's turn")
    assert "a reply waits to be read since" in turn["value"]
    assert "Ada Moss" in turn["value"]
    assert any("a reply waits to be read" in card.text for card in stage.cards(stage.desk))
    assert any(name in card.text for card in stage.cards(FINANCE))
    read = await stage.clicks(CLIENTS, f"{name} wrote", "task.done")
    assert read.startswith(f"Noted for {name}")
    assert stage.gone(name) == [FIRST, FIRMER]


async def test_52_a_reminder_that_is_queued_stays_for_the_reply(stage: Parlour) -> None:
    name, phone = "Tansy", "+12125550156"
    await stage.product.later(hours=10)
    await stage.billed(name, "R52t", 50_000, days=30, phone=phone)
    assert stage.states(name) == ["held"]
    await stage.texts(phone, "I have a question about this.")
    await stage.product.later(hours=14)
    (message,) = stage.messages(name, Purpose.DUNNING)
    assert (message.state, message.rule) == ("held", "held")
    assert stage.gone(name) == []
    assert await stage.handled(name) == [f"Noted for {name}: handled. Reminders may go on."]
    assert stage.gone(name) == [FIRST]
    with pytest.raises(Wrong, match="No reply of Tansy waits"):
        await stage.handled(name)


async def test_52_a_system_that_answers_clients_says_when_it_has(stage: Parlour) -> None:
    name = "Umbel"
    await stage.billed(name, "R52u", 50_000, days=20)
    early = {
        "type": "reply_handled", "client_external_id": name, "handled_at": stage.moment(1),
    }  # fmt: skip
    await stage.mails(name, "Please call me.")
    assert await stage.tell(early) == [False]
    assert stage.waiting(name) == ["reply"]
    assert await stage.tell(early | {"handled_at": stage.moment()}) == [True]
    assert stage.waiting(name) == []


async def test_52_no_machine_and_no_keyword_holds_anything(stage: Parlour) -> None:
    name, phone = "Vetch", "+12125550157"
    await stage.billed(name, "R52v", 50_000, days=20, phone=phone, sms_consent=True)
    await stage.texts(phone, "HELP")
    assert stage.waiting(name) == []
    await stage.says(name, "acknowledgement")
    assert stage.waiting(name) == []


async def test_52_whoever_understood_a_reply_has_read_it(stage: Parlour) -> None:
    name, phone = "Woodruff", "+12125550158"
    await stage.billed(name, "R52w", 50_000, days=20, phone=phone, sms_consent=True)
    sid = await stage.texts(phone, "thanks, got it")
    await stage.says(name, "question_balance", message=sid)
    assert stage.waiting(name) == ["reply"]
    await stage.says(name, "acknowledgement", message=sid)
    assert stage.waiting(name) == []


async def test_a_mail_is_named_by_its_message_id(stage: Parlour) -> None:
    name = "Zelkova"
    await stage.billed(name, "R52z", 50_000, days=20)
    await stage.mails(name, "we paid on Monday")
    given = str(message_from_bytes(stage.product.mail.written[-1])["Message-ID"])
    assert stage.waiting(name) == ["reply"]
    assert await stage.says(name, "acknowledgement", message=given) == [True]
    assert stage.waiting(name) == []
    await stage.mails(name, "and another thing")
    bare = str(message_from_bytes(stage.product.mail.written[-1])["Message-ID"]).strip("<>")
    await stage.says(name, "question_balance", message=bare)
    assert stage.waiting(name) == ["reply"]
    unknown = {
        "type": "client_said", "external_id": "z", "intent": "acknowledgement",
        "said_at": stage.moment(), "message": f"<other{bare}>",
    }  # fmt: skip
    assert "of a client is not known" in await stage.refused(unknown)


async def test_52_on_postgresql_as_well(postgres: Parlour) -> None:
    name, phone = "Yarrow", "+12125550159"
    await postgres.billed(name, "R52y", 50_000, days=30, phone=phone)
    assert postgres.gone(name) == [FIRST]
    await postgres.texts(phone, "I will look into it.")
    await postgres.jump(21)
    assert postgres.gone(name) == [FIRST]
    await postgres.handled(name)
    assert postgres.gone(name) == [FIRST, FIRMER]
