import datetime as dt

import pytest
from sqlalchemy import event
from sqlmodel import Session, select

from billing.clock import TurnedClock
from billing.keyring import Keyring
from billing.models import Address, Client, Enrolment, InvoiceDispute
from billing.store import Store
from bot import cli, subjects
from bot.reasons import explain, explanation, remedies
from bot.reasons.explanation import Explanation
from bot.report import Wrong
from bot.staff import switch
from comms import door, outbox, outreach
from comms.models import Message
from comms.ports import Sent
from tests import factories
from tests.factories import NOON, Known


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(NOON)


@pytest.fixture
def known(store: Store, keyring: Keyring) -> Known:
    def make(session: Session) -> Known:
        factories.firm(session, NOON)
        return factories.client(session, keyring, NOON)

    return store.write_now(make)


def reminded(store: Store, keyring: Keyring, known: Known) -> int:
    office = factories.office(keyring)
    return store.write_now(lambda session: factories.reminder(session, office, known))


def at_the_door(store: Store, keyring: Keyring, message_id: int) -> None:
    def judge(session: Session) -> None:
        office = factories.office(keyring)
        factories.claim(session, office, message_id)

    store.write_now(judge)


def why(store: Store, keyring: Keyring, kind: str, id_: int) -> Explanation:
    with store.read() as session:
        return explain.of(session, factories.office(keyring), kind, id_)


def test_a_client_says_what_was_decided_and_when_it_is_looked_at(
    store: Store, keyring: Keyring, known: Known
) -> None:
    reminded(store, keyring, known)
    found = why(store, keyring, "client", known.client_id)
    assert (found.rule, found.title) == ("step_due", known.name)
    assert found.next_look == NOON
    assert {one.rule for one in found.decisions} == {"step_due"}
    assert any("overdue" in fact.value for fact in found.facts)


def test_a_message_that_waits_says_who_can_open_the_door(
    store: Store, keyring: Keyring, known: Known
) -> None:
    store.write_now(lambda session: factories.switch(session, NOON, "closed"))
    message_id = reminded(store, keyring, known)
    at_the_door(store, keyring, message_id)
    found = why(store, keyring, "message", message_id)
    assert (found.verdict, found.rule) == ("held", "not_live")
    assert "golive" in found.would_change[0]
    assert [place.place for place in found.door] == [name for name, _ in door.PLACES]
    assert {place.place: place.verdict for place in found.door}["go_live"] == "defer"


def test_a_message_that_went_has_nothing_to_change(
    store: Store, keyring: Keyring, known: Known
) -> None:
    message_id = reminded(store, keyring, known)
    at_the_door(store, keyring, message_id)
    store.write_now(lambda session: outbox.sent_all(session, [(message_id, Sent("p"))], NOON))
    found = why(store, keyring, "message", message_id)
    assert (found.verdict, found.would_change) == ("sent", ())
    assert "INV-1" in (found.text or "")


def test_an_invoice_names_the_messages_about_it(
    store: Store, keyring: Keyring, known: Known
) -> None:
    message_id = reminded(store, keyring, known)
    with store.read() as session:
        subject = subjects.find(session, "INV-1")
    found = why(store, keyring, subject.kind, subject.id)
    assert (found.verdict, found.kind) == ("open", "invoice")
    assert ("message", str(message_id)) in {(one.kind, one.id) for one in found.related}


def test_a_disputed_invoice_is_shown_so(store: Store, keyring: Keyring, known: Known) -> None:
    reminded(store, keyring, known)

    def dispute(session: Session) -> int:
        subject = subjects.find(session, "INV-1")
        session.add(
            InvoiceDispute(
                invoice_id=subject.id,
                client_id=known.client_id,
                opened_on=NOON.date(),
                recorded_at=NOON,
            )
        )
        outreach.advance_client(session, factories.office(keyring), known.client_id)
        return subject.id

    found = why(store, keyring, "invoice", store.write_now(dispute))
    assert found.verdict == "disputed"
    assert any("dispute" in one for one in found.would_change)


def test_a_decision_is_told_as_it_was_made(store: Store, keyring: Keyring, known: Known) -> None:
    store.write_now(lambda session: factories.switch(session, NOON, "closed"))
    message_id = reminded(store, keyring, known)
    at_the_door(store, keyring, message_id)
    with store.read() as session:
        decision = explain._latest(session, "message", message_id)
    assert decision is not None
    found = why(store, keyring, "decision", decision.id)
    assert (found.verdict, found.rule) == ("defer", "not_live")
    assert [place.place for place in found.door] == [name for name, _ in door.PLACES]


def test_an_explanation_is_json(store: Store, keyring: Keyring, known: Known) -> None:
    reminded(store, keyring, known)
    found = explanation.plain(why(store, keyring, "client", known.client_id))
    assert dt.datetime.fromisoformat(found["next_look"]).tzinfo is not None


@pytest.mark.parametrize("said", ["INV-1", "invoice:1", "Northwind Trading", "northwind"])
def test_people_name_things_as_they_know_them(
    store: Store, keyring: Keyring, known: Known, said: str
) -> None:
    reminded(store, keyring, known)
    with store.read() as session:
        assert subjects.find(session, said).id == 1


