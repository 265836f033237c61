"""What does the store know of the things that a file names? Asked for many at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from billing import facts, introductions
from billing.facts import ClientDescribed, Fact, InvoiceIssued, PaymentSettled
from billing.ledger.clients import KEPT
from billing.models import (
    Address,
    Client,
    Contact,
    ContactAddress,
    ExternalRef,
    Instalment,
    Invoice,
    LegalEntity,
    Payment,
    Posting,
    PostingKind,
    Staff,
)
from billing.portfolio import PortfolioRow
from comms.models import ConsentEvent

AT_ONCE = 500
"""Names in one question to the database."""


@dataclass(frozen=True, slots=True)
class Held:
    """An invoice as the store has it."""

    amount: int
    currency: str
    issued_on: dt.date
    due_on: dt.date


@dataclass(slots=True)
class Described:
    """A client as the store has it."""

    client: Client
    owner_email: str | None = None
    contact_name: str = ""
    addresses: set[tuple[str, str]] = field(default_factory=set)
    spoken_for: set[tuple[str, str]] = field(default_factory=set)
    """Addresses of which somebody has said whether they may be written to."""

    @property
    def timezone(self) -> str:
        """Where the client's days begin."""
        return self.client.timezone

    def holds(self, told: ClientDescribed) -> bool:
        """Whether a file tells nothing new; what it leaves out says nothing."""
        said = told.model_dump(include=KEPT, exclude_none=True)
        wanted = set(introductions.addresses_of(told))
        agreed = {(kind, value) for kind, value in wanted if kind == "email" or told.sms_consent}
        return (
            all(getattr(self.client, key) == value for key, value in said.items())
            and told.owner_email in {None, self.owner_email}
            and told.contact_name in {None, self.contact_name}
            and wanted <= self.addresses
            and agreed <= self.spoken_for
        )


@dataclass(slots=True)
class Shelf:
    """What the store knows of the things that a file names."""

    clients: dict[str, int] = field(default_factory=dict)
    invoices: dict[str, Held] = field(default_factory=dict)
    payments: dict[str, int] = field(default_factory=dict)
    disputes: set[str] = field(default_factory=set)
    numbers: dict[tuple[int, str], str] = field(default_factory=dict)
    """Who was issued a number, by legal entity."""
    entities: dict[str, int] = field(default_factory=dict)
    biller: str = ""
    """The legal entity that bills what names none."""
    described: dict[int, Described] = field(default_factory=dict)
    staff: set[str] = field(default_factory=set)


def fill(session: Session, rows: Sequence[PortfolioRow], told: Sequence[tuple[Fact, ...]]) -> Shelf:
    """Ask for everything that the rows name."""
    shelf = Shelf(staff=set(session.exec(select(Staff.email))))
    for entity in session.exec(select(LegalEntity).order_by(col(LegalEntity.id))):
        shelf.entities[entity.name] = entity.id
    if not rows:
        return shelf
    source = rows[0].client.source
    shelf.clients = clients(session, source, {row.client.external_id for row in rows})
    shelf.described = _described(session, list(shelf.clients.values()))
    keys: dict[type[Any], list[str]] = {}
    for fact in (fact for happened in told for fact in happened):
        keys.setdefault(type(fact), []).append(fact.key)
    issued, settled = keys.get(InvoiceIssued, []), keys.get(PaymentSettled, [])
    shelf.invoices = dict(asked(issued, lambda some: _invoices(session, source, some)))
    shelf.payments = dict(asked(settled, lambda some: _payments(session, source, some)))
    disputed = keys.get(facts.InvoiceDisputed, [])
    shelf.disputes = set(asked(disputed, lambda some: _refs(session, source, "dispute", some)))
    numbers = {row.invoice for row in rows}
    shelf.numbers = dict(asked(numbers, lambda some: _numbers(session, some)))
    return shelf


def asked(names: Collection[Any], ask: Callable[[list[Any]], Any]) -> Iterator[Any]:
    """Every answer, asked for a part of the names at a time."""
    whole = list(names)
    for start in range(0, len(whole), AT_ONCE):
        yield from ask(whole[start : start + AT_ONCE])


