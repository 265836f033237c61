"""What was offered to a client, and who let something pass although the client is overdue?"""

import datetime as dt

from sqlmodel import SQLModel

from billing.models.columns import body, code, key, minor, moment, ref, that


class GateOverride(SQLModel, table=True):
    """Renewals and offers to a client pass its overdue balance until a moment, never for ever."""

    __tablename__ = "gate_override"
    __table_args__ = (that("gate_override", "ends", "until > granted_at"),)

    id: int = key()
    client_id: int = ref("client.id", index=True)
    note_id: int | None = body()
    """Why, in their words."""
    granted_by: str = code()
    granted_at: dt.datetime = moment()
    until: dt.datetime = moment()
    revoked_at: dt.datetime | None = moment(nullable=True)
    revoked_by: str = ""


class OfferMade(SQLModel, table=True):
    """One offer to one client; ``cause`` names what brought it about, so that it is made once."""

    __tablename__ = "offer_made"

    id: int = key()
    client_id: int = ref("client.id", index=True)
    legal_entity_id: int = ref("legal_entity.id")
    name: str = code()
    trigger: str = code()
    cause: str = code(unique=True)
    discount_code: str = ""
    percent: str = ""
    amount: int | None = minor(nullable=True)
    currency: str = ""
    valid_until: dt.date | None = None
    offered_at: dt.datetime = moment()
