"""What does a fact change?

``apply`` is the only way in: it may be told the same fact twice, late or out of order. Every change
of an account makes its sequences due for a look.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from billing import aliases, books, duplicates, facts, references
from billing.models import (
    Address,
    Agreement,
    AgreementState,
    Client,
    Contact,
    ContactAddress,
    ContactRole,
    Enrolment,
    EnrolmentState,
    Instalment,
    Invoice,
    InvoiceDispute,
    LegalEntity,
    Payment,
    PostingKind,
    PrimaryRecipient,
    Verification,
)
from billing.models import Sequence as Ladder

TOPICS = ("billing", "renewal")


class Contradiction(ValueError):
    """The fact says otherwise than one that we hold; the sentence says which and what to do."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a fact changed: nothing, when it was known."""

    client_id: int
    changed: bool = True
    invoice_id: int | None = None
    payment_id: int | None = None
    agreement_id: int | None = None
    received: int = 0
    """Money that came in with this fact, in minor units."""


def apply(session: Session, fact: facts.Fact, now: dt.datetime, keys: Iterator[str]) -> Applied:
    """Book a fact. ``keys`` yields keyring owners made beforehand, one for each new client.

    Raises:
        Contradiction: it restates an issued invoice otherwise.
        Unknown: its client or invoice was never described.
    """
    match fact:
        case facts.ClientDescribed():
            return _describe_client(session, fact, now, keys)
        case facts.InvoiceIssued():
            return _issue(session, fact, now)
        case facts.InvoiceCorrected():
            return _correct(session, fact, now)
        case facts.PaymentSettled():
            return _settle(session, fact, now)
        case facts.InvoiceDisputed():
            return _dispute(session, fact, now)
        case facts.AgreementDescribed():
            return _describe_agreement(session, fact, now)


