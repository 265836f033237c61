"""What policy lets expire: since when, by which index, and held back by which trigger."""

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
    append_only.keep_decisions(op.get_bind())


def downgrade() -> None:
    append_only.forget_decisions(op.get_bind())
    op.drop_index("incoming_with_body", "incoming")
    op.drop_table("expired")


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
