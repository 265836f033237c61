"""Who are we: the legal entities that bill, the people who work here, and may messages leave?"""

import datetime as dt
from enum import StrEnum

from sqlmodel import Field, SQLModel

from billing.models.columns import code, key, maybe, moment, number, one_of, ref


class Role(StrEnum):
    """What a member of staff may do; nobody has one by default."""

    ACCOUNT_MANAGER = "account_manager"
    FINANCE = "finance"
    COMPLIANCE = "compliance"
    PRIVILEGED = "privileged"
    ADMIN = "admin"


class LegalEntity(SQLModel, table=True):
    """One that issues invoices; a send without its addresses and pay link is withheld."""

    __tablename__ = "legal_entity"

    id: int = key()
    name: str = Field(unique=True)
    postal_address: str = ""
    from_name: str = ""
    from_address: str = ""
    pay_link: str = ""
    phone: str = ""
    sms_unregistered: bool = False
    """The carriers do not know ``phone`` yet (A2P 10DLC): what is texted would be filtered."""
    currency: str = "USD"
    country: str = "US"


class Staff(SQLModel, table=True):
    """A person of the firm."""

    id: int = key()
    name: str
    email: str = Field(unique=True)
    slack_user: str | None = Field(default=None, unique=True)
    active: bool = True


class StaffRole(SQLModel, table=True):
    """A role that somebody was given."""

    __tablename__ = "staff_role"
    __table_args__ = (one_of("staff_role", "role", Role),)

    staff_id: int = ref("staff.id", primary=True)
    role: str = Field(primary_key=True)
    granted_at: dt.datetime = moment()
    granted_by: str = ""


class LiveSwitch(SQLModel, table=True):
    """A turn of the go-live switch.

    The latest row with no client rules all, and a client's latest row rules that client. No row at
    all means closed.
    """

    __tablename__ = "live_switch"
    __table_args__ = (one_of("live_switch", "state", ("open", "closed")),)

    id: int = key()
    client_id: int | None = maybe("client.id", index=True)
    state: str = code()
    daily_cap: int | None = number(nullable=True)
    redirect_to: str = ""
    changed_at: dt.datetime = moment()
    changed_by: str = ""
