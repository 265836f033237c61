"""What becomes of a policy that somebody publishes, and whose ladder is whose?"""

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlmodel import Session, col, select

from billing import policy, publication
from billing.models import (
    Client,
    Enrolment,
    EscalationCase,
    Instalment,
    InstalmentKind,
    Invoice,
    StepTaken,
)
from billing.policy import PolicyError
from bot.report import Wrong, silent
from bot.staff import ladders, publishing, verdicts
from comms import outreach
from comms.models import Message, Purpose
from tests import factories
from tests.conftest import Database
from tests.factories import Known, Product

pytestmark = pytest.mark.asyncio
ALONE = "[ladders.alone]\nchase = false\n"


@pytest_asyncio.fixture
async def product(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(sqlite_database, tmp_path) as running:
        yield running


async def publish(product: Product, text: str, **more: Any) -> dict[str, Any]:
    asked = {"text": text, "by": "cli:ada"} | more
    return dict((await publishing.publish(product.app, asked, silent)).data)


def owes(product: Product, known: Known, **more: Any) -> None:
    def bill(session: Session) -> None:
        factories.owes(session, known, product.clock.now(), **more)
        outreach.advance_client(session, product.app.office(), known.client_id)

    product.write(bill)


def listed(product: Product) -> Any:
    with product.store.read() as session:
        return publishing.listed(session, product.app.rules.version).data


def gone(product: Product, known: Known) -> list[str]:
    found = factories.messages(product.store, client_id=known.client_id, purpose=Purpose.DUNNING)
    return [one.template for one in found if one.state in {"sent", "delivered"}]


def fees(amount: str) -> str:
    return f'[charges]\nsteps = [1, 2]\n[charges.late_fee]\nUSD = "{amount}"\n'


def charged(product: Product, known: Known) -> list[int]:
    query = select(Instalment.amount).join(Invoice, col(Invoice.id) == Instalment.invoice_id)
    fee = (Invoice.client_id == known.client_id) & (Instalment.kind == InstalmentKind.LATE_FEE)
    with product.store.read() as session:
        return list(session.exec(query.where(fee).order_by(col(Instalment.id))))


def enrolments(product: Product, known: Known) -> list[Enrolment]:
    with product.store.read() as session:
        query = select(Enrolment).where(Enrolment.client_id == known.client_id)
        return list(session.exec(query.order_by(col(Enrolment.id))))


async def test_who_published_what_and_when_is_kept(product: Product) -> None:
    given = product.app.rules.version
    assert listed(product) == {"holds": given, "published": []}
    made = await publish(product, "[budget]\nper_week = 2", note="fewer")
    assert (made["published"], made["before"]) == (True, given)
    assert product.app.rules.budget.per_week == product.app.office().policy.budget.per_week == 2
    (row,) = listed(product)["published"]
    assert (row["note"], row["published_by"]) == ("fewer", "cli:ada")
    assert row["published_at"] == product.clock.now()


async def test_the_same_again_changes_nothing_and_an_older_one_may_come_back(
    product: Product,
) -> None:
    await publish(product, "[budget]\nper_week = 2")
    assert (await publish(product, "# as before\n[budget]\nper_week = 2"))["published"] is False
    await publish(product, "")
    assert (await publish(product, "[budget]\nper_week = 2"))["published"] is True
    assert product.app.rules.budget.per_week == 2
    assert len(listed(product)["published"]) == 3


async def test_another_process_goes_by_it_from_its_next_round_on(product: Product) -> None:
    other = dataclasses.replace(product.app, notice=type(product.app.notice)())
    await publishing.publish(other, {"text": "[budget]\nper_day = 3"}, silent)
    assert product.app.rules.budget.per_day == 1
    await product.settle()
    assert product.app.rules.budget.per_day == 3


async def test_a_policy_with_mistakes_is_not_published(product: Product) -> None:
    missing = '[[dunning.pre_due]]\ndays_before = 3\ntemplate = "coming_deu"\nchannels = ["email"]'
    for text, key in (("[budget]\nper_dy = 2", "budget.per_dy"), (missing, "dunning.pre_due[0]")):
        with pytest.raises(PolicyError, match="did you mean") as error:
            await publish(product, text)
        assert error.value.mistakes[0].key.startswith(key)
    assert listed(product)["published"] == []


async def test_a_ladder_that_somebody_has_cannot_go(product: Product) -> None:
    known = product.known()
    await publish(product, ALONE)
    await ladders.choose(product.app, {"subject": known.name, "name": "alone"}, silent)
    with pytest.raises(PolicyError, match=r"ladders\.alone: is missing, and client Northwind"):
        await publish(product, "")
    await ladders.choose(product.app, {"subject": known.name}, silent)
    assert (await publish(product, ""))["published"] is True


async def test_a_ladder_that_is_not_there_is_refused(product: Product) -> None:
    product.known()
    with pytest.raises(Wrong, match="has no ladder alnoe; there are default"):
        await ladders.choose(product.app, {"subject": "Northwind Trading", "name": "alnoe"}, silent)


async def test_what_has_taken_nothing_is_looked_at_anew(product: Product) -> None:
    known = product.known()
    owes(product, known, days=12)
    steps = '[[dunning.steps]]\noffset = 10\naction = "escalate"'
    made = await publish(product, steps)
    assert made["looked_at"] == 1
    await product.settle()
    with product.store.read() as session:
        assert len(session.exec(select(EscalationCase)).all()) == 1


async def test_a_version_that_ruled_a_step_is_kept_whole(product: Product) -> None:
    known = product.known()
    owes(product, known, days=31)
    (enrolment,) = enrolments(product, known)
    given = policy.default()
    assert enrolment.policy_version == given.version
    with product.store.read() as session:
        assert publication.versions(session, [given.version]) == {given.version: given}


async def test_a_fee_is_that_of_the_policy_under_which_the_episode_began(product: Product) -> None:
    await publish(product, fees("10.00"))
    begun, new = product.known(), product.known("Elm Yard", email="elm@yard.example", phone=None)
    owes(product, begun, days=31)
    await product.settle()
    await publish(product, fees("99.00"))
    owes(product, new, days=31, number="INV-2")
    await product.settle()
    await product.later(days=16)
    assert gone(product, begun) == ["first_reminder", "firmer_reminder"]
    assert charged(product, begun) == [1_000, 1_000]
    assert charged(product, new)[:1] == [9_900]


# --- what a ladder may say ------------------------------------------------------------------------


async def test_a_segment_that_is_left_alone_hears_nothing(product: Product) -> None:
    await publish(product, f'{ALONE}[segments]\npartners = "alone"')
    known = product.known()

    def describe(session: Session) -> None:
        session.get_one(Client, known.client_id).segment = "partners"

    product.write(describe)
    owes(product, known, days=90)
    await product.settle()
    assert gone(product, known) == []
    await publish(product, f'{ALONE}[segments]\npartners = "default"')
    await product.settle()
    assert gone(product, known) == ["first_reminder"]


async def test_each_matter_is_asked_for_alone(product: Product) -> None:
    await publish(product, '[dunning]\ngrouping = "invoice"\n[budget]\nper_day = 9\nper_week = 9')
    known = product.known()
    for number in ("INV-1", "INV-2"):
        owes(product, known, days=31, number=number)
    await product.settle()
    await product.later(minutes=5)
    scopes = [one.scope for one in enrolments(product, known)]
    assert len(scopes) == len(set(scopes)) == 3
    letters = [one.text for one in product.mail.mailboxes[known.email]]
    assert [("INV-1" in one, "INV-2" in one) for one in letters] == [(True, False), (False, True)]
    # In flight they stay apart; what begins after that is asked for together again.
    await publish(product, "")
    await product.later(days=15)
    assert gone(product, known).count("firmer_reminder") >= 1
    assert all("INV-1, INV-2" not in one for one in letters)


async def test_what_is_due_soon_is_told_once_and_is_no_step(product: Product) -> None:
    notice = '[[dunning.pre_due]]\ndays_before = 3\ntemplate = "coming_due"\nchannels = ["email"]'
    await publish(product, notice)
    known = product.known()
    owes(product, known, days=3)  # due in four days
    await product.settle()
    assert gone(product, known) == []
    for _ in range(3):
        await product.later(days=1)
    assert gone(product, known) == ["coming_due"]
    (letter,) = [one.text for one in product.mail.mailboxes[known.email]]
    assert "is due soon" in letter
    await product.later(days=24)
    assert gone(product, known) == ["coming_due", "first_reminder"]


async def test_a_person_may_send_a_step_again(product: Product) -> None:
    known = product.known()
    refused = await ladders.again(product.app, {"client": known.name}, silent)
    assert refused.code == 1
    owes(product, known, days=31)
    await product.settle()
    await product.later(days=2)
    done = await ladders.again(product.app, {"client": known.name}, silent)
    assert done.data["queued"] == 1
    await product.settle()
    assert gone(product, known) == ["first_reminder", "first_reminder"]
    with product.store.read() as session:
        assert [one.round for one in session.exec(select(StepTaken))] == [1, 2]


async def test_a_ladder_without_an_escalation_ends_with_its_owner(product: Product) -> None:
    step = '[[dunning.steps]]\noffset = 30\naction = "remind"\nchannels = ["email"]\n'
    text = f'[dunning]\nat_end = "write_off_proposal"\n{step}template = "first_reminder"'
    await publish(product, text + '\nattachments = ["invoice"]')
    known = product.known()
    owes(product, known, days=31)
    await product.settle()
    (message,) = factories.messages(product.store, client_id=known.client_id, purpose="dunning")
    assert message.attachments == "invoice"
    assert b"Invoice INV-1.pdf" in product.mail.mailboxes[known.email][0].raw
    await product.later(days=2)
    with product.store.read() as session:
        (case,) = session.exec(select(EscalationCase))
        assert case.proposal == "write_off_proposal"
        kept = session.exec(select(Message).where(Message.purpose == Purpose.ESCALATION))
        assert len(kept.all()) == 1
    told = product.slack.messages(factories.FINANCE)
    assert "write it off" in str(told)
    with pytest.raises(ValueError, match="decision"):
        await verdicts.decide(product.app, {"client": known.name, "decision": "sue"}, silent)
    decided = {"client": known.name, "decision": "write_off", "by": "cli:ada"}
    assert (await verdicts.decide(product.app, decided, silent)).data["written_off"] == ["INV-1"]
    with product.store.read() as session:
        (case,) = session.exec(select(EscalationCase))
        assert (case.state, case.outcome, case.closed_by) == ("closed", "write_off", "cli:ada")
        assert session.exec(select(Invoice.state)).one() == "uncollectible"
    with pytest.raises(Wrong, match="has no open case"):
        await verdicts.decide(product.app, decided, silent)
