"""The sandbox's 90 days, played once; what is promised is asked of the rows and the providers."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, col, func, select

from billing import accounts
from billing.calendar import local_date
from billing.models import (
    Address,
    Client,
    Enrolment,
    Hold,
    Instalment,
    Invoice,
    LiveSwitch,
    Payment,
    Posting,
    StepTaken,
)
from bot.models import Incoming
from bot.sandbox import story
from bot.sandbox.chronicle import Line
from bot.sandbox.message_resource import Record
from bot.sandbox.workspace import Post
from bot.sandbox.world import World, client_named, running
from comms import timeline
from comms.models import (
    Attempt,
    Audience,
    ConsentEvent,
    Decision,
    Message,
    State,
    Task,
    Touchpoint,
)
from tests.scenarios import watch
from tests.scenarios.conftest import STANDS, Told, first_days

pytestmark = [pytest.mark.xdist_group("story"), pytest.mark.timeout(900)]
GONE = (State.SENT, State.DELIVERED)


@pytest.fixture
def rows(told: Told) -> Iterator[Session]:
    with told.store.read() as session:
        yield session


def messages(rows: Session, client: str, template: str = "") -> list[Message]:
    query = select(Message).where(
        Message.client_id == client_named(rows, client).id, Message.audience == Audience.CLIENT
    )
    if template:
        query = query.where(Message.template == template)
    return list(rows.exec(query.order_by(col(Message.id))))


def texts_to(world: World, phone: str) -> list[Record]:
    sent = world.twilio.messages.values()
    return [one for one in sent if one.to == phone and one.direction != "inbound"]


def posts(world: World, channel: str) -> list[Post]:
    return world.slack.messages(channel)


def issued(rows: Session, number: str) -> dt.date:
    return rows.exec(select(Invoice).where(Invoice.number == number)).one().issued_on


def sent_day(message: Message) -> dt.date:
    assert message.sent_at is not None
    return message.sent_at.date()


def opened(rows: Session) -> dt.datetime:
    return rows.exec(select(LiveSwitch.changed_at).where(LiveSwitch.state == "open")).one()


def test_nothing_reaches_a_client_before_the_door_is_opened(told: Told, rows: Session) -> None:
    moment = opened(rows)
    held = rows.exec(select(Decision).where(Decision.rule == "not_live")).all()
    assert {one.verdict for one in held} == {"defer"}
    assert len(held) >= 10
    assert min(letter.at for letter in told.world.mail.letters) >= moment
    assert min(one.created for one in told.world.twilio.messages.values()) >= moment


def test_a_first_reminder_goes_by_email_at_30_days(told: Told, rows: Session) -> None:
    (first,) = messages(rows, "Alder Street Bakery", "first_reminder")
    (letter,) = [
        one for one in told.world.mail.mailboxes["nora@alder-bakery.example"]
        if one.subject.startswith("Reminder")
    ]  # fmt: skip
    assert (first.channel, first.state) == ("email", State.SENT)
    assert "LAW-1009" in letter.text
    assert sent_day(first) - issued(rows, "LAW-1009") == dt.timedelta(days=30)


def test_a_firmer_one_goes_by_sms_at_45_days_where_they_agreed(told: Told, rows: Session) -> None:
    firmer = messages(rows, "Hollis Marine", "firmer_reminder")[0]
    assert firmer.channel == "sms"
    assert sent_day(firmer) - issued(rows, "LAW-1008") == dt.timedelta(days=45)
    assert any("LAW-1008" in one.body for one in told.world.twilio.phones["+12075550108"])


def test_without_consent_no_text_is_sent(told: Told, rows: Session) -> None:
    firmer = messages(rows, "Pinecrest Animal Care", "firmer_reminder")
    assert {one.channel for one in firmer} == {"email"}
    assert not told.world.twilio.phones["+15185550116"]
    for address in rows.exec(select(Address).where(Address.kind == "sms")):
        agreed = rows.exec(
            select(ConsentEvent).where(
                ConsentEvent.address_id == address.id,
                col(ConsentEvent.change).in_(("granted", "asserted")),
            )
        ).first()
        assert agreed is not None or not texts_to(told.world, address.value)


def test_day_60_is_the_owners_turn_and_no_third_reminder(told: Told, rows: Session) -> None:
    reminders = [one for one in messages(rows, "Fernhill Yoga") if one.purpose == "dunning"]
    room = told.world.slack.workspace.im("U0TOMAS").id
    (card,) = [one for one in posts(told.world, room) if "Fernhill Yoga" in one.text]
    shown = str(card.blocks)
    escalated = dt.datetime.fromtimestamp(float(card.ts), dt.UTC).date()
    assert [one.template for one in reminders if one.state in GONE] == [
        "first_reminder",
        "firmer_reminder",
    ]
    assert escalated - issued(rows, "STU-1005") == dt.timedelta(days=60)
    assert all(word in shown for word in ("case.close", "case.pause", "case.assign"))
    assert "first reminder" in shown
    assert "firmer reminder" in shown


def test_finance_takes_over_where_the_owner_has_left(told: Told) -> None:
    cards = [one.text for one in posts(told.world, "C0FINANCE")]
    assert any("Sable Transport" in text for text in cards)
    assert "U0JONAS" not in {one.im_with for one in told.world.slack.workspace.channels.values()}


def test_one_reminder_lists_all_that_is_due(told: Told) -> None:
    box = told.world.mail.mailboxes["ben@bramble-foods.example"]
    letter = next(one for one in box if one.subject.startswith("Reminder"))
    assert "2 invoices" in letter.subject
    assert "CLN-1006" in letter.text
    assert "CLN-1009" in letter.text


def test_a_step_reaches_a_client_at_most_once(rows: Session) -> None:
    steps = rows.exec(
        select(Message.step_id).where(
            col(Message.step_id).is_not(None), col(Message.state).in_(GONE)
        )
    ).all()
    assert len(steps) == len(set(steps))
    assert len(steps) > 60


def test_a_payment_in_between_cancels_the_reminder(told: Told, rows: Session) -> None:
    reminder = messages(rows, "Dovetail Joinery", "first_reminder")[0]
    box = told.world.mail.mailboxes["saul@dovetail.example"]
    assert (reminder.state, reminder.rule) == (State.CANCELLED, "paid")
    assert not [one for one in box if "STU-1013" in one.text and "Reminder" in one.subject]


def test_every_payment_of_the_story_is_thanked_for_once(told: Told, rows: Session) -> None:
    receipts = rows.exec(select(Message.subject_id).where(Message.purpose == "receipt")).all()
    since = rows.exec(select(func.min(Client.created_at))).one()
    arrived = (col(Payment.recorded_at) > since, col(Payment.settled_at).is_not(None))
    theirs = select(Payment.id).where(*arrived, col(Payment.payer_id).is_(None))
    paid = rows.exec(theirs).all()
    assert len(receipts) == len(set(receipts))
    assert set(receipts) == set(paid)
    thanks = [one for one in told.world.mail.letters if one.subject.startswith("Thank you")]
    assert len(thanks) > 80


@pytest.mark.parametrize(("day", "client"), STANDS, ids=lambda one: str(one).split()[0].lower())
def test_page_and_card_say_what_is_asked_for_and_why(told: Told, day: int, client: str) -> None:
    asked, against, card = STANDS[day, client]
    seen = told.seen[day, client]
    assert seen.asked.startswith(f"asked for: {asked}")
    assert against in seen.against
    assert card in seen.card


@pytest.mark.parametrize(
    ("kind", "client", "what", "now"),
    [
        ("paid", "Yarrow Textile Care", "$1,100.00 received", "$500.00 of STU-2002"),
        ("bounced", "Umber Lane Dental", "owed again", "$640.00 of CLN-2001"),
        ("disputed", "Violet Hill Press", "$900.00 of LAW-2001", "$1,500.00 of LAW-2001"),
        ("took back", "Walnut Grove Vets", "took $480.00 back", "$480.00 of CLN-2002"),
        ("share", "Willow Court Sports", "asked for $800.00", "$200.00 of CLN-2003"),
        ("plan", "Zephyr Sailmakers", "$3,000.00 in parts", "nothing; $3,000.00 is promised"),
    ],
    ids=["partial payment", "bounced debit", "partial dispute", "chargeback", "share", "plan"],
)
def test_the_transcript_tells_what_came_and_what_is_asked_for(
    told: Told, kind: str, client: str, what: str, now: str
) -> None:
    theirs = [line for line in told.transcript if client in line]
    at = next(n for n, line in enumerate(theirs) if f"  {kind} " in line and what in line)
    assert "  now " in theirs[at + 1]
    assert f"asked for: {now}" in theirs[at + 1]


def test_what_stands_against_a_debt_is_not_in_a_reminder(told: Told) -> None:
    asked = {
        "idris@umber-lane.example": "$640.00", "juno@violet-hill.example": "$1,500.00",
        "abel@willow-court.example": "$200.00", "orla@zephyr-sails.example": "$1,000.00",
    }  # fmt: skip
    for mailbox, amount in asked.items():
        letters = told.world.mail.mailboxes[mailbox]
        first = next(one for one in letters if one.subject.startswith("Reminder"))
        assert amount in first.text, mailbox


def test_a_renewal_held_for_a_debt_is_released_by_its_payment(rows: Session) -> None:
    client = client_named(rows, "Juniper Robotics")
    notices = messages(rows, "Juniper Robotics", "renewal_notice")
    ids = [one.id for one in notices]
    held = rows.exec(
        select(Decision.decided_at).where(
            Decision.subject_kind == "message",
            col(Decision.subject_id).in_(ids),
            Decision.rule == "overdue",
        )
    ).all()
    paid = rows.exec(
        select(Payment.recorded_at)
        .where(Payment.client_id == client.id)
        .order_by(col(Payment.id).desc())
    ).first()
    assert paid is not None
    assert min(held).date() == dt.date(2026, 1, 19)
    assert notices[-1].state in GONE
    assert notices[-1].sent_at is not None
    assert dt.timedelta() < notices[-1].sent_at - paid < dt.timedelta(days=1)


def test_no_renewal_notice_leaves_while_something_is_overdue(rows: Session) -> None:
    notices = rows.exec(
        select(Message).where(Message.purpose == "renewal", col(Message.state).in_(GONE))
    ).all()
    assert len(notices) > 10
    for notice in notices:
        assert notice.sent_at is not None
        assert not overdue_at(rows, notice.client_id, notice.sent_at), notice.key


def overdue_at(rows: Session, client_id: int | None, moment: dt.datetime) -> list[int]:
    """The client's instalments that were overdue at a moment, from postings alone."""
    today = local_date(moment, rows.get_one(Client, client_id).timezone)
    still_open: Any = func.sum(Posting.amount)
    query = (
        select(Instalment.id)
        .join(Posting, col(Posting.instalment_id) == Instalment.id)
        .where(
            Instalment.client_id == client_id,
            col(Instalment.due_on) < today,
            Posting.recorded_at <= moment,
        )
        .group_by(col(Instalment.id))
        .having(still_open > 0)
    )
    return list(rows.exec(query))


