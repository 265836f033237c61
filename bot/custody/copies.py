"""Which copies of a client's words lie at providers, and what was asked about each?

A text that held a number which nobody may see loses its words at the carrier, and its pictures. Of
whoever is erased every text and every card of ours goes. Each is a row with a key made of the
provider's own name of it, so that nothing is asked for twice.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import func, insert
from sqlmodel import Session, col, select

from billing.models import Erasure
from billing.store import table_of
from bot.custody.belongings import Found
from bot.models import Incoming, Recall
from comms.facts import InboundMessage
from comms.listening.screening import MASKED, PURGED
from comms.models import Message
from comms.ports import Change

_TAKEN_BACK = ("sms", "slack")
"""Channels whose providers let us delete what we sent."""
_ON_WIRE = dt.timedelta(days=30)
"""A message whose fate nobody knows may be found at its provider only days later."""
_TABLE = table_of(Recall)


def of_text(row: Incoming, message: InboundMessage, now: dt.datetime) -> Iterator[Recall]:
    """The carrier's copy of a text that held such a number: its words, and what came with them."""
    if row.source != "twilio.sms" or MASKED.isdisjoint(message.labels):
        return
    yield _recall("sms", Change.REDACT, message.external_id, now, row)
    if message.media and not PURGED.isdisjoint(message.labels):
        yield _recall("sms", Change.MEDIA, message.external_id, now, row)


def of_erased(found: Found, strangers: Sequence[Incoming], now: dt.datetime) -> list[Recall]:
    """Everything of somebody who is erased that an API can delete."""
    asked = [
        _sent(row, now)
        for row in found["message"]
        if row["provider_id"] and row["channel"] in _TAKEN_BACK
    ]
    texts = [Incoming.model_validate(dict(row)) for row in found["incoming"]]
    for text in (*texts, *strangers):
        if text.source == "twilio.sms" and not text.external_id.startswith("erased:"):
            asked.append(_recall("sms", Change.MEDIA, text.external_id, now, text))
            asked.append(_recall("sms", Change.DELETE, text.external_id, now, text))
    return asked


def of_cards(cards: Sequence[Message], client_id: int, now: dt.datetime) -> list[Recall]:
    """Cards of nobody in particular that name somebody who is erased."""
    return [_sent(card.model_dump() | {"client_id": client_id}, now) for card in cards]


def of_post(
    message: Message, provider_id: str, place: str, client_id: int | None, now: dt.datetime
) -> Recall:
    """A card that stands in Slack, and is not the one that we know."""
    named = {"provider_id": provider_id, "destination": place, "client_id": client_id}
    return _sent(message.model_dump() | named, now)


def left(session: Session, now: dt.datetime) -> list[Recall]:
    """What was on the wire when its client was erased, and has a name at its provider by now."""
    recent = select(Erasure.client_id, Erasure.erased_at).where(Erasure.erased_at > now - _ON_WIRE)
    erased = dict(session.exec(recent).all())
    query = select(Message).where(
        col(Message.client_id).in_(erased),
        col(Message.provider_id).is_not(None),
        col(Message.channel).in_(_TAKEN_BACK),
    )
    return [
        _sent(row.model_dump(), now)
        for row in (session.exec(query) if erased else ())
        if row.sent_at and row.sent_at > erased[row.client_id or 0]
    ]


def _sent(row: Mapping[str, Any], now: dt.datetime) -> Recall:
    """A message of ours, as its provider has it."""
    channel, provider_id = row["channel"], row["provider_id"]
    place = row["destination"] if channel == "slack" else ""
    return Recall(
        key=_key(channel, Change.DELETE, provider_id, place), channel=channel,
        change=Change.DELETE, provider_id=provider_id, place=place, client_id=row["client_id"],
        created_at=now, next_attempt_at=now,
    )  # fmt: skip


def _recall(
    channel: str, change: Change, provider_id: str, now: dt.datetime, row: Incoming
) -> Recall:
    return Recall(
        key=_key(channel, change, provider_id, ""), channel=channel, change=change,
        provider_id=provider_id, client_id=row.client_id, incoming_id=row.id, created_at=now,
        next_attempt_at=now,
    )  # fmt: skip


def _key(channel: str, change: Change, provider_id: str, place: str) -> str:
    return f"{change}:{channel}:{place}:{provider_id}"


def ask(session: Session, asked: Collection[Recall]) -> int:
    """Put down what is to go, each once; how many are new."""
    wanted = {one.key: one for one in asked}
    known = set[str]()
    keys = list(wanted)
    for first in range(0, len(keys), 500):
        some = keys[first : first + 500]
        known.update(session.exec(select(Recall.key).where(col(Recall.key).in_(some))))
    rows = [one.model_dump(exclude={"id"}) for key, one in wanted.items() if key not in known]
    if rows:
        session.execute(insert(_TABLE), rows)
    return len(rows)


def standing(session: Session, clients: Collection[int]) -> Mapping[str, Mapping[str, int]]:
    """By provider's channel how many copies of these clients are done, wait or cannot go."""
    query = (
        select(Recall.channel, Recall.state, func.count())
        .where(col(Recall.client_id).in_(clients), Recall.change == Change.DELETE)
        .group_by(Recall.channel, Recall.state)
    )
    told: dict[str, dict[str, int]] = {}
    for channel, state, many in session.exec(query):
        told.setdefault(channel, {})[state] = many
    return told


def of_incoming(session: Session, incoming: Collection[int]) -> Mapping[int, Sequence[Recall]]:
    """What was asked of the provider about some requests, by their id."""
    query = select(Recall).where(col(Recall.incoming_id).in_(incoming)).order_by(col(Recall.id))
    told: dict[int, list[Recall]] = {}
    for row in session.exec(query):
        told.setdefault(row.incoming_id or 0, []).append(row)
    return told


_NAMES: Mapping[str, str] = {"sms": "texts at the carrier", "slack": "cards in Slack"}
_STATES: Mapping[str, str] = {"done": "gone", "pending": "asked for", "failed": "a person must ask"}


def said(told: Mapping[str, Mapping[str, int]]) -> str:
    """The same in a sentence: "texts at the carrier: 3 gone, 1 asked for"."""
    parts = []
    for channel, states in sorted(told.items()):
        many = ", ".join(f"{states[one]:,} {_STATES[one]}" for one in _STATES if states.get(one))
        parts.append(f"{_NAMES.get(channel, channel)}: {many}")
    return "; ".join(parts)
