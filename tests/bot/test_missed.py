"""Is what people wrote while nobody answered Twilio taken in when somebody does again?"""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

from bot import missed
from bot.models import Recall
from bot.sandbox.faults import Fault
from comms import consent
from comms.consent import Standing
from comms.models import Touchpoint
from comms.ports import DeliveryError
from tests import factories
from tests.factories import NOON, PHONE, SENDER, Product


@pytest.fixture
async def product(database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    """With a client who has written once, so that it is known that hooks arrive."""
    async with factories.product(database, tmp_path) as running:
        running.known()
        await running.twilio.text(PHONE, SENDER, "Hello")
        await running.settle()
        await running.later(minutes=1)
        yield running


async def write_unheard(product: Product, *words: str) -> None:
    """A client writes while the proxy says 502: Twilio does not come again."""
    there, product.twilio.inbound_url = product.twilio.inbound_url, "http://127.0.0.1:9/nobody"
    for one in words:
        assert await product.twilio.text(PHONE, SENDER, one) >= 500
        await product.later(minutes=1)
    product.twilio.inbound_url = there


async def look(product: Product) -> int:
    found = await missed.look(product.app)
    await product.settle()
    return found


def written(product: Product) -> int:
    with product.store.read() as session:
        return len(session.exec(select(Touchpoint).where(Touchpoint.direction == "in")).all())


def standing(product: Product) -> Standing:
    with product.store.read() as session:
        address = consent.find_address(session, "sms", PHONE)
        assert address is not None
        return consent.of_address(session, address.id).standing


async def test_a_stop_that_no_webhook_told_is_found_and_holds(product: Product) -> None:
    await write_unheard(product, "STOP")
    assert standing(product) is not Standing.REVOKED
    assert await look(product) == 1
    assert standing(product) is Standing.REVOKED


async def test_what_a_webhook_told_is_not_taken_in_again(product: Product) -> None:
    await write_unheard(product, "Which invoice?")
    assert await look(product) == 1
    assert await look(product) == 0
    assert written(product) == 2


async def test_it_stands_on_the_timeline_when_it_was_written(product: Product) -> None:
    at = product.clock.now()
    await write_unheard(product, "Which invoice?")
    await product.later(hours=3)
    await look(product)
    with product.store.read() as session:
        newest = session.exec(select(Touchpoint).order_by(col(Touchpoint.id).desc())).first()
    assert newest is not None
    assert newest.occurred_at == at
    assert newest.recorded_at == at + dt.timedelta(hours=3, minutes=1)


async def test_a_start_that_is_found_late_undoes_no_stop_after_it(product: Product) -> None:
    await write_unheard(product, "START")
    assert await product.twilio.text(PHONE, SENDER, "STOP") == 200
    await product.settle()
    assert await look(product) == 1
    assert standing(product) is Standing.REVOKED


async def test_what_is_to_go_at_twilio_is_not_taken_in(product: Product) -> None:
    await write_unheard(product, "Which invoice?")
    sid = list(product.twilio.messages)[-1]
    recall = Recall(
        key=f"delete:{sid}", channel="sms", change="delete", provider_id=sid,
        state="failed", created_at=NOON,
    )  # fmt: skip
    product.write(lambda session: session.add(recall))
    assert await look(product) == 0


async def test_a_text_without_words_was_taken_back_there(product: Product) -> None:
    await write_unheard(product, "")
    assert await look(product) == 0


async def test_the_history_of_a_number_before_us_is_not_ours(database: Any, tmp_path: Path) -> None:
    async with factories.product(database, tmp_path) as running:
        running.known()
        await write_unheard(running, "What of my case?")
        assert await look(running) == 0
        await running.twilio.text(PHONE, SENDER, "Hello")
        await running.settle()
        assert await look(running) == 0


async def test_a_week_is_looked_back_and_no_more(product: Product) -> None:
    await write_unheard(product, "Too long ago")
    await product.later(days=8)
    await write_unheard(product, "Of today")
    assert await look(product) == 1


async def test_twilio_that_does_not_answer_is_asked_again(product: Product) -> None:
    await write_unheard(product, "STOP")
    product.twilio.faults.plan("list", Fault.UNAVAILABLE, times=1)
    with pytest.raises(DeliveryError):
        await look(product)
    assert await look(product) == 1
