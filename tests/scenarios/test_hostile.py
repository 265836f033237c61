"""Words that turn up where nobody thought of them: who sees them still, once nobody may?"""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlmodel import Session, select

from billing.models import Client, Enrolment, EscalationCase
from comms import outreach
from comms.duties import escalations
from tests import factories
from tests.conftest import Database
from tests.factories import CLIENTS, FINANCE, Known, Product
from tests.scenarios import test_sealed as sealing
from tests.scenarios.test_marks import CLERKS, COUNSELS, SAID, card, reacts
from tests.scenarios.test_sealed import CLERK, COUNSEL

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest_asyncio.fixture
async def product(database: Database, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        running.write(sealing._staffed)
        for user, email in {CLERKS: CLERK, COUNSELS: COUNSEL}.items():
            running.slack.add_user(user, user, email)
        yield running


def shown(product: Product, words: str) -> list[str]:
    """The channels in which a card has these words."""
    return [
        place.id
        for place in product.slack.workspace.channels.values()
        for one in place.messages
        if not one.ephemeral_to and words in json.dumps([one.text, one.blocks], ensure_ascii=False)
    ]


def opens_a_case(product: Product, known: Known) -> None:
    now = product.clock.now()

    def opened(session: Session) -> None:
        office = product.app.office()
        factories.owes(session, known, now, days=75)
        outreach.advance_client(session, office, known.client_id)
        enrolment = session.exec(select(Enrolment)).one()
        client = session.get_one(Client, known.client_id)
        escalations.open_case(session, office, enrolment, client)

    product.write(opened)


async def test_a_seal_reaches_a_card_that_was_there_before_and_was_drawn_anew(
    product: Product,
) -> None:
    opens_a_case(product, product.known())
    await product.settle()
    await product.later(hours=1)
    await sealing.texted(product, SAID)
    await product.later(hours=1)
    office = product.app.office()
    product.write(
        lambda session: escalations.refresh(
            session, office, session.exec(select(EscalationCase)).one()
        )
    )
    await product.settle()
    assert sorted(shown(product, "Arnes")) == [CLIENTS, FINANCE]
    await reacts(product, CLERKS, "lock", card(product, "Arnes"))
    assert shown(product, "Arnes") == []
