"""Which rows do comms keep: what leaves, what was said, who agreed, and why?"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from billing.models.columns import body, code, key, maybe, moment, number, one_of, ref
from billing.store import Id
from comms.law.matters import HOWS


class Audience(StrEnum):
    """Whom a message is for."""

    CLIENT = "client"
    STAFF = "staff"
    SYSTEM = "system"


class State(StrEnum):
    """Where a message stands; the last three are final."""

    QUEUED = "queued"
    HELD = "held"
    AWAITING = "awaiting"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    IN_DOUBT = "in_doubt"
    WITHHELD = "withheld"
    CANCELLED = "cancelled"
    FAILED = "failed"


UNSENT = (State.QUEUED, State.HELD, State.AWAITING, State.CLAIMED)
"""What STOP, a payment or a hold can still reach."""


class Purpose(StrEnum):
    """What a message is about: the door, the budget and the gate ask this."""

    DUNNING = "dunning"
    RENEWAL = "renewal"
    OFFER = "offer"
    RECEIPT = "receipt"
    ANSWER = "answer"
    STAFF_TEXT = "staff_text"
    OPT_OUT = "opt_out"
    THREAD = "thread"
    ALERT = "alert"
    ESCALATION = "escalation"
    INBOUND = "inbound"


class Message(SQLModel, table=True):
    """The outbox.

    ``key`` is made from stable ids, never from text, a date format, an address or the policy
    version, so that nothing can be queued twice. ``reference`` is what the world sees.
    """

    __table_args__ = (
        one_of("message", "audience", Audience),
        one_of("message", "state", State),
        one_of("message", "purpose", Purpose),
        Index("message_due", "state", "channel", "send_after"),
        Index("message_of_client", "client_id", "state"),
        Index("message_of_contact", "contact_id", "claimed_at"),
        Index("message_of_address", "address_id", "claimed_at"),
        Index("message_of_subject", "subject_kind", "subject_id"),
    )

    id: int = key()
    key: str = code(unique=True)
    reference: str = code(unique=True)
    audience: str = code()
    channel: str = code()
    purpose: str = code()
    template: str = code()
    attachments: str | None = None
    """Papers that go with it, by their names, with blanks between them."""
    client_id: int | None = maybe("client.id")
    legal_entity_id: int | None = maybe("legal_entity.id")
    contact_id: int | None = maybe("contact.id")
    address_id: int | None = maybe("address.id")
    destination: str = ""
    """For staff: the Slack channel or user. A client's address is looked up at the door."""
    subject_kind: str = ""
    subject_id: int | None = Field(default=None, sa_type=Id, nullable=True)
    step_id: int | None = maybe("step_taken.id", index=True)
    thread_id: int | None = maybe("message.id")
    updates_id: int | None = maybe("message.id")
    state: str = code(default=State.QUEUED)
    rule: str = ""
    reason: str = ""
    send_after: dt.datetime = moment()
    expires_at: dt.datetime | None = moment(nullable=True)
    wake_at: dt.datetime | None = moment(nullable=True, index=True)
    wake_on_client: bool = False
    lease_id: str | None = Field(default=None, nullable=True)
    lease_until: dt.datetime | None = moment(nullable=True, index=True)
    attempts: int = number(default=0)
    draft_id: int | None = body()
    """What a person typed, before it is judged and rendered."""
    body_id: int | None = body()
    """What was rendered at the door, as JSON, exactly as it was handed to the channel."""
    provider_id: str | None = Field(default=None, nullable=True, index=True)
    created_at: dt.datetime = moment()
    claimed_at: dt.datetime | None = moment(nullable=True)
    """Business time of the last claim: what the contact budget counts."""
    sent_at: dt.datetime | None = moment(nullable=True)
    delivered_at: dt.datetime | None = moment(nullable=True)


class Attempt(SQLModel, table=True):
    """One try on the wire."""

    __table_args__ = (UniqueConstraint("message_id", "number", name="attempt_once"),)

    id: int = key()
    message_id: int = ref("message.id", index=True)
    number: int = number()
    outcome: str = code(default="started")
    code: str = ""
    provider_id: str = ""
    started_at: dt.datetime = moment()
    ended_at: dt.datetime | None = moment(nullable=True)


