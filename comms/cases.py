"""What are the facts that the door judges a message by, at this moment?

Read in the transaction that claims the message, under the locks of its client and its address, so
that nothing can come in between the look and the claim.
"""

import datetime as dt
import functools

from babel.core import get_global
from sqlalchemy import func
from sqlmodel import Session, col, select

from billing import accounts, gates
from billing.calendar import local_date, midnight
from billing.gates import Refusal
from billing.models import (
    Address,
    Client,
    Enrolment,
    LegalEntity,
    LiveSwitch,
    StepTaken,
)
from comms import consent, phones
from comms.door import BUDGETED, Case, Live, Recipient, Sender, Spent
from comms.models import Audience, Message, Purpose, State
from comms.office import Office

COUNTED = (State.CLAIMED, State.SENDING, State.SENT, State.DELIVERED, State.IN_DOUBT)
"""What may have reached the person: it counts against the budget."""
_WEEK = dt.timedelta(days=7)


def build(session: Session, office: Office, message: Message) -> Case:
    """The case of a message, as it stands now."""
    client = session.get(Client, message.client_id) if message.client_id else None
    if message.audience != Audience.CLIENT or client is None:
        return Case(
            message.audience, message.purpose, message.channel, office.now, message.expires_at
        )
    return Case(
        audience=message.audience,
        purpose=message.purpose,
        channel=message.channel,
        now=office.now,
        expires_at=message.expires_at,
        live=live(session, client, office.now),
        recipient=_recipient(session, message, client),
        sender=_sender(session, message),
        billing=_billing(session, office, message, client),
        spent=_spent(session, office, message),
        written_by_person=message.purpose == Purpose.STAFF_TEXT,
    )


def live(session: Session, client: Client, now: dt.datetime) -> Live:
    """The switch for a client: its own latest turn, or else the firm's; never set means closed.

    Closing the firm closes also what was opened for a client before.
    """
    firm, own = _latest_switch(session, None), _latest_switch(session, client.id)
    stopped = firm is not None and firm.state == "closed"
    ruling = own if own and not (stopped and firm and firm.id > own.id) else firm
    if ruling is None or ruling.state != "open":
        return Live()
    today = midnight(local_date(now, client.timezone), client.timezone)
    cap_left = None
    if ruling.daily_cap is not None:
        # Claims of all clients count one after the other.
        session.get_one(LiveSwitch, ruling.id, with_for_update=True)
        cap_left = ruling.daily_cap - _left_since(session, today)
    return Live(
        open=True,
        cap_left=cap_left,
        redirect_to=ruling.redirect_to,
        next_day=today + dt.timedelta(days=1),
    )


def _latest_switch(session: Session, client_id: int | None) -> LiveSwitch | None:
    query = select(LiveSwitch).order_by(col(LiveSwitch.id).desc())
    return session.exec(query.where(col(LiveSwitch.client_id) == client_id)).first()


def _left_since(session: Session, start: dt.datetime) -> int:
    query = select(func.count()).where(
        Message.audience == Audience.CLIENT,
        col(Message.claimed_at) >= start,
        col(Message.state).in_(COUNTED),
    )
    return session.exec(query).one()


def _recipient(session: Session, message: Message, client: Client) -> Recipient | None:
    if message.address_id is None:
        return None
    # Locked after the clients, in this order everywhere: a shared phone's budget is one budget.
    address = session.get_one(Address, message.address_id, with_for_update=True)
    return Recipient(
        kind=address.kind,
        value=address.value,
        verification=address.verification,
        health=address.health,
        consent=consent.of_address(session, address.id),
        zones=_zones(address, client),
        country=client.country,
        region=client.region,
    )


def _zones(address: Address, client: Client) -> tuple[str, ...]:
    """The client's zone, and for a phone every zone that its number allows as well.

    Where nobody said where the client is ("UTC"), every zone of the country. A toll-free number
    allows all zones and says nothing.
    """
    known = _country_zones(client.country) if client.timezone == "UTC" else (client.timezone,)
    candidates = phones.candidate_zones(address.value) if address.kind == "sms" else ()
    few = candidates if len(candidates) <= len(phones.UNITED_STATES) else ()
    return tuple(dict.fromkeys((*known, *few)))


@functools.cache
def _country_zones(country: str) -> tuple[str, ...]:
    if country == "US":
        return phones.UNITED_STATES
    return tuple(get_global("territory_zones").get(country, ("UTC",)))


def _sender(session: Session, message: Message) -> Sender | None:
    entity = session.get(LegalEntity, message.legal_entity_id) if message.legal_entity_id else None
    if entity is None:
        return None
    address = entity.from_address if message.channel == "email" else entity.phone
    return Sender(entity.name, entity.postal_address, address, entity.pay_link)


def _billing(session: Session, office: Office, message: Message, client: Client) -> Refusal | None:
    """What the billing state says to it: a reminder needs a debt, all else needs none overdue."""
    if message.purpose == Purpose.DUNNING:
        step = session.get_one(StepTaken, message.step_id)
        enrolment = session.get_one(Enrolment, step.enrolment_id)
        account = accounts.in_dunning(session, enrolment, client)
        return gates.dunning_refusal(account, office.now, office.policy)
    if message.purpose in (Purpose.RENEWAL, Purpose.OFFER):
        today = local_date(office.now, client.timezone)
        late = accounts.overdue(session, client.id, today)
        return gates.outreach_refusal(late, today, office.policy)
    return None


def _spent(session: Session, office: Office, message: Message) -> Spent:
    """What the person, or for a shared address everybody there, has got in a week."""
    query = (
        select(Message.purpose, Message.claimed_at)
        .where(
            (col(Message.contact_id) == message.contact_id)
            | (col(Message.address_id) == message.address_id),
            Message.audience == Audience.CLIENT,
            col(Message.claimed_at) > office.now - _WEEK,
            col(Message.state).in_(COUNTED),
            Message.id != message.id,
        )
        .order_by(col(Message.claimed_at))
    )
    rows = [(purpose, at) for purpose, at in session.exec(query) if at is not None]
    return Spent(
        budgeted=tuple(at for purpose, at in rows if purpose in BUDGETED),
        automatic=tuple(at for purpose, at in rows if purpose != Purpose.STAFF_TEXT),
    )
