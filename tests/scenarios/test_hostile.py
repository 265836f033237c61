"""Words that turn up where nobody thought of them: who sees them still, once nobody may?"""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlmodel import Session, select

from billing.models import Client, Enrolment, EscalationCase
from bot.custody import erasure, nightly
from bot.models import Incoming
from bot.report import silent
from comms import consent, outreach
from comms.consent import Standing
from comms.duties import escalations
from tests import factories
from tests.conftest import Database
from tests.factories import CLIENTS, FINANCE, PHONE, SENDER, Known, Product
from tests.scenarios import test_sealed as sealing
from tests.scenarios.test_marks import CLERKS, COUNSELS, SAID, card, chooses, reacts
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
        escalations.open_cases(session, office, [(enrolment, client, "owner")])

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


STRANGER = "+12125550177"


async def a_stranger_wrote(product: Product, words: str) -> None:
    assert await product.twilio.text(STRANGER, SENDER, words) == 200
    await product.settle()
    assert shown(product, words) == [CLIENTS]


async def test_what_a_stranger_wrote_is_sealed_by_a_lock_and_opened_by_who_is_cleared(
    product: Product,
) -> None:
    await a_stranger_wrote(product, SAID)
    post = card(product, "Arnes")
    await reacts(product, CLERKS, "lock", post)
    assert shown(product, "Arnes") == []
    assert shown(product, "Sealed: legal advice") == [CLIENTS]
    assert "Only who is cleared" in await chooses(product, CLERKS, "unseal", post)
    assert shown(product, "Arnes") == []
    await chooses(product, COUNSELS, "unseal", post)
    assert shown(product, "Arnes") == [CLIENTS]
    await chooses(product, CLERKS, "seal_phi", post)
    assert shown(product, "Arnes") == []


async def test_what_a_stranger_wrote_goes_from_slack_when_it_is_kept_no_longer(
    product: Product,
) -> None:
    await a_stranger_wrote(product, SAID)
    await product.later(days=product.app.rules.vault.unmatched_days + 1)
    for _ in range(2):
        await nightly.tidy(product.app)
        await product.settle()
    assert shown(product, "Arnes") == []
    assert len(factories.messages(product.store, template="unmatched")) == 2


async def erased(product: Product, known: Known) -> None:
    asked = {"client": f"client:{known.client_id}", "reason": "they asked"}
    await erasure.erase(product.app, asked, silent)
    await product.later(minutes=5)


async def test_who_is_erased_goes_from_a_card_of_a_stranger_who_named_them(
    product: Product,
) -> None:
    known = product.known("Quince and Medlar")
    await a_stranger_wrote(product, "It is about Quince and Medlar")
    await erased(product, known)
    assert shown(product, "Medlar") == []


async def test_who_is_erased_goes_from_the_question_whether_two_are_one(product: Product) -> None:
    known = product.known("Quince and Medlar Ltd")
    product.known("Quince and Medlar Limited", email="bo@northwind.example")
    await product.later(days=1)
    assert shown(product, "Medlar Ltd") == [FINANCE]
    await erased(product, known)
    assert shown(product, "Medlar Ltd") == []


async def test_an_erasure_loses_no_stop_that_nobody_has_read_yet(product: Product) -> None:
    gone, shares = (
        product.known("Quince and Medlar"),
        product.known("Bram", email="bo@bram.example"),
    )
    assert await product.twilio.text(PHONE, SENDER, "STOP") == 200
    await erased(product, gone)
    assert shares.phone_id is not None
    with product.store.read() as session:
        assert consent.of_address(session, shares.phone_id).standing is Standing.REVOKED


async def test_an_erasure_leaves_what_came_from_who_has_the_same_phone(product: Product) -> None:
    gone, shares = (
        product.known("Quince and Medlar"),
        product.known("Bram", email="bo@bram.example"),
    )
    product.note(shares)
    await product.settle()
    await erased(product, gone)
    with product.store.read() as session:
        reports = session.exec(select(Incoming).where(Incoming.client_id == shares.client_id)).all()
    assert [report.body_id is None for report in reports] == [False, False]


async def test_a_lock_beside_the_card_of_a_case_seals_the_words_on_it(product: Product) -> None:
    opens_a_case(product, product.known())
    assert await product.twilio.text(PHONE, SENDER, SAID) == 200
    await product.settle()
    [post] = [one for one in product.slack.messages(FINANCE) if "Arnes" in repr(one.blocks)]
    await product.slack.react(CLERKS, FINANCE, post.ts, "lock")
    await product.settle()
    assert shown(product, "Arnes") == []


@pytest.mark.parametrize(
    ("texts", "hidden"),
    [
        (("5555 5555", "5555 4444"), "5555 4444"),
        (("My card is 5555 5555 5555 4444", "12/27", "913"), "913"),
    ],
    ids=["a card in two texts", "a code in a text of its own"],
)
async def test_a_number_in_several_texts_is_kept_nowhere(
    product: Product, texts: tuple[str, ...], hidden: str
) -> None:
    product.known()
    for words in texts:
        assert await product.twilio.text(PHONE, SENDER, words) == 200
        await product.later(seconds=20)
    bodies = sealing.everywhere(product)
    forms = [hidden, hidden.replace(" ", "+"), hidden.replace(" ", "%20")]
    assert [one for one in forms if f"Body={one}" in bodies or f'"{one}"' in bodies] == []
    assert shown(product, f'"{hidden}"') == []


@pytest.mark.parametrize("ways", ["mail mail", "mail text", "text mail"])
async def test_a_number_that_goes_on_by_another_mail_or_way_is_kept_nowhere(
    product: Product, ways: str
) -> None:
    known = product.known()
    ours = "accounts@harrow.example"
    for way, words in zip(ways.split(), ("It is 5555 5555", "and 5555 4444."), strict=True):
        if way == "text":
            assert await product.twilio.text(PHONE, SENDER, words) == 200
        else:
            assert await product.mail.write(known.email, ours, "Payment", words) == 200
        await product.later(minutes=20)
    bodies = sealing.everywhere(product)
    assert "5555 5555" in bodies.replace("+", " ")
    assert "5555 4444" not in bodies.replace("+", " ")
    assert shown(product, "5555 4444") == []


async def test_bare_digits_of_another_phone_or_another_hour_are_no_code(product: Product) -> None:
    product.known()
    assert await product.twilio.text(PHONE, SENDER, "My card is 5555 5555 5555 4444") == 200
    await a_stranger_wrote(product, "913")
    await product.later(minutes=20)
    assert await product.twilio.text(PHONE, SENDER, "914") == 200
    await product.settle()
    assert shown(product, '"914"') == [CLIENTS]
