"""Who may be one client, what people said about it, and who speaks for whom."""

import sqlalchemy as sa
from alembic import op

from bot.migrations import append_only

revision = "0007_matching"
down_revision = "0006_api_tokens"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBER = sa.BigInteger()
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("client", sa.Column("speaks_since", MOMENT))
    op.create_index("ix_client_merged_into_id", "client", ["merged_into_id"])
    _client_key()
    _duplicate()
    _alias_event()
    append_only.protect(op.get_bind(), "alias_event")


def downgrade() -> None:
    op.drop_table("alias_event")
    op.drop_table("duplicate")
    op.drop_table("client_key")
    op.drop_index("ix_client_merged_into_id", "client")
    op.drop_column("client", "speaks_since")


def _client_key() -> None:
    op.create_table(
        "client_key",
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("value", sa.String(), primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), primary_key=True),
        sa.Column("look_at", MOMENT),
        _known("client_key", "kind", "mailbox", "domain", "phone", "tax", "reference", "name"),
    )
    op.create_index("client_key_of_client", "client_key", ["client_id"])
    op.create_index(
        "client_key_due",
        "client_key",
        ["look_at"],
        sqlite_where=sa.text("look_at IS NOT NULL"),
        postgresql_where=sa.text("look_at IS NOT NULL"),
    )


def _duplicate() -> None:
    op.create_table(
        "duplicate",
        sa.Column("id", ID, primary_key=True),
        sa.Column("first_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("second_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("score", NUMBER, nullable=False),
        sa.Column("reasons", sa.String(), nullable=False),
        sa.Column("against", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("proposed_at", MOMENT, nullable=False),
        sa.Column("decided_at", MOMENT),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.UniqueConstraint("first_id", "second_id", name="duplicate_once"),
        sa.CheckConstraint("first_id < second_id", name="duplicate_ascending"),
        _known("duplicate", "state", "proposed", "merged", "different", "undone"),
    )
    op.create_index("ix_duplicate_second_id", "duplicate", ["second_id"])
    op.create_index("duplicate_of_state", "duplicate", ["state"])


def _alias_event() -> None:
    op.create_table(
        "alias_event",
        sa.Column("id", ID, primary_key=True),
        sa.Column("master_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("alias_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("change", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        _known("alias_event", "change", "merged", "unmerged"),
    )
    op.create_index("ix_alias_event_master_id", "alias_event", ["master_id"])
    op.create_index("ix_alias_event_alias_id", "alias_event", ["alias_id"])


def _known(table: str, column: str, *values: str) -> sa.CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({allowed})", name=f"{table}_{column}_known")
