"""May we write to this address, and who said so?

Consent is events on an address; what holds is a fold over them, so two clients with one phone share
a STOP. Until somebody speaks: an email that the firm gave us counts as permitted, a text message
needs consent (or ``sms_basis = "provided_number"`` in the policy).
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import Session, col, select

from billing.models import Address, Contact, ContactAddress
from comms import timeline
from comms.models import ConsentEvent


class Standing(StrEnum):
    """What the events of an address come to."""

    UNKNOWN = "unknown"
    ASSERTED = "asserted"
    GRANTED = "granted"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Consent:
    """The standing, and how it came about: by which method and when."""

    standing: Standing = Standing.UNKNOWN
    method: str = ""
    since: dt.datetime | None = None


def fold(events: Iterable[ConsentEvent]) -> Consent:
    """The last word counts; an assertion by the firm never undoes what the person said."""
    held = Consent()
    for event in events:
        if event.change == "asserted" and held.standing in {Standing.GRANTED, Standing.REVOKED}:
            continue
        held = Consent(Standing(event.change), event.method, event.occurred_at)
    return held


def of_address(session: Session, address_id: int) -> Consent:
    """What holds for an address now."""
    query = (
        select(ConsentEvent)
        .where(ConsentEvent.address_id == address_id)
        .order_by(col(ConsentEvent.id))
    )
    return fold(session.exec(query))


def clients_of(session: Session, address_id: int) -> list[int]:
    """Every client with a contact at this address, ascending: whom a STOP must lock."""
    query = (
        select(Contact.client_id)
        .join(ContactAddress, col(ContactAddress.contact_id) == Contact.id)
        .where(ContactAddress.address_id == address_id)
        .distinct()
        .order_by(col(Contact.client_id))
    )
    return list(session.exec(query))


def find_address(session: Session, kind: str, value: str) -> Address | None:
    """The address of that normalised value."""
    return session.exec(select(Address).where(Address.kind == kind, Address.value == value)).first()


def record(session: Session, event: ConsentEvent) -> ConsentEvent:
    """Write the event down and link it into the chain of every client of the address.

    All of them must be locked.
    """
    clients = clients_of(session, event.address_id)
    if clients:
        timeline.link_all(session, [(client_id, event) for client_id in clients])
    else:
        session.add(event)
        session.flush()
    return event
