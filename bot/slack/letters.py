"""What did somebody write whom nobody knows? Read again from what came in, while it is kept."""

from collections.abc import Callable, Mapping, Sequence

from sqlmodel import Session

from billing import vault
from billing.keyring import KeyGone
from bot import inbox
from bot.inbox import Parcel
from bot.models import Incoming
from bot.slack.cards import Letters
from comms.facts import InboundMessage
from comms.office import Office

Readers = Mapping[str, Callable[[Parcel], Sequence[object]]]


def letters(readers: Readers) -> Letters:
    """How a card reads a request that was kept, with the reader of its source."""

    def read(session: Session, office: Office, incoming_id: int) -> InboundMessage | None:
        row = session.get(Incoming, incoming_id)
        if row is None or row.body_id is None or row.source not in readers:
            return None
        try:
            packed = vault.get(session, office.keyring, row.body_id)
            found = readers[row.source](inbox.unpacked(row.source, row.external_id, packed))
        except (KeyGone, ValueError):
            return None
        letter = next((one for one in found if isinstance(one, InboundMessage)), None)
        return _labelled(letter, row) if letter is not None else None

    return read


def _labelled(letter: InboundMessage, row: Incoming) -> InboundMessage:
    """With what was found when it came, also in files that nobody opens for a card."""
    labels = dict.fromkeys((*letter.labels, *(row.labels or "").split()))
    return letter.model_copy(update={"labels": tuple(labels)})
