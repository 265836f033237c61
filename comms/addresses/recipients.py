"""Who is written to about a topic, at which address may that be, and by which entity of ours?

Exactly one person per client and topic. The first channel of a rung on which the person may be
reached wins; where there is none, the door says what is wrong with the first that is known.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, select
from sqlmodel import Session, col

from billing import aliases
from billing.models import (
    Address,
    Client,
    ContactAddress,
    Health,
    LegalEntity,
    PrimaryRecipient,
)
from billing.policy import Policy
from comms import consent
from comms.addresses import preferences
from comms.consent import Consent, Standing
from comms.door import person
from comms.models import Message

Reached = tuple[int | None, str, int | None]
"""Contact id, channel, address id: whom a message is for, how, and where."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address of a contact, and whether it may be used."""

    address_id: int
    kind: str
    usable: bool
    stopped: bool = False
    """Whoever reads there has asked us to stop."""


@dataclass(frozen=True, slots=True)
class Reach:
    """A contact and their addresses, the preferred first; and where else the same client reads."""

    contact_id: int
    places: tuple[Place, ...] = ()
    others: "tuple[Reach, ...]" = ()


_PRIMARY = (
    select(
        col(PrimaryRecipient.client_id),
        col(PrimaryRecipient.contact_id),
        col(Client.merged_into_id),
        col(Client.speaks_since),
    )
    .join(Client, col(Client.id) == col(PrimaryRecipient.client_id))
    .where(
        col(PrimaryRecipient.client_id).in_(bindparam("clients", expanding=True)),
        col(PrimaryRecipient.topic) == bindparam("topic"),
    )
)
_ADDRESSES = (
    select(
        col(ContactAddress.contact_id),
        col(Address.id),
        col(Address.kind),
        col(Address.health),
        col(Address.verification),
    )
    .join(Address, col(Address.id) == col(ContactAddress.address_id))
    .where(
        col(ContactAddress.contact_id).in_(bindparam("contacts", expanding=True)),
        col(ContactAddress.wrong_since).is_(None),
    )
    .order_by(col(ContactAddress.position), col(Address.id))
)


def of_clients(
    session: Session, policy: Policy, clients: Collection[int], topic: str
) -> dict[int, Reach]:
    """The recipient of each client for a topic; without clients that have none."""
    rows = session.execute(_PRIMARY, {"clients": list(clients), "topic": topic}).all()
    if any(row.merged_into_id or row.speaks_since for row in rows):
        return _of_groups(session, policy, clients, topic)
    reach = of_contacts(session, policy, [row.contact_id for row in rows], topic)
    return {row.client_id: reach[row.contact_id] for row in rows}


def _of_groups(
    session: Session, policy: Policy, clients: Collection[int], topic: str
) -> dict[int, Reach]:
    """Where clients are one: whom the speaker names, and where it has no address, the others'."""
    kin = aliases.of(session, clients)
    rows = session.execute(_PRIMARY, {"clients": list(kin), "topic": topic}).all()
    reach = of_contacts(session, policy, [row.contact_id for row in rows], topic)
    found: dict[int, list[Reach]] = {}
    for row in sorted(rows, key=lambda row: (row.client_id != kin[row.client_id], row.client_id)):
        found.setdefault(kin[row.client_id], []).append(reach[row.contact_id])
    together = {
        speaker: replace(first, others=tuple(others)) for speaker, (first, *others) in found.items()
    }
    return {one: together[kin[one]] for one in clients if kin[one] in together}


def of_contacts(
    session: Session, policy: Policy, contacts: Sequence[int], topic: str = consent.BILLING
) -> dict[int, Reach]:
    """How each contact may be reached now about a topic."""
    rows = session.execute(_ADDRESSES, {"contacts": contacts}).all() if contacts else []
    held = consent.of_addresses(session, {row.id for row in rows})
    wishes = preferences.of(session, contacts, {row.id for row in rows})
    places: dict[int, tuple[Place, ...]] = {}
    for row in rows:
        said = held.get(row.id, Consent()).about(topic)
        usable = (
            row.health != Health.DEAD
            and row.verification in person.CLAIMED
            and person.permitted(row.kind, said, policy)
            and person.proven(row.kind, row.verification, said, policy.packs())
            and wishes.allow(row.contact_id, row.id, row.kind)
        )
        place = Place(row.id, row.kind, usable, said.standing is Standing.REVOKED)
        places[row.contact_id] = (*places.get(row.contact_id, ()), place)
    return {contact: Reach(contact, places.get(contact, ())) for contact in contacts}


def choose(reach: Reach | None, channels: Sequence[str]) -> Reached:
    """Where a message goes: the first usable place in the order of the channels.

    Where none is usable, the first channel of which an address is known at all.
    """
    if reach is None:
        return None, channels[0], None
    every = [(one, place) for one in (reach, *reach.others) for place in one.places]
    # One person under two descriptions: a STOP at one of their mailboxes is no reason for another.
    stopped = {place.kind for _, place in every if place.stopped}
    ranked = [
        (not place.usable or (one is not reach and channel in stopped), number, order)
        for number, channel in enumerate(channels)
        for order, (one, place) in enumerate(every)
        if place.kind == channel
    ]
    if not ranked:
        return reach.contact_id, channels[0], None
    one, best = every[min(ranked)[2]]
    return one.contact_id, best.kind, best.address_id


def is_usable(reach: Reach, address_id: int | None) -> bool:
    """Whether that place of theirs may be used."""
    return any(place.address_id == address_id and place.usable for place in reach.places)


def to(session: Session, policy: Policy, client_id: int, topic: str, *channels: str) -> Reached:
    """Whom a message of one client goes to, and where."""
    reach = of_clients(session, policy, [client_id], topic).get(client_id)
    return choose(reach, channels)


def written_by(session: Session, client_id: int) -> int | None:
    """The legal entity that wrote to the client last, or else the first of ours."""
    last = select(col(Message.legal_entity_id)).where(
        col(Message.client_id) == client_id, col(Message.legal_entity_id).is_not(None)
    )
    found = session.scalar(last.order_by(col(Message.id).desc()).limit(1))
    return found or session.scalar(
        select(col(LegalEntity.id)).order_by(col(LegalEntity.id)).limit(1)
    )
