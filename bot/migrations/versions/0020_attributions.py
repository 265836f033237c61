"""Which matter a message is about, and that a person said so."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from bot.migrations import append_only

revision = "0020_attributions"
down_revision = "0021_pinned_and_named"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
DONE = ("read", "exported", "held", "released", "erased")
BEFORE = ("sealed", "unsealed", "forgotten", *DONE)
CHANGES = ("sealed", "unsealed", "forgotten", "attributed", *DONE)
HOWS = (
    "said", "named", "numbered", "answered", "counsel", "quoted", "only", "only_open", "several",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "attribution",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("touchpoint_id", ID, sa.ForeignKey("touchpoint.id"), nullable=False),
        sa.Column("matter", sa.String(), nullable=False),
        sa.Column("among", sa.String(), nullable=False),
        sa.Column("how", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("said_at", MOMENT, nullable=False),
        sa.CheckConstraint(_in("how", HOWS), name="attribution_how_known"),
    )
    op.create_index("ix_attribution_client_id", "attribution", ["client_id"])
    op.create_index("attribution_of_touchpoint", "attribution", ["touchpoint_id", "id"])
    _changes(CHANGES)


def downgrade() -> None:
    _changes(BEFORE)
    op.drop_table("attribution")


def _changes(values: Sequence[str]) -> None:
    """SQLite rebuilds the table for this, and loses its guards with it."""
    name = "access_change_known"
    with op.batch_alter_table("access", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(name, type_="check")
        batch.create_check_constraint(name, _in("change", values))
    append_only.protect(op.get_bind(), "access")


def _in(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(repr(one) for one in values)})"
