"""A worker is killed at each point of a delivery: nothing is lost, and nothing is sent twice."""

import asyncio
import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlmodel import select

from billing.models import Client
from bot import intake
from bot.desk import Desk
from bot.sandbox.faults import Fault
from comms.duties.instructions import ResolveDoubt
from comms.models import State
from comms.outbox import LEASE
from tests import factories
from tests.factories import FINANCE, NOON, Outside, Product
from tests.scenarios.victim import POINTS

ROOT = Path(__file__).parents[2]
MINUTE = dt.timedelta(minutes=1)


@dataclass
class Nursery:
    """The process that victims are born from."""

    process: subprocess.Popen[str]

    def kill(self, job: dict[str, Any]) -> int:
        """Let a victim work and die; the signal that ended it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def nursery(sqlite_template: Path) -> Iterator[Nursery]:
    command = [sys.executable, "-m", "tests.scenarios.victim", str(sqlite_template)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Nursery(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
async def around(database: Any, tmp_path: Path) -> AsyncIterator[Outside]:
    async with factories.outside(database, tmp_path) as world:
        yield world


async def killed(
    around: Outside, nursery: Nursery, make: Callable[[Product], int], channel: str, point: str
) -> int:
    """A message is queued, and the worker that delivers it dies; the message's id."""
    async with factories.serving(around) as product:
        product.write(lambda session: factories.firm(session, NOON))
        message_id = make(product)
    settings = around.settings.model_dump(mode="json")
    for name in settings:
        secret = getattr(around.settings, name)
        if hasattr(secret, "get_secret_value"):
            settings[name] = secret.get_secret_value()
    job = {"settings": settings, "now": NOON.isoformat(), "channel": channel, "point": point}
    assert await asyncio.to_thread(nursery.kill, job) == signal.SIGKILL
    await around.twilio.settle()
    around.clock.ahead += LEASE + MINUTE
    return message_id


def texts(around: Outside) -> int:
    return len(around.twilio.messages)


def asked(around: Outside) -> int:
    """How many cards ask finance whether a message went."""
    return sum("in_doubt" in str(post) or "doubt" in str(post) for post in finance(around))


def finance(around: Outside) -> list[Any]:
    return list(around.slack.messages(FINANCE))


def a_note(product: Product) -> int:
    return product.note(product.known())


def a_reminder(product: Product) -> int:
    return product.reminder(product.known(phone=None))


def a_receipt(product: Product) -> int:
    known = product.known(phone=None)
    product.write(lambda session: factories.owes(session, known, NOON, days=3))
    fact = factories.paid(known, NOON)
    product.write(lambda s: intake.take_in(s, product.app.office(), fact, iter(())))
    (receipt,) = factories.messages(product.store, purpose="receipt")
    return receipt.id


# --- a text ---------------------------------------------------------------------------------------

LEFT = {
    "before_claim": State.QUEUED,
    "within_claim": State.QUEUED,
    "after_claim": State.CLAIMED,
    "sending": State.SENDING,
    "accepted": State.SENDING,
    "before_commit": State.SENDING,
}


def test_every_point_has_its_outcome() -> None:
    assert set(LEFT) == set(POINTS)


@pytest.mark.parametrize("point", ["before_claim", "within_claim", "after_claim"])
async def test_40_what_had_not_begun_goes_once(
    around: Outside, nursery: Nursery, point: str
) -> None:
    message_id = await killed(around, nursery, a_note, "sms", point)
    async with factories.serving(around) as product:
        assert product.state(message_id) == LEFT[point]
        await product.settle()
        assert product.state(message_id) == State.DELIVERED
        assert [one.outcome for one in factories.attempts(product.store, message_id)] == ["sent"]
    assert texts(around) == 1
    assert asked(around) == 0


@pytest.mark.parametrize("point", ["accepted", "before_commit"])
async def test_40_a_text_that_was_taken_is_found_in_the_providers_list(
    around: Outside, nursery: Nursery, point: str
) -> None:
    message_id = await killed(around, nursery, a_note, "sms", point)
    async with factories.serving(around) as product:
        assert product.state(message_id) == LEFT[point]
        await product.settle()
        assert product.state(message_id) == State.IN_DOUBT
        await product.later(minutes=1)
        found = factories.message(product.store, message_id)
        assert (found.state, found.provider_id) == (State.SENT, next(iter(around.twilio.messages)))
        await product.later(days=2)
    assert texts(around) == 1
    assert asked(around) == 0


