"""What did the client agree to, for how much since when, and what is charged for it?"""

import datetime as dt
from typing import Any

from sqlmodel import Session, select

from billing import agreements, aliases, cycles, facts, references
from billing.ledger.entry import Applied, Contradiction, Entry, touch
from billing.models import (
    Agreement,
    AgreementChange,
    AgreementPause,
    AgreementState,
    CardChange,
    Enrolment,
    EnrolmentState,
    Payment,
    RenewalCharge,
)
from billing.models import Sequence as Ladder

_KEPT = {
    "kind", "name", "amount", "currency", "renews_on", "service_type", "rate_card",
    "billing_cycle", "payment_terms", "contract_value", "ladder", "notice_days",
}  # fmt: skip
_EARLY = 120
"""Days before the renewal from which on a payment for it is for this term, and not the last."""


def describe(entry: Entry, fact: facts.AgreementDescribed) -> Applied:
    """Make the agreement, or take over what is said of it."""
    session = entry.session
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    entity = references.entity(session, fact.legal_entity, fact.currency)
    told = fact.model_dump(include=_KEPT)
    agreement_id = references.known(session, fact.source, "agreement", fact.key)
    agreement = session.get(Agreement, agreement_id) if agreement_id else None
    if agreement is None:
        return _begin(entry, fact, told, client_id, entity.id)
    _theirs(session, fact, agreement)
    changed = any(getattr(agreement, key) != value for key, value in told.items())
    if changed:
        if agreement.renews_on < fact.renews_on:
            _begin_term(session, agreement)
        agreement.sqlmodel_update(told)
        touch(session, client_id, entry.now)
    if changed or fact.effective_on:
        _note(session, agreement.id, fact.effective_on or entry.now.date(), fact.amount)
    return Applied(client_id, changed=changed, agreement_id=agreement.id)


def end(entry: Entry, fact: facts.AgreementEnded) -> Applied:
    """Nothing is renewed any more."""
    agreement = _found(entry, fact)
    changed = agreement.ended_on != fact.ended_on
    if changed:
        agreement.ended_on = fact.ended_on
        agreement.state = AgreementState.CANCELLED
        _note(entry.session, agreement.id, fact.ended_on, 0)
    return _said(entry, fact, agreement, changed=changed)


def accept(entry: Entry, fact: facts.AgreementAccepted) -> Applied:
    """It is renewed by a contract; what it costs is charged or billed as ever."""
    agreement = _found(entry, fact)
    waiting = agreement.state in (AgreementState.ACTIVE, AgreementState.LAPSED)
    changed = waiting and agreement.renews_on == fact.renews_on
    if changed:
        agreement.state = AgreementState.RENEWED
    return _said(entry, fact, agreement, changed=changed)


def suspend(entry: Entry, fact: facts.AgreementSuspended) -> Applied:
    """It cannot be used for a while; the end may be told later."""
    session, agreement = entry.session, _found(entry, fact)
    row = session.get(AgreementPause, (agreement.id, fact.suspended_on))
    changed = row is None or (fact.resumed_on is not None and row.resumed_on != fact.resumed_on)
    if row is None:
        row = AgreementPause(agreement_id=agreement.id, suspended_on=fact.suspended_on)
        session.add(row)
    row.resumed_on = fact.resumed_on or row.resumed_on
    return _said(entry, fact, agreement, changed=changed)


def change_card(entry: Entry, fact: facts.CardChanged) -> Applied:
    """What the last card refused may be tried at once."""
    session = entry.session
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    if session.get(CardChange, (client_id, fact.happened_at)) is not None:
        return Applied(client_id, changed=False)
    session.add(CardChange(client_id=client_id, happened_at=fact.happened_at))
    touch(session, client_id, entry.now)
    return Applied(client_id)


# --- what is charged for the next term ------------------------------------------------------------


def charged(session: Session, fact: facts.PaymentFact, client_id: int) -> Agreement | None:
    """The agreement for whose next term a payment is tried; None where it is for none.

    Raises:
        Unknown: nobody described it.
        Contradiction: it is somebody else's.
    """
    if fact.renewal_of is None:
        return None
    key = facts.joined(fact.source, "agreement", fact.renewal_of)
    found = references.known(session, fact.source, "agreement", key)
    if found is None:
        raise references.Unknown(f"agreement {fact.renewal_of} is not known; describe it first")
    agreement = session.get_one(Agreement, found)
    if agreement.client_id not in aliases.group(session, client_id):
        raise Contradiction(
            f"agreement {fact.renewal_of} is not one of client {fact.client_external_id}; "
            "charge it to the client whose it is"
        )
    return agreement