def _describe_client(
    session: Session, fact: facts.ClientDescribed, now: dt.datetime, keys: Iterator[str]
) -> Applied:
    told: dict[str, Any] = fact.model_dump(include={"name", "country", "region", "language"})
    if fact.timezone:
        told["timezone"] = fact.timezone
    if owner_id := references.staff_id(session, fact.owner_email):
        told["owner_id"] = owner_id
    client_id = references.known(session, fact.source, "client", fact.key)
    client = session.get(Client, client_id) if client_id else None
    if client is None:
        client = Client(key_id=next(keys), created_at=now, **told)
        session.add(client)
        session.flush()
        references.remember(session, fact.source, "client", fact.key, client.id)
    changed = client_id is None or any(getattr(client, key) != value for key, value in told.items())
    client.sqlmodel_update(told)
    duplicates.note(session, client.id, fact, now)
    contact = _contact(session, client, fact.contact_name or "")
    reached = [
        _attach(session, contact, kind, value, now)
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
    if address.verification == Verification.UNVERIFIED:
        address.verification = Verification.ASSERTED
    session.add(ContactAddress(contact_id=contact.id, address_id=address.id))
    return True


def _issue(session: Session, fact: facts.InvoiceIssued, now: dt.datetime) -> Applied:
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    invoice_id = references.known(session, fact.source, "invoice", fact.key)
    if invoice_id is not None:
        _same_invoice(session, invoice_id, fact)
        return Applied(client_id, changed=False, invoice_id=invoice_id)
    entity = references.entity(session, fact.legal_entity, fact.currency)
    _free_number(session, entity, fact.number)
    invoice = Invoice(
        client_id=client_id,
        legal_entity_id=entity.id,
        recorded_at=now,
        **fact.model_dump(
            include={
                "number",
                "currency",
                "amount",
                "issued_on",
                "due_on",
                "service_type",
                "terms",
                "po_number",
                "matter",
            }
        ),
    )
    session.add(invoice)
    session.flush()
    references.remember(session, fact.source, "invoice", fact.key, invoice.id)
    instalment = Instalment(
        invoice_id=invoice.id, client_id=client_id, due_on=fact.due_on, amount=fact.amount
    )
    session.add(instalment)
    session.flush()
    book = books.Book(session, (client_id, entity.id, fact.currency), fact.key, fact.issued_on, now)
    book.post(PostingKind.ISSUE, fact.amount, instalment_id=instalment.id)
    books.allocate(book, [instalment.id])
    _look_again(session, invoice, now)
    return Applied(client_id, invoice_id=invoice.id)


def _correct(session: Session, fact: facts.InvoiceCorrected, now: dt.datetime) -> Applied:
    invoice_id = references.known(session, fact.source, "invoice", fact.invoice_key)
    invoice = session.get(Invoice, invoice_id) if invoice_id else None
    if invoice is None:
        raise references.Unknown(f"invoice {fact.number} was never issued; issue it first")
    instalment = session.exec(select(Instalment).where(Instalment.invoice_id == invoice.id)).one()
    account = (invoice.client_id, invoice.legal_entity_id, invoice.currency)
    book = books.Book(session, account, fact.key, fact.corrected_on, now)
    difference = fact.amount - books.invoiced(session, invoice.id)
    moved = instalment.due_on != fact.due_on
    if book.known() or (not difference and not moved):
        return Applied(invoice.client_id, changed=False, invoice_id=invoice.id)
    instalment.due_on = invoice.due_on = fact.due_on
    if difference:
        open_now = books.open_of(session, [instalment.id]).get(instalment.id, 0)
        book.post(PostingKind.CORRECTION, difference, instalment_id=instalment.id)
        if (too_much := -(open_now + difference)) > 0:
            book.move(too_much, from_instalment=instalment.id)
        books.allocate(book, [instalment.id])
    _look_again(session, invoice, now)
    return Applied(invoice.client_id, invoice_id=invoice.id)


def _settle(session: Session, fact: facts.PaymentSettled, now: dt.datetime) -> Applied:
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    entity = references.entity(session, fact.legal_entity, fact.currency)
    payment_id = references.known(session, fact.source, "payment", fact.key)
    payment = session.get(Payment, payment_id) if payment_id else None
    so_far = payment.amount if payment else 0
    if payment is not None and fact.amount <= so_far:
        return Applied(client_id, changed=False, payment_id=payment.id)
    if payment is None:
        payment = Payment(
            client_id=client_id,
            legal_entity_id=entity.id,
            currency=fact.currency,
            amount=fact.amount,
            received_on=fact.received_on,
            recorded_at=now,
        )
        session.add(payment)
        session.flush()
        references.remember(session, fact.source, "payment", fact.key, payment.id)
    payment.amount = fact.amount
    more = fact.amount - so_far
    account = (client_id, entity.id, fact.currency)
    cause = f"{fact.key}@{fact.amount}"
    together = aliases.group(session, client_id)
    book = books.Book(session, account, cause, fact.received_on, now, payment.id)
    book.owners = books.owners(session, together)
    book.post(PostingKind.PAYMENT, -more)
    if fact.invoice_number:
        books.allocate(book, _named(session, together, entity.id, fact))
    books.allocate(book, books.open_instalments(session, book.account, together))
    touch(session, client_id, now)
    return Applied(client_id, payment_id=payment.id, received=more)


def _dispute(session: Session, fact: facts.InvoiceDisputed, now: dt.datetime) -> Applied:
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    if references.known(session, fact.source, "dispute", fact.key) is not None:
        return Applied(client_id, changed=False)
    together = aliases.group(session, client_id)
    invoice = references.invoice(session, together, fact.invoice_number, fact.legal_entity)
    dispute = InvoiceDispute(
        invoice_id=invoice.id,
        client_id=invoice.client_id,
        amount=fact.amount,
        opened_on=fact.opened_on,
        recorded_at=now,
    )
    session.add(dispute)
    session.flush()
    references.remember(session, fact.source, "dispute", fact.key, dispute.id)
    touch(session, client_id, now)
    return Applied(client_id, invoice_id=invoice.id)


def _describe_agreement(
    session: Session, fact: facts.AgreementDescribed, now: dt.datetime
) -> Applied:
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    entity = references.entity(session, fact.legal_entity, fact.currency)
    told = fact.model_dump(include={"kind", "name", "amount", "currency", "renews_on"})
    agreement_id = references.known(session, fact.source, "agreement", fact.key)
    agreement = session.get(Agreement, agreement_id) if agreement_id else None
    if agreement is None:
        agreement = Agreement(
            client_id=client_id, legal_entity_id=entity.id, recorded_at=now, **told
        )
        session.add(agreement)
        session.flush()
        references.remember(session, fact.source, "agreement", fact.key, agreement.id)
        session.add(
            Enrolment(
                sequence=Ladder.RENEWAL,
                client_id=client_id,
                legal_entity_id=entity.id,
                currency=fact.currency,
                agreement_id=agreement.id,
                next_due_at=now,
                created_at=now,
            )
        )
        return Applied(client_id, agreement_id=agreement.id)
    changed = any(getattr(agreement, key) != value for key, value in told.items())
    if changed:
        if agreement.renews_on < fact.renews_on:
            _begin_term(session, agreement)
        agreement.sqlmodel_update(told)
        touch(session, client_id, now)
    return Applied(client_id, changed=changed, agreement_id=agreement.id)


def _begin_term(session: Session, agreement: Agreement) -> None:
    """It was renewed: the notices of the next term are an episode of their own."""
    agreement.state = AgreementState.ACTIVE
    for enrolment in session.exec(select(Enrolment).where(Enrolment.agreement_id == agreement.id)):
        enrolment.episode += 1
        enrolment.state = EnrolmentState.ACTIVE


def _named(
    session: Session, clients: Sequence[int], entity_id: int, fact: facts.PaymentSettled
) -> list[int]:
    """The instalments of the invoice that a payment names; none where nobody issued it yet."""
    rows = session.exec(
        select(Instalment.id)
        .join(Invoice, col(Invoice.id) == Instalment.invoice_id)
        .where(
            col(Invoice.client_id).in_(clients),
            Invoice.number == fact.invoice_number,
            Invoice.legal_entity_id == entity_id,
        )
        .order_by(col(Instalment.due_on), col(Instalment.id))
    )
    return list(rows)


def _same_invoice(session: Session, invoice_id: int, fact: facts.InvoiceIssued) -> None:
    held = session.get_one(Invoice, invoice_id)
    amount = books.invoiced(session, invoice_id)
    if (amount, held.currency, held.due_on) != (fact.amount, fact.currency, fact.due_on):
        raise Contradiction(
            f"invoice {fact.number} was issued with {amount} {held.currency} (minor units) due "
            f"{held.due_on}, and now says {fact.amount} {fact.currency} due {fact.due_on}; "
            "use --correct if this is a correction"
        )


def _free_number(session: Session, entity: LegalEntity, number: str) -> None:
    taken = session.exec(
        select(Invoice.id).where(Invoice.legal_entity_id == entity.id, Invoice.number == number)
    ).first()
    if taken is not None:
        raise Contradiction(f"{entity.name} has issued an invoice {number} to another client")


def _look_again(session: Session, invoice: Invoice, now: dt.datetime) -> None:
    """The account is enrolled, and looked at in the next sweep."""
    account = (invoice.client_id, invoice.legal_entity_id, invoice.currency)
    found = session.exec(
        select(Enrolment).where(
            Enrolment.sequence == Ladder.DUNNING,
            Enrolment.client_id == account[0],
            Enrolment.legal_entity_id == account[1],
            Enrolment.currency == account[2],
        )
    ).first()
    if found is None:
        found = Enrolment(
            sequence=Ladder.DUNNING,
            client_id=account[0],
            legal_entity_id=account[1],
            currency=account[2],
            created_at=now,
        )
    found.next_due_at = now
    session.add(found)


def touch(session: Session, client_id: int, now: dt.datetime) -> None:
    """Something about the client changed: all its sequences are due for a look.

    So are those of clients that are one with it; what only rests there is put to rest again.
    """
    together = col(Enrolment.client_id).in_(aliases.group(session, client_id))
    for enrolment in session.exec(select(Enrolment).where(together)):
        enrolment.next_due_at = now
