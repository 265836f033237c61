"""Which texts did people write to us that no webhook told of?

Twilio does not come again where a proxy answered for a process that was restarting: a STOP of that
second would be lost. Its own list still has it, and the inbox knows what came before.
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

import datetime as dt

import structlog
from sqlalchemy import func
from sqlmodel import Session, col, select

from billing.models import LegalEntity
from bot.app import App
from bot.inbox import Parcel
from bot.models import Incoming, Recall
from comms.ports import Heard, Listing

SOURCE = "twilio.sms"
BACK = dt.timedelta(days=7)
"""So far is looked back: over a week in which nobody noticed that the hooks did not arrive."""
EVERY = 15
"""Minutes between two looks."""
log = structlog.get_logger("missed")


async def look(app: App) -> int:
    """Put into the inbox what Twilio's list has and no webhook told; how many.

    Raises:
        DeliveryError: Twilio could not be asked.
    """
    channel = app.channels.get("sms")
    with app.store.read() as session:
        since, numbers = _since(session, app.clock.now()), _numbers(session)
    if since is None or not isinstance(channel, Listing):
        return 0
    found = 0
    for number in numbers:
        heard = await channel.heard(number, since)
        with app.store.read() as session:
            unknown = _unknown(session, heard)
        for one in unknown:
            parcel = Parcel(SOURCE, one.external_id, one.form)
            found += await app.inbox.receive(parcel, app.clock.now())
    if found:
        log.warning("found_texts_no_webhook_told", count=found)
        app.wake.set()
    return found


def _since(session: Session, now: dt.datetime) -> dt.datetime | None:
    """From when; nothing is older than the first text that a webhook told, nor looked for before.

    A number that was in use before us has a history that is not ours to answer.
    """
    texts, earliest = Incoming.source == SOURCE, now - BACK
    # Any old one will do: the first of millions would have to be looked for among all.
    old = select(Incoming.id).where(texts, col(Incoming.received_at) <= earliest).limit(1)
    if session.exec(old).first() is not None:
        return earliest
    first: dt.datetime | None = session.exec(
        select(func.min(col(Incoming.received_at))).where(texts)
    ).one()
    return first


def _numbers(session: Session) -> list[str]:
    """Every number that we write from."""
    return sorted(session.exec(select(LegalEntity.phone).where(LegalEntity.phone != "").distinct()))


def _unknown(session: Session, heard: list[Heard]) -> list[Heard]:
    """Not what came before, nor what is to go there: the inbox forgets whoever was erased."""
    names = [one.external_id for one in heard]
    came = select(Incoming.external_id).where(
        Incoming.source == SOURCE, col(Incoming.external_id).in_(names)
    )
    recalled = select(Recall.provider_id).where(col(Recall.provider_id).in_(names))
    known = {*session.exec(came), *session.exec(recalled)}
    return [one for one in heard if one.external_id not in known]
