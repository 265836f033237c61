"""What are the facts that the door judges a message by, at this moment?

Read in the transaction that claims the message, under the locks of its client and its address, so
that nothing can come in between the look and the claim.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import bindparam, func, or_, text
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from billing import accounts, aliases, duplicates, gates, store
from billing.aliases import Kin
from billing.arrears import Account
from billing.calendar import local_date, midnight
from billing.gates import Refusal
from billing.models import (
    Address,
    Client,
    Contact,
    ContactAddress,
    Enrolment,
    LegalEntity,
    LiveSwitch,
    StepTaken,
)
from billing.store import table_of
from comms import consent, gatekeeping, processors
from comms.addresses import complaints, preferences, whereabouts
from comms.consent import Consent
from comms.door import (
    ANY_HOUR,
    BUDGETED,
    Case,
    Live,
    Recipient,
    Sender,
    Spent,
)
from comms.law import legal
from comms.law.legal import Placed
from comms.models import Audience, Message, Purpose, State
from comms.office import Office
from comms.writing import drafts

COUNTED = (State.CLAIMED, State.SENDING, State.SENT, State.DELIVERED, State.IN_DOUBT)
"""What may have reached the person: it counts against the budget."""
_WEEK = dt.timedelta(days=7)
_COUNTED = (
    core_select(
        col(Message.id),
        col(Message.contact_id),
        col(Message.address_id),
        col(Message.purpose),
        col(Message.channel),
        col(Message.claimed_at),
    )
    .where(
        or_(
            col(Message.contact_id).in_(bindparam("contacts", expanding=True)),
            col(Message.address_id).in_(bindparam("addresses", expanding=True)),
        ),
        col(Message.audience) == Audience.CLIENT,
        col(Message.claimed_at) > bindparam("since"),
        col(Message.state).in_(COUNTED),
    )
    .order_by(col(Message.claimed_at))
)
_TURNS = (
    core_select(*table_of(LiveSwitch).c)
    .where(
        or_(
            col(LiveSwitch.client_id).is_(None),
            col(LiveSwitch.client_id).in_(bindparam("clients", expanding=True)),
        )
    )
    .order_by(col(LiveSwitch.id))
)
_TURNING = text("SELECT pg_advisory_xact_lock(7601)")
_LOOKING = text("SELECT pg_advisory_xact_lock_shared(7601)")


@dataclass(frozen=True, slots=True)
class Known:
    """What the cases of a batch of messages to clients share, read in a few statements."""

    clients: Mapping[int, Client]
    kin: Kin
    """Who speaks for each of them."""
    addresses: Mapping[int, Address]
    contacts: Mapping[int, Contact]
    entities: Mapping[int, LegalEntity]
    consents: Mapping[int, Consent]
    stops: Mapping[tuple[int, str], Consent]
    """By who speaks for clients that are one, and kind of address: that one of them said stop."""
    legal: Mapping[int, Sequence[Placed]]
    """By who speaks for clients that are one: what the law says of any of them."""
    wishes: preferences.Wishes
    switches: Mapping[int | None, LiveSwitch]
    steps: Mapping[int, StepTaken]
    accounts: Mapping[int, Account]
    """In dunning, by the id of the step's message."""
    bygone: Collection[int]
    """Messages of steps whose episode is over: the debt that they ask for was settled."""
    money: gatekeeping.Known

    @property
    def merged(self) -> bool:
        """Somebody here is one with another client: then two people may be one person."""
        return not aliases.is_plain(self.kin)


def build_all(
    session: Session, office: Office, messages: Sequence[Message]
) -> tuple[list[Case], Known]:
    """The cases of messages in their order, and what was read for them.

    No two of them may be for one person or one address: each would not see that the other leaves.
    """
    outward = [message for message in messages if message.audience == Audience.CLIENT]
    known = _know(session, office, outward)
    spent = _spent(session, office, outward, known.kin)
    doubtful = _unresolved(session, messages)
    stream = complaints.pause(session, office) if any(map(_is_commercial, outward)) else None
    cases = []
    for message in messages:
        client = known.clients.get(message.client_id or 0)
        if message.audience != Audience.CLIENT or client is None:
            cases.append(_inward(office, message, unresolved=message.client_id in doubtful))
            continue
        refused, passed = _billing(known, office, message, client)
        draft = drafts.of(session, office, message)
        entity = known.entities.get(message.legal_entity_id or 0)
        case = Case(
            audience=message.audience,
            purpose=message.purpose,
            channel=message.channel,
            now=office.now,
            expires_at=message.expires_at,
            live=_live(session, client, office.now, known.switches),
            recipient=_recipient(known, message, client),
            sender=_sender(known, message),
            billing=refused,
            overridden=passed,
            spent=spent[message.id],
            written_by_person=message.purpose == Purpose.STAFF_TEXT,
            labels=draft.labels,
            untold=draft.untold,
            released=draft.released,
            stream=stream if _is_commercial(message) else None,
            unsigned=_unsigned(office, message, entity),
            legal=legal.stops(known.legal.get(known.kin[client.id], ()), message),
        )
        cases.append(case)
    return cases, known


