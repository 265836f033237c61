"""Published policies, ladders of clients and invoices, and dunning by invoice or matter."""

import sqlalchemy as sa
from alembic import op

from bot.migrations import append_only

revision = "0009_policies"
down_revision = "0008_names"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
_ACCOUNT = ["client_id", "legal_entity_id", "currency"]
_COLUMNS = (
    ("client", "segment"),
    ("client", "ladder"),
    ("invoice", "ladder"),
    ("step_taken", "ladder"),
    ("escalation_case", "proposal"),
    ("message", "attachments"),
)


def upgrade() -> None:
    _policies()
    for table, column in _COLUMNS:
        op.add_column(table, sa.Column(column, sa.String()))
    for table in ("client", "invoice"):
        op.create_index(
            f"{table}_with_ladder",
            table,
            ["ladder"],
            sqlite_where=sa.text("ladder IS NOT NULL"),
            postgresql_where=sa.text("ladder IS NOT NULL"),
        )
    op.add_column("enrolment", sa.Column("scope", sa.String(), nullable=False, server_default=""))
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("enrolment", "scope", server_default=None)
    op.drop_index("enrolment_dunning_once", "enrolment")
    _once([*_ACCOUNT, "scope"])
    op.create_index(
        "enrolment_scoped",
        "enrolment",
        ["client_id"],
        sqlite_where=sa.text("scope <> ''"),
        postgresql_where=sa.text("scope <> ''"),
    )
    append_only.protect(op.get_bind(), "policy_publication", "policy_version")


def downgrade() -> None:
    op.drop_index("enrolment_scoped", "enrolment")
    op.drop_index("enrolment_dunning_once", "enrolment")
    _once(_ACCOUNT)
    op.drop_column("enrolment", "scope")
    for table in ("client", "invoice"):
        op.drop_index(f"{table}_with_ladder", table)
    for table, column in reversed(_COLUMNS):
        op.drop_column(table, column)
    op.drop_table("policy_publication")
    op.drop_table("policy_version")


def _once(columns: list[str]) -> None:
    op.create_index(
        "enrolment_dunning_once",
        "enrolment",
        columns,
        unique=True,
        sqlite_where=sa.text("sequence = 'dunning'"),
        postgresql_where=sa.text("sequence = 'dunning'"),
    )


def _policies() -> None:
    op.create_table(
        "policy_version",
        sa.Column("id", ID, primary_key=True),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("said", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("kept_at", MOMENT, nullable=False),
        sa.UniqueConstraint("version", name="policy_version_version_once"),
    )
    op.create_table(
        "policy_publication",
        sa.Column("id", ID, primary_key=True),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("published_at", MOMENT, nullable=False),
        sa.Column("published_by", sa.String(), nullable=False),
    )
