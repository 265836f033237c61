import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from sqlmodel import Session, select

from billing.keyring import Keyring
from billing.models import Address, Enrolment, Health, StepTaken
from billing.store import Store
from comms import consent, delivery, outbox, timeline
from comms.facts import DeliveryReport, Standing
from comms.listening import reported
from comms.models import Message, Purpose, State, Touchpoint
from comms.outbox import Claim
from comms.ports import DeliveryError, Sent, Throttled, Uncertain
from tests import factories
from tests.factories import NOON, Known

T = TypeVar("T")
MINUTE = dt.timedelta(minutes=1)


@dataclass
class Desk:
    """A firm with one client, and a message of it on the wire."""

    store: Store
    keyring: Keyring
    known: Known
    now: dt.datetime = NOON

    def act(self, fn: Callable[[Session], T]) -> T:
        return self.store.write_now(fn, clients=[self.known.client_id])

    @property
    def office(self) -> Any:
        return factories.office(self.keyring, self.now, self.now)

    def at(self, message_id: int) -> Message:
        return factories.message(self.store, message_id)

    def claim(self, message_id: int) -> Claim | None:
        return self.act(lambda s: factories.claim(s, self.office, message_id))

    def on_the_wire(self, message_id: int) -> Claim:
        claimed = self.claim(message_id)
        assert claimed is not None
        assert self.act(lambda s: outbox.begin_all(s, [claimed], self.now))
        return claimed

    def note(self, **given: Any) -> int:
        made: int = self.act(
            lambda s: factories.note(s, self.keyring, self.known, self.now, **given)
        )
        return made

    def reminder(self) -> int:
        made: int = self.act(lambda s: factories.reminder(s, self.office, self.known))
        return made

    def failed(self, claimed: Claim, error: DeliveryError) -> Message:
        self.act(lambda s: delivery.did_not_go(s, self.office, claimed, error))
        return self.at(claimed.message_id)

    def went(self, message_id: int) -> None:
        self.act(lambda s: delivery.went(s, self.office, message_id, Sent("SM1")))

    def report(self, standing: Standing, **more: str) -> bool:
        told = DeliveryReport(channel="sms", standing=standing, **more)
        taken: bool = self.act(lambda s: reported.take(s, self.office, told))
        return taken

    def alerts(self, template: str) -> list[Message]:
        return factories.messages(self.store, template=template)

    def touchpoints(self) -> list[Touchpoint]:
        with self.store.read() as session:
            assert list(timeline.verify(session)) == []
            return list(session.exec(select(Touchpoint)))

    def step(self) -> StepTaken:
        with self.store.read() as session:
            return session.exec(select(StepTaken).order_by(StepTaken.id)).first()  # type: ignore[arg-type,return-value]


@pytest.fixture
def desk(store: Store, keyring: Keyring) -> Desk:
    store.write_now(lambda session: factories.firm(session, NOON))
    keyring.make([f"inbox:{NOON:%Y-%m-%d}"], NOON)
    known = store.write_now(lambda session: factories.client(session, keyring, NOON))
    return Desk(store, keyring, known)


# --- it went --------------------------------------------------------------------------------------


def test_what_went_is_on_the_timeline_once(desk: Desk) -> None:
    message_id = desk.note()
    desk.on_the_wire(message_id)
    for _ in range(2):
        desk.went(message_id)
    assert desk.at(message_id).state == State.SENT
    assert [(one.direction, one.message_id) for one in desk.touchpoints()] == [("out", message_id)]


def test_a_step_is_taken_when_its_message_went(desk: Desk) -> None:
    message_id = desk.reminder()
    assert desk.step().how == "queued"
    desk.on_the_wire(message_id)
    desk.now += 2 * MINUTE
    desk.went(message_id)
    assert desk.step().how == "sent"
    with desk.store.read() as session:
        assert session.exec(select(Enrolment.next_due_at)).one() == desk.now


# --- it did not go --------------------------------------------------------------------------------

TRANSIENT = DeliveryError("Busy.", permanent=False, code="30001")
FINAL = DeliveryError("No.", permanent=True, code="21614")


def test_what_may_go_later_waits_twice_as_long_each_time(desk: Desk) -> None:
    message_id, waited = desk.note(), []
    for _ in range(delivery.TRIES - 1):
        found = desk.failed(desk.on_the_wire(message_id), TRANSIENT)
        assert found.state == State.QUEUED
        waited.append((found.send_after - desk.now).total_seconds())
        desk.now = found.send_after
    assert waited == [30, 60, 120, 240, 480]
    found = desk.failed(desk.on_the_wire(message_id), TRANSIENT)
    assert (found.state, found.rule, found.reason) == (State.FAILED, "30001", "Busy.")
    assert len(desk.alerts("lost")) == 1


def test_a_429_waits_as_long_as_the_provider_says_and_costs_no_try(desk: Desk) -> None:
    message_id = desk.note()
    for _ in range(delivery.TRIES + 3):
        error = Throttled("Slow down.", retry_after=7)
        found = desk.failed(desk.on_the_wire(message_id), error)
        assert (found.state, found.attempts) == (State.QUEUED, 0)
        assert found.send_after == desk.now + dt.timedelta(seconds=7)
        desk.now = found.send_after


