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
        Index(
            "incoming_named",
            "named",
            sqlite_where=text("named <> ''"),
            postgresql_where=text("named <> ''"),
        ),
    )

    id: int = key()
    source: str = code()
    external_id: str
    named: str = ""
    """A digest of what a mail calls itself, its Message-ID: by that others speak of it."""
    state: str = code(default=IncomingState.PENDING)
    received_at: dt.datetime = moment()
    body_id: int | None = Field(default=None, sa_type=Id, nullable=True)
    """In the vault. It may expire before this row does, so the database does not insist on it."""
    attempts: int = number(default=0)
    next_attempt_at: dt.datetime | None = moment(nullable=True, index=True)
    problem: str = ""
    labels: str | None = None
    """What was found in what a person wrote, also in its files, with blanks between."""
    client_id: int | None = maybe("client.id")
    done_at: dt.datetime | None = moment(nullable=True)


class Incident(SQLModel, table=True):
    """Something came that may not lie about: a number that nobody may see, or what none can read.

    It is a person's turn where nothing could read it: ``closed_at`` says that they have dealt with
    it. A number was covered before anything was kept; its row is the record of that.
    """

    __table_args__ = (
        one_of("incident", "kind", ("number", "unreadable")),
        Index("incident_open", "closed_at", "found_at"),
    )

    id: int = key()
    kind: str = code()
    incoming_id: int = Field(sa_type=Id, unique=True)
    """The request may expire before this row does."""
    client_id: int | None = maybe("client.id", index=True)
    channel: str = code()
    labels: str = code()
    found_at: dt.datetime = moment()
    read_by: str = ""
    """Who of those that may has looked at it first."""
    read_at: dt.datetime | None = moment(nullable=True)
    closed_by: str = ""
    closed_at: dt.datetime | None = moment(nullable=True)


class RecallState(StrEnum):
    """Where it stands with the provider."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class Recall(SQLModel, table=True):
    """A copy at a provider that is to lose its words, or to go: asked for until it has.

    ``key`` is made of the provider's own name of the copy, so that nothing is asked for twice.
    """

    __table_args__ = (
        one_of("recall", "change", ("redact", "media", "delete")),
        one_of("recall", "state", RecallState),
        Index("recall_due", "state", "next_attempt_at"),
    )

    id: int = key()
    key: str = code(unique=True)
    channel: str = code()
    change: str = code()
    provider_id: str
    place: str = ""
    """Where in the provider: a Slack channel, or the person of a direct message."""
    client_id: int | None = maybe("client.id", index=True)
    incoming_id: int | None = Field(default=None, sa_type=Id, nullable=True, index=True)
    state: str = code(default=RecallState.PENDING)
    outcome: str = code(default="")
    """``gone`` where it was not there any more."""
    attempts: int = number(default=0)
    problem: str = code(default="")
    """The provider's code of the last refusal."""
    created_at: dt.datetime = moment()
    next_attempt_at: dt.datetime | None = moment(nullable=True)
    done_at: dt.datetime | None = moment(nullable=True)


class Stricture(SQLModel, table=True):
    """A row that has a line in the log of strictures, and the number of the line.

    The highest number is how many lines this database knows; those that were done again here have
    one row for all, of the kind ``log``.
    """

    __tablename__ = "stricture"
    __table_args__ = (one_of("stricture", "kind", ("access", "consent", "wall", "unwall", "log")),)

    kind: str = Field(primary_key=True)
    row_id: int = Field(sa_type=Id, primary_key=True)
    line: int = Field(sa_type=Id, index=True)


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
