"""Where does each client stand in a sequence, what stops it, and what was done so far?"""

import datetime as dt
from enum import StrEnum
from typing import get_args

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from billing.arrears import How
from billing.models.columns import body, code, key, maybe, moment, number, one_of, ref


class Sequence(StrEnum):
    """Which ladder an enrolment climbs."""

    DUNNING = "dunning"
    RENEWAL = "renewal"


class EnrolmentState(StrEnum):
    """Where an enrolment stands between two looks."""

    ACTIVE = "active"
    ESCALATED = "escalated"
    ENDED = "ended"


class Hold(SQLModel, table=True):
    """Stops dunning, of a client or of one invoice, until a moment or until it is released."""

    id: int = key()
    client_id: int = ref("client.id", index=True)
    invoice_id: int | None = maybe("invoice.id")
    reason: str = code()
    note_id: int | None = body()
    owner_id: int | None = maybe("staff.id")
    placed_by: str = ""
    placed_at: dt.datetime = moment()
    until: dt.datetime | None = moment(nullable=True)
    released_at: dt.datetime | None = moment(nullable=True)
    released_by: str = ""


class Enrolment(SQLModel, table=True):
    """A client, a legal entity and a currency in dunning; an agreement in renewal.

    ``next_due_at`` is the whole schedule: what is due is a query over it.
    """

    __table_args__ = (
        one_of("enrolment", "sequence", Sequence),
        one_of("enrolment", "state", EnrolmentState),
        Index(
            "enrolment_dunning_once",
            "client_id",
            "legal_entity_id",
            "currency",
            "scope",
            unique=True,
            sqlite_where=text("sequence = 'dunning'"),
            postgresql_where=text("sequence = 'dunning'"),
        ),
        Index(
            "enrolment_scoped",
            "client_id",
            sqlite_where=text("scope <> ''"),
            postgresql_where=text("scope <> ''"),
        ),
        Index(
            "enrolment_renewal_once",
            "agreement_id",
            unique=True,
            sqlite_where=text("sequence = 'renewal'"),
            postgresql_where=text("sequence = 'renewal'"),
        ),
    )

    id: int = key()
    sequence: str = code()
    client_id: int = ref("client.id", index=True)
    legal_entity_id: int = ref("legal_entity.id")
    currency: str
    scope: str = code(default="")
    """Of which part of the account: ``invoice:ID``, ``matter:NAME``, or of all the rest."""
    agreement_id: int | None = maybe("agreement.id")
    episode: int = number(default=1)
    state: str = code(default=EnrolmentState.ACTIVE)
    next_due_at: dt.datetime | None = moment(nullable=True, index=True)
    policy_version: str = ""
    created_at: dt.datetime = moment()


class StepTaken(SQLModel, table=True):
    """A step of an episode that was taken; below 1 are notices before the due day.

    Taken again, because it was in vain or a person wished it, it is another round.
    """

    __tablename__ = "step_taken"
    __table_args__ = (
        UniqueConstraint("enrolment_id", "episode", "step", "round", name="step_taken_once"),
        one_of("step_taken", "how", get_args(How)),
    )

    id: int = key()
    enrolment_id: int = ref("enrolment.id", index=True)
    episode: int = number()
    step: int = number()
    round: int = number(default=1)
    how: str = code()
    ladder: str | None = None
    """The ladder that it is a step of, as the enrolment's policy calls it."""
    taken_on: dt.date
    taken_at: dt.datetime = moment()


class StepListed(SQLModel, table=True):
    """An instalment that a step named."""

    __tablename__ = "step_listed"

    step_taken_id: int = ref("step_taken.id", primary=True)
    instalment_id: int = ref("instalment.id", primary=True, index=True)


class EscalationCase(SQLModel, table=True):
    """A debt that is a person's turn; its owner is the account owner, or else finance."""

    __tablename__ = "escalation_case"
    __table_args__ = (
        UniqueConstraint("enrolment_id", "episode", name="escalation_case_once"),
        one_of("escalation_case", "state", ("open", "closed")),
    )

    id: int = key()
    enrolment_id: int = ref("enrolment.id")
    episode: int = number()
    client_id: int = ref("client.id", index=True)
    owner_id: int | None = maybe("staff.id", index=True)
    state: str = code(default="open")
    revision: int = number(default=1)
    outcome: str = ""
    proposal: str | None = None
    """What the policy proposes at the end of the ladder; a person decides."""
    opened_at: dt.datetime = moment()
    closed_at: dt.datetime | None = moment(nullable=True)
    closed_by: str = Field(default="")
