"""Whatever stands still is found, named, told once a day, and told by mail where it is grave."""

import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from billing.models import Enrolment, Hold, Role, Staff, StaffRole, StepTaken
from bot import audit
from bot.models import Incoming
from bot.report import DONE, NO
from bot.watching.standstills import KINDS, Finding
from comms import delivery
from comms.models import Audience, Message, State
from tests import factories
from tests.factories import FINANCE, Known, Product

HOUR = dt.timedelta(hours=1)
Break = Callable[[Session, "Scene"], None]


@pytest.fixture
async def product(database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(database, tmp_path) as running:
        yield running


@pytest.fixture
async def one(sqlite_database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with factories.product(sqlite_database, tmp_path) as running:
        yield running


class Scene:
    """A client whose first reminder is queued, and a moment."""

    def __init__(self, product: Product) -> None:
        self.now = product.clock.now()
        self.known: Known = product.known()
        self.reminder = product.reminder(self.known)


def found(product: Product) -> list[str]:
    return [one.kind for one in audit.look(product.app)]


def of(session: Session, scene: Scene) -> Message:
    return session.get_one(Message, scene.reminder)


def settled(state: str, **fields: Any) -> Break:
    def change(session: Session, scene: Scene) -> None:
        of(session, scene).sqlmodel_update({"state": state, "step_id": None} | fields)
        step = session.exec(select(StepTaken)).one()
        step.how = "sent"
        later = scene.now + HOUR
        session.exec(select(Enrolment)).one().next_due_at = later

    return change


def without_a_day(session: Session, scene: Scene) -> None:
    settled(State.SENT)(session, scene)
    session.exec(select(Enrolment)).one().next_due_at = None


def its_message_is_gone(session: Session, scene: Scene) -> None:
    of(session, scene).state = State.WITHHELD


def never_looked_at(session: Session, scene: Scene) -> None:
    settled(State.SENT)(session, scene)
    session.exec(select(Enrolment)).one().next_due_at = scene.now - HOUR


def leased(state: str) -> Break:
    def change(session: Session, scene: Scene) -> None:
        message = of(session, scene)
        message.state, message.lease_id, message.lease_until = state, "x", scene.now - HOUR

    return change


def doubted(**fields: Any) -> Break:
    def change(session: Session, scene: Scene) -> None:
        of(session, scene).sqlmodel_update({"state": State.IN_DOUBT} | fields)

    return change


def delivered(**fields: Any) -> Break:
    def change(session: Session, scene: Scene) -> None:
        given: dict[str, Any] = {"received_at": scene.now - HOUR} | fields
        session.add(Incoming(source="email", external_id="x", **given))

    return change


def held(session: Session, scene: Scene) -> None:
    of(session, scene).sqlmodel_update({"state": State.HELD, "rule": "held", "wake_at": None})


def staff_never_heard(session: Session, scene: Scene) -> None:
    session.add(
        Message(
            key="s",
            reference="s",
            audience=Audience.STAFF,
            channel="slack",
            purpose="alert",
            template="stuck",
            destination=FINANCE,
            state=State.FAILED,
            send_after=scene.now,
            created_at=scene.now,
        )
    )


def held_for_ever(session: Session, scene: Scene) -> None:
    long_ago = scene.now - dt.timedelta(days=40)
    session.add(Hold(client_id=scene.known.client_id, reason="pause", placed_at=long_ago))


def late(session: Session, scene: Scene) -> None:
    of(session, scene).send_after = scene.now - HOUR


BROKEN: dict[str, tuple[str, Break]] = {
    "a sequence without a day": ("ladder_still", without_a_day),
    "a step whose message is final": ("step_forgotten", its_message_is_gone),
    "a sequence never looked at": ("look_late", never_looked_at),
    "a message that nobody claims": ("queue_late", late),
    "a message that nothing frees": ("held_forgotten", held),
    "a claim of a dead worker": ("lease_over", leased(State.CLAIMED)),
    "a send of a dead worker": ("lease_over", leased(State.SENDING)),
    "a doubt that nobody was asked about": ("doubt_forgotten", doubted(wake_at=None)),
    "a delivery not understood": ("incoming_late", delivered()),
    "a delivery given up": ("incoming_failed", delivered(state="failed")),
    "an alert that reached nobody": ("staff_failed", staff_never_heard),
    "a hold without an end": ("hold_endless", held_for_ever),
}


@pytest.mark.parametrize(("kind", "change"), BROKEN.values(), ids=BROKEN.keys())
async def test_what_was_broken_by_hand_is_named(product: Product, kind: str, change: Break) -> None:
    scene = Scene(product)
    assert found(product) == []
    product.write(lambda session: change(session, scene))
    assert found(product) == [kind]


async def test_a_doubt_that_somebody_was_asked_about_is_none(product: Product) -> None:
    scene, office = Scene(product), product.app.office()

    def doubt(session: Session, claimed_at: dt.datetime) -> Message:
        message = of(session, scene)
        message.state, message.claimed_at = State.IN_DOUBT, claimed_at
        return message

    product.write(lambda s: delivery.ask_person(s, office, doubt(s, office.now)))
    assert found(product) == []
    product.write(lambda s: doubt(s, office.now + HOUR).id)
    assert found(product) == ["doubt_forgotten"], "it was sent again, and nobody was asked of that"


async def test_a_message_that_the_switch_holds_is_not_forgotten(product: Product) -> None:
    scene = Scene(product)

    def hold(session: Session) -> None:
        of(session, scene).sqlmodel_update({"state": State.HELD, "rule": "not_live"})

    product.write(hold)
    assert found(product) == []


async def test_what_lies_in_the_spool_is_found_when_it_is_old(one: Product) -> None:
    one.app.spool.append("slack.instruction", "x", "{}")
    assert found(one) == []
    one.clock.ahead = dt.timedelta(days=36_500)
    assert found(one) == ["spool_late"]


async def test_finance_is_told_once_a_day_and_kind(product: Product) -> None:
    scene = Scene(product)
    product.write(lambda session: held(session, scene))
    for _ in range(2):
        await audit.run(product.app)
    alerts = factories.messages(product.store, template="standstill")
    assert [alert.key for alert in alerts] == [f"alert:audit:held_forgotten:{scene.now:%Y-%m-%d}"]
    await product.settle()
    shown = str(product.slack.messages(FINANCE))
    assert "1 message is held and nothing will free it." in shown
    assert scene.known.name not in shown


async def admin(product: Product, email: str) -> None:
    def grant(session: Session) -> None:
        person = Staff(email=email, name="Ruth")
        session.add(person)
        session.flush()
        session.add(StaffRole(staff_id=person.id, role=Role.ADMIN, granted_at=factories.NOON))

    product.write(grant)


@pytest.mark.parametrize(
    ("setting", "mailbox"),
    [("it@harrow.example", "it@harrow.example"), ("", "ruth@harrow.example")],
    ids=["setting", "admins"],
)
async def test_a_grave_one_goes_by_mail_too(one: Product, setting: str, mailbox: str) -> None:
    await admin(one, "ruth@harrow.example")
    settings = one.app.settings.model_copy(update={"alert_email": setting})
    scene = Scene(one)
    one.write(lambda session: staff_never_heard(session, scene))
    await audit.run(replace(one.app, settings=settings))
    assert one.app.pulse.severe == 1
    await one.settle()
    [mail] = one.mail.mailboxes[mailbox]
    assert mail.subject.startswith("Counterfoil: 1 message to our own people")
    assert "counterfoil audit moving" in mail.text
    assert scene.known.name not in mail.text


async def test_a_small_one_does_not_go_by_mail(one: Product) -> None:
    await admin(one, "ruth@harrow.example")
    scene = Scene(one)
    one.write(lambda session: held_for_ever(session, scene))
    await audit.run(one.app)
    assert one.app.pulse.severe == 0
    assert factories.messages(one.store, template="standstill", channel="email") == []


async def test_what_it_finds_can_be_scraped(one: Product) -> None:
    scene = Scene(one)
    one.write(lambda session: held(session, scene))
    await audit.run(one.app)
    sample = one.app.meters.registry.get_sample_value
    assert sample("counterfoil_audit_findings", {"kind": "held_forgotten"}) == 1
    assert sample("counterfoil_audit_findings", {"kind": "queue_late"}) == 0


def test_the_report_says_no_where_something_stands() -> None:
    assert audit.report([]).code == DONE
    report = audit.report([Finding("queue_late", 30, "message", (1, 2))])
    assert report.code == NO
    assert report.tables[0].rows[0][2] == "message 1, 2 …"
    assert report.data["findings"][0]["severe"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_said_in_words(kind: str) -> None:
    for count in (1, 2_000):
        assert Finding(kind, count, "x").sentence.endswith(".")
        assert "{" not in Finding(kind, count, "x").sentence


def test_every_kind_can_be_broken() -> None:
    assert {kind for kind, _ in BROKEN.values()} | {"spool_late"} == set(KINDS)
