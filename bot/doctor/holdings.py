"""How much of each thing do we hold, counted by the database and told per client?

One statement a question, each linear in what it counts; nothing is judged here.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, and_, case, cast, func, or_, select
from sqlmodel import Session, col

from billing.aliases import SPEAKER
from billing.models import (
    Address,
    Agreement,
    AgreementState,
    Client,
    ContactAddress,
    Erasure,
    Health,
    Instalment,
    Invoice,
    InvoiceLine,
    InvoiceState,
    LegalEntity,
    Posting,
    PrimaryRecipient,
    Staff,
    Verification,
)
from comms.models import ConsentEvent

Counts = dict[int, tuple[int, int]]
"""By client: how many have it, of how many."""
AGREEMENT = ("service_type", "rate_card", "billing_cycle", "payment_terms", "contract_value")
INVOICE = ("service_type", "terms")
_ACTIVE = col(Agreement.state) == AgreementState.ACTIVE
_ISSUED = col(Invoice.state) == InvoiceState.ISSUED


@dataclass(frozen=True, slots=True)
class Known:
    """A client, or one that speaks for several; ``open`` in minor units by currency."""

    id: int
    name: str
    country: str
    tax_number: str
    owned: bool
    contact: bool = False
    usable: bool = False
    open: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Holdings:
    """What there is, before anybody judges it."""

    heads: dict[int, int]
    """Every client, and the one that speaks for it; of who was erased nothing is missing."""
    clients: dict[int, Known]
    entities: Sequence[LegalEntity]
    agreements: dict[str, Counts]
    invoices: dict[str, Counts]
    terms: Sequence[Any]
    currencies: Sequence[Any]
    cycles: Sequence[Any]
    taxes: Sequence[Any]
    service_types: Sequence[Any]


def read(session: Session) -> Holdings:
    """Count everything."""
    heads, clients = _clients(session)
    lines = {"tax_code": _of_heads(heads, _tax_codes(session))}
    return Holdings(
        heads=heads,
        clients=clients,
        entities=list(session.execute(select(LegalEntity)).scalars()),
        agreements=_columns(session, heads, Agreement, AGREEMENT, _ACTIVE),
        invoices=_columns(session, heads, Invoice, INVOICE, _ISSUED) | lines,
        terms=_here(heads, _terms(session)),
        currencies=_here(heads, _currencies(session)),
        cycles=_here(heads, _cycles(session)),
        taxes=_here(heads, _taxes(session)),
        service_types=_service_types(session),
    )


def _here(heads: dict[int, int], rows: Sequence[Any]) -> Sequence[Any]:
    """Rows of clients that were not erased; the first column is the client."""
    return [row for row in rows if row[0] in heads]


def _clients(session: Session) -> tuple[dict[int, int], dict[int, Known]]:
    """Who speaks for whom, and those who speak."""
    held = col(Client.owner_id).is_not(None) & col(Staff.active).is_(True)
    columns = col(Client.name), col(Client.country), col(Client.tax_number)
    owned = case((held, 1), else_=0)
    query = select(col(Client.id), SPEAKER.label("head"), *columns, owned.label("owned")).where(
        SPEAKER.not_in(select(col(Erasure.client_id)))
    )
    rows = session.execute(query.outerjoin(Staff, col(Staff.id) == col(Client.owner_id))).all()
    heads = {row.id: row.head for row in rows}
    reach, owed = _reach(session, heads), _open(session, heads)
    return heads, {
        row.id: Known(
            row.id,
            row.name,
            row.country,
            row.tax_number,
            bool(row.owned),
            row.id in reach,
            reach.get(row.id, 0) > 0,
            tuple(sorted(owed.get(row.id, {}).items())),
        )
        for row in rows
        if row.head == row.id
    }


def _reach(session: Session, heads: dict[int, int]) -> dict[int, int]:
    """How many usable addresses the recipient of bills has, of those who have a recipient."""
    spoken = (
        select(col(ConsentEvent.address_id), func.max(col(ConsentEvent.id)).label("last"))
        .where(col(ConsentEvent.change) != "asserted")
        .group_by(col(ConsentEvent.address_id))
        .subquery()
    )
    stopped = (
        select(spoken.c.address_id)
        .join(ConsentEvent, col(ConsentEvent.id) == spoken.c.last)
        .where(col(ConsentEvent.change) == "revoked")
    )
    agreed = select(col(ConsentEvent.address_id))
    usable = and_(
        col(Address.health) != Health.DEAD,
        col(Address.verification).in_((Verification.VERIFIED, Verification.ASSERTED)),
        col(Address.id).not_in(stopped),
        or_(col(Address.kind) == "email", col(Address.id).in_(agreed)),
    )
    query = (
        select(col(PrimaryRecipient.client_id), func.sum(case((usable, 1), else_=0)))
        .outerjoin(
            ContactAddress, col(ContactAddress.contact_id) == col(PrimaryRecipient.contact_id)
        )
        .outerjoin(Address, col(Address.id) == col(ContactAddress.address_id))
        .where(col(PrimaryRecipient.topic) == "billing")
        .group_by(col(PrimaryRecipient.client_id))
    )
    found: dict[int, int] = {}
    for client_id, count in _here(heads, session.execute(query).all()):
        found[heads[client_id]] = found.get(heads[client_id], 0) + int(count or 0)
    return found


def _open(session: Session, heads: dict[int, int]) -> dict[int, dict[str, int]]:
    query = (
        select(col(Posting.client_id), col(Posting.currency), func.sum(col(Posting.amount)))
        .where(col(Posting.instalment_id).is_not(None), col(Posting.payer_id).is_(None))
        .group_by(col(Posting.client_id), col(Posting.currency))
    )
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for client_id, currency, amount in _here(heads, session.execute(query).all()):
        owed = found[heads[client_id]]
        owed[currency] = owed.get(currency, 0) + int(amount)
    return {one: {code: sum_ for code, sum_ in owed.items() if sum_} for one, owed in found.items()}


def _columns(
    session: Session, heads: dict[int, int], model: Any, names: Sequence[str], which: Any
) -> dict[str, Counts]:
    """Of a table's rows: in how many each column is filled."""
    filled = [_filled(getattr(model, name)).label(f"n{at}") for at, name in enumerate(names)]
    query = select(col(model.client_id), func.count().label("whole"), *filled)
    rows = session.execute(query.where(which).group_by(col(model.client_id))).all()
    return {
        name: _of_heads(heads, [(row[0], row[2 + at], row.whole) for row in rows])
        for at, name in enumerate(names)
    }


