"""Which clients are one, and who speaks for them?

A merged client is an alias of a master, one level deep. Its rows stay where they are, so that a
merge can be undone: whoever reads a client's money, holds, people or past asks for its whole group.
Where nobody is merged, which the client's own row says, none of this asks the database anything.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, or_, select
from sqlmodel import Session, col

from billing.models import Client, Enrolment
from billing.models import Sequence as Ladder

_REMEMBERED = "kin"
Kin = Mapping[int, int]
"""Every client of some groups, and for each the one that speaks for it."""
SPEAKER: ColumnElement[int] = func.coalesce(col(Client.merged_into_id), col(Client.id))
"""In a statement over clients: the id of the one that speaks for each."""

_GROUPS: Any = select(col(Client.id), SPEAKER).where(
    or_(
        col(Client.id).in_(bindparam("heads", expanding=True)),
        col(Client.merged_into_id).in_(bindparam("heads", expanding=True)),
    )
)
_LADDERS = (
    select(Enrolment)
    .where(
        col(Enrolment.client_id).in_(bindparam("clients", expanding=True)),
        col(Enrolment.sequence) == Ladder.DUNNING,
    )
    .order_by(col(Enrolment.id))
)


def head(client: Client) -> int:
    """The id of the client that speaks for this one: its own, where it is nobody's alias."""
    return client.merged_into_id or client.id


def master(session: Session, client: Client) -> Client:
    """The client that speaks for this one."""
    return session.get_one(Client, head(client)) if client.merged_into_id else client


def among(session: Session, clients: Iterable[Client]) -> Kin:
    """The groups of clients that are loaded."""
    held = list(clients)
    found = {client.id: head(client) for client in held}
    if all(client.merged_into_id is None and client.speaks_since is None for client in held):
        return found
    heads = set(found.values())
    known: Kin = session.info.get(_REMEMBERED, {})
    if heads <= known.keys():
        return {one: speaker for one, speaker in known.items() if speaker in heads}
    rows = session.execute(_GROUPS, {"heads": sorted(heads)})
    return found | {row[0]: row[1] for row in rows}


def remember(session: Session, kin: Kin) -> None:
    """For a session that only reads: its snapshot stays, so nobody need ask for these again."""
    session.info[_REMEMBERED] = kin


def of(session: Session, clients: Collection[int]) -> Kin:
    """The same by id; free for clients that somebody holds."""
    held = [session.get(Client, client_id) for client_id in clients]
    alone = {client_id: client_id for client_id in clients}
    return alone | dict(among(session, [client for client in held if client is not None]))


def group(session: Session, client_id: int) -> list[int]:
    """Everybody who is one with a client, the one that speaks for them first."""
    kin = of(session, [client_id])
    return sorted(kin, key=lambda one: (one != kin[one], one))


def is_plain(kin: Kin) -> bool:
    """Nobody of them is merged."""
    return all(client_id == speaker for client_id, speaker in kin.items())


def ladders(
    session: Session, kin: Kin, enrolments: Iterable[Enrolment]
) -> dict[int, Sequence[Enrolment]]:
    """By enrolment, all that a group has for the same account; the one that speaks is the first.

    That is the master's, or else the oldest; the others rest for as long as they are merged. What
    an agreement has is its own.
    """
    found: dict[int, Sequence[Enrolment]] = {one.id: [one] for one in enrolments}
    if is_plain(kin):
        return found
    accounts: dict[tuple[int, int, str, str], list[Enrolment]] = {}
    for one in session.execute(_LADDERS, {"clients": sorted(kin)}).scalars():
        account = (kin[one.client_id], one.legal_entity_id, one.currency, one.scope)
        accounts.setdefault(account, []).append(one)
    for same in accounts.values():
        same.sort(key=lambda one: (one.client_id != kin[one.client_id], one.id))
        found |= {one.id: same for one in same if one.id in found}
    return found
