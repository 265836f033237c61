"""Slack says that a message of ours stands there: do we know of it?

The answer to a post can be lost, and Slack takes no key by which the same post twice would be one.
But it tells an app of metadata that were posted, by ``message_metadata_posted``, with no word of
the message. So a card is known whose answer never came; and the one that stands there twice goes.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass

from sqlmodel import Session, select

from bot.custody import copies
from bot.inbox import Parcel
from bot.slack import EVENT_TYPE
from comms import delivery
from comms.models import Message
from comms.office import Office
from comms.ports import Sent


@dataclass(frozen=True, slots=True)
class Posted:
    """A message with our reference stands in a channel of Slack's, as ``ts``."""

    channel: str
    ts: str
    reference: str


def read(parcel: Parcel) -> list[Posted]:
    """What an event of Slack's tells of a message of ours; nothing of every other event.

    Another app may write the same words into its metadata: Slack says whose they are.

    Raises:
        ValueError: it is no event.
    """
    told = json.loads(parcel.body)
    event = told.get("event") if isinstance(told, dict) else None
    if not isinstance(event, dict) or event.get("type") != "message_metadata_posted":
        return []
    metadata = event.get("metadata")
    if not isinstance(metadata, dict) or metadata.get("event_type") != EVENT_TYPE:
        return []
    payload = metadata.get("event_payload")
    reference = payload.get("reference") if isinstance(payload, dict) else None
    if not reference or not event.get("app_id") or event["app_id"] != told.get("api_app_id"):
        return []
    return [Posted(str(event["channel_id"]), str(event["message_ts"]), str(reference))]


def clients_of(session: Session, posted: Posted) -> Collection[int]:
    """Whom it is about."""
    message = _of(session, posted)
    return delivery.concerned(session, message.id) if message is not None else ()


def take(session: Session, office: Office, posted: Posted) -> int | None:
    """A message without an answer has one now; what stands there besides is to go.

    A hold on the client keeps the only copy there is, not a second one.
    """
    message = _of(session, posted)
    if message is None or message.provider_id == posted.ts:
        return message.client_id if message else None
    if only := message.provider_id is None:
        delivery.went(session, office, message.id, Sent(posted.ts))
        session.refresh(message)
    if message.provider_id != posted.ts:
        whose = message.client_id if only else None
        extra = copies.of_post(message, posted.ts, posted.channel, whose, office.now)
        copies.ask(session, [extra])
    return message.client_id


def _of(session: Session, posted: Posted) -> Message | None:
    query = select(Message).where(Message.channel == "slack", Message.reference == posted.reference)
    return session.exec(query).first()
