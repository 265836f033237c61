"""The firm's own chain: the ends of the clients' chains, written down now and then."""

import sqlalchemy as sa
from alembic import op

from bot.migrations import append_only

revision = "0019_checkpoints"
down_revision = "0015_counsel"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "checkpoint",
        sa.Column("id", ID, primary_key=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heads", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.String(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
    )
    op.create_table(
        "checkpoint_head",
        sa.Column("client_id", ID, primary_key=True),
        sa.Column("seq", ID, primary_key=True),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("checkpoint_id", ID, sa.ForeignKey("checkpoint.id"), nullable=False),
    )
    op.create_index("ix_checkpoint_head_checkpoint_id", "checkpoint_head", ["checkpoint_id"])
    append_only.protect(op.get_bind(), "checkpoint", "checkpoint_head")


def downgrade() -> None:
    op.drop_table("checkpoint_head")
    op.drop_table("checkpoint")
