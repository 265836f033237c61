"""Was the end of a chain cut off, or a whole chain taken away?

A chain proves that nothing within it was changed; it cannot prove that its end is still there. So
the ends of all chains that have moved are written down now and then, as a link of the firm's own
chain. Whoever keeps the hash of that link elsewhere can see later whether anything is gone.
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, exists, select, text
from sqlmodel import Session, col
from sqlmodel import select as model_select

from billing import bulk
from billing.store import table_of
from comms import timeline
from comms.models import ChainEntry, ChainHead, Checkpoint, CheckpointHead
from comms.timeline import GENESIS, Break

MOST = 20_000
"""Ends in one link: their transaction holds others up for a fifth of a second."""
_ENTRIES = table_of(ChainEntry)
_HEADS = table_of(ChainHead)
_NOTED = table_of(CheckpointHead)
_MOVED = (
    select(_HEADS.c.client_id, _HEADS.c.seq, _HEADS.c.hash)
    .where(
        _HEADS.c.client_id > bindparam("after"),
        ~exists().where(_NOTED.c.client_id == _HEADS.c.client_id, _NOTED.c.seq == _HEADS.c.seq),
    )
    .order_by(_HEADS.c.client_id)
    .limit(MOST)
)
_ALONE = text("SELECT pg_advisory_xact_lock(7602)")
_OF = (
    select(_NOTED.c.client_id, _NOTED.c.seq, _NOTED.c.hash)
    .where(_NOTED.c.checkpoint_id == bindparam("checkpoint"))
    .order_by(_NOTED.c.client_id)
)
_LOST = (
    select(_NOTED.c.client_id, _NOTED.c.seq, _NOTED.c.checkpoint_id, _ENTRIES.c.hash)
    .outerjoin(
        _ENTRIES,
        (_ENTRIES.c.client_id == _NOTED.c.client_id) & (_ENTRIES.c.seq == _NOTED.c.seq),
    )
    .where(_ENTRIES.c.hash.is_(None) | (_ENTRIES.c.hash != _NOTED.c.hash))
    .order_by(_NOTED.c.client_id, _NOTED.c.seq)
)


@dataclass(frozen=True, slots=True)
class End:
    """The last entry of a client's chain."""

    client_id: int
    seq: int
    hash: str


def moved(session: Session, after: int = 0) -> list[End]:
    """Chains that went on since their end was last written down, of clients beyond ``after``."""
    return [_end(row) for row in session.connection().execute(_MOVED, {"after": after})]


def write(session: Session, ends: Sequence[End], now: dt.datetime, seen: int) -> Checkpoint | None:
    """The next link of the firm's chain, over these ends; each of them is written down once.

    ``seen`` is the last link that was there when they were read. None where another process has
    written one since: what moved must be read anew.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(_ALONE)
    last = latest(session)
    if last is not None and last.id != seen:
        return None
    link = Checkpoint(
        id=last.id + 1 if last else 1,
        taken_at=now,
        heads=len(ends),
        root=_root(ends),
        previous=last.hash if last else GENESIS,
    )
    link.hash = hash_of(link)
    session.add(link)
    session.flush()
    rows = [
        {"client_id": one.client_id, "seq": one.seq, "hash": one.hash, "checkpoint_id": link.id}
        for one in ends
    ]
    bulk.insert(session, _NOTED, rows)
    return link


def latest(session: Session) -> Checkpoint | None:
    """The last link."""
    return session.exec(
        model_select(Checkpoint).order_by(col(Checkpoint.id).desc()).limit(1)
    ).first()


def links(session: Session) -> list[Checkpoint]:
    """The firm's chain, in its order."""
    return list(session.exec(model_select(Checkpoint).order_by(col(Checkpoint.id))))


def hash_of(link: Checkpoint) -> str:
    """What the hash of a link must be."""
    return timeline.hash_of(link.model_dump(exclude={"hash"}))


def verify(session: Session, known: Collection[tuple[int, str]] = ()) -> Iterator[Break]:
    """Every place where the firm's chain, or a client's, is not what it was.

    ``known`` are numbers of links with their hashes, from where nobody could change them.
    """
    every = links(session)
    yield from _linked(session, every)
    there = {link.id: link.hash for link in every}
    for number, value in sorted(set(known)):
        if number not in there:
            yield Break(0, number, "this checkpoint was kept elsewhere and is not here any more")
        elif there[number] != value:
            yield Break(0, number, "this checkpoint is another one than was kept elsewhere")
    for row in session.connection().execute(_LOST):
        what = "is gone" if row.hash is None else "is another one"
        said = f"the entry was there at checkpoint {row.checkpoint_id}, and {what}"
        yield Break(row.client_id, row.seq, said)


def _linked(session: Session, every: Sequence[Checkpoint]) -> Iterator[Break]:
    number, previous = 0, GENESIS
    for link in every:
        if link.id != number + 1:
            yield Break(0, number + 1, "a checkpoint is missing")
        elif link.previous != previous:
            yield Break(0, link.id, "does not follow the checkpoint before it")
        rows = session.connection().execute(_OF, {"checkpoint": link.id})
        if hash_of(link) != link.hash or _root([_end(row) for row in rows]) != link.root:
            yield Break(0, link.id, "the checkpoint was changed")
        number, previous = link.id, link.hash


def _end(row: Any) -> End:
    return End(row.client_id, row.seq, row.hash)


def _root(ends: Sequence[End]) -> str:
    """One hash over all ends, in the order of their clients."""
    digest = hashlib.sha256()
    for one in ends:
        digest.update(f"{one.client_id} {one.seq} {one.hash}\n".encode())
    return digest.hexdigest()
