"""Which policy holds, who published it, and what did an older one say?

Publishing adds a row; the newest is the one that holds for whatever begins now. A version that was
published or has ruled a step is kept whole, so that what runs goes on under its own.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select
from sqlmodel import Session, col

from billing import bulk, store
from billing.models import PolicyPublication, PolicyVersion
from billing.policy import Policy, whole
from billing.store import table_of

_VERSIONS = table_of(PolicyVersion)
_LATEST = select(func.max(col(PolicyPublication.id)))
_KEPT = select(_VERSIONS.c.version, _VERSIONS.c.said).where(
    _VERSIONS.c.version.in_(bindparam("versions", expanding=True))
)
_THERE = select(_VERSIONS.c.id).where(_VERSIONS.c.version == bindparam("version"))
_read: dict[str, Policy] = {}
"""What was read before, by version: a version never says anything else."""
_MOST = 256


@dataclass(frozen=True, slots=True)
class Published:
    """The policy that was published last, and the id of its publication."""

    id: int
    policy: Policy


def latest_id(session: Session) -> int:
    """The id of the last publication; 0 where there is none."""
    return session.connection().execute(_LATEST).scalar_one() or 0


def latest(session: Session) -> Published | None:
    """What was published last, if anything was."""
    row = session.get(PolicyPublication, latest_id(session))
    return None if row is None else Published(row.id, versions(session, [row.version])[row.version])


def versions(session: Session, wanted: Collection[str]) -> Mapping[str, Policy]:
    """Policies by their versions, as far as they are kept."""
    found = {one: held for one in wanted if (held := _read.get(one)) is not None}
    unread = {one for one in wanted if one and one not in found}
    if unread:
        for version, said in session.connection().execute(_KEPT, {"versions": sorted(unread)}):
            if len(_read) >= _MOST:
                _read.clear()
            found[version] = _read[version] = whole.restored(said)
    return found


def keep(session: Session, policy: Policy, now: dt.datetime, text: str = "") -> None:
    """Keep a version whole, from the first step that it rules."""
    version = policy.version
    if store.below(session).execute(_THERE, {"version": version}).first() is None:
        row = {"version": version, "said": whole.dumped(policy), "text": text, "kept_at": now}
        bulk.insert(session, _VERSIONS, [row], once="version")


def publish(
    session: Session, policy: Policy, text: str, by: PolicyPublication
) -> PolicyPublication | None:
    """Make a policy the one that holds; None where it is the one that holds already."""
    last = session.get(PolicyPublication, latest_id(session))
    if last is not None and last.version == policy.version:
        return None
    keep(session, policy, by.published_at, text)
    session.add(by)
    session.flush()
    return by