def _inward(office: Office, message: Message, *, unresolved: bool) -> Case:
    """Of a message to staff or another system, which is asked for little."""
    return Case(
        message.audience,
        message.purpose,
        message.channel,
        office.now,
        message.expires_at,
        sync=gates.sync_refusal(unresolved=unresolved),
        unsigned=_unsigned(office, message, None),
    )


def _unsigned(office: Office, message: Message, entity: LegalEntity | None) -> str:
    """Why nothing may be handed to whoever carries it: what is of no entity goes by all packs."""
    kinds = office.policy.packs(entity.name if entity is not None else None)
    return processors.refusal(office.processors, message.channel, kinds, office.now.date())


def _is_commercial(message: Message) -> bool:
    return message.purpose == Purpose.OFFER and message.channel == "email"


def _unresolved(session: Session, messages: Sequence[Message]) -> set[int]:
    """Of the clients that other systems would be told of, those that may be somebody else."""
    told = {one.client_id for one in messages if one.audience == Audience.SYSTEM and one.client_id}
    return duplicates.unresolved(session, sorted(told)) if told else set()


def _know(session: Session, office: Office, messages: Sequence[Message]) -> Known:
    if messages:
        hold_switch(session)
    clients = store.by_id(session, Client, [one.client_id for one in messages])
    kin = aliases.among(session, clients.values())
    # Locked after the clients, in this order everywhere: a shared phone's budget is one budget.
    addresses = store.by_id(session, Address, [one.address_id for one in messages], lock=True)
    contacts = store.by_id(session, Contact, [one.contact_id for one in messages])
    climbing = [one.step_id for one in messages if one.purpose == Purpose.DUNNING]
    steps = store.by_id(session, StepTaken, climbing)
    enrolments = store.by_id(session, Enrolment, [step.enrolment_id for step in steps.values()])
    dunned = [message for message in messages if message.step_id in steps]
    pairs = [
        (enrolments[steps[m.step_id or 0].enrolment_id], clients[m.client_id or 0]) for m in dunned
    ]
    facts = accounts.in_dunning_all(session, pairs) if pairs else []
    return Known(
        clients=clients,
        kin=kin,
        addresses=addresses,
        contacts=contacts,
        entities=store.by_id(session, LegalEntity, [one.legal_entity_id for one in messages]),
        consents=consent.of_addresses(session, list(addresses)),
        stops=_stops(session, kin),
        legal=legal.of_clients(session, kin),
        wishes=preferences.of(session, contacts, addresses),
        switches=_switches(session, list(clients)) if clients else {},
        steps=steps,
        accounts={m.id: account for m, account in zip(dunned, facts, strict=True)},
        bygone={
            m.id
            for m, (enrolment, _) in zip(dunned, pairs, strict=True)
            if steps[m.step_id or 0].episode != enrolment.episode and steps[m.step_id or 0].step > 0
        },
        money=gatekeeping.know(session, office, messages, clients, kin),
    )


def live(session: Session, client: Client, now: dt.datetime) -> Live:
    """The switch for a client: its own latest turn, or else the firm's; never set means closed."""
    return _live(session, client, now, _switches(session, [client.id]))


Switches = Mapping[int | None, LiveSwitch]
"""The latest turn by client, and for the firm by None."""


def _people(
    session: Session, messages: Sequence[Message], kin: Kin
) -> dict[int, Collection[int | None]]:
    """By message, the contacts that are the person it goes to."""
    found: dict[int, Collection[int | None]] = {one.id: (one.contact_id,) for one in messages}
    if aliases.is_plain(kin):
        return found
    query = core_select(col(Contact.id), col(Contact.client_id))
    rows = session.execute(query.where(col(Contact.client_id).in_(kin))).all()
    for message in messages:
        speaker = kin.get(message.client_id or 0)
        same = {row.id for row in rows if kin[row.client_id] == speaker}
        found[message.id] = same | {message.contact_id}
    return found


def _live(session: Session, client: Client, now: dt.datetime, switches: Switches) -> Live:
    """Closing the firm closes also what was opened for a client before."""
    firm, own = switches.get(None), switches.get(client.id)
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


