"""A charge that failed keeps the policy that held then; a mail is found by its Message-ID."""

import sqlalchemy as sa
from alembic import op

revision = "0021_pinned_and_named"
down_revision = "0016_recalls"
branch_labels = None
depends_on = None

_NAMED = sa.text("named <> ''")


def upgrade() -> None:
    _add("renewal_charge", "policy_version")
    _add("incoming", "named")
    op.create_index(
        "incoming_named", "incoming", ["named"], sqlite_where=_NAMED, postgresql_where=_NAMED
    )


def downgrade() -> None:
    op.drop_index("incoming_named", "incoming")
    op.drop_column("incoming", "named")
    op.drop_column("renewal_charge", "policy_version")


def _add(table: str, column: str) -> None:
    op.add_column(table, sa.Column(column, sa.String(), nullable=False, server_default=""))
