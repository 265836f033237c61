"""What other systems prove themselves with."""

import sqlalchemy as sa
from alembic import op

revision = "0006_api_tokens"
down_revision = "0005_retention"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "api_token",
        sa.Column("id", ID, primary_key=True),
        sa.Column("handle", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("scopes", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("expires_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.Column("revoked_by", sa.String(), nullable=False),
        sa.Column("last_used_on", sa.Date()),
        sa.UniqueConstraint("handle", name="api_token_handle_once"),
        sa.UniqueConstraint("name", name="api_token_name_once"),
    )


def downgrade() -> None:
    op.drop_table("api_token")
