"""May we write to this address, and who said so?

Consent is events on an address; what holds is a fold over them, so two clients with one phone share
a STOP. Until somebody speaks: an email that the firm gave us counts as permitted, a text message
needs consent (or ``sms_basis = "provided_number"`` in the policy).
"""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Protocol

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
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


class Said(Protocol):
    """A consent event, as a row of any make."""

    change: str
    method: str
    occurred_at: dt.datetime


_SAID = (
    core_select(
        col(ConsentEvent.address_id),
        col(ConsentEvent.change),
        col(ConsentEvent.method),
        col(ConsentEvent.occurred_at),
    )
    .where(col(ConsentEvent.address_id).in_(bindparam("addresses", expanding=True)))
    .order_by(col(ConsentEvent.address_id), col(ConsentEvent.id))
)


def fold(events: Iterable[Said]) -> Consent:
    """The last word counts; an assertion by the firm never undoes what the person said."""
    held = Consent()
    for event in events:
        if event.change == "asserted" and held.standing in {Standing.GRANTED, Standing.REVOKED}:
            continue
        held = Consent(Standing(event.change), event.method, event.occurred_at)
    return held


def of_address(session: Session, address_id: int) -> Consent:
    """What holds for an address now."""
    return of_addresses(session, [address_id]).get(address_id, Consent())


def of_addresses(session: Session, addresses: Collection[int]) -> dict[int, Consent]:
    """The same for many; without those of which nobody said anything."""
    if not addresses:
        return {}
    rows = session.execute(_SAID, {"addresses": list(addresses)})
    return {
        address_id: fold(said) for address_id, said in groupby(rows, key=lambda row: row.address_id)
    }


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
