"""What does every booking have at hand, and what does it answer?"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlmodel import Session, col

from billing import aliases, books, references
from billing.keyring import Keyring
from billing.models import UNISSUED, Client, Enrolment, Invoice, Posting
from billing.models import Sequence as Ladder

# Statements are made once: building one costs more than SQLite takes to answer it.
_OF = select(Enrolment).where(
    col(Enrolment.client_id).in_(bindparam("clients", expanding=True)),
)
_IN_DUNNING = select(col(Enrolment.id)).where(
    col(Enrolment.client_id).in_(bindparam("clients", expanding=True)),
    col(Enrolment.sequence) == Ladder.DUNNING,
    col(Enrolment.legal_entity_id) == bindparam("entity"),
    col(Enrolment.currency) == bindparam("currency"),
    col(Enrolment.scope) == "",
)
_ACCOUNTS = (
    select(col(Posting.legal_entity_id), col(Posting.currency))
    .where(col(Posting.client_id).in_(bindparam("clients", expanding=True)))
    .distinct()
    .order_by(col(Posting.legal_entity_id), col(Posting.currency))
)


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
    """Money of the client's own that came in with this fact, in minor units."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction in which a fact is booked.

    ``keys`` yields keyring owners made beforehand, one for each new client; without a ``keyring``
    what people wrote (the text of a line) is not kept.
    """

    session: Session
    now: dt.datetime
    keys: Iterator[str]
    keyring: Keyring | None = None

    def settle(self, account: books.Key, fact_key: str, on: dt.date) -> int:
        """Post what is missing in an account; its sequences are due for a look.

        Clients that are one pay for each other.
        """
        client_id, entity_id, currency = account
        cause = books.Cause(fact_key, on, self.now)
        clients = aliases.group(self.session, client_id)
        moved = books.settle(self.session, clients, entity_id, currency, cause)
        _touch(self.session, clients, self.now)
        return moved

    def settle_invoice(self, invoice: Invoice, fact_key: str, on: dt.date) -> int:
        """The same for the account of an invoice."""
        account = (invoice.client_id, invoice.legal_entity_id, invoice.currency)
        return self.settle(account, fact_key, on)

    def enrol(self, invoice: Invoice) -> None:
        """The account of an invoice is in dunning."""
        account = (invoice.client_id, invoice.legal_entity_id, invoice.currency)
        client_id, entity_id, currency = account
        asked = {"clients": [client_id], "entity": entity_id, "currency": currency}
        # Below the session: nobody else enrols in this transaction, so nothing needs a flush first.
        if self.session.connection().execute(_IN_DUNNING, asked).first() is None:
            self.session.add(
                Enrolment(
                    sequence=Ladder.DUNNING,
                    client_id=client_id,
                    legal_entity_id=entity_id,
                    currency=currency,
                    created_at=self.now,
                    next_due_at=self.now,
                )
            )

    def invoice(self, client_id: int, number: str, entity: str) -> Invoice:
        """The invoice of that number, of the client or of one that is the same client.

        Raises:
            Unknown: nobody issued it, though somebody may be writing it.
        """
        found = self.document(client_id, number, entity)
        if found.state in UNISSUED:
            raise references.Unknown(f"invoice {number} is a {found.state}; issue it first")
        return found

    def document(self, client_id: int, number: str, entity: str) -> Invoice:
        """The same, or one that is still being written.

        Raises:
            Unknown: nobody speaks of it.
            Contradiction: two legal entities have one, and none of them is named.
        """
        clients = aliases.group(self.session, client_id)
        found = references.invoices(self.session, clients, number, entity)
        if len(found) > 1:
            raise Contradiction(
                f"more than one legal entity has an invoice {number} of this client; name which"
            )
        return found[0]

    def key_of(self, client_id: int) -> str:
        """The keyring owner of a client."""
        return self.session.get_one(Client, client_id).key_id


def resettle(session: Session, client_id: int, now: dt.datetime) -> None:
    """Who is one with a client is somebody else now: money goes where it goes for them."""
    clients = aliases.group(session, client_id)
    accounts = session.execute(_ACCOUNTS, {"clients": clients}).all()
    cause = books.Cause(f"kin/{client_id}/{now.isoformat()}", now.date(), now)
    for entity_id, currency in accounts:
        books.settle(session, clients, entity_id, currency, cause)


def touch(session: Session, client_id: int, now: dt.datetime) -> None:
    """Something about the client changed: all its sequences are due for a look.

    So are those of clients that are one with it; what only rests there is put to rest again.
    """
    _touch(session, aliases.group(session, client_id), now)


def _touch(session: Session, clients: Sequence[int], now: dt.datetime) -> None:
    for enrolment in session.execute(_OF, {"clients": clients}).scalars():
        enrolment.next_due_at = now
