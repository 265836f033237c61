import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar, get_args

import pytest
from pydantic import TypeAdapter, ValidationError
from sqlmodel import Session, col, select

from billing import ledger, vault
from billing.facts import ClientDescribed, InvoiceIssued
from billing.keyring import Keyring
from billing.models import (
    Client,
    Enrolment,
    EscalationCase,
    Hold,
    Invoice,
    LegalEntity,
    LiveSwitch,
    Staff,
)
from billing.store import Store
from comms import delivery, outreach, staff
from comms.compliance.labels import Label
from comms.duties.instructions import (
    AssignCase,
    CloseCase,
    Decide,
    Instruction,
    Pause,
    Repeat,
    ResolveDoubt,
    Resume,
    SayMatter,
    carry_out,
    clients_of,
)
from comms.duties.orders import Order
from comms.models import Message, Purpose, State, Touchpoint
from comms.office import Office
from tests import factories

T = TypeVar("T")
KEY = "client:northwind"


@dataclass
class Desk:
    """One client who owes INV-1 since 32 days, with a reminder queued."""

    store: Store
    office: Office
    client: int
    ada: int
    finn: int
    case: int

    def write(self, fn: Callable[[Session], T]) -> T:
        return self.store.write_now(fn)

    def do(self, instruction: Instruction) -> str:
        return self.write(lambda session: carry_out(session, self.office, instruction))

    def holds(self) -> list[Hold]:
        with self.store.read() as session:
            return list(session.exec(select(Hold).order_by(col(Hold.id))))

    def reminder(self) -> Message:
        with self.store.read() as session:
            query = select(Message).where(Message.template == "first_reminder")
            return session.exec(query).one()

    def try_to_send(self) -> None:
        """Let the reminder come to the door."""
        reminder = self.reminder()
        self.write(lambda s: factories.claim(s, self.office, reminder.id))

    def told(self, template: str) -> list[Message]:
        with self.store.read() as session:
            query = select(Message).where(Message.template == template).order_by(col(Message.id))
            return list(session.exec(query))

    def pause(self, **more: object) -> Pause:
        fields = {"client_id": self.client, "reason": "Their bank", "by_staff_id": self.ada}
        return Pause.model_validate(fields | more)


@pytest.fixture
def desk(store: Store, keyring: Keyring, office: Office) -> Desk:
    keyring.make([KEY], office.now)
    due = office.now.date() - dt.timedelta(days=2)

    def establish(session: Session) -> tuple[int, int, int, int]:
        people = [
            Staff(name=n, email=f"{n.lower()}@firm.example", slack_user=f"U-{n}")
            for n in ("Ada", "Finn")
        ]
        session.add_all(people)
        session.add(
            LegalEntity(
                name="Harrow", postal_address="12 Tanner Row", from_address="a@harrow.example",
                pay_link="https://pay.example",
            )
        )  # fmt: skip
        session.add(LiveSwitch(state="open", changed_at=office.now))
        session.flush()
        who = ClientDescribed(
            source="csv", external_id="n", name="Northwind", timezone="America/New_York",
            email="pay@northwind.example", contact_name="Nora",
        )  # fmt: skip
        client = ledger.apply(session, who, office.now, iter([KEY])).client_id
        bill = InvoiceIssued(
            source="csv", client_external_id="n", number="INV-1", amount=31000, currency="USD",
            issued_on=due - dt.timedelta(days=30), due_on=due,
        )  # fmt: skip
        ledger.apply(session, bill, office.now, iter([]))
        outreach.advance_client(session, office, client)
        enrolment = session.exec(select(Enrolment)).one()
        case = EscalationCase(
            enrolment_id=enrolment.id, episode=1, client_id=client, opened_at=office.now
        )
        session.add(case)
        session.flush()
        notice = staff.Notice(
            key=f"escalation:{case.id}:1", purpose=Purpose.ESCALATION, template="escalation",
            to="C-FINANCE", client_id=client, subject=("case", case.id),
        )  # fmt: skip
        staff.tell(session, office, notice)
        return client, people[0].id, people[1].id, case.id

    return Desk(store, office, *store.write_now(establish))


def test_a_pause_ends_by_itself_at_the_clients_midnight(desk: Desk) -> None:
    assert desk.do(desk.pause()) == ("Reminders to Northwind are paused until Mon 19 Jan 2026.")
    (hold,) = desk.holds()
    assert hold.until == dt.datetime(2026, 1, 19, 5, 0, tzinfo=dt.UTC)
    assert (hold.reason, hold.placed_by) == ("paused", "ada@firm.example")


def test_why_somebody_paused_is_kept_sealed(desk: Desk) -> None:
    desk.do(desk.pause(reason="Owner is in hospital"))
    (hold,) = desk.holds()
    with desk.store.read() as session:
        assert vault.text(session, desk.office.keyring, hold.note_id) == "Owner is in hospital"


