"""What was said to and by a client, and can anybody have changed it since?

Every touchpoint, decision, consent event and look at what is sealed is a link of its client's
chain: an entry carries the hash of the row it is about and of the entry before it. Bodies enter
only as the hash of their ciphertext, so erasing a body breaks nothing. All of it is appended under
the client's lock.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, func, or_, select
from sqlmodel import Session, col

from billing import aliases, bulk, store, vault
from billing.bulk import Values
from billing.keyring import Keyring
from billing.models import AliasEvent, Contact, ContactAddress
from billing.store import table_of
from comms.models import (
    Access,
    ChainEntry,
    ChainHead,
    ConsentEvent,
    Decision,
    Expired,
    Message,
    Touchpoint,
)

VERSION = 1
_LATER = frozenset({"labels"})
GENESIS = ""
Detail = Touchpoint | Decision | ConsentEvent | AliasEvent | Access
_DETAILS: Mapping[str, type[Detail]] = {
    "touchpoint": Touchpoint,
    "decision": Decision,
    "consent": ConsentEvent,
    "correction": AliasEvent,
    "access": Access,
}
_KINDS = {model: kind for kind, model in _DETAILS.items()}
_ENTRIES = table_of(ChainEntry)
_HEADS = table_of(ChainHead)
_TOUCHPOINTS = table_of(Touchpoint)
_EVENTS = table_of(ConsentEvent)
_DECISIONS = table_of(Decision)
_ALIASES = table_of(AliasEvent)
_ACCESSES = table_of(Access)


# Statements are made once: building one costs more than SQLite takes to answer it.
_ENDS = select(_HEADS.c.client_id, _HEADS.c.seq, _HEADS.c.hash).where(
    _HEADS.c.client_id.in_(bindparam("clients", expanding=True))
)
_LATEST = select(_DECISIONS.c.subject_id, _DECISIONS.c.digest).where(
    _DECISIONS.c.id.in_(
        select(func.max(_DECISIONS.c.id))
        .where(
            _DECISIONS.c.subject_kind == bindparam("kind"),
            _DECISIONS.c.subject_id.in_(bindparam("subjects", expanding=True)),
        )
        .group_by(_DECISIONS.c.subject_id)
    )
)
_TABLES: Mapping[type[Detail], Table] = {
    Touchpoint: _TOUCHPOINTS,
    Decision: _DECISIONS,
    ConsentEvent: _EVENTS,
    AliasEvent: _ALIASES,
    Access: _ACCESSES,
}


def _is_entry(table: Table, kind: str, *place: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(
        _ENTRIES.c.client_id == table.c.client_id,
        _ENTRIES.c.kind == kind,
        _ENTRIES.c.detail_id == table.c.id,
        *place,
    )


_LINKED: Mapping[Table, ColumnElement[bool]] = {
    _TOUCHPOINTS: _is_entry(_TOUCHPOINTS, "touchpoint", _ENTRIES.c.seq == _TOUCHPOINTS.c.seq),
    _DECISIONS: _is_entry(_DECISIONS, "decision", _ENTRIES.c.seq == _DECISIONS.c.seq),
    _ACCESSES: _is_entry(_ACCESSES, "access"),
}
"""Where the entry of a row must stand."""


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a chain does not hold."""

    client_id: int
    seq: int
    what: str


def append(session: Session, touchpoint: Touchpoint) -> Touchpoint:
    """Add a touchpoint to its client's timeline; its ``seq`` is given here."""
    touchpoint.body_digest = vault.digest(session, touchpoint.body_id)
    append_all(session, [touchpoint])
    return touchpoint


