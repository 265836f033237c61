"""What policy lets expire, and indexes for what is asked of ten million rows."""

import sqlalchemy as sa
from alembic import op

from bot.migrations import append_only

revision = "0005_retention"
down_revision = "0004_incoming"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _expired()
    op.create_index(
        "incoming_with_body",
        "incoming",
        ["received_at"],
        sqlite_where=sa.text("body_id IS NOT NULL"),
        postgresql_where=sa.text("body_id IS NOT NULL"),
    )
    op.create_index("incoming_of_source", "incoming", ["source", "received_at"])
    append_only.keep_decisions(op.get_bind())
    _sums()


def downgrade() -> None:
    op.drop_index("posting_of_client", "posting")
    op.drop_index("posting_of_instalment", "posting")
    op.create_index("ix_posting_instalment_id", "posting", ["instalment_id"])
    op.create_index("posting_of_client", "posting", ["client_id", "currency", "instalment_id"])
    append_only.forget_decisions(op.get_bind())
    op.drop_index("incoming_of_source", "incoming")
    op.drop_index("incoming_with_body", "incoming")
    op.drop_table("expired")


def _sums() -> None:
    """What is open is a sum: with the amount in it, an index answers alone."""
    op.drop_index("posting_of_client", "posting")
    op.drop_index("ix_posting_instalment_id", "posting")
    op.create_index(
        "posting_of_client",
        "posting",
        ["client_id", "instalment_id", "legal_entity_id", "currency", "payer_id", "amount"],
    )
    op.create_index(
        "posting_of_instalment",
        "posting",
        ["instalment_id", "payer_id", "amount"],
        sqlite_where=sa.text("instalment_id IS NOT NULL"),
        postgresql_where=sa.text("instalment_id IS NOT NULL"),
    )


def _expired() -> None:
    op.create_table(
        "expired",
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("before", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        _known("expired", "kind", "inbox_bodies", "inbox", "attempts", "decisions"),
    )


def _known(table: str, column: str, *values: str) -> sa.CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({allowed})", name=f"{table}_{column}_known")
