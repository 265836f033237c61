"""A client is found by its exact name without a look at every other."""

import sqlalchemy as sa
from alembic import op

revision = "0008_names"
down_revision = "0007_matching"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("client_named", "client", [sa.text("lower(name)")])


def downgrade() -> None:
    op.drop_index("client_named", "client")