async def test_40_a_text_that_was_taken_is_known_by_its_late_report(
    around: Outside, nursery: Nursery
) -> None:
    message_id = await killed(around, nursery, a_note, "sms", "accepted")
    around.twilio.faults.plan("list", Fault.EMPTY, times=9)
    (record,) = around.twilio.messages.values()
    async with factories.serving(around) as product:
        await product.settle()
        assert product.state(message_id) == State.IN_DOUBT
        url = record.asked["StatusCallback"]
        params = {"MessageSid": record.sid, "MessageStatus": "delivered"}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": around.twilio.signature(url, params),
        }
        path = url.removeprefix(product.url)
        assert await product.post(path, urlencode(params).encode(), headers) == 200
        await product.settle()
        assert product.state(message_id) == State.DELIVERED
        await product.later(days=2)
    assert texts(around) == 1
    assert asked(around) == 0


async def test_40_a_text_that_nobody_knows_of_is_a_persons_to_decide(
    around: Outside, nursery: Nursery
) -> None:
    message_id = await killed(around, nursery, a_note, "sms", "sending")
    async with factories.serving(around) as product:
        await product.settle()
        for minutes in (1, 4):
            await product.later(minutes=minutes)
            assert product.state(message_id) == State.IN_DOUBT
            assert asked(around) == 0
        await product.later(minutes=10)
        assert asked(around) == 1
        await product.later(days=2)
        assert product.state(message_id) == State.IN_DOUBT
        assert (texts(around), asked(around)) == (0, 1)
        no = ResolveDoubt(message_id=message_id, went=False, by=1)
        await Desk(product.app).instruct("click:1", no)
        await product.settle()
        assert product.state(message_id) == State.DELIVERED
    assert texts(around) == 1


# --- mail -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["sending", "accepted", "before_commit"])
async def test_40_a_reminder_in_doubt_waits_for_a_person(
    around: Outside, nursery: Nursery, point: str
) -> None:
    message_id = await killed(around, nursery, a_reminder, "email", point)
    arrived = int(point != "sending")
    async with factories.serving(around) as product:
        await product.settle()
        assert asked(around) == 1
        await product.later(days=2)
        assert product.state(message_id) == State.IN_DOUBT
        assert (len(around.mail.letters), asked(around)) == (arrived, 1)
        answer = ResolveDoubt(message_id=message_id, went=bool(arrived), by=1)
        await Desk(product.app).instruct("click:1", answer)
        await product.settle()
        assert product.state(message_id) == State.SENT
    assert len(around.mail.letters) == 1


async def test_a_reminder_in_doubt_of_a_settled_debt_does_not_go_for_the_next(
    around: Outside, nursery: Nursery
) -> None:
    message_id = await killed(around, nursery, a_reminder, "email", "sending")
    async with factories.serving(around) as product:
        await product.settle()
        (client,) = product.write(lambda s: s.exec(select(Client.name)).all())
        known = factories.Known(client, 1, 1, None, None, "", "")
        paid = factories.paid(known, NOON)
        product.write(lambda s: intake.take_in(s, product.app.office(), paid, iter(())))
        product.write(lambda s: factories.owes(s, known, NOON, days=40, number="INV-2"))
        await product.settle()
        no = ResolveDoubt(message_id=message_id, went=False, by=1)
        await Desk(product.app).instruct("click:1", no)
        await product.later(days=2)
        old = factories.message(product.store, message_id)
        assert (old.state, old.rule) == (State.CANCELLED, "paid")
    reminders = [one for one in around.mail.letters if one.subject.startswith("Reminder")]
    assert len(reminders) == 1


@pytest.mark.parametrize("point", ["sending", "accepted", "before_commit"])
async def test_a_receipt_in_doubt_goes_again_as_the_same_mail(
    around: Outside, nursery: Nursery, point: str
) -> None:
    message_id = await killed(around, nursery, a_receipt, "email", point)
    async with factories.serving(around) as product:
        await product.settle()
        assert product.state(message_id) == State.IN_DOUBT
        await product.later(minutes=15)
        assert product.state(message_id) == State.SENT
        await product.later(days=2)
    assert len(around.mail.letters) == 1 + (point != "sending")
    assert len({letter.message_id for letter in around.mail.letters}) == 1
    assert asked(around) == 0


# --- staff ----------------------------------------------------------------------------------------


def an_alert(product: Product) -> int:
    return product.alert()


@pytest.mark.parametrize("point", ["sending", "accepted"])
async def test_staff_are_told_at_least_once(around: Outside, nursery: Nursery, point: str) -> None:
    message_id = await killed(around, nursery, an_alert, "slack", point)
    async with factories.serving(around) as product:
        await product.settle()
        await product.later(minutes=1)
        assert product.state(message_id) == State.SENT
    assert 1 <= len(finance(around)) <= 1 + (point == "accepted")