def test_a_day_after_its_first_try_nothing_is_tried_again(desk: Desk) -> None:
    message_id = desk.note()
    assert desk.failed(desk.on_the_wire(message_id), TRANSIENT).state == State.QUEUED
    desk.now += delivery.GIVE_UP + MINUTE
    assert desk.failed(desk.on_the_wire(message_id), TRANSIENT).state == State.FAILED


def test_what_waited_a_weekend_at_the_door_is_tried_as_often_as_the_rest(desk: Desk) -> None:
    message_id = desk.note(created_at=NOON - 3 * delivery.GIVE_UP)
    assert desk.failed(desk.on_the_wire(message_id), TRANSIENT).state == State.QUEUED


def test_a_dead_number_is_remembered_and_finance_told(desk: Desk) -> None:
    message_id = desk.note()
    assert desk.failed(desk.on_the_wire(message_id), FINAL).state == State.FAILED
    with desk.store.read() as session:
        phone = session.get_one(Address, desk.known.phone_id)
        assert phone.health == Health.DEAD
    (alert,) = desk.alerts("lost")
    assert (alert.destination, alert.subject_id) == (factories.FINANCE, message_id)


def test_a_reminder_that_bounced_goes_by_text(desk: Desk) -> None:
    message_id = desk.reminder()
    bounced = DeliveryError("No such mailbox.", permanent=True, code="5.1.1")
    desk.failed(desk.on_the_wire(message_id), bounced)
    mail, text = factories.messages(desk.store, purpose="dunning")
    assert (mail.state, text.state, text.channel) == (State.FAILED, State.QUEUED, "sms")
    assert desk.step().how == "queued"


def test_a_carriers_no_is_a_no(desk: Desk) -> None:
    first, second = desk.note(), desk.note()
    opted_out = DeliveryError("Opted out.", permanent=True, code="21610")
    desk.failed(desk.on_the_wire(first), opted_out)
    assert desk.at(second).state == State.CANCELLED
    with desk.store.read() as session:
        held = consent.of_address(session, desk.known.phone_id or 0)
        assert (held.standing, held.method) == (consent.Standing.REVOKED, "carrier")


# --- nobody knows ---------------------------------------------------------------------------------

LOST = Uncertain("No answer.")


def doubted(desk: Desk, message_id: int) -> Message:
    return desk.failed(desk.on_the_wire(message_id), LOST)


def nothing_found(desk: Desk, message_id: int) -> Message:
    def look(session: Session) -> None:
        message = session.get_one(Message, message_id)
        delivery.nothing_found(session, desk.office, message)

    desk.act(look)
    return desk.at(message_id)


def test_a_text_in_doubt_is_looked_for_three_times(desk: Desk) -> None:
    found = doubted(desk, desk.note())
    looks = []
    while found.wake_at is not None:
        assert found.state == State.IN_DOUBT
        assert desk.alerts("in_doubt") == []
        looks.append(found.wake_at - NOON)
        desk.now = found.wake_at
        found = nothing_found(desk, found.id)
    assert looks == [MINUTE, 5 * MINUTE, 15 * MINUTE]
    assert found.state == State.IN_DOUBT
    assert len(desk.alerts("in_doubt")) == 1


@pytest.mark.parametrize(
    ("purpose", "looks", "asks"),
    [
        (Purpose.RECEIPT, 15 * MINUTE, 0),
        (Purpose.OPT_OUT, 15 * MINUTE, 0),
        (Purpose.RENEWAL, None, 1),
        (Purpose.STAFF_TEXT, None, 1),
    ],
)
def test_a_mail_in_doubt_repeats_only_what_may_be_read_twice(
    desk: Desk, purpose: Purpose, looks: dt.timedelta | None, asks: int
) -> None:
    message_id = desk.note(channel="email")
    claimed = desk.on_the_wire(message_id)

    def rename(session: Session) -> None:
        session.get_one(Message, message_id).purpose = purpose

    desk.act(rename)
    found = desk.failed(claimed, LOST)
    assert found.state == State.IN_DOUBT
    assert (found.wake_at - NOON if found.wake_at else None) == looks
    assert len(desk.alerts("in_doubt")) == asks
    if looks:
        assert nothing_found(desk, message_id).state == State.QUEUED


def test_the_same_mail_goes_again_with_the_same_name(desk: Desk) -> None:
    message_id = desk.note(channel="email")
    first = desk.on_the_wire(message_id)
    desk.failed(first, TRANSIENT)
    desk.now += MINUTE
    assert desk.on_the_wire(message_id).outgoing.reference == first.outgoing.reference


def test_an_entry_that_is_anothers_proves_nothing(desk: Desk) -> None:
    first, twin = desk.note(), desk.note(words="The same.")
    desk.on_the_wire(first)
    desk.went(first)
    with desk.store.read() as session:
        other = session.get_one(Message, twin)
        assert delivery.belongs_to_another(session, other, "SM1")
        assert not delivery.belongs_to_another(session, session.get_one(Message, first), "SM1")


