"""What follows from the charges for a renewal: whom do we tell what, and what is credited?

We charge no cards. A client hears once that a charge failed; a try that is due, and a deadline that
has passed, are told to finance, who see to it where cards are charged.
"""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import Session, col

from billing import agreements, retries
from billing.calendar import local_date, midnight
from billing.ledger import credit_notes
from billing.ledger.entry import Entry
from billing.models import Agreement, AgreementState, Client, LegalEntity
from billing.retries import Item
from comms import outbox, staff
from comms.addresses import recipients
from comms.models import Audience, Message, Purpose
from comms.office import Office
from comms.outreach import offers

CONFIRMED = dt.timedelta(days=14)
"""For so long a confirmation that something is renewed is still news."""


class _Of(NamedTuple):
    """Whose renewal it is."""

    agreement: Agreement
    client: Client


def advance(
    session: Session, office: Office, agreement: Agreement, client: Client
) -> dt.datetime | None:
    """Bring the charges for an agreement to where they should stand; say when to look again."""
    if agreement.state == AgreementState.RENEWED:
        _confirm(session, office, agreement, client)
    looks = [_credit(session, office, agreement, client)]
    charged = agreements.items(session, [agreement.id]).get(agreement.id, [])
    entity = session.get_one(LegalEntity, agreement.legal_entity_id)
    if charged and office.policy.renewal.renews(entity.name):
        cards = agreements.cards(session, client.id)
        of = _Of(agreement, client)
        looks += [_try(session, office, of, one, cards) for one in charged]
    return min((look for look in looks if look is not None), default=None)


def _try(
    session: Session, office: Office, of: _Of, item: Item, cards: Sequence[dt.datetime]
) -> dt.datetime | None:
    """One item: tell the client once that it failed, and finance when it is to be tried again."""
    agreement, client = of
    item = retries.before_the_end(item, agreement.ended_on)
    name = f"{agreement.id}:{item.key}"
    over = agreement.ended_on and agreement.ended_on <= local_date(office.now, client.timezone)
    if not retries.is_dunned(item) or over:
        _take_back(session, agreement, item)
        return None
    agreements.pin(session, item, office.policy, office.now)
    _say_it_failed(session, office, of, item, name)
    policy = office.policy.renewal.retries
    end = retries.deadline(item, policy)
    if end <= office.now:
        _tell(session, office, of, item, "charge_over", name)
        return None
    match retries.decide(item, cards, policy):
        case retries.Next(at=at) if at <= office.now:
            latest = item.attempts[-1].payment_id
            _tell(session, office, of, item, "charge_due", f"{name}:{latest}:{at}")
            return end
        case retries.Next(at=at):
            return at
        case retries.Rest():
            return end


def _say_it_failed(session: Session, office: Office, of: _Of, item: Item, name: str) -> None:
    """One mail for what failed, however often it fails and whoever tells of it."""
    agreement, client = of
    failed = next(one for one in item.attempts if one.outcome == "failed")
    reached = recipients.to(session, office.policy, client.id, "billing", "email", "sms")
    contact_id, channel, address_id = reached
    if contact_id is None or address_id is None:
        return
    message = Message(
        key=f"past_due:{name}",
        reference="",
        audience=Audience.CLIENT,
        channel=channel,
        purpose=Purpose.DUNNING,
        template="charge_failed",
        client_id=client.id,
        legal_entity_id=agreement.legal_entity_id,
        contact_id=contact_id,
        address_id=address_id,
        subject_kind="payment",
        subject_id=failed.payment_id,
        send_after=office.now,
        expires_at=retries.deadline(item, office.policy.renewal.retries),
        created_at=office.now,
    )
    if message.expires_at is None or message.expires_at > office.now:
        outbox.queue(session, message)


def _take_back(session: Session, agreement: Agreement, item: Item) -> None:
    """It is paid, or of no use any more: nobody hears that it failed, or charges it again."""
    tried = [one.payment_id for one in item.attempts]
    for payment_id in tried:
        for audience in (Audience.CLIENT, Audience.STAFF):
            failed = outbox.about("payment", payment_id, audience) & col(Message.template).in_(
                ("charge_failed", "charge_due")
            )
            reason = f"What failed for {agreement.name} is settled."
            outbox.cancel(session, failed, "paid", reason)


def _tell(session: Session, office: Office, of: _Of, item: Item, template: str, name: str) -> None:
    """Finance sees to it where cards are charged; told once by each ``name``."""
    notice = staff.Notice(
        key=f"{template}:{name}",
        purpose=Purpose.ALERT,
        template=template,
        to=office.finance,
        client_id=of.client.id,
        subject=("payment", item.attempts[-1].payment_id),
    )
    staff.tell(session, office, notice)


# --- renewed --------------------------------------------------------------------------------------


def _confirm(session: Session, office: Office, agreement: Agreement, client: Client) -> None:
    """A contract renewed it: one mail says so. Where money did, its receipt does."""
    if agreements.items(session, [agreement.id]):
        return
    reached = recipients.to(session, office.policy, client.id, "renewal", "email", "sms")
    contact_id, channel, address_id = reached
    if contact_id is None or address_id is None:
        return
    message = Message(
        key=f"renewed:{agreement.id}:{agreement.renews_on}",
        reference="",
        audience=Audience.CLIENT,
        channel=channel,
        purpose=Purpose.RENEWAL,
        template="renewed",
        client_id=client.id,
        legal_entity_id=agreement.legal_entity_id,
        contact_id=contact_id,
        address_id=address_id,
        subject_kind="agreement",
        subject_id=agreement.id,
        send_after=office.now,
        expires_at=office.now + CONFIRMED,
        created_at=office.now,
    )
    if outbox.queue(session, message) is not None:
        offers.after_acceptance(session, office, agreement)


# --- what could not be used -----------------------------------------------------------------------


def _credit(
    session: Session, office: Office, agreement: Agreement, client: Client
) -> dt.datetime | None:
    """What was paid for and could not be used is credited, or finance is asked to."""
    today = local_date(office.now, client.timezone)
    found = agreements.unused(session, agreement, today)
    if found and office.policy.renewal.unused == "credit":
        _book(session, office, agreement, today)
    elif found:
        _ask(session, office, client, found)
    ends = agreement.ended_on
    return midnight(ends, client.timezone) if ends is not None and ends > today else None


def _ask(
    session: Session, office: Office, client: Client, found: Sequence[agreements.Unused]
) -> None:
    """Finance enters it where invoices are made."""
    for unused in found:
        notice = staff.Notice(
            key=f"alert:{unused.name}",
            purpose=Purpose.ALERT,
            template="unused",
            to=office.finance,
            client_id=client.id,
            subject=("agreement", unused.agreement_id),
        )
        staff.tell(session, office, notice)


def _book(session: Session, office: Office, agreement: Agreement, today: dt.date) -> None:
    """Money on account, and off the next invoice. The same days are credited once."""
    entry = Entry(session, office.now, iter(()))
    account = (agreement.client_id, agreement.legal_entity_id, agreement.currency)
    names = agreements.names_of(agreement.id)
    before = credit_notes.given(entry, account, names)
    credited = [agreements.days_of(note.number) for note in before]
    for unused in agreements.unused(session, agreement, today, credited):
        given = credit_notes.Given(
            client_id=agreement.client_id,
            legal_entity_id=agreement.legal_entity_id,
            currency=agreement.currency,
            amount=unused.amount,
            name=unused.name,
            on=office.now.date(),
        )
        credit_notes.give(entry, given)
    credit_notes.net(entry, account, names)
