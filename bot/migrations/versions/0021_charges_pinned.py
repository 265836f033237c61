"""A charge that failed is tried again by the policy that held when it did."""

import sqlalchemy as sa
from alembic import op

revision = "0021_charges_pinned"
down_revision = "0016_recalls"
branch_labels = None
depends_on = None


def upgrade() -> None:
    version = sa.Column("policy_version", sa.String(), nullable=False, server_default="")
    op.add_column("renewal_charge", version)


def downgrade() -> None:
    with op.batch_alter_table("renewal_charge", reflect_kwargs={"resolve_fks": False}) as batch:
        batch.drop_column("policy_version")
