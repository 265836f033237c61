"""Somebody agreed to be written to, or took it back, in a form or on paper: what shows it?

The event is one of the address's, as every other; its proof, the wording and where that was sent
from, is sealed with the client's key.
"""

import datetime as dt
import json
from collections.abc import Sequence

from sqlmodel import Session, col, select

from billing import aliases, references, vault
from billing.ledger import Applied, Contradiction
from billing.models import Address, Client
from comms import consent, outbox
from comms.addresses import closing, whose
from comms.facts import ConsentStated
from comms.models import ConsentEvent, ConsentProof, Purpose, Touchpoint
from comms.office import Office


def addresses_of(session: Session, said: ConsentStated) -> Sequence[Address]:
    """Those that it is about, as far as we know them."""
    named = (("email", said.email), ("sms", said.phone))
    found = [consent.find_address(session, kind, value) for kind, value in named if value]
    return [one for one in found if one is not None]


def take(session: Session, office: Office, said: ConsentStated) -> Applied:
    """Write it down for each address, once; what a no closes is cancelled.

    Raises:
        Unknown: nobody described the client.
        Contradiction: an address is not the client's.
    """
    client_id = references.client_of(session, said.source, said.client_external_id)
    keys = [f"{said.key}:{kind}" for kind in ("email", "sms")]
    told = select(ConsentProof).where(col(ConsentProof.told_as).in_(keys))
    if session.exec(told).first() is not None:
        return Applied(client_id, changed=False)
    together = set(aliases.group(session, client_id))
    places = addresses_of(session, said)
    known = [one for one in places if together & set(consent.clients_of(session, one.id))]
    if len(known) < len([value for value in (said.email, said.phone) if value]):
        raise Contradiction(
            f"{said.client_external_id} has no such address; describe the client with it first"
        )
    for address in known:
        _record(session, office, client_id, said, address)
        if not said.agreed:
            _close(session, office, said, address)
        elif not _heard_since(session, address.id, said.given_at):
            whose.learn(address, whose.Heard.SPEAKS)
    return Applied(client_id)


def _heard_since(session: Session, address_id: int, moment: dt.datetime) -> bool:
    """Whether whoever reads there has written later: that says better whose it is."""
    query = select(Touchpoint.id).where(
        Touchpoint.address_id == address_id,
        Touchpoint.direction == "in",
        col(Touchpoint.recorded_at) > moment,
    )
    return session.exec(query.limit(1)).first() is not None


def _record(
    session: Session, office: Office, client_id: int, said: ConsentStated, address: Address
) -> None:
    event = consent.record(
        session,
        ConsentEvent(
            address_id=address.id,
            topic=said.topic,
            change="granted" if said.agreed else "revoked",
            method=said.method,
            source=said.source,
            occurred_at=said.given_at,
            recorded_at=office.now,
        ),
    )
    shown = json.dumps({"wording": said.wording, "ip": said.ip or ""})
    owner = session.get_one(Client, client_id).key_id
    body_id = vault.put(session, office.keyring, owner, shown, office.now)
    told_as = f"{said.key}:{address.kind}"
    session.add(ConsentProof(event_id=event.id, told_as=told_as, body_id=body_id))


def _close(session: Session, office: Office, said: ConsentStated, address: Address) -> None:
    purposes = [one for one in Purpose if said.topic in (consent.ALL, consent.topic_of(one))]
    which = outbox.to_address(address.id, purposes=purposes)
    closing.cancel_at(session, office, which, "opted_out", "They took their agreement back.")
