"""An address or a channel is closed: what waited for it, and what does a refusal say of it?"""

from sqlalchemy import ColumnElement
from sqlmodel import Session

from billing.models import Address, Health, LegalEntity
from comms import consent, outbox, outreach, steps
from comms.channels import refusals
from comms.models import ConsentEvent, Message
from comms.office import Office

_UNREGISTERED = ("sms", "30034")


def cancel_at(
    session: Session, office: Office, which: ColumnElement[bool], rule: str, reason: str
) -> int:
    """Cancel what waits for an address (``outbox.to_address``); its clients are locked."""
    gone = outbox.cancel(session, which, rule, reason)
    for message_id in gone:
        message = session.get_one(Message, message_id, populate_existing=True)
        if not (message.step_id and outreach.elsewhere(session, office, message)):
            steps.follow(session, office, [message], "failed")
    return len(gone)


def learn(session: Session, office: Office, message: Message, code: str) -> None:
    """What a refusal says: nobody is there, somebody said no, or the carriers do not know us."""
    address = session.get_one(Address, message.address_id)
    effect = refusals.effect(message.channel, code)
    if effect is refusals.Effect.BAD_ADDRESS:
        address.health = Health.DEAD
    elif (message.channel, code) == _UNREGISTERED:
        # One text would be filtered after the other: none leaves until somebody says otherwise.
        entity = session.get(LegalEntity, message.legal_entity_id or 0)
        if entity is not None:
            entity.sms_unregistered = True
    elif effect is refusals.Effect.SUPPRESS:
        event = ConsentEvent(
            address_id=address.id, change="revoked", method="carrier", source=code,
            occurred_at=office.now, recorded_at=office.now,
        )  # fmt: skip
        consent.record(session, event)
        which = outbox.to_address(address.id)
        cancel_at(session, office, which, "opted_out", "The carrier says they opted out.")
