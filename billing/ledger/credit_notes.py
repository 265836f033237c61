"""What does a credit note change?"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import col, select

from billing import aliases, books, facts, money, references
from billing.ledger.entry import Applied, Contradiction, Entry
from billing.models import CreditApplication, CreditKind, CreditNote, Invoice, InvoiceState

OURS = "policy"
"""The source of what we credit ourselves, because the policy says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Money on account that we give ourselves; ``name`` keeps it from being given twice."""

    client_id: int
    legal_entity_id: int
    currency: str
    amount: int
    name: str
    on: dt.date


def give(entry: Entry, given: Given) -> bool:
    """Put it on account, unless that was done; the next invoice is less by it."""
    session = entry.session
    key = facts.joined(OURS, "credit_note", given.name)
    if references.known(session, OURS, "credit_note", key) is not None:
        return False
    note = CreditNote(
        client_id=given.client_id,
        legal_entity_id=given.legal_entity_id,
        currency=given.currency,
        number=given.name,
        kind=CreditKind.CREDIT_TO_BALANCE,
        amount=given.amount,
        issued_on=given.on,
        recorded_at=entry.now,
    )
    session.add(note)
    session.flush()
    references.remember(session, OURS, "credit_note", key, note.id)
    settle(entry, note, key, given.on)
    return True


def given(entry: Entry, account: books.Key, names: str) -> Sequence[CreditNote]:
    """What we gave on an account under names that begin so, also what was voided since."""
    client_id, entity_id, currency = account
    notes = select(CreditNote).where(
        CreditNote.client_id == client_id,
        CreditNote.legal_entity_id == entity_id,
        CreditNote.currency == currency,
        col(CreditNote.number).startswith(names),
    )
    return entry.session.exec(notes.order_by(col(CreditNote.id))).all()


def net(entry: Entry, account: books.Key, names: str) -> None:
    """What we gave goes on the oldest open bills of its account; ``names`` begins its names."""
    session = entry.session
    client_id, entity_id, currency = account
    notes = [one for one in given(entry, account, names) if one.voided_on is None]
    left = {note.id: note.amount - _applied(entry, note.id) for note in notes}
    if not any(one > 0 for one in left.values()):
        return
    bills = select(Invoice).where(
        Invoice.client_id == client_id,
        Invoice.legal_entity_id == entity_id,
        Invoice.currency == currency,
        Invoice.state == InvoiceState.ISSUED,
    )
    for bill in session.exec(bills.order_by(col(Invoice.due_on), col(Invoice.id))).all():
        open_ = books.open_of(session, bill.id)
        for note in notes:
            amount = min(open_, left[note.id])
            if amount > 0:
                _apply(entry, note, bill, amount)
                open_, left[note.id] = open_ - amount, left[note.id] - amount


def _applied(entry: Entry, note_id: int) -> int:
    query = select(CreditApplication.amount).where(CreditApplication.credit_note_id == note_id)
    return sum(entry.session.exec(query))


def _apply(entry: Entry, note: CreditNote, bill: Invoice, amount: int) -> None:
    on = entry.now.date()
    row = CreditApplication(
        credit_note_id=note.id, invoice_id=bill.id, amount=amount, applied_on=on
    )
    entry.session.add(row)
    entry.session.flush()
    settle(entry, note, facts.joined(OURS, "credit_applied", str(row.id)), on)


def issue(entry: Entry, fact: facts.CreditNoteIssued) -> Applied:
    """Credit it. What may be credited in which way depends on whether the bill is paid."""
    session = entry.session
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    if references.known(session, fact.source, "credit_note", fact.key) is not None:
        return Applied(client_id, changed=False)
    invoice = (
        entry.invoice(client_id, fact.invoice_number, fact.legal_entity)
        if fact.invoice_number
        else None
    )
    if invoice is not None:
        _may_be_credited(entry, invoice, fact)
        entity_id = invoice.legal_entity_id  # which the fact need not name
    else:
        entity_id = references.entity(session, fact.legal_entity, fact.currency).id
    note = CreditNote(
        client_id=client_id,
        legal_entity_id=entity_id,
        invoice_id=invoice.id if invoice else None,
        recorded_at=entry.now,
        **fact.model_dump(include={"currency", "number", "kind", "amount", "issued_on"}),
    )
    session.add(note)
    session.flush()
    references.remember(session, fact.source, "credit_note", fact.key, note.id)
    entry.settle((client_id, entity_id, fact.currency), fact.key, fact.issued_on)
    return Applied(client_id, invoice_id=note.invoice_id)


def _may_be_credited(entry: Entry, invoice: Invoice, fact: facts.CreditNoteIssued) -> None:
    """Money on account, or money back, is for what was paid; less debt is for what was not.

    Raises:
        Contradiction: the other kind of credit note is meant.
    """
    if fact.currency != invoice.currency:
        raise Contradiction(
            f"invoice {invoice.number} is in {invoice.currency}, not in {fact.currency}; "
            "credit it in its own currency"
        )
    open_ = books.open_of(entry.session, invoice.id)
    if fact.kind == "debt_cancellation" and open_ <= 0:
        raise Contradiction(
            f"nothing is open of invoice {invoice.number}, so no debt can be cancelled; "
            "refund it, or credit it to the balance"
        )
    if fact.kind != "debt_cancellation" and open_ > 0:
        raise Contradiction(
            f"{money.display(open_, invoice.currency)} of invoice {invoice.number} is not paid, "
            "so it cannot be given back; cancel the debt instead"
        )


def void(entry: Entry, fact: facts.CreditNoteVoided) -> Applied:
    """What it credited is owed again."""
    note = _note(entry, fact.source, fact.external_id)
    if note.voided_on is not None:
        return Applied(note.client_id, changed=False, invoice_id=note.invoice_id)
    note.voided_on = fact.voided_on
    settle(entry, note, fact.key, fact.voided_on)
    return Applied(note.client_id, invoice_id=note.invoice_id)


def use(entry: Entry, fact: facts.CreditApplied) -> Applied:
    """Money on account goes on an invoice, because somebody said so."""
    session = entry.session
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    if references.known(session, fact.source, "credit_applied", fact.key) is not None:
        return Applied(client_id, changed=False)
    note = _note(entry, fact.source, fact.credit_note_external_id)
    invoice = entry.invoice(client_id, fact.invoice_number, fact.legal_entity)
    if (invoice.legal_entity_id, invoice.currency) != (note.legal_entity_id, note.currency):
        raise Contradiction(
            f"credit note {note.number or fact.credit_note_external_id} is of another legal entity "
            f"or currency than invoice {invoice.number}; they are never netted"
        )
    if note.client_id not in aliases.group(session, invoice.client_id):
        raise Contradiction(
            f"credit note {note.number or fact.credit_note_external_id} is another client's than "
            f"invoice {invoice.number}; credit one client's money to that client alone"
        )
    row = CreditApplication(
        credit_note_id=note.id,
        invoice_id=invoice.id,
        amount=fact.amount,
        applied_on=fact.applied_on,
    )
    session.add(row)
    session.flush()
    references.remember(session, fact.source, "credit_applied", fact.key, row.id)
    settle(entry, note, fact.key, fact.applied_on)
    return Applied(client_id, invoice_id=invoice.id)


def settle(entry: Entry, note: CreditNote, key: str, on: dt.date) -> None:
    """Post what a change of a credit note moves."""
    account: books.Key = (note.client_id, note.legal_entity_id, note.currency)
    entry.settle(account, key, on)


def _note(entry: Entry, source: str, external_id: str) -> CreditNote:
    key = facts.joined(source, "credit_note", external_id)
    found = references.known(entry.session, source, "credit_note", key)
    if found is None:
        raise references.Unknown(f"credit note {external_id} is not known; issue it first")
    return entry.session.get_one(CreditNote, found)
