"""May we write to this address, about what, and who said so?

Consent is events on an address; what holds is a fold over them, so two clients with one phone share
a STOP. Until somebody speaks: an email that the firm gave us counts as permitted, a text message
needs consent (or ``sms_basis = "provided_number"`` in the policy). What was said of one topic holds
for that topic; what was said of all, for all.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby
from typing import Protocol

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col, select

from billing.models import Address, Contact, ContactAddress
from comms import timeline
from comms.models import ConsentEvent, Purpose

ALL = "all"
BILLING, RENEWAL, MARKETING = "billing", "renewal", "marketing"
UNENCRYPTED = "unencrypted"
"""They were warned that mails and texts can be read on the way, and want more in them all the same;
it is no word on whether we may write."""
KEYWORDS = frozenset({"keyword", "carrier"})
"""How a machine hears a no; whatever else was heard, a person said in words."""
_TOPICS = {Purpose.RENEWAL: RENEWAL, Purpose.OFFER: MARKETING}


class Standing(StrEnum):
    """What the events of an address come to."""

    UNKNOWN = "unknown"
    ASSERTED = "asserted"
    GRANTED = "granted"
    REVOKED = "revoked"


_SPOKEN = (Standing.GRANTED, Standing.REVOKED)


@dataclass(frozen=True, slots=True)
class Consent:
    """The standing, how it came about and when; and what differs from it by topic."""

    standing: Standing = Standing.UNKNOWN
    method: str = ""
    since: dt.datetime | None = None
    methods: frozenset[str] = frozenset()
    """Every way in which they said no since they last said yes."""
    topics: "Mapping[str, Consent]" = field(default_factory=dict)

    def about(self, topic: str) -> "Consent":
        """What holds for one topic."""
        return self.topics.get(topic, self)

    @property
    def warned(self) -> bool:
        """Whether they want more than amount, day and link although it is not encrypted."""
        said = self.topics.get(UNENCRYPTED)
        return said is not None and said.standing is Standing.GRANTED

    @property
    def by_keyword_only(self) -> bool:
        """Whether a no was only ever a keyword's: then YES may undo it."""
        return self.standing is Standing.REVOKED and self.methods <= KEYWORDS

    def outlasts(self, moment: dt.datetime) -> bool:
        """Whether a yes of that moment is older than this no."""
        no = self.standing is Standing.REVOKED
        return no and self.since is not None and moment < self.since


class Said(Protocol):
    """A consent event, as a row of any make."""

    topic: str
    change: str
    method: str
    occurred_at: dt.datetime
    recorded_at: dt.datetime


_SAID = (
    core_select(
        col(ConsentEvent.address_id),
        col(ConsentEvent.topic),
        col(ConsentEvent.change),
        col(ConsentEvent.method),
        col(ConsentEvent.occurred_at),
        col(ConsentEvent.recorded_at),
    )
    .where(col(ConsentEvent.address_id).in_(bindparam("addresses", expanding=True)))
    .order_by(col(ConsentEvent.address_id), col(ConsentEvent.id))
)


def topic_of(purpose: str) -> str:
    """The topic of a message: what is not renewal or marketing is about the account."""
    return _TOPICS.get(Purpose(purpose), BILLING)


def fold(events: Iterable[Said]) -> Consent:
    """The last word counts; an assertion by the firm never undoes what the person said.

    Nor does a yes that is older than the no: other systems tell of forms when they come to it.
    """
    held = Consent()
    for event in events:
        before = held if event.topic == ALL else held.about(event.topic)
        if event.change == "asserted" and before.standing in _SPOKEN:
            continue
        yes = event.change == "granted"
        if yes and before.outlasts(event.occurred_at):
            continue
        after = _after(before, event)
        if event.topic == ALL:
            # What the firm asserts of all leaves alone what the person said of one topic.
            every = event.change == "asserted"
            kept = {
                topic: said
                for topic, said in held.topics.items()
                if every or topic == UNENCRYPTED or (yes and said.outlasts(event.occurred_at))
            }
            held = replace(after, topics=kept)
        else:
            held = replace(held, topics={**held.topics, event.topic: after})
    return held


def _after(before: Consent, event: Said) -> Consent:
    """A no by several ways is all of them; a yes ends them."""
    standing = Standing(event.change)
    no = standing is Standing.REVOKED
    methods = frozenset({event.method}) if no else frozenset()
    if no and before.standing is Standing.REVOKED:
        methods |= before.methods
    # Nobody can have said it later than we heard of it, whatever the clock of who tells says.
    return Consent(standing, event.method, min(event.occurred_at, event.recorded_at), methods)


def of_address(session: Session, address_id: int) -> Consent:
    """What holds for an address now."""
    return of_addresses(session, [address_id]).get(address_id, Consent())


def of_addresses(session: Session, addresses: Collection[int]) -> dict[int, Consent]:
    """The same for many; without those of which nobody said anything."""
    if not addresses:
        return {}
    rows = session.execute(_SAID, {"addresses": list(addresses)})
    return {
        address_id: fold(said) for address_id, said in groupby(rows, key=lambda row: row.address_id)
    }


def clients_of(session: Session, address_id: int) -> list[int]:
    """Every client with a contact at this address, ascending: whom a STOP must lock."""
    query = (
        select(Contact.client_id)
        .join(ContactAddress, col(ContactAddress.contact_id) == Contact.id)
        .where(ContactAddress.address_id == address_id)
        .distinct()
        .order_by(col(Contact.client_id))
    )
    return list(session.exec(query))


def read_by(session: Session, address_id: int) -> bool:
    """Whether anybody reads there who has not said that they are somebody else."""
    query = select(ContactAddress.contact_id).where(
        ContactAddress.address_id == address_id, col(ContactAddress.wrong_since).is_(None)
    )
    return session.exec(query.limit(1)).first() is not None


def find_address(session: Session, kind: str, value: str) -> Address | None:
    """The address of that normalised value."""
    return session.exec(select(Address).where(Address.kind == kind, Address.value == value)).first()


def record(session: Session, event: ConsentEvent) -> ConsentEvent:
    """Write the event down and link it into the chain of every client of the address.

    All of them must be locked.
    """
    clients = clients_of(session, event.address_id)
    if clients:
        timeline.link_all(session, [(client_id, event) for client_id in clients])
    else:
        session.add(event)
        session.flush()
    return event
