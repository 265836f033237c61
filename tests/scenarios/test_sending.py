"""Exactly once, or not at all: what the acceptance scenarios tell of sending, by their numbers.

40 is in ``test_kill.py``, where a process is killed at each point of a delivery.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from bot import worker
from bot.app import live
from bot.sandbox.faults import Fault
from bot.sandbox.smtp import Letter
from comms.models import Purpose, State
from comms.outbox import LEASE
from comms.ports import Found, Outgoing, Sent
from tests.bot import telling
from tests.conftest import Database
from tests.factories import FINANCE
from tests.scenarios import parlour
from tests.scenarios.parlour import Parlour
from tests.scenarios.test_money import address, bill, client, paid

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]
BY_MAIL, BY_TEXT = ("first_reminder", "email"), ("first_reminder", "sms")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Parlour]:
    folder = tmp_path_factory.mktemp("sending")
    async for room in parlour.open_parlour(parlour.database_in(folder, sqlite_template), folder):
        yield room


@pytest_asyncio.fixture(loop_scope="module")
async def stage(shared: Parlour) -> Parlour:
    """The shared product on a Tuesday at noon, when a mail may leave."""
    now = shared.product.clock.now()
    noon = now.replace(hour=17, minute=0)
    days = (1 - noon.weekday()) % 7 or (7 if now > noon else 0)
    await shared.product.later(seconds=(noon + dt.timedelta(days=days) - now).total_seconds())
    return shared


@pytest_asyncio.fixture(loop_scope="module")
async def postgres(postgres_database: Database, tmp_path: Path) -> AsyncIterator[Parlour]:
    async for room in parlour.open_parlour(postgres_database, tmp_path):
        yield room


# --- which way ------------------------------------------------------------------------------------


async def test_38_without_a_mailbox_the_reminder_goes_by_text_where_they_agreed(
    stage: Parlour,
) -> None:
    agreed, silent = "Argan", "Balsa"
    await stage.billed(agreed, "S38a", email=None, phone="+12125550138", sms_consent=True)
    await stage.billed(silent, "S38b", email=None, phone="+12125550139")
    assert stage.gone(agreed) == [BY_TEXT]
    assert stage.gone(silent) == []
    assert [one.rule for one in stage.messages(silent, Purpose.DUNNING)] == ["no_sms_consent"]


async def test_38_a_debt_ages_without_any_address_and_its_owner_is_told(stage: Parlour) -> None:
    name = "Cork"
    await stage.billed(name, "S38c", email=None)
    assert stage.gone(name) == []
    assert stage.owes(name) == "$5,000.00 open, $5,000.00 overdue"
    (told,) = [card for card in stage.cards(stage.desk) if name in card.text]
    assert "Did not arrive: first reminder by email" in told.text
    await stage.jump(15)
    await stage.jump(15)
    assert any(f"Your turn: {name}" in card.text for card in stage.cards(stage.desk))


# --- once -----------------------------------------------------------------------------------------


async def test_39_however_often_the_worker_looks_one_notice_leaves(stage: Parlour) -> None:
    name = "Deodar"
    await stage.billed(name, "S39")
    for _ in range(60):
        await stage.product.later(minutes=1)
    assert stage.gone(name) == [BY_MAIL]
    assert len(stage.letters(name, "Reminder")) == 1


async def test_39_four_workers_at_once_send_one_notice_for_each_key(postgres: Parlour) -> None:
    names = ["Ebony", "Fir", "Gum", "Holm"]
    settings, clock = postgres.product.app.settings, postgres.product.clock
    for name in names:
        await postgres.tell(client(name))
    async with AsyncExitStack() as stack:
        workers = [live(settings, clock) for _ in range(4)]
        for one in workers:
            stack.push_async_callback(one.close)
        for _ in range(3):
            clock.turn(clock.now() + dt.timedelta(minutes=20))
            for name in names:
                await _told_unsettled(postgres, name)
            await asyncio.gather(*(worker.drain(one) for one in workers))
        await postgres.product.settle()
    for name in names:
        assert postgres.gone(name) == [BY_MAIL]
        assert len(postgres.letters(name, "Reminder")) == 1


async def _told_unsettled(stage: Parlour, name: str) -> None:
    """Kept over the API, and left for whichever worker comes first."""
    told = {"source": "crm", **bill(stage, name, f"S39{name}", 50_000, days=30)}
    status, _, _ = await telling.post(stage.product, stage.token, telling.body(told))
    assert status == 200


async def test_41_a_provider_that_fails_after_it_took_a_text_is_asked_for_it(
    stage: Parlour,
) -> None:
    name, phone = "Iroko", "+12125550141"
    faults = stage.product.twilio.faults
    faults.plan("send", Fault.UNAVAILABLE_AFTER_ACCEPT)
    faults.plan("status", Fault.LOSE_CALLBACKS, match=lambda asked: asked.get("To") == phone)
    await stage.billed(name, "S41", email=None, phone=phone, sms_consent=True)
    assert stage.states(name) == [State.IN_DOUBT]
    await stage.product.later(minutes=1)
    assert stage.states(name) == [State.SENT]
    await stage.jump(2)
    assert len(stage.texts_at(phone)) == 1
    assert [one.attempts for one in stage.messages(name, Purpose.DUNNING)] == [1]


async def test_42_what_is_paid_between_decision_and_sending_is_not_asked_for(
    stage: Parlour,
) -> None:
    name = "Jarrah"
    await stage.product.later(hours=10)
    await stage.billed(name, "S42", 50_000)
    assert stage.states(name) == [State.HELD]
    await stage.tell(paid(stage, name, "p42", 50_000))
    assert stage.states(name) == [State.CANCELLED]
    rules = [one["rule"] for one in stage.why(name)["decisions"]]
    assert "cured" in rules
    await stage.jump(1)
    assert stage.letters(name, "Reminder") == []


async def test_44_a_text_that_goes_while_a_mail_waits_leaves_both_in_the_record(
    stage: Parlour,
) -> None:
    name, phone = "Kapok", "+12125550144"
    await stage.product.later(hours=7)
    await stage.billed(name, "S44", phone=phone, sms_consent=True)
    (mail,) = stage.messages(name, Purpose.DUNNING)
    assert (mail.state, mail.channel, mail.rule) == (State.HELD, "email", "quiet_hours")
    stage.product.twilio.stop_filter = False
    await stage.texts(phone, "HELP")
    (answer,) = stage.messages(name, Purpose.ANSWER)
    assert answer.state in parlour.GONE
    assert stage.message(mail.id) == mail
    await stage.product.later(hours=17)
    assert stage.message(mail.id).state == State.SENT
    assert stage.timeline(name) == [
        ("in", "sms", "message"), ("out", "sms", "answer"), ("out", "email", "dunning"),
    ]  # fmt: skip
    for message in (mail, answer):
        assert stage.why(f"message:{message.id}")["decisions"]


async def test_whoever_no_hour_is_left_for_is_their_owners_to_find(stage: Parlour) -> None:
    name, phone = "Mimosa", "+12125550145"
    await stage.billed(name, "S45", phone=phone, sms_consent=True, email=None)
    await stage.tell(
        {
            "type": "preference_stated", "external_id": "L-S45", "client_external_id": name,
            "not_before": "22:30", "stated_at": stage.moment(),
        }
    )  # fmt: skip
    await stage.jump(15)
    late = [one for one in stage.messages(name, Purpose.DUNNING) if one.state not in parlour.GONE]
    assert [(one.state, one.rule) for one in late] == [(State.WITHHELD, "never_open")]
    assert any(name in card.text and "arrive" in card.text for card in stage.cards(stage.desk))


# --- what comes back ------------------------------------------------------------------------------


def reminder(stage: Parlour, name: str) -> Letter:
    (letter,) = [
        one for one in stage.product.mail.mailboxes[address(name)] if "Reminder" in one.subject
    ]
    return letter


async def test_a_mail_that_came_back_closes_the_mailbox_and_goes_by_text(stage: Parlour) -> None:
    name, phone = "Maple", "+12125550147"
    await stage.billed(name, "S47", phone=phone, sms_consent=True)
    assert stage.gone(name) == [BY_MAIL]
    letter = reminder(stage, name)
    assert await stage.product.mail.bounce(letter, address(name)) == 200
    await stage.product.settle()
    back, instead = stage.messages(name, Purpose.DUNNING)
    assert (back.state, back.rule) == (State.FAILED, "5.1.1")
    assert instead.state in parlour.GONE
    assert len(stage.texts_at(phone)) == 1
    await stage.jump(15)
    assert stage.gone(name) == [BY_TEXT, ("firmer_reminder", "sms")]


async def test_a_mail_that_came_back_from_a_full_mailbox_leaves_the_mailbox_open(
    stage: Parlour,
) -> None:
    name = "Nutmeg"
    await stage.billed(name, "S48")
    letter = reminder(stage, name)
    await stage.product.mail.bounce(letter, address(name), code="5.2.2")
    await stage.product.settle()
    assert stage.states(name) == [State.FAILED]
    await stage.jump(15)
    assert stage.gone(name) == [("firmer_reminder", "email")]


async def test_a_mail_that_came_back_from_where_they_forward_it_to_has_arrived(
    stage: Parlour,
) -> None:
    name = "Olive"
    await stage.billed(name, "S49")
    letter = reminder(stage, name)
    await stage.product.mail.bounce(letter, "olive.at.home@else.example")
    await stage.product.settle()
    assert stage.gone(name) == [BY_MAIL]


async def test_a_mail_that_comes_back_twice_is_one_bounce(stage: Parlour) -> None:
    name = "Pecan"
    await stage.billed(name, "S50")
    letter = reminder(stage, name)
    for _ in range(2):
        await stage.product.mail.bounce(letter, address(name))
        await stage.product.settle()
    assert stage.states(name) == [State.FAILED]
    told = [card for card in stage.cards(FINANCE) if name in card.text and "arrive" in card.text]
    assert len(told) == 1
    assert stage.timeline(name) == [("out", "email", "dunning")]


@dataclass
class Crashing:
    """A channel of ours with a fault: it writes nothing and fails as nobody expected."""

    name: str = "sms"

    async def send(self, message: Outgoing) -> Sent:
        raise RuntimeError(f"a fault of ours with {message.reference}")

    async def find(self, message: Outgoing, since: dt.datetime) -> Found | None:
        raise RuntimeError(f"a fault of ours with {message.reference} since {since}")

    async def close(self) -> None:
        return None


async def test_46_a_crash_after_the_attempt_was_counted_loses_no_step(stage: Parlour) -> None:
    name, phone = "Larch", "+12125550146"
    whole = stage.product.app
    stage.product.app = replace(whole, channels={**whole.channels, "sms": Crashing()})
    with pytest.raises(ExceptionGroup):
        await stage.billed(name, "S46", email=None, phone=phone, sms_consent=True)
    (message,) = stage.messages(name, Purpose.DUNNING)
    assert (message.state, message.attempts) == (State.SENDING, 1)
    stage.product.app = whole
    stage.product.clock.ahead += LEASE + dt.timedelta(minutes=1)
    await stage.product.settle()
    for minutes in (1, 5, 15):
        assert stage.states(name) == [State.IN_DOUBT]
        await stage.product.later(minutes=minutes)
    assert stage.texts_at(phone) == []
    await stage.clicks(FINANCE, name, "doubt.again", user=parlour.FINN)
    assert stage.states(name)[0] in parlour.GONE
    assert len(stage.texts_at(phone)) == 1
    await stage.jump(15)
    assert stage.gone(name) == [BY_TEXT, ("firmer_reminder", "sms")]
