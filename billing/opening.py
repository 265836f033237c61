"""How are many new invoices posted at once, with what was paid of them so far?

What the ledger would post for each, in a few statements for all: 20 times faster. Only for the
plain case, where each payment pays its own new invoice and nothing spills over to another; all
else is the ledger's.
"""

import datetime as dt
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Insert, bindparam, insert, select, update
from sqlmodel import Session

from billing.books import caused_by
from billing.facts import InvoiceIssued, PaymentSettled
from billing.models import (
    Enrolment,
    EnrolmentState,
    ExternalRef,
    Instalment,
    InstalmentKind,
    Invoice,
    InvoiceState,
    Payment,
    PaymentName,
    PaymentState,
    Posting,
    PostingKind,
)
from billing.models import Sequence as Ladder
from billing.store import table_of

Values = dict[str, Any]
_KEPT = {
    "number", "amount", "issued_on", "due_on", "service_type", "terms", "po_number", "matter",
    "ladder",
    "ready_on",
}  # fmt: skip


_ENROLMENT = table_of(Enrolment)
_POST, _REFER = insert(table_of(Posting)), insert(table_of(ExternalRef))
_NAME = insert(table_of(PaymentName))
_ENROL = insert(_ENROLMENT)
_DUNNED = select(_ENROLMENT.c.client_id, _ENROLMENT.c.legal_entity_id, _ENROLMENT.c.currency).where(
    _ENROLMENT.c.client_id.in_(bindparam("clients", expanding=True)),
    _ENROLMENT.c.sequence == Ladder.DUNNING.value,
)
_TOUCH = (
    update(_ENROLMENT)
    .where(_ENROLMENT.c.client_id.in_(bindparam("clients", expanding=True)))
    .values(next_due_at=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Opening:
    """An invoice that nobody has told us of before, and what was paid of it, at most all."""

    client_id: int
    legal_entity_id: int
    issued: InvoiceIssued
    paid: PaymentSettled | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """A new payment, and the one instalment of which it pays at most what is open."""

    client_id: int
    legal_entity_id: int
    paid: PaymentSettled
    instalment_id: int


def settle(session: Session, settlements: Sequence[Settlement], now: dt.datetime) -> list[int]:
    """Post payments, whose accounts have no money unapplied; return the ids of the payments."""
    session.flush()
    payments = _insert(session, Payment, [_paid(one, now) for one in settlements])
    _name(session, [one.paid for one in settlements], payments)
    postings = [
        posting
        for one, payment in zip(settlements, payments, strict=True)
        for posting in _moves(_debtor(one), one.paid, one.instalment_id, payment, now)
    ]
    if postings:
        session.connection().execute(_POST, postings)
    return payments


def post(session: Session, openings: Sequence[Opening], now: dt.datetime) -> None:
    """Post them all; their clients are locked, and their accounts have no money unapplied."""
    if not openings:
        return
    session.flush()  # what was added before it stands before it
    invoices = _insert(session, Invoice, [_invoice(one, now) for one in openings])
    _refer(session, "invoice", [one.issued for one in openings], invoices)
    instalments = _insert(
        session,
        Instalment,
        [_instalment(one, invoice) for one, invoice in zip(openings, invoices, strict=True)],
    )
    paid = [one for one in openings if one.paid is not None]
    payments = _insert(session, Payment, [_payment(one, now) for one in paid])
    _name(session, [one.paid for one in paid if one.paid], payments)
    payment_of = dict(zip([one.issued.key for one in paid], payments, strict=True))
    postings = [
        posting
        for one, instalment in zip(openings, instalments, strict=True)
        for posting in _postings(one, instalment, payment_of.get(one.issued.key), now)
    ]
    session.connection().execute(_POST, postings)
    _enrol(session, openings, now)


def _insert(session: Session, model: Any, rows: list[Values]) -> list[int]:
    """Insert rows and return their ids in the same order."""
    if not rows:
        return []
    return list(session.connection().execute(_adding(model), rows).scalars())


@functools.cache
def _adding(model: Any) -> Insert:
    """Made once: building a statement costs more than SQLite takes to carry it out."""
    table = table_of(model)
    return insert(table).returning(table.c.id, sort_by_parameter_order=True)


def _refer(
    session: Session,
    kind: str,
    facts: Sequence[InvoiceIssued | PaymentSettled],
    targets: Sequence[int],
) -> None:
    rows = [
        {"system": fact.source, "kind": kind, "external_id": fact.key, "target_id": target}
        for fact, target in zip(facts, targets, strict=True)
    ]
    if rows:
        session.connection().execute(_REFER, rows)


def _name(session: Session, told: Sequence[PaymentSettled], payments: Sequence[int]) -> None:
    """What the payments are called, and which invoice each is for."""
    _refer(session, "payment", told, payments)
    rows = [
        {
            "payment_id": payment,
            "position": 1,
            "invoice_number": one.invoice_number,
            "amount": None,
            "read": False,
        }
        for one, payment in zip(told, payments, strict=True)
        if one.invoice_number
    ]
    if rows:
        session.connection().execute(_NAME, rows)


def _account(one: Opening) -> Values:
    return {
        "client_id": one.client_id,
        "legal_entity_id": one.legal_entity_id,
        "currency": one.issued.currency,
    }


def _invoice(one: Opening, now: dt.datetime) -> Values:
    told = one.issued.model_dump(include=_KEPT) | {"ladder": one.issued.ladder or None}
    due = one.issued.due_on
    return {
        **_account(one),
        **told,
        "first_due_on": due,
        "state": InvoiceState.ISSUED.value,
        "recorded_at": now,
    }


def _instalment(one: Opening, invoice_id: int) -> Values:
    return {
        "invoice_id": invoice_id,
        "client_id": one.client_id,
        "kind": InstalmentKind.PRINCIPAL.value,
        "position": 1,
        "due_on": one.issued.due_on,
        "amount": one.issued.amount,
    }


def _payment(one: Opening, now: dt.datetime) -> Values:
    paid = one.paid
    if paid is None or paid.amount > one.issued.amount:
        raise ValueError("an opening is paid at most in full; the ledger books all else")
    return {**_account(one), **_received(paid), "recorded_at": now}


def _paid(one: Settlement, now: dt.datetime) -> Values:
    return {**_debtor(one), **_received(one.paid), "recorded_at": now}


def _received(paid: PaymentSettled) -> Values:
    told = paid.model_dump(include={"amount", "received_on", "method"})
    stands = {"state": PaymentState.SUCCEEDED.value, "settled_at": paid.at, "refunded": 0}
    return {
        **told,
        **stands,
        "reference": paid.external_id,
        "started_as": "",
        "failed_as": "",
    }


def _debtor(one: Settlement) -> Values:
    return {
        "client_id": one.client_id,
        "legal_entity_id": one.legal_entity_id,
        "currency": one.paid.currency,
    }


def _postings(
    one: Opening, instalment_id: int, payment_id: int | None, now: dt.datetime
) -> list[Values]:
    """Line by line what ``ledger`` posts for the two facts."""
    common = {**_account(one), "recorded_at": now}
    issue = {
        **common,
        "kind": PostingKind.ISSUE.value,
        "instalment_id": instalment_id,
        "payer_id": None,
        "payment_id": None,
        "credit_note_id": None,
        "amount": one.issued.amount,
        "effective_on": one.issued.issued_on,
        "cause": caused_by(one.issued.key),
        "line": 1,
    }
    if one.paid is None or payment_id is None:
        return [issue]
    return [issue, *_moves(_account(one), one.paid, instalment_id, payment_id, now)]


def _moves(
    account: Values, paid: PaymentSettled, instalment_id: int, payment_id: int, now: dt.datetime
) -> list[Values]:
    """The money comes in, and goes on the instalment."""
    common = {
        **account,
        "payer_id": None,
        "payment_id": payment_id,
        "credit_note_id": None,
        "effective_on": paid.received_on,
        "recorded_at": now,
        "cause": caused_by(paid.key),
    }
    moves = (
        (PostingKind.PAYMENT, None, -paid.amount),
        (PostingKind.ALLOCATION, None, paid.amount),
        (PostingKind.ALLOCATION, instalment_id, -paid.amount),
    )
    return [
        {**common, "kind": kind.value, "instalment_id": where, "amount": amount, "line": line}
        for line, (kind, where, amount) in enumerate(moves, 1)
    ]


def _enrol(session: Session, openings: Sequence[Opening], now: dt.datetime) -> None:
    """Every account is in dunning, and looked at in the next sweep."""
    accounts = {(one.client_id, one.legal_entity_id, one.issued.currency) for one in openings}
    clients = {client for client, _, _ in accounts}
    asked = {"clients": sorted(clients)}
    known = {tuple(row) for row in session.connection().execute(_DUNNED, asked)}
    session.connection().execute(_TOUCH, asked | {"now": now})
    fresh = [
        {
            "sequence": Ladder.DUNNING.value,
            "client_id": client,
            "legal_entity_id": entity,
            "currency": currency,
            "scope": "",
            "episode": 1,
            "state": EnrolmentState.ACTIVE.value,
            "next_due_at": now,
            "policy_version": "",
            "created_at": now,
        }
        for client, entity, currency in sorted(accounts - known)
    ]
    if fresh:
        session.connection().execute(_ENROL, fresh)
