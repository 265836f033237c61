"""C-01 to C-05 and C-27: who said what about which messages, and what holds."""

import datetime as dt
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import Session, select

from billing import rules, vault
from billing.facts import ClientDescribed
from billing.ledger import Contradiction
from billing.models import Address, ContactAddress, Verification
from billing.store import Store
from bot import intake
from bot.models import Incoming
from comms import consent, timeline
from comms.addresses import optouts
from comms.consent import BILLING, MARKETING, RENEWAL, Standing, fold
from comms.facts import ClientSaid, ConsentStated, InboundMessage
from comms.inbound import Letter
from comms.intents import Intent
from comms.models import ConsentEvent, ConsentProof, Message, Purpose, State
from tests import factories
from tests.comms.desk import SHIPPED, Desk, opened
from tests.conftest import Database
from tests.factories import NOON

ASKS_CARRIERS_NOT = replace(SHIPPED, consent=replace(SHIPPED.consent, carrier_answers_stop=False))
BY_TOPIC = replace(SHIPPED, consent=replace(SHIPPED.consent, revoke_scope="topic"))
FLIP = rules.named("us_revoke_all").applies_from or dt.date.max
MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)


# --- the fold -------------------------------------------------------------------------------------


def said(change: str, topic: str = "all", method: str = "keyword") -> ConsentEvent:
    return ConsentEvent(
        address_id=1, topic=topic, change=change, method=method, source="test", occurred_at=NOON,
        recorded_at=NOON,
    )  # fmt: skip


FOLDS = {
    "nothing": ([], ("unknown", "unknown", "unknown")),
    "the firm says so": ([said("asserted")], ("asserted",) * 3),
    "a no to all": ([said("granted"), said("revoked")], ("revoked",) * 3),
    "a no to one": ([said("granted"), said("revoked", RENEWAL)], ("granted", "revoked", "granted")),
    "one after all": (
        [said("revoked"), said("granted", BILLING)],
        ("granted", "revoked", "revoked"),
    ),
    "all after one": ([said("granted", BILLING), said("revoked")], ("revoked",) * 3),
    "yes to all": ([said("revoked", MARKETING), said("granted")], ("granted",) * 3),
    "the firm over a no": ([said("revoked"), said("asserted")], ("revoked",) * 3),
    "the firm over a no to one": (
        [said("revoked", MARKETING), said("asserted")],
        ("asserted", "asserted", "revoked"),
    ),
    "the firm of one over a no to all": (
        [said("revoked"), said("asserted", RENEWAL)],
        ("revoked",) * 3,
    ),
}


@pytest.mark.parametrize(("events", "standings"), FOLDS.values(), ids=list(FOLDS))
def test_c27_what_holds_is_a_fold_over_the_events(
    events: list[ConsentEvent], standings: tuple[str, ...]
) -> None:
    held = fold(events)
    assert tuple(held.about(topic).standing for topic in (BILLING, RENEWAL, MARKETING)) == standings


@pytest.mark.parametrize("order", list(itertools.permutations(["keyword", "words", "carrier"])))
def test_c05_words_among_the_noes_are_not_undone_by_yes(order: tuple[str, ...]) -> None:
    assert not fold([said("revoked", method=method) for method in order]).by_keyword_only


@pytest.mark.parametrize("given", [{}, {"topic": "billing"}], ids=["of all", "of one topic"])
def test_c27_a_form_of_last_year_that_is_told_after_a_stop_does_not_undo_it(
    desk: Desk, given: dict[str, Any]
) -> None:
    desk.hears("STOP")
    desk.now += MINUTE
    assert states(desk, given_at=NOON - 300 * DAY, **given).changed
    assert desk.held().about(BILLING).standing is Standing.REVOKED
    assert states(desk, "F2", **given).changed
    assert desk.held().about(BILLING).standing is Standing.GRANTED


def test_c27_a_form_from_before_a_no_to_offers_leaves_that_no_standing() -> None:
    older = said("granted")
    older.occurred_at = NOON - DAY
    held = fold([said("revoked", MARKETING), older])
    assert (held.standing, held.about(MARKETING).standing) == (Standing.GRANTED, Standing.REVOKED)


def test_c27_a_no_from_a_clock_that_is_ahead_can_be_taken_back() -> None:
    no, yes = said("revoked"), said("granted")
    no.occurred_at, yes.occurred_at = NOON + 400 * DAY, NOON + MINUTE
    assert fold([no, yes]).standing is Standing.GRANTED


