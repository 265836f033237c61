"""What stands against what clients owe: money under way, and what they promised?

Reads rows, decides nothing; amounts are minor units of the account's currency.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, select
from sqlmodel import Session, col

from billing import books, promises
from billing.aliases import Kin
from billing.models import (
    Instalment,
    Invoice,
    Payment,
    PaymentName,
    PaymentState,
    Posting,
    Promise,
    PromisePart,
    PromiseScope,
)

_UNDER_WAY: Any = (
    select(
        col(Payment.id),
        col(Payment.client_id),
        col(Payment.legal_entity_id),
        col(Payment.currency),
        col(Payment.amount),
        col(PaymentName.invoice_number).label("number"),
    )
    .outerjoin(PaymentName, col(PaymentName.payment_id) == col(Payment.id))
    .where(
        col(Payment.client_id).in_(bindparam("clients", expanding=True)),
        col(Payment.state) == PaymentState.PROCESSING,
        col(Payment.payer_id).is_(None),
    )
    .order_by(col(Payment.id), col(PaymentName.position))
)
_PROMISES = (
    select(
        col(Promise.id),
        col(Promise.client_id),
        col(Promise.legal_entity_id),
        col(Promise.currency),
        col(Promise.made_at),
        col(PromisePart.due_on),
        col(PromisePart.amount),
    )
    .join(PromisePart, col(PromisePart.promise_id) == col(Promise.id))
    .where(
        col(Promise.client_id).in_(bindparam("clients", expanding=True)),
        col(Promise.withdrawn_at).is_(None),
        col(Promise.awaits_since).is_(None),
        col(Promise.outcome) == "",
    )
    .order_by(col(Promise.id), col(PromisePart.position))
)
_SCOPES = select(col(PromiseScope.promise_id), col(PromiseScope.invoice_number)).where(
    col(PromiseScope.promise_id).in_(bindparam("promises", expanding=True))
)
_ARRIVED = (
    select(
        col(Posting.client_id),
        col(Posting.legal_entity_id),
        col(Posting.currency),
        col(Posting.amount),
        col(Invoice.number),
        col(Invoice.issued_on),
        col(Payment.received_on),
        col(Payment.recorded_at),
    )
    .join(Payment, col(Payment.id) == col(Posting.payment_id))
    .join(Instalment, col(Instalment.id) == col(Posting.instalment_id))
    .join(Invoice, col(Invoice.id) == col(Instalment.invoice_id))
    .where(
        col(Posting.client_id).in_(bindparam("clients", expanding=True)),
        col(Posting.payer_id).is_(None),
        col(Payment.received_on) >= bindparam("since"),
    )
)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A payment that neither arrived nor failed yet, and the invoices that it names."""

    client_id: int
    account: tuple[int, str]
    amount: int
    names: frozenset[str]


def under_way(session: Session, kin: Kin) -> list[list[UnderWay]]:
    """The payments that are processing, of each client and those that are one with it."""
    rows = session.connection().execute(_UNDER_WAY, {"clients": list(kin)}).all()
    found: dict[int, list[UnderWay]] = {}
    for _, group in groupby(rows, key=lambda row: row.id):
        named = list(group)
        head = named[0]
        names = frozenset(row.number for row in named if row.number)
        account = (head.legal_entity_id, head.currency)
        payment = UnderWay(head.client_id, account, head.amount, names)
        found.setdefault(kin[head.client_id], []).append(payment)
    return list(found.values())


def promises_of(session: Session, kin: Kin) -> dict[books.Key, list[promises.Promise]]:
    """The promises that nobody withdrew, by the account that speaks, and what came since."""
    rows = session.connection().execute(_PROMISES, {"clients": list(kin)}).all()
    if not rows:
        return {}
    scopes: dict[int, set[str]] = {}
    asked = {"promises": sorted({row.id for row in rows})}
    for promise_id, number in session.connection().execute(_SCOPES, asked):
        scopes.setdefault(promise_id, set()).add(number)
    since = min(row.made_at for row in rows).date()
    asked_all = {"clients": list(kin), "since": since}
    arrived = session.connection().execute(_ARRIVED, asked_all).all()
    found: dict[books.Key, list[promises.Promise]] = {}
    for _, group in groupby(rows, key=lambda row: row.id):
        parts = list(group)
        made = _promise(parts, frozenset(scopes.get(parts[0].id, ())))
        paid = -sum(row.amount for row in arrived if _counts(row, parts[0], made, kin))
        head = parts[0]
        account = (kin[head.client_id], head.legal_entity_id, head.currency)
        found.setdefault(account, []).append(replace(made, paid=paid))
    return found


def _promise(parts: Sequence[Any], scope: frozenset[str]) -> promises.Promise:
    return promises.Promise(
        id=parts[0].id,
        made_on=parts[0].made_at.date(),
        parts=tuple(promises.Part(due_on=row.due_on, amount=row.amount) for row in parts),
        paid=0,
        scope=scope,
    )


def _counts(row: Any, head: Any, promise: promises.Promise, kin: Kin) -> bool:
    """Money for what was promised, which nobody knew of when it was."""
    return (
        kin[row.client_id] == kin[head.client_id]
        and (row.legal_entity_id, row.currency) == (head.legal_entity_id, head.currency)
        and row.received_on >= promise.made_on
        and row.recorded_at >= head.made_at
        and promise.covers(row.number, row.issued_on)
    )
