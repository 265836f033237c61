"""What stands against an amount from now on, and what ends that?"""

from sqlmodel import Session, select

from billing import facts, references
from billing.ledger import credit_notes, legal
from billing.ledger.entry import Applied, Entry, touch
from billing.models import (
    CreditKind,
    CreditNote,
    DisputeState,
    Hold,
    Invoice,
    InvoiceDispute,
    InvoiceLine,
    Promise,
    PromisePart,
    PromiseScope,
)

# --- disputes -------------------------------------------------------------------------------------


def dispute(entry: Entry, fact: facts.InvoiceDisputed) -> Applied:
    """Its amount is not chased while it is open; the rest still is."""
    session = entry.session
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    if references.known(session, fact.source, "dispute", fact.key) is not None:
        return Applied(client_id, changed=False)
    invoice = entry.invoice(client_id, fact.invoice_number, fact.legal_entity)
    row = InvoiceDispute(
        invoice_id=invoice.id,
        client_id=invoice.client_id,
        amount=fact.amount or _of_line(session, invoice, fact.line),
        line=fact.line,
        reason=fact.code or "unstated",
        owner_id=references.staff_id(session, fact.owner_email),
        respond_by=fact.respond_by,
        opened_on=fact.opened_on,
        recorded_at=entry.now,
    )
    session.add(row)
    session.flush()
    references.remember(session, fact.source, "dispute", fact.key, row.id)
    touch(session, client_id, entry.now)
    return Applied(client_id, invoice_id=invoice.id)


def _of_line(session: Session, invoice: Invoice, position: int | None) -> int | None:
    """What the line comes to with its tax; None where no line is named.

    Raises:
        Unknown: the invoice has no such line.
    """
    if position is None:
        return None
    query = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id)
    line = session.exec(query.where(InvoiceLine.position == position)).first()
    if line is None:
        raise references.Unknown(
            f"invoice {invoice.number} has no line {position}; name the disputed amount instead"
        )
    return line.amount + (0 if line.inclusive else line.tax)


def close_dispute(entry: Entry, fact: facts.DisputeClosed) -> Applied:
    """Accepted, its amount is credited; else it is owed again. The youngest word counts."""
    session = entry.session
    found = references.known(session, fact.source, "dispute", fact.dispute_key)
    if found is None:
        raise references.Unknown(
            f"no dispute of invoice {fact.invoice_number} is known; open it first"
        )
    row = session.get_one(InvoiceDispute, found)
    if row.closed_at is not None and row.closed_at >= fact.closed_at:
        return Applied(row.client_id, changed=False, invoice_id=row.invoice_id)
    invoice = session.get_one(Invoice, row.invoice_id)
    row.closed_at, row.state = fact.closed_at, DisputeState(fact.outcome)
    row.granted = _granted(row, invoice, fact)
    _credit(entry, row, invoice, fact)
    touch(session, row.client_id, entry.now)
    return Applied(row.client_id, invoice_id=row.invoice_id)


def _granted(row: InvoiceDispute, invoice: Invoice, fact: facts.DisputeClosed) -> int | None:
    """What is credited: what was granted, or disputed, or all of it as billed."""
    if fact.outcome != "accepted":
        return None
    stands = invoice.amount if invoice.corrected_amount is None else invoice.corrected_amount
    return min(stands, fact.amount or row.amount or stands)


def _credit(entry: Entry, row: InvoiceDispute, invoice: Invoice, fact: facts.DisputeClosed) -> None:
    """One credit note for a dispute, made, changed or voided by what was decided last."""
    session = entry.session
    key = facts.joined("credit", fact.dispute_key)
    found = references.known(session, fact.source, "credit_note", key)
    note = session.get(CreditNote, found) if found else None
    day = fact.closed_at.date()
    if note is None:
        if row.granted is None:
            return
        note = CreditNote(
            client_id=row.client_id,
            legal_entity_id=invoice.legal_entity_id,
            currency=invoice.currency,
            kind=CreditKind.DEBT_CANCELLATION,
            amount=row.granted,
            invoice_id=invoice.id,
            issued_on=day,
            recorded_at=entry.now,
        )
        session.add(note)
        session.flush()
        references.remember(session, fact.source, "credit_note", key, note.id)
    note.amount, note.issued_on = row.granted or note.amount, day
    note.voided_on = None if row.granted else day
    credit_notes.settle(entry, note, fact.key, day)


