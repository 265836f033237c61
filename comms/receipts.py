"""Who is thanked for a payment, and where?

A receipt for each payment, once: its key holds the payment and what it came to, so one that grows
is acknowledged again and one that is told twice is not. Where it renewed an agreement, and nothing
that was charged for that is open any more, its receipt says so: there is no other way to hear it.
Where it crossed a reminder, the receipt takes that back.
"""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from billing import agreements, store
from billing.ledger import Applied
from billing.models import Payment
from comms import crossings, outbox
from comms.addresses import recipients
from comms.crossings import Crossing
from comms.models import Audience, Message, Purpose
from comms.office import Office


def thank(session: Session, office: Office, settled: Sequence[Applied]) -> None:
    """Queue a receipt for each payment whose client can be reached."""
    clients = {one.client_id for one in settled}
    reach = recipients.of_clients(session, office.policy, clients, "billing") if clients else {}
    wanted = col(Payment.id).in_([one.payment_id for one in settled])
    payments = (
        session.exec(select(Payment).where(wanted).order_by(col(Payment.id))) if reach else ()
    )
    paid = [one.payment_id for one in settled if one.payment_id]
    renewed = agreements.renewed_by(session, paid)
    crossed = crossings.of_payments(session, office, set(paid) - set(renewed))
    thanks: list[Message] = []
    for payment in payments:
        if payment.id in crossed:
            thanks.append(_disregard(office, payment, crossed[payment.id]))
            continue
        contact_id, channel, address_id = recipients.choose(
            reach.get(payment.client_id), ("email", "sms")
        )
        if contact_id is not None and address_id is not None:
            reached = (contact_id, channel, address_id)
            template = "renewed" if payment.id in renewed else "receipt"
            thanks.append(_receipt(office, payment, reached, template))
    if thanks:
        outbox.queue_all(session, thanks)


def _disregard(office: Office, payment: Payment, crossing: Crossing) -> Message:
    """A receipt that takes a reminder back, to where that went."""
    reached = (crossing.contact_id, crossing.channel, crossing.address_id)
    message = _receipt(office, payment, reached, "crossed")
    message.key, message.thread_id = crossing.key, crossing.reminder_id
    return message


def _receipt(
    office: Office, payment: Payment, reached: tuple[int, str, int], template: str
) -> Message:
    contact_id, channel, address_id = reached
    return store.fresh(
        Message,
        key=f"receipt:{payment.id}:{payment.amount}:{contact_id}:{channel}",
        reference="",
        audience=Audience.CLIENT,
        channel=channel,
        purpose=Purpose.RECEIPT,
        template=template,
        client_id=payment.client_id,
        legal_entity_id=payment.legal_entity_id,
        contact_id=contact_id,
        address_id=address_id,
        subject_kind="payment",
        subject_id=payment.id,
        send_after=office.now,
        created_at=office.now,
    )
