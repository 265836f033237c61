"""Where does a payment stand, whatever was told of it and in whatever order?

Each kind of news keeps its youngest word (started, settled, failed), and the state follows from
their moments: a failure older than the success is stale, a younger one moves it back, as a bank
debit may. Amounts are what the payment comes to, or what went back of it, *to date*.
"""

import datetime as dt
from collections.abc import Iterator

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from billing import aliases, facts, references, remittance
from billing.ledger import agreements
from billing.ledger.entry import Applied, Contradiction, Entry
from billing.models import Chargeback, ChargebackOutcome, Payment, PaymentName, PaymentState

_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
_PROGRESS = ("", *map(str, (PaymentState.INITIATED, PaymentState.REQUIRES_ACTION, "processing")))
_OUTCOMES = tuple(map(str, ChargebackOutcome))
_NAMES_OF = (
    core_select(PaymentName)
    .where(col(PaymentName.payment_id) == bindparam("payment"))
    .order_by(col(PaymentName.position))
)


def take(entry: Entry, fact: facts.PaymentFact) -> Applied:
    """Take over what is said of a payment, and post what that moves."""
    session = entry.session
    client_id = references.client_of(session, fact.source, fact.client_external_id)
    agreement = agreements.charged(session, fact, client_id)
    payment = _find(session, fact)
    fresh = payment is None
    if payment is None:
        payment = _make(entry, fact, client_id)
    elif payment.currency != fact.currency:
        raise Contradiction(
            f"payment {fact.external_id} was in {payment.currency} and is now in {fact.currency}; "
            "give a payment in another currency an id of its own"
        )
    elif client_id not in (payment.client_id, *aliases.group(session, payment.client_id)):
        raise Contradiction(
            f"payment {fact.external_id} was another client's; tell there that it was refunded, "
            "and here of a payment with an id of its own"
        )
    before = 0 if fresh else _received(payment)
    changed = _note(session, payment, fact)
    payment.state = _state(payment)
    tried = agreement is not None and agreements.charge(session, payment, fact, agreement)
    if not any((_name(session, payment, fact), changed, fresh, tried)):
        return Applied(client_id, changed=False, payment_id=payment.id)
    account = (payment.client_id, payment.legal_entity_id, payment.currency)
    entry.settle(account, fact.key, _day(fact))
    more = 0 if payment.payer_id else max(0, _received(payment) - before)
    if agreement is None:
        return Applied(client_id, payment_id=payment.id, received=more)
    if payment.state == PaymentState.SUCCEEDED:
        agreements.renew(session, agreement, payment.received_on)
    return Applied(client_id, payment_id=payment.id, agreement_id=agreement.id, received=more)


def _find(session: Session, fact: facts.PaymentFact) -> Payment | None:
    found = references.known(session, fact.source, "payment", fact.payment_key)
    return session.get(Payment, found) if found else None


def _make(entry: Entry, fact: facts.PaymentFact, client_id: int) -> Payment:
    session = entry.session
    entity = references.entity(session, fact.legal_entity, fact.currency)
    payment = Payment(
        client_id=client_id,
        legal_entity_id=entity.id,
        currency=fact.currency,
        reference=fact.external_id,
        payer_id=references.payer(session, fact.source, fact.payer) if fact.payer else None,
        method=fact.method,
        amount=fact.amount,
        state=PaymentState.INITIATED,
        received_on=_day(fact),
        recorded_at=entry.now,
    )
    session.add(payment)
    session.flush()
    references.remember(session, fact.source, "payment", fact.payment_key, payment.id)
    return payment


def _note(session: Session, payment: Payment, fact: facts.PaymentFact) -> bool:
    """Keep its word, where it is news; say whether it is."""
    match fact:
        case facts.PaymentStarted():
            return _start(payment, fact)
        case facts.PaymentSettled():
            return _settle(payment, fact)
        case facts.PaymentFailed():
            return _fail(payment, fact)
        case facts.PaymentRefunded():
            more = fact.refunded > payment.refunded
            payment.refunded = max(payment.refunded, fact.refunded)
            return more
        case facts.PaymentChargedBack():
            return _charge_back(session, payment, fact)