def _filled(column: Any) -> Any:
    return func.count(column if column.key == "contract_value" else func.nullif(column, ""))


def _of_heads(heads: dict[int, int], rows: Sequence[Any]) -> Counts:
    found: Counts = {}
    for client_id, having, whole in _here(heads, rows):
        before = found.get(heads[client_id], (0, 0))
        found[heads[client_id]] = (before[0] + int(having), before[1] + int(whole))
    return found


def _tax_codes(session: Session) -> Sequence[Any]:
    """An invoice has them where each of its lines has one."""
    least = (
        select(col(InvoiceLine.invoice_id), func.min(col(InvoiceLine.tax_code)).label("least"))
        .group_by(col(InvoiceLine.invoice_id))
        .subquery()
    )
    query = (
        select(col(Invoice.client_id), func.count(func.nullif(least.c.least, "")), func.count())
        .outerjoin(least, least.c.invoice_id == col(Invoice.id))
        .where(_ISSUED)
        .group_by(col(Invoice.client_id))
    )
    return session.execute(query).all()


def _terms(session: Session) -> Sequence[Any]:
    """Client, terms, days until due, how many, and one of them; bills in parts are left out."""
    days = _days(session, col(Invoice.due_on), col(Invoice.issued_on)).label("days")
    in_parts = select(col(Instalment.invoice_id)).where(
        col(Instalment.position) > 1, col(Instalment.kind) == "principal"
    )
    query: Any = (
        select(
            col(Invoice.client_id),
            col(Invoice.terms),
            days,
            func.count().label("count"),
            func.min(col(Invoice.number)).label("number"),
        )
        .where(_ISSUED, col(Invoice.terms) != "", col(Invoice.id).not_in(in_parts))
        .group_by(col(Invoice.client_id), col(Invoice.terms), days)
        .order_by(col(Invoice.client_id), col(Invoice.terms), days)
    )
    return session.execute(query).all()


