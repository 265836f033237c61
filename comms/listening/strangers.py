"""Somebody whom nobody knows wrote what not everybody may see: how does it go from its card?

Their words belong to no client and hang on no chain. Which card it is
says whether it is sealed, so a person's word makes it anew as another one.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlmodel import Session, col, select

from comms import staff
from comms.compliance import clearance
from comms.compliance.labels import Label
from comms.models import Message
from comms.office import Office

CARD: Final = "unmatched"
SEALED: Final[Mapping[str, Label]] = {
    "unmatched_privileged": Label.PRIVILEGED,
    "unmatched_phi": Label.PHI,
}
"""The card of words that a person has sealed, and as what."""


def seal(session: Session, office: Office, message_id: int, label: Label | None) -> str:
    """Put their words under a seal on their card, or show them again; who may is asked before."""
    card = session.get(Message, message_id)
    if card is None or card.template != CARD:
        return "That card is no longer there."
    wanted = next((name for name, one in SEALED.items() if one is label), CARD)
    drawn = _drawn(session, card)
    if (drawn[-1] if drawn else CARD) != wanted:
        staff.redraw(session, card, office.now, f"said:{len(drawn)}", wanted)
    if label is None:
        return "Not sealed any more: everybody in the channel reads it."
    return f"Sealed ({clearance.named([label])}): it is gone from the card, and nobody reads it."


def _drawn(session: Session, card: Message) -> Sequence[str]:
    """As which cards it was made anew, in their order."""
    query = select(Message.template).where(Message.updates_id == card.id)
    return session.exec(query.order_by(col(Message.id))).all()