def test_c05_a_stop_by_mail_counts_from_when_it_came_whatever_its_own_clock_says(
    desk: Desk,
) -> None:
    desk.hears("Please stop writing to me.", "email", occurred_at=NOON - 4000 * DAY)
    states(desk, email=desk.known.email, phone=None, given_at=NOON - DAY)
    assert desk.held("email").standing is Standing.REVOKED


def test_c10_an_old_form_does_not_make_a_phone_theirs_whose_reader_has_denied_it_since(
    desk: Desk,
) -> None:
    desk.hears("wrong number")
    states(desk, given_at=NOON - DAY)
    (phone,) = [one for one in desk.rows(Address) if one.id == desk.known.phone_id]
    assert phone.verification == Verification.UNVERIFIED


def test_c05_a_keyword_alone_is_undone_by_yes_and_a_yes_forgets_older_words() -> None:
    assert fold([said("revoked"), said("revoked", method="carrier")]).by_keyword_only
    again = [said("revoked", method="words"), said("granted"), said("revoked")]
    assert fold(again).by_keyword_only


@pytest.mark.parametrize(
    ("purpose", "topic"),
    [
        (Purpose.DUNNING, BILLING),
        (Purpose.RECEIPT, BILLING),
        (Purpose.STAFF_TEXT, BILLING),
        (Purpose.RENEWAL, RENEWAL),
        (Purpose.OFFER, MARKETING),
    ],
)
def test_every_message_has_a_topic(purpose: Purpose, topic: str) -> None:
    assert consent.topic_of(purpose) == topic


WAYS = {
    "stop texting me": {"sms"},
    "Please no more SMS to this number": {"sms"},
    "Stop sending messages to my phone": {"sms"},
    "please stop e-mailing us": {"email"},
    "take me off your mailing list": set(),
    "no more texts or emails": {"sms", "email"},
    "stop texting me, email is fine": {"sms"},
    "Don't text. Use e-mail instead please": {"sms"},
    "no more emails, text me instead": {"email"},
    "leave me alone": set(),
    "the context of this": set(),
}


@pytest.mark.parametrize(("words", "ways"), WAYS.items(), ids=list(WAYS))
def test_c01_a_no_may_name_its_way(words: str, ways: set[str]) -> None:
    assert optouts.named(words) == ways


# --- through the front door -----------------------------------------------------------------------


@pytest.fixture
def desk(sqlite_store: Store, sqlite_database: Database) -> Iterator[Desk]:
    with opened(sqlite_store, sqlite_database) as desk:
        yield desk


def test_c01_a_no_in_words_cancels_what_waits(desk: Desk) -> None:
    waiting = desk.note()
    desk.hears("lose my number")
    assert (desk.at(waiting).state, desk.at(waiting).rule) == (State.CANCELLED, "opted_out")
    assert desk.held().methods == {"words"}


def test_c01_stop_texting_me_by_mail_closes_the_phone_and_not_the_mailbox(desk: Desk) -> None:
    text, mail = desk.note(), desk.note(channel="email")
    desk.hears("Please stop texting me.", "email")
    assert desk.at(text).state == State.CANCELLED
    assert desk.at(mail).state == State.QUEUED
    assert desk.held("sms").standing is Standing.REVOKED
    assert desk.held("email").standing is not Standing.REVOKED


def test_c01_where_no_phone_is_known_a_no_to_texts_closes_the_mailbox(desk: Desk) -> None:
    def forget(session: Session) -> None:
        links = session.exec(select(ContactAddress)).all()
        (phone,) = [one for one in links if one.address_id == desk.known.phone_id]
        session.delete(phone)

    desk.act(forget)
    desk.hears("Stop texting me", "email")
    assert desk.held("email").standing is Standing.REVOKED


def test_c02_a_stop_to_a_reminder_stops_renewals_as_well(desk: Desk) -> None:
    renewal = desk.note(purpose=Purpose.RENEWAL)
    desk.hears("STOP")
    assert desk.at(renewal).state == State.CANCELLED
    assert desk.held().about(MARKETING).standing is Standing.REVOKED


def answered(desk: Desk, purpose: Purpose) -> None:
    """A message of that kind went to them before."""

    def went(session: Session) -> None:
        message = session.get_one(Message, sent)
        message.state, message.sent_at = State.SENT, desk.now - DAY

    sent = desk.note(purpose=purpose)
    desk.act(went)