def test_none_of_our_own_letters_is_kept_in_for_how_it_reads(rows: Session) -> None:
    """A renewal was taken for legal advice, by a passage that everybody gets, and missed."""
    kept = select(Message.template).where(Message.rule == "disclosure")
    assert rows.exec(kept).all() == []


def test_stop_cancels_what_waits_and_silences_the_number(told: Told, rows: Session) -> None:
    phone = "+15185550109"
    address = rows.exec(select(Address).where(Address.value == phone)).one()
    stop = rows.exec(
        select(ConsentEvent).where(
            ConsentEvent.address_id == address.id, ConsentEvent.change == "revoked"
        )
    ).one()
    of_phone = rows.exec(select(Message).where(Message.address_id == address.id)).all()
    assert [one.rule for one in of_phone if one.state == State.CANCELLED] == ["opted_out"]
    assert all(one.created_at <= stop.recorded_at for one in of_phone)
    assert not [one for one in texts_to(told.world, phone) if one.created >= stop.recorded_at]


@pytest.mark.parametrize("client", ["Ivy Lane Pottery", "Ivy Lane Framing"])
def test_after_stop_the_step_goes_by_email(rows: Session, client: str) -> None:
    firmer = messages(rows, client, "firmer_reminder")
    assert [one.channel for one in firmer if one.state in GONE] == ["email"]


