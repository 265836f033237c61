"""What does a fact change?

``apply`` is the only way in: it may be told the same fact twice, late or out of order. A fact sets
what its document or payment says, the youngest word winning; ``books`` then posts what is missing.
Every change of an account makes its sequences due for a look.
"""

import datetime as dt
from collections.abc import Iterator

from sqlmodel import Session

from billing import facts
from billing.keyring import Keyring
from billing.ledger import agreements, clients, credit_notes, invoices, legal, payments, standing
from billing.ledger.entry import Applied, Contradiction, Entry, resettle, touch

__all__ = ["Applied", "Contradiction", "apply", "resettle", "touch"]


def apply(
    session: Session,
    fact: facts.Fact,
    now: dt.datetime,
    keys: Iterator[str],
    keyring: Keyring | None = None,
) -> Applied:
    """Book a fact. ``keys`` yields keyring owners made beforehand, one for each new client.

    Raises:
        Contradiction: it restates an issued invoice otherwise, or asks for what may not be.
        Unknown: its client or invoice was never described.
    """
    entry = Entry(session, now, keys, keyring)
    if isinstance(fact, facts.InvoiceFact):
        return _apply_to_invoice(entry, fact)
    if isinstance(fact, facts.PaymentFact):
        return payments.take(entry, fact)
    if isinstance(fact, facts.StandingFact):
        return _apply_to_standing(entry, fact)
    if isinstance(fact, facts.AgreementFact):
        return _apply_to_agreement(entry, fact)
    if isinstance(fact, facts.LegalFact):
        return _apply_by_law(entry, fact)
    return clients.describe(entry, fact)


def _apply_to_invoice(  # noqa: C901, PLR0911 - one line for each kind of fact
    entry: Entry, fact: facts.InvoiceFact
) -> Applied:
    match fact:
        case facts.InvoiceDrafted():
            return invoices.draft(entry, fact)
        case facts.InvoiceIssued():
            return invoices.issue(entry, fact)
        case facts.InvoiceCorrected():
            return invoices.correct(entry, fact)
        case facts.InvoiceVoided():
            return invoices.void(entry, fact)
        case facts.InvoiceWrittenOff():
            return invoices.write_off(entry, fact)
        case facts.ShareDescribed():
            return invoices.share(entry, fact)
        case facts.ChargeAdded():
            return invoices.charge(entry, fact)
        case facts.ChargeWaived():
            return invoices.waive(entry, fact)
        case facts.CreditNoteIssued():
            return credit_notes.issue(entry, fact)
        case facts.CreditNoteVoided():
            return credit_notes.void(entry, fact)
        case facts.CreditApplied():
            return credit_notes.use(entry, fact)


def _apply_to_standing(entry: Entry, fact: facts.StandingFact) -> Applied:
    match fact:
        case facts.InvoiceDisputed():
            return standing.dispute(entry, fact)
        case facts.DisputeClosed():
            return standing.close_dispute(entry, fact)
        case facts.PromiseMade():
            return standing.promise(entry, fact)
        case facts.PromiseWithdrawn():
            return standing.withdraw_promise(entry, fact)
        case facts.HoldPlaced():
            return standing.hold(entry, fact)
        case facts.HoldReleased():
            return standing.release_hold(entry, fact)


def _apply_to_agreement(entry: Entry, fact: facts.AgreementFact) -> Applied:
    match fact:
        case facts.AgreementDescribed():
            return agreements.describe(entry, fact)
        case facts.AgreementAccepted():
            return agreements.accept(entry, fact)
        case facts.AgreementSuspended():
            return agreements.suspend(entry, fact)
        case facts.AgreementEnded():
            return agreements.end(entry, fact)
        case facts.CardChanged():
            return agreements.change_card(entry, fact)


def _apply_by_law(entry: Entry, fact: facts.LegalFact) -> Applied:
    match fact:
        case facts.LegalStatePlaced():
            return legal.place(entry, fact)
        case facts.LegalStateLifted():
            return legal.lift(entry, fact)
        case facts.PreferenceStated():
            return legal.prefer(entry, fact)
        case facts.PreferenceEnded():
            return legal.stop_preferring(entry, fact)
