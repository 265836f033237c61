"""What was said to and by a client, and can anybody have changed it since?

Every touchpoint, decision and consent event is a link of its client's chain: an entry carries the
hash of the row it is about and of the entry before it. Bodies enter only as the hash of their
ciphertext, so erasing a body breaks nothing. All of it is appended under the client's lock.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import insert, update
from sqlmodel import Session, col, select

from billing import vault
from billing.keyring import Keyring
from comms.models import ChainEntry, ChainHead, ConsentEvent, Decision, Touchpoint

VERSION = 1
GENESIS = ""
Detail = Touchpoint | Decision | ConsentEvent
_DETAILS: Mapping[str, type[Detail]] = {
    "touchpoint": Touchpoint,
    "decision": Decision,
    "consent": ConsentEvent,
}
_ENTRIES = ChainEntry.__table__  # type: ignore[attr-defined]
_HEADS = ChainHead.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a chain does not hold."""

    client_id: int
    seq: int
    what: str


def append(session: Session, touchpoint: Touchpoint) -> Touchpoint:
    """Add a touchpoint to its client's timeline; its ``seq`` is given here."""
    touchpoint.body_digest = vault.digest(session, touchpoint.body_id)
    link(session, touchpoint.client_id, "touchpoint", touchpoint, touchpoint.occurred_at)
    return touchpoint


def decide(
    session: Session, keyring: Keyring, owner: str, decision: Decision, reason: str
) -> Decision | None:
    """Write a decision down, unless it is the one that the subject had already.

    The reason names invoices and amounts, so it is kept in the vault.
    """
    latest = session.exec(
        select(Decision.digest)
        .where(
            Decision.subject_kind == decision.subject_kind,
            Decision.subject_id == decision.subject_id,
        )
        .order_by(col(Decision.id).desc())
        .limit(1)
    ).first()
    decision.digest = _decision_digest(decision)
    if latest == decision.digest:
        return None
    decision.reason_id = vault.put(session, keyring, owner, reason, decision.decided_at)
    decision.reason_digest = vault.digest(session, decision.reason_id)
    link(session, decision.client_id, "decision", decision, decision.decided_at)
    return decision


def link(
    session: Session,
    client_id: int,
    kind: str,
    detail: Detail,
    occurred_at: dt.datetime,
) -> None:
    """Append an entry for a detail row to the chain of a client whose lock is held.

    A consent event is one row in the chain of every client of its address, so it has no ``seq``.
    """
    head = session.execute(
        select(_HEADS.c.seq, _HEADS.c.hash).where(_HEADS.c.client_id == client_id)
    ).one_or_none()
    seq, previous = (head.seq + 1, head.hash) if head else (1, GENESIS)
    if not isinstance(detail, ConsentEvent):
        detail.seq = seq
    session.add(detail)
    session.flush()
    recorded_at = detail.decided_at if isinstance(detail, Decision) else detail.recorded_at
    entry = {
        "client_id": client_id,
        "seq": seq,
        "version": VERSION,
        "kind": kind,
        "detail_id": detail.id,
        "digest": digest(detail),
        "occurred_at": occurred_at,
        "recorded_at": recorded_at,
        "previous": previous,
    }
    entry["hash"] = _entry_hash(entry)
    session.execute(insert(_ENTRIES).values(entry))
    moved = {"seq": seq, "hash": entry["hash"]}
    if head:
        session.execute(update(_HEADS).where(_HEADS.c.client_id == client_id).values(moved))
    else:
        session.execute(insert(_HEADS).values(client_id=client_id, **moved))


def latest(session: Session, client_id: int, limit: int = 50) -> list[Touchpoint]:
    """The newest touchpoints of a client, the newest first."""
    query = (
        select(Touchpoint)
        .where(Touchpoint.client_id == client_id)
        .order_by(col(Touchpoint.occurred_at).desc(), col(Touchpoint.id).desc())
        .limit(limit)
    )
    return list(session.exec(query))


def verify(session: Session, client_id: int | None = None) -> Iterator[Break]:
    """Walk the chains (of one client, or all) and name every place that does not hold."""
    heads = session.exec(select(ChainHead.client_id, ChainHead.seq, ChainHead.hash)).all()
    ends = {client: (seq, hash_) for client, seq, hash_ in heads}
    wanted = session.exec(select(ChainEntry.client_id).distinct()).all()
    for client in sorted({*ends, *wanted} if client_id is None else {client_id}):
        yield from _verify_one(session, client, ends.get(client, (0, GENESIS)))


def _verify_one(session: Session, client_id: int, end: tuple[int, str]) -> Iterator[Break]:
    query = (
        select(*_ENTRIES.c)
        .where(_ENTRIES.c.client_id == client_id)
        .order_by(_ENTRIES.c.seq)
        .execution_options(yield_per=1000)
    )
    seq, previous = 0, GENESIS
    for row in session.execute(query).mappings():
        entry: dict[str, object] = {str(name): value for name, value in row.items()}
        if row["seq"] != seq + 1:
            yield Break(client_id, seq + 1, "an entry is missing")
        if row["previous"] != previous and row["seq"] == seq + 1:
            yield Break(client_id, row["seq"], "does not follow the entry before it")
        if _entry_hash(entry) != row["hash"]:
            yield Break(client_id, row["seq"], "the entry was changed")
        yield from _verify_detail(session, entry)
        seq, previous = row["seq"], row["hash"]
    if (seq, previous) != end:
        yield Break(client_id, seq + 1, f"the chain ends at {seq}, its head says {end[0]}")


def _verify_detail(session: Session, row: Mapping[str, object]) -> Iterator[Break]:
    """Details of decisions may have expired; what is there must be what was linked."""
    model = _DETAILS.get(str(row["kind"]))
    if model is None:
        return
    detail: Detail | None = session.get(model, row["detail_id"])  # type: ignore[assignment]
    where = int(str(row["client_id"])), int(str(row["seq"]))
    if detail is None:
        if model is not Decision:
            yield Break(*where, f"its {row['kind']} {row['detail_id']} is gone")
        return
    if digest(detail) != row["digest"]:
        yield Break(*where, f"its {row['kind']} {row['detail_id']} was changed")
    session.expunge(detail)


def digest(detail: Detail) -> str:
    """The hash of a detail row, the same on every database."""
    return _hash(detail.model_dump(exclude={"id"}))


def _entry_hash(entry: Mapping[str, object]) -> str:
    return _hash({key: value for key, value in entry.items() if key != "hash"})


def _decision_digest(decision: Decision) -> str:
    facts = decision.model_dump(include={"verdict", "rule", "until", "inputs"})
    return _hash(facts)


def _hash(fields: Mapping[str, object]) -> str:
    """SHA-256 over the one canonical form: a version byte, then sorted compact JSON in ASCII."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(bytes([VERSION]) + text.encode("ascii")).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds")
    raise TypeError(f"{type(value).__name__} has no canonical form")