@pytest.mark.parametrize(
    ("client", "channel", "words"),
    [
        ("Alder Street Bakery", "email", "We pay this Friday"),
        ("Brook & Fen Estates", "sms", "cheque goes out on Monday"),
    ],
)
def test_a_reply_is_on_the_timeline_and_in_the_clients_thread(
    told: Told, rows: Session, client: str, channel: str, words: str
) -> None:
    said = rows.exec(
        select(Touchpoint).where(
            Touchpoint.client_id == client_named(rows, client).id, Touchpoint.direction == "in"
        )
    ).one()
    name = client.replace("&", "&amp;")
    room = posts(told.world, "C0CLIENTS")
    (root,) = [one for one in room if one.thread_ts == one.ts and name in one.text]
    replies = [one for one in room if one.thread_ts == root.ts and one is not root]
    assert said.channel == channel
    assert any(words in str(one.blocks) for one in replies)


def test_a_stranger_is_kept_and_shown(told: Told, rows: Session) -> None:
    unmatched = rows.exec(select(Incoming).where(Incoming.state == "unmatched")).all()
    shown = [one for one in posts(told.world, "C0CLIENTS") if "know" in one.text]
    assert [one.source for one in unmatched] == ["twilio.sms"]
    assert len(shown) == 1


def test_a_failed_text_is_told_to_finance_and_goes_by_email(told: Told, rows: Session) -> None:
    failed, instead = messages(rows, "Elmgate Supply", "firmer_reminder")
    (alert,) = [one for one in posts(told.world, "C0FINANCE") if "Elmgate" in one.text]
    assert (failed.channel, failed.state, failed.rule) == ("sms", State.FAILED, "21614")
    assert (instead.channel, instead.state) == ("email", State.SENT)
    assert failed.step_id == instead.step_id
    assert "Did not arrive" in alert.text
    assert "not a mobile number" in str(alert.blocks)


