"""What a client should not have written, by text and by mail: who sees it then, and where is it?"""

import datetime as dt
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlmodel import Session, SQLModel, select
from typing_extensions import override

from billing.models import Role, Staff, StaffRole
from bot import app
from bot.custody import privilege, privilegelog
from bot.reasons import conversation
from bot.report import Wrong, silent
from comms import causes, timeline
from comms.models import Access, Purpose, Touchpoint
from tests import factories
from tests.conftest import Database
from tests.factories import CLIENTS, MAIL_SECRET, MAILBOX, PHONE, SENDER, Product

CARD = "5555555555554444"
ADVICE = (
    "Our lawyer advises us to settle the Bram suit before trial and to say nothing about the"
    " second contract. INV-5512 is approved for payment."
)
COUNSEL, CLERK = "counsel@harrow.example", "clerk@harrow.example"


@pytest_asyncio.fixture
async def product(database: Database, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        running.write(_staffed)
        running.known()
        yield running


def _staffed(session: Session) -> None:
    for email, role in ((COUNSEL, Role.PRIVILEGED), (CLERK, Role.ACCOUNT_MANAGER)):
        name = email.partition("@")[0]
        person = Staff(name=name, email=email, slack_user=f"U0{name.upper()}")
        session.add(person)
        session.flush()
        session.add(
            StaffRole(staff_id=person.id, role=role, granted_at=factories.NOON, granted_by="test")
        )


async def texted(product: Product, words: str) -> int:
    """A client sends a text; the touchpoint that it is."""
    assert await product.twilio.text(PHONE, SENDER, words) == 200
    await product.settle()
    return said(product)


async def mailed(product: Product, body: str, subject: str = "Re: invoice") -> int:
    raw = f"From: {MAILBOX}\r\nSubject: {subject}\r\nMessage-ID: <1@c>\r\n\r\n{body}\r\n"
    secret = {"Authorization": f"Bearer {MAIL_SECRET}"}
    assert await product.post("/hooks/email", raw.encode(), secret) == 200
    await product.settle()
    return said(product)


def said(product: Product) -> int:
    with product.store.read() as session:
        return session.exec(select(Touchpoint.id).where(Touchpoint.direction == "in")).one()


def in_slack(product: Product) -> str:
    return repr([(post.text, post.blocks) for post in product.slack.messages(CLIENTS)])


def everywhere(product: Product) -> str:
    """Every row of every table, every body in the vault opened, all that Slack and phones got."""
    found = [in_slack(product), repr(product.twilio.phones[PHONE][1:])]
    with product.store.read() as session:
        for table in SQLModel.metadata.sorted_tables:
            found += [repr(tuple(row)) for row in session.execute(table.select())]
        for row in session.execute(text("SELECT id FROM vault")).scalars():
            found.append(repr(factories.opened(session, product.app.keyring, row)))
    return "\n".join(found)


def canary(spaced: str) -> list[str]:
    digits = "".join(sign for sign in spaced if sign.isdigit())
    return [spaced, digits, " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))]


@pytest.mark.parametrize("by", [texted, mailed], ids=["text", "mail"])
async def test_c22_a_card_number_is_kept_nowhere(product: Product, by: object) -> None:
    await by(product, f"Take it from my card {CARD} 12/27, cvv 913, please")  # type: ignore[operator]
    there = everywhere(product)
    assert "4444" in in_slack(product)
    assert not [one for one in canary(CARD) if one in there]
    assert "cvv 913" not in in_slack(product)
    answered = factories.messages(product.store, purpose=Purpose.ANSWER)
    assert [one.template for one in answered] == ["safe_payment"]
    assert [causes.incoming_of(one.key) for one in answered] == [None]  # it is of the whole day
    assert answered[0].state in {"sent", "delivered"}


async def test_c22_a_card_number_of_a_stranger_is_kept_nowhere(product: Product) -> None:
    assert await product.twilio.text("+12125550188", SENDER, f"card {CARD} exp 12/27") == 200
    await product.settle()
    there = everywhere(product)
    assert "nobody claims" in there
    assert "card ****4444" in in_slack(product)
    assert not [one for one in canary(CARD) if one in there]


async def test_c23_legal_advice_is_sealed_and_its_billing_fact_is_not(product: Product) -> None:
    await mailed(product, ADVICE, subject="Bram suit")
    shown = in_slack(product)
    assert "Sealed: legal advice" in shown
    assert "INV-5512 is approved for payment" in shown
    assert "Bram" not in shown
    assert "settle" not in shown


async def test_c23_what_is_sealed_is_read_by_who_is_cleared_and_the_look_is_chained(
    product: Product,
) -> None:
    touchpoint = await mailed(product, ADVICE)
    asked = {"touchpoint": touchpoint, "by": CLERK}
    with pytest.raises(Wrong, match="not cleared for legal advice"):
        await privilege.read(product.app, asked, silent)
    report = await privilege.read(product.app, asked | {"by": COUNSEL}, silent)
    assert "say nothing about the second contract" in " ".join("\n".join(report.lines).split())
    with product.store.read() as session:
        assert [(one.change, one.by) for one in session.exec(select(Access))] == [("read", COUNSEL)]
        assert list(timeline.verify(session)) == []


async def test_a_person_seals_and_only_who_is_cleared_unseals(product: Product) -> None:
    touchpoint = await texted(product, "Ms Arnes saw the second boat come in at noon on Monday.")
    sealed = {"touchpoint": touchpoint, "by": CLERK, "reason": "what counsel thinks of it"}
    await privilege.seal(product.app, sealed, silent)
    assert "Arnes" not in timeline_of(product)
    with pytest.raises(Wrong, match="not cleared"):
        await privilege.unseal(product.app, sealed, silent)
    await privilege.unseal(product.app, sealed | {"by": COUNSEL, "reason": "it is not"}, silent)
    assert "Arnes" in timeline_of(product)


async def test_a_button_seals_and_unseals_for_who_may(product: Product) -> None:
    product.slack.add_user("U0CLERK", "clerk", CLERK)
    await texted(product, "Ms Arnes saw the second boat come in at noon on Monday.")
    [shown] = [one for one in product.slack.messages(CLIENTS) if "Arnes" in repr(one.blocks)]
    answer = await product.slack.click("U0CLERK", CLIENTS, shown.ts, "said.seal")
    assert answer.status == 200
    await product.settle()
    assert "Arnes" not in in_slack(product)
    assert "Sealed: legal advice" in in_slack(product)
    product.slack.add_user("U0COUNSEL", "counsel", COUNSEL)
    for person, opens in (("U0CLERK", False), ("U0COUNSEL", True)):
        await product.slack.click(person, CLIENTS, shown.ts, "said.unseal")
        await product.settle()
        assert ("second boat" in repr(shown.blocks)) is opens


def timeline_of(product: Product) -> str:
    with product.store.read() as session:
        client = factories.the_client(session)
        report = conversation.timeline(session, product.app.office(), client, 50, words=True)
        return json.dumps(report.data)


async def test_c23_the_privilege_log_describes_and_tells_nothing(product: Product) -> None:
    touchpoint = await mailed(product, ADVICE)
    await privilege.seal(
        product.app, {"touchpoint": touchpoint, "by": COUNSEL, "reason": "advice"}, silent
    )
    with product.store.read() as session:
        [row] = privilegelog.log(session, product.app.office(), None, "").data["rows"]
    assert row["id"] == touchpoint
    assert (row["type"], row["to"]) == ("email", "the firm")
    assert MAILBOX in row["from"]
    assert row["basis"] == f"found by rule; sealed by {COUNSEL}"
    assert "Bram" not in json.dumps(row)


async def test_what_is_not_screened_in_time_is_sealed(product: Product) -> None:
    """The wall clock runs away while the message is looked at."""
    moments = iter(range(10_000))

    class Racing(factories.WallClock):
        @override
        def wall(self) -> dt.datetime:
            return super().wall() + dt.timedelta(minutes=next(moments))

    slow = app.readers(product.app.settings, Racing(factories.NOON))
    product.app = replace(product.app, readers=slow)
    await texted(product, "See you at ten, as agreed.")
    assert "Sealed: not screened yet" in in_slack(product)
    assert "See you" not in in_slack(product)
