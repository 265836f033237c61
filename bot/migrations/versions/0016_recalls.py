"""What came that may not lie about, and which copies of it at providers are to go."""

import sqlalchemy as sa
from alembic import op

revision = "0016_recalls"
down_revision = "0018_wording"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("incoming", sa.Column("labels", sa.String()))
    _incident()
    _recall()


def downgrade() -> None:
    op.drop_table("recall")
    op.drop_table("incident")
    op.drop_column("incoming", "labels")


def _incident() -> None:
    op.create_table(
        "incident",
        sa.Column("id", ID, primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("incoming_id", ID, nullable=False, unique=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id")),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("labels", sa.String(), nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.Column("read_by", sa.String(), nullable=False),
        sa.Column("read_at", MOMENT),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.CheckConstraint("kind IN ('number', 'unreadable')", name="incident_kind_known"),
    )
    op.create_index("ix_incident_client_id", "incident", ["client_id"])
    op.create_index("incident_open", "incident", ["closed_at", "found_at"])


def _recall() -> None:
    op.create_table(
        "recall",
        sa.Column("id", ID, primary_key=True),
        sa.Column("key", sa.String(), nullable=False, unique=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("change", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("client_id", ID, sa.ForeignKey("client.id")),
        sa.Column("incoming_id", ID),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("next_attempt_at", MOMENT),
        sa.Column("done_at", MOMENT),
        sa.CheckConstraint("change IN ('redact', 'media', 'delete')", name="recall_change_known"),
        sa.CheckConstraint("state IN ('pending', 'done', 'failed')", name="recall_state_known"),
    )
    op.create_index("ix_recall_client_id", "recall", ["client_id"])
    op.create_index("ix_recall_incoming_id", "recall", ["incoming_id"])
    op.create_index("recall_due", "recall", ["state", "next_attempt_at"])
