"""Do the postings say what documents and money say?

The books are a fold of what was told, so they can be reckoned anew at any moment. Where that gives
something else, somebody changed a row, or took one away, beside the ledger.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, select, true, union
from sqlmodel import Session, col

from billing import aliases, books, money
from billing.models import UNISSUED, Client, Instalment, Invoice, Payment, PaymentState, Posting
from billing.settlement import InstalmentKind, Spot

_ACCOUNTS = union(
    *(
        select(col(model.client_id), col(model.legal_entity_id), col(model.currency)).where(stands)
        for model, stands in (
            (Posting, true()),
            (Invoice, col(Invoice.state).not_in(UNISSUED)),
            (Payment, col(Payment.state) == PaymentState.SUCCEEDED),
        )
    )
)
_PARTS = (
    select(
        col(Invoice.client_id),
        col(Invoice.number),
        col(Invoice.currency),
        col(Invoice.amount),
        func.coalesce(func.sum(col(Instalment.amount)), 0).label("parts"),
    )
    .outerjoin(
        Instalment,
        (col(Instalment.invoice_id) == col(Invoice.id))
        & (col(Instalment.kind) == InstalmentKind.PRINCIPAL),
    )
    .where(col(Invoice.state).not_in(UNISSUED))
    .group_by(col(Invoice.id))
    .having(func.coalesce(func.sum(col(Instalment.amount)), 0) != col(Invoice.amount))
    .order_by(col(Invoice.id))
)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An amount that stands otherwise in the books than in what they are of, and a sentence."""

    client_id: int
    sentence: str


def disagreements(session: Session) -> Iterator[Disagreement]:
    """Reckon every account anew and name what differs: nothing, in books that only facts moved."""
    for row in session.execute(_PARTS):
        says, parts = (money.display(int(one), row.currency) for one in (row.amount, row.parts))
        yield Disagreement(
            row.client_id, f"invoice {row.number} is of {says}, and its parts are of {parts}"
        )
    for (_, entity_id, currency), clients in _accounts(session).items():
        for spot, amount in books.missing(session, clients, entity_id, currency):
            yield Disagreement(spot.client_id, _sentence(session, spot, amount, currency))


def _accounts(session: Session) -> dict[books.Key, set[int]]:
    """Everybody whose account it is, by whoever speaks for them."""
    speakers = dict(session.execute(select(col(Client.id), aliases.SPEAKER)).all())
    found: defaultdict[books.Key, set[int]] = defaultdict(set)
    for client_id, entity_id, currency in session.execute(_ACCOUNTS):
        found[speakers[client_id], entity_id, currency].add(client_id)
    return found


def _sentence(session: Session, spot: Spot, amount: int, currency: str) -> str:
    off = money.display(-amount, currency)
    kind = spot.kind.replace("_", " ")
    return f"{_about(session, spot)}: what is posted as {kind} is {off} away from what was told"


def _about(session: Session, spot: Spot) -> str:
    said = []
    if spot.instalment_id is not None:
        part = session.get_one(Instalment, spot.instalment_id)
        said.append(f"invoice {session.get_one(Invoice, part.invoice_id).number}")
    if spot.payment_id is not None:
        paid = session.get(Payment, spot.payment_id)
        said.append(f"payment {paid.reference if paid else spot.payment_id}")
    return ", ".join(said) or f"credit note {spot.credit_note_id}"
