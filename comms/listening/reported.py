"""What does a provider say of a message later, and is it about ours?

Reports come late, twice and out of order; a message is never moved backwards by one.
"""

from sqlmodel import Session, select

from billing.models import Address
from comms import delivery, outbox
from comms.facts import DeliveryReport, Standing
from comms.models import Message, State
from comms.office import Office
from comms.ports import Sent


def message(session: Session, report: DeliveryReport) -> Message | None:
    """The message that a report is about: by our reference, or else by the provider's id."""
    if not (report.reference or report.provider_id):
        return None
    query = select(Message).where(Message.channel == report.channel)
    if report.reference:
        query = query.where(Message.reference == report.reference)
    else:
        query = query.where(Message.provider_id == report.provider_id)
    return session.exec(query).first()


def take(session: Session, office: Office, report: DeliveryReport) -> bool:
    """Move a message to where its provider says it is, never backwards; False where unknown."""
    found = message(session, report)
    if found is None:
        return False
    if _forwarded(session, office, found, report):
        return True
    if found.state not in (State.SENT, State.DELIVERED, State.FAILED):
        # A report proves that the message left, also one that we gave up or were in doubt about.
        delivery.went(session, office, found.id, Sent(report.provider_id))
    if report.standing is Standing.DELIVERED:
        outbox.delivered(session, found.id, office.now)
    elif report.standing is Standing.FAILED:
        delivery.gave_up(session, office, found, report.code, report.sentence)
    return True


def _forwarded(session: Session, office: Office, message: Message, report: DeliveryReport) -> bool:
    """Whether it is about the mailbox that somebody forwards their mail to; ours was reached."""
    address = session.get(Address, message.address_id) if message.address_id else None
    if not report.recipient or address is None or delivery.redirected(session, office, message):
        return False
    return address.value != report.recipient
