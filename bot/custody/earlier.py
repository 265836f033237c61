"""What did the same phone text just before, so that a number in two texts is found?"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidTag
from sqlmodel import Session, col, select

from billing import vault
from billing.keyring import KeyGone, Keyring
from bot import inbox
from bot.inbox import Parcel
from bot.models import Incoming
from comms.facts import InboundMessage
from comms.listening import seams
from comms.listening.screening import PURGED

T = TypeVar("T")
SOURCE = "twilio.sms"
SPAN = dt.timedelta(minutes=15)
_LOOKED = 100
"""Texts of anybody that are opened for it at most; the newest."""


@dataclass(frozen=True, slots=True)
class Said:
    """The words of the texts, the oldest first, and whether a card was in one of them."""

    words: Sequence[str]
    card: bool


def joined(
    session: Session, keyring: Keyring, incoming_id: int, parcel: Parcel, found: Sequence[T]
) -> Sequence[T | InboundMessage]:
    """What was read of a text, without what completes a number that the ones before it began."""
    if parcel.source != SOURCE:
        return found
    return [
        _closed(session, keyring, incoming_id, parcel, one)
        if isinstance(one, InboundMessage) and seams.may_go_on(one.body)
        else one
        for one in found
    ]


def _closed(
    session: Session, keyring: Keyring, incoming_id: int, parcel: Parcel, message: InboundMessage
) -> InboundMessage:
    said = texts(session, keyring, incoming_id, _form(parcel).get("From", ""))
    return seams.closed(message, said.words, card=said.card) if said.words else message


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
    words, card = list[str](), False
    for one in reversed(newest):
        form = _opened(session, keyring, one)
        if form.get("From") == sender:
            words.append(form.get("Body", ""))
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
