"""Which cards of ours show in Slack what is kept no longer, and how does it go from there?

A card that belongs to no client shows what a stranger wrote, what another system told, or a list of
clients. It is made anew when what it shows expires; of who is erased it goes, or loses the name.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, or_, select

from billing.models import Vault
from bot.custody.belongings import Found
from bot.models import Incoming
from comms import staff
from comms.listening import strangers
from comms.models import Audience, Message

_TELLING: Final = (strangers.CARD, "fact_unknown", "fact_refused")
"""Cards that show what came in for as long as it is kept."""
_LISTS: Final = ("duplicates", "imported_cases")
"""Cards that are read anew from the rows, and name many."""
_EXPIRED: Final = "expired"


def expired(session: Session, now: dt.datetime) -> int:
    """Take from cards what has expired since they were shown; how many were made anew."""
    kept = select(Vault.id).where(Vault.id == Incoming.body_id).exists()
    anew = aliased(Message)
    done = select(anew.id).where(col(anew.key) == col(Message.key) + f":{_EXPIRED}").exists()
    shown = (
        select(Message)
        .join(Incoming, col(Incoming.id) == Message.subject_id)
        .where(
            col(Message.template).in_(_TELLING),
            Message.subject_kind == "incoming",
            col(Message.updates_id).is_(None),
            col(Message.provider_id).is_not(None),
            ~kept,
            ~done,
        )
    )
    cards = session.exec(shown).all()
    for card in cards:
        staff.redraw(session, card, now, _EXPIRED)
    return len(cards)


def naming(session: Session, found: Found, bodies: Collection[int]) -> Sequence[Message]:
    """The cards of nobody in particular that name somebody; ``bodies`` are those that do."""
    some = sorted(bodies)
    incoming = select(Incoming.id).where(col(Incoming.body_id).in_(some))
    pairs = [row["id"] for row in found["duplicate"]]
    query = select(Message).where(
        Message.audience == Audience.STAFF,
        Message.channel == "slack",
        col(Message.client_id).is_(None),
        or_(
            col(Message.body_id).in_(some),
            (col(Message.subject_kind) == "incoming") & col(Message.subject_id).in_(incoming),
            (col(Message.subject_kind) == "duplicate") & col(Message.subject_id).in_(pairs),
            col(Message.template).in_(_LISTS),
        ),
    )
    ids = {one.updates_id or one.id for one in session.exec(query)}
    shown = select(Message).where(col(Message.id).in_(ids), col(Message.provider_id).is_not(None))
    return session.exec(shown).all()


def without(
    session: Session, cards: Sequence[Message], clients: Collection[int], now: dt.datetime
) -> list[Message]:
    """Read lists anew, without whoever is erased; the other cards, which have to go."""
    for card in cards:
        if card.template in _LISTS:
            staff.redraw(session, card, now, f"erased:{min(clients)}")
    return [card for card in cards if card.template not in _LISTS]
