"""Which keys open which bodies, and how is a key destroyed for good?

The keyring is a database of its own, never in the same dump as the ciphertext. It holds one key per
client and one inbox key per day, each wrapped by the master key; destroying a row is what erasure
means. It is written rarely, so it is plain synchronous SQL.
"""

import base64
import binascii
import datetime as dt
import os
import secrets
import threading
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    Column,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from billing.store import Moment, Store

_KEYS = Table(
    "wrapped_key",
    MetaData(),
    Column("owner", String, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
)


_MANY = 500
"""Owners that one statement asks about."""
_REMEMBERED = 10_000
"""Keys that are kept open; of a million clients, all would be a quarter of a gigabyte."""
_OF = select(_KEYS.c.owner, _KEYS.c.wrapped).where(
    _KEYS.c.owner.in_(bindparam("owners", expanding=True))
)


class KeyGone(Exception):
    """There is no such key: it was destroyed, or the keyring is not the one of this store."""


class WrongMasterKey(Exception):
    """The master key does not open this keyring."""


class Keyring:
    """Keys by owner; ``client:…`` or ``inbox:YYYY-MM-DD``.

    Args:
        url: its own SQLite file or PostgreSQL database.
        master_key: 32 bytes.

    Raises:
        WrongMasterKey: the keyring was made with another one; making keys would mix the two.
    """

    def __init__(self, url: str, master_key: bytes) -> None:
        self._store = Store(url, exclusive=False)
        self._master = AESGCM(master_key)
        self._known: dict[str, bytes] = {}
        self._lock = threading.RLock()
        try:
            _KEYS.metadata.create_all(self._store.engine)
            self._try_master_key()
        except BaseException:
            self._store.close()
            raise

    def make(self, owners: Iterable[str], now: dt.datetime) -> None:
        """Make a key for each owner that has none; committed before this returns."""
        with self._lock:
            missing = self._missing(owners)
            if missing:
                rows = [self._row(owner, now) for owner in missing]
                # Another process may have made one since: the first stays.
                new = sqlite.insert if self._store.sqlite else postgresql.insert
                adding = new(_KEYS).on_conflict_do_nothing()
                self._store.write_now(lambda session: session.execute(adding, rows))

    def _missing(self, owners: Iterable[str]) -> list[str]:
        """Those that have no key, each once."""
        unknown = [owner for owner in dict.fromkeys(owners) if owner not in self._known]
        held = {owner for owner, _ in self._stored(unknown)}
        return [owner for owner in unknown if owner not in held]

    def _stored(self, owners: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Owners that have a key, with the key as it is kept."""
        wanted = list(owners)
        with self._store.read() as session:
            for first in range(0, len(wanted), _MANY):
                some = {"owners": wanted[first : first + _MANY]}
                for row in session.connection().execute(_OF, some):
                    yield row.owner, row.wrapped

    def has(self, owner: str) -> bool:
        """Whether the owner's key exists."""
        try:
            self.key(owner)
        except KeyGone:
            return False
        return True

    def key(self, owner: str) -> bytes:
        """The owner's key, 32 bytes.

        Raises:
            KeyGone: it was destroyed or never made.
            WrongMasterKey: the master key is another one.
        """
        return self.keys([owner])[owner]

    def keys(self, owners: Collection[str]) -> dict[str, bytes]:
        """The keys of owners, who may be many.

        Raises:
            KeyGone, WrongMasterKey: see ``key``.
        """
        found = {owner: key for owner in owners if (key := self._known.get(owner)) is not None}
        wanted = set(owners) - set(found)
        if wanted:
            with self._lock:  # else a key could be remembered while it is being destroyed
                for owner, wrapped in self._stored(wanted):
                    found[owner] = self._remember(owner, self._unwrap(owner, wrapped))
        for owner in wanted - set(found):
            raise KeyGone(f"the key of {owner} is gone; what it sealed cannot be read again")
        return found

    def _remember(self, owner: str, key: bytes) -> bytes:
        """Keep a key open, and let go of the one that was opened first where there are many."""
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[owner] = key
        return key

    def destroy(self, owner: str) -> None:
        """Destroy the key: nothing that it sealed can be read again, in no copy of the store."""
        with self._lock:
            self._known.pop(owner, None)
            self._store.write_now(
                lambda session: session.execute(delete(_KEYS).where(_KEYS.c.owner == owner))
            )

    def owners(self) -> list[str]:
        """Everyone who has a key."""
        with self._store.read() as session:
            return list(session.execute(select(_KEYS.c.owner).order_by(_KEYS.c.owner)).scalars())

    def inboxes(self) -> list[str]:
        """The keys of days; those of clients may be a million."""
        with self._store.read() as session:
            some = select(_KEYS.c.owner).where(_KEYS.c.owner.startswith("inbox:", autoescape=True))
            return list(session.execute(some.order_by(_KEYS.c.owner)).scalars())

    def close(self) -> None:
        """Give the connections back and forget the keys."""
        self._known.clear()
        self._store.close()

    @property
    def store(self) -> Store:
        """For backups, which are kept apart from those of the bodies."""
        return self._store

    def _try_master_key(self) -> None:
        with self._store.read() as session:
            made = session.execute(select(_KEYS.c.owner, _KEYS.c.wrapped).limit(1)).one_or_none()
        if made is not None:
            self._unwrap(made.owner, made.wrapped)

    def _row(self, owner: str, now: dt.datetime) -> dict[str, object]:
        nonce = os.urandom(12)
        wrapped = nonce + self._master.encrypt(nonce, secrets.token_bytes(32), owner.encode())
        return {"owner": owner, "wrapped": wrapped, "created_at": now}

    def _unwrap(self, owner: str, wrapped: bytes) -> bytes:
        try:
            return self._master.decrypt(wrapped[:12], wrapped[12:], owner.encode())
        except InvalidTag:
            raise WrongMasterKey(
                "the master key does not open this keyring; "
                "set COUNTERFOIL_MASTER_KEY_FILE to the key it was made with"
            ) from None


def new_master_key(path: Path) -> None:
    """Write a fresh master key to ``path``, readable by its owner only; never over another."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")


def read_master_key(text: str) -> bytes:
    """32 bytes from base64.

    Raises:
        ValueError: it is something else.
    """
    try:
        found = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != 32:
        raise ValueError(
            "the master key must be 32 bytes in base64; `counterfoil migrate` makes one"
        )
    return found