def test_a_text_in_doubt_is_found_at_the_provider_and_not_sent_again(
    told: Told, rows: Session
) -> None:
    doubtful = select(Message).join(Attempt).where(Attempt.outcome == "in_doubt")
    message = rows.exec(doubtful.where(Message.channel == "sms")).one()
    alike = [
        one
        for one in texts_to(told.world, "+12075550108")
        if one.asked["StatusCallback"].endswith(message.reference)
    ]
    assert message.state in GONE
    assert [one.sid for one in alike] == [message.provider_id]
    assert message.attempts == 1


def test_a_click_on_the_card_pauses_the_client(rows: Session) -> None:
    client = client_named(rows, "Cobalt Cycles")
    hold = rows.exec(select(Hold).where(Hold.client_id == client.id)).one()
    assert hold.placed_by == "tomas@harrowlark.example"
    assert hold.until is not None
    assert 13 <= (hold.until - hold.placed_at).days <= 14


def test_nothing_is_sent_twice(told: Told, rows: Session) -> None:
    keys = rows.exec(select(Message.key)).all()
    sids = [one.sid for one in told.world.twilio.messages.values()]
    mails = Counter(letter.message_id for letter in told.world.mail.letters)
    asked = Counter(
        one.asked["StatusCallback"]
        for one in told.world.twilio.messages.values()
        if one.direction != "inbound"
    )
    assert len(keys) == len(set(keys))
    assert len(sids) == len(set(sids))
    assert set(mails.values()) == {1}
    assert set(asked.values()) == {1}
    assert told.outcome.doubled == 0


def test_every_letter_and_text_is_a_row_and_every_row_arrived(told: Told, rows: Session) -> None:
    left = Counter(
        rows.exec(
            select(Message.channel).where(
                Message.audience == Audience.CLIENT, col(Message.state).in_(GONE)
            )
        )
    )
    shown = [text for phone in told.world.twilio.phones.values() for text in phone]
    arrived = [text for text in shown if text.direction == "in" and text.status != "carrier"]
    assert left["email"] == len(told.world.mail.letters)
    assert left["sms"] == len(arrived)


def test_the_chains_hold(told: Told, rows: Session) -> None:
    assert list(timeline.verify(rows)) == []
    assert told.outcome.breaks == 0
    assert told.outcome.entries > 500


