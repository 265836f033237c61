"""What is offered to a client who has paid, or renewed? One message, that the door holds like any.

The offer is a row of its own: the message names it, and it is made once for what brought it about.
"""

import json
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from billing import accounts, agreements, aliases, offers, overrides, store
from billing.ledger import Applied
from billing.models import (
    Agreement,
    AgreementState,
    Client,
    Invoice,
    InvoiceState,
    OfferMade,
    Payment,
)
from billing.policy.offers import Trigger
from comms import outbox, timeline
from comms.addresses import recipients
from comms.models import UNSENT, Audience, Decision, Message, Purpose, State
from comms.office import Office

SUBJECT = "offer"


class Cause(NamedTuple):
    """What brings an offer about; ``name`` keeps it from being made twice for it."""

    trigger: Trigger
    name: str
    of: Payment | Agreement


def after(session: Session, office: Office, applied: Sequence[Applied]) -> None:
    """What some facts, that are news and were booked, give reason to offer."""
    if not office.policy.offers:
        return
    paid = [one for one in applied if one.received and one.payment_id]
    renewing = agreements.renewed_by(session, [one.payment_id or 0 for one in paid])
    for one in paid:
        payment = session.get_one(Payment, one.payment_id)
        if payment.id in renewing:
            agreement = agreements.of_payment(session, payment.id)
            cause = f"renewed:{agreement.id if agreement else 0}:{payment.id}"
            if make(session, office, one.client_id, Cause("renewed", cause, payment)):
                continue
        make(session, office, one.client_id, Cause("paid", f"paid:{payment.id}", payment))


def after_acceptance(session: Session, office: Office, agreement: Agreement) -> None:
    """A contract renewed it."""
    name = f"accepted:{agreement.id}:{agreement.renews_on}"
    make(session, office, agreement.client_id, Cause("renewed", name, agreement))


def make(session: Session, office: Office, client_id: int, cause: Cause) -> bool:
    """Make the offer that fits, once; say whether one was made. What is decided is written down."""
    client = aliases.master(session, session.get_one(Client, client_id))
    known = core_select(col(OfferMade.id)).where(col(OfferMade.cause) == cause.name)
    if session.execute(known).first() is not None:
        return False
    audience = _audience(session, office, client, cause.of.currency)
    decision = offers.decide(cause.trigger, audience, office.now, office.policy)
    if isinstance(decision, offers.Skip):
        if decision.rule != "no_offer":
            _note(session, office, client, ("offers", client.id), decision)
        return False
    channels = decision.offer.channels
    reached = recipients.to(session, office.policy, client.id, "renewal", *channels)
    contact_id, _, address_id = reached
    if contact_id is None or address_id is None:
        return False
    made = OfferMade(
        client_id=client.id,
        legal_entity_id=cause.of.legal_entity_id,
        name=decision.offer.name,
        trigger=cause.trigger,
        cause=cause.name,
        discount_code=decision.offer.code,
        percent=f"{decision.offer.discount_percent.normalize():f}"
        if decision.offer.discount_percent
        else "",
        amount=decision.amount,
        currency=cause.of.currency if decision.amount else "",
        valid_until=decision.valid_until,
        offered_at=office.now,
    )
    session.add(made)
    session.flush()
    _note(session, office, client, (SUBJECT, made.id), decision)
    _queue(session, office, made, decision, reached)
    return True


def _queue(
    session: Session,
    office: Office,
    made: OfferMade,
    decision: offers.Make,
    reached: recipients.Reached,
) -> None:
    contact_id, channel, address_id = reached
    message = store.fresh(
        Message,
        key=f"offer:{made.id}:{contact_id or 0}:{channel}",
        reference="",
        audience=Audience.CLIENT,
        channel=channel,
        purpose=Purpose.OFFER,
        template=decision.offer.template,
        client_id=made.client_id,
        legal_entity_id=made.legal_entity_id,
        contact_id=contact_id,
        address_id=address_id,
        subject_kind=SUBJECT,
        subject_id=made.id,
        send_after=decision.send_after,
        expires_at=decision.expires_at,
        created_at=office.now,
    )
    outbox.queue(session, message)


def _audience(session: Session, office: Office, client: Client, currency: str) -> offers.Audience:
    together = aliases.group(session, client.id)
    debts = accounts.owed(session, client.id)
    standing = accounts.promised(session, client, debts, office.now, office.policy)
    return offers.Audience(
        timezone=client.timezone,
        currency=currency,
        segment=client.segment or "",
        services=frozenset(_services(session, together)),
        owed=tuple(debt.instalment for debt in standing),
        made=tuple(_made(session, together)),
        overrides=overrides.of(session, [client.id], office.now).get(client.id, ()),
    )


def _services(session: Session, clients: Collection[int]) -> set[str]:
    """What the client has of us: its agreements that run, and its last invoice."""
    query = select(Agreement.service_type).where(
        col(Agreement.client_id).in_(clients),
        col(Agreement.state).in_((AgreementState.ACTIVE, AgreementState.RENEWED)),
    )
    last = (
        select(Invoice.service_type)
        .where(col(Invoice.client_id).in_(clients), Invoice.state == InvoiceState.ISSUED)
        .order_by(col(Invoice.issued_on).desc(), col(Invoice.id).desc())
        .limit(1)
    )
    return {one for one in (*session.exec(query), *session.exec(last)) if one}


def _made(session: Session, clients: Collection[int]) -> list[offers.Made]:
    rows = session.exec(select(OfferMade).where(col(OfferMade.client_id).in_(clients))).all()
    unsent = select(Message.subject_id).where(
        Message.subject_kind == SUBJECT,
        col(Message.subject_id).in_([one.id for one in rows]),
        col(Message.state).in_((*UNSENT, State.SENDING)),
    )
    waiting = set(session.exec(unsent)) if rows else set()
    return [offers.Made(one.name, one.offered_at, one.id in waiting) for one in rows]


def _note(
    session: Session,
    office: Office,
    client: Client,
    subject: tuple[str, int],
    decision: offers.Make | offers.Skip,
) -> None:
    inputs: dict[str, object] = {"policy": office.policy.version}
    if isinstance(decision, offers.Make):
        inputs |= {"offer": decision.offer.name}
    row = store.fresh(
        Decision,
        client_id=client.id,
        subject_kind=subject[0],
        subject_id=subject[1],
        verdict=type(decision).__name__.lower(),
        rule=decision.rule,
        until=decision.send_after if isinstance(decision, offers.Make) else None,
        inputs=json.dumps(inputs, sort_keys=True),
        decided_at=office.now,
    )
    timeline.decide(session, office.keyring, client.key_id, row, decision.reason)
