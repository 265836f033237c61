"""What becomes of a bill: drafted, issued, corrected, split, charged on, written off, voided?"""

import datetime as dt
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col, func, select

from billing import aliases, facts, references, taxes, vault
from billing.ledger.entry import Applied, Contradiction, Entry
from billing.models import (
    UNISSUED,
    Instalment,
    InstalmentKind,
    Invoice,
    InvoiceLine,
    InvoiceState,
    LegalEntity,
    Payer,
    Posting,
    PostingKind,
    Share,
    StepListed,
)

_KEPT = {
    "number", "currency", "amount", "due_on", "service_type", "terms", "po_number", "matter",
    "ladder",
    "ready_on",
}  # fmt: skip
_LINED = {"quantity", "amount", "discount", "tax_code", "jurisdiction", "inclusive"}


@dataclass(frozen=True, slots=True)
class Charge:
    """A late fee or interest; ``key`` is the charge's own, so that it is added once."""

    source: str
    key: str
    kind: str
    amount: int
    charged_on: dt.date
    due_on: dt.date


_Bill = facts.InvoiceDrafted | facts.InvoiceIssued

_NUMBERED = core_select(col(Invoice.id)).where(
    col(Invoice.legal_entity_id) == bindparam("entity"), col(Invoice.number) == bindparam("number")
)


# --- drafted and issued ---------------------------------------------------------------------------


def draft(entry: Entry, fact: facts.InvoiceDrafted) -> Applied:
    """Keep it, where nobody has issued it yet; it moves no money."""
    client_id, invoice = _find_own(entry.session, fact)
    if invoice is None:
        invoice = _make(entry, fact, client_id, fact.state, fact.drafted_on)
        return Applied(client_id, invoice_id=invoice.id)
    told = _told(fact) | {"state": fact.state}
    if invoice.state in UNISSUED:
        told |= _place(entry.session, invoice, fact, client_id)
    behind = (invoice.state, fact.state) == (InvoiceState.APPROVED, InvoiceState.DRAFT)
    open_ = invoice.state in UNISSUED and not behind
    changed = open_ and (_differs(invoice, told) or _retold(entry, invoice, fact))
    if changed:
        invoice.sqlmodel_update(told)
        _rewrite(entry, invoice, fact)
    return Applied(client_id, changed=changed, invoice_id=invoice.id)


def issue(entry: Entry, fact: facts.InvoiceIssued) -> Applied:
    """It is owed from now on."""
    client_id, invoice = _find_own(entry.session, fact)
    if invoice is None:
        invoice = _make(entry, fact, client_id, InvoiceState.ISSUED, fact.issued_on)
    elif invoice.state in UNISSUED:
        place = _place(entry.session, invoice, fact, client_id)
        invoice.sqlmodel_update(_told(fact) | place | {"state": InvoiceState.ISSUED})
        invoice.issued_on = fact.issued_on
        _rewrite(entry, invoice, fact)
    else:
        _theirs(entry.session, invoice, fact, client_id)
        _same(invoice, fact)
        changed = bool(fact.ladder) and fact.ladder != invoice.ladder
        invoice.ladder = fact.ladder or invoice.ladder
        return Applied(client_id, changed=changed, invoice_id=invoice.id)
    entry.enrol(invoice)
    entry.settle_invoice(invoice, fact.key, fact.issued_on)
    return Applied(client_id, invoice_id=invoice.id)


def _find_own(session: Session, fact: _Bill | facts.InvoiceCorrected) -> tuple[int, Invoice | None]:
    """The client, and the invoice that the source calls so."""
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    invoice_id = references.known(session, fact.source, "invoice", fact.invoice_key)
    return client_id, session.get(Invoice, invoice_id) if invoice_id else None


def _place(session: Session, invoice: Invoice, fact: _Bill, client_id: int) -> dict[str, int]:
    """To whom a draft is written by now, and who will issue it under its number."""
    entity = session.get_one(LegalEntity, invoice.legal_entity_id)
    if fact.legal_entity:
        entity = references.entity(session, fact.legal_entity, fact.currency)
    if (entity.id, fact.number) != (invoice.legal_entity_id, invoice.number):
        _free_number(session, entity, fact.number)
    return {"client_id": client_id, "legal_entity_id": entity.id}


def _theirs(
    session: Session, invoice: Invoice, fact: facts.InvoiceIssued | facts.InvoiceCorrected, to: int
) -> None:
    """Once issued it stays the client's and the legal entity's.

    Raises:
        Contradiction: it names another of them.
    """
    entity = session.get_one(LegalEntity, invoice.legal_entity_id)
    whose = to == invoice.client_id or to in aliases.group(session, invoice.client_id)
    if not whose or fact.legal_entity not in ("", entity.name):
        raise Contradiction(
            f"invoice {fact.number} was issued to another client, or by another legal entity; void "
            "or credit it there, and issue it anew under an id of its own"
        )