@pytest.mark.parametrize(
    "asked", [{}, {"days": 3}, {"until": dt.date(2026, 2, 2)}], ids=["default", "days", "until"]
)
def test_pausing_twice_says_the_same_and_holds_once(desk: Desk, asked: dict[str, object]) -> None:
    pause = desk.pause(**asked)
    assert desk.do(pause) == desk.do(pause)
    assert len(desk.holds()) == 1
    _first, _refreshed, reminder = desk.told("escalation")
    assert reminder.send_after == desk.holds()[0].until


def test_a_case_is_shown_again_only_if_its_pause_ends_by_itself(desk: Desk) -> None:
    desk.do(desk.pause())
    desk.do(Resume(client_id=desk.client, by=desk.ada))
    to_come = [one for one in desk.told("escalation") if one.send_after > desk.office.now]
    assert [one.state for one in to_come] == ["cancelled"]


def test_the_last_pause_is_the_one_that_counts(desk: Desk) -> None:
    desk.do(desk.pause(days=30))
    desk.do(desk.pause(days=3))
    first, last = desk.holds()
    assert first.released_at == desk.office.now
    assert last.until == dt.datetime(2026, 1, 8, 5, 0, tzinfo=dt.UTC)


def test_a_paused_reminder_does_not_pass_the_door(desk: Desk) -> None:
    desk.do(desk.pause())
    desk.try_to_send()
    assert (desk.reminder().state, desk.reminder().rule) == (State.HELD, "held")


def test_resuming_lets_the_reminder_go_on(desk: Desk) -> None:
    desk.do(desk.pause())
    desk.try_to_send()
    resume = Resume(client_id=desk.client, by=desk.finn)
    assert desk.do(resume) == desk.do(resume) == "Nothing is paused for Northwind any more."
    assert desk.reminder().state == State.QUEUED
    assert desk.holds()[0].released_by == "finn@firm.example"


def test_resuming_leaves_other_holds_and_names_them(desk: Desk) -> None:
    claim = Hold(client_id=desk.client, reason="paid_claim", placed_at=desk.office.now)
    desk.write(lambda session: session.add(claim))
    assert "paid claim" in desk.do(Resume(client_id=desk.client, by=desk.ada))
    assert desk.holds()[0].released_at is None


def test_one_invoice_can_be_paused_alone(desk: Desk) -> None:
    with desk.store.read() as session:
        invoice = session.exec(select(Invoice)).one()
    said = desk.do(desk.pause(invoice_id=invoice.id))
    assert "about INV-1 are paused" in said
    desk.do(desk.pause())
    assert [hold.invoice_id for hold in desk.holds() if not hold.released_at] == [invoice.id, None]


@pytest.mark.parametrize(
    "asked",
    [{"until": dt.date(2026, 1, 5)}, {"until": dt.date(2028, 1, 1)}, {"invoice_id": 999}],
    ids=["ends today", "ends too late", "not their invoice"],
)
def test_a_pause_that_makes_no_sense_changes_nothing(desk: Desk, asked: dict[str, object]) -> None:
    assert desk.do(desk.pause(**asked)).endswith(("such a day.", "one of theirs."))
    assert desk.holds() == []


@pytest.mark.parametrize("days", [0, 367, -1], ids=["none", "over a year", "negative"])
def test_an_impossible_pause_cannot_be_asked_for(desk: Desk, days: int) -> None:
    with pytest.raises(ValidationError):
        desk.pause(days=days)


def test_a_case_is_closed_once_and_its_card_refreshed(desk: Desk) -> None:
    close = CloseCase(case_id=desk.case, by=desk.ada)
    assert desk.do(close) == desk.do(close) == "The case of Northwind is closed: handled."
    first, update = desk.told("escalation")
    assert update.updates_id == first.id
    with desk.store.read() as session:
        assert session.get_one(EscalationCase, desk.case).closed_by == "ada@firm.example"


def test_a_case_goes_to_whoever_takes_it(desk: Desk) -> None:
    assign = AssignCase(case_id=desk.case, to_staff_id=desk.finn, by=desk.finn)
    assert desk.do(assign) == desk.do(assign) == "The case of Northwind is Finn's now."
    first, update, card = desk.told("escalation")
    assert (update.updates_id, card.updates_id) == (first.id, None)
    assert (first.destination, card.destination) == ("C-FINANCE", "U-Finn")


def test_a_case_that_two_desks_saw_is_shown_anew_at_both(desk: Desk) -> None:
    desk.do(AssignCase(case_id=desk.case, to_staff_id=desk.finn, by=desk.finn))
    desk.do(CloseCase(case_id=desk.case, by=desk.ada))
    cards = [one for one in desk.told("escalation") if one.updates_id is None]
    updated = [one.updates_id for one in desk.told("escalation") if one.updates_id]
    assert updated[-2:] == [one.id for one in cards]


def test_a_closed_case_is_not_given_away(desk: Desk) -> None:
    desk.do(CloseCase(case_id=desk.case, by=desk.ada))
    said = desk.do(AssignCase(case_id=desk.case, to_staff_id=desk.finn, by=desk.finn))
    assert "nothing to assign" in said


