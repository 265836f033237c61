"""Which rows say who may be one client, and which pairs still wait for a person?

A client's keys are kept beside it, so that whoever shares one is an indexed look-up away, among a
million as among ten. New keys wait with ``look_at`` until ``propose`` has asked who else has them.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from sqlalchemy import bindparam, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col

from billing import aliases, matching
from billing.facts import ClientDescribed
from billing.matching import ClientFacts, Pair
from billing.models import (
    Address,
    Client,
    ClientKey,
    Contact,
    ContactAddress,
    Duplicate,
    ExternalRef,
    Standing,
)
from billing.store import table_of

_KEYS = table_of(ClientKey)
_PAIRS = table_of(Duplicate)
_HELD = select(_KEYS.c.kind, _KEYS.c.value).where(_KEYS.c.client_id == bindparam("of"))
_DUE = (
    select(_KEYS.c.client_id)
    .where(_KEYS.c.look_at <= bindparam("now"))
    .order_by(_KEYS.c.look_at, _KEYS.c.client_id)
    .limit(bindparam("most"))
)
_LOOKED = (
    update(_KEYS)
    .where(
        _KEYS.c.client_id.in_(bindparam("clients", expanding=True)), _KEYS.c.look_at.is_not(None)
    )
    .values(look_at=None)
)
_OFTEN = 8
"""Keys of a client, more than it usually has."""
_AT_ONCE = 500


# --- what a client may be found by ----------------------------------------------------------------


def note(session: Session, client_id: int, told: ClientDescribed, now: dt.datetime) -> None:
    """Keep what a description adds; a name or tax number that is no more is forgotten."""
    held = {(row.kind, row.value) for row in session.execute(_HELD, {"of": client_id})}
    wanted = _keys_of(told)
    only = {kind for kind, _ in wanted} & {"name", "tax"}
    gone = [key for key in held - wanted if key[0] in only]
    if gone:
        mine = _KEYS.c.client_id == client_id
        session.execute(delete(_KEYS).where(mine, tuple_(_KEYS.c.kind, _KEYS.c.value).in_(gone)))
    _insert(session, [(client_id, key) for key in wanted - held], now)


def note_all(
    session: Session, described: Iterable[tuple[int, ClientDescribed]], now: dt.datetime
) -> None:
    """The same for many clients that are new."""
    _insert(session, [(one, key) for one, told in described for key in _keys_of(told)], now)


def _keys_of(told: ClientDescribed) -> frozenset[matching.Key]:
    return matching.keys(
        ClientFacts(
            id=0,
            name=told.name,
            country=told.country or "US",
            mailboxes=frozenset(filter(None, [told.email])),
            phones=frozenset(filter(None, [told.phone])),
            tax_numbers=frozenset(filter(None, [told.tax_number])),
            references=frozenset({(told.source, told.external_id)}),
        )
    )


def _insert(session: Session, keys: Sequence[tuple[int, matching.Key]], now: dt.datetime) -> None:
    rows = [
        {"kind": kind, "value": value, "client_id": client_id, "look_at": now}
        for client_id, (kind, value) in sorted(keys)
    ]
    if rows:
        session.connection().execute(insert(_KEYS), rows)


# --- who may be one -------------------------------------------------------------------------------


def propose(session: Session, now: dt.datetime, most: int) -> tuple[set[int], list[int]]:
    """Look at clients whose keys are new; who they are, and the ids of the pairs to be shown."""
    due = _due(session, now, most)
    if not due:
        return due, []
    pairs = _pairs(session, due)
    known = {one.id: one for one in facts_of(session, {id_ for pair in pairs for id_ in pair})}
    found = [matching.compare(known[first], known[second]) for first, second in sorted(pairs)]
    session.connection().execute(_LOOKED, {"clients": sorted(due)})
    return due, _propose(session, [one for one in found if one is not None], now)


def put_off(session: Session, now: dt.datetime, later: dt.datetime) -> None:
    """The first that is due cannot be compared: later, so that it is not the first again."""
    mine = _KEYS.c.client_id.in_(_due(session, now, 1)) & _KEYS.c.look_at.is_not(None)
    session.connection().execute(update(_KEYS).where(mine).values(look_at=later))


def _due(session: Session, now: dt.datetime, most: int) -> set[int]:
    """The clients that have waited longest."""
    rows = session.execute(_DUE, {"now": now, "most": most * _OFTEN}).scalars()
    return set(list(dict.fromkeys(rows))[:most])


def _pairs(session: Session, due: Collection[int]) -> set[Pair]:
    """Pairs of which one is due, that are not one already, and of which nobody has spoken."""
    shared = _shared(session, due)
    kin = _speakers(session, {client_id for ids in shared.values() for client_id in ids})
    pairs = {
        (min(one, other), max(one, other))
        for first, second in matching.pairs(shared)
        if first in due or second in due
        if (one := kin[first]) != (other := kin[second])
    }
    return pairs - _spoken_of(session, pairs)


def _shared(session: Session, due: Collection[int]) -> dict[matching.Key, set[int]]:
    """Who has the keys of these clients; without those that too many have."""
    mine = (_KEYS.c.kind, _KEYS.c.value)
    keys = session.execute(select(*mine).where(_KEYS.c.client_id.in_(due)).distinct()).all()
    found: defaultdict[matching.Key, set[int]] = defaultdict(set)
    for some in _parts([(row.kind, row.value) for row in keys]):
        several = (
            select(*mine)
            .where(tuple_(*mine).in_(some))
            .group_by(*mine)
            .having(func.count().between(2, matching.MOST_SHARED))
        )
        wanted = [(row.kind, row.value) for row in session.execute(several)]
        if not wanted:
            continue
        owners = select(*mine, _KEYS.c.client_id).where(tuple_(*mine).in_(wanted))
        for row in session.execute(owners):
            found[row.kind, row.value].add(row.client_id)
    return found


def _parts(whole: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(whole), _AT_ONCE):
        yield whole[start : start + _AT_ONCE]


def _speakers(session: Session, clients: Collection[int]) -> Mapping[int, int]:
    found: dict[int, int] = {}
    for some in _parts(sorted(clients)):
        query = select(col(Client.id), col(Client.merged_into_id)).where(col(Client.id).in_(some))
        found |= {row.id: row.merged_into_id or row.id for row in session.execute(query)}
    return found


def _spoken_of(session: Session, pairs: Collection[Pair]) -> set[Pair]:
    both = (_PAIRS.c.first_id, _PAIRS.c.second_id)
    found: set[Pair] = set()
    for some in _parts(sorted(pairs)):
        rows = session.execute(select(*both).where(tuple_(*both).in_(some)))
        found |= {(row.first_id, row.second_id) for row in rows}
    return found


def _propose(session: Session, found: Sequence[matching.Proposal], now: dt.datetime) -> list[int]:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    ids: list[int] = []
    for one in found:
        row = {
            "first_id": one.pair[0],
            "second_id": one.pair[1],
            "score": one.score,
            "reasons": " ".join(one.reasons),
            "against": " ".join(one.against),
            "state": Standing.PROPOSED,
            "proposed_at": now,
            "decided_by": "",
        }
        adding = dialect.insert(_PAIRS).values(row).on_conflict_do_nothing()
        ids += session.execute(adding.returning(_PAIRS.c.id)).scalars()
    return ids


def facts_of(session: Session, clients: Collection[int]) -> list[ClientFacts]:
    """What clients are told apart by, with what is known of those that are one with them."""
    found: list[ClientFacts] = []
    for some in _parts(sorted(clients)):
        wanted = or_(col(Client.id).in_(some), col(Client.merged_into_id).in_(some))
        rows = session.execute(select(col(Client.id), aliases.SPEAKER).where(wanted))
        kin = {row[0]: row[1] for row in rows}
        sets = _sets_of(session, kin)
        held = session.execute(select(Client).where(col(Client.id).in_(some))).scalars()
        found += [
            ClientFacts(
                id=client.id,
                name=client.name,
                country=client.country,
                region=client.region,
                city=client.city,
                postcode=client.postal_code,
                **sets[client.id],
            )
            for client in held
        ]
    return found


def _sets_of(session: Session, kin: Mapping[int, int]) -> defaultdict[int, dict[str, Any]]:
    """By the client that speaks, what it has several of."""
    found: defaultdict[int, dict[str, Any]] = defaultdict(
        lambda: {
            kind: set() for kind in ("mailboxes", "phones", "people", "tax_numbers", "references")
        }
    )
    reached = (
        select(col(Contact.client_id), col(Contact.name), col(Address.kind), col(Address.value))
        .outerjoin(ContactAddress, col(ContactAddress.contact_id) == col(Contact.id))
        .outerjoin(Address, col(Address.id) == col(ContactAddress.address_id))
        .where(col(Contact.client_id).in_(kin))
    )
    for client_id, name, kind, value in session.execute(reached):
        sets = found[kin[client_id]]
        if name:
            sets["people"].add(name)
        if kind:
            sets["mailboxes" if kind == "email" else "phones"].add(value)
    taxes = select(_KEYS.c.client_id, _KEYS.c.value).where(
        _KEYS.c.client_id.in_(kin), _KEYS.c.kind == "tax"
    )
    for client_id, value in session.execute(taxes):
        found[kin[client_id]]["tax_numbers"].add(value.replace(":", ""))
    called = select(
        col(ExternalRef.target_id), col(ExternalRef.system), col(ExternalRef.external_id)
    ).where(col(ExternalRef.kind) == "client", col(ExternalRef.target_id).in_(kin))
    for client_id, system, external_id in session.execute(called):
        name = unquote(external_id.rpartition("/")[2])
        found[kin[client_id]]["references"].add((system, name))
    return found


# --- what waits -----------------------------------------------------------------------------------


def pair_of(session: Session, one: int, other: int) -> Duplicate | None:
    """What was said of two clients."""
    query = select(Duplicate).where(
        col(Duplicate.first_id) == min(one, other), col(Duplicate.second_id) == max(one, other)
    )
    return session.execute(query).scalar_one_or_none()


def waiting(session: Session, clients: Collection[int] | None = None) -> list[Duplicate]:
    """Pairs that a person has yet to speak of, the surest first; those of ``clients`` if given."""
    query = select(Duplicate).where(col(Duplicate.state) == Standing.PROPOSED)
    if clients is not None:
        query = query.where(
            or_(col(Duplicate.first_id).in_(clients), col(Duplicate.second_id).in_(clients))
        )
    rows = session.execute(query.order_by(col(Duplicate.score).desc(), col(Duplicate.id)))
    found = list(rows.scalars())
    kin = _speakers(session, {id_ for one in found for id_ in (one.first_id, one.second_id)})
    return [one for one in found if kin[one.first_id] != kin[one.second_id]]


def unresolved(session: Session, clients: Collection[int]) -> set[int]:
    """Those of these clients that may be somebody else as well: nothing of them syncs outwards."""
    kin = aliases.of(session, clients)
    pairs = waiting(session, list(kin))
    doubtful = {kin[one] for pair in pairs for one in (pair.first_id, pair.second_id) if one in kin}
    fresh = select(_KEYS.c.client_id).where(
        _KEYS.c.client_id.in_(kin), _KEYS.c.look_at.is_not(None)
    )
    doubtful |= {kin[one] for one in session.execute(fresh).scalars()}
    return {one for one in clients if kin[one] in doubtful}
