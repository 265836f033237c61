"""Who let the renewals and offers of a client pass its overdue balance, and until when?"""

import datetime as dt
from collections.abc import Collection

from sqlalchemy import bindparam
from sqlalchemy import select as core_select
from sqlmodel import Session, col

from billing import aliases
from billing.aliases import Kin
from billing.gates import Override
from billing.models import GateOverride

_VALID = (
    core_select(
        col(GateOverride.id),
        col(GateOverride.client_id),
        col(GateOverride.granted_by),
        col(GateOverride.until),
    )
    .where(
        col(GateOverride.client_id).in_(bindparam("clients", expanding=True)),
        col(GateOverride.revoked_at).is_(None),
        col(GateOverride.until) > bindparam("now"),
    )
    .order_by(col(GateOverride.id))
)


def of(
    session: Session, clients: Collection[int], now: dt.datetime, kin: Kin | None = None
) -> dict[int, tuple[Override, ...]]:
    """What is valid now, by client; what was said of one holds for who is one with it."""
    kin = aliases.of(session, clients) if kin is None else kin
    found: dict[int, tuple[Override, ...]] = {}
    for row in session.execute(_VALID, {"clients": list(kin), "now": now}):
        speaker = kin[row.client_id]
        one = Override(row.id, row.granted_by, row.until)
        found[speaker] = (*found.get(speaker, ()), one)
    return {one: found[speaker] for one, speaker in kin.items() if speaker in found}
