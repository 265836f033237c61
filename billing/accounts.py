"""What does a client owe, and where do its sequences stand, as facts that a decision can take?

Reads rows, decides nothing. Amounts are minor units of the account's currency and are never added
across currencies or legal entities.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import Session, col, select

from billing import arrears, books, renewals
from billing.models import (
    OPEN_DISPUTES,
    Agreement,
    Client,
    Enrolment,
    Hold,
    Instalment,
    Invoice,
    InvoiceDispute,
    InvoiceState,
    Posting,
    StepListed,
    StepTaken,
)


@dataclass(frozen=True, slots=True)
class Balance:
    """What one account of a client comes to."""

    legal_entity_id: int
    currency: str
    open: int
    overdue: int
    unapplied: int


@dataclass(frozen=True, slots=True)
class Owed:
    """An open instalment, and the account it belongs to."""

    legal_entity_id: int
    currency: str
    instalment: arrears.OpenInstalment


def owed(
    session: Session, client_id: int, legal_entity_id: int | None = None, currency: str = ""
) -> list[Owed]:
    """All that is open, the oldest due first; of one account where its entity is given."""
    still_open = func.sum(Posting.amount)
    query = (
        select(Instalment, Invoice, still_open)
        .join(Invoice, col(Invoice.id) == Instalment.invoice_id)
        .join(Posting, col(Posting.instalment_id) == Instalment.id)
        .where(Instalment.client_id == client_id, Invoice.state == InvoiceState.ISSUED)
        .group_by(col(Instalment.id), col(Invoice.id))
        .having(still_open > 0)
        .order_by(col(Instalment.due_on), col(Instalment.id))
    )
    if legal_entity_id is not None:
        query = query.where(
            Invoice.legal_entity_id == legal_entity_id, Invoice.currency == currency
        )
    rows = [(instalment, invoice, int(open_)) for instalment, invoice, open_ in session.exec(query)]
    disputed = _disputed(session, [invoice.id for _, invoice, _ in rows])
    return [_owed(row, disputed) for row in rows]


def _owed(row: tuple[Instalment, Invoice, int], disputed: dict[int, int | None]) -> Owed:
    """Takes from ``disputed`` what this instalment covers, so that the next one sees the rest."""
    instalment, invoice, open_ = row
    contested = disputed.get(invoice.id, 0)
    share = open_ if contested is None else min(open_, contested)
    if contested is not None:
        disputed[invoice.id] = contested - share
    return Owed(
        invoice.legal_entity_id,
        invoice.currency,
        arrears.OpenInstalment(
            id=instalment.id,
            invoice_id=invoice.id,
            number=invoice.number,
            currency=invoice.currency,
            issued_on=invoice.issued_on,
            due_on=instalment.due_on,
            amount=instalment.amount,
            open=open_,
            disputed=share,
        ),
    )


def _disputed(session: Session, invoices: Sequence[int]) -> dict[int, int | None]:
    """The contested amount by invoice; None means all of it."""
    query = select(InvoiceDispute.invoice_id, InvoiceDispute.amount).where(
        col(InvoiceDispute.invoice_id).in_(invoices),
        col(InvoiceDispute.state).in_(OPEN_DISPUTES),
    )
    found: dict[int, int | None] = {}
    for invoice_id, amount in session.exec(query):
        so_far = found.get(invoice_id, 0)
        found[invoice_id] = None if amount is None or so_far is None else so_far + amount
    return found


def balances(session: Session, client_id: int, today: dt.date) -> list[Balance]:
    """The client's accounts that are not at zero; ``today`` is the client's own day."""
    rows = session.exec(
        select(
            Posting.legal_entity_id,
            Posting.currency,
            func.sum(Posting.amount).filter(col(Posting.instalment_id).is_not(None)),
            func.sum(Posting.amount).filter(col(Posting.instalment_id).is_(None)),
        )
        .where(Posting.client_id == client_id)
        .group_by(col(Posting.legal_entity_id), col(Posting.currency))
        .order_by(col(Posting.legal_entity_id), col(Posting.currency))
    ).all()
    late: dict[tuple[int, str], int] = {}
    for debt in owed(session, client_id):
        if arrears.is_overdue(debt.instalment, today, 0):
            account = (debt.legal_entity_id, debt.currency)
            late[account] = late.get(account, 0) + debt.instalment.open
    found = [
        Balance(entity, currency, int(debt or 0), late.get((entity, currency), 0), -int(cash or 0))
        for entity, currency, debt, cash in rows
    ]
    return [balance for balance in found if balance.open or balance.unapplied]


def overdue(session: Session, client_id: int, today: dt.date) -> tuple[arrears.OpenInstalment, ...]:
    """Everything overdue of a client, in any entity and currency: what the outreach gate asks."""
    instalments = (debt.instalment for debt in owed(session, client_id))
    return tuple(found for found in instalments if arrears.is_overdue(found, today, 0))


def holds(session: Session, client_id: int) -> tuple[arrears.HoldFact, ...]:
    """The client's holds that nobody has released; the decision looks at their ends."""
    query = select(Hold).where(Hold.client_id == client_id, col(Hold.released_at).is_(None))
    return tuple(
        arrears.HoldFact(
            id=hold.id, reason=hold.reason, until=hold.until, invoice_id=hold.invoice_id
        )
        for hold in session.exec(query)
    )


def taken(session: Session, enrolment: Enrolment) -> tuple[arrears.Taken, ...]:
    """The steps of the enrolment's current episode, in their order.

    A step whose message was cancelled was not taken: the client never heard of it.
    """
    steps = session.exec(
        select(StepTaken)
        .where(
            StepTaken.enrolment_id == enrolment.id,
            StepTaken.episode == enrolment.episode,
            StepTaken.how != "cancelled",
        )
        .order_by(col(StepTaken.step), col(StepTaken.round))
    ).all()
    listed: dict[int, set[int]] = {}
    if steps:
        query = select(StepListed).where(
            col(StepListed.step_taken_id).in_([step.id for step in steps])
        )
        for row in session.exec(query):
            listed.setdefault(row.step_taken_id, set()).add(row.instalment_id)
    return tuple(
        arrears.Taken(
            step=step.step,
            round=step.round,
            taken_on=step.taken_on,
            how=step.how,
            listed=frozenset(listed.get(step.id, ())),
        )
        for step in steps
    )


def in_dunning(session: Session, enrolment: Enrolment, client: Client) -> arrears.Account:
    """The account that a dunning enrolment is about."""
    key = (client.id, enrolment.legal_entity_id, enrolment.currency)
    return arrears.Account(
        client_id=client.id,
        legal_entity_id=enrolment.legal_entity_id,
        currency=enrolment.currency,
        timezone=client.timezone,
        country=client.country,
        region=client.region,
        instalments=tuple(debt.instalment for debt in owed(session, *key)),
        unapplied=books.unapplied(session, key),
        holds=holds(session, client.id),
        taken=taken(session, enrolment),
        imported_on=client.imported_on,
    )


def in_renewal(session: Session, enrolment: Enrolment) -> renewals.RenewalFact:
    """The agreement that a renewal enrolment is about."""
    agreement = session.get_one(Agreement, enrolment.agreement_id)
    return renewals.RenewalFact(
        agreement_id=agreement.id,
        name=agreement.name,
        kind=agreement.kind,
        renews_on=agreement.renews_on,
        amount=agreement.amount,
        currency=agreement.currency,
        taken=tuple(step.step for step in taken(session, enrolment)),
        state=agreement.state,
    )
