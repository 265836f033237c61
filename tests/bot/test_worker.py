"""What is due is done, what fails is put off, and everything comes to rest."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, select
from typing_extensions import override

from billing.models import Enrolment
from billing.store import Store
from bot import operations, worker
from bot.app import Reader
from bot.inbox import Parcel
from bot.models import Incoming
from bot.report import silent
from bot.sandbox.faults import Fault
from comms import outbox
from comms.models import Message, State
from comms.outbox import LEASE
from comms.ports import Channel, Found, Outgoing, Sent
from tests import factories
from tests.factories import CLIENTS, FINANCE, MAILBOX, NOON, PHONE, SENDER, Product


@pytest.fixture
async def product(database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        yield running


@pytest.fixture
async def one(sqlite_database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(sqlite_database, tmp_path) as running:
        yield running


def shown(product: Product, channel: str = FINANCE) -> str:
    return "\n".join(str(post) for post in product.slack.messages(channel))


# --- the walk -------------------------------------------------------------------------------------


async def test_a_due_invoice_reaches_a_mailbox_and_an_answer_reaches_slack(
    product: Product,
) -> None:
    known = product.known()

    def owe(session: Session) -> None:
        factories.owes(session, known, NOON)

    product.write(owe)
    await product.settle()
    (letter,) = product.mail.mailboxes[MAILBOX]
    assert "INV-1" in letter.text
    assert await product.mail.write(MAILBOX, letter.sender, "Re: yours", "Soon.", letter) == 200
    await product.settle()
    assert "Soon." in shown(product, CLIENTS)


async def test_stop_cancels_what_waits_and_nothing_more_goes(product: Product) -> None:
    known = product.known(email=None)
    tomorrow = product.note(known, send_after=NOON + dt.timedelta(days=1))
    assert await product.twilio.text(PHONE, SENDER, "Stop.") == 200
    await product.settle()
    assert product.state(tomorrow) == State.CANCELLED
    await product.later(days=8)
    outbound = [m for m in product.twilio.messages.values() if m.direction != "inbound"]
    assert outbound == []


# --- faults at the wire ---------------------------------------------------------------------------

FAULTS = [
    (Fault.UNAVAILABLE_AFTER_ACCEPT, 1),
    (Fault.CUT_AFTER_ACCEPT, 1),
    (Fault.GARBAGE_AFTER_ACCEPT, 1),
    (Fault.CUT, 1),
    (Fault.GARBAGE, 1),
    (Fault.RATE_LIMIT, 3),
]


@pytest.mark.parametrize(("fault", "times"), FAULTS, ids=[fault.value for fault, _ in FAULTS])
async def test_a_text_goes_once_whatever_the_wire_does(
    product: Product, fault: Fault, times: int
) -> None:
    message_id = product.note(product.known())
    product.twilio.faults.plan("send", fault, times=times, seconds=1)
    await product.settle()
    for minutes in (1, 4, 10, 60 * 24 * 2):
        await product.later(minutes=minutes)
    assert len(product.twilio.messages) <= 1
    state = product.state(message_id)
    if product.twilio.messages:
        assert state == State.DELIVERED
    else:
        assert state == State.IN_DOUBT
        assert "Did it arrive?" in shown(product)


async def test_a_failed_text_is_told_to_finance_with_its_context(product: Product) -> None:
    product.twilio.landline(PHONE)
    message_id = product.note(product.known())
    await product.settle()
    assert product.state(message_id) == State.FAILED
    assert "not a mobile number" in shown(product)
    assert "Northwind Trading" in shown(product)


# --- what fails is put off ------------------------------------------------------------------------


@dataclass
class Broken:
    """A channel with a fault of ours in it."""

    inner: Channel
    name: str

    async def send(self, message: Outgoing) -> Sent:
        raise LookupError(message.to)

    async def find(self, message: Outgoing, since: dt.datetime) -> Found | None:
        raise LookupError(message.to, since)

    async def close(self) -> None:
        await self.inner.close()


def broken(product: Product, name: str) -> None:
    channels = {**product.app.channels, name: Broken(product.app.channels[name], name)}
    product.app = replace(product.app, channels=channels)


async def test_who_is_told_to_stop_finishes_a_row_and_begins_no_other(one: Product) -> None:
    def last(_parcel: Parcel) -> list[Any]:
        one.app.ending.set()
        return []

    message = one.note(one.known())
    ending = replace(one.app, readers={"email": last})
    for name in ("m1", "m2", "m3"):
        await ending.inbox.receive(Parcel("email", name, b"x"), one.clock.now())
    await worker.drain(ending)
    with one.store.read() as session:
        states = session.exec(select(Incoming.state).order_by(Incoming.external_id)).all()
    assert list(states) == ["ignored", "pending", "pending"]
    assert one.state(message) == State.QUEUED


async def drained(product: Product) -> list[str]:
    """Drain; the kinds of what it met."""
    try:
        await worker.drain(product.app)
    except ExceptionGroup as group:
        return [type(error).__name__ for error in group.exceptions]
    return []


async def test_a_broken_channel_keeps_no_other_from_its_work(product: Product) -> None:
    texted = product.note(product.known("Ann", phone="+12125550101", email=None))
    mailed = product.note(product.known("Bob", phone=None), channel="email")
    broken(product, "sms")
    assert await drained(product) == ["LookupError"]
    assert product.state(mailed) == State.SENT
    assert product.state(texted) == State.SENDING
    product.clock.ahead += LEASE
    await drained(product)
    assert product.state(texted) == State.IN_DOUBT


class Full(Store):
    """A store on a disk that is full."""

    def __init__(self, inner: Store) -> None:
        self.__dict__.update(inner.__dict__)
        self.tried = 0

    @override
    async def write(self, fn: Any, *, clients: Any = ()) -> Any:
        self.tried += 1
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))


async def test_a_store_that_cannot_be_written_is_left_until_the_next_pass(one: Product) -> None:
    message_id = one.note(one.known())
    full = Full(one.store)
    with pytest.raises(ExceptionGroup):
        await worker.drain(replace(one.app, store=full))
    assert full.tried <= 4
    await one.settle()
    assert one.state(message_id) == State.DELIVERED


async def test_tick_ends_where_the_store_cannot_be_written(one: Product) -> None:
    one.note(one.known())
    full = Full(one.store)
    with pytest.raises(OperationalError):
        await operations.tick(replace(one.app, store=full), {}, silent)
    assert full.tried <= 6


async def test_evidence_that_cannot_be_had_is_looked_for_later(product: Product) -> None:
    message_id = product.note(product.known())
    product.twilio.faults.plan("send", Fault.CUT_AFTER_ACCEPT)
    product.twilio.faults.plan("status", Fault.LOSE_CALLBACKS)
    await product.settle()
    assert product.state(message_id) == State.IN_DOUBT
    whole = product.app
    broken(product, "sms")
    product.clock.turn(NOON + dt.timedelta(minutes=1))
    assert await drained(product) == ["LookupError"]
    assert await drained(product) == []
    product.app = whole
    await product.later(hours=1)
    assert product.state(message_id) == State.SENT


async def test_an_account_that_cannot_be_judged_stops_no_other(product: Product) -> None:
    known = [product.known(f"C{n}", phone=None, email=f"c{n}@x.example") for n in range(5)]
    for number, client in enumerate(known):
        product.write(
            lambda s, c=client, n=number: factories.owes(s, c, NOON, number=f"INV-{n}")  # type: ignore[misc]
        )

    def spoil(session: Session) -> None:
        enrolment = session.exec(
            select(Enrolment).where(Enrolment.client_id == known[2].client_id)
        ).one()
        enrolment.sequence, enrolment.agreement_id = "renewal", None

    product.write(spoil)
    assert len(await drained(product)) == 1
    assert len(product.mail.letters) == 4
    assert "cannot be judged" in shown(product)
    assert await drained(product) == []


async def test_a_message_that_cannot_be_judged_stops_no_other(product: Product) -> None:
    first = product.note(product.known("Ann", phone="+12125550101", email=None))
    second = product.note(product.known("Bob", phone="+12125550102", email=None))

    def spoil(session: Session) -> None:
        session.get_one(Message, first).purpose = "dunning"  # it has no step

    product.write(spoil)
    assert len(await drained(product)) == 1
    await product.twilio.settle()
    await product.settle()
    assert product.state(second) == State.DELIVERED
    put_off = factories.message(product.store, first)
    assert (put_off.state, put_off.rule) == (State.QUEUED, "error")
    assert put_off.send_after == NOON + dt.timedelta(minutes=10)


async def test_what_cannot_be_taken_in_is_tried_ever_more_rarely_then_shown(
    product: Product,
) -> None:
    def fail(_parcel: Parcel) -> list[Any]:
        raise LookupError("the reader is broken")

    reader: Reader = fail
    product.app = replace(product.app, readers={**product.app.readers, "email": reader})
    await product.mail.write("who@else.example", "accounts@harrow.example", "Hello", "Words")
    tries = 0
    while (moment := next_try(product)) is not None:
        product.clock.turn(max(moment, product.clock.now()))
        assert await drained(product) == ["LookupError"]
        tries += 1
    assert tries == 8
    await product.settle()
    assert "could not be taken in" in shown(product)
    assert product.clock.now() - NOON > dt.timedelta(hours=7)


def next_try(product: Product) -> dt.datetime | None:
    with product.store.read() as session:
        return session.exec(select(Incoming.next_attempt_at)).one()


async def test_a_mail_that_nobody_can_read_is_shown_to_finance(product: Product) -> None:
    assert await product.mail.deliver_raw(b"\x00 no mail at all") == 200
    await product.settle()
    assert "cannot be read" in shown(product)


# --- it comes to rest -----------------------------------------------------------------------------


async def test_what_waits_for_a_moment_does_not_keep_the_worker_busy(one: Product) -> None:
    known = one.known()
    notes = [one.note(known) for _ in range(3)]
    await one.settle()
    assert [one.state(note) for note in notes] == [State.DELIVERED, State.HELD, State.HELD]
    assert await worker.drain(one.app) == 0
    await one.later(days=1)
    assert [one.state(note) for note in notes] == [State.DELIVERED, State.DELIVERED, State.HELD]


async def test_an_enrolment_that_is_not_due_is_left_alone(one: Product) -> None:
    known = one.known()
    one.write(lambda s: factories.owes(s, known, NOON, days=3))
    await one.settle()
    with one.store.read() as session:
        enrolment = session.exec(select(Enrolment)).one()
    assert enrolment.next_due_at is not None
    assert enrolment.next_due_at > NOON

    def rest(session: Session) -> None:
        session.get_one(Enrolment, enrolment.id).next_due_at = None

    one.write(rest)
    await one.later(days=90)
    assert one.mail.letters == []


async def test_a_held_message_is_judged_again_when_its_moment_comes(one: Product) -> None:
    one.write(lambda s: factories.switch(s, NOON, "closed"))
    message_id = one.note(one.known())
    await one.settle()
    assert one.state(message_id) == State.HELD

    def open_(session: Session) -> None:
        factories.switch(session, NOON)
        outbox.wake_rule(session, "not_live", NOON)

    one.write(open_)
    await one.settle()
    assert one.state(message_id) == State.DELIVERED


async def test_nothing_due_is_nothing_next(one: Product) -> None:
    await one.settle()
    with one.store.read() as session:
        assert worker.next_due(session) is None
    message_id = one.note(one.known(), send_after=NOON + dt.timedelta(hours=1))
    with one.store.read() as session:
        assert worker.next_due(session) == NOON + dt.timedelta(hours=1)
    await one.settle()
    assert one.state(message_id) == State.QUEUED


async def test_two_workers_side_by_side_send_each_message_once(
    postgres_database: Any, tmp_path: Path
) -> None:
    async with factories.product(postgres_database, tmp_path) as product:
        for number in range(12):
            product.note(product.known(f"C{number}", phone=f"+121255501{number:02}", email=None))
        await asyncio.gather(*(worker.drain(product.app) for _ in range(4)))
        await product.settle()
        assert len(product.twilio.messages) == 12
        states = {message.state for message in factories.messages(product.store, channel="sms")}
        assert states == {State.DELIVERED}


async def test_what_came_in_before_a_reminder_left_is_not_reminded_of_again(
    product: Product,
) -> None:
    """The letter names it, so the step has: an older invoice told late is no reason for another."""
    known = product.known()
    product.write(lambda s: factories.owes(s, known, NOON, number="INV-2"))
    await worker.advance(product.app)
    product.write(lambda s: factories.owes(s, known, NOON - dt.timedelta(days=1), number="INV-1"))
    await product.settle()
    for _ in range(5):
        await product.later(days=1)
    [letter] = [one for one in product.mail.letters if "Reminder" in one.subject]
    assert "INV-1" in letter.text
    assert "INV-2" in letter.text