def test_a_slow_worker_that_was_given_up_changes_nothing(desk: Desk) -> None:
    message_id = desk.note()
    claimed = desk.on_the_wire(message_id)
    desk.now += outbox.LEASE
    desk.act(lambda s: delivery.take_back(s, desk.office, message_id))
    for error in (TRANSIENT, LOST, Throttled("Slow down.", retry_after=1)):
        assert desk.failed(claimed, error).state == State.IN_DOUBT
    desk.went(message_id)
    assert desk.at(message_id).state == State.SENT


# --- reports --------------------------------------------------------------------------------------

REPORTED = {
    State.QUEUED: State.DELIVERED,
    State.HELD: State.DELIVERED,
    State.SENDING: State.DELIVERED,
    State.SENT: State.DELIVERED,
    State.DELIVERED: State.DELIVERED,
    State.IN_DOUBT: State.DELIVERED,
    State.WITHHELD: State.WITHHELD,
    State.CANCELLED: State.CANCELLED,
    State.FAILED: State.FAILED,
}


@pytest.mark.parametrize("state", REPORTED)
def test_a_report_of_delivery_proves_that_it_left(desk: Desk, state: State) -> None:
    message_id = desk.note(reference="ours", state=state)
    for _ in range(2):
        assert desk.report(Standing.DELIVERED, reference="ours", provider_id="SM1")
    assert desk.at(message_id).state == REPORTED[state]
    proved = REPORTED[state] == State.DELIVERED and state not in (State.SENT, State.DELIVERED)
    assert len(desk.touchpoints()) == proved


@pytest.mark.parametrize("state", [State.QUEUED, State.SENDING, State.SENT, State.IN_DOUBT])
def test_a_report_of_failure_ends_it(desk: Desk, state: State) -> None:
    message_id = desk.note(reference="ours", state=state)
    for _ in range(2):
        desk.report(Standing.FAILED, reference="ours", provider_id="SM1", code="30005")
    assert desk.at(message_id).state == State.FAILED
    assert len(desk.alerts("lost")) == 1


@pytest.mark.parametrize("state", [State.QUEUED, State.IN_DOUBT, State.SENDING])
def test_a_report_says_that_it_was_accepted(desk: Desk, state: State) -> None:
    message_id = desk.note(reference="ours", state=state)
    desk.report(Standing.ACCEPTED, reference="ours", provider_id="SM1")
    assert (desk.at(message_id).state, desk.at(message_id).provider_id) == (State.SENT, "SM1")


def test_a_report_without_our_reference_is_found_by_its_id(desk: Desk) -> None:
    message_id = desk.note(state=State.SENT, provider_id="SM1")
    assert desk.report(Standing.DELIVERED, provider_id="SM1")
    assert desk.at(message_id).state == State.DELIVERED


@pytest.mark.parametrize("named", [{}, {"reference": "x"}, {"provider_id": "SM2"}])
def test_a_report_about_nothing_of_ours_changes_nothing(desk: Desk, named: dict[str, str]) -> None:
    message_id = desk.note(state=State.QUEUED, provider_id="")
    assert not desk.report(Standing.DELIVERED, **named)
    assert desk.at(message_id).state == State.QUEUED


# --- a text is made at the door -------------------------------------------------------------------


def test_a_message_with_no_end_is_held_until_it_expires(desk: Desk) -> None:
    message_id = desk.note(expires_at=NOON + MINUTE)
    desk.act(lambda s: factories.switch(s, NOON, "closed"))
    assert desk.claim(message_id) is None
    held = desk.at(message_id)
    assert (held.state, held.rule, held.wake_at) == (State.HELD, "not_live", NOON + MINUTE)


def test_a_template_that_cannot_say_it_is_told_to_finance(desk: Desk) -> None:
    message_id = desk.note(template="no_such_template")
    assert desk.claim(message_id) is None
    assert desk.at(message_id).state == State.WITHHELD
    assert len(desk.alerts("lost")) == 1


def test_the_text_is_made_of_what_is_owed_at_the_door(desk: Desk) -> None:
    message_id = desk.reminder()
    desk.act(lambda s: factories.owes(s, desk.known, NOON, number="INV-2", amount=5_000))
    claimed = desk.claim(message_id)
    assert claimed is not None
    assert "INV-2" in claimed.outgoing.text
    assert "360.00" in claimed.outgoing.text


def test_a_message_does_not_count_against_itself(desk: Desk) -> None:
    message_id = desk.note()
    desk.failed(desk.on_the_wire(message_id), TRANSIENT)
    desk.now += MINUTE
    assert desk.claim(message_id) is not None


def test_what_is_in_doubt_counts_against_the_budget(desk: Desk) -> None:
    doubted(desk, desk.note())
    second = desk.note()
    assert desk.claim(second) is None
    assert desk.at(second).rule == "budget_day"


def test_one_address_for_everybody_is_no_clients_address(desk: Desk) -> None:
    desk.act(lambda s: factories.switch(s, NOON, redirect_to="+12125550999"))
    claimed = desk.claim(desk.note())
    assert claimed is not None
    assert claimed.outgoing.to == "+12125550999"
