"""Messages, the timeline and its chain, consent and decisions."""

import sqlalchemy as sa
from alembic import op

from bot.migrations import append_only

revision = "0003_conversations"
down_revision = "0002_debts_and_ladders"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBER = sa.BigInteger()
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _chain_entry()
    _chain_head()
    _consent_event()
    _decision()
    _message()
    _attempt()
    _thread()
    _touchpoint()
    append_only.protect(op.get_bind(), "chain_entry", "consent_event", "decision", "touchpoint")


def _chain_entry() -> None:
    op.create_table(
        "chain_entry",
        sa.Column("client_id", ID, primary_key=True),
        sa.Column("seq", ID, primary_key=True),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("detail_id", ID, nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        _known("chain_entry", "kind", "touchpoint", "decision", "consent", "access", "correction"),
    )


def _chain_head() -> None:
    op.create_table(
        "chain_head",
        sa.Column("client_id", ID, primary_key=True),
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
    )


def _consent_event() -> None:
    op.create_table(
        "consent_event",
        sa.Column("id", ID, primary_key=True),
        sa.Column("address_id", ID, sa.ForeignKey("address.id"), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("change", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("incoming_id", ID),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        _known("consent_event", "change", "granted", "asserted", "revoked"),
    )
    op.create_index("consent_of_address", "consent_event", ["address_id", "id"])


def _decision() -> None:
    op.create_table(
        "decision",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("inputs", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("reason_id", ID),
        sa.Column("reason_digest", sa.String(), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
    )
    op.create_index("decision_of_subject", "decision", ["subject_kind", "subject_id", "id"])
    op.create_index("ix_decision_client_id", "decision", ["client_id"])


def _message() -> None:
    op.create_table(
        "message",
        sa.Column("id", ID, primary_key=True),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("client_id", ID, sa.ForeignKey("client.id")),
        sa.Column("legal_entity_id", ID, sa.ForeignKey("legal_entity.id")),
        sa.Column("contact_id", ID, sa.ForeignKey("contact.id")),
        sa.Column("address_id", ID, sa.ForeignKey("address.id")),
        sa.Column("destination", sa.String(), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", ID),
        sa.Column("step_id", ID, sa.ForeignKey("step_taken.id")),
        sa.Column("thread_id", ID, sa.ForeignKey("message.id")),
        sa.Column("updates_id", ID, sa.ForeignKey("message.id")),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("send_after", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("wake_at", MOMENT),
        sa.Column("wake_on_client", sa.Boolean(), nullable=False),
        sa.Column("lease_id", sa.String()),
        sa.Column("lease_until", MOMENT),
        sa.Column("attempts", NUMBER, nullable=False),
        sa.Column("draft_id", ID),
        sa.Column("body_id", ID),
        sa.Column("provider_id", sa.String()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("claimed_at", MOMENT),
        sa.Column("sent_at", MOMENT),
        sa.Column("delivered_at", MOMENT),
        sa.UniqueConstraint("reference", name="message_reference_once"),
        sa.UniqueConstraint("key", name="message_key_once"),
        _known("message", "audience", "client", "staff", "system"),
        _known(
            "message",
            "purpose",
            "dunning",
            "renewal",
            "offer",
            "receipt",
            "answer",
            "staff_text",
            "opt_out",
            "thread",
            "alert",
            "escalation",
            "inbound",
        ),
        _known(
            "message",
            "state",
            "queued",
            "held",
            "awaiting",
            "claimed",
            "sending",
            "sent",
            "delivered",
            "in_doubt",
            "withheld",
            "cancelled",
            "failed",
        ),
    )
    op.create_index("ix_message_lease_until", "message", ["lease_until"])
    op.create_index("ix_message_provider_id", "message", ["provider_id"])
    op.create_index("ix_message_step_id", "message", ["step_id"])
    op.create_index("ix_message_wake_at", "message", ["wake_at"])
    op.create_index("message_due", "message", ["state", "channel", "send_after"])
    op.create_index("message_of_address", "message", ["address_id", "claimed_at"])
    op.create_index("message_of_client", "message", ["client_id", "state"])
    op.create_index("message_of_contact", "message", ["contact_id", "claimed_at"])
    op.create_index("message_of_subject", "message", ["subject_kind", "subject_id"])


def _attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", ID, primary_key=True),
        sa.Column("message_id", ID, sa.ForeignKey("message.id"), nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.UniqueConstraint("message_id", "number", name="attempt_once"),
    )
    op.create_index("ix_attempt_message_id", "attempt", ["message_id"])


def _thread() -> None:
    op.create_table(
        "thread",
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), primary_key=True),
        sa.Column("family", sa.String(), primary_key=True),
        sa.Column("root_id", ID, sa.ForeignKey("message.id"), nullable=False),
    )
    op.create_index("ix_thread_root_id", "thread", ["root_id"])


def _touchpoint() -> None:
    op.create_table(
        "touchpoint",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("message_id", ID, sa.ForeignKey("message.id")),
        sa.Column("incoming_id", ID),
        sa.Column("contact_id", ID, sa.ForeignKey("contact.id")),
        sa.Column("address_id", ID, sa.ForeignKey("address.id")),
        sa.Column("body_id", ID),
        sa.Column("body_digest", sa.String(), nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        _known("touchpoint", "direction", "in", "out", "internal"),
    )
    op.create_index("ix_touchpoint_message_id", "touchpoint", ["message_id"])
    op.create_index("touchpoint_latest", "touchpoint", ["client_id", "occurred_at", "id"])


def _known(table: str, column: str, *values: str) -> sa.CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({allowed})", name=f"{table}_{column}_known")
