"""Which message follows from the state of a sequence? The only place where that happens.

``advance`` looks at enrolments, asks the pure rule about each, and writes down what it said: a step
taken and its message queued, a case for the owner, or only when to look again. It reads and writes
for many at once, because a sweep has many; one is a batch of one.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col

from billing import aliases, store
from billing.dunning import Decision
from billing.models import Client, Enrolment
from billing.models import Sequence as Ladder
from comms import outbox
from comms.office import Office
from comms.outreach import dunning, renewal
from comms.outreach.taking import Pair, elsewhere

__all__ = ["advance", "advance_client", "advance_clients", "again", "elsewhere"]

_ENROLMENTS = (
    core_select(Enrolment)
    .where(col(Enrolment.client_id).in_(bindparam("clients", expanding=True)))
    .order_by(col(Enrolment.id))
)
_ROUNDS = 12
"""More answers than any account gives in one look: a rule that never settles is a bug."""


def advance(session: Session, office: Office, enrolments: Sequence[Enrolment]) -> None:
    """Bring enrolments to where they should stand now; their clients are all locked."""
    clients = store.by_id(session, Client, [one.client_id for one in enrolments])
    _advance(session, office, _speaking(session, enrolments, clients))


def _speaking(
    session: Session, enrolments: Sequence[Enrolment], clients: dict[int, Client]
) -> list[Pair]:
    """Each enrolment with its client; of clients that are one, the one that speaks for all."""
    kin = aliases.among(session, clients.values())
    if not aliases.is_plain(kin):
        clients |= store.by_id(session, Client, kin.values())
    ladders = aliases.ladders(session, kin, enrolments)
    pairs: dict[int, Pair] = {}
    for enrolment in enrolments:
        speaker, *others = ladders[enrolment.id]
        for resting in others:
            resting.next_due_at = None
        pairs[speaker.id] = (speaker, clients[kin[enrolment.client_id]])
    return list(pairs.values())


def _advance(session: Session, office: Office, pairs: Sequence[Pair]) -> None:
    dunned = [pair for pair in pairs if pair[0].sequence == Ladder.DUNNING]
    for _ in range(_ROUNDS):
        if not dunned:
            break
        dunned = dunning.advance(session, office, dunned)
    else:
        raise RuntimeError(f"enrolment {dunned[0][0].id} does not settle")
    for enrolment, client in pairs:
        if enrolment.sequence == Ladder.RENEWAL:
            renewal.advance(session, office, enrolment, client)


def again(session: Session, office: Office, client_id: int, by: str = "") -> list[Decision]:
    """The last reminder of each account of a client, once more; its clients are all locked."""
    held = store.by_id(session, Client, [client_id])
    kin = aliases.among(session, held.values())
    found = session.execute(_ENROLMENTS, {"clients": sorted(kin)}).scalars().all()
    pairs = _speaking(session, [one for one in found if one.sequence == Ladder.DUNNING], held)
    return dunning.again(session, office, pairs, by)


def advance_client(session: Session, office: Office, client_id: int) -> None:
    """The same for every sequence of a client, and what waits for the client is judged anew."""
    advance_clients(session, office, [client_id])


def advance_clients(session: Session, office: Office, clients: Collection[int]) -> None:
    """The same for many clients, and those that are one with them, all locked."""
    if clients:
        held = store.by_id(session, Client, clients)
        kin = aliases.among(session, held.values())
        if not aliases.is_plain(kin):
            held = store.by_id(session, Client, kin)
        found = session.execute(_ENROLMENTS, {"clients": sorted(kin)}).scalars().all()
        _advance(session, office, _speaking(session, found, held))
        outbox.wake_clients(session, kin, office.now)
