"""A message that says what may not leave its way is somebody's task."""

from collections.abc import Sequence

from alembic import op

revision = "0018_wording"
down_revision = "0019_checkpoints"
branch_labels = None
depends_on = None

BEFORE = ("reply", "claim", "promise", "plan", "dispute", "address", "care", "preserve")


def upgrade() -> None:
    _known((*BEFORE, "wording"))


def downgrade() -> None:
    _known(BEFORE)


def _known(kinds: Sequence[str]) -> None:
    """SQLite rebuilds the table for this; what it points at need not be read."""
    with op.batch_alter_table("task", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint("task_kind_known", type_="check")
        batch.create_check_constraint("task_kind_known", f"kind IN ({', '.join(map(repr, kinds))})")