def _told(fact: _Bill) -> dict[str, Any]:
    told = fact.model_dump(include=_KEPT)
    return {**told, "ladder": fact.ladder or None, "first_due_on": fact.due_on}


def _differs(held: Invoice | InvoiceLine, told: dict[str, Any]) -> bool:
    return any(getattr(held, key) != value for key, value in told.items())


def _retold(entry: Entry, invoice: Invoice, fact: _Bill) -> bool:
    """Whether its parts or its lines are others than those we hold."""
    parts = [(part.due_on, part.amount) for part in _principal(entry.session, invoice.id)]
    if parts != [(part.due_on, part.amount) for part in _parts_of(fact)]:
        return True
    query = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id)
    held = entry.session.exec(query.order_by(col(InvoiceLine.position))).all()
    told = _lines_of(fact.lines)
    if len(held) != len(told) or any(map(_differs, held, told)):
        return True
    return any(map(functools.partial(_reads_other, entry), held, fact.lines))


def _reads_other(entry: Entry, held: InvoiceLine, told: facts.Line) -> bool:
    """What was erased is not kept again, and without a keyring nothing was."""
    if entry.keyring is None:
        return False
    kept = vault.text(entry.session, entry.keyring, held.description_id)
    return kept not in (told.description, vault.ERASED)


def _make(entry: Entry, fact: _Bill, client_id: int, state: str, issued_on: dt.date) -> Invoice:
    session = entry.session
    entity = references.entity(session, fact.legal_entity, fact.currency)
    _free_number(session, entity, fact.number)
    invoice = Invoice(
        client_id=client_id,
        legal_entity_id=entity.id,
        recorded_at=entry.now,
        state=state,
        issued_on=issued_on,
        **_told(fact),
    )
    session.add(invoice)
    session.flush()
    references.remember(session, fact.source, "invoice", fact.invoice_key, invoice.id)
    _write_parts(entry, invoice, fact)
    return invoice


def _rewrite(entry: Entry, invoice: Invoice, fact: _Bill) -> None:
    """A draft says something new: its parts and lines are made anew, nothing was posted."""
    read: list[int] = []
    for model in (Instalment, InvoiceLine):
        for row in entry.session.exec(select(model).where(col(model.invoice_id) == invoice.id)):
            if isinstance(row, InvoiceLine) and row.description_id is not None:
                read.append(row.description_id)
            entry.session.delete(row)
    entry.session.flush()
    for body in read:
        vault.forget(entry.session, body)
    _write_parts(entry, invoice, fact)


def _parts_of(fact: _Bill) -> Sequence[facts.Part]:
    return fact.instalments or (facts.Part(due_on=fact.due_on, amount=fact.amount),)


def _write_parts(entry: Entry, invoice: Invoice, fact: _Bill) -> None:
    for position, part in enumerate(_parts_of(fact), 1):
        entry.session.add(
            Instalment(
                invoice_id=invoice.id,
                client_id=invoice.client_id,
                position=position,
                due_on=part.due_on,
                amount=part.amount,
            )
        )
    if fact.lines:
        _write_lines(entry, invoice, fact.lines)


def _write_lines(entry: Entry, invoice: Invoice, lines: Sequence[facts.Line]) -> None:
    """What a line is for is a narrative: it lies in the vault, under the client's key."""
    kept: list[int | None] = [None] * len(lines)
    if entry.keyring is not None:
        owner = entry.key_of(invoice.client_id)
        bodies = [(owner, line.description) for line in lines]
        bodies_kept = vault.put_all(entry.session, entry.keyring, bodies, entry.now)
        kept = [one.vault_id for one in bodies_kept]
    for position, (told, body) in enumerate(zip(_lines_of(lines), kept, strict=True), 1):
        row = InvoiceLine(invoice_id=invoice.id, position=position, description_id=body, **told)
        entry.session.add(row)


def _lines_of(lines: Sequence[facts.Line]) -> list[dict[str, Any]]:
    """The columns of lines, each with its tax."""
    on_lines = taxes.on_lines([line.priced() for line in lines])
    return [
        line.model_dump(include=_LINED) | {"tax": tax, "tax_rate": taxes.millionths(line.tax_rate)}
        for line, tax in zip(lines, on_lines, strict=True)
    ]