def hold_switch(session: Session, *, turning: bool = False) -> None:
    """Whoever turns the go-live switch waits for the claims that saw it as it was."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_TURNING if turning else _LOOKING)


def _switches(session: Session, clients: Collection[int]) -> dict[int | None, LiveSwitch]:
    turns = store.below(session).execute(_TURNS, {"clients": list(clients)})
    return {turn.client_id: cast("LiveSwitch", turn) for turn in turns}


def _left_since(session: Session, start: dt.datetime) -> int:
    query = select(func.count()).where(
        Message.audience == Audience.CLIENT,
        col(Message.claimed_at) >= start,
        col(Message.state).in_(COUNTED),
    )
    return session.exec(query).one()


def _recipient(known: Known, message: Message, client: Client) -> Recipient | None:
    address = known.addresses.get(message.address_id or 0)
    if address is None:
        return None
    where = whereabouts.of_address(_account(client), address.kind, address.value)
    return Recipient(
        kind=address.kind,
        value=address.value,
        verification=address.verification,
        health=address.health,
        consent=known.stops.get((known.kin[client.id], address.kind))
        or known.consents.get(address.id, Consent()),
        zones=where.zones,
        country=client.country,
        region=client.region,
        states=where.states,
        evidence=where.evidence,
        preferences=known.wishes.of(message.contact_id, address.id),
    )


def _account(client: Client) -> whereabouts.Whereabouts:
    return whereabouts.of_account(
        client.country, client.region, client.postal_code, client.timezone
    )


def _stops(session: Session, kin: Kin) -> dict[tuple[int, str], Consent]:
    """Clients that are one are one person: who said stop at one mailbox said it at all."""
    if aliases.is_plain(kin):
        return {}
    rows = session.execute(
        core_select(col(Contact.client_id), col(Address.kind), col(Address.id))
        .join(ContactAddress, col(ContactAddress.contact_id) == col(Contact.id))
        .join(Address, col(Address.id) == col(ContactAddress.address_id))
        .where(col(Contact.client_id).in_(kin))
    ).all()
    held = consent.of_addresses(session, {row.id for row in rows})
    merged = {speaker for one, speaker in kin.items() if one != speaker}
    return {
        (kin[row.client_id], row.kind): held[row.id]
        for row in rows
        if kin[row.client_id] in merged
        and row.id in held
        and held[row.id].standing is consent.Standing.REVOKED
    }


def _sender(known: Known, message: Message) -> Sender | None:
    entity = known.entities.get(message.legal_entity_id or 0)
    if entity is None:
        return None
    address = entity.from_address if message.channel == "email" else entity.phone
    return Sender(
        entity.name, entity.postal_address, address, entity.pay_link, entity.sms_unregistered
    )


def _billing(
    known: Known, office: Office, message: Message, client: Client
) -> tuple[Refusal | None, str]:
    """What the billing state says to it, and by whose word it passes all the same.

    A reminder needs a debt, all else needs none overdue.
    """
    if message.id in known.bygone:
        # What has fallen due since has reminders of its own.
        return Refusal("paid", "What the message asks for is settled.", final=True), ""
    if message.id in known.accounts:
        account, step = known.accounts[message.id], known.steps[message.step_id or 0].step
        if step < 0:
            return gates.notice_refusal(account, step, office.now, office.policy), ""
        return gates.dunning_refusal(account, office.now, office.policy), ""
    return gatekeeping.answer(known.money, office, message, client)


def _spent(
    session: Session, office: Office, messages: Sequence[Message], kin: Kin
) -> dict[int, Spent]:
    """What each person, or for a shared address everybody there, has got in a week.

    Of clients that are one, their people are one person.
    """
    people_of = _people(session, messages, kin)
    people = [one for same in people_of.values() for one in same]
    places = [message.address_id for message in messages if message.address_id]
    since = {"contacts": people, "addresses": places, "since": office.now - _WEEK}
    rows = store.below(session).execute(_COUNTED, since).all() if messages else []
    by_person, by_place = _grouped(rows, "contact_id"), _grouped(rows, "address_id")
    found: dict[int, Spent] = {}
    for message in messages:
        same, place = people_of[message.id], message.address_id
        theirs = [row for person in same for row in by_person.get(person, ())]
        every = {row.id: row for row in (*theirs, *by_place.get(place, ()))}
        mine = sorted(
            (row for row in every.values() if row.id != message.id),
            key=lambda row: (row.claimed_at, row.id),
        )
        found[message.id] = Spent(
            budgeted=tuple(row.claimed_at for row in mine if row.purpose in BUDGETED),
            automatic=tuple(row.claimed_at for row in mine if row.purpose != Purpose.STAFF_TEXT),
            rung=tuple(
                (row.claimed_at, row.channel)
                for row in mine
                if row.channel != "email" and row.purpose not in ANY_HOUR
            ),
        )
    return found


def _grouped(rows: Sequence[Any], name: str) -> dict[int | None, list[Any]]:
    found: dict[int | None, list[Any]] = {}
    for row in rows:
        if (one := getattr(row, name)) is not None:
            found.setdefault(one, []).append(row)
    return found
