"""What does the firm say, by telling us of an address, of whether it may be written to?"""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from billing import introductions
from billing.facts import ClientDescribed
from billing.models import Contact, ContactAddress
from comms import consent, timeline
from comms.models import ConsentEvent
from comms.office import Office


def assert_all(session: Session, office: Office, told: Sequence[ClientDescribed]) -> None:
    """Write down, once per address, what the firm asserts; never over what a person said.

    The clients of the addresses are locked, or new.
    """
    agreed = {
        pair: one.source
        for one in told
        for pair in introductions.addresses_of(one)
        if pair[0] == "email" or one.sms_consent
    }
    found = introductions.find_addresses(session, agreed) if agreed else {}
    silent = {found[pair]: source for pair, source in agreed.items() if pair in found}
    for address_id in consent.of_addresses(session, list(silent)):
        del silent[address_id]
    events = {
        address_id: ConsentEvent(
            address_id=address_id,
            change="asserted",
            method="firm",
            source=source,
            occurred_at=office.now,
            recorded_at=office.now,
        )
        for address_id, source in sorted(silent.items())
    }
    links = [(client, events[address]) for client, address in _clients(session, list(events))]
    timeline.link_all(session, links)


def clients_at(session: Session, told: Sequence[ClientDescribed]) -> set[int]:
    """Whom to lock before: everybody who shares one of the addresses."""
    wanted = {pair for one in told for pair in introductions.addresses_of(one)}
    found = introductions.find_addresses(session, wanted) if wanted else {}
    return {client for client, _ in _clients(session, list(found.values()))}


def _clients(session: Session, addresses: list[int]) -> list[tuple[int, int]]:
    """Every client of these addresses, in one order, and the address."""
    if not addresses:
        return []
    query = (
        select(Contact.client_id, ContactAddress.address_id)
        .join(ContactAddress, col(ContactAddress.contact_id) == Contact.id)
        .where(col(ContactAddress.address_id).in_(addresses))
        .distinct()
        .order_by(col(Contact.client_id), col(ContactAddress.address_id))
    )
    return [(client, address) for client, address in session.exec(query)]
