"""What has the client agreed to, and since when does it come to how much?"""

import datetime as dt
from typing import Any

from sqlmodel import Session, select

from billing import facts, references
from billing.ledger.entry import Applied, Entry, touch
from billing.models import Agreement, AgreementChange, AgreementState, Enrolment, EnrolmentState
from billing.models import Sequence as Ladder

_KEPT = {
    "kind", "name", "amount", "currency", "renews_on", "service_type", "rate_card",
    "billing_cycle", "payment_terms", "contract_value",
}  # fmt: skip


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
    session = entry.session
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    found = references.known(session, fact.source, "agreement", fact.agreement_key)
    if found is None:
        raise references.Unknown(f"agreement {fact.external_id} is not known; describe it first")
    agreement = session.get_one(Agreement, found)
    changed = agreement.ended_on != fact.ended_on
    if changed:
        agreement.ended_on = fact.ended_on
        agreement.state = AgreementState.CANCELLED
        _note(session, agreement.id, fact.ended_on, 0)
        touch(session, client_id, entry.now)
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
