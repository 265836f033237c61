"""Legal states of clients, what people asked for, proofs of consent, and numbers not registered."""

import sqlalchemy as sa
from alembic import op

revision = "0012_standing"
down_revision = "0011_renewals"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    # Only until the rows that are there have a value: the product sets it itself.
    op.add_column(
        "legal_entity",
        sa.Column("sms_unregistered", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    with op.batch_alter_table("legal_entity") as table:
        table.alter_column("sms_unregistered", server_default=None)
    _legal_state()
    _stated_preference()
    _consent_proof()


def downgrade() -> None:
    op.drop_table("consent_proof")
    op.drop_table("stated_preference")
    op.drop_table("legal_state")
    op.drop_column("legal_entity", "sms_unregistered")


def _legal_state() -> None:
    op.create_table(
        "legal_state",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("contact_id", ID, sa.ForeignKey("contact.id")),
        sa.Column("counsel_id", ID, sa.ForeignKey("contact.id")),
        sa.Column("hold_id", ID, sa.ForeignKey("hold.id")),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("told_as", sa.String(), nullable=False),
        sa.Column("note_id", ID),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("placed_at", MOMENT, nullable=False),
        sa.Column("lifted_at", MOMENT),
        sa.Column("lifted_by", sa.String(), nullable=False),
        sa.Column("notice_by", sa.String(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('bankruptcy', 'cease', 'represented', 'deceased')",
            name="legal_state_kind_known",
        ),
        sa.UniqueConstraint("told_as", name="legal_state_told_as_once"),
    )
    op.create_index("legal_state_of_client", "legal_state", ["client_id", "lifted_at"])
    op.create_index("ix_legal_state_hold_id", "legal_state", ["hold_id"])


def _stated_preference() -> None:
    op.create_table(
        "stated_preference",
        sa.Column("id", ID, primary_key=True),
        sa.Column("contact_id", ID, sa.ForeignKey("contact.id")),
        sa.Column("address_id", ID, sa.ForeignKey("address.id")),
        sa.Column("channels", sa.String(), nullable=False),
        sa.Column("not_before", sa.String(), nullable=False),
        sa.Column("not_after", sa.String(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("told_as", sa.String(), nullable=False),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("placed_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("ended_by", sa.String(), nullable=False),
        sa.UniqueConstraint("told_as", name="stated_preference_told_as_once"),
    )
    for owner in ("contact", "address"):
        op.create_index(
            f"stated_preference_of_{owner}", "stated_preference", [f"{owner}_id", "ended_at"]
        )


def _consent_proof() -> None:
    op.create_table(
        "consent_proof",
        sa.Column("event_id", ID, sa.ForeignKey("consent_event.id"), primary_key=True),
        sa.Column("told_as", sa.String(), nullable=False),
        sa.Column("body_id", ID),
        sa.UniqueConstraint("told_as", name="consent_proof_told_as_once"),
    )
