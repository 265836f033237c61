"""The firm, its clients, and the vault of what people wrote."""

import sqlalchemy as sa
from alembic import op

from bot.migrations import append_only

revision = "0001_firm_and_clients"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBER = sa.BigInteger()
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _address()
    _external_ref()
    _legal_entity()
    _staff()
    _vault()
    _client()
    _staff_role()
    _contact()
    _live_switch()
    _contact_address()
    _contact_role()
    _primary_recipient()
    append_only.protect(op.get_bind(), "live_switch")


def _address() -> None:
    op.create_table(
        "address",
        sa.Column("id", ID, primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("verification", sa.String(), nullable=False),
        sa.Column("health", sa.String(), nullable=False),
        sa.Column("soft_failures", NUMBER, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _known("address", "health", "ok", "soft", "dead"),
        _known("address", "kind", "sms", "email"),
        sa.UniqueConstraint("kind", "value", name="address_kind_value"),
        _known(
            "address", "verification", "unverified", "asserted", "verified", "wrong", "reassigned"
        ),
    )


def _external_ref() -> None:
    op.create_table(
        "external_ref",
        sa.Column("system", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("external_id", sa.String(), primary_key=True),
        sa.Column("target_id", ID, nullable=False),
        _known(
            "external_ref",
            "kind",
            "client",
            "invoice",
            "payment",
            "agreement",
            "dispute",
            "payer",
            "credit_note",
            "credit_applied",
            "charge",
            "promise",
            "hold",
        ),
    )
    op.create_index("ix_external_ref_target_id", "external_ref", ["target_id"])


def _legal_entity() -> None:
    op.create_table(
        "legal_entity",
        sa.Column("id", ID, primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("postal_address", sa.String(), nullable=False),
        sa.Column("from_name", sa.String(), nullable=False),
        sa.Column("from_address", sa.String(), nullable=False),
        sa.Column("pay_link", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.UniqueConstraint("name", name="legal_entity_name_once"),
    )


def _staff() -> None:
    op.create_table(
        "staff",
        sa.Column("id", ID, primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("slack_user", sa.String()),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.UniqueConstraint("slack_user", name="staff_slack_user_once"),
        sa.UniqueConstraint("email", name="staff_email_once"),
    )


def _vault() -> None:
    op.create_table(
        "vault",
        sa.Column("id", ID, primary_key=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT),
    )
    op.create_index("ix_vault_expires_at", "vault", ["expires_at"])
    op.create_index("ix_vault_owner", "vault", ["owner"])


def _client() -> None:
    op.create_table(
        "client",
        sa.Column("id", ID, primary_key=True),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("city", sa.String(), nullable=False),
        sa.Column("postal_code", sa.String(), nullable=False),
        sa.Column("tax_number", sa.String(), nullable=False),
        sa.Column("owner_id", ID, sa.ForeignKey("staff.id")),
        sa.Column("merged_into_id", ID, sa.ForeignKey("client.id")),
        sa.Column("imported_on", sa.Date()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.UniqueConstraint("key_id", name="client_key_id_once"),
    )
    op.create_index("ix_client_name", "client", ["name"])
    op.create_index("ix_client_owner_id", "client", ["owner_id"])


def _staff_role() -> None:
    op.create_table(
        "staff_role",
        sa.Column("staff_id", ID, sa.ForeignKey("staff.id"), primary_key=True),
        sa.Column("role", sa.String(), primary_key=True),
        sa.Column("granted_at", MOMENT, nullable=False),
        sa.Column("granted_by", sa.String(), nullable=False),
        _known(
            "staff_role", "role", "account_manager", "finance", "compliance", "privileged", "admin"
        ),
    )


def _contact() -> None:
    op.create_table(
        "contact",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_contact_client_id", "contact", ["client_id"])


def _live_switch() -> None:
    op.create_table(
        "live_switch",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id")),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("daily_cap", NUMBER),
        sa.Column("redirect_to", sa.String(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        _known("live_switch", "state", "open", "closed"),
    )
    op.create_index("ix_live_switch_client_id", "live_switch", ["client_id"])


def _contact_address() -> None:
    op.create_table(
        "contact_address",
        sa.Column("contact_id", ID, sa.ForeignKey("contact.id"), primary_key=True),
        sa.Column("address_id", ID, sa.ForeignKey("address.id"), primary_key=True),
        sa.Column("position", NUMBER, nullable=False),
    )
    op.create_index("ix_contact_address_address_id", "contact_address", ["address_id"])


def _contact_role() -> None:
    op.create_table(
        "contact_role",
        sa.Column("contact_id", ID, sa.ForeignKey("contact.id"), primary_key=True),
        sa.Column("role", sa.String(), primary_key=True),
        _known("contact_role", "role", "billing", "ap", "decision", "legal"),
    )


def _primary_recipient() -> None:
    op.create_table(
        "primary_recipient",
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), primary_key=True),
        sa.Column("topic", sa.String(), primary_key=True),
        sa.Column("contact_id", ID, sa.ForeignKey("contact.id"), nullable=False),
        _known("primary_recipient", "topic", "billing", "renewal"),
    )
    op.create_index("ix_primary_recipient_contact_id", "primary_recipient", ["contact_id"])


def _known(table: str, column: str, *values: str) -> sa.CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({allowed})", name=f"{table}_{column}_known")
