"""What is in the words of a touchpoint, who said that it is sealed, and who has read it since."""

import sqlalchemy as sa
from alembic import op

from bot.migrations import append_only

revision = "0013_seals"
down_revision = "0012_standing"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
CHANGES = ("sealed", "unsealed", "read", "exported")


def upgrade() -> None:
    op.add_column("touchpoint", sa.Column("labels", sa.String(), nullable=False, server_default=""))
    op.create_table(
        "access",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("touchpoint_id", ID, sa.ForeignKey("touchpoint.id")),
        sa.Column("change", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason_id", ID),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            f"change IN ({', '.join(repr(one) for one in CHANGES)})", name="access_change_known"
        ),
    )
    op.create_index("ix_access_client_id", "access", ["client_id"])
    op.create_index("access_of_touchpoint", "access", ["touchpoint_id", "id"])
    append_only.protect(op.get_bind(), "access")


def downgrade() -> None:
    op.drop_table("access")
    op.drop_column("touchpoint", "labels")