def _same(invoice: Invoice, fact: facts.InvoiceIssued) -> None:
    """It says what was issued, or what stands by now.

    Raises:
        Contradiction: it says neither.
    """
    said = (fact.amount, fact.currency, fact.due_on)
    stands = invoice.amount if invoice.corrected_amount is None else invoice.corrected_amount
    known = {
        (invoice.amount, invoice.currency, invoice.first_due_on),
        (stands, invoice.currency, invoice.due_on),
    }
    if said not in known:
        raise Contradiction(
            f"invoice {fact.number} was issued with {stands} {invoice.currency} (minor units) due "
            f"{invoice.due_on}, and now says {fact.amount} {fact.currency} due {fact.due_on}; "
            "import with --correct, or tell invoice_corrected, if this is a correction"
        )


def _free_number(session: Session, entity: LegalEntity, number: str) -> None:
    taken = session.execute(_NUMBERED, {"entity": entity.id, "number": number}).first()
    if taken is not None:
        raise Contradiction(f"{entity.name} has issued an invoice {number} to another client")


# --- corrected, voided, given up ------------------------------------------------------------------


def correct(entry: Entry, fact: facts.InvoiceCorrected) -> Applied:
    """It comes to another amount, or is due on another day."""
    client_id, invoice = _find_own(entry.session, fact)
    if invoice is None or invoice.state in UNISSUED:
        raise references.Unknown(f"invoice {fact.number} was never issued; issue it first")
    _theirs(entry.session, invoice, fact, client_id)
    stands = invoice.amount if invoice.corrected_amount is None else invoice.corrected_amount
    word = (fact.corrected_at, fact.amount, fact.due_on)
    held = (invoice.corrected_at or dt.datetime.min.replace(tzinfo=dt.UTC), stands, invoice.due_on)
    moved = fact.issued_on is not None and fact.issued_on != invoice.issued_on
    if word <= held:
        return Applied(client_id, changed=False, invoice_id=invoice.id)
    # It says nothing new, yet whatever is older than it is stale from now on.
    invoice.corrected_at = fact.corrected_at
    if word[1:] == held[1:] and not moved:
        return Applied(client_id, changed=False, invoice_id=invoice.id)
    invoice.corrected_amount = fact.amount
    invoice.issued_on = fact.issued_on or invoice.issued_on
    # By as many days as the bill moves: of several parts the last need not be due on its day.
    _principal(entry.session, invoice.id)[-1].due_on += fact.due_on - invoice.due_on
    invoice.due_on = fact.due_on
    entry.settle_invoice(invoice, fact.key, fact.corrected_at.date())
    return Applied(client_id, invoice_id=invoice.id)


def void(entry: Entry, fact: facts.InvoiceVoided) -> Applied:
    """It was never owed; refused once money came or the client was asked for it."""
    client_id = references.client_of(entry.session, fact.source, fact.client_external_id)
    invoice = entry.document(client_id, fact.invoice_number, fact.legal_entity)
    if invoice.voided_on is not None:
        return Applied(invoice.client_id, changed=False, invoice_id=invoice.id)
    if (reason := _not_voidable(entry.session, invoice)) is not None:
        raise Contradiction(
            f"invoice {invoice.number} cannot be voided, because {reason}; credit it instead"
        )
    invoice.voided_on = fact.voided_on
    return _restate(entry, invoice, fact.key, fact.voided_on)


def _not_voidable(session: Session, invoice: Invoice) -> str | None:
    parts = select(Instalment.id).where(Instalment.invoice_id == invoice.id)
    asked = select(StepListed.step_taken_id).where(col(StepListed.instalment_id).in_(parts))
    paid = select(func.coalesce(func.sum(Posting.amount), 0)).where(
        col(Posting.instalment_id).in_(parts), Posting.kind == PostingKind.ALLOCATION
    )
    if session.exec(paid).one() != 0:
        return "money was paid on it"
    if session.exec(asked.limit(1)).first() is not None:
        return "the client was already asked for it"
    return None


def write_off(entry: Entry, fact: facts.InvoiceWrittenOff) -> Applied:
    """Nobody collects what is left of it; or, undone, it is collected again."""
    invoice = _find(entry, fact)
    column = "write_off_undone_at" if fact.undone else "written_off_at"
    held = getattr(invoice, column)
    if held is not None and held >= fact.happened_at:
        return Applied(invoice.client_id, changed=False, invoice_id=invoice.id)
    setattr(invoice, column, fact.happened_at)
    return _restate(entry, invoice, fact.key, fact.happened_at.date())


