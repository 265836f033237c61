"""Who is the client, and at which addresses are they reached?"""

import datetime as dt
from typing import Any

from sqlmodel import Session, col, select

from billing import duplicates, facts, references
from billing.ledger.entry import Applied, Entry
from billing.models import (
    Address,
    Client,
    Contact,
    ContactAddress,
    ContactRole,
    PrimaryRecipient,
    Verification,
)

TOPICS = ("billing", "renewal")
KEPT = {
    "name", "country", "region", "language", "timezone", "tax_number", "city", "postal_code",
    "segment", "ladder",
}  # fmt: skip


def describe(entry: Entry, fact: facts.ClientDescribed) -> Applied:
    """Make the client, or take over what is said of them; what is left out stays as it was."""
    session = entry.session
    told: dict[str, Any] = fact.model_dump(include=KEPT, exclude_none=True)
    told |= {key: told[key] or None for key in ("segment", "ladder") if key in told}
    if owner_id := references.staff_id(session, fact.owner_email):
        told["owner_id"] = owner_id
    client_id = references.known(session, fact.source, "client", fact.key)
    client = session.get(Client, client_id) if client_id else None
    if client is None:
        client = Client(key_id=next(entry.keys), created_at=entry.now, **told)
        session.add(client)
        session.flush()
        references.remember(session, fact.source, "client", fact.key, client.id)
    if fact.country not in (None, client.country):
        # What was known of a place in another country says nothing of this one.
        told = {"region": "", "city": "", "postal_code": ""} | told
    changed = client_id is None or any(getattr(client, key) != value for key, value in told.items())
    client.sqlmodel_update(told)
    duplicates.note(session, client.id, fact, entry.now)
    contact = _contact(session, client, fact.contact_name or "")
    reached = [
        _attach(session, contact, kind, value, entry.now)
        for kind, value in (("email", fact.email), ("sms", fact.phone))
        if value
    ]
    return Applied(client.id, changed=changed or any(reached))


def _contact(session: Session, client: Client, name: str) -> Contact:
    """The client's first contact: the person whom both topics are written to."""
    found = session.exec(
        select(Contact).where(Contact.client_id == client.id).order_by(col(Contact.id))
    ).first()
    if found is None:
        found = Contact(client_id=client.id, name=name)
        session.add(found)
        session.flush()
        session.add(ContactRole(contact_id=found.id, role="billing"))
        for topic in TOPICS:
            session.add(PrimaryRecipient(client_id=client.id, topic=topic, contact_id=found.id))
    elif name:
        found.name = name
    return found


def _attach(session: Session, contact: Contact, kind: str, value: str, now: dt.datetime) -> bool:
    """Give the contact an address; say whether it is new to them."""
    address = session.exec(
        select(Address).where(Address.kind == kind, Address.value == value)
    ).first()
    if address is None:
        address = Address(kind=kind, value=value, created_at=now)
        session.add(address)
        session.flush()
    if session.get(ContactAddress, (contact.id, address.id)) is not None:
        return False
    if address.verification != Verification.VERIFIED:
        address.verification = Verification.ASSERTED
    session.add(ContactAddress(contact_id=contact.id, address_id=address.id))
    return True
