"""A lock beside a card, and its menu: who may seal and unseal so, and in which order it counts."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlmodel import Session, col, select

from billing import ledger
from billing.facts import InvoiceIssued
from billing.models import MatterWall, Staff
from bot.models import Incoming
from bot.sandbox.slack import Delivery
from bot.sandbox.workspace import Post
from comms import timeline
from comms.compliance.labels import Label
from comms.models import Access, Purpose
from tests import factories
from tests.conftest import Database
from tests.factories import CLIENTS, NOON, Product
from tests.scenarios import test_sealed as sealing
from tests.scenarios.test_sealed import ADVICE, CLERK, COUNSEL

SAID = "The meeting with Ms Arnes went badly for us."
CLERKS, COUNSELS, GUEST, NOBODY = "U0CLERK", "U0COUNSEL", "U0GUEST", "U0NOBODY"


pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest_asyncio.fixture
async def product(database: Database, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        running.write(sealing._staffed)
        running.known()
        people = {CLERKS: CLERK, COUNSELS: COUNSEL, GUEST: "", NOBODY: ""}
        for user, email in people.items():
            running.slack.add_user(user, user, email, restricted=user == GUEST)
        yield running


def card(product: Product, words: str) -> Post:
    """The newest card with these words, whoever posted it."""
    shown = [one for one in product.slack.messages(CLIENTS) if not one.ephemeral_to]
    return [one for one in shown if words in repr(one.blocks)][-1]


async def reacts(product: Product, user: str, emoji: str, post: Post) -> Delivery:
    delivery = await product.slack.react(user, CLIENTS, post.ts, emoji)
    await product.settle()
    return delivery


async def chooses(product: Product, user: str, name: str, post: Post) -> str:
    """Somebody uses the menu of a card; what only they read then."""
    before = len(product.slack.messages(CLIENTS))
    answer = await product.slack.shortcut(user, CLIENTS, post.ts, name)
    assert answer.status == 200, answer
    await product.settle()
    fresh = product.slack.messages(CLIENTS)[before:]
    return " ".join(one.text for one in fresh if one.ephemeral_to == user)


def rulings(product: Product) -> list[tuple[str, str, str]]:
    with product.store.read() as session:
        assert list(timeline.verify(session)) == []
        rows = session.exec(select(Access).order_by(col(Access.id))).all()
        return [(one.change, one.label, one.by) for one in rows]


async def test_a_lock_beside_a_card_seals_it(product: Product) -> None:
    await sealing.texted(product, SAID)
    await reacts(product, CLERKS, "lock", card(product, "Arnes"))
    assert "Arnes" not in sealing.in_slack(product)
    assert "Sealed: legal advice" in sealing.in_slack(product)
    assert rulings(product) == [("sealed", Label.PRIVILEGED, CLERK)]


async def test_only_who_is_cleared_unlocks(product: Product) -> None:
    await sealing.mailed(product, ADVICE)
    post = card(product, "Sealed")
    await reacts(product, CLERKS, "unlock", post)
    assert "second contract" not in sealing.in_slack(product)
    assert rulings(product) == []
    [told] = factories.messages(product.store, purpose=Purpose.ALERT)
    desk = product.slack.messages(product.slack.workspace.im(CLERKS).id)
    assert "Only who is cleared for it unseals" in desk[-1].blocks[0]["text"]["text"]
    assert (told.template, told.destination) == ("refused_mark", CLERKS)
    await reacts(product, COUNSELS, "unlock", post)
    assert "say nothing about the second" in sealing.in_slack(product)
    assert rulings(product) == [("unsealed", "", COUNSEL)]


async def test_the_menu_of_a_card_seals_as_health_and_answers_only_who_asked(
    product: Product,
) -> None:
    await sealing.texted(product, SAID)
    said = await chooses(product, CLERKS, "seal_phi", card(product, "Arnes"))
    assert said == "Sealed (about somebody's health): only who is cleared for that reads it now."
    assert "Arnes" not in sealing.in_slack(product)
    refused = await chooses(product, CLERKS, "unseal", card(product, "Sealed"))
    assert refused.startswith("Only who is cleared for it unseals")
    assert (
        "not sealed any more"
        in (await chooses(product, COUNSELS, "unseal", card(product, "Sealed"))).lower()
    )
    assert [change for change, _, _ in rulings(product)] == ["sealed", "unsealed"]


@pytest.mark.parametrize("user", [GUEST, NOBODY], ids=["guest", "stranger"])
async def test_outsiders_seal_and_unseal_nothing(product: Product, user: str) -> None:
    await sealing.texted(product, SAID)
    shown = card(product, "Arnes")
    await reacts(product, user, "lock", shown)
    said = await chooses(product, user, "seal_privileged", shown)
    assert "Guests" in said or "not linked" in said
    assert rulings(product) == []
    assert "Arnes" in sealing.in_slack(product)
    assert factories.messages(product.store, purpose=Purpose.ALERT) == []


async def test_a_guest_seals_nothing_though_an_admin_linked_them(product: Product) -> None:
    def link(session: Session) -> None:
        person = session.exec(select(Staff).where(Staff.email == COUNSEL)).one()
        person.slack_user = GUEST
        session.add(person)

    product.write(link)
    await sealing.texted(product, SAID)
    await reacts(product, GUEST, "lock", card(product, "Arnes"))
    assert rulings(product) == []


async def test_somebody_of_another_workspace_seals_nothing(product: Product) -> None:
    await sealing.texted(product, SAID)
    event = lock(product, CLERKS, card(product, "Arnes").ts, "lock")
    await product.slack.event(event | {"user_team": "T0OTHER"})
    await product.settle()
    assert rulings(product) == []


async def test_nothing_is_said_where_slack_does_not_tell_who_that_is(product: Product) -> None:
    """The lock waits and is looked at again; it is neither taken on trust nor lost."""
    await sealing.texted(product, SAID)
    del product.slack.workspace.users[CLERKS]
    with pytest.raises(ExceptionGroup, match="1 rows"):
        await reacts(product, CLERKS, "lock", card(product, "Arnes"))
    assert rulings(product) == []
    with product.store.read() as session:
        row = session.exec(select(Incoming).where(Incoming.source == "slack.event")).one()
    assert (row.state, row.problem) == ("pending", "Unseen")
    product.slack.add_user(CLERKS, "clerk", CLERK)
    assert row.next_attempt_at is not None
    product.clock.turn(row.next_attempt_at)
    await product.settle()
    assert rulings(product) == [("sealed", Label.PRIVILEGED, CLERK)]


def lock(product: Product, user: str, ts: str, emoji: str, at: str = "") -> dict[str, object]:
    item = {"type": "message", "channel": CLIENTS, "ts": ts}
    moment = at or product.slack.workspace.next_ts()
    return {
        "type": "reaction_added", "user": user, "reaction": emoji, "item": item,
        "event_ts": moment,
    }  # fmt: skip


async def test_the_same_lock_twice_is_one_seal(product: Product) -> None:
    await sealing.texted(product, SAID)
    event = lock(product, CLERKS, card(product, "Arnes").ts, "lock")
    await product.slack.event(event, "Ev0TWICE")
    await product.slack.event(event, "Ev0TWICE")
    await product.settle()
    await product.slack.event(event, "Ev0AGAIN")
    await product.settle()
    assert rulings(product) == [("sealed", Label.PRIVILEGED, CLERK)]


async def test_an_unlock_that_comes_late_undoes_no_later_lock(product: Product) -> None:
    await sealing.mailed(product, ADVICE)
    ts = card(product, "Sealed").ts
    early, later = product.slack.workspace.next_ts(), product.slack.workspace.next_ts()
    latest = product.slack.workspace.next_ts()
    await product.slack.event(lock(product, COUNSELS, ts, "unlock", early))
    await product.settle()
    await product.slack.event(lock(product, COUNSELS, ts, "lock", latest))
    await product.settle()
    await product.slack.event(lock(product, COUNSELS, ts, "unlock", later))
    await product.settle()
    assert [change for change, _, _ in rulings(product)] == ["unsealed", "sealed"]
    assert "second contract" not in card(product, "Sealed").text


@pytest.mark.parametrize("emoji", ["closed_lock_with_key", "thumbsup"])
async def test_another_emoji_means_nothing(product: Product, emoji: str) -> None:
    await sealing.texted(product, SAID)
    await reacts(product, CLERKS, emoji, card(product, "Arnes"))
    assert rulings(product) == []


async def test_a_lock_beside_what_people_write_means_nothing(product: Product) -> None:
    said = await product.slack.say(CLERKS, CLIENTS, "lunch?")
    await product.slack.react(CLERKS, CLIENTS, said.ts, "lock")
    await product.settle()
    assert rulings(product) == []
    assert factories.messages(product.store, purpose=Purpose.ALERT) == []


async def test_a_wall_keeps_out_who_has_the_role(product: Product) -> None:
    await sealing.mailed(product, ADVICE)

    def wall(session: Session) -> None:
        clerk = session.exec(select(Staff).where(Staff.email == CLERK)).one()
        bill = InvoiceIssued(
            source="test", client_external_id="Northwind Trading", number="INV-5512",
            amount=100, currency="USD", issued_on=NOON.date(), due_on=NOON.date(),
            matter="Bram suit",
        )  # fmt: skip
        ledger.apply(session, bill, NOON, iter(()), product.app.keyring)
        session.add(
            MatterWall(matter="Bram suit", staff_id=clerk.id, placed_by="admin", placed_at=NOON)
        )

    product.write(wall)
    said = await chooses(product, COUNSELS, "unseal", card(product, "Sealed"))
    assert "a wall around Bram suit" in said
    assert rulings(product) == []


async def test_a_seal_reaches_every_card_that_shows_the_words(product: Product) -> None:
    """The card of a task shows what the client wrote as well."""
    await sealing.texted(product, SAID)
    await product.later(days=9)
    everywhere = [
        one for place in product.slack.workspace.channels.values() for one in place.messages
    ]
    assert len([one for one in everywhere if "Arnes" in repr(one.blocks)]) > 1
    await reacts(product, CLERKS, "lock", card(product, "Arnes"))
    assert "Arnes" not in json.dumps([[one.text, one.blocks] for one in everywhere])