class Touchpoint(SQLModel, table=True):
    """One thing that was said between a client and us, either way, on any channel."""

    __table_args__ = (
        one_of("touchpoint", "direction", ("in", "out", "internal")),
        Index("touchpoint_latest", "client_id", "occurred_at", "id"),
    )

    id: int = key()
    client_id: int = ref("client.id")
    seq: int = number()
    channel: str = code()
    direction: str = code()
    kind: str = code()
    message_id: int | None = maybe("message.id", index=True)
    incoming_id: int | None = Field(default=None, sa_type=Id, nullable=True)
    contact_id: int | None = maybe("contact.id")
    address_id: int | None = maybe("address.id")
    body_id: int | None = body()
    body_digest: str = ""
    labels: str = ""
    """What was found in the words on their way in, by name, with blanks between."""
    occurred_at: dt.datetime = moment()
    recorded_at: dt.datetime = moment()


CHANGES = (
    "sealed", "unsealed", "forgotten", "attributed", "read", "exported", "held", "released",
    "erased",
)  # fmt: skip


class Access(SQLModel, table=True):
    """Somebody read what is sealed, took it with them, or said what is sealed and what is not.

    ``forgotten``: what they said of it before teaches nothing any more; it stays as it is.
    ``attributed``: they said which matter it is about.
    Or they said that all of it must be kept (``held``) or may go (``released``), or erased it.
    """

    __table_args__ = (
        one_of("access", "change", CHANGES),
        Index("access_of_touchpoint", "touchpoint_id", "id"),
    )

    id: int = key()
    client_id: int = ref("client.id", index=True)
    touchpoint_id: int | None = maybe("touchpoint.id")
    """None where it was all that is kept of the client."""
    change: str = code()
    label: str = code(default="")
    """As what it was sealed."""
    by: str
    reason_id: int | None = body()
    occurred_at: dt.datetime = moment()
    recorded_at: dt.datetime = moment()


class Attribution(SQLModel, table=True):
    """Which matter something is about that was said; the youngest holds."""

    __table_args__ = (
        one_of("attribution", "how", HOWS),
        Index("attribution_of_touchpoint", "touchpoint_id", "id"),
    )

    id: int = key()
    client_id: int = ref("client.id", index=True)
    touchpoint_id: int = ref("touchpoint.id")
    matter: str = ""
    """Empty where nothing tells which of several."""
    among: str = ""
    """JSON: all that it may be about."""
    how: str = code()
    by: str = ""
    """Who said so; empty where a rule found it."""
    said_at: dt.datetime = moment()


class Decision(SQLModel, table=True):
    """Why something was sent, refused, delayed or left alone; written when the answer changes."""

    __table_args__ = (Index("decision_of_subject", "subject_kind", "subject_id", "id"),)

    id: int = key()
    client_id: int = ref("client.id", index=True)
    seq: int = number()
    subject_kind: str = code()
    subject_id: int = Field(sa_type=Id)
    """An enrolment or a message."""
    verdict: str = code()
    rule: str = code()
    until: dt.datetime | None = moment(nullable=True)
    inputs: str = ""
    """JSON of ids, numbers, codes and moments."""
    digest: str = code()
    reason_id: int | None = body()
    reason_digest: str = ""
    decided_at: dt.datetime = moment()


class ConsentEvent(SQLModel, table=True):
    """Somebody agreed to, or revoked, messages at an address; what holds is a fold over these."""

    __tablename__ = "consent_event"
    __table_args__ = (
        one_of("consent_event", "change", ("granted", "asserted", "revoked")),
        Index("consent_of_address", "address_id", "id"),
        Index(
            "consent_said",
            "id",
            sqlite_where=text("change <> 'asserted'"),
            postgresql_where=text("change <> 'asserted'"),
        ),
    )

    id: int = key()
    address_id: int = ref("address.id")
    topic: str = code(default="all")
    change: str = code()
    method: str = code()
    source: str = code()
    incoming_id: int | None = Field(default=None, sa_type=Id, nullable=True)
    occurred_at: dt.datetime = moment()
    recorded_at: dt.datetime = moment()


class ConsentProof(SQLModel, table=True):
    """What shows a consent event: the words that were agreed to, and where they were said from.

    The rest of the record is the event and its address: number or mailbox, channel, change, method,
    moment and source. ``body_id`` is JSON in the vault, with ``wording`` and ``ip``.
    """

    __tablename__ = "consent_proof"

    event_id: int = Field(foreign_key="consent_event.id", primary_key=True, sa_type=Id)
    told_as: str = code(unique=True)
    """What its source calls it."""
    body_id: int | None = body()