def _days(session: Session, later: Any, earlier: Any) -> Any:
    if session.get_bind().dialect.name == "sqlite":
        return cast(func.julianday(later) - func.julianday(earlier), Integer)
    return cast(later - earlier, Integer)


def _currencies(session: Session) -> Sequence[Any]:
    query: Any = (
        select(
            col(Agreement.client_id),
            col(Agreement.name),
            col(Agreement.currency),
            col(LegalEntity.currency).label("own"),
        )
        .join(LegalEntity, col(LegalEntity.id) == col(Agreement.legal_entity_id))
        .where(_ACTIVE)
        .order_by(col(Agreement.id))
    )
    return session.execute(query).all()


def _cycles(session: Session) -> Sequence[Any]:
    """Agreements whose service type is billed by nothing else, and how often it was."""
    account = "client_id", "legal_entity_id", "currency", "service_type"
    alone = (
        select(*(col(getattr(Agreement, name)) for name in account), _least(Agreement))
        .where(_ACTIVE, col(Agreement.service_type) != "")
        .group_by(*(col(getattr(Agreement, name)) for name in account))
        .having(func.count() == 1)
        .subquery()
    )
    days = func.count(col(Invoice.issued_on).distinct()).label("bills")
    query: Any = (
        select(
            col(Agreement.client_id),
            col(Agreement.name),
            col(Agreement.billing_cycle),
            days,
            func.min(col(Invoice.issued_on)).label("first"),
            func.max(col(Invoice.issued_on)).label("last"),
        )
        .join(alone, alone.c.least == col(Agreement.id))
        .join(Invoice, and_(*(getattr(alone.c, one) == getattr(Invoice, one) for one in account)))
        .where(_ISSUED, col(Agreement.billing_cycle) != "")
        .group_by(col(Agreement.id))
        .order_by(col(Agreement.id))
    )
    return session.execute(query).all()


def _least(model: Any) -> Any:
    return func.min(col(model.id)).label("least")


def _taxes(session: Session) -> Sequence[Any]:
    query: Any = (
        select(
            col(Invoice.client_id),
            col(LegalEntity.country).label("own"),
            col(InvoiceLine.tax_code),
            col(InvoiceLine.jurisdiction),
            func.count().label("count"),
            func.min(col(Invoice.number)).label("number"),
        )
        .join(Invoice, col(Invoice.id) == col(InvoiceLine.invoice_id))
        .join(LegalEntity, col(LegalEntity.id) == col(Invoice.legal_entity_id))
        .where(_ISSUED, or_(col(InvoiceLine.tax_code) != "", col(InvoiceLine.jurisdiction) != ""))
        .group_by(
            col(Invoice.client_id),
            col(LegalEntity.country),
            col(InvoiceLine.tax_code),
            col(InvoiceLine.jurisdiction),
        )
        .order_by(col(Invoice.client_id), func.min(col(Invoice.number)))
    )
    return session.execute(query).all()


def _service_types(session: Session) -> Sequence[Any]:
    """Each spelling, and how often it stands on agreements and invoices."""
    found: dict[str, int] = {}
    for model, which in ((Agreement, _ACTIVE), (Invoice, _ISSUED)):
        word = col(getattr(model, "service_type"))  # noqa: B009 - of either table
        query = select(word, func.count()).where(which, word != "").group_by(word)
        for said, count in session.execute(query):
            found[said] = found.get(said, 0) + int(count)
    return sorted(found.items())
