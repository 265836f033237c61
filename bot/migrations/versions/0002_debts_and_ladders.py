"""Agreements, invoices, payments, and the ladders that follow them."""

import sqlalchemy as sa
from alembic import op

from bot.migrations import append_only

revision = "0002_debts_and_ladders"
down_revision = "0001_firm_and_clients"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBER = sa.BigInteger()
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _payer()
    _agreement()
    _invoice()
    _payment()
    _promise()
    _agreement_change()
    _chargeback()
    _credit_note()
    _enrolment()
    _hold()
    _instalment()
    _invoice_dispute()
    _invoice_line()
    _payment_name()
    _promise_part()
    _promise_scope()
    _share()
    _credit_application()
    _escalation_case()
    _posting()
    _step_taken()
    _step_listed()
    append_only.protect(op.get_bind(), "posting")


def _payer() -> None:
    op.create_table(
        "payer",
        sa.Column("id", ID, primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        _known("payer", "kind", "insurer", "third_party"),
    )


def _agreement() -> None:
    op.create_table(
        "agreement",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("legal_entity_id", ID, sa.ForeignKey("legal_entity.id"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", NUMBER, nullable=False),
        sa.Column("renews_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("service_type", sa.String(), nullable=False),
        sa.Column("rate_card", sa.String(), nullable=False),
        sa.Column("billing_cycle", sa.String(), nullable=False),
        sa.Column("payment_terms", sa.String(), nullable=False),
        sa.Column("contract_value", NUMBER),
        sa.Column("ended_on", sa.Date()),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.CheckConstraint("amount > 0", name="agreement_amount_positive"),
        _known("agreement", "kind", "subscription", "retainer", "term"),
        _known("agreement", "state", "active", "renewed", "lapsed", "cancelled"),
    )
    op.create_index("ix_agreement_client_id", "agreement", ["client_id"])


def _invoice() -> None:
    op.create_table(
        "invoice",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("legal_entity_id", ID, sa.ForeignKey("legal_entity.id"), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", NUMBER, nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("first_due_on", sa.Date(), nullable=False),
        sa.Column("ready_on", sa.Date()),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("corrected_amount", NUMBER),
        sa.Column("corrected_at", MOMENT),
        sa.Column("voided_on", sa.Date()),
        sa.Column("written_off_at", MOMENT),
        sa.Column("write_off_undone_at", MOMENT),
        sa.Column("service_type", sa.String(), nullable=False),
        sa.Column("terms", sa.String(), nullable=False),
        sa.Column("po_number", sa.String(), nullable=False),
        sa.Column("matter", sa.String(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.CheckConstraint("amount > 0", name="invoice_amount_positive"),
        sa.CheckConstraint("length(currency) = 3", name="invoice_currency_code"),
        sa.UniqueConstraint("legal_entity_id", "number", name="invoice_number_once"),
        _known("invoice", "state", "draft", "approved", "issued", "void", "uncollectible"),
    )
    op.create_index("ix_invoice_client_id", "invoice", ["client_id"])
    op.create_index("ix_invoice_number", "invoice", ["number"])


def _payment() -> None:
    op.create_table(
        "payment",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("legal_entity_id", ID, sa.ForeignKey("legal_entity.id"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("payer_id", ID, sa.ForeignKey("payer.id")),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("amount", NUMBER, nullable=False),
        sa.Column("refunded", NUMBER, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("started_as", sa.String(), nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("settled_at", MOMENT),
        sa.Column("failed_as", sa.String(), nullable=False),
        sa.Column("failed_at", MOMENT),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.CheckConstraint("amount > 0", name="payment_amount_positive"),
        sa.CheckConstraint("length(currency) = 3", name="payment_currency_code"),
        sa.CheckConstraint("refunded >= 0", name="payment_refunded_known"),
        _known(
            "payment",
            "state",
            "initiated",
            "requires_action",
            "processing",
            "succeeded",
            "failed",
            "cancelled",
        ),
    )
    op.create_index("ix_payment_client_id", "payment", ["client_id"])
    op.create_index("ix_payment_payer_id", "payment", ["payer_id"])


def _promise() -> None:
    op.create_table(
        "promise",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("legal_entity_id", ID, sa.ForeignKey("legal_entity.id"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("said_by", sa.String(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("withdrawn_at", MOMENT),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("judged_at", MOMENT),
        _known("promise", "outcome", "", "kept", "partially_kept", "broken"),
        _known("promise", "said_by", "client", "staff", "system"),
    )
    op.create_index("ix_promise_client_id", "promise", ["client_id"])


def _agreement_change() -> None:
    op.create_table(
        "agreement_change",
        sa.Column("agreement_id", ID, sa.ForeignKey("agreement.id"), primary_key=True),
        sa.Column("effective_on", sa.Date(), primary_key=True),
        sa.Column("amount", NUMBER, nullable=False),
        sa.CheckConstraint("amount >= 0", name="agreement_change_amount_known"),
    )


def _chargeback() -> None:
    op.create_table(
        "chargeback",
        sa.Column("id", ID, primary_key=True),
        sa.Column("payment_id", ID, sa.ForeignKey("payment.id"), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("amount", NUMBER, nullable=False),
        sa.Column("happened_at", MOMENT, nullable=False),
        sa.CheckConstraint("amount > 0", name="chargeback_amount_positive"),
        sa.UniqueConstraint("payment_id", "reference", name="chargeback_once"),
        _known("chargeback", "outcome", "withdrawn", "won", "lost"),
    )
    op.create_index("ix_chargeback_payment_id", "chargeback", ["payment_id"])


def _credit_note() -> None:
    op.create_table(
        "credit_note",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("legal_entity_id", ID, sa.ForeignKey("legal_entity.id"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount", NUMBER, nullable=False),
        sa.Column("invoice_id", ID, sa.ForeignKey("invoice.id")),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("voided_on", sa.Date()),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.CheckConstraint("amount > 0", name="credit_note_amount_positive"),
        _known("credit_note", "kind", "debt_cancellation", "refund", "credit_to_balance"),
    )
    op.create_index("ix_credit_note_client_id", "credit_note", ["client_id"])
    op.create_index("ix_credit_note_invoice_id", "credit_note", ["invoice_id"])


def _enrolment() -> None:
    op.create_table(
        "enrolment",
        sa.Column("id", ID, primary_key=True),
        sa.Column("sequence", sa.String(), nullable=False),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("legal_entity_id", ID, sa.ForeignKey("legal_entity.id"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("agreement_id", ID, sa.ForeignKey("agreement.id")),
        sa.Column("episode", NUMBER, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("next_due_at", MOMENT),
        sa.Column("policy_version", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        _known("enrolment", "sequence", "dunning", "renewal"),
        _known("enrolment", "state", "active", "escalated", "ended"),
    )
    op.create_index(
        "enrolment_dunning_once",
        "enrolment",
        ["client_id", "legal_entity_id", "currency"],
        unique=True,
        sqlite_where=sa.text("sequence = 'dunning'"),
        postgresql_where=sa.text("sequence = 'dunning'"),
    )
    op.create_index(
        "enrolment_renewal_once",
        "enrolment",
        ["agreement_id"],
        unique=True,
        sqlite_where=sa.text("sequence = 'renewal'"),
        postgresql_where=sa.text("sequence = 'renewal'"),
    )
    op.create_index("ix_enrolment_client_id", "enrolment", ["client_id"])
    op.create_index("ix_enrolment_next_due_at", "enrolment", ["next_due_at"])


def _hold() -> None:
    op.create_table(
        "hold",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("invoice_id", ID, sa.ForeignKey("invoice.id")),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("note_id", ID),
        sa.Column("owner_id", ID, sa.ForeignKey("staff.id")),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("placed_at", MOMENT, nullable=False),
        sa.Column("until", MOMENT),
        sa.Column("released_at", MOMENT),
        sa.Column("released_by", sa.String(), nullable=False),
    )
    op.create_index("ix_hold_client_id", "hold", ["client_id"])


def _instalment() -> None:
    op.create_table(
        "instalment",
        sa.Column("id", ID, primary_key=True),
        sa.Column("invoice_id", ID, sa.ForeignKey("invoice.id"), nullable=False),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("amount", NUMBER, nullable=False),
        sa.Column("waived_on", sa.Date()),
        sa.CheckConstraint("amount > 0", name="instalment_amount_positive"),
        _known("instalment", "kind", "principal", "late_fee", "interest"),
    )
    op.create_index("ix_instalment_client_id", "instalment", ["client_id"])
    op.create_index("ix_instalment_invoice_id", "instalment", ["invoice_id"])


def _invoice_dispute() -> None:
    op.create_table(
        "invoice_dispute",
        sa.Column("id", ID, primary_key=True),
        sa.Column("invoice_id", ID, sa.ForeignKey("invoice.id"), nullable=False),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("amount", NUMBER),
        sa.Column("line", NUMBER),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("owner_id", ID, sa.ForeignKey("staff.id")),
        sa.Column("respond_by", sa.Date()),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("granted", NUMBER),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.CheckConstraint("amount IS NULL OR amount > 0", name="invoice_dispute_amount_positive"),
        _known(
            "invoice_dispute",
            "state",
            "raised",
            "acknowledged",
            "accepted",
            "rejected",
            "withdrawn",
        ),
    )
    op.create_index("ix_invoice_dispute_client_id", "invoice_dispute", ["client_id"])
    op.create_index("ix_invoice_dispute_invoice_id", "invoice_dispute", ["invoice_id"])


def _invoice_line() -> None:
    op.create_table(
        "invoice_line",
        sa.Column("id", ID, primary_key=True),
        sa.Column("invoice_id", ID, sa.ForeignKey("invoice.id"), nullable=False),
        sa.Column("position", NUMBER, nullable=False),
        sa.Column("quantity", sa.String(), nullable=False),
        sa.Column("amount", NUMBER, nullable=False),
        sa.Column("discount", NUMBER, nullable=False),
        sa.Column("tax", NUMBER, nullable=False),
        sa.Column("tax_rate", NUMBER, nullable=False),
        sa.Column("tax_code", sa.String(), nullable=False),
        sa.Column("jurisdiction", sa.String(), nullable=False),
        sa.Column("inclusive", sa.Boolean(), nullable=False),
        sa.Column("description_id", ID),
    )
    op.create_index("ix_invoice_line_invoice_id", "invoice_line", ["invoice_id"])


def _payment_name() -> None:
    op.create_table(
        "payment_name",
        sa.Column("payment_id", ID, sa.ForeignKey("payment.id"), primary_key=True),
        sa.Column("position", NUMBER, primary_key=True),
        sa.Column("invoice_number", sa.String(), nullable=False),
        sa.Column("amount", NUMBER),
        sa.Column("read", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_payment_name_invoice_number", "payment_name", ["invoice_number"])


def _promise_part() -> None:
    op.create_table(
        "promise_part",
        sa.Column("promise_id", ID, sa.ForeignKey("promise.id"), primary_key=True),
        sa.Column("position", NUMBER, primary_key=True),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("amount", NUMBER, nullable=False),
        sa.CheckConstraint("amount > 0", name="promise_part_amount_positive"),
    )


def _promise_scope() -> None:
    op.create_table(
        "promise_scope",
        sa.Column("promise_id", ID, sa.ForeignKey("promise.id"), primary_key=True),
        sa.Column("invoice_number", sa.String(), primary_key=True),
    )


def _share() -> None:
    op.create_table(
        "share",
        sa.Column("invoice_id", ID, sa.ForeignKey("invoice.id"), primary_key=True),
        sa.Column("payer_id", ID, sa.ForeignKey("payer.id"), primary_key=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("amount", NUMBER, nullable=False),
        sa.Column("respond_by", sa.Date()),
        sa.Column("told_at", MOMENT, nullable=False),
        sa.CheckConstraint("amount >= 0", name="share_amount_known"),
        _known("share", "state", "waiting", "settled", "denied"),
    )
    op.create_index("ix_share_payer_id", "share", ["payer_id"])


def _credit_application() -> None:
    op.create_table(
        "credit_application",
        sa.Column("id", ID, primary_key=True),
        sa.Column("credit_note_id", ID, sa.ForeignKey("credit_note.id"), nullable=False),
        sa.Column("invoice_id", ID, sa.ForeignKey("invoice.id"), nullable=False),
        sa.Column("amount", NUMBER, nullable=False),
        sa.Column("applied_on", sa.Date(), nullable=False),
        sa.CheckConstraint("amount > 0", name="credit_application_amount_positive"),
    )
    op.create_index(
        "ix_credit_application_credit_note_id", "credit_application", ["credit_note_id"]
    )
    op.create_index("ix_credit_application_invoice_id", "credit_application", ["invoice_id"])


def _escalation_case() -> None:
    op.create_table(
        "escalation_case",
        sa.Column("id", ID, primary_key=True),
        sa.Column("enrolment_id", ID, sa.ForeignKey("enrolment.id"), nullable=False),
        sa.Column("episode", NUMBER, nullable=False),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("owner_id", ID, sa.ForeignKey("staff.id")),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("revision", NUMBER, nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.UniqueConstraint("enrolment_id", "episode", name="escalation_case_once"),
        _known("escalation_case", "state", "open", "closed"),
    )
    op.create_index("ix_escalation_case_client_id", "escalation_case", ["client_id"])
    op.create_index("ix_escalation_case_owner_id", "escalation_case", ["owner_id"])


def _posting() -> None:
    op.create_table(
        "posting",
        sa.Column("id", ID, primary_key=True),
        sa.Column("client_id", ID, sa.ForeignKey("client.id"), nullable=False),
        sa.Column("legal_entity_id", ID, sa.ForeignKey("legal_entity.id"), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("instalment_id", ID, sa.ForeignKey("instalment.id")),
        sa.Column("payer_id", ID, sa.ForeignKey("payer.id")),
        sa.Column("payment_id", ID, sa.ForeignKey("payment.id")),
        sa.Column("credit_note_id", ID, sa.ForeignKey("credit_note.id")),
        sa.Column("amount", NUMBER, nullable=False),
        sa.Column("effective_on", sa.Date(), nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("line", NUMBER, nullable=False),
        sa.CheckConstraint("amount <> 0", name="posting_amount_moves"),
        _known(
            "posting",
            "kind",
            "issue",
            "correction",
            "void",
            "charge",
            "waiver",
            "share",
            "credit",
            "payment",
            "refund",
            "chargeback",
            "allocation",
            "write_off",
        ),
        sa.UniqueConstraint("cause", "line", name="posting_once"),
    )
    op.create_index("ix_posting_instalment_id", "posting", ["instalment_id"])
    op.create_index("ix_posting_payment_id", "posting", ["payment_id"])
    op.create_index("posting_of_client", "posting", ["client_id", "currency", "instalment_id"])


def _step_taken() -> None:
    op.create_table(
        "step_taken",
        sa.Column("id", ID, primary_key=True),
        sa.Column("enrolment_id", ID, sa.ForeignKey("enrolment.id"), nullable=False),
        sa.Column("episode", NUMBER, nullable=False),
        sa.Column("step", NUMBER, nullable=False),
        sa.Column("round", NUMBER, nullable=False),
        sa.Column("how", sa.String(), nullable=False),
        sa.Column("taken_on", sa.Date(), nullable=False),
        sa.Column("taken_at", MOMENT, nullable=False),
        _known(
            "step_taken", "how", "queued", "sent", "imported", "escalated", "failed", "cancelled"
        ),
        sa.UniqueConstraint("enrolment_id", "episode", "step", "round", name="step_taken_once"),
    )
    op.create_index("ix_step_taken_enrolment_id", "step_taken", ["enrolment_id"])


def _step_listed() -> None:
    op.create_table(
        "step_listed",
        sa.Column("step_taken_id", ID, sa.ForeignKey("step_taken.id"), primary_key=True),
        sa.Column("instalment_id", ID, sa.ForeignKey("instalment.id"), primary_key=True),
    )
    op.create_index("ix_step_listed_instalment_id", "step_listed", ["instalment_id"])


def _known(table: str, column: str, *values: str) -> sa.CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({allowed})", name=f"{table}_{column}_known")
