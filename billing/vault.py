"""How is what people wrote and read kept, so that only the holder of a key can read it?

Each body has a random key of its own, wrapped by its owner's key from the keyring; the row's id is
associated data of both, so that a body cannot be moved to another row unseen (AES-256-GCM, NIST SP
800-38D). Identifying an unknown sender wraps the body's key anew; the body stays as it is.
"""

import contextlib
import datetime as dt
import hashlib
import os
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import bindparam, delete, select, update
from sqlmodel import Session

from billing import bulk
from billing.keyring import KeyGone, Keyring
from billing.models import Vault
from billing.store import table_of

ERASED = "(erased)"
_TABLE = table_of(Vault)


_DIGESTS = select(_TABLE.c.id, _TABLE.c.digest).where(
    _TABLE.c.id.in_(bindparam("ids", expanding=True))
)
_OPENED = select(_TABLE.c.id, _TABLE.c.owner, _TABLE.c.wrapped_key, _TABLE.c.ciphertext)
_BODY = _OPENED.where(_TABLE.c.id == bindparam("id"))
_BODIES = _OPENED.where(_TABLE.c.id.in_(bindparam("ids", expanding=True)))
_MANY = 500
"""Bodies that one statement asks for."""
_EPOCH = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
"""Milliseconds since then take 41 of an id's 63 bits until 2089; since 1970 only until 2039."""


class _Ids:
    """Ids that are known before the insert, grow with time, and differ between processes."""

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    def next(self, now: dt.datetime) -> int:
        since = max(now - _EPOCH, dt.timedelta()) // dt.timedelta(milliseconds=1)
        fresh = since << 22 | int.from_bytes(os.urandom(3)) >> 2
        with self._lock:
            self._last = max(fresh, self._last + 1)
            return self._last


_ids = _Ids()


def put(
    session: Session,
    keyring: Keyring,
    owner: str,
    body: str | bytes,
    now: dt.datetime,
    expires_at: dt.datetime | None = None,
) -> int:
    """Keep a body under the owner's key; return its vault id.

    Raises:
        KeyGone: the owner has no key.
    """
    [kept] = put_all(session, keyring, [(owner, body)], now, expires_at)
    return kept.vault_id


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a body lies, and the hash of its ciphertext."""

    vault_id: int
    digest: str


def put_all(
    session: Session,
    keyring: Keyring,
    bodies: Sequence[tuple[str, str | bytes]],
    now: dt.datetime,
    expires_at: dt.datetime | None = None,
) -> list[Kept]:
    """Keep bodies, each under its owner's key, in their order.

    Raises:
        KeyGone: an owner has no key.
    """
    keys = keyring.keys({owner for owner, _ in bodies})
    rows = [
        _row(owner, keys[owner], body, now) | {"expires_at": expires_at} for owner, body in bodies
    ]
    bulk.insert(session, _TABLE, rows)
    return [Kept(row["id"], row["digest"]) for row in rows]


def _row(owner: str, key: bytes, body: str | bytes, now: dt.datetime) -> dict[str, Any]:
    vault_id = _ids.next(now)
    bound = str(vault_id).encode()
    own_key = AESGCM.generate_key(256)
    ciphertext = _seal(own_key, body.encode() if isinstance(body, str) else body, bound)
    return {
        "id": vault_id,
        "owner": owner,
        "wrapped_key": _seal(key, own_key, bound),
        "ciphertext": ciphertext,
        "digest": hashlib.sha256(ciphertext).hexdigest(),
        "created_at": now,
    }


def get(session: Session, keyring: Keyring, vault_id: int) -> bytes:
    """The body.

    Raises:
        KeyGone: it was erased, or has expired.
        cryptography.exceptions.InvalidTag: somebody changed the row.
    """
    row = session.connection().execute(_BODY, {"id": vault_id}).one_or_none()
    if row is None:
        raise KeyGone(f"body {vault_id} has expired")
    return _opened(keyring, row)


def _opened(keyring: Keyring, row: Any) -> bytes:
    bound = str(row.id).encode()
    own_key = _open(keyring.key(row.owner), row.wrapped_key, bound)
    return _open(own_key, row.ciphertext, bound)


def text(
    session: Session, keyring: Keyring, vault_id: int | None, *, errors: str = "strict"
) -> str:
    """The body as text; a mark where it was erased, nothing where there is none."""
    if vault_id is None:
        return ""
    try:
        return get(session, keyring, vault_id).decode(errors=errors)
    except KeyGone:
        return ERASED


def texts(session: Session, keyring: Keyring, vault_ids: Collection[int]) -> dict[int, str]:
    """The same for many bodies, by their ids."""
    wanted = sorted(set(vault_ids))
    found = dict.fromkeys(wanted, ERASED)
    for first in range(0, len(wanted), _MANY):
        some = {"ids": wanted[first : first + _MANY]}
        for row in session.connection().execute(_BODIES, some):
            with contextlib.suppress(KeyGone):
                found[row.id] = _opened(keyring, row).decode()
    return found


def digest(session: Session, vault_id: int | None) -> str:
    """The hash of the ciphertext, for a chain that must outlive the key; "" where there is none."""
    if vault_id is None:
        return ""
    query = select(_TABLE.c.digest).where(_TABLE.c.id == vault_id)
    return str(session.execute(query).scalar_one())


def digests(session: Session, vault_ids: Collection[int]) -> dict[int, str]:
    """The same for many bodies, by their ids."""
    if not vault_ids:
        return {}
    rows = session.connection().execute(_DIGESTS, {"ids": list(vault_ids)})
    return {row.id: row.digest for row in rows}


def hand_over(session: Session, keyring: Keyring, vault_id: int, owner: str) -> None:
    """Wrap the body's key for another owner: the sender is known now, the body does not expire."""
    row = session.execute(
        select(_TABLE.c.owner, _TABLE.c.wrapped_key).where(_TABLE.c.id == vault_id)
    ).one()
    bound = str(vault_id).encode()
    own_key = _open(keyring.key(row.owner), row.wrapped_key, bound)
    session.execute(
        update(_TABLE)
        .where(_TABLE.c.id == vault_id)
        .values(owner=owner, wrapped_key=_seal(keyring.key(owner), own_key, bound), expires_at=None)
    )


def keep(session: Session, vault_id: int) -> None:
    """Let a body expire no more, whether or not anybody can read it."""
    session.execute(update(_TABLE).where(_TABLE.c.id == vault_id).values(expires_at=None))


def forget(session: Session, vault_id: int) -> None:
    """Delete a body at once."""
    session.execute(delete(_TABLE).where(_TABLE.c.id == vault_id))


def expire(session: Session, now: dt.datetime, most: int = 1000) -> int:
    """Delete bodies past their day, so many at a time that nobody waits; return how many."""
    past = (
        select(_TABLE.c.id)
        .where(_TABLE.c.expires_at <= now)
        .order_by(_TABLE.c.expires_at)
        .limit(most)
    )
    gone = session.execute(delete(_TABLE).where(_TABLE.c.id.in_(past)).returning(_TABLE.c.id))
    return len(gone.all())


def idle_inboxes(session: Session, owners: Collection[str]) -> list[str]:
    """The inbox keys among ``owners`` that wrap nothing any more and may be destroyed."""
    used = set(
        session.execute(select(_TABLE.c.owner).where(_TABLE.c.owner.in_(owners)).distinct())
        .scalars()
        .all()
    )
    return [owner for owner in owners if owner.startswith("inbox:") and owner not in used]


def _seal(key: bytes, body: bytes, bound: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, body, bound)


def _open(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], bound)