def append_all(session: Session, touchpoints: Sequence[Touchpoint]) -> None:
    """The same for many, whose ``body_digest`` is known; their clients are all locked."""
    link_all(session, [(one.client_id, one) for one in touchpoints])


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision, its sentence, and whose key keeps the sentence: it names invoices and amounts."""

    decision: Decision
    owner: str
    reason: str


def decide(
    session: Session, keyring: Keyring, owner: str, decision: Decision, reason: str
) -> Decision | None:
    """Write a decision down, unless it is the one that the subject had already."""
    return decide_all(session, keyring, [Ruling(decision, owner, reason)])[0]


def decide_all(
    session: Session, keyring: Keyring, rulings: Sequence[Ruling]
) -> list[Decision | None]:
    """The same for many, of different subjects; None for each that is nothing new."""
    held = _latest_digests(session, [ruling.decision for ruling in rulings])
    fresh: list[Ruling] = []
    for ruling in rulings:
        decision = ruling.decision
        decision.digest = _decision_digest(decision)
        if held.get((decision.subject_kind, decision.subject_id)) != decision.digest:
            fresh.append(ruling)
    if fresh:
        sentences = [(ruling.owner, ruling.reason) for ruling in fresh]
        kept = vault.put_all(session, keyring, sentences, fresh[0].decision.decided_at)
        for ruling, body in zip(fresh, kept, strict=True):
            ruling.decision.reason_id = body.vault_id
            ruling.decision.reason_digest = body.digest
        link_all(session, [(one.decision.client_id, one.decision) for one in fresh])
    written = {id(ruling.decision) for ruling in fresh}
    return [one.decision if id(one.decision) in written else None for one in rulings]


def _latest_digests(session: Session, decisions: Sequence[Decision]) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    for kind in {decision.subject_kind for decision in decisions}:
        wanted = [one.subject_id for one in decisions if one.subject_kind == kind]
        asked = {"kind": kind, "subjects": wanted}
        for row in store.below(session).execute(_LATEST, asked):
            found[kind, row.subject_id] = row.digest
    return found


def link(session: Session, client_id: int, detail: Detail) -> None:
    """Append an entry for a detail row to the chain of a client whose lock is held."""
    link_all(session, [(client_id, detail)])


def link_all(session: Session, links: Sequence[tuple[int, Detail]]) -> None:
    """Append entries in their order, each to the chain of its client; all clients are locked.

    Detail rows without an id are inserted. A consent event is one row in the chain of every client
    of its address, and a merge one in the chains of both, so these have no ``seq`` of their own.
    """
    wanted = {client_id for client_id, _ in links}
    rows = store.below(session).execute(_ENDS, {"clients": sorted(wanted)})
    known = {row.client_id: (row.seq, row.hash) for row in rows}
    placed: list[tuple[int, int, Detail]] = []
    seqs = {client_id: seq for client_id, (seq, _) in known.items()}
    for client_id, detail in links:
        seqs[client_id] = seqs.get(client_id, 0) + 1
        if isinstance(detail, Touchpoint | Decision):
            detail.seq = seqs[client_id]
        placed.append((client_id, seqs[client_id], detail))
    dumped = _insert_details(session, {id(detail): detail for _, _, detail in placed})
    ends = {client_id: hash_ for client_id, (_, hash_) in known.items()}
    entries = [
        _entry(client_id, seq, detail, dumped[id(detail)], ends)
        for client_id, seq, detail in placed
    ]
    bulk.insert(session, _ENTRIES, entries)
    _move_heads(session, {c: (seqs[c], ends[c]) for c in wanted}, set(known))


def _insert_details(session: Session, details: Mapping[int, Detail]) -> dict[int, Values]:
    """Insert the new rows of each table at once; return all without their ids, to be hashed."""
    rows = {at: detail.model_dump(exclude={"id"}) for at, detail in details.items()}
    for model, table in _TABLES.items():
        new = [(at, one) for at, one in details.items() if isinstance(one, model) and not one.id]
        for (_, detail), key in zip(new, bulk.new_ids(session, table, len(new)), strict=True):
            detail.id = key
        bulk.insert(session, table, [{"id": detail.id, **rows[at]} for at, detail in new])
    return rows


def _entry(
    client_id: int, seq: int, detail: Detail, hashed: Values, ends: dict[int, str]
) -> Values:
    """The next entry of a chain; ``ends`` moves with it."""
    entry: Values = {
        "client_id": client_id,
        "seq": seq,
        "version": VERSION,
        "kind": _KINDS[type(detail)],
        "detail_id": detail.id,
        "digest": hash_of(_said(hashed)),
        "occurred_at": detail.decided_at if isinstance(detail, Decision) else detail.occurred_at,
        "recorded_at": detail.decided_at if isinstance(detail, Decision) else detail.recorded_at,
        "previous": ends.get(client_id, GENESIS),
    }
    entry["hash"] = ends[client_id] = hash_of(entry)
    return entry


def _move_heads(session: Session, ends: Mapping[int, tuple[int, str]], known: set[int]) -> None:
    rows = {one: {"client_id": one, "seq": end[0], "hash": end[1]} for one, end in ends.items()}
    bulk.update(session, _HEADS, [rows[one] for one in sorted(known)], key="client_id")
    bulk.insert(session, _HEADS, [rows[one] for one in sorted(set(ends) - known)])


def latest(
    session: Session,
    client_id: int,
    limit: int = 50,
    *,
    offset: int = 0,
    since: dt.datetime | None = None,
    channel: str = "",
) -> list[Touchpoint]:
    """The newest touchpoints of a client and of who is one with it, the newest first."""
    query = (
        select(Touchpoint)
        .where(col(Touchpoint.client_id).in_(aliases.group(session, client_id)))
        .order_by(col(Touchpoint.occurred_at).desc(), col(Touchpoint.id).desc())
        .offset(offset)
        .limit(limit)
    )
    if since is not None:
        query = query.where(col(Touchpoint.occurred_at) >= since)
    if channel:
        query = query.where(col(Touchpoint.channel) == channel)
    return list(session.execute(query).scalars())


def messages(session: Session, touchpoints: Sequence[Touchpoint]) -> dict[int, Message]:
    """The messages that they are of, by their ids."""
    ids = [one.message_id for one in touchpoints if one.message_id]
    query = select(Message).where(col(Message.id).in_(ids))
    return {one.id: one for one in session.execute(query).scalars()} if ids else {}


def verify(session: Session, client_id: int | None = None) -> Iterator[Break]:
    """Walk the chains (of one client, or all) and name every place that does not hold."""
    heads = select(_HEADS.c.client_id, _HEADS.c.seq, _HEADS.c.hash)
    if client_id is not None:
        heads = heads.where(_HEADS.c.client_id == client_id)
    ends = {row.client_id: (row.seq, row.hash) for row in session.execute(heads)}
    every = {client_id} if client_id is not None else {*ends, *_chained(session)}
    broken: set[int] = set()
    for client in sorted(every):
        for found in _verify_one(session, client, ends.get(client, (0, GENESIS))):
            broken.add(client)
            yield found
    for found in _beside(session, client_id):
        if found.client_id not in broken:  # what lost its entry is named by its place already
            yield found


def _beside(session: Session, client_id: int | None) -> Iterator[Break]:
    for table, linked in _LINKED.items():
        mine = [] if client_id is None else [table.c.client_id == client_id]
        for whose, row in session.execute(_unlinked(table, linked).where(*mine)):
            yield Break(whose, 0, f"the {table.name} {row} is in no chain")
    mine = [] if client_id is None else [_EVENTS.c.address_id.in_(_read_by(client_id))]
    for whose, row in session.execute(_CONSENTS.where(*mine)):
        yield Break(whose, 0, f"the {_EVENTS.name} {row} is in no chain")


def _read_by(client_id: int) -> Select[tuple[int]]:
    return select(_READING.c.address_id).where(_READING.c.client_id == client_id)


def _consents() -> Select[tuple[int, int]]:
    """A consent event may be of nobody we know: a no that a stranger said, or took back.

    What the firm told is of a client, and so is whatever came after a word in the chain of one who
    reads there still.
    """
    linked = select(_ENTRIES.c.detail_id).where(_ENTRIES.c.kind == "consent")
    before = _EVENTS.alias("before")
    known = (
        select(_ENTRIES.c.detail_id)
        .join(before, and_(before.c.id == _ENTRIES.c.detail_id, before.c.id < _EVENTS.c.id))
        .join(_READING, _READING.c.client_id == _ENTRIES.c.client_id)
        .where(
            _ENTRIES.c.kind == "consent",
            before.c.address_id == _EVENTS.c.address_id,
            _READING.c.address_id == _EVENTS.c.address_id,
        )
        .correlate(_EVENTS)
    )
    told = and_(_EVENTS.c.change != "revoked", _EVENTS.c.incoming_id.is_(None))
    whose = select(func.min(_READING.c.client_id)).where(
        _READING.c.address_id == _EVENTS.c.address_id
    )
    return select(func.coalesce(whose.scalar_subquery(), 0), _EVENTS.c.id).where(
        _EVENTS.c.id.not_in(linked), or_(told, known.exists())
    )


_READING = (
    select(col(Contact.client_id), col(ContactAddress.address_id))
    .join(ContactAddress, col(ContactAddress.contact_id) == col(Contact.id))
    .subquery("reading")
)
_CONSENTS = _consents()


def _unlinked(table: Table, linked: ColumnElement[bool]) -> Select[tuple[int, int]]:
    """Rows that somebody put in beside the chain."""
    chain = table.outerjoin(_ENTRIES, linked)
    return select(table.c.client_id, table.c.id).select_from(chain).where(_ENTRIES.c.hash.is_(None))


def _chained(session: Session) -> Iterator[int]:
    return session.execute(select(_ENTRIES.c.client_id).distinct()).scalars()


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
    """Old decisions may have gone as policy says; what is there must be what was linked."""
    model = _DETAILS.get(str(row["kind"]))
    if model is None:
        return
    detail: Detail | None = session.get(model, row["detail_id"])  # type: ignore[assignment]
    where = int(str(row["client_id"])), int(str(row["seq"]))
    if detail is None:
        if model is not Decision or not _expired(session, row["recorded_at"]):
            yield Break(*where, f"its {row['kind']} {row['detail_id']} is gone")
        return
    if digest(detail) != row["digest"]:
        yield Break(*where, f"its {row['kind']} {row['detail_id']} was changed")
    session.expunge(detail)


def _expired(session: Session, recorded_at: object) -> bool:
    held = session.get(Expired, "decisions")
    return held is not None and isinstance(recorded_at, dt.datetime) and recorded_at < held.before


def digest(detail: Detail) -> str:
    """The hash of a detail row, the same on every database."""
    return hash_of(_said(detail.model_dump(exclude={"id"})))


def _said(row: Values) -> Values:
    """The columns that are hashed: one that came later only where it says something.

    So the links of rows from before it hold.
    """
    return {name: value for name, value in row.items() if value or name not in _LATER}


def _entry_hash(entry: Mapping[str, object]) -> str:
    return hash_of({key: value for key, value in entry.items() if key != "hash"})


def _decision_digest(decision: Decision) -> str:
    facts = decision.model_dump(include={"verdict", "rule", "until", "inputs"})
    return hash_of(facts)


def hash_of(fields: Mapping[str, object]) -> str:
    """SHA-256 over the one canonical form: a version byte, then sorted compact JSON in ASCII."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(bytes([VERSION]) + text.encode("ascii")).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat(timespec="microseconds")
    raise TypeError(f"{type(value).__name__} has no canonical form")
