"""What can billing engines, files and CRMs tell us, and in which form do we take it?

A fact is frozen and checked when it is made; nothing behind this door checks text again. Its
``key`` names the thing it speaks of (source and their id), never what it says about it: the same
fact twice changes nothing, and the same key saying something else is a restatement that the
ledger judges (details of a client are updated, a settled amount is the amount *to date*, an issued
amount changes only by ``InvoiceCorrected``).
"""

from typing import TypeAlias

from billing.facts.agreements import (
    AgreementAccepted,
    AgreementDescribed,
    AgreementEnded,
    AgreementSuspended,
    CardChanged,
)
from billing.facts.clients import ClientDescribed
from billing.facts.invoices import (
    AboutInvoice,
    ChargeAdded,
    ChargeWaived,
    CreditApplied,
    CreditNoteIssued,
    CreditNoteVoided,
    InvoiceCorrected,
    InvoiceDrafted,
    InvoiceIssued,
    InvoiceVoided,
    InvoiceWrittenOff,
    Line,
    Part,
    ShareDescribed,
)
from billing.facts.legal import (
    LegalStateLifted,
    LegalStatePlaced,
    PreferenceEnded,
    PreferenceStated,
)
from billing.facts.payments import (
    Allocated,
    PaymentChargedBack,
    PaymentFailed,
    PaymentRefunded,
    PaymentSettled,
    PaymentStarted,
)
from billing.facts.standing import (
    DisputeClosed,
    HoldPlaced,
    HoldReleased,
    InvoiceDisputed,
    PlanPart,
    PromiseMade,
    PromiseWithdrawn,
)
from billing.facts.words import (
    OURSELVES,
    Country,
    Currency,
    Mailbox,
    Name,
    Phone,
    Told,
    Words,
    country,
    currency,
    joined,
    language,
    mailbox,
    phone,
    some,
    text,
    timezone,
)

InvoiceFact: TypeAlias = (
    InvoiceDrafted
    | InvoiceIssued
    | InvoiceCorrected
    | InvoiceVoided
    | InvoiceWrittenOff
    | ShareDescribed
    | CreditNoteIssued
    | CreditNoteVoided
    | CreditApplied
    | ChargeAdded
    | ChargeWaived
)
PaymentFact: TypeAlias = (
    PaymentStarted | PaymentSettled | PaymentFailed | PaymentRefunded | PaymentChargedBack
)
StandingFact: TypeAlias = (
    InvoiceDisputed | DisputeClosed | PromiseMade | PromiseWithdrawn | HoldPlaced | HoldReleased
)
AgreementFact: TypeAlias = (
    AgreementDescribed | AgreementAccepted | AgreementSuspended | AgreementEnded | CardChanged
)
LegalFact: TypeAlias = LegalStatePlaced | LegalStateLifted | PreferenceStated | PreferenceEnded
Fact: TypeAlias = (
    ClientDescribed | AgreementFact | InvoiceFact | PaymentFact | StandingFact | LegalFact
)

__all__ = [
    "OURSELVES",
    "AboutInvoice",
    "AgreementAccepted",
    "AgreementDescribed",
    "AgreementEnded",
    "AgreementFact",
    "AgreementSuspended",
    "Allocated",
    "CardChanged",
    "ChargeAdded",
    "ChargeWaived",
    "ClientDescribed",
    "Country",
    "CreditApplied",
    "CreditNoteIssued",
    "CreditNoteVoided",
    "Currency",
    "DisputeClosed",
    "Fact",
    "HoldPlaced",
    "HoldReleased",
    "InvoiceCorrected",
    "InvoiceDisputed",
    "InvoiceDrafted",
    "InvoiceFact",
    "InvoiceIssued",
    "InvoiceVoided",
    "InvoiceWrittenOff",
    "LegalFact",
    "LegalStateLifted",
    "LegalStatePlaced",
    "Line",
    "Mailbox",
    "Name",
    "Part",
    "PaymentChargedBack",
    "PaymentFact",
    "PaymentFailed",
    "PaymentRefunded",
    "PaymentSettled",
    "PaymentStarted",
    "Phone",
    "PlanPart",
    "PreferenceEnded",
    "PreferenceStated",
    "PromiseMade",
    "PromiseWithdrawn",
    "ShareDescribed",
    "StandingFact",
    "Told",
    "Words",
    "country",
    "currency",
    "joined",
    "language",
    "mailbox",
    "phone",
    "some",
    "text",
    "timezone",
]