def _start(payment: Payment, fact: facts.PaymentStarted) -> bool:
    held = (payment.started_at or _NEVER, _PROGRESS.index(payment.started_as))
    if (fact.happened_at, _PROGRESS.index(fact.state)) <= held:
        return False
    payment.started_at, payment.started_as = fact.happened_at, fact.state
    if payment.settled_at is None:
        payment.amount = fact.amount
    return True


def _settle(payment: Payment, fact: facts.PaymentSettled) -> bool:
    held = (_NEVER, 0, dt.date.max)
    if payment.settled_at is not None:
        held = (payment.settled_at, payment.amount, payment.received_on)
    at, amount, day = held
    word = (max(at, fact.at), max(amount, fact.amount), min(day, fact.received_on))
    if word == held:
        return False
    payment.settled_at, payment.amount, payment.received_on = word
    payment.method = payment.method or fact.method
    return True


def _fail(payment: Payment, fact: facts.PaymentFailed) -> bool:
    if (fact.happened_at, fact.outcome) <= (payment.failed_at or _NEVER, payment.failed_as):
        return False
    payment.failed_at, payment.failed_as = fact.happened_at, fact.outcome
    return True


def _charge_back(session: Session, payment: Payment, fact: facts.PaymentChargedBack) -> bool:
    row = session.exec(
        select(Chargeback).where(
            Chargeback.payment_id == payment.id, Chargeback.reference == fact.chargeback
        )
    ).first()
    if row is None:
        row = Chargeback(
            payment_id=payment.id,
            reference=fact.chargeback,
            outcome=fact.outcome,
            amount=fact.withdrawn,
            happened_at=fact.happened_at,
        )
        session.add(row)
        return True
    more = fact.withdrawn > row.amount
    row.amount = max(row.amount, fact.withdrawn)
    word = (_OUTCOMES.index(fact.outcome) > 0, fact.happened_at, fact.outcome)
    if word <= (_OUTCOMES.index(row.outcome) > 0, row.happened_at, row.outcome):
        return more
    row.outcome, row.happened_at = fact.outcome, fact.happened_at
    return True


def _state(payment: Payment) -> PaymentState:
    settled, failed = payment.settled_at or _NEVER, payment.failed_at or _NEVER
    if settled > failed:
        return PaymentState.SUCCEEDED
    if payment.failed_at is not None and failed >= (payment.started_at or _NEVER):
        return PaymentState(payment.failed_as)
    return PaymentState(payment.started_as or PaymentState.INITIATED)


def _received(payment: Payment) -> int:
    return payment.amount if payment.state == PaymentState.SUCCEEDED else 0


def _day(fact: facts.PaymentFact) -> dt.date:
    match fact:
        case facts.PaymentSettled():
            return fact.received_on
        case facts.PaymentRefunded():
            return fact.refunded_on
        case _:
            return fact.happened_at.date()


# --- what it is for -------------------------------------------------------------------------------


def _name(session: Session, payment: Payment, fact: facts.PaymentFact) -> bool:
    """Keep which invoices it is for; only the youngest news of its arrival may say so anew."""
    told = list(_names(fact))
    held = session.execute(_NAMES_OF, {"payment": payment.id}).scalars().all()
    known = [(row.invoice_number, row.amount, row.read) for row in held]
    if not told or told == known or (held and not _is_youngest(payment, fact)):
        return False
    for row in held:
        session.delete(row)
    session.flush()
    for position, (number, amount, read) in enumerate(told, 1):
        session.add(
            PaymentName(
                payment_id=payment.id,
                position=position,
                invoice_number=number,
                amount=amount,
                read=read,
            )
        )
    return True


def _is_youngest(payment: Payment, fact: facts.PaymentFact) -> bool:
    """Nothing younger was told of its arrival than this."""
    return isinstance(fact, facts.PaymentSettled) and fact.at >= (payment.settled_at or _NEVER)


def _names(fact: facts.PaymentFact) -> Iterator[tuple[str, int | None, bool]]:
    """What was said in so many words; only where nothing was, the codes in what they wrote."""
    if fact.invoice_number:
        yield fact.invoice_number, None, False
    for one in fact.allocations:
        yield one.invoice_number, one.amount, False
    if not fact.invoice_number and not fact.allocations:
        for code in remittance.codes(fact.remittance):
            yield code, None, True