def test_the_books_balance(rows: Session) -> None:
    sums = rows.exec(
        select(Posting.client_id, func.sum(Posting.amount)).group_by(col(Posting.client_id))
    ).all()
    for client_id, total in sums:
        balances = accounts.balances(rows, client_id, dt.date(2026, 4, 5))
        assert sum(one.open - one.unapplied for one in balances) == int(total)


def test_no_enrolment_is_forgotten(told: Told, rows: Session) -> None:
    now = told.world.clock.now()
    late = rows.exec(select(Enrolment).where(col(Enrolment.next_due_at) <= now)).all()
    stuck = rows.exec(
        select(Message).where(
            col(Message.state).in_((State.QUEUED, State.CLAIMED, State.SENDING, State.IN_DOUBT)),
            Message.send_after <= now,
        )
    ).all()
    pending = rows.exec(select(StepTaken).where(StepTaken.how == "queued")).all()
    waiting = {
        one.step_id
        for one in rows.exec(select(Message))
        if one.state == State.HELD or one.rule == "superseded"
    }
    assert not late
    assert not stuck
    assert {one.id for one in pending} <= waiting


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_of_the_transcript_breaks_in_a_narrow_terminal(width: int) -> None:
    said = "first reminder: This installation does not write to clients yet."
    at = dt.datetime(2026, 1, 5, 6, tzinfo=dt.UTC)
    line = Line(at, "held", "email", "Harbour Light Cafe and Sons", said, "not_live")
    told = story.row(line, width)
    assert len(told) == width
    assert told.endswith("… (not_live)")


def test_the_transcript_can_be_read(told: Told) -> None:
    text = "\n".join(told.transcript)
    assert max(map(len, told.transcript)) <= story.WIDTH
    assert told.transcript[-1].split() == ["Sent", "twice", "0"]
    for word in ("not_live", "released", "escalated", "in doubt", "proved", "opted_out", "paused"):
        assert word in text
    assert told.outcome.sound


def test_the_transcript_tells_what_was_covered_and_sealed_and_no_word_of_it(told: Told) -> None:
    text = "\n".join(told.transcript)
    for words in ("[card ****4242]", "Sealed: legal advice.", "Dana has read what is sealed"):
        assert words in text
    for words in ("4242 4242", "cvc 737", "Bram claim"):
        assert words not in text


async def test_the_same_days_are_told_in_the_same_words(told: Told, tmp_path: Path) -> None:
    again: list[str] = []
    async with running(tmp_path) as world:
        await story.play(world, 4, again.append)
    assert first_days(again, 4) == first_days(told.transcript, 4)


async def test_programs_get_an_entry_for_each_line(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        entries = [entry async for entry in story.entries(world, 2)]
    assert {"day", "at", "kind", "channel", "who", "what", "rule", "message"} == set(entries[0])
    assert entries[-1]["kind"] == "outcome"
    assert entries[-1]["sound"] is True


def test_after_no_day_does_anything_stand_still(told: Told) -> None:
    assert {day: found for day, found in told.standstills.items() if found} == {}
    assert len(told.standstills) > 60  # the transcript leaves out days on which nothing happens
    assert max(told.standstills) > 80


def test_no_line_of_the_log_names_a_client_or_says_their_words(told: Told, rows: Session) -> None:
    assert told.log.count('"event": "sent"') > 90
    assert watch.told(watch.secrets(rows), told.log, watch.references(rows)) == []


def test_the_readme_quotes_the_transcript(told: Told) -> None:
    readme = Path(__file__).parents[2] / "README.md"
    quoted = readme.read_text().split("```text\n")[1].split("```")[0].splitlines()
    assert len(quoted) == 15
    assert [line for line in quoted if line not in told.transcript] == []


def test_after_a_reply_reminders_wait_until_it_is_read(rows: Session) -> None:
    client = client_named(rows, "Brook & Fen Estates")
    (task,) = rows.exec(select(Task).where(Task.client_id == client.id)).all()
    held = rows.get_one(Hold, task.hold_id)
    reminders = [one for one in messages(rows, client.name) if one.purpose == "dunning"]
    assert (task.outcome, task.closed_by) == ("handled", "dana@harrowlark.example")
    assert held.released_at == task.closed_at
    assert task.closed_at is not None
    assert not [
        one for one in reminders
        if one.sent_at is not None and task.opened_at <= one.sent_at < task.closed_at
    ]  # fmt: skip
