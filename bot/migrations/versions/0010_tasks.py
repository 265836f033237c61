"""What waits for a person, what clients said, promises nobody has taken yet, wrong addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0010_tasks"
down_revision = "0009_policies"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBER = sa.BigInteger()
MOMENT = sa.DateTime(timezone=True)
KINDS = ("reply", "claim", "promise", "plan", "dispute", "address", "care")


def upgrade() -> None:
    op.add_column("contact_address", sa.Column("wrong_since", MOMENT))
    op.add_column("promise", sa.Column("awaits_since", MOMENT))
    _task()
    _saying()


def downgrade() -> None:
    op.drop_table("saying")
    op.drop_table("task")
    op.drop_column("promise", "awaits_since")
    op.drop_column("contact_address", "wrong_since")


def _task() -> None:
    op.create_table(
        "task",
        sa.Column("id", ID, primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("owner_id", ID, sa.ForeignKey("staff.id")),
        sa.Column("hold_id", ID, sa.ForeignKey("hold.id")),
        sa.Column("promise_id", ID, sa.ForeignKey("promise.id")),
        sa.Column("touchpoint_id", ID, sa.ForeignKey("touchpoint.id")),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("asked", NUMBER, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("look_at", MOMENT),
        sa.Column("closed_at", MOMENT),
        sa.Column("closed_by", sa.String(), nullable=False),
        _known("task", "kind", *KINDS),
        _known("task", "state", "open", "closed"),
    )
    op.create_index("task_of_client", "task", ["client_id", "state"])
    op.create_index("ix_task_owner_id", "task", ["owner_id"])
    op.create_index("ix_task_look_at", "task", ["look_at"])


def _saying() -> None:
    op.create_table(
        "saying",
        sa.Column("id", ID, primary_key=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("touchpoint_id", ID, sa.ForeignKey("touchpoint.id")),
        sa.Column("task_id", ID, sa.ForeignKey("task.id")),
        sa.Column("intent", sa.String(), nullable=False),
        sa.Column("said_at", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.UniqueConstraint("source", "external_id", name="saying_once"),
    )
    op.create_index("ix_saying_client_id", "saying", ["client_id"])


def _known(table: str, column: str, *values: str) -> sa.CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({allowed})", name=f"{table}_{column}_known")
