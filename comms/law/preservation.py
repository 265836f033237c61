"""Must everything of a client be kept because a lawsuit is expected, and who said so?

A legal hold beats erasure, retention and the destruction of keys. It is placed on everybody who is
one with the client, covers whoever becomes one with them, and is a link of each one's chain.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from billing import aliases, vault
from billing.models import Client, LegalHold
from comms import timeline
from comms.models import Access
from comms.office import Office, Word


def place(session: Session, office: Office, client_id: int, matter: str, word: Word) -> list[int]:
    """Keep everything of a client and of who is one with them; the holds that are new.

    All of them are locked.
    """
    group = aliases.group(session, client_id)
    has = {hold.client_id for hold in _open(session, group) if hold.matter == matter}
    new = [_placed(session, office, one, matter, word) for one in group if one not in has]
    return [hold.id for hold in new]


def _placed(session: Session, office: Office, client_id: int, matter: str, word: Word) -> LegalHold:
    note_id = _note(session, office, client_id, word)
    hold = LegalHold(
        client_id=client_id,
        matter=matter,
        note_id=note_id,
        placed_by=word.by,
        placed_at=word.said_at or office.now,
    )
    session.add(hold)
    session.flush()
    record(session, office, client_id, "held", word, note_id)
    return hold


def release(
    session: Session, office: Office, client_id: int, matter: str, word: Word
) -> list[LegalHold]:
    """End what was placed for a matter, or, without one, everything; what was ended."""
    group = aliases.group(session, client_id)
    ended = [hold for hold in _open(session, group) if matter in ("", hold.matter)]
    for hold in ended:
        hold.released_at, hold.released_by = word.said_at or office.now, word.by
        hold.release_note_id = note_id = _note(session, office, hold.client_id, word)
        session.add(hold)
        record(session, office, hold.client_id, "released", word, note_id)
    session.flush()
    return ended


def standing(session: Session, client_id: int) -> list[LegalHold]:
    """The holds that cover a client: its own, and those of whoever is one with it."""
    return _open(session, aliases.group(session, client_id))


def preserved(session: Session, clients: Collection[int]) -> set[int]:
    """Of some clients those who are covered by a hold: what ``bot.custody.retention`` asks."""
    held = set(session.exec(select(LegalHold.client_id).where(_is_open())))
    if not held:
        return set()
    covered = set(aliases.of(session, held).values())
    kin = aliases.of(session, clients)
    return {client_id for client_id in clients if kin[client_id] in covered}


def record(
    session: Session,
    office: Office,
    client_id: int,
    change: str,
    word: Word,
    reason_id: int | None = None,
) -> None:
    """Write into a client's chain what somebody did with all that is kept of them."""
    entry = Access(
        client_id=client_id,
        change=change,
        by=word.by,
        reason_id=reason_id,
        occurred_at=word.said_at or office.now,
        recorded_at=office.now,
    )
    timeline.link(session, client_id, entry)


def _open(session: Session, clients: Collection[int]) -> list[LegalHold]:
    query = select(LegalHold).where(col(LegalHold.client_id).in_(clients), _is_open())
    return list(session.exec(query.order_by(col(LegalHold.id))))


def _is_open() -> ColumnElement[bool]:
    return col(LegalHold.released_at).is_(None)


def _note(session: Session, office: Office, client_id: int, word: Word) -> int:
    owner = session.get_one(Client, client_id).key_id
    return vault.put(session, office.keyring, owner, word.reason, office.now)
