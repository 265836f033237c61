"""What is posted, and what is still to be posted?

``settle`` reads all that an account was told, asks ``settlement`` what stands where, and adds the
postings that are missing. What is open, what is unapplied and what was invoiced are sums.
"""

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, insert, select
from sqlmodel import Session, col

from billing import remittance
from billing.models import (
    UNISSUED,
    Chargeback,
    ChargebackOutcome,
    CreditApplication,
    CreditNote,
    Instalment,
    Invoice,
    InvoiceState,
    Payment,
    PaymentName,
    PaymentState,
    Posting,
    Share,
)
from billing.settlement import (
    Account,
    Bill,
    Credit,
    Money,
    Name,
    Part,
    PostingKind,
    Spot,
    positions,
)
from billing.store import table_of

Key = tuple[int, int, str]
"""Client id, legal entity id, currency: what is never netted with another."""

# Statements are made once: building one costs more than SQLite takes to answer it.
_OF = {
    model: (
        col(model.client_id).in_(bindparam("clients", expanding=True)),
        col(model.legal_entity_id) == bindparam("entity"),
        col(model.currency) == bindparam("currency"),
    )
    for model in (Invoice, Payment, CreditNote, Posting)
}
_PARTS: Any = (
    select(
        col(Invoice.id).label("invoice_id"),
        col(Invoice.client_id),
        col(Invoice.number),
        col(Invoice.corrected_amount),
        col(Invoice.state),
        col(Instalment.id),
        col(Instalment.kind),
        col(Instalment.position),
        col(Instalment.due_on),
        col(Instalment.amount),
        col(Instalment.waived_on),
    )
    .join(Instalment, col(Instalment.invoice_id) == col(Invoice.id))
    .where(*_OF[Invoice], col(Invoice.state).not_in(UNISSUED))
    .order_by(col(Invoice.id), col(Instalment.position))
)
_SHARES = (
    select(col(Share.invoice_id), col(Share.payer_id), col(Share.amount))
    .join(Invoice, col(Invoice.id) == col(Share.invoice_id))
    .where(*_OF[Invoice], col(Share.amount) > 0)
    # Our ids say who was told of first, so they decide only between what is the same.
    .order_by(
        col(Share.invoice_id),
        col(Share.state),
        col(Share.told_at),
        col(Share.amount),
        col(Share.payer_id),
    )
)
_PAYMENTS = select(
    col(Payment.id),
    col(Payment.client_id),
    col(Payment.reference),
    col(Payment.received_on),
    col(Payment.amount),
    col(Payment.refunded),
    col(Payment.payer_id),
).where(*_OF[Payment], col(Payment.state) == PaymentState.SUCCEEDED)
_NAMES = (
    select(
        col(PaymentName.payment_id),
        col(PaymentName.invoice_number),
        col(PaymentName.amount),
        col(PaymentName.read),
    )
    .join(Payment, col(Payment.id) == col(PaymentName.payment_id))
    .where(*_OF[Payment])
    .order_by(col(PaymentName.payment_id), col(PaymentName.position))
)
_WITHDRAWN = (
    select(col(Chargeback.payment_id), func.sum(col(Chargeback.amount)).label("amount"))
    .join(Payment, col(Payment.id) == col(Chargeback.payment_id))
    .where(*_OF[Payment], col(Chargeback.outcome) != ChargebackOutcome.WON)
    .group_by(col(Chargeback.payment_id))
)
_CREDITS = (
    select(
        col(CreditNote.id),
        col(CreditNote.client_id),
        col(CreditNote.kind),
        col(CreditNote.amount),
        col(CreditNote.invoice_id),
    )
    .where(*_OF[CreditNote], col(CreditNote.voided_on).is_(None))
    .order_by(
        col(CreditNote.issued_on), col(CreditNote.kind), col(CreditNote.amount), col(CreditNote.id)
    )
)
_APPLIED = (
    select(
        col(CreditApplication.credit_note_id),
        col(CreditApplication.invoice_id),
        col(CreditApplication.amount),
    )
    .join(CreditNote, col(CreditNote.id) == col(CreditApplication.credit_note_id))
    .where(*_OF[CreditNote])
    .order_by(
        col(CreditApplication.applied_on),
        col(CreditApplication.amount),
        col(CreditApplication.id),
    )
)
_SELDOM = {
    "shares": _SHARES,
    "names": _NAMES,
    "withdrawn": _WITHDRAWN,
    "credits": _CREDITS,
    "applied": _APPLIED,
}
"""What few accounts have: one statement asks which of them this one does."""
_HAS = select(*(rows.exists().label(name) for name, rows in _SELDOM.items()))
_SPOT = tuple(getattr(Posting, name) for name in Spot._fields)
_POSTED = (
    select(*_SPOT, func.sum(col(Posting.amount)).label("total"))
    .where(*_OF[Posting])
    .group_by(*_SPOT)
)
_LAST_LINE = select(func.coalesce(func.max(col(Posting.line)), 0)).where(
    col(Posting.cause) == bindparam("cause")
)
_POST = insert(table_of(Posting))
_UNAPPLIED = (
    select(
        col(Posting.client_id),
        col(Posting.legal_entity_id),
        col(Posting.currency),
        func.sum(col(Posting.amount)).label("total"),
    )
    .where(
        col(Posting.client_id).in_(bindparam("clients", expanding=True)),
        col(Posting.instalment_id).is_(None),
        col(Posting.payer_id).is_(None),
    )
    .group_by(col(Posting.client_id), col(Posting.legal_entity_id), col(Posting.currency))
)
_AWAITING = (
    select(col(Payment.client_id))
    .join(PaymentName, col(PaymentName.payment_id) == col(Payment.id))
    .where(
        col(Payment.client_id).in_(bindparam("clients", expanding=True)),
        col(PaymentName.invoice_number).in_(bindparam("numbers", expanding=True)),
    )
)
_OPEN = (
    select(func.coalesce(func.sum(col(Posting.amount)), 0))
    .join(Instalment, col(Instalment.id) == col(Posting.instalment_id))
    .where(col(Instalment.invoice_id) == bindparam("invoice"))
)
_INVOICED = (
    select(func.coalesce(func.sum(col(Posting.amount)), 0))
    .join(Instalment, col(Instalment.id) == col(Posting.instalment_id))
    .where(
        col(Instalment.invoice_id) == bindparam("invoice"),
        col(Posting.kind).in_((PostingKind.ISSUE, PostingKind.CORRECTION, PostingKind.VOID)),
    )
)


