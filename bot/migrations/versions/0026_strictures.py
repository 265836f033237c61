"""What a log outside the database says of seals, holds, walls and refusals."""

import sqlalchemy as sa
from alembic import op

revision = "0026_strictures"
down_revision = "0025_soft"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KINDS = ("access", "consent", "wall", "unwall", "log")
SAID = sa.text("change <> 'asserted'")


def upgrade() -> None:
    op.create_table(
        "stricture",
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("row_id", ID, primary_key=True),
        sa.Column("line", ID, nullable=False),
        sa.CheckConstraint(f"kind IN ({', '.join(map(repr, KINDS))})", name="stricture_kind_known"),
    )
    op.create_index("ix_stricture_line", "stricture", ["line"])
    op.create_index(
        "consent_said", "consent_event", ["id"], sqlite_where=SAID, postgresql_where=SAID
    )


def downgrade() -> None:
    op.drop_index("consent_said", "consent_event")
    op.drop_table("stricture")
