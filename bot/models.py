"""What came in from outside, how far did we get with it, and which systems may ask and tell us?"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from billing.models.columns import code, key, maybe, moment, number, one_of
from billing.store import Id


class IncomingState(StrEnum):
    """Where a delivery stands; only ``pending`` is looked at again by itself."""

    PENDING = "pending"
    DONE = "done"
    IGNORED = "ignored"
    UNREADABLE = "unreadable"
    UNMATCHED = "unmatched"
    FAILED = "failed"


class Incoming(SQLModel, table=True):
    """One delivery, kept before it is answered; the same one comes again and changes nothing.

    ``problem`` is a short code, never what a client wrote: the words lie in the vault.
    """

    __table_args__ = (
        UniqueConstraint("source", "external_id", name="incoming_once"),
        one_of("incoming", "state", IncomingState),
        Index("incoming_of_state", "state", "received_at"),
        Index("incoming_of_client", "client_id", "received_at"),
        Index("incoming_of_source", "source", "received_at"),
        Index(
            "incoming_with_body",
            "received_at",
            sqlite_where=text("body_id IS NOT NULL"),
            postgresql_where=text("body_id IS NOT NULL"),
        ),
    )

    id: int = key()
    source: str = code()
    external_id: str
    state: str = code(default=IncomingState.PENDING)
    received_at: dt.datetime = moment()
    body_id: int | None = Field(default=None, sa_type=Id, nullable=True)
    """In the vault. It may expire before this row does, so the database does not insist on it."""
    attempts: int = number(default=0)
    next_attempt_at: dt.datetime | None = moment(nullable=True, index=True)
    problem: str = ""
    client_id: int | None = maybe("client.id")
    done_at: dt.datetime | None = moment(nullable=True)


class ApiToken(SQLModel, table=True):
    """What another system proves itself with; of the secret only its hash is here.

    A row is never deleted: who made it and who ended it stays. ``handle`` is the part of the token
    that may be shown.
    """

    __tablename__ = "api_token"

    id: int = key()
    handle: str = code(unique=True)
    name: str = Field(unique=True)
    digest: str = code()
    scopes: str = code()
    """With blanks between them."""
    created_at: dt.datetime = moment()
    created_by: str
    expires_at: dt.datetime | None = moment(nullable=True)
    revoked_at: dt.datetime | None = moment(nullable=True)
    revoked_by: str = ""
    last_used_on: dt.date | None = None
