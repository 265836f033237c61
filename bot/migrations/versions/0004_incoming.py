"""What comes in from outside."""

import sqlalchemy as sa
from alembic import op

revision = "0004_incoming"
down_revision = "0003_conversations"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBER = sa.BigInteger()
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _incoming()


def _incoming() -> None:
    op.create_table(
        "incoming",
        sa.Column("id", ID, primary_key=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("body_id", ID),
        sa.Column("attempts", NUMBER, nullable=False),
        sa.Column("next_attempt_at", MOMENT),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("client_id", ID, sa.ForeignKey("client.id")),
        sa.Column("done_at", MOMENT),
        sa.UniqueConstraint("source", "external_id", name="incoming_once"),
        _known(
            "incoming", "state", "pending", "done", "ignored", "unreadable", "unmatched", "failed"
        ),
    )
    op.create_index("incoming_of_client", "incoming", ["client_id", "received_at"])
    op.create_index("incoming_of_state", "incoming", ["state", "received_at"])
    op.create_index("ix_incoming_next_attempt_at", "incoming", ["next_attempt_at"])


def _known(table: str, column: str, *values: str) -> sa.CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({allowed})", name=f"{table}_{column}_known")
