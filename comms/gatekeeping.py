"""What does the state of the money say at the door to what is not a reminder?

Renewals and offers need a client without an overdue balance, or a person's word that lets them
pass; what says that a charge failed needs that it is still so. Read for a batch at once.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlmodel import Session

from billing import accounts, agreements, gates, overrides, retries, store
from billing.aliases import Kin
from billing.arrears import OpenInstalment
from billing.calendar import local_date
from billing.gates import Override, Refusal
from billing.models import Agreement, Client, LegalEntity
from comms.listening import unread
from comms.models import Message, Purpose
from comms.office import Office

GATED = (Purpose.RENEWAL, Purpose.OFFER)


@dataclass(frozen=True, slots=True)
class Known:
    """Of those with such a message."""

    owed: Mapping[int, Sequence[OpenInstalment]]
    """All that is open, by client."""
    overrides: Mapping[int, Sequence[Override]]
    """By client, who lets their messages pass."""
    agreements: Mapping[int, Agreement]
    entities: Mapping[int, LegalEntity]
    settled: Collection[int]
    """Messages that say a charge failed, where that is settled."""
    unread: Mapping[int, Refusal] = field(default_factory=dict)
    """By client, what they wrote that nobody has read, where the policy holds everything for it."""


def know(
    session: Session,
    office: Office,
    messages: Sequence[Message],
    clients: Mapping[int, Client],
    kin: Kin,
) -> Known:
    """What is asked of some messages to clients."""
    gated = [one for one in messages if one.purpose in GATED]
    asked = sorted({one.client_id or 0 for one in gated} & clients.keys())
    debts = accounts.owed_by(session, asked, kin) if asked else {}
    renewals = [one.subject_id for one in gated if one.subject_kind == "agreement"]
    return Known(
        owed={
            client_id: [
                debt.instalment
                for debt in accounts.promised(
                    session, clients[client_id], found, office.now, office.policy
                )
            ]
            for client_id, found in debts.items()
            if client_id in clients
        },
        overrides=overrides.of(session, asked, office.now, kin) if asked else {},
        agreements=store.by_id(session, Agreement, renewals),
        entities=store.by_id(session, LegalEntity, [one.legal_entity_id for one in gated]),
        settled={one.id for one in messages if _is_settled(session, one)},
        unread=unread.refusals(session, office, asked),
    )


def _is_settled(session: Session, message: Message) -> bool:
    if message.purpose != Purpose.DUNNING or message.subject_kind != "payment":
        return False
    item = agreements.item_of(session, message.subject_id or 0)
    return item is None or not retries.is_dunned(item)


def answer(
    known: Known, office: Office, message: Message, client: Client
) -> tuple[Refusal | None, str]:
    """Why it may not leave, or else by whose word it does although something is overdue.

    Raises:
        LookupError: it asks for a debt that nobody knows.
    """
    if message.purpose == Purpose.DUNNING and message.subject_kind != "payment":
        raise LookupError(f"message {message.id} asks for a debt that is not there")
    if message.id in known.settled:
        return Refusal("paid", "What the message asks for is settled.", final=True), ""
    if message.purpose not in GATED:
        return None, ""
    if client.id in known.unread:
        return known.unread[client.id], ""
    today = local_date(office.now, client.timezone)
    owed = known.owed.get(client.id, ())
    agreement = known.agreements.get(message.subject_id or 0)
    if message.step_id is not None and agreement is not None:
        entity = known.entities[agreement.legal_entity_id].name
        refusal = gates.renewal_refusal(entity, agreement.renews_on, owed, today, office.policy)
    else:
        refusal = gates.outreach_refusal(owed, today, office.policy)
    override = gates.passing(refusal, known.overrides.get(client.id, ()), office.now)
    if refusal is None or override is None:
        return refusal, ""
    return None, f"{gates.passed(refusal, override)}."
