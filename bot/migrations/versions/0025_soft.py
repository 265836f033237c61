"""Nobody counted soft failures: a mail that is given up is told to finance, each of them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0025_soft"
down_revision = "0020_attributions"
branch_labels = None
depends_on = None

BEFORE = ("ok", "soft", "dead")
AFTER = ("ok", "dead")


def upgrade() -> None:
    op.execute("UPDATE address SET health = 'ok' WHERE health = 'soft'")
    _known(AFTER)
    op.drop_column("address", "soft_failures")


def downgrade() -> None:
    number = sa.Column("soft_failures", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("address", number)
    _known(BEFORE)


def _known(values: Sequence[str]) -> None:
    """SQLite rebuilds the table for this; what it points at need not be read."""
    with op.batch_alter_table("address", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_constraint("address_health_known", type_="check")
        batch.create_check_constraint(
            "address_health_known", f"health IN ({', '.join(map(repr, values))})"
        )
