"""Is everything as it must be after the ordeal? Each sentence names something that is not."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlmodel import Session, col, func, select

from billing import accounts
from billing.calendar import local_date
from billing.models import (
    Address,
    Client,
    Enrolment,
    ExternalRef,
    Instalment,
    Payment,
    Posting,
    StepTaken,
)
from bot.models import Incoming
from bot.web import mail_id
from comms import timeline
from comms.channels import twilio_hooks
from comms.models import Attempt, Audience, Message, Purpose, State, Touchpoint
from tests.factories import FINANCE
from tests.faults.ordeal import Ordeal, source_of

LEFT = (State.SENT, State.DELIVERED)
ONCE_MAIL = (Purpose.RECEIPT, Purpose.OPT_OUT)
"""What may come as the same mail again, which a mailbox shows once."""


def verdict(ordeal: Ordeal, rows: Session) -> list[str]:
    """All that is wrong; empty where nothing is."""
    judges: Any = (
        facts_are_rows,
        hooks_are_rows,
        nothing_moves_still,
        what_arrived_is_known,
        nothing_is_doubled,
        doubts_have_a_person,
        failures_are_told,
        chains_hold,
        books_balance,
        stop_is_kept,
        renewals_waited,
        the_watcher_is_content,
    )
    return [f"{judge.__name__}: {said}" for judge in judges for said in judge(ordeal, rows)]


# --- nothing lost ---------------------------------------------------------------------------------


def facts_are_rows(ordeal: Ordeal, rows: Session) -> Iterator[str]:
    known = {(one.kind, one.external_id) for one in rows.exec(select(ExternalRef))}
    kinds = {
        "ClientDescribed": "client", "InvoiceIssued": "invoice", "PaymentSettled": "payment",
        "InvoiceDisputed": "dispute", "AgreementDescribed": "agreement",
    }  # fmt: skip
    if ordeal.untold or ordeal.unheard:
        yield f"never taken: {ordeal.untold} {ordeal.unheard}"
    for fact in ordeal.told:
        if (kinds[type(fact).__name__], fact.key) not in known:
            yield f"{fact.key} was told and is in no row"
    receipts = set(rows.exec(select(Message.subject_id).where(Message.purpose == "receipt")))
    for payment in rows.exec(select(Payment)):
        if payment.id not in receipts:
            yield f"payment {payment.id} has no receipt"


def hooks_are_rows(ordeal: Ordeal, rows: Session) -> Iterator[str]:
    states = {(one.source, one.external_id): one for one in rows.exec(select(Incoming))}
    for source, external_id in sorted(ordeal.kept):
        row = states.get((source, external_id))
        if row is None:
            yield f"{source} {external_id} was acknowledged and is in no row"
        elif row.state not in {"done", "unmatched", "ignored"}:
            yield f"{source} {external_id} ended {row.state}: {row.problem}"
    sent = _sent_to_us(ordeal)
    for row in states.values():
        if row.state == "pending":
            yield f"incoming {row.id} of {row.source} still waits: {row.problem}"
        if row.source in _HOOKS and (row.source, row.external_id) not in sent:
            yield f"incoming {row.id} of {row.source} is of nothing that came, or of it once more"
    said = Counter(rows.exec(select(Touchpoint.incoming_id).where(Touchpoint.direction == "in")))
    for row in states.values():
        if row.state == "done" and row.source in {"twilio.sms", "email"} and not said[row.id]:
            yield f"incoming {row.id} of {row.source} is done and on no timeline"


_HOOKS = ("twilio.sms", "twilio.status", "email")


def _sent_to_us(ordeal: Ordeal) -> set[tuple[str, str]]:
    """Source and id of everything that ever knocked, answered or not."""
    hooks = {(source_of(hook), twilio_hooks.external_id(dict(hook.params)))
             for hook in ordeal.around.twilio.hooks}  # fmt: skip
    return hooks | {("email", mail_id(raw)) for raw in ordeal.around.mail.written}


def nothing_moves_still(ordeal: Ordeal, rows: Session) -> Iterator[str]:
    now = ordeal.now
    moving = (State.QUEUED, State.CLAIMED, State.SENDING, State.IN_DOUBT)
    for one in rows.exec(select(Message).where(col(Message.state).in_(moving))):
        yield f"{_name(one)} is {one.state}"
    for ladder in rows.exec(select(Enrolment).where(col(Enrolment.next_due_at) <= now)):
        yield f"enrolment {ladder.id} was due {ladder.next_due_at}"
    for attempt in rows.exec(select(Attempt).where(col(Attempt.ended_at).is_(None))):
        yield f"try {attempt.number} of message {attempt.message_id} has no end"
    held = {one.step_id for one in rows.exec(select(Message)) if one.state == State.HELD}
    waiting = rows.exec(
        select(StepTaken)
        .join(Enrolment, col(Enrolment.id) == StepTaken.enrolment_id)
        .where(StepTaken.how == "queued", StepTaken.episode == Enrolment.episode)
    )
    for step in waiting:
        if step.id not in held and not _superseded(rows, step.id):
            yield f"step {step.id} waits for a message that does not exist"


def _superseded(rows: Session, step_id: int) -> bool:
    query = select(Message.rule).where(Message.step_id == step_id)
    return "superseded" in set(rows.exec(query))


def what_arrived_is_known(ordeal: Ordeal, rows: Session) -> Iterator[str]:
    arrived = ordeal.arrived()
    known = {one.reference: one for one in rows.exec(select(Message))}
    for reference in arrived:
        message = known.get(reference)
        if message is None:
            yield f"{reference} arrived and is no message of ours"
        elif message.state not in {*LEFT, State.FAILED}:
            yield f"{_name(message)} arrived and is {message.state}"
    for message in known.values():
        if message.audience == Audience.CLIENT and message.state in LEFT:
            if not arrived[message.reference]:
                yield f"{_name(message)} is {message.state} and never arrived"
            if _touchpoints(rows, message) != 1:
                yield f"{_name(message)} is on the timeline {_touchpoints(rows, message)} times"


def _touchpoints(rows: Session, message: Message) -> int:
    query = select(func.count()).select_from(Touchpoint).where(Touchpoint.message_id == message.id)
    return int(rows.exec(query).one())


# --- nothing doubled ------------------------------------------------------------------------------


def nothing_is_doubled(ordeal: Ordeal, rows: Session) -> Iterator[str]:
    known = {one.reference: one for one in rows.exec(select(Message))}
    for reference, count in ordeal.arrived().items():
        message = known.get(reference)
        again = message is not None and message.channel == "email" and message.purpose in ONCE_MAIL
        if count > 1 and not again:
            yield f"{message and _name(message)} arrived {count} times"
    keys = Counter(rows.exec(select(Message.key)))
    yield from (f"two messages have the key {key}" for key, count in keys.items() if count > 1)
    steps = Counter(
        rows.exec(select(Message.step_id).where(col(Message.step_id).is_not(None), _left()))
    )
    yield from (f"step {step} left {count} times" for step, count in steps.items() if count > 1)
    yield from _same_words(ordeal)


def _left() -> Any:
    return col(Message.state).in_(LEFT)


def _same_words(ordeal: Ordeal) -> Iterator[str]:
    """Whatever our rows say: nobody reads the same words twice, but of the same mail."""
    mails = {
        (to, one.subject, one.text, one.message_id)
        for one in ordeal.around.mail.letters
        for to in one.recipients
    }
    words = Counter((to, subject, text) for to, subject, text, _ in mails)
    for (to, subject, _), count in words.items():
        if count > 1:
            yield f"{to} reads {subject!r} {count} times"
    texts = Counter(
        (phone, text.body)
        for phone, shown in ordeal.around.twilio.phones.items()
        for text in shown
        if text.direction == "in" and text.status != "carrier"
    )
    for (phone, body), count in texts.items():
        if count > 1:
            yield f"{phone} reads {body[:40]!r} {count} times"


# --- told to a person -----------------------------------------------------------------------------


def doubts_have_a_person(ordeal: Ordeal, rows: Session) -> Iterator[str]:
    """What was ever in doubt was proved, decided or repeatable; finance was asked where needed."""
    for attempt in rows.exec(select(Attempt).where(Attempt.outcome == "in_doubt")):
        message = rows.get_one(Message, attempt.message_id)
        ordeal.met[f"doubt about {message.channel} to {message.audience}"] += 1
        asked = _alert(rows, f"alert:in_doubt:{message.id}:")
        if message.state == State.IN_DOUBT and not asked:
            yield f"{_name(message)} is in doubt and nobody was asked"
    for message in rows.exec(select(Message).where(Message.template == "in_doubt")):
        if message.state not in {*LEFT, State.CANCELLED}:
            yield f"the question {message.key} is {message.state} ({message.rule})"


def failures_are_told(ordeal: Ordeal, rows: Session) -> Iterator[str]:
    posts = " ".join(str(one.text) for one in ordeal.around.slack.messages(FINANCE))
    lost = (State.FAILED, State.WITHHELD)
    query = select(Message).where(col(Message.state).in_(lost), Message.audience == Audience.CLIENT)
    for message in rows.exec(query):
        ordeal.met[f"{message.state}, told to finance"] += 1
        alert = _alert(rows, f"alert:lost:{message.id}")
        if alert is None:
            yield f"{_name(message)} is {message.state} ({message.rule}) and nobody was told"
        elif alert.state not in LEFT:
            yield f"the alert {alert.key} is {alert.state} ({alert.rule})"
        elif rows.get_one(Client, message.client_id).name not in posts:
            yield f"the alert {alert.key} is not in Slack"
    for message in rows.exec(
        select(Message).where(col(Message.state).in_(lost), Message.audience != Audience.CLIENT)
    ):
        yield f"{_name(message)} to staff is {message.state} ({message.rule})"


def _alert(rows: Session, key: str) -> Message | None:
    query = select(Message).where(col(Message.key).startswith(key)).order_by(col(Message.id).desc())
    return rows.exec(query).first()


# --- the record -----------------------------------------------------------------------------------


def chains_hold(ordeal: Ordeal, rows: Session) -> Iterator[str]:
    yield from map(str, timeline.verify(rows))


def books_balance(ordeal: Ordeal, rows: Session) -> Iterator[str]:
    today = ordeal.now.date()
    paid: Any = func.sum(Posting.amount)
    sums = dict(rows.exec(select(Posting.client_id, paid).group_by(col(Posting.client_id))).all())
    for client_id, total in sums.items():
        balances = accounts.balances(rows, client_id, today)
        if sum(one.open - one.unapplied for one in balances) != int(total):
            yield f"client {client_id}: postings say {total}, balances {balances}"
    query = select(Posting.instalment_id, paid).where(col(Posting.instalment_id).is_not(None))
    for instalment, still_open in rows.exec(query.group_by(col(Posting.instalment_id))):
        if int(still_open) < 0:
            yield f"instalment {instalment} has {still_open} open"
    told = sum(
        getattr(one, "amount", 0) or 0 for one in ordeal.told if "Paym" in type(one).__name__
    )
    booked = sum(rows.exec(select(Payment.amount)).all())
    if told != booked:
        yield f"{told} was paid and {booked} is booked"


def stop_is_kept(ordeal: Ordeal, rows: Session) -> Iterator[str]:
    for phone, before in ordeal.silenced.items():
        texts = [one for one in ordeal.around.twilio.messages.values() if one.to == phone]
        for late in texts[before:]:
            if late.direction != "inbound":
                yield f"{phone} said STOP and got {late.body[:40]!r} at {late.created}"
        address = rows.exec(select(Address).where(Address.value == phone)).one()
        waiting = select(Message).where(Message.address_id == address.id)
        for one in rows.exec(waiting.where(col(Message.state).in_(("queued", "held", "claimed")))):
            yield f"{_name(one)} waits for {phone}, which said STOP"


def renewals_waited(ordeal: Ordeal, rows: Session) -> Iterator[str]:
    notices = rows.exec(select(Message).where(Message.purpose == "renewal", _left()))
    for notice in notices:
        assert notice.claimed_at is not None
        late = _overdue(rows, notice.client_id, notice.claimed_at)
        if late:
            yield f"{_name(notice)} left while {late} was overdue"


def _overdue(rows: Session, client_id: int | None, moment: dt.datetime) -> list[int]:
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


def the_watcher_is_content(ordeal: Ordeal, rows: Session) -> Iterator[str]:
    for kind, count, ids in ordeal.found:
        yield f"{kind}: {count} {ids}"


def _name(message: Message) -> str:
    return f"message {message.id} ({message.key}, {message.channel}, rule {message.rule!r})"
