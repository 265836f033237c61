"""Who owes us, which people speak for them, and at which addresses?"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from billing.models.columns import code, key, maybe, moment, number, one_of, ref
from billing.store import Id


class Verification(StrEnum):
    """How sure we are that an address is the contact's."""

    UNVERIFIED = "unverified"
    ASSERTED = "asserted"
    VERIFIED = "verified"
    WRONG = "wrong"
    REASSIGNED = "reassigned"


class Health(StrEnum):
    """Whether messages arrive there."""

    OK = "ok"
    DEAD = "dead"


class Client(SQLModel, table=True):
    """A legal debtor: the master record that holds, consent and history hang on.

    ``key_id`` names the client's key in the keyring, which is made before this row.
    """

    __table_args__ = (
        Index("client_named", text("lower(name)")),
        Index(
            "client_with_ladder",
            "ladder",
            sqlite_where=text("ladder IS NOT NULL"),
            postgresql_where=text("ladder IS NOT NULL"),
        ),
    )

    id: int = key()
    key_id: str = Field(unique=True)
    name: str = Field(index=True)
    timezone: str = "UTC"
    country: str = "US"
    region: str = ""
    language: str = "en"
    city: str = ""
    postal_code: str = ""
    tax_number: str = ""
    owner_id: int | None = maybe("staff.id", index=True)
    segment: str | None = None
    """What kind of client the firm calls it; the policy may give it a ladder of its own."""
    ladder: str | None = None
    """The ladder of this client, whatever its segment."""
    merged_into_id: int | None = maybe("client.id", index=True)
    """The client that this one is an alias of; ``billing.aliases`` says what follows."""
    speaks_since: dt.datetime | None = moment(nullable=True)
    """Since when others are merged into this one; None where nobody is."""
    imported_on: dt.date | None = None
    created_at: dt.datetime = moment()


REFERRED = (
    "client", "invoice", "payment", "agreement", "dispute", "payer", "credit_note",
    "credit_applied", "charge", "promise", "hold",
)  # fmt: skip


class ExternalRef(SQLModel, table=True):
    """What another system calls a row of ours."""

    __tablename__ = "external_ref"
    __table_args__ = (one_of("external_ref", "kind", REFERRED),)

    system: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    external_id: str = Field(primary_key=True)
    target_id: int = Field(sa_type=Id, index=True)


class Contact(SQLModel, table=True):
    """A person at a client."""

    id: int = key()
    client_id: int = ref("client.id", index=True)
    name: str = ""
    active: bool = True


class ContactRole(SQLModel, table=True):
    """What the person is there for: billing, ap, decision, legal."""

    __tablename__ = "contact_role"
    __table_args__ = (one_of("contact_role", "role", ("billing", "ap", "decision", "legal")),)

    contact_id: int = ref("contact.id", primary=True)
    role: str = Field(primary_key=True)


class PrimaryRecipient(SQLModel, table=True):
    """Exactly one person per client and topic is written to."""

    __tablename__ = "primary_recipient"
    __table_args__ = (one_of("primary_recipient", "topic", ("billing", "renewal")),)

    client_id: int = ref("client.id", primary=True)
    topic: str = Field(primary_key=True)
    contact_id: int = ref("contact.id", index=True)


class Address(SQLModel, table=True):
    """A phone number (E.164) or a mailbox (lower case).

    STOP, consent, health and verification hang here: two clients with one phone share a STOP.
    """

    __table_args__ = (
        UniqueConstraint("kind", "value", name="address_kind_value"),
        one_of("address", "kind", ("sms", "email")),
        one_of("address", "verification", Verification),
        one_of("address", "health", Health),
    )

    id: int = key()
    kind: str = code()
    value: str
    verification: str = code(default=Verification.ASSERTED)
    health: str = code(default=Health.OK)
    created_at: dt.datetime = moment()


class ContactAddress(SQLModel, table=True):
    """Which addresses a contact has; the lowest position of a kind is used first."""

    __tablename__ = "contact_address"

    contact_id: int = ref("contact.id", primary=True)
    address_id: int = Field(foreign_key="address.id", primary_key=True, index=True, sa_type=Id)
    position: int = number(default=0)
    wrong_since: dt.datetime | None = moment(nullable=True)
    """Who reads there said that they are somebody else; this contact is not written to there."""
