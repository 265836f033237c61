"""Which matter a sealed message is about decides who reads it, and in which log it stands."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlmodel import Session, col, select

from billing import ledger, vault
from billing.facts import InvoiceIssued
from billing.models import Contact, Invoice
from bot.custody import erasure, privilege, privilegelog, walls
from bot.report import Report, Wrong, silent
from bot.sandbox.workspace import View
from comms import timeline
from comms.models import Access, Attribution, Message
from tests import factories
from tests.conftest import Database
from tests.factories import NOON, Known, Product
from tests.scenarios import test_sealed as sealing
from tests.scenarios.test_marks import CLERKS, COUNSELS, card, chooses
from tests.scenarios.test_sealed import CLERK, COUNSEL
from tests.scenarios.test_taught import mailed

ADVICE = "Our lawyer advises us to settle {} before trial and to say nothing of the contract."
BRAM, LEASE = "Bram suit", "2026-114"
WHO = "Northwind Trading"

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest_asyncio.fixture
async def product(database: Database, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        running.write(sealing._staffed)
        running.known()
        running.write(lambda session: billed(session, running, ("INV-1001", BRAM)))
        running.write(lambda session: billed(session, running, ("INV-1002", LEASE)))
        for user, email in ((CLERKS, CLERK), (COUNSELS, COUNSEL)):
            running.slack.add_user(user, user, email)
        yield running


def billed(session: Session, product: Product, bill: tuple[str, str]) -> None:
    number, matter = bill
    told = InvoiceIssued(
        source="test", client_external_id=WHO, number=number, amount=31_000, currency="USD",
        issued_on=NOON.date(), due_on=NOON.date(), matter=matter,
    )  # fmt: skip
    ledger.apply(session, told, NOON, iter(()), product.app.keyring)


def log(product: Product, matter: str = "") -> Report:
    with product.store.read() as session:
        return privilegelog.log(session, product.app.office(), None, matter)


def about(product: Product) -> dict[int, tuple[str, str]]:
    rows = log(product).data["rows"]
    return {row["id"]: (row["matter"], row["attributed"]) for row in rows}


async def wall(product: Product, matter: str, *inside: str) -> None:
    asked: dict[str, Any] = {"matter": matter, "add": list(inside)}
    await walls.change(product.app, asked, silent)


async def test_a_message_that_names_its_matter_stands_in_its_log_alone(product: Product) -> None:
    one = await mailed(product, ADVICE.format("the Bram suit"))
    two = await mailed(product, ADVICE.format("it") + " INV-1002 is approved for payment.")
    assert about(product) == {
        one: (BRAM, "it names the matter"),
        two: (LEASE, "it names a bill of the matter"),
    }
    assert [row["id"] for row in log(product, LEASE).data["rows"]] == [two]
    assert log(product, LEASE).data["unattributed"] == 0


async def test_an_answer_is_of_the_matter_that_we_wrote_about(product: Product) -> None:
    reminder = product.reminder(_known(product))
    product.write(lambda session: _named(session, "INV-1", BRAM))
    with product.store.read() as session:
        reference = session.get_one(Message, reminder).reference
    head = f"In-Reply-To: <{reference}@harrow.example>\r\n"
    answer = await mailed(product, ADVICE.format("it"), head=head)
    assert about(product)[answer] == (BRAM, "it answers what was written about the matter")


def _known(product: Product) -> Known:
    with product.store.read() as session:
        contact = session.exec(select(Contact)).one()
        return Known(WHO, contact.client_id, contact.id, None, None, "", "")


def _named(session: Session, number: str, matter: str) -> None:
    bill = session.exec(select(Invoice).where(Invoice.number == number)).one()
    bill.matter = matter


async def test_what_names_nothing_is_counted_as_of_no_matter(product: Product) -> None:
    await mailed(product, ADVICE.format("it"))
    named = await mailed(product, ADVICE.format("the Bram suit"))
    found = log(product, BRAM)
    assert [row["id"] for row in found.data["rows"]] == [named]
    assert found.data["unattributed"] == 1
    assert found.lines[0].startswith("1 message may belong here")


async def test_a_wall_keeps_what_names_its_matter_and_what_names_none(product: Product) -> None:
    walled = await mailed(product, ADVICE.format("the Bram suit"))
    free = await mailed(product, ADVICE.format("matter 2026-114"))
    unsaid = await mailed(product, ADVICE.format("it"))
    await wall(product, BRAM, CLERK)
    for touchpoint in (walled, unsaid):
        with pytest.raises(Wrong, match="a wall around Bram suit"):
            await privilege.read(product.app, {"touchpoint": touchpoint, "by": COUNSEL}, silent)
    shown = await privilege.read(product.app, {"touchpoint": free, "by": COUNSEL}, silent)
    assert "2026-114" in " ".join(shown.lines)


async def test_a_letter_of_one_matter_that_quotes_another_is_behind_both_walls(
    product: Product,
) -> None:
    body = ADVICE.format("matter 2026-114") + "\r\n\r\n> and the Bram suit?"
    touchpoint = await mailed(product, body)
    await wall(product, BRAM, CLERK)
    with pytest.raises(Wrong, match="a wall around Bram suit"):
        await privilege.read(product.app, {"touchpoint": touchpoint, "by": COUNSEL}, silent)


async def test_a_person_says_the_matter_and_it_is_on_the_chain(product: Product) -> None:
    touchpoint = await mailed(product, ADVICE.format("it"))
    asked = {
        "touchpoint": touchpoint,
        "by": COUNSEL,
        "reason": "I was there",
        "matter": "BRAM SUIT",
    }
    await privilege.attribute(product.app, asked, silent)
    assert about(product) == {touchpoint: (BRAM, "somebody said so")}
    with product.store.read() as session:
        said = session.exec(select(Access).order_by(col(Access.id).desc())).first()
        assert said is not None
        assert (said.change, said.by, said.touchpoint_id) == ("attributed", COUNSEL, touchpoint)
        assert list(timeline.verify(session)) == []


REFUSED = {
    "who is not cleared": ({"by": CLERK}, "not cleared"),
    "an unknown matter": ({"matter": "Doe"}, "known here: .*Bram suit"),
    "no reason": ({"reason": " "}, "Say why"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_not_everybody_says_everything(product: Product, name: str) -> None:
    touchpoint = await mailed(product, ADVICE.format("it"))
    given, why = REFUSED[name]
    asked = {"touchpoint": touchpoint, "by": COUNSEL, "reason": "so", "matter": BRAM} | given
    with pytest.raises(Wrong, match=why):
        await privilege.attribute(product.app, asked, silent)


async def test_who_stands_outside_a_wall_does_not_say_it_away(product: Product) -> None:
    touchpoint = await mailed(product, ADVICE.format("the Bram suit"))
    await wall(product, BRAM, CLERK)
    asked = {"touchpoint": touchpoint, "by": COUNSEL, "reason": "so", "matter": LEASE}
    with pytest.raises(Wrong, match="a wall around Bram suit"):
        await privilege.attribute(product.app, asked, silent)


# --- in Slack, by the menu of a card --------------------------------------------------------------


async def form(product: Product, user: str, words: str) -> View:
    """Somebody chooses *Say which matter* in the menu of the card with these words."""
    assert await chooses(product, user, "say_matter", card(product, words)) == ""
    return next(iter(product.slack.workspace.views.values()))


def choices(view: View) -> dict[str, str]:
    menu = next(one["element"] for one in view.content["blocks"] if one.get("block_id") == "matter")
    return {one["text"]["text"]: one["value"] for one in menu["options"]}


async def says(product: Product, user: str, view: View, matter: str, reason: str) -> str:
    """They send the form; what it then is, or what is wrong with it."""
    answers = {"matter": {"matter": matter}, "reason": {"reason": reason}}
    body = (await product.slack.submit(user, view.id, answers)).body
    await product.settle()
    return body


async def test_the_menu_of_a_card_says_the_matter_with_its_reason(product: Product) -> None:
    touchpoint = await mailed(product, ADVICE.format("it"))
    view = await form(product, COUNSELS, "Sealed")
    assert "of no matter yet" in str(view.content["blocks"][0])
    assert set(choices(view)) == {BRAM, LEASE}
    assert "Say why" in await says(product, COUNSELS, view, choices(view)[BRAM], " ")
    said = await says(product, COUNSELS, view, choices(view)[BRAM], "I was there")
    assert "It is about Bram suit from now on." in said
    assert about(product) == {touchpoint: (BRAM, "somebody said so")}
    with product.store.read() as session:
        link = session.exec(select(Access).order_by(col(Access.id).desc())).first()
        assert link is not None
        assert (link.change, link.by, link.touchpoint_id) == ("attributed", COUNSEL, touchpoint)
        kept = vault.text(session, product.app.keyring, link.reason_id)
        assert kept == "Bram suit: I was there"
        assert list(timeline.verify(session)) == []


async def test_who_is_not_cleared_is_not_asked_which_matter(product: Product) -> None:
    await mailed(product, ADVICE.format("it"))
    said = await chooses(product, CLERKS, "say_matter", card(product, "Sealed"))
    assert "Only who is cleared for what is sealed here (legal advice)" in said
    assert product.slack.workspace.views == {}


async def test_who_stands_outside_a_wall_is_not_asked_which_matter(product: Product) -> None:
    await mailed(product, ADVICE.format("the Bram suit"))
    await wall(product, BRAM, CLERK)
    said = await chooses(product, COUNSELS, "say_matter", card(product, "Sealed"))
    assert "a wall around Bram suit" in said
    assert product.slack.workspace.views == {}


async def test_a_form_that_was_open_says_nothing_of_what_is_sealed_since(product: Product) -> None:
    touchpoint = await mailed(product, "See you on Monday at the pier.")
    view = await form(product, CLERKS, "pier")
    asked = {"touchpoint": touchpoint, "by": COUNSEL, "reason": "advice"}
    await privilege.seal(product.app, asked, silent)
    said = await says(product, CLERKS, view, choices(view)[BRAM], "so")
    assert "Only who is cleared" in said
    assert about(product)[touchpoint][0] == ""


async def test_a_matter_behind_a_wall_is_offered_to_those_inside(product: Product) -> None:
    """Somebody else's matter: only its wall tells that there is one."""
    await mailed(product, "See you on Monday at the pier.")
    await wall(product, "Heron", CLERK)
    assert "Heron" in choices(await form(product, CLERKS, "pier"))
    product.slack.workspace.views.clear()
    assert set(choices(await form(product, COUNSELS, "pier"))) == {BRAM, LEASE}


async def test_what_came_before_a_matter_was_known_is_behind_its_wall(product: Product) -> None:
    touchpoint = await mailed(product, ADVICE.format("it"))
    product.write(lambda session: billed(session, product, ("INV-1003", "Heron")))
    await wall(product, "Heron", CLERK)
    with pytest.raises(Wrong, match="a wall around Heron"):
        await privilege.read(product.app, {"touchpoint": touchpoint, "by": COUNSEL}, silent)


async def test_an_erased_client_leaves_no_matter(product: Product) -> None:
    await mailed(product, ADVICE.format("the Bram suit"))
    asked = {"client": "client:1", "reason": "they asked", "by": "cli"}
    await erasure.erase(product.app, asked, silent)
    with product.store.read() as session:
        [row] = session.exec(select(Attribution))
        assert (row.matter, row.among) == ("", "[]")
