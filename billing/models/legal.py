"""Does the law, or a lawyer, stand between us and a client; and what did a person ask for?

Who is counsel, for whom and against whom, stands here as well, and who may know of a matter.
"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from billing.models.columns import body, code, key, maybe, moment, one_of, ref
from billing.store import Id


class LegalKind(StrEnum):
    """Why nothing may leave for a client."""

    BANKRUPTCY = "bankruptcy"
    CEASE = "cease"
    REPRESENTED = "represented"
    DECEASED = "deceased"


class LegalState(SQLModel, table=True):
    """A legal state of a client, or of one person there, from when somebody placed it.

    It never ends by itself: only a person lifts it. ``hold_id`` is the hold that stops dunning
    meanwhile, ``counsel_id`` who may be written to instead, and ``notice_by`` who approved the one
    final notice that may still go.
    """

    __tablename__ = "legal_state"
    __table_args__ = (
        one_of("legal_state", "kind", LegalKind),
        Index("legal_state_of_client", "client_id", "lifted_at"),
    )

    id: int = key()
    client_id: int = ref("client.id")
    contact_id: int | None = maybe("contact.id")
    counsel_id: int | None = maybe("contact.id")
    hold_id: int | None = maybe("hold.id", index=True)
    kind: str = code()
    told_as: str = code(unique=True)
    """What its source calls it."""
    note_id: int | None = body()
    placed_by: str = ""
    placed_at: dt.datetime = moment()
    lifted_at: dt.datetime | None = moment(nullable=True)
    lifted_by: str = ""
    notice_by: str = ""


class StatedPreference(SQLModel, table=True):
    """What a person asked for: which channels only, and between which hours.

    Of a contact, or of one address; the latest that has not ended counts, one for each of the two.
    """

    __tablename__ = "stated_preference"
    __table_args__ = (
        Index("stated_preference_of_contact", "contact_id", "ended_at"),
        Index("stated_preference_of_address", "address_id", "ended_at"),
    )

    id: int = key()
    contact_id: int | None = maybe("contact.id")
    address_id: int | None = maybe("address.id")
    channels: str = code(default="")
    """Codes with blanks between; none means any."""
    not_before: str = code(default="")
    """As 10:00, local time."""
    not_after: str = code(default="")
    timezone: str = code(default="")
    """Where they meant it; nothing means where they are."""
    told_as: str = code(unique=True)
    """What its source calls it."""
    placed_by: str = ""
    placed_at: dt.datetime = moment()
    ended_at: dt.datetime | None = moment(nullable=True)
    ended_by: str = Field(default="")


class Side(StrEnum):
    """Whose lawyer."""

    OURS = "ours"
    """The firm's or its client's: what they say to each other may be privileged."""
    OPPOSING = "opposing"
    """What they write to us is no secret between us and our client."""


class Counsel(SQLModel, table=True):
    """A lawyer's address, or the domain of a practice: of one client, or for all of them.

    What a seal of a person's suggests is ``proposed``, and counts once a person has said yes.
    """

    __table_args__ = (
        one_of("counsel", "side", Side),
        one_of("counsel", "state", ("proposed", "known", "refused", "ended")),
    )

    id: int = key()
    client_id: int | None = maybe("client.id", index=True)
    matter: str = ""
    side: str = code()
    value: str
    """An address or a domain, in lower case."""
    name: str = ""
    state: str = code(default="known")
    touchpoint_id: int | None = Field(default=None, sa_type=Id, nullable=True)
    """What was sealed when it was proposed."""
    said_by: str
    said_at: dt.datetime = moment()
    settled_by: str = ""
    settled_at: dt.datetime | None = moment(nullable=True)


class MatterWall(SQLModel, table=True):
    """One who may know of a matter. As long as anybody stands here, nobody else reads of it."""

    __tablename__ = "matter_wall"
    __table_args__ = (Index("matter_wall_standing", "matter", "lifted_at"),)

    id: int = key()
    matter: str
    staff_id: int = ref("staff.id")
    placed_by: str
    placed_at: dt.datetime = moment()
    lifted_by: str = ""
    lifted_at: dt.datetime | None = moment(nullable=True)
