"""Which postings does a fact make, and what do they sum to?

Postings are only ever added. A cause makes its postings once; what is open, what is unapplied and
what was invoiced are sums over them.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, func
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from billing.models import Instalment, Invoice, InvoiceState, Posting, PostingKind

Account = tuple[int, int, str]
"""Client id, legal entity id, currency: what is never netted with another."""


_UNAPPLIED = (
    core_select(
        col(Posting.client_id),
        col(Posting.legal_entity_id),
        col(Posting.currency),
        func.sum(col(Posting.amount)).label("total"),
    )
    .where(
        col(Posting.client_id).in_(bindparam("clients", expanding=True)),
        col(Posting.instalment_id).is_(None),
    )
    .group_by(col(Posting.client_id), col(Posting.legal_entity_id), col(Posting.currency))
)


class Book:
    """Where the postings of one cause go."""

    def __init__(
        self,
        session: Session,
        account: Account,
        cause: str,
        effective_on: dt.date,
        now: dt.datetime,
        payment_id: int | None = None,
    ) -> None:
        self.session = session
        self.account = account
        self.cause = cause
        self.payment_id = payment_id
        self.owners: Mapping[int, int] = {}
        """Whose an instalment is that belongs to a client who is one with this one."""
        self._line = 0
        self._day = effective_on
        self._now = now

    def known(self) -> bool:
        """Whether this cause was booked before."""
        return (
            self.session.exec(
                select(Posting.id).where(Posting.cause == self.cause).limit(1)
            ).first()
            is not None
        )

    def post(self, kind: PostingKind, amount: int, instalment_id: int | None = None) -> None:
        """Add one posting; a positive amount adds to what the client owes."""
        self._line += 1
        client_id, legal_entity_id, currency = self.account
        self.session.add(
            Posting(
                client_id=self.owners.get(instalment_id or 0, client_id),
                legal_entity_id=legal_entity_id,
                currency=currency,
                kind=kind,
                instalment_id=instalment_id,
                payment_id=self.payment_id,
                amount=amount,
                effective_on=self._day,
                recorded_at=self._now,
                cause=self.cause,
                line=self._line,
            )
        )

    def move(self, amount: int, *, from_instalment: int) -> None:
        """Give back to unapplied cash what an instalment has too much."""
        self.post(PostingKind.ALLOCATION, amount, instalment_id=from_instalment)
        self.post(PostingKind.ALLOCATION, -amount)


def allocate(book: Book, instalments: Sequence[int]) -> None:
    """Unapplied cash of the account goes to these instalments, in their order."""
    book.session.flush()
    left = unapplied(book.session, book.account)
    open_now = open_of(book.session, instalments) if left > 0 and instalments else {}
    for instalment_id in instalments:
        amount = min(left, open_now.get(instalment_id, 0))
        if amount > 0:
            book.post(PostingKind.ALLOCATION, -amount, instalment_id=instalment_id)
            book.post(PostingKind.ALLOCATION, amount)
            left -= amount
    book.session.flush()


def owners(session: Session, clients: Sequence[int]) -> dict[int, int]:
    """Whose each instalment of clients is that are one; empty for one client."""
    if len(clients) == 1:
        return {}
    query = select(Instalment.id, Instalment.client_id)
    return dict(session.exec(query.where(col(Instalment.client_id).in_(clients))).all())


def open_instalments(session: Session, account: Account, clients: Sequence[int] = ()) -> list[int]:
    """The account's instalments with something open, the oldest due first.

    Of all of ``clients``, where the account's is one with others.
    """
    client_id, legal_entity_id, currency = account
    rows = session.exec(
        select(Instalment.id)
        .join(Invoice, col(Invoice.id) == Instalment.invoice_id)
        .join(Posting, col(Posting.instalment_id) == Instalment.id)
        .where(
            col(Instalment.client_id).in_(clients or [client_id]),
            Invoice.legal_entity_id == legal_entity_id,
            Invoice.currency == currency,
            Invoice.state == InvoiceState.ISSUED,
        )
        .group_by(col(Instalment.id), col(Instalment.due_on))
        .having(func.sum(Posting.amount) > 0)
        .order_by(col(Instalment.due_on), col(Instalment.id))
    )
    return list(rows)


def invoiced(session: Session, invoice_id: int) -> int:
    """What the invoice comes to with its corrections, in minor units."""
    return int(
        session.exec(
            select(func.coalesce(func.sum(Posting.amount), 0))
            .join(Instalment, col(Instalment.id) == Posting.instalment_id)
            .where(
                Instalment.invoice_id == invoice_id,
                col(Posting.kind).in_((PostingKind.ISSUE, PostingKind.CORRECTION)),
            )
        ).one()
    )


def unapplied(session: Session, account: Account) -> int:
    """Money of the account that is on no instalment, in minor units (never negative)."""
    return unapplied_by(session, [account[0]]).get(account, 0)


def unapplied_by(session: Session, clients: Sequence[int]) -> dict[Account, int]:
    """The same for every account of many clients; without those that have none."""
    rows = session.execute(_UNAPPLIED, {"clients": clients})
    return {
        (row.client_id, row.legal_entity_id, row.currency): -int(row.total)
        for row in rows
        if row.total
    }


def open_of(session: Session, instalments: Sequence[int]) -> dict[int, int]:
    """What is open on each, in minor units; without those that never had a posting."""
    rows = session.exec(
        select(Posting.instalment_id, func.sum(Posting.amount))
        .where(col(Posting.instalment_id).in_(instalments))
        .group_by(col(Posting.instalment_id))
    )
    return {int(key): int(amount) for key, amount in rows if key is not None}