# --- promises -------------------------------------------------------------------------------------


def promise(entry: Entry, fact: facts.PromiseMade) -> Applied:
    """What was promised is not asked for until its day; cash says whether it was kept."""
    session = entry.session
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    if references.known(session, fact.source, "promise", fact.key) is not None:
        return Applied(client_id, changed=False)
    entity = references.entity(session, fact.legal_entity, fact.currency)
    row = Promise(
        client_id=client_id,
        legal_entity_id=entity.id,
        currency=fact.currency,
        said_by=fact.said_by,
        made_at=fact.made_at,
    )
    session.add(row)
    session.flush()
    for position, part in enumerate(fact.parts, 1):
        told = part.model_dump()
        session.add(PromisePart(promise_id=row.id, position=position, **told))
    for number in dict.fromkeys(fact.invoices):
        session.add(PromiseScope(promise_id=row.id, invoice_number=number))
    references.remember(session, fact.source, "promise", fact.key, row.id)
    touch(session, client_id, entry.now)
    return Applied(client_id)


def withdraw_promise(entry: Entry, fact: facts.PromiseWithdrawn) -> Applied:
    """It counts no more."""
    key = facts.joined(fact.source, "promise", fact.external_id)
    found = references.known(entry.session, fact.source, "promise", key)
    if found is None:
        raise references.Unknown(f"promise {fact.external_id} is not known; make it first")
    row = entry.session.get_one(Promise, found)
    if row.withdrawn_at is not None:
        return Applied(row.client_id, changed=False)
    row.withdrawn_at, row.superseded = fact.withdrawn_at, fact.superseded
    touch(entry.session, row.client_id, entry.now)
    return Applied(row.client_id)


# --- holds ----------------------------------------------------------------------------------------


def hold(entry: Entry, fact: facts.HoldPlaced) -> Applied:
    """Dunning stops; the same hold placed later moves its end, and stands again if released."""
    session = entry.session
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    found = references.known(session, fact.source, "hold", fact.key)
    if found is not None:
        return _hold_until(entry, session.get_one(Hold, found), fact)
    invoice = (
        entry.invoice(client_id, fact.invoice_number, fact.legal_entity)
        if fact.invoice_number
        else None
    )
    row = Hold(
        client_id=client_id,
        invoice_id=invoice.id if invoice else None,
        reason=fact.reason,
        owner_id=references.staff_id(session, fact.owner_email),
        placed_by=fact.source,
        placed_at=fact.placed_at,
        until=fact.until,
    )
    session.add(row)
    session.flush()
    references.remember(session, fact.source, "hold", fact.key, row.id)
    legal.of_hold(session, row)
    touch(session, client_id, entry.now)
    return Applied(client_id, invoice_id=row.invoice_id)


def _hold_until(entry: Entry, row: Hold, fact: facts.HoldPlaced) -> Applied:
    changed = fact.placed_at > row.placed_at
    if changed:
        row.placed_at, row.until = fact.placed_at, fact.until
        if row.released_at is not None and row.released_at < fact.placed_at:
            row.released_at, row.released_by = None, ""
            legal.of_hold(entry.session, row)
        touch(entry.session, row.client_id, entry.now)
    return Applied(row.client_id, changed=changed, invoice_id=row.invoice_id)


def release_hold(entry: Entry, fact: facts.HoldReleased) -> Applied:
    """It ends now, whatever its end was, unless it was placed again since."""
    key = facts.joined(fact.source, "hold", fact.external_id)
    found = references.known(entry.session, fact.source, "hold", key)
    if found is None:
        raise references.Unknown(f"hold {fact.external_id} is not known; place it first")
    row = entry.session.get_one(Hold, found)
    if row.released_at is not None:
        row.released_at = max(row.released_at, fact.released_at)
        return Applied(row.client_id, changed=False, invoice_id=row.invoice_id)
    if fact.released_at < row.placed_at:
        return Applied(row.client_id, changed=False, invoice_id=row.invoice_id)
    row.released_at, row.released_by = fact.released_at, fact.source
    legal.release(entry.session, row)
    touch(entry.session, row.client_id, entry.now)
    return Applied(row.client_id, invoice_id=row.invoice_id)
