"""Do too many of those who get commercial mail call it spam, and what stops then?

A complaint is a no to offers at that mailbox. What part of the last days' offers was complained of
is counted anew each time, from the events themselves: the stream stops by itself, and goes on by
itself once the days have passed.
"""

import datetime as dt

from sqlalchemy import func
from sqlmodel import Session, col, select

from billing.gates import Refusal
from billing.models import Address
from comms import consent, outbox, staff
from comms.addresses import closing
from comms.compliance import disclosure
from comms.facts import MailRefused
from comms.models import Audience, ConsentEvent, Message, Purpose, State
from comms.office import Office

METHOD = "complaint"
RULE = "complaints"
TEMPLATE = "complaints"
_LEFT = (State.SENT, State.DELIVERED)


def counted(session: Session, now: dt.datetime) -> tuple[int, int]:
    """Complaints, and the commercial mails that left, in the days that count."""
    since = now - dt.timedelta(days=disclosure.complaints().days)
    events = select(func.count(func.distinct(ConsentEvent.address_id))).where(
        ConsentEvent.method == METHOD, col(ConsentEvent.recorded_at) > since
    )
    sent = select(func.count()).where(
        Message.purpose == Purpose.OFFER,
        Message.channel == "email",
        col(Message.sent_at) > since,
        col(Message.state).in_(_LEFT),
    )
    return session.exec(events).one(), session.exec(sent).one()


def pause(session: Session, office: Office) -> Refusal | None:
    """Why no commercial mail leaves now."""
    complaints, sent = counted(session, office.now)
    tolerated = disclosure.complaints()
    if not tolerated.is_too_much(complaints, sent):
        return None
    reason = (
        f"{complaints} of {sent} who got an offer in {tolerated.days} days called it spam: "
        f"{tolerated.row.cited}."
    )
    return Refusal(RULE, reason, until=office.now + dt.timedelta(days=1))


def clients_of(session: Session, refused: MailRefused) -> set[int]:
    """Whom it may touch: to be locked before it is taken."""
    message = _mail_of(session, refused.reference)
    if message is None or message.address_id is None:
        return set()
    return {*consent.clients_of(session, message.address_id), message.client_id or 0} - {0}


def take(session: Session, office: Office, refused: MailRefused) -> int | None:
    """No more offers go there; where it is one complaint too many, finance hears of the pause.

    Returns the client of the mail.
    """
    message = _mail_of(session, refused.reference)
    address = session.get(Address, message.address_id) if message and message.address_id else None
    if message is None or address is None:
        return None
    no_more_offers(session, office, address, refused.how)
    if refused.how == METHOD and pause(session, office) is not None:
        key = f"complaints:{office.now:%Y-%m-%d}"
        staff.alert(session, office, key=key, template=TEMPLATE, subject=("message", message.id))
    return message.client_id


def no_more_offers(session: Session, office: Office, address: Address, method: str) -> bool:
    """They want no more offers at this mailbox; False where they had said so before."""
    held = consent.of_address(session, address.id).about(consent.MARKETING)
    again = held.standing is consent.Standing.REVOKED
    if again and (method != METHOD or METHOD in held.methods):
        return False
    event = ConsentEvent(
        address_id=address.id,
        topic=consent.MARKETING,
        change="revoked",
        method=method,
        source="email",
        occurred_at=office.now,
        recorded_at=office.now,
    )
    consent.record(session, event)
    which = outbox.to_address(address.id, purposes=[Purpose.OFFER])
    closing.cancel_at(session, office, which, "opted_out", "They want no more offers.")
    return True


def _mail_of(session: Session, reference: str) -> Message | None:
    """The mail to a client that has this reference."""
    query = select(Message).where(
        Message.reference == reference,
        Message.channel == "email",
        Message.audience == Audience.CLIENT,
    )
    return session.exec(query).first() if reference else None
