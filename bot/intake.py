"""Something is known from outside: what does it change?

One ``match`` over every fact, whoever told it. It runs in one transaction under the locks that
``clients_of`` names; adding a kind of fact lists every place that must learn of it.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import assert_never

from sqlmodel import Session

from billing import batches, facts, ledger, references
from billing.calendar import local_date
from billing.facts import ClientDescribed
from billing.models import Client
from comms import consent, delivery, inbound, instructions, outreach, receipts
from comms.facts import DeliveryReport, InboundMessage
from comms.inbound import Letter
from comms.instructions import Instruction
from comms.models import ConsentEvent
from comms.office import Office

Fact = facts.Fact | InboundMessage | DeliveryReport | Instruction


def clients_of(fact: Fact) -> Callable[[Session], Collection[int]]:
    """Looks up the clients that the fact may touch; an unidentified fact locks none."""

    def look(session: Session) -> Collection[int]:
        match fact:
            case InboundMessage():
                return inbound.clients_of(session, fact)
            case DeliveryReport():
                message = delivery.find_message(session, fact)
                return delivery.concerned(session, message.id) if message else []
            case ClientDescribed():
                return _known(session, fact.source, fact.external_id)
            case facts.Told():
                return _known(session, fact.source, fact.client_external_id)
            case _:
                return instructions.clients_of(session, fact)

    return look


def _known(session: Session, source: str, external_id: str) -> list[int]:
    found = references.find_client(session, source, external_id)
    return [] if found is None else [found]


def take_in(session: Session, office: Office, fact: Fact, keys: Iterator[str]) -> int | None:
    """Book a fact and all that follows from it; return the client it was about."""
    match fact:
        case ClientDescribed():
            return _describe(session, office, fact, keys)
        case facts.Told():
            return _book(session, office, fact, keys)
        case InboundMessage():
            raise TypeError("a client's message needs the row that keeps it: take_letter")
        case DeliveryReport():
            message = delivery.find_message(session, fact)
            delivery.take_report(session, office, fact)
            return message.client_id if message else None
        case (
            instructions.Pause()
            | instructions.Resume()
            | instructions.CloseCase()
            | instructions.AssignCase()
            | instructions.ResolveDoubt()
        ):
            instructions.carry_out(session, office, fact)
            return None
    assert_never(fact)


def take_in_all(
    session: Session, office: Office, told: Sequence[facts.Fact], keys: Iterator[str]
) -> None:
    """The facts of one moment: all are booked before anything follows from any of them.

    So two payments of a day are both there when the ladder is looked at, and each client is looked
    at once.
    """
    applied = [one for one in batches.apply_all(session, told, office.now, keys) if one.changed]
    for fact in told:
        if isinstance(fact, ClientDescribed):
            _assert_consent(session, office, fact)
    outreach.advance_clients(session, office, {one.client_id for one in applied})
    receipts.thank(session, office, [one for one in applied if one.received])


def take_letter(session: Session, office: Office, letter: Letter) -> int | None:
    """Receive a client's message; return the client, or None where nobody knows the sender."""
    return inbound.receive(session, office, letter)


def book(session: Session, office: Office, fact: facts.Fact, keys: Iterator[str]) -> bool:
    """A fact of an import: booked, its sequences left to the next sweep. Says if it was new."""
    applied = ledger.apply(session, fact, office.now, keys, office.keyring)
    if isinstance(fact, ClientDescribed):
        _assert_consent(session, office, fact)
        client = session.get_one(Client, applied.client_id)
        if client.created_at == office.now:
            client.imported_on = local_date(office.now, client.timezone)
    return applied.changed


def _describe(session: Session, office: Office, fact: ClientDescribed, keys: Iterator[str]) -> int:
    applied = ledger.apply(session, fact, office.now, keys)
    _assert_consent(session, office, fact)
    return applied.client_id


def _assert_consent(session: Session, office: Office, fact: ClientDescribed) -> None:
    """What the firm says of consent, once per address; it never undoes what the person said."""
    said = {"email": fact.email, "sms": fact.phone if fact.sms_consent else None}
    for kind, value in said.items():
        address = consent.find_address(session, kind, value) if value else None
        if address is None:
            continue
        if consent.of_address(session, address.id).standing is not consent.Standing.UNKNOWN:
            continue
        event = ConsentEvent(
            address_id=address.id, change="asserted", method="firm", source=fact.source,
            occurred_at=office.now, recorded_at=office.now,
        )  # fmt: skip
        consent.record(session, event)


def _book(session: Session, office: Office, fact: facts.Fact, keys: Iterator[str]) -> int:
    """News of a client's account: what waits is judged anew, and who paid is thanked, once."""
    applied = ledger.apply(session, fact, office.now, keys, office.keyring)
    if applied.changed:
        outreach.advance_client(session, office, applied.client_id)
    if applied.received:
        receipts.thank(session, office, [applied])
    return applied.client_id
