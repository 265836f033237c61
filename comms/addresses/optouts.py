"""Somebody said no: at which addresses, about what, and what may not leave any more?

A no in any words and by any way counts (47 CFR 64.1200(a)(10)): who writes "stop texting me" in a
mail closes the phone, and the mailbox stays open. A word that names no way closes the address that
it came from. To how much it is a no, the policy says, until the law counts it for everything.
"""

import datetime as dt
import re
from collections.abc import Iterable
from typing import NamedTuple

from sqlmodel import Session, col, select

from billing import rules
from billing.models import Address, Contact, ContactAddress
from comms import consent, outbox, replies
from comms.addresses import closing
from comms.models import Audience, ConsentEvent, Message, Purpose, State
from comms.office import Office

REASON = "They asked us to stop."
_TEXTS = re.compile(r"\b(?:text(?:s|ing|ed)?|sms|messages? (?:to|on) my (?:phone|cell|mobile))\b")
_MAILS = re.compile(r"\be ?mail(?:s|ing|ed)?\b")
_RATHER = re.compile(
    r"\b(?:(?:by|via|use|prefer|through) (?:e ?mails?|texts?|sms)"
    r"|(?:e ?mail|text|sms)(?: (?:me|us))?(?: \w+)? (?:instead|only|is (?:ok|okay|fine)))\b"
)
"""The way that they want instead is not the one they say no to."""
_OF_ALL = re.compile(r"all\b")
_REVOKE_ALL = "us_revoke_all"


class No(NamedTuple):
    """What was said, at which address, and how we heard it."""

    address: Address
    words: str
    method: str
    source: str
    occurred_at: dt.datetime
    incoming_id: int | None = None


def clients_of(session: Session, address_id: int) -> list[int]:
    """Everybody whom a no at this address may touch: who shares it, or a way of who reads there."""
    places = {address_id, *(one.id for one in _others(session, address_id))}
    return sorted({client for place in places for client in consent.clients_of(session, place)})


def take(session: Session, office: Office, no: No) -> int:
    """Write it down and cancel what waits; how many messages that were. Its clients are locked."""
    topic = _topic(session, office, no)
    purposes = [one for one in Purpose if topic in (consent.ALL, consent.topic_of(one))]
    cancelled = 0
    for address in _meant(session, no):
        event = ConsentEvent(
            address_id=address.id,
            topic=topic,
            change="revoked",
            method=no.method,
            source=no.source,
            incoming_id=no.incoming_id,
            occurred_at=no.occurred_at,
            recorded_at=office.now,
        )
        consent.record(session, event)
        which = outbox.to_address(address.id, purposes=purposes)
        cancelled += closing.cancel_at(session, office, which, "opted_out", REASON)
    return cancelled


def named(words: str) -> frozenset[str]:
    """The ways that a no names: texts, mails, both or neither."""
    folded = _RATHER.sub(" ", words.casefold().replace("-", " "))
    ways = (("sms", _TEXTS), ("email", _MAILS))
    return frozenset(kind for kind, said in ways if said.search(folded))


def _meant(session: Session, no: No) -> list[Address]:
    """The addresses that it closes; the one it came from, where it names no other way."""
    kinds = named(no.words) if no.method == "words" else frozenset()
    others = [
        one for one in _others(session, no.address.id) if one.kind in kinds - {no.address.kind}
    ]
    spared = others and no.address.kind not in kinds
    return others if spared else [no.address, *others]


def _others(session: Session, address_id: int) -> Iterable[Address]:
    """The other addresses of whoever reads there."""
    people = (
        select(ContactAddress.contact_id)
        .join(Contact, col(Contact.id) == col(ContactAddress.contact_id))
        .where(ContactAddress.address_id == address_id)
    )
    query = (
        select(Address)
        .join(ContactAddress, col(ContactAddress.address_id) == col(Address.id))
        .where(col(ContactAddress.contact_id).in_(people), col(Address.id) != address_id)
        .order_by(col(Address.id))
        .distinct()
    )
    return session.exec(query).all()


def _topic(session: Session, office: Office, no: No) -> str:
    """To what it is a no: to all, or where the policy may say so to what it answers."""
    from_day = rules.named(_REVOKE_ALL).applies_from
    waived = from_day is None or office.now.date() < from_day
    by_topic = office.policy.consent.revoke_scope == "topic" and waived
    bare = replies.keyword(no.words) is replies.Keyword.STOP and not _OF_ALL.search(
        no.words.lower()
    )
    if not by_topic or not bare:
        return consent.ALL
    last = session.exec(
        select(Message.purpose)
        .where(
            Message.address_id == no.address.id,
            Message.audience == Audience.CLIENT,
            col(Message.state).in_((State.SENT, State.DELIVERED)),
        )
        .order_by(col(Message.sent_at).desc(), col(Message.id).desc())
        .limit(1)
    ).first()
    return consent.topic_of(last) if last else consent.ALL
