"""Which row of ours does a fact name?

Facts speak in the words of their source; these few look-ups are where those words meet our ids.
"""

import re
from collections.abc import Sequence

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from billing import facts
from billing.models import (
    Client,
    ExternalRef,
    Invoice,
    LegalEntity,
    Payer,
    PayerKind,
    Staff,
)

# Statements are made once: building one costs more than SQLite takes to answer it.
_TARGET = core_select(col(ExternalRef.target_id)).where(
    *(
        col(getattr(ExternalRef, name)) == bindparam(name)
        for name in ("system", "kind", "external_id")
    )
)
_FIRST_ENTITY = core_select(LegalEntity).order_by(col(LegalEntity.id)).limit(1)
_ENTITY = (
    core_select(LegalEntity)
    .where(col(LegalEntity.name) == bindparam("name"))
    .order_by(col(LegalEntity.id))
    .limit(1)
)


class Unknown(ValueError):
    """The fact speaks of something that nobody has told us of."""


def numbered(said: str, kind: str) -> int | None:
    """Our own id, where a row is named by it as in ``invoice:17``; None where it is not."""
    found = re.fullmatch(rf"{kind}:([0-9]{{1,18}})", said.strip())
    return int(found[1]) if found else None


def client_of(session: Session, source: str, external_id: str) -> int:
    """The id of the client that a source calls so.

    Raises:
        Unknown: nobody described it.
    """
    found = find_client(session, source, external_id)
    if found is None:
        raise Unknown(f"client {external_id} of {source} is not known; describe it first")
    return found


def find_client(session: Session, source: str, external_id: str) -> int | None:
    """The same, or None.

    A merged client stays the one that is named, so that what came in goes with it when the merge is
    undone; ``billing.aliases`` says who speaks for it meanwhile.
    """
    if source == facts.OURSELVES:
        return session.exec(select(Client.id).where(Client.id == int(external_id))).first()
    return known(session, source, "client", facts.joined(source, "client", external_id))


def known(session: Session, system: str, kind: str, external_id: str) -> int | None:
    """Our id of what a system calls so."""
    asked = {"system": system, "kind": kind, "external_id": external_id}
    return session.execute(_TARGET, asked).scalar()


def remember(session: Session, system: str, kind: str, external_id: str, target: int) -> None:
    """From now on the system's name leads to our row."""
    session.add(ExternalRef(system=system, kind=kind, external_id=external_id, target_id=target))


def staff_id(session: Session, email: str | None) -> int | None:
    """The member of staff with that mailbox; a new one, without a role, where nobody has it."""
    if email is None:
        return None
    found = session.exec(select(Staff).where(Staff.email == email)).first()
    if found is None:
        found = Staff(name=email.partition("@")[0], email=email)
        session.add(found)
        session.flush()
    return found.id


def payer(session: Session, source: str, external_id: str) -> int:
    """Our id of somebody else who pays; made where a source names them first."""
    key = facts.joined(source, "payer", external_id)
    found = known(session, source, "payer", key)
    if found is not None:
        return found
    row = Payer(name=external_id, kind=PayerKind.THIRD_PARTY)
    session.add(row)
    session.flush()
    remember(session, source, "payer", key, row.id)
    return row.id


def entity(session: Session, name: str, currency: str) -> LegalEntity:
    """The legal entity of that name; where the fact names none, the first of the firm."""
    asked = (_ENTITY, {"name": name}) if name else (_FIRST_ENTITY, {})
    found: LegalEntity | None = session.execute(*asked).scalars().first()
    if found is None:
        found = LegalEntity(name=name or "Our firm", currency=currency)
        session.add(found)
        session.flush()
    return found


def invoices(
    session: Session, clients: Sequence[int], number: str, entity: str
) -> Sequence[Invoice]:
    """The invoices of that number of clients that are one, of one legal entity where it is named.

    Raises:
        Unknown: nobody issued one.
    """
    query = select(Invoice).where(col(Invoice.client_id).in_(clients), Invoice.number == number)
    if entity:
        query = query.join(LegalEntity).where(LegalEntity.name == entity)
    found = session.exec(query.order_by(col(Invoice.id))).all()
    if not found:
        raise Unknown(f"invoice {number} is not known; issue it first")
    return found