def charge(
    session: Session, payment: Payment, fact: facts.PaymentFact, agreement: Agreement
) -> bool:
    """Keep for what a payment was tried, and how it was declined last; say whether that is news."""
    failed = isinstance(fact, facts.PaymentFailed)
    decline = fact.decline if isinstance(fact, facts.PaymentFailed) else ""
    row = session.get(RenewalCharge, payment.id)
    if row is None:
        named = [one.invoice_number for one in fact.allocations]
        row = RenewalCharge(
            payment_id=payment.id,
            agreement_id=agreement.id,
            term=agreement.renews_on,
            item=fact.invoice_number or next(iter(named), ""),
            initiated_by=fact.initiated_by,
            decline=decline,
        )
        session.add(row)
        return True
    youngest = failed and payment.failed_at == fact.happened_at
    if not (youngest and decline and decline != row.decline):
        return False
    row.decline = decline
    return True


def renew(session: Session, agreement: Agreement, paid_on: dt.date) -> None:
    """Money for all that is charged for the term renews it; nothing less does."""
    session.flush()
    items = agreements.items(session, [agreement.id]).get(agreement.id, [])
    term = [one for one in items if one.term == agreement.renews_on]
    cycle = cycles.cycle_of(
        agreement.renews_on - dt.timedelta(days=1), agreement.renews_on, agreement.billing_cycle
    )
    early = min(_EARLY, (cycle[1] - cycle[0]).days // 2) if cycle else _EARLY
    if (
        agreement.state in (AgreementState.ACTIVE, AgreementState.LAPSED)
        and term
        and all(agreements.is_clear(one) for one in items)
        and paid_on >= agreement.renews_on - dt.timedelta(days=early)
    ):
        agreement.state = AgreementState.RENEWED


# --- what all of it needs -------------------------------------------------------------------------

_AboutAgreement = facts.AgreementEnded | facts.AgreementAccepted | facts.AgreementSuspended


def _theirs(
    session: Session, fact: facts.AgreementDescribed | _AboutAgreement, agreement: Agreement
) -> None:
    """It stays the client's who made it.

    Raises:
        Contradiction: it names another.
    """
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    if client_id not in aliases.group(session, agreement.client_id):
        raise Contradiction(
            f"agreement {fact.external_id} is another client's; end it there, and describe it here "
            "under an id of its own"
        )


def _found(entry: Entry, fact: _AboutAgreement) -> Agreement:
    found = references.known(entry.session, fact.source, "agreement", fact.agreement_key)
    if found is None:
        raise references.Unknown(f"agreement {fact.external_id} is not known; describe it first")
    agreement = entry.session.get_one(Agreement, found)
    _theirs(entry.session, fact, agreement)
    return agreement


def _said(entry: Entry, fact: _AboutAgreement, agreement: Agreement, *, changed: bool) -> Applied:
    client_id = references.client_of(entry.session, fact.source, fact.client_external_id)
    if changed:
        touch(entry.session, client_id, entry.now)
    return Applied(client_id, changed=changed, agreement_id=agreement.id)


def _begin(
    entry: Entry,
    fact: facts.AgreementDescribed,
    told: dict[str, Any],
    client_id: int,
    entity_id: int,
) -> Applied:
    session = entry.session
    agreement = Agreement(
        client_id=client_id, legal_entity_id=entity_id, recorded_at=entry.now, **told
    )
    session.add(agreement)
    session.flush()
    references.remember(session, fact.source, "agreement", fact.key, agreement.id)
    _note(session, agreement.id, fact.effective_on or entry.now.date(), fact.amount)
    session.add(
        Enrolment(
            sequence=Ladder.RENEWAL,
            client_id=client_id,
            legal_entity_id=entity_id,
            currency=fact.currency,
            agreement_id=agreement.id,
            next_due_at=entry.now,
            created_at=entry.now,
        )
    )
    return Applied(client_id, agreement_id=agreement.id)


def _note(session: Session, agreement_id: int, on: dt.date, amount: int) -> None:
    """What it comes to from a day on; the last word about a day counts."""
    found = session.get(AgreementChange, (agreement_id, on))
    if found is None:
        session.add(AgreementChange(agreement_id=agreement_id, effective_on=on, amount=amount))
    else:
        found.amount = amount


def _begin_term(session: Session, agreement: Agreement) -> None:
    """It was renewed: the notices of the next term are an episode of their own."""
    agreement.state = AgreementState.ACTIVE
    for enrolment in session.exec(select(Enrolment).where(Enrolment.agreement_id == agreement.id)):
        enrolment.episode += 1
        enrolment.state = EnrolmentState.ACTIVE