def test_a_message_is_found_by_its_reference(store: Store, keyring: Keyring, known: Known) -> None:
    message_id = reminded(store, keyring, known)
    with store.read() as session:
        reference = session.get_one(Message, message_id).reference
        assert subjects.find(session, reference) == subjects.Subject("message", message_id)


def test_a_name_that_two_have_is_asked_back(store: Store, keyring: Keyring, known: Known) -> None:
    def another(session: Session) -> None:
        factories.client(session, keyring, NOON, "Northwind Shipping", phone=None, email=None)

    store.write_now(another)
    with store.read() as session, pytest.raises(Wrong, match="More than one client"):
        subjects.find(session, "northwind")


@pytest.mark.parametrize(
    "said", ["client:99", "invoice:99", "client:9" + 30 * "0", "client:²", "²"]
)
def test_a_number_that_no_row_has_is_one_sentence(store: Store, known: Known, said: str) -> None:
    """A square is a digit to Python and no number; and no store has a row of thirty digits."""
    with store.read() as session, pytest.raises(Wrong, match="There is no"):
        subjects.find(session, said)


def test_a_misspelt_name_gets_a_suggestion(store: Store, known: Known) -> None:
    with store.read() as session, pytest.raises(Wrong, match="did you mean Northwind Trading"):
        subjects.find(session, "Nortwind Tradin")


def test_stop_takes_back_what_was_about_to_leave(
    store: Store, keyring: Keyring, known: Known
) -> None:
    message_id = reminded(store, keyring, known)
    at_the_door(store, keyring, message_id)
    assert store.write_now(switch._unclaim) == 1
    with store.read() as session:
        assert session.get_one(Message, message_id).state == "queued"


def test_it_says_what_brings_the_next_look_besides_time(
    store: Store, keyring: Keyring, known: Known
) -> None:
    store.write_now(lambda session: factories.switch(session, NOON, "closed"))
    message_id = reminded(store, keyring, known)
    at_the_door(store, keyring, message_id)
    client = why(store, keyring, "client", known.client_id)
    assert "when anything about the client changes" in explanation.next_words(client)
    message = explanation.report(why(store, keyring, "message", message_id))
    assert any("Looked at next: at once when anything" in line for line in message.lines)
    store.write_now(lambda session: outbox.sent_all(session, [(message_id, Sent("p"))], NOON))


def test_every_rule_that_would_keep_a_message_says_what_would_change_it(
    store: Store, keyring: Keyring, known: Known
) -> None:
    """Closed to clients, and its address dead as well: opening the door would not be enough."""
    store.write_now(lambda session: factories.switch(session, NOON, "closed"))
    message_id = reminded(store, keyring, known)

    def die(session: Session) -> None:
        session.get_one(Address, known.email_id).health = "dead"

    store.write_now(die)
    at_the_door(store, keyring, message_id)
    found = why(store, keyring, "message", message_id)
    assert remedies.remedy("not_live") in found.would_change
    assert remedies.remedy("address_dead") in found.would_change


def test_a_sequence_that_began_under_another_policy_says_so(
    store: Store, keyring: Keyring, known: Known
) -> None:
    reminded(store, keyring, known)

    def before(session: Session) -> None:
        session.exec(select(Enrolment)).one().policy_version = "0123456789ab"

    store.write_now(before)
    facts = why(store, keyring, "client", known.client_id).facts
    [policy] = [one.value for one in facts if one.name == "policy of the reminders"]
    assert policy.startswith("0123456789ab, with which it began")


def test_an_invoice_is_explained_by_the_sequence_that_asks_for_it(
    store: Store, keyring: Keyring, known: Known
) -> None:
    reminded(store, keyring, known)

    def apart(session: Session) -> None:
        enrolment = session.exec(select(Enrolment)).one()
        enrolment.next_due_at = NOON + dt.timedelta(days=90)
        values = enrolment.model_dump(exclude={"id", "next_due_at", "scope"})
        moment = NOON + dt.timedelta(days=7)
        session.add(Enrolment(**values, scope="invoice:1", next_due_at=moment))

    store.write_now(apart)
    assert why(store, keyring, "invoice", 1).next_look == NOON  # its message comes first
    [message] = factories.messages(store, purpose="dunning")
    store.write_now(lambda session: outbox.sent_all(session, [(message.id, Sent("p"))], NOON))
    assert why(store, keyring, "invoice", 1).next_look == NOON + dt.timedelta(days=7)


def test_who_is_one_with_a_client_is_asked_once(
    store: Store, keyring: Keyring, known: Known
) -> None:
    reminded(store, keyring, known)

    def merge(session: Session) -> None:
        other = factories.client(session, keyring, NOON, "Northwind", phone=None, email=None)
        session.get_one(Client, other.client_id).merged_into_id = known.client_id
        session.get_one(Client, known.client_id).speaks_since = NOON

    store.write_now(merge)
    asked: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    with store.read() as session:
        engine = session.get_bind()
        event.listen(engine, "before_cursor_execute", count)
        found = explain.of(session, factories.office(keyring), "client", known.client_id)
        event.remove(engine, "before_cursor_execute", count)
    assert any(one.name == "also" for one in found.facts)
    assert sum("coalesce(client.merged_into_id" in one for one in asked) == 1


def test_the_command_line_is_there() -> None:
    assert cli.app.info.name == "counterfoil"