def clients(session: Session, source: str, external_ids: Collection[str]) -> dict[str, int]:
    """Our client ids by theirs; a merged client is still the one that is named."""
    by_key = {facts.joined(source, "client", one): one for one in external_ids}
    query = (
        select(ExternalRef.external_id, Client.id)
        .join(Client, col(Client.id) == ExternalRef.target_id)
        .where(ExternalRef.system == source, ExternalRef.kind == "client")
    )
    found = asked(
        by_key, lambda keys: session.exec(query.where(col(ExternalRef.external_id).in_(keys)))
    )
    return {by_key[key]: int(target) for key, target in found}


def _refs(session: Session, source: str, kind: str, keys: list[str]) -> list[str]:
    query = select(ExternalRef.external_id).where(
        ExternalRef.system == source,
        ExternalRef.kind == kind,
        col(ExternalRef.external_id).in_(keys),
    )
    return list(session.exec(query))


def _invoices(session: Session, source: str, keys: list[str]) -> Iterator[tuple[str, Held]]:
    query = (
        select(ExternalRef.external_id, Invoice, func.sum(Posting.amount))
        .join(Invoice, col(Invoice.id) == ExternalRef.target_id)
        .join(Instalment, col(Instalment.invoice_id) == Invoice.id)
        .join(Posting, col(Posting.instalment_id) == Instalment.id)
        .where(
            ExternalRef.system == source,
            ExternalRef.kind == "invoice",
            col(ExternalRef.external_id).in_(keys),
            col(Posting.kind).in_((PostingKind.ISSUE, PostingKind.CORRECTION)),
        )
        .group_by(col(ExternalRef.external_id), col(Invoice.id))
    )
    for key, invoice, amount in session.exec(query):
        yield key, Held(int(amount), invoice.currency, invoice.issued_on, invoice.due_on)


def _payments(session: Session, source: str, keys: list[str]) -> list[tuple[str, int]]:
    query = (
        select(ExternalRef.external_id, Payment.amount)
        .join(Payment, col(Payment.id) == ExternalRef.target_id)
        .where(
            ExternalRef.system == source,
            ExternalRef.kind == "payment",
            col(ExternalRef.external_id).in_(keys),
        )
    )
    return list(session.exec(query))


def _numbers(session: Session, numbers: list[str]) -> Iterator[tuple[tuple[int, str], str]]:
    query = (
        select(Invoice.legal_entity_id, Invoice.number, Client.name)
        .join(Client, col(Client.id) == Invoice.client_id)
        .where(col(Invoice.number).in_(numbers))
    )
    for entity, number, client in session.exec(query):
        yield (entity, number), client


def _described(session: Session, ids: list[int]) -> dict[int, Described]:
    query = select(Client, Staff.email).outerjoin(Staff, col(Staff.id) == Client.owner_id)
    rows = asked(ids, lambda some: session.exec(query.where(col(Client.id).in_(some))))
    found = {client.id: Described(client, email) for client, email in rows}
    for client_id, name in asked(ids, lambda some: _contacts(session, some)):
        found[client_id].contact_name = name
    for client_id, kind, value, event in asked(ids, lambda some: _reached(session, some)):
        found[client_id].addresses.add((kind, value))
        if event is not None:
            found[client_id].spoken_for.add((kind, value))
    return found


def _contacts(session: Session, clients: list[int]) -> list[tuple[int, str]]:
    """The first contact of each."""
    first = select(func.min(Contact.id)).where(col(Contact.client_id).in_(clients))
    query = select(Contact.client_id, Contact.name)
    return list(
        session.exec(query.where(col(Contact.id).in_(first.group_by(col(Contact.client_id)))))
    )


def _reached(session: Session, clients: list[int]) -> list[tuple[int, str, str, int | None]]:
    """The addresses of each, and whether a consent event speaks of them."""
    query = (
        select(Contact.client_id, Address.kind, Address.value, func.min(ConsentEvent.id))
        .join(ContactAddress, col(ContactAddress.contact_id) == Contact.id)
        .join(Address, col(Address.id) == ContactAddress.address_id)
        .outerjoin(ConsentEvent, col(ConsentEvent.address_id) == Address.id)
        .where(col(Contact.client_id).in_(clients))
        .group_by(col(Contact.client_id), col(Address.id))
    )
    return [(client, kind, value, event) for client, kind, value, event in session.exec(query)]
