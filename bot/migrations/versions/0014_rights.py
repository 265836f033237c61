"""Legal holds, erasures, and requests of persons about their data; they are on the chain too."""

import sqlalchemy as sa
from alembic import op

from bot.migrations import append_only

revision = "0014_rights"
down_revision = "0013_seals"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
BEFORE = ("sealed", "unsealed", "read", "exported")
CHANGES = (*BEFORE, "held", "released", "erased")


def upgrade() -> None:
    _legal_hold()
    _erasure()
    _request()
    _accesses(CHANGES)


def downgrade() -> None:
    _accesses(BEFORE)
    for table in ("rights_request", "erasure", "legal_hold"):
        op.drop_table(table)


def _legal_hold() -> None:
    op.create_table(
        "legal_hold",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("matter", sa.String(), nullable=False),
        sa.Column("note_id", ID),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("placed_at", MOMENT, nullable=False),
        sa.Column("released_at", MOMENT),
        sa.Column("released_by", sa.String(), nullable=False),
        sa.Column("release_note_id", ID),
    )
    op.create_index("legal_hold_of_client", "legal_hold", ["client_id", "released_at"])


def _erasure() -> None:
    op.create_table(
        "erasure",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False, unique=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("erased_by", sa.String(), nullable=False),
        sa.Column("erased_at", MOMENT, nullable=False),
        sa.Column("replayed", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_erasure_client_id", "erasure", ["client_id"])


def _request() -> None:
    op.create_table(
        "rights_request",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("extended_on", sa.Date()),
        sa.Column("note_id", ID),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("opened_by", sa.String(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.Column("closed_at", MOMENT),
        _known("kind", ("access", "erasure"), "rights_request"),
        _known("state", ("open", "closed"), "rights_request"),
        _known("outcome", ("", "granted", "partly", "refused"), "rights_request"),
    )
    op.create_index("ix_rights_request_client_id", "rights_request", ["client_id"])
    op.create_index("rights_request_open", "rights_request", ["state", "due_on"])


def _accesses(changes: tuple[str, ...]) -> None:
    """SQLite rebuilds the table for this, and its guards with it."""
    name = "access_change_known"
    # Whatever it points at need not be read: an index of the clients is over an expression.
    alone = {"resolve_fks": False}
    with op.batch_alter_table("access", reflect_kwargs=alone) as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, _in("change", changes))
    append_only.protect(op.get_bind(), "access")


def _known(column: str, values: tuple[str, ...], table: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(_in(column, values), name=f"{table}_{column}_known")


def _in(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(one) for one in values)})"
