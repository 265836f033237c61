"""Who is counsel, who may know of a matter, and a client's demand that everything is preserved."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from bot.migrations import append_only

revision = "0015_counsel"
down_revision = "0014_rights"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
DONE = ("read", "exported", "held", "released", "erased")
BEFORE = ("sealed", "unsealed", *DONE)
CHANGES = ("sealed", "unsealed", "forgotten", *DONE)
ASKED = ("reply", "claim", "promise", "plan", "dispute", "address", "care")
KINDS = (*ASKED, "preserve")


def upgrade() -> None:
    _counsel()
    _wall()
    _known("access", "change", CHANGES)
    append_only.protect(op.get_bind(), "access")
    _known("task", "kind", KINDS)


def downgrade() -> None:
    _known("task", "kind", ASKED)
    _known("access", "change", BEFORE)
    append_only.protect(op.get_bind(), "access")
    for table in ("matter_wall", "counsel"):
        op.drop_table(table)


def _counsel() -> None:
    op.create_table(
        "counsel",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id")),
        sa.Column("matter", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("touchpoint_id", ID),
        sa.Column("said_by", sa.String(), nullable=False),
        sa.Column("said_at", MOMENT, nullable=False),
        sa.Column("settled_by", sa.String(), nullable=False),
        sa.Column("settled_at", MOMENT),
        sa.CheckConstraint(_in("side", ("ours", "opposing")), name="counsel_side_known"),
        sa.CheckConstraint(
            _in("state", ("proposed", "known", "refused", "ended")), name="counsel_state_known"
        ),
    )
    op.create_index("ix_counsel_client_id", "counsel", ["client_id"])


def _wall() -> None:
    op.create_table(
        "matter_wall",
        sa.Column("id", ID, primary_key=True),
        sa.Column("matter", sa.String(), nullable=False),
        sa.Column("staff_id", ID, sa.ForeignKey("staff.id"), nullable=False),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("placed_at", MOMENT, nullable=False),
        sa.Column("lifted_by", sa.String(), nullable=False),
        sa.Column("lifted_at", MOMENT),
    )
    op.create_index("matter_wall_standing", "matter_wall", ["matter", "lifted_at"])


def _known(table: str, column: str, values: Sequence[str]) -> None:
    """SQLite rebuilds the table for this, and loses its guards with it."""
    name = f"{table}_{column}_known"
    # Whatever it points at need not be read: an index of the clients is over an expression.
    with op.batch_alter_table(table, reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint(name, type_="check")
        batch.create_check_constraint(name, _in(column, values))


def _in(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(repr(one) for one in values)})"