def test_c02_by_topic_a_stop_is_a_no_to_what_it_answers(desk: Desk) -> None:
    desk.policy = BY_TOPIC
    answered(desk, Purpose.RENEWAL)
    text, renewal = desk.note(), desk.note(purpose=Purpose.RENEWAL)
    desk.hears("STOP")
    assert (desk.at(text).state, desk.at(renewal).state) == (State.QUEUED, State.CANCELLED)
    assert desk.held().about(RENEWAL).standing is Standing.REVOKED
    assert desk.held().about(BILLING).standing is Standing.GRANTED


@pytest.mark.parametrize("words", ["STOPALL", "leave me alone", "stop texting me"])
def test_c02_by_topic_what_means_all_is_a_no_to_all(desk: Desk, words: str) -> None:
    desk.policy = BY_TOPIC
    answered(desk, Purpose.RENEWAL)
    desk.hears(words)
    assert desk.held().about(BILLING).standing is Standing.REVOKED


@pytest.mark.parametrize(("day", "all_of_it"), [(FLIP - DAY, False), (FLIP, True)])
def test_c02_from_the_day_of_the_law_a_stop_is_a_no_to_all(
    desk: Desk,
    day: dt.date,
    all_of_it: bool,  # noqa: FBT001
) -> None:
    desk.policy = BY_TOPIC
    desk.now = dt.datetime.combine(day, dt.time(17), dt.UTC)
    answered(desk, Purpose.RENEWAL)
    desk.hears("STOP")
    assert (desk.held().about(BILLING).standing is Standing.REVOKED) == all_of_it


def confirmations(desk: Desk) -> list[Message]:
    return factories.messages(desk.store, template="opt_out_confirmation")


def test_c03_one_confirmation_and_no_second(desk: Desk) -> None:
    desk.policy = ASKS_CARRIERS_NOT
    desk.hears("STOP")
    desk.now += MINUTE
    desk.hears("STOP STOP")
    assert len(confirmations(desk)) == 1


LATE = "confirmation_skipped_late"


@pytest.mark.parametrize(("late", "rule"), [(3, ""), (4, LATE), (6, LATE)])
def test_c03_a_confirmation_leaves_within_four_minutes_or_not_at_all(
    desk: Desk, late: int, rule: str
) -> None:
    desk.policy = ASKS_CARRIERS_NOT
    desk.hears("STOP")
    (confirmation,) = confirmations(desk)
    desk.now += late * MINUTE
    assert (desk.claim(confirmation.id) is None) == bool(rule)
    assert desk.at(confirmation.id).rule == rule


def test_c04_what_the_carrier_answered_we_do_not_answer(desk: Desk) -> None:
    desk.policy = ASKS_CARRIERS_NOT
    desk.hears("STOP", opt_out_type="STOP")
    assert confirmations(desk) == []
    assert desk.held().method == "carrier"


@pytest.mark.parametrize(
    ("no", "yes", "standing"),
    [
        ("STOP", "YES", Standing.GRANTED),
        ("STOP", "START", Standing.GRANTED),
        ("leave me alone", "YES", Standing.REVOKED),
        ("leave me alone", "START", Standing.GRANTED),
    ],
)
def test_c05_yes_is_no_new_consent_but_where_a_keyword_alone_said_no(
    desk: Desk, no: str, yes: str, standing: Standing
) -> None:
    desk.hears(no)
    desk.now += MINUTE
    desk.hears(yes)
    assert desk.held().standing is standing


def test_c05_words_before_the_keyword_are_not_forgotten(desk: Desk) -> None:
    for words in ("leave me alone", "STOP", "YES"):
        desk.hears(words)
        desk.now += MINUTE
    assert desk.held().standing is Standing.REVOKED


def states(desk: Desk, external_id: str = "F1", **more: Any) -> Any:
    """A form, as another system tells of it."""
    given = {
        "agreed": True, "method": "form", "phone": desk.known.phone, "given_at": desk.now,
        "wording": "Harrow Law may text me about my account.", "ip": "192.0.2.1",
    }  # fmt: skip
    (outcome,) = desk.told(
        ConsentStated(
            source="test", external_id=external_id, client_external_id=desk.known.name,
            **(given | more),
        )
    )  # fmt: skip
    return outcome.error or outcome.applied


