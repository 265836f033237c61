"""What must be kept, what was erased, and what did a person ask us about their data?"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import Index
from sqlmodel import SQLModel

from billing.models.columns import body, code, key, moment, one_of, ref


class LegalHold(SQLModel, table=True):
    """Everything of a client is evidence: nothing is erased, expires or loses its key meanwhile."""

    __tablename__ = "legal_hold"
    __table_args__ = (Index("legal_hold_of_client", "client_id", "released_at"),)

    id: int = key()
    client_id: int = ref("client.id")
    matter: str
    note_id: int | None = body()
    """Why, in their words."""
    placed_by: str
    placed_at: dt.datetime = moment()
    released_at: dt.datetime | None = moment(nullable=True)
    released_by: str = ""
    release_note_id: int | None = body()


class Erasure(SQLModel, table=True):
    """A client's key was destroyed and what identified them taken out; ``key_id`` is that key.

    ``replayed``: in a copy that was made before, from the log of erasures.
    """

    id: int = key()
    client_id: int = ref("client.id", index=True)
    key_id: str = code(unique=True)
    reason: str
    erased_by: str
    erased_at: dt.datetime = moment()
    replayed: bool = False


class RequestKind(StrEnum):
    """What a person asked for."""

    ACCESS = "access"
    ERASURE = "erasure"


class RightsRequest(SQLModel, table=True):
    """A person asked what we hold of them, or to erase it: a case with a day on which it is due."""

    __tablename__ = "rights_request"
    __table_args__ = (
        one_of("rights_request", "kind", RequestKind),
        one_of("rights_request", "state", ("open", "closed")),
        one_of("rights_request", "outcome", ("", "granted", "partly", "refused")),
        Index("rights_request_open", "state", "due_on"),
    )

    id: int = key()
    client_id: int = ref("client.id", index=True)
    kind: str = code()
    received_on: dt.date
    due_on: dt.date
    extended_on: dt.date | None = None
    """When the person was told that it takes longer."""
    note_id: int | None = body()
    """Why it takes longer, or why it was refused."""
    state: str = code(default="open")
    outcome: str = code(default="")
    opened_by: str
    opened_at: dt.datetime = moment()
    closed_by: str = ""
    closed_at: dt.datetime | None = moment(nullable=True)
