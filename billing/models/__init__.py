"""Which tables does billing keep?"""

from billing.models.agreements import Agreement, AgreementKind, AgreementState
from billing.models.bodies import Vault
from billing.models.clients import (
    Address,
    Client,
    Contact,
    ContactAddress,
    ContactRole,
    ExternalRef,
    Health,
    PrimaryRecipient,
    Verification,
)
from billing.models.collections import (
    Enrolment,
    EnrolmentState,
    EscalationCase,
    Hold,
    Sequence,
    StepListed,
    StepTaken,
)
from billing.models.firm import LegalEntity, LiveSwitch, Role, Staff, StaffRole
from billing.models.invoices import (
    OPEN_DISPUTES,
    DisputeState,
    Instalment,
    Invoice,
    InvoiceDispute,
    InvoiceLine,
    InvoiceState,
)
from billing.models.matching import AliasEvent, ClientKey, Duplicate, Standing
from billing.models.payments import Payment, PaymentState, Posting, PostingKind

__all__ = [
    "OPEN_DISPUTES",
    "Address",
    "Agreement",
    "AgreementKind",
    "AgreementState",
    "AliasEvent",
    "Client",
    "ClientKey",
    "Contact",
    "ContactAddress",
    "ContactRole",
    "DisputeState",
    "Duplicate",
    "Enrolment",
    "EnrolmentState",
    "EscalationCase",
    "ExternalRef",
    "Health",
    "Hold",
    "Instalment",
    "Invoice",
    "InvoiceDispute",
    "InvoiceLine",
    "InvoiceState",
    "LegalEntity",
    "LiveSwitch",
    "Payment",
    "PaymentState",
    "Posting",
    "PostingKind",
    "PrimaryRecipient",
    "Role",
    "Sequence",
    "Staff",
    "StaffRole",
    "Standing",
    "StepListed",
    "StepTaken",
    "Vault",
    "Verification",
]
