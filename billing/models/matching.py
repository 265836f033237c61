"""By what may a client be found that is another's duplicate, and what did people say about it?"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from billing.models.columns import code, key, moment, number, one_of, ref, that
from billing.store import Id


class Standing(StrEnum):
    """What became of a pair; only ``proposed`` waits for a person."""

    PROPOSED = "proposed"
    MERGED = "merged"
    DIFFERENT = "different"
    UNDONE = "undone"


class ClientKey(SQLModel, table=True):
    """Something that another description of the same client would have as well.

    ``look_at`` says since when nobody has asked who else has it; None when somebody has.
    """

    __tablename__ = "client_key"
    __table_args__ = (
        one_of(
            "client_key", "kind", ("mailbox", "domain", "phone", "tax", "reference", "name")
        ),
        Index("client_key_of_client", "client_id"),
        Index(
            "client_key_due",
            "look_at",
            sqlite_where=text("look_at IS NOT NULL"),
            postgresql_where=text("look_at IS NOT NULL"),
        ),
    )  # fmt: skip

    kind: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    client_id: int = Field(foreign_key="client.id", primary_key=True, sa_type=Id)
    look_at: dt.datetime | None = moment(nullable=True)


class Duplicate(SQLModel, table=True):
    """Two clients that may be one, or of which a person has said whether they are."""

    __table_args__ = (
        UniqueConstraint("first_id", "second_id", name="duplicate_once"),
        that("duplicate", "ascending", "first_id < second_id"),
        one_of("duplicate", "state", Standing),
        Index("duplicate_of_state", "state"),
    )

    id: int = key()
    first_id: int = ref("client.id")
    second_id: int = ref("client.id", index=True)
    score: int = number(default=0)
    reasons: str = ""
    """Codes that ``billing.matching`` says in words; never what identifies anybody."""
    against: str = ""
    state: str = code(default=Standing.PROPOSED)
    proposed_at: dt.datetime = moment()
    decided_at: dt.datetime | None = moment(nullable=True)
    decided_by: str = ""


class AliasEvent(SQLModel, table=True):
    """A client became another's alias, or ceased to be; linked into the chains of both."""

    __tablename__ = "alias_event"
    __table_args__ = (one_of("alias_event", "change", ("merged", "unmerged")),)

    id: int = key()
    master_id: int = ref("client.id", index=True)
    alias_id: int = ref("client.id", index=True)
    change: str = code()
    by: str = ""
    occurred_at: dt.datetime = moment()
    recorded_at: dt.datetime = moment()