def caused_by(fact_key: str) -> str:
    """What a posting, which nothing ever changes, says of its fact.

    The fact's own key holds what another system calls the client, and that may be their name.
    """
    return hashlib.sha256(fact_key.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something is posted: the key of a fact, its day, and the moment we learnt of it."""

    key: str
    effective_on: dt.date
    now: dt.datetime


def settle(
    session: Session, clients: Collection[int], entity_id: int, currency: str, cause: Cause
) -> int:
    """Post what is missing in the account of these clients (one, and its aliases).

    Returns how many postings that took: none where the fact changed nothing.
    """
    moves = missing(session, clients, entity_id, currency)
    if moves:
        _post(session, entity_id, currency, cause, moves)
    return len(moves)


def missing(
    session: Session, clients: Collection[int], entity_id: int, currency: str
) -> list[tuple[Spot, int]]:
    """What an account was told and its postings do not say, in minor units; nothing when settled.

    Below zero is posted and was not told.
    """
    session.flush()
    account = {"clients": sorted(clients), "entity": entity_id, "currency": currency}
    wanted = positions(_told(session, account))
    rows = session.connection().execute(_POSTED, account)
    posted = {Spot(*row[:-1]): int(row.total) for row in rows}
    return [
        (spot, difference)
        for spot in sorted({*wanted, *posted}, key=_reading_order)
        if (difference := wanted.get(spot, 0) - posted.get(spot, 0))
    ]


def _reading_order(spot: Spot) -> tuple[int, ...]:
    """What is billed first, then money, then where it went: as people read an account."""
    return (_ORDER[spot.kind], *(part or 0 for part in spot[1:]))


_ORDER = {kind.value: place for place, kind in enumerate(PostingKind)}


def _post(
    session: Session,
    entity_id: int,
    currency: str,
    cause: Cause,
    moves: Sequence[tuple[Spot, int]],
) -> None:
    by = caused_by(cause.key)
    last = session.connection().execute(_LAST_LINE, {"cause": by}).scalar_one()
    rows = [
        {
            **spot._asdict(),
            "legal_entity_id": entity_id,
            "currency": currency,
            "amount": amount,
            "effective_on": cause.effective_on,
            "recorded_at": cause.now,
            "cause": by,
            "line": last + line,
        }
        for line, (spot, amount) in enumerate(moves, 1)
    ]
    session.connection().execute(_POST, rows)


def _told(session: Session, account: dict[str, Any]) -> Account:
    """All that was told of the account, from its rows."""

    def rows(statement: Any) -> Sequence[Any]:
        return session.connection().execute(statement, account).all()

    has = session.connection().execute(_HAS, account).mappings().one()
    seldom = {name: rows(one) if has[name] else () for name, one in _SELDOM.items()}
    shares, names, applied = (_by_first(seldom[one]) for one in ("shares", "names", "applied"))
    withdrawn = {row.payment_id: int(row.amount) for row in seldom["withdrawn"]}
    return Account(
        bills=_bills(rows(_PARTS), shares),
        money=tuple(
            Money(
                id=row.id,
                client_id=row.client_id,
                reference=row.reference,
                received_on=row.received_on,
                received=row.amount,
                refunded=row.refunded,
                withdrawn=withdrawn.get(row.id, 0),
                payer_id=row.payer_id,
                names=tuple(Name(*name) for name in names[row.id]),
            )
            for row in rows(_PAYMENTS)
        ),
        credits=tuple(
            Credit(
                id=row.id,
                client_id=row.client_id,
                kind=row.kind,
                amount=row.amount,
                invoice_id=row.invoice_id,
                applied=applied[row.id],
            )
            for row in seldom["credits"]
        ),
    )


def _by_first(rows: Sequence[Any]) -> defaultdict[int, tuple[Any, ...]]:
    """What follows the first column of each row, by that column."""
    found: defaultdict[int, tuple[Any, ...]] = defaultdict(tuple)
    for first, *rest in rows:
        found[first] = (*found[first], tuple(rest))
    return found


def _bills(rows: Sequence[Any], shares: dict[int, tuple[Any, ...]]) -> tuple[Bill, ...]:
    parts: dict[int, list[Part]] = {}
    heads: dict[int, Any] = {}
    for row in rows:
        heads[row.invoice_id] = row
        parts.setdefault(row.invoice_id, []).append(
            Part(
                id=row.id,
                due_on=row.due_on,
                amount=row.amount,
                position=row.position,
                kind=row.kind,
                waived=row.waived_on is not None,
            )
        )
    return tuple(
        Bill(
            id=invoice_id,
            client_id=head.client_id,
            number=head.number,
            parts=tuple(parts[invoice_id]),
            corrected=head.corrected_amount,
            void=head.state == InvoiceState.VOID,
            written_off=head.state == InvoiceState.UNCOLLECTIBLE,
            shares=shares[invoice_id],
        )
        for invoice_id, head in heads.items()
    )


def invoiced(session: Session, invoice_id: int) -> int:
    """What the invoice comes to with its corrections and without charges, in minor units."""
    return int(session.connection().execute(_INVOICED, {"invoice": invoice_id}).scalar_one())


def unapplied_by(session: Session, clients: Sequence[int]) -> dict[Key, int]:
    """Money on no instalment, in minor units (never negative), by account."""
    session.flush()
    rows = session.connection().execute(_UNAPPLIED, {"clients": clients})
    return {
        (row.client_id, row.legal_entity_id, row.currency): -int(row.total)
        for row in rows
        if row.total
    }


def awaiting(session: Session, clients: Collection[int], numbers: Collection[str]) -> set[int]:
    """Those of the clients whose money named one of these invoices before it was issued."""
    names = [*numbers, *map(remittance.code, numbers)]
    asked = {"clients": sorted(clients), "numbers": names}
    return set(session.connection().execute(_AWAITING, asked).scalars())


def open_of(session: Session, invoice_id: int) -> int:
    """What is open of the invoice, whoever owes it, in minor units."""
    session.flush()
    return int(session.connection().execute(_OPEN, {"invoice": invoice_id}).scalar_one())
