"""Ladders and notice of agreements, charges for a renewal, offers, and who let them pass."""

import sqlalchemy as sa
from alembic import op

revision = "0011_renewals"
down_revision = "0010_tasks"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBER = sa.BigInteger()
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("agreement", sa.Column("ladder", sa.String()))
    op.add_column("agreement", sa.Column("notice_days", NUMBER))
    _charges()
    _gate()


def downgrade() -> None:
    for table in ("offer_made", "gate_override", "card_change", "renewal_charge"):
        op.drop_table(table)
    op.drop_table("agreement_pause")
    op.drop_column("agreement", "notice_days")
    op.drop_column("agreement", "ladder")


def _charges() -> None:
    op.create_table(
        "agreement_pause",
        sa.Column("agreement_id", ID, sa.ForeignKey("agreement.id"), primary_key=True),
        sa.Column("suspended_on", sa.Date(), primary_key=True),
        sa.Column("resumed_on", sa.Date()),
    )
    op.create_table(
        "renewal_charge",
        sa.Column("payment_id", ID, sa.ForeignKey("payment.id"), primary_key=True),
        sa.Column("agreement_id", ID, sa.ForeignKey("agreement.id"), nullable=False),
        sa.Column("term", sa.Date(), nullable=False),
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("initiated_by", sa.String(), nullable=False),
        sa.Column("decline", sa.String(), nullable=False),
        _known("initiated_by", "system", "customer"),
        _known("decline", "", "soft", "hard"),
    )
    op.create_index("ix_renewal_charge_agreement_id", "renewal_charge", ["agreement_id"])
    op.create_table(
        "card_change",
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), primary_key=True),
        sa.Column("happened_at", MOMENT, primary_key=True),
    )


def _known(column: str, *values: str) -> sa.CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({allowed})", name=f"renewal_charge_{column}_known")


def _gate() -> None:
    op.create_table(
        "gate_override",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("note_id", ID),
        sa.Column("granted_by", sa.String(), nullable=False),
        sa.Column("granted_at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("revoked_by", sa.String(), nullable=False),
        sa.CheckConstraint("until > granted_at", name="gate_override_ends"),
    )
    op.create_index("ix_gate_override_client_id", "gate_override", ["client_id"])
    op.create_table(
        "offer_made",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("legal_entity_id", ID, sa.ForeignKey("legal_entity.id"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("discount_code", sa.String(), nullable=False),
        sa.Column("percent", sa.String(), nullable=False),
        sa.Column("amount", NUMBER),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("valid_until", sa.Date()),
        sa.Column("offered_at", MOMENT, nullable=False),
        sa.UniqueConstraint("cause", name="offer_made_cause_once"),
    )
    op.create_index("ix_offer_made_client_id", "offer_made", ["client_id"])
