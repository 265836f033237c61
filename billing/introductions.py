"""How are many new clients made at once, with the people who speak for them?

What the ledger makes of each ``ClientDescribed``, in a few statements for all.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, tuple_, update
from sqlmodel import Session

from billing import duplicates, references
from billing.calendar import local_date
from billing.facts import ClientDescribed
from billing.ledger.clients import KEPT, TOPICS
from billing.models import (
    Address,
    Client,
    Contact,
    ContactAddress,
    ContactRole,
    ExternalRef,
    Health,
    PrimaryRecipient,
    Verification,
)
from billing.store import table_of

Values = dict[str, Any]
_UNSAID = {
    "country": "US", "region": "", "language": "en", "city": "", "postal_code": "",
    "tax_number": "", "segment": None, "ladder": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Introduction:
    """A client whom nobody has told us of before, and the name of its key in the keyring."""

    told: ClientDescribed
    key_id: str


def make(session: Session, introductions: Sequence[Introduction], now: dt.datetime) -> list[int]:
    """Make them; return their ids in the same order. They count as imported today."""
    if not introductions:
        return []
    owners = {
        email: references.staff_id(session, email)
        for email in {one.told.owner_email for one in introductions}
    }
    told = [one.told for one in introductions]
    rows = [_client(one, owners[one.told.owner_email], now) for one in introductions]
    clients = _ids(session, Client, rows)
    _insert(session, ExternalRef, [_ref(*pair) for pair in zip(told, clients, strict=True)])
    duplicates.note_all(session, zip(clients, told, strict=True), now)
    contacts = _ids(session, Contact, [_contact(*pair) for pair in zip(told, clients, strict=True)])
    _insert(session, ContactRole, [{"contact_id": one, "role": "billing"} for one in contacts])
    recipients = [
        {"client_id": client, "topic": topic, "contact_id": contact}
        for client, contact in zip(clients, contacts, strict=True)
        for topic in TOPICS
    ]
    _insert(session, PrimaryRecipient, recipients)
    reached = _addresses(session, {pair for one in told for pair in addresses_of(one)}, now)
    held = [
        {"contact_id": contact, "address_id": reached[pair], "position": 0}
        for one, contact in zip(told, contacts, strict=True)
        for pair in addresses_of(one)
    ]
    _insert(session, ContactAddress, held)
    return clients


def addresses_of(told: ClientDescribed) -> Iterator[tuple[str, str]]:
    """Kind and value of each address that a fact names."""
    for kind, value in (("email", told.email), ("sms", told.phone)):
        if value:
            yield kind, value


def find_addresses(
    session: Session, wanted: Collection[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    """The ids of those addresses that are known, by kind and value."""
    table = table_of(Address)
    query = select(table.c.kind, table.c.value, table.c.id)
    rows = session.execute(query.where(tuple_(table.c.kind, table.c.value).in_(sorted(wanted))))
    return {(row.kind, row.value): row.id for row in rows}


def _insert(session: Session, model: Any, rows: list[Values]) -> None:
    if rows:
        session.execute(insert(table_of(model)), rows)


def _ids(session: Session, model: Any, rows: list[Values]) -> list[int]:
    """Insert rows and return their ids in the same order."""
    table = table_of(model)
    adding = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    return list(session.execute(adding, rows).scalars())


def _client(one: Introduction, owner_id: int | None, now: dt.datetime) -> Values:
    told = one.told.model_dump(include=KEPT, exclude_none=True)
    zone = one.told.timezone or "UTC"
    placed = {"timezone": zone, "imported_on": local_date(now, zone), "created_at": now}
    return {
        **_UNSAID,
        **told,
        **placed,
        "key_id": one.key_id,
        "owner_id": owner_id,
        "merged_into_id": None,
    }


def _ref(told: ClientDescribed, client_id: int) -> Values:
    name = {"system": told.source, "kind": "client", "external_id": told.key}
    return {**name, "target_id": client_id}


def _contact(told: ClientDescribed, client_id: int) -> Values:
    return {"client_id": client_id, "name": told.contact_name or "", "active": True}


def _addresses(
    session: Session, wanted: set[tuple[str, str]], now: dt.datetime
) -> dict[tuple[str, str], int]:
    """The ids of all addresses; those that nobody had are made."""
    known = find_addresses(session, wanted) if wanted else {}
    if known:  # one that wrote to us before anybody said whose it is
        table = table_of(Address)
        stranger = table.c.verification == Verification.UNVERIFIED.value
        named = update(table).where(table.c.id.in_(known.values()), stranger)
        session.execute(named.values(verification=Verification.ASSERTED.value))
    new = sorted(wanted - known.keys())
    standing = {"verification": Verification.ASSERTED.value, "health": Health.OK.value}
    rows = [{"kind": kind, "value": value, **standing, "created_at": now} for kind, value in new]
    made = _ids(session, Address, rows) if rows else []
    return known | dict(zip(new, made, strict=True))