def give_up(entry: Entry, invoice: Invoice, key: str) -> Applied:
    """A person of ours decided that nobody collects what is left of it."""
    invoice.written_off_at = entry.now
    return _restate(entry, invoice, key, entry.now.date())


def _restate(entry: Entry, invoice: Invoice, key: str, on: dt.date) -> Applied:
    """The state follows from what was told, in whatever order that came."""
    given_up, taken_back = invoice.written_off_at, invoice.write_off_undone_at
    if invoice.voided_on is not None:
        invoice.state = InvoiceState.VOID
    elif given_up is not None and (taken_back is None or taken_back < given_up):
        invoice.state = InvoiceState.UNCOLLECTIBLE
    else:
        invoice.state = InvoiceState.ISSUED
    entry.settle_invoice(invoice, key, on)
    return Applied(invoice.client_id, invoice_id=invoice.id)


def _find(entry: Entry, fact: facts.AboutInvoice) -> Invoice:
    """The invoice that a fact is about.

    Raises:
        Unknown: nobody issued it.
    """
    client_id = references.client_of(entry.session, fact.source, fact.client_external_id)
    return entry.invoice(client_id, fact.invoice_number, fact.legal_entity)


# --- shares and charges ---------------------------------------------------------------------------


def share(entry: Entry, fact: facts.ShareDescribed) -> Applied:
    """A payer owes this much of it by now; denied, it is the client's again."""
    invoice = _find(entry, fact)
    payer_id = references.payer(entry.session, fact.source, fact.payer)
    payer = entry.session.get_one(Payer, payer_id)
    payer.name, payer.kind = fact.payer_name, fact.payer_kind
    amount = 0 if fact.state == "denied" else fact.amount
    held = entry.session.get(Share, (invoice.id, payer_id))
    word = (fact.told_at, amount, fact.state)
    if held is not None and word <= (held.told_at, held.amount, held.state):
        return Applied(invoice.client_id, changed=False, invoice_id=invoice.id)
    row = Share(
        invoice_id=invoice.id,
        payer_id=payer_id,
        state=fact.state,
        amount=amount,
        respond_by=fact.respond_by,
        told_at=fact.told_at,
    )
    entry.session.merge(row)
    entry.settle_invoice(invoice, fact.key, fact.told_at.date())
    return Applied(invoice.client_id, invoice_id=invoice.id)


def charge(entry: Entry, fact: facts.ChargeAdded) -> Applied:
    """A late fee or interest, once: an instalment of its own on the bill that it is for."""
    invoice = _find(entry, fact)
    due_on = fact.due_on or fact.charged_on
    told = Charge(fact.source, fact.key, fact.kind, fact.amount, fact.charged_on, due_on)
    return Applied(invoice.client_id, changed=add(entry, invoice, told), invoice_id=invoice.id)


def add(entry: Entry, invoice: Invoice, told: Charge) -> bool:
    """Charge it, unless that was done."""
    if references.known(entry.session, told.source, "charge", told.key) is not None:
        return False
    part = Instalment(
        invoice_id=invoice.id,
        client_id=invoice.client_id,
        kind=told.kind,
        position=len(_parts(entry.session, invoice.id)) + 1,
        due_on=told.due_on,
        amount=told.amount,
    )
    entry.session.add(part)
    entry.session.flush()
    references.remember(entry.session, told.source, "charge", told.key, part.id)
    entry.settle_invoice(invoice, told.key, told.charged_on)
    return True


def waive(entry: Entry, fact: facts.ChargeWaived) -> Applied:
    """It is forgiven; what was paid of it goes on what else is open."""
    charged = facts.joined(fact.source, "charge", fact.external_id)
    found = references.known(entry.session, fact.source, "charge", charged)
    if found is None:
        raise references.Unknown(f"charge {fact.external_id} is not known; add it first")
    part = entry.session.get_one(Instalment, found)
    invoice = entry.session.get_one(Invoice, part.invoice_id)
    if part.waived_on is not None:
        return Applied(invoice.client_id, changed=False, invoice_id=invoice.id)
    part.waived_on = fact.waived_on
    entry.settle_invoice(invoice, fact.key, fact.waived_on)
    return Applied(invoice.client_id, invoice_id=invoice.id)


def _parts(session: Session, invoice_id: int) -> Sequence[Instalment]:
    query = select(Instalment).where(Instalment.invoice_id == invoice_id)
    return session.exec(query.order_by(col(Instalment.position))).all()


def _principal(session: Session, invoice_id: int) -> list[Instalment]:
    parts = _parts(session, invoice_id)
    return [part for part in parts if part.kind == InstalmentKind.PRINCIPAL]