def in_doubt(desk: Desk) -> int:
    message_id = desk.reminder().id

    def doubted(session: Session) -> None:
        message = session.get_one(Message, message_id)
        message.state = State.IN_DOUBT
        session.flush()
        delivery.ask_person(session, desk.office, message)

    desk.write(doubted)
    return message_id


@pytest.mark.parametrize(
    ("went", "state", "said"),
    [(True, State.SENT, "it arrived"), (False, State.QUEUED, "it goes again")],
    ids=["arrived", "send again"],
)
def test_a_doubt_is_settled_once(desk: Desk, went: bool, state: State, said: str) -> None:  # noqa: FBT001
    resolve = ResolveDoubt(message_id=in_doubt(desk), went=went, by=desk.finn)
    sentence = desk.do(resolve)
    assert said in sentence
    assert desk.do(resolve) == sentence
    assert desk.reminder().state == state
    asked, settled = desk.told("in_doubt")
    assert settled.updates_id == asked.id
    with desk.store.read() as session:
        assert len(session.exec(select(Touchpoint)).all()) == int(went)


def test_who_comes_second_learns_what_became_of_it(desk: Desk) -> None:
    message_id = in_doubt(desk)
    desk.do(ResolveDoubt(message_id=message_id, went=True, by=desk.finn))
    said = desk.do(ResolveDoubt(message_id=message_id, went=False, by=desk.ada))
    assert said == "Somebody was faster: the message is sent now."


def test_a_doubt_can_come_back_and_be_settled_again(desk: Desk) -> None:
    message_id = in_doubt(desk)
    desk.do(ResolveDoubt(message_id=message_id, went=False, by=desk.finn))

    def again(session: Session) -> None:
        session.get_one(Message, message_id).attempts += 1

    desk.write(again)
    in_doubt(desk)
    desk.do(ResolveDoubt(message_id=message_id, went=True, by=desk.finn))
    assert [one.updates_id is None for one in desk.told("in_doubt")] == [True, False, True, False]


@pytest.mark.parametrize("kind", ["case", "message"])
def test_what_is_gone_says_so(desk: Desk, kind: str) -> None:
    asked: Instruction = CloseCase(case_id=999, by=desk.ada)
    if kind == "message":
        asked = ResolveDoubt(message_id=999, went=True, by=desk.ada)
    assert "no such" in desk.do(asked)


def test_each_instruction_locks_its_client(desk: Desk) -> None:
    asked: list[Instruction] = [
        desk.pause(),
        Resume(client_id=desk.client, by=desk.ada),
        CloseCase(case_id=desk.case, by=desk.ada),
        AssignCase(case_id=desk.case, to_staff_id=desk.finn, by=desk.finn),
        ResolveDoubt(message_id=desk.reminder().id, went=True, by=desk.finn),
        Decide(case_id=desk.case, decision="agency", by=desk.finn),
        Repeat(client_id=desk.client, step_id=1, by=desk.finn),
    ]
    with desk.store.read() as session:
        assert [clients_of(session, one) for one in asked] == [[desk.client]] * 7
        assert clients_of(session, CloseCase(case_id=999, by=1)) == []


def test_every_instruction_survives_being_written_down(desk: Desk) -> None:
    adapter: TypeAdapter[Instruction] = TypeAdapter(Instruction)
    asked: list[Instruction] = [
        desk.pause(until=dt.date(2026, 2, 2)),
        Resume(client_id=1, by=2),
        CloseCase(case_id=1, by=2),
        AssignCase(case_id=1, to_staff_id=2, by=3),
        ResolveDoubt(message_id=1, went=False, by=2),
        Decide(case_id=1, decision="write_off", by=2),
        Repeat(client_id=1, step_id=3, by=2),
        SayMatter(touchpoint_id=1, matter="Bram", reason="so", cleared=(Label.PHI,), by=2),
    ]
    assert [adapter.validate_json(one.model_dump_json()) for one in asked] == asked


def test_a_day_later_the_same_words_pause_a_day_longer(desk: Desk) -> None:
    desk.do(desk.pause(days=3))
    desk.office = replace(desk.office, now=desk.office.now + dt.timedelta(days=1))
    assert desk.do(desk.pause(days=3)).endswith("9 Jan 2026.")
    with desk.store.read() as session:
        assert session.get_one(Client, desk.client).name == "Northwind"


def test_no_order_that_waited_can_be_read_as_another() -> None:
    """Nothing but its fields says of a spooled line which order it is."""

    def reads(one: type[Order], other: type[Order]) -> bool:
        needed = {name for name, field in other.model_fields.items() if field.is_required()}
        return needed <= one.model_fields.keys() <= other.model_fields.keys()

    orders = get_args(Instruction)
    assert len(orders) > 10
    alike = [(one, other) for one, other in itertools.permutations(orders, 2) if reads(one, other)]
    assert alike == []
