"""Slack took a card and its answer was lost: does one stand there, and is it the one we know?"""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlmodel import select

from bot.inbox import Parcel
from bot.models import Recall
from bot.sandbox.faults import Fault
from bot.sandbox.workspace import Post
from bot.slack import postings
from tests import factories
from tests.conftest import Database
from tests.factories import CLIENTS, PHONE, SENDER, Product
from tests.scenarios import test_sealed as sealing
from tests.scenarios.test_marks import CLERKS, card, reacts
from tests.scenarios.test_sealed import CLERK

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
EVENT = "message_metadata_posted"
SAID = "Ms Arnes picked up the keys on Tuesday."


@pytest_asyncio.fixture
async def product(database: Database, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        running.write(sealing._staffed)
        running.known()
        running.slack.add_user(CLERKS, CLERKS, CLERK)
        yield running


def shown(product: Product) -> list[Post]:
    return [one for one in product.slack.messages(CLIENTS) if "Arnes" in json.dumps(one.blocks)]


async def lost(product: Product, answers: int = 1) -> None:
    """A client writes; Slack takes the card, and breaks off before it says so."""
    product.slack.faults.plan(
        "chat.postMessage",
        Fault.CUT_AFTER_ACCEPT,
        times=answers,
        match=lambda args: "wrote by" in args["text"],
    )
    assert await product.twilio.text(PHONE, SENDER, SAID) == 200
    await product.settle()


async def told(product: Product, post: Post, **more: Any) -> None:
    """Slack tells of a message that stands there."""
    team = product.slack.workspace
    event = {
        "type": EVENT, "app_id": team.app_id, "channel_id": CLIENTS, "metadata": post.metadata,
        "message_ts": post.ts, "event_ts": post.ts,
    }  # fmt: skip
    product.slack.subscriptions.add(EVENT)
    delivery = await product.slack.event(event | more)
    product.slack.subscriptions.discard(EVENT)
    assert delivery.statuses == (200,)
    await product.settle()


async def test_a_card_whose_answer_was_lost_is_not_posted_again(product: Product) -> None:
    product.slack.subscriptions.add(EVENT)
    await lost(product)
    await product.later(minutes=5)
    assert len(shown(product)) == 1
    await reacts(product, CLERKS, "lock", card(product, "Arnes"))
    assert shown(product) == []


async def test_of_a_card_that_stands_there_twice_the_one_that_we_do_not_know_goes(
    product: Product,
) -> None:
    await lost(product, answers=2)
    await product.later(minutes=2)
    await product.later(minutes=3)
    first, second, third = shown(product)
    await told(product, first)
    await told(product, third)  # known from its answer
    await told(product, second)
    await product.later(minutes=1)
    assert shown(product) == [third]


async def test_a_card_that_was_given_up_goes_when_it_turns_up(product: Product) -> None:
    await lost(product)
    [post] = shown(product)
    [message] = factories.messages(product.store, template="inbound")
    product.write(
        lambda session: setattr(session.get(type(message), message.id), "state", "failed")
    )
    await told(product, post)
    await product.later(minutes=1)
    assert shown(product) == []


@pytest.mark.parametrize(
    "more",
    [
        {"app_id": "A0OTHERS"},
        {"app_id": ""},
        {"metadata": {"event_type": "counterfoil", "event_payload": {"reference": "x"}}},
        {"metadata": {"event_type": "counterfoil", "event_payload": []}},
        {"metadata": {"event_type": "task_created", "event_payload": {}}},
        {"metadata": None},
    ],
    ids=["of another app", "of nobody", "unknown", "no payload", "of another kind", "none"],
)
async def test_what_is_not_ours_is_left_alone(product: Product, more: Mapping[str, Any]) -> None:
    await lost(product)
    await product.later(minutes=5)
    first, second = shown(product)
    await told(product, first, **more)
    assert shown(product) == [first, second]
    with product.store.read() as session:
        assert session.exec(select(Recall)).all() == []


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"event": 1}', b'{"event": {"type": "x"}}'])
def test_another_event_says_nothing_of_it(body: bytes, database: Database) -> None:
    assert postings.read(Parcel("slack.event", "T:1", body)) == []