class ChainEntry(SQLModel, table=True):
    """One link: it carries the hash of the row it is about and the hash of the link before."""

    __tablename__ = "chain_entry"
    __table_args__ = (
        one_of(
            "chain_entry",
            "kind",
            ("touchpoint", "decision", "consent", "access", "correction"),
        ),
    )

    client_id: int = Field(sa_type=Id, primary_key=True)
    seq: int = Field(sa_type=Id, primary_key=True)
    version: int = number(default=1)
    kind: str = code()
    detail_id: int = Field(sa_type=Id)
    digest: str = code()
    occurred_at: dt.datetime = moment()
    recorded_at: dt.datetime = moment()
    previous: str = code()
    hash: str = code()


class ChainHead(SQLModel, table=True):
    """The last link of a client's chain, moved under the client's lock."""

    __tablename__ = "chain_head"

    client_id: int = Field(sa_type=Id, primary_key=True)
    seq: int = number(default=0)
    hash: str = code(default="")


class Checkpoint(SQLModel, table=True):
    """A link of the firm's own chain: the ends of the clients' chains, at a moment."""

    id: int = Field(sa_type=Id, primary_key=True)
    taken_at: dt.datetime = moment()
    heads: int = number()
    """How many ends are in it: of the chains that had moved."""
    root: str = code()
    previous: str = code()
    hash: str = code(default="")


class CheckpointHead(SQLModel, table=True):
    """An end of a client's chain as a checkpoint found it."""

    __tablename__ = "checkpoint_head"

    client_id: int = Field(sa_type=Id, primary_key=True)
    seq: int = Field(sa_type=Id, primary_key=True)
    hash: str = code()
    checkpoint_id: int = ref("checkpoint.id", index=True)


class Thread(SQLModel, table=True):
    """Where a client's conversation is kept in Slack: one thread per client and channel family."""

    __tablename__ = "thread"

    client_id: int = ref("client.id", primary=True)
    family: str = Field(primary_key=True)
    root_id: int = ref("message.id", index=True)


class TaskKind(StrEnum):
    """What a person is asked for."""

    REPLY = "reply"
    """Read what the client wrote."""
    CLAIM = "claim"
    """Find the money that they say they have paid."""
    PROMISE = "promise"
    """Take a promise, or not: too many were broken."""
    PLAN = "plan"
    """Take a payment plan, or not."""
    DISPUTE = "dispute"
    """Answer what they question."""
    ADDRESS = "address"
    """Find another address: this one is not theirs."""
    CARE = "care"
    """Speak with them: no machine writes about money meanwhile."""
    PRESERVE = "preserve"
    """Say whether everything of theirs must be kept: they ask for it."""
    WORDING = "wording"
    """Word it otherwise: a message would have said what may not leave that way."""


class Task(SQLModel, table=True):
    """Something that waits for a person: whose it is, and when they are asked again.

    ``hold_id`` stops reminders until it is done; its end moves on with ``look_at``.
    """

    __tablename__ = "task"
    __table_args__ = (
        one_of("task", "kind", TaskKind),
        one_of("task", "state", ("open", "closed")),
        Index("task_of_client", "client_id", "state"),
    )

    id: int = key()
    kind: str = code()
    client_id: int = ref("client.id")
    owner_id: int | None = maybe("staff.id", index=True)
    hold_id: int | None = maybe("hold.id")
    promise_id: int | None = maybe("promise.id")
    touchpoint_id: int | None = maybe("touchpoint.id")
    """What the client said last about it."""
    state: str = code(default="open")
    outcome: str = ""
    asked: int = number(default=0)
    """How often nobody had come when it was looked at."""
    opened_at: dt.datetime = moment()
    look_at: dt.datetime | None = moment(nullable=True, index=True)
    closed_at: dt.datetime | None = moment(nullable=True)
    closed_by: str = ""


class Saying(SQLModel, table=True):
    """What a client said, as somebody who understood it told us; their words are not here."""

    __table_args__ = (UniqueConstraint("source", "external_id", name="saying_once"),)

    id: int = key()
    source: str = code()
    external_id: str
    client_id: int = ref("client.id", index=True)
    touchpoint_id: int | None = maybe("touchpoint.id")
    task_id: int | None = maybe("task.id")
    intent: str = code()
    said_at: dt.datetime = moment()
    recorded_at: dt.datetime = moment()


class Expired(SQLModel, table=True):
    """Policy may have deleted rows of a kind from before a moment; nothing else may delete them.

    The moment only moves forward. ``bot.custody.retention`` writes it; the trigger on decisions
    reads it.
    """

    __tablename__ = "expired"
    __table_args__ = (
        one_of("expired", "kind", ("inbox_bodies", "inbox", "attempts", "decisions")),
    )

    kind: str = Field(primary_key=True)
    before: dt.datetime = moment()
    recorded_at: dt.datetime = moment()
