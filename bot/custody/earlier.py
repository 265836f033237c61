"""What did the same phone or client write just before, so that a number in two pieces is found?"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidTag
from sqlmodel import Session, col, select

from billing import aliases, vault
from billing.keyring import KeyGone, Keyring
from bot import inbox
from bot.inbox import Parcel
from bot.models import Incoming
from comms import consent
from comms.facts import InboundMessage
from comms.listening import seams
from comms.listening.screening import PURGED
from comms.models import Touchpoint

T = TypeVar("T")
SOURCE = "twilio.sms"
SPAN = dt.timedelta(minutes=15)
_LOOKED = 100
"""Texts of anybody that are opened for it at most; the newest."""
_OF_CLIENT = dt.timedelta(hours=1)
_LOOKED_OF_CLIENT = 20


@dataclass(frozen=True, slots=True)
class Said:
    """The words by the delivery that they came in, and whether a card was in any of them."""

    words: Mapping[int, str]
    card: bool


def joined(
    session: Session, keyring: Keyring, incoming_id: int, parcel: Parcel, found: Sequence[T]
) -> Sequence[T | InboundMessage]:
    """What was read of it, without what completes a number that earlier words began."""
    return [
        _closed(session, keyring, incoming_id, parcel, one)
        if isinstance(one, InboundMessage) and seams.may_go_on(one.visible)
        else one
        for one in found
    ]


def _closed(
    session: Session, keyring: Keyring, incoming_id: int, parcel: Parcel, message: InboundMessage
) -> InboundMessage:
    said = written(session, keyring, incoming_id, message)
    if parcel.source == SOURCE:  # the one before may still be with another process
        phone = texts(session, keyring, incoming_id, _form(parcel).get("From", ""))
        said = Said({**said.words, **phone.words}, card=phone.card or said.card)
    words = [said.words[one] for one in sorted(said.words)]
    return seams.closed(message, words, card=said.card) if words else message


def written(session: Session, keyring: Keyring, incoming_id: int, message: InboundMessage) -> Said:
    """What those who are known at the sender's address wrote in the hour before, by any way."""
    address = consent.find_address(session, message.channel, message.sender)
    if address is None:
        return Said({}, card=False)
    row = session.get_one(Incoming, incoming_id)
    clients = {
        kin
        for one in consent.clients_of(session, address.id)
        for kin in aliases.group(session, one)
    }
    query = select(Touchpoint).where(
        col(Touchpoint.client_id).in_(clients),
        Touchpoint.direction == "in",
        col(Touchpoint.incoming_id) < incoming_id,
        col(Touchpoint.recorded_at) >= row.received_at - _OF_CLIENT,
        col(Touchpoint.body_id).is_not(None),
    )
    newest = session.exec(query.order_by(col(Touchpoint.id).desc()).limit(_LOOKED_OF_CLIENT)).all()
    just_now = (one for one in newest if one.recorded_at >= row.received_at - SPAN)
    card = any(not PURGED.isdisjoint((one.labels or "").split()) for one in just_now)
    words = {one.incoming_id: _words(session, keyring, one) for one in newest if one.incoming_id}
    return Said(words, card=card)


def _words(session: Session, keyring: Keyring, touchpoint: Touchpoint) -> str:
    try:
        told = json.loads(vault.text(session, keyring, touchpoint.body_id) or "{}")
    except (KeyGone, InvalidTag, ValueError):
        return ""
    return f"{told.get('subject', '')}\n{told.get('visible', '')}".strip()


def texts(session: Session, keyring: Keyring, incoming_id: int, sender: str) -> Said:
    """The texts of a number that came within a quarter of an hour before this one."""
    row = session.get_one(Incoming, incoming_id)
    query = select(Incoming).where(
        Incoming.source == SOURCE,
        col(Incoming.id) < row.id,
        col(Incoming.received_at) >= row.received_at - SPAN,
        col(Incoming.body_id).is_not(None),
    )
    newest = session.exec(query.order_by(col(Incoming.id).desc()).limit(_LOOKED)).all()
    words, card = dict[int, str](), False
    for one in newest:
        form = _opened(session, keyring, one)
        if form.get("From") == sender:
            words[one.id] = form.get("Body", "")
            card = card or not PURGED.isdisjoint((one.labels or "").split())
    return Said(words, card)


def _opened(session: Session, keyring: Keyring, row: Incoming) -> dict[str, str]:
    try:
        packed = vault.get(session, keyring, inbox.body_of(row))
        return _form(inbox.unpacked(row.source, row.external_id, packed))
    except (KeyGone, InvalidTag, ValueError):  # a changed body holds up no other text
        return {}


def _form(parcel: Parcel) -> dict[str, str]:
    return dict(parse_qsl(parcel.body.decode(errors="replace"), keep_blank_values=True))
