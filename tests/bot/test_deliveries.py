"""What becomes of what was told: again, in another order, late, or by strangers?"""

import asyncio
import datetime as dt
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlmodel import Session, select

from billing.facts import ClientDescribed
from billing.models import Address
from bot import inbox, intake, understanding
from bot.custody import nightly
from bot.models import Incoming
from bot.sandbox.faults import Fault
from comms import consent
from comms.consent import Standing
from comms.models import ConsentEvent, Message, State, Touchpoint
from comms.ports import Channel, Found, Outgoing, Sent
from tests import factories
from tests.bot.doors import DOORS, STRANGER, by_twilio, event, mail, rows, status, taken, text
from tests.factories import CLIENTS, NOON, SENDER, Product


@pytest.fixture
async def product(database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        yield running


# --- the same again -------------------------------------------------------------------------------


def state_of(product: Product) -> dict[str, Counter[tuple[Any, ...]]]:
    """What there is, without ids and moments."""
    with product.store.read() as session:
        return {
            "incoming": _count(session, Incoming, "source", "external_id", "state", "client_id"),
            "messages": _count(session, Message, "audience", "channel", "template", "state"),
            "touchpoints": _count(session, Touchpoint, "client_id", "channel", "direction", "kind"),
            "consent": _count(session, ConsentEvent, "address_id", "change", "method"),
            "addresses": _count(session, Address, "value", "health"),
        }


def _count(session: Session, model: Any, *columns: str) -> Counter[tuple[Any, ...]]:
    found = session.exec(select(model)).all()
    return Counter(tuple(getattr(row, column) for column in columns) for row in found)


def requests(sid: str) -> list[tuple[str, str, bytes]]:
    """What the world says about one text of ours and one client, in a sensible order."""
    path = "/hooks/twilio/status?ref=our-note"
    callbacks = [status(sid, state) for state in ("queued", "sending", "sent", "delivered")]
    return [
        *(("status", path, urlencode(params).encode()) for params in callbacks),
        ("sms", "/hooks/twilio/sms", urlencode(text("SM2", Body="which invoice?")).encode()),
        ("sms", "/hooks/twilio/sms", urlencode(text("SM3", Body="STOP")).encode()),
        ("sms", "/hooks/twilio/sms", urlencode(text("SM4", From=STRANGER)).encode()),
        ("email", "/hooks/email", mail("One", number=1)),
        ("email", "/hooks/email", mail("Two", number=2)),
        ("email", "/hooks/email", mail("Odd", sender="who@else.example", number=3)),
        ("email", "/hooks/email", b"\x00"),
        ("event", "/hooks/slack", json.dumps(event()).encode()),
    ]


async def tell(product: Product, order: list[tuple[str, str, bytes]]) -> None:
    async def one(name: str, path: str, body: bytes) -> None:
        headers = DOORS[name].sign(product, path, body)
        assert await product.post(path, body, headers) == 200

    for start in range(0, len(order), 6):
        await asyncio.gather(*(one(*request) for request in order[start : start + 6]))
        await product.settle()


async def sent_note(product: Product) -> str:
    """A text that Twilio took, whose callbacks are lost; the SID."""
    known = product.known()
    product.twilio.faults.plan("status", Fault.LOSE_CALLBACKS, times=9)
    message_id = product.note(known, reference="our-note")
    product.note(known, send_after=NOON + dt.timedelta(days=1))
    await product.settle()
    assert product.state(message_id) == State.SENT
    return factories.message(product.store, message_id).provider_id or ""


async def test_four_times_and_shuffled_comes_to_the_same(database: Any, tmp_path: Path) -> None:
    chance = random.Random(7)
    found = []
    async with factories.product(database, tmp_path) as product:
        sid = await sent_note(product)
        await tell(product, requests(sid))
        found.append(state_of(product))
        again = requests(sid) * 3
        chance.shuffle(again)
        await tell(product, again)
        found.append(state_of(product))
    assert found[0] == found[1]
    assert found[0]["messages"]["client", "sms", "staff_text", "delivered"] == 1
    assert found[0]["messages"]["client", "sms", "staff_text", "cancelled"] == 1


@pytest.mark.parametrize("seed", range(3))
async def test_the_order_of_arrival_does_not_matter(
    seed: int, database: Any, tmp_path: Path
) -> None:
    async with factories.product(database, tmp_path) as product:
        order = requests(await sent_note(product)) * 4
        random.Random(seed).shuffle(order)
        await tell(product, order)
        found = state_of(product)
    assert found["consent"] == Counter({(2, "granted", "form"): 1, (2, "revoked", "keyword"): 1})
    assert found["messages"]["client", "sms", "staff_text", "delivered"] == 1
    assert found["messages"]["client", "sms", "staff_text", "cancelled"] == 1
    assert found["touchpoints"] == Counter(
        {
            (1, "sms", "out", "staff_text"): 1,
            (1, "sms", "in", "message"): 2,
            (1, "email", "in", "message"): 2,
        }
    )
    states = Counter(state for (_, _, state, _), many in found["incoming"].items() for _ in [many])
    assert states == {"done": 7 + 1, "unmatched": 2, "unreadable": 1, "ignored": 1}


# --- callbacks ------------------------------------------------------------------------------------

CALLBACKS = ("queued", "sending", "sent", "delivered")


async def report(product: Product, sid: str, state: str, ref: str = "our-note", **more: str) -> int:
    path = f"/hooks/twilio/status?ref={ref}"
    body = urlencode(status(sid, state, **more)).encode()
    answer = await product.post(path, body, by_twilio(product, path, body))
    await product.settle()
    return answer


async def test_a_late_report_moves_nothing_back(product: Product) -> None:
    sid = await sent_note(product)
    note = factories.messages(product.store, reference="our-note")[0].id
    for state in ("delivered", "sent", "queued", "sending", "sent"):
        assert await report(product, sid, state) == 200
        assert product.state(note) == State.DELIVERED


async def test_a_report_of_failure_after_delivery_changes_nothing(product: Product) -> None:
    sid = await sent_note(product)
    note = factories.messages(product.store, reference="our-note")[0].id
    await report(product, sid, "delivered")
    await report(product, sid, "undelivered", ErrorCode="30005")
    assert product.state(note) == State.DELIVERED


async def test_a_report_of_delivery_after_failure_changes_nothing(product: Product) -> None:
    sid = await sent_note(product)
    note = factories.messages(product.store, reference="our-note")[0].id
    await report(product, sid, "undelivered", ErrorCode="30005")
    await report(product, sid, "delivered")
    assert product.state(note) == State.FAILED


async def test_a_report_about_a_text_of_somebody_else_is_taken_and_changes_nothing(
    product: Product,
) -> None:
    sid = await sent_note(product)
    before = state_of(product)
    assert await report(product, "SM" + "0" * 32, "delivered", ref="nobody") == 200
    assert await report(product, sid, "delivered", ref="nobody") == 200
    assert state_of(product)["messages"] == before["messages"]


@dataclass
class Patient:
    """A channel whose answer comes after everything that the provider calls back."""

    inner: Channel
    meanwhile: Callable[[], Awaitable[None]]
    name: str = "sms"

    async def send(self, message: Outgoing) -> Sent:
        sent = await self.inner.send(message)
        await self.meanwhile()
        return sent

    async def find(self, message: Outgoing, since: dt.datetime) -> Found | None:
        return await self.inner.find(message, since)

    async def close(self) -> None:
        await self.inner.close()


async def test_a_report_may_come_before_the_answer(product: Product) -> None:
    message_id = product.note(product.known())
    seen: list[str] = []

    async def meanwhile() -> None:
        await product.twilio.settle()
        await understanding.understand(product.app)
        seen.append(product.state(message_id))

    slow = Patient(product.app.channels["sms"], meanwhile)
    product.app = replace(product.app, channels={**product.app.channels, "sms": slow})
    await product.settle()
    assert seen == [State.DELIVERED]
    assert product.state(message_id) == State.DELIVERED
    touchpoints = state_of(product)["touchpoints"]
    assert touchpoints == Counter({(1, "sms", "out", "staff_text"): 1})
    assert [one.outcome for one in factories.attempts(product.store, message_id)] == ["sent"]


# --- strangers ------------------------------------------------------------------------------------


async def test_a_stranger_is_kept_and_shown_until_it_expires(product: Product) -> None:
    await product.twilio.text(STRANGER, SENDER, "I have a new number, call me")
    await product.settle()
    (row,) = rows(product)
    assert row.state == "unmatched"
    shown = "".join(str(post) for post in product.slack.messages(CLIENTS))
    assert "I have a new number, call me" in shown

    day = inbox.day_key(NOON)
    keyring = product.app.keyring
    product.clock.turn(NOON + dt.timedelta(days=29))
    await nightly.tidy(product.app)
    assert keyring.has(day)
    product.clock.turn(NOON + dt.timedelta(days=31))
    await nightly.tidy(product.app)
    assert not keyring.has(day)


async def test_a_stop_holds_also_for_a_client_whom_we_meet_later(product: Product) -> None:
    await product.twilio.text(STRANGER, SENDER, "STOP")
    await product.settle()
    told = ClientDescribed(
        source="csv", external_id="late", name="Late & Co", phone=STRANGER, sms_consent=True
    )
    product.app.keyring.make(["client:late"], NOON)

    def import_(session: Session) -> Standing:
        intake.book(session, product.app.office(), told, iter(["client:late"]))
        address = consent.find_address(session, "sms", STRANGER)
        assert address is not None
        assert address.verification == "asserted"
        return consent.of_address(session, address.id).standing

    assert product.app.store.write_now(import_) is Standing.REVOKED


async def test_two_people_who_say_the_same_are_two(product: Product) -> None:
    for sender in ("a@one.example", "b@two.example"):
        body = f"From: {sender}\r\nTo: accounts@harrow.example\r\n\r\nYes\r\n".encode()
        for _ in range(2):
            assert await taken(product, DOORS["email"], body) == 200
    assert len(rows(product)) == 2