def test_c27_a_form_is_kept_with_its_wording_and_where_it_came_from(desk: Desk) -> None:
    desk.hears("leave me alone")
    assert states(desk).changed
    assert not states(desk).changed
    held = desk.held()
    assert (held.standing, held.method) == (Standing.GRANTED, "form")
    (proof,) = desk.rows(ConsentProof)
    with desk.store.read() as session:
        sealed = json.loads(vault.text(session, desk.keyring, proof.body_id) or "")
        (event,) = session.exec(select(ConsentEvent).where(ConsentEvent.id == proof.event_id)).all()
    assert sealed == {"wording": "Harrow Law may text me about my account.", "ip": "192.0.2.1"}
    assert (event.source, event.topic, event.occurred_at) == ("test", "all", desk.now)


def test_a_yes_that_another_system_heard_from_one_client_opens_no_phone_of_another(
    desk: Desk,
) -> None:
    desk.hears("STOP")
    desk.now += MINUTE
    desk.keyring.make(["client:other"], desk.now)
    other = ClientDescribed(source="erp", external_id="b", name="Bolt", phone="+12125550188")
    desk.act(lambda s: list(intake.take_told(s, desk.office, [other], ["client:other"])))
    said_so = ClientSaid(
        source="erp", external_id="1", client_external_id="b", intent=Intent.OPT_IN,
        phone=desk.known.phone, said_at=desk.now,
    )  # fmt: skip
    (outcome,) = desk.told(said_so)
    assert isinstance(outcome.error, Contradiction)
    assert desk.held().standing is Standing.REVOKED


def test_c27_what_is_taken_back_on_paper_stops_what_waits(desk: Desk) -> None:
    waiting, renewal = desk.note(), desk.note(purpose=Purpose.RENEWAL)
    states(desk, agreed=False, method="letter", topic="renewal", ip=None)
    assert desk.at(renewal).state == State.CANCELLED
    assert desk.at(waiting).state == State.QUEUED


def test_c27_consent_for_an_address_of_somebody_else_is_refused(desk: Desk) -> None:
    assert isinstance(states(desk, phone="+12125550199"), Contradiction)


@pytest.mark.parametrize("heard", [None, 7], ids=["told", "as if heard"])
def test_a_yes_that_somebody_writes_into_the_database_is_seen_to_be_in_no_chain(
    desk: Desk, heard: int | None
) -> None:
    desk.hears("STOP")
    forged = said("granted")
    forged.address_id, forged.incoming_id = desk.known.phone_id or 0, heard
    desk.act(lambda session: session.add(forged))
    with desk.store.read() as session:
        found = [*timeline.verify(session), *timeline.verify(session, desk.known.client_id)]
    assert len(found) == 2
    assert {(one.client_id, one.what[-14:]) for one in found} == {
        (desk.known.client_id, "is in no chain")
    }


def test_what_a_stranger_said_before_they_were_a_client_is_missed_in_no_chain(desk: Desk) -> None:
    stranger = InboundMessage(
        channel="sms", external_id="S1", body="STOP", visible="STOP", sender="+12125550177",
        recipient=factories.SENDER,
    )  # fmt: skip

    def receive(session: Session) -> None:
        body = factories.sealed(session, desk.keyring, "STOP", desk.now)
        row = Incoming(source="sms", external_id="S1", received_at=desk.now, body_id=body)
        session.add(row)
        session.flush()
        intake.take_letter(session, desk.office, Letter(stranger, row.id, body))

    desk.store.write_now(receive)
    desk.told(
        ClientDescribed(
            source="test", external_id=desk.known.name, name="Northwind", phone="+12125550177"
        )
    )
    desk.act(lambda session: factories.agree(session, 3, desk.now))
    assert len(desk.rows(ConsentEvent)) == 3  # and every chain holds


def test_c27_the_same_events_in_an_empty_store_give_the_same_standing(desk: Desk) -> None:
    for words in ("STOP", "START", "leave me alone"):
        desk.hears(words)
        desk.now += MINUTE
    before = desk.held()
    with desk.store.read() as session:
        rows = session.exec(select(ConsentEvent)).all()
        copies = [one.model_dump() for one in rows]
        address = session.get_one(Address, desk.known.phone_id)
        assert (address.kind, address.value) == ("sms", desk.known.phone)
    mine = [one for one in copies if one["address_id"] == desk.known.phone_id]
    assert fold([ConsentEvent(**one) for one in mine]) == before
    needed = {"topic", "change", "method", "source", "occurred_at", "recorded_at", "address_id"}
    assert all(one[name] for one in mine for name in needed)
