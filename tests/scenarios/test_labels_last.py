"""No label is lost on the way: by being quoted, typed again, taken along, or shown before it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from sqlmodel import Session, col, select

from billing.models import Role, Staff, StaffRole
from bot.custody import export, privilege, processors
from bot.reasons import explain
from bot.report import silent
from comms.duties import instructions
from comms.duties.instructions import Pause
from comms.models import Message, Purpose, Touchpoint
from comms.writing import drafts
from comms.writing.drafts import Written
from tests import factories
from tests.conftest import Database
from tests.factories import CLIENTS, MAIL_SECRET, MAILBOX, PHONE, SENDER, Product

WORDS = "Ms Arnes saw the second boat come in at noon on Monday and she will say so"
ADVICE = "Our lawyer advises us to settle the Bram suit before trial and to say nothing about it."
COUNSEL = "counsel@harrow.example"


@pytest_asyncio.fixture
async def product(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(sqlite_database, tmp_path) as running:
        running.write(hire)
        running.known()
        yield running


def hire(session: Session) -> None:
    for name, role in (("counsel", Role.PRIVILEGED), ("ada", Role.ADMIN)):
        person = Staff(name=name, email=f"{name}@harrow.example", slack_user=f"U0{name.upper()}")
        session.add(person)
        session.flush()
        session.add(StaffRole(staff_id=person.id, role=role, granted_at=factories.NOON))


async def sealed(product: Product) -> None:
    """A text that no rule seals, and a person does."""
    assert await product.twilio.text(PHONE, SENDER, WORDS) == 200
    await product.settle()
    asked = {"touchpoint": newest(product).id, "by": COUNSEL, "reason": "what counsel thinks"}
    await privilege.seal(product.app, asked, silent)
    await product.settle()


async def mailed(product: Product, body: str) -> None:
    raw = f"From: {MAILBOX}\r\nSubject: Re\r\nMessage-ID: <1@c>\r\n\r\n{body}\r\n"
    secret = {"Authorization": f"Bearer {MAIL_SECRET}"}
    assert await product.post("/hooks/email", raw.encode(), secret) == 200
    await product.settle()


def newest(product: Product) -> Touchpoint:
    with product.store.read() as session:
        query = select(Touchpoint).order_by(col(Touchpoint.id).desc())
        found = session.exec(query).first()
    assert found is not None
    return found


def in_slack(product: Product) -> str:
    return repr([(one.text, one.blocks) for one in product.slack.messages(CLIENTS)])


async def test_who_quotes_what_is_sealed_is_sealed_as_well(product: Product) -> None:
    await sealed(product)
    await mailed(product, f"What do you make of it?\r\n\r\n> {WORDS}")
    assert "privileged" in newest(product).labels.split()
    assert "What do you make of it" not in in_slack(product)


async def test_who_quotes_nothing_sealed_is_read_as_before(product: Product) -> None:
    await sealed(product)
    await mailed(product, "When does the second boat come in, and where?")
    assert "When does the second boat come in" in in_slack(product)


async def test_staff_who_repeat_what_is_sealed_to_the_client_are_asked_first(
    product: Product,
) -> None:
    await sealed(product)
    answer = product.write(lambda session: written(session, product, f"You said: {WORDS}."))
    assert "There is legal advice" in answer
    assert factories.messages(product.store, purpose=Purpose.STAFF_TEXT)[0].state == "awaiting"


def written(session: Session, product: Product, words: str) -> str:
    client = factories.the_client(session)
    ada = session.exec(select(Staff.id).where(Staff.name == "ada")).one()
    return drafts.write(session, product.app.office(), Written(client.id, "sms", words, "k", ada))


async def test_what_left_with_advice_in_it_stays_sealed_in_the_record(product: Product) -> None:
    known = factories.Known("Northwind Trading", 1, 1, 1, 2, PHONE, MAILBOX)
    message_id = product.note(known, words=ADVICE)
    await product.settle()
    with product.store.read() as session:
        told = explain.of(session, product.app.office(), "message", message_id)
    assert "Bram" not in repr(told.text)


async def test_a_card_from_before_the_seal_is_not_taken_along_in_an_export(
    product: Product,
) -> None:
    await sealed(product)
    with product.store.read() as session:
        register = processors.register(product.app.settings)
        client = factories.the_client(session)
        whole = export.gather(session, product.app.office(), client, register)
        cards = session.exec(select(Message.id).where(Message.template == "inbound")).all()
    assert cards
    assert "Arnes" not in json.dumps(whole, default=str)


async def test_why_somebody_paused_a_client_is_not_shown_where_it_is_advice(
    product: Product,
) -> None:
    def pause(session: Session) -> str:
        ada = session.exec(select(Staff.id).where(Staff.name == "ada")).one()
        asked = Pause(client_id=1, days=3, reason=ADVICE, by_staff_id=ada)
        return instructions.carry_out(session, product.app.office(), asked)

    product.write(pause)
    product.slack.add_user("U0ADA", "ada", "ada@harrow.example")
    product.slack.workspace.channels[CLIENTS].members.add("U0ADA")
    answer = await product.slack.command("U0ADA", CLIENTS, "/acct", "Northwind Trading")
    assert "Sealed: legal advice" in answer.body
    assert "Bram" not in answer.body
