"""Does the law, or a lawyer, stand between us and a client, and which message is spared?

A state of one of clients that are one is a state of all. It concerns one person where it names one,
else everybody there. Spared are messages to the counsel who speaks for them, and after a request to
cease the one final notice that compliance approved.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col

from billing import store
from billing.aliases import Kin
from billing.models import LegalKind, LegalState
from comms.door import Stop
from comms.models import Message

SUBJECT = "legal_state"
"""What the final notice after a request to cease is about."""
_STANDING = (
    core_select(
        col(LegalState.id),
        col(LegalState.client_id),
        col(LegalState.contact_id),
        col(LegalState.counsel_id),
        col(LegalState.kind),
        col(LegalState.placed_at),
    )
    .where(
        col(LegalState.client_id).in_(bindparam("clients", expanding=True)),
        col(LegalState.lifted_at).is_(None),
    )
    .order_by(col(LegalState.id))
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A legal state that nobody has lifted."""

    id: int
    kind: LegalKind
    since: dt.datetime
    contact_id: int | None
    counsel_id: int | None


def of_clients(session: Session, kin: Kin) -> dict[int, list[Placed]]:
    """What stands, by who speaks for each client."""
    if not kin:
        return {}
    found: dict[int, list[Placed]] = {}
    for row in store.below(session).execute(_STANDING, {"clients": list(kin)}):
        one = Placed(row.id, LegalKind(row.kind), row.placed_at, row.contact_id, row.counsel_id)
        found.setdefault(kin[row.client_id], []).append(one)
    return found


def stops(placed: Sequence[Placed], message: Message) -> tuple[Stop, ...]:
    """What of that concerns a message, and whether it is spared."""
    return tuple(
        Stop(one.kind, one.since, _spares(placed, one.kind, message))
        for one in placed
        if one.contact_id is None or one.contact_id == message.contact_id
    )


def counsels(placed: Sequence[Placed]) -> set[int]:
    """Everybody who speaks for them: of two proceedings each may have counsel of its own."""
    return {one.counsel_id for one in placed if one.counsel_id is not None}


def requests(placed: Sequence[Placed]) -> set[int]:
    """Every request to cease that stands: the one notice about any of them follows all."""
    return {one.id for one in placed if one.kind is LegalKind.CEASE}


def _spares(placed: Sequence[Placed], kind: LegalKind, message: Message) -> bool:
    match kind:
        case LegalKind.REPRESENTED:
            return message.contact_id in counsels(placed)
        case LegalKind.CEASE:
            return message.subject_kind == SUBJECT and message.subject_id in requests(placed)
        case _:
            return False
