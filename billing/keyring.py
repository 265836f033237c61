"""Which keys open which bodies, and how is a key destroyed for good?

The keyring is a database of its own, never in the same dump as the ciphertext. It holds one key per
client and one inbox key per day, each wrapped by the master key; destroying a row is what erasure
means. It is written rarely, so it is plain synchronous SQL.
"""

import datetime as dt
import secrets
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    bindparam,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from billing.masterkeys import (
    NAMED,
    LocalMasterKey,
    MasterKey,
    WrongMasterKey,
    new_master_key,
    read_master_key,
)
from billing.store import Moment, Store

__all__ = ["KeyGone", "Keyring", "Under", "WrongMasterKey", "new_master_key", "read_master_key"]

_KEYS = Table(
    "wrapped_key",
    MetaData(),
    Column("owner", String, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
)

_DESTROYED = Table(
    "keys_destroyed",
    _KEYS.metadata,
    Column("id", Integer, primary_key=True),
    Column("times", Integer, nullable=False),
)
"""One row, counted up with each key: whoever keeps keys open sees that one of them may be gone."""
AGAIN = 1.0
"""Seconds for which nobody asks whether another process destroyed a key."""

_MANY = 500
"""Owners that one statement asks about."""
_REMEMBERED = 10_000
"""Keys that are kept open; of a million clients, all would be a quarter of a gigabyte."""
_OF = select(_KEYS.c.owner, _KEYS.c.wrapped).where(
    _KEYS.c.owner.in_(bindparam("owners", expanding=True))
)
_MARK = b"cf1"
"""Stands before the name of a master key; what was kept before they had names has neither."""
_HEAD = len(_MARK) + NAMED
_NAMELESS = 12 + 32 + 16
_SWAP = (
    update(_KEYS)
    .where(_KEYS.c.owner == bindparam("whose"), _KEYS.c.wrapped == bindparam("before"))
    .values(wrapped=bindparam("after"))
)
"""Not one that was destroyed, or wrapped anew, since it was read."""


class KeyGone(Exception):
    """There is no such key: it was destroyed, or the keyring is not the one of this store."""


@dataclass(frozen=True, slots=True)
class Under:
    """How many keys are under one master key: the one in use, one that is valid too, or neither.

    ``name`` is "" for keys that were wrapped before master keys had names.
    """

    name: str
    keys: int
    standing: str


class Keyring:
    """Keys by owner; ``client:…`` or ``inbox:YYYY-MM-DD``.

    Args:
        url: its own SQLite file or PostgreSQL database.
        master_key: 32 bytes, or what wraps for us; it wraps whatever is new.
        others: master keys that are valid as well, while one takes the place of another.
        durable: False for keys that are thrown away with their store.

    Raises:
        WrongMasterKey: the keyring was made with another one; making keys would mix the two.
    """

    def __init__(
        self,
        url: str,
        master_key: bytes | MasterKey,
        *others: bytes | MasterKey,
        durable: bool = True,
    ) -> None:
        self._store = Store(url, exclusive=False, durable=durable)
        self._master = _usable(master_key)
        self._masters = {one.name: one for one in (self._master, *map(_usable, others))}
        self._known: dict[str, bytes] = {}
        self._looked = -AGAIN
        self._destroyed = 0
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
            self._let_go()
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

    def held(self, owners: Collection[str]) -> set[str]:
        """Those of some owners whose key is there."""
        return {owner for owner, _ in self._stored(owners)}

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
        self._let_go()
        found = {owner: key for owner in owners if (key := self._known.get(owner)) is not None}
        wanted = set(owners) - set(found)
        if wanted:
            with self._lock:  # else a key could be remembered while it is being destroyed
                for owner, wrapped in self._stored(wanted):
                    found[owner] = self._remember(owner, self._unwrap(owner, wrapped))
        for owner in wanted - set(found):
            raise KeyGone(f"the key of {owner} is gone; what it sealed cannot be read again")
        return found

    def _let_go(self) -> None:
        """Close the keys that are open here, if another process destroyed one; asked now and then.

        A body costs no statement for that, and a destroyed key opens nothing for longer.
        """
        now = time.monotonic()
        if now - self._looked < AGAIN:
            return
        with self._lock:
            with self._store.read() as session:
                times = session.execute(select(_DESTROYED.c.times)).scalar() or 0
            if times != self._destroyed:
                self._known.clear()
            self._destroyed, self._looked = times, now

    def _remember(self, owner: str, key: bytes) -> bytes:
        """Keep a key open, and let go of the one that was opened first where there are many."""
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[owner] = key
        return key

    def destroy(self, owner: str) -> None:
        """Destroy the key: nothing that it sealed can be read again, in no copy of the store.

        Here at once, and ``AGAIN`` later in every other process.
        """
        with self._lock:
            self._known.pop(owner, None)
            self._store.write_now(partial(self._delete, owner))
            self._store.empty_log()

    def _delete(self, owner: str, session: Session) -> None:
        session.execute(delete(_KEYS).where(_KEYS.c.owner == owner))
        new = sqlite.insert if self._store.sqlite else postgresql.insert
        once = new(_DESTROYED).values(id=1, times=1)
        more = {"times": _DESTROYED.c.times + 1}
        session.execute(once.on_conflict_do_update(index_elements=["id"], set_=more))

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

    # --- another master key -----------------------------------------------------------------------

    def rewrap(self) -> Iterator[int]:
        """Wrap every key anew by the master key in use; after each commit, how many so far.

        The bodies stay as they are. Whoever is killed in between has lost nothing and begins again
        where they were; until the end both master keys are needed.

        Raises:
            WrongMasterKey: one of the keys is under neither.
        """
        left = select(_KEYS.c.owner, _KEYS.c.wrapped).where(_under() != self._head(self._master))
        left = left.order_by(_KEYS.c.owner).limit(_MANY)
        moved, after = 0, ""
        while rows := self._rows(left.where(_KEYS.c.owner > after)):
            swaps = [
                {"whose": o, "before": kept, "after": self._again(o, kept)} for o, kept in rows
            ]
            self._store.write_now(partial(_swap, swaps))
            moved, after = moved + len(rows), rows[-1][0]
            yield moved
        if moved:
            self._store.empty_log()

    def _rows(self, query: Select[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        with self._store.read() as session:
            return [(row.owner, row.wrapped) for row in session.execute(query)]

    def _again(self, owner: str, kept: bytes) -> bytes:
        return self._wrap(self._unwrap(owner, kept), owner)

    def under(self) -> list[Under]:
        """How many keys are under which master key; this reads all of them."""
        with self._store.read() as session:
            found = [self._counted(session, one) for one in self._masters.values()]
            named = func.length(_KEYS.c.wrapped) != _NAMELESS
            strange = _under().not_in([self._head(one) for one in self._masters.values()])
            which = _under().label("head")
            rows = session.execute(
                select(which, func.count()).where(named, strange).group_by(which)
            ).all()
            found += [Under(bytes(row[0])[len(_MARK) :].hex(), row[1], "unknown") for row in rows]
            nameless = select(func.count()).where(~named, strange)
            found.append(Under("", session.execute(nameless).scalar_one(), "nameless"))
        return [one for one in found if one.keys or one.standing == "in use"]

    def _counted(self, session: Session, master: MasterKey) -> Under:
        query = select(func.count()).select_from(_KEYS).where(_under() == self._head(master))
        standing = "in use" if master is self._master else "valid"
        return Under(master.name.hex(), session.execute(query).scalar_one(), standing)

    def _try_master_key(self) -> None:
        """The first and the last: keys are wrapped anew in their order, so half is seen as well."""
        for order in (_KEYS.c.owner, _KEYS.c.owner.desc()):
            query = select(_KEYS.c.owner, _KEYS.c.wrapped).order_by(order).limit(1)
            for owner, kept in self._rows(query):
                self._unwrap(owner, kept)

    def _row(self, owner: str, now: dt.datetime) -> dict[str, object]:
        return {
            "owner": owner,
            "wrapped": self._wrap(secrets.token_bytes(32), owner),
            "created_at": now,
        }

    def _wrap(self, key: bytes, owner: str) -> bytes:
        return self._head(self._master) + self._master.wrap(key, owner)

    def _unwrap(self, owner: str, kept: bytes) -> bytes:
        if kept.startswith(_MARK) and (master := self._masters.get(kept[len(_MARK) : _HEAD])):
            return master.unwrap(kept[_HEAD:], owner)
        if len(kept) == _NAMELESS:
            for one in self._masters.values():
                try:
                    return one.unwrap(kept, owner)
                except WrongMasterKey:
                    continue
        raise WrongMasterKey(
            "the master key does not open this keyring; "
            "set COUNTERFOIL_MASTER_KEY_FILE to the key it was made with"
        )

    @staticmethod
    def _head(master: MasterKey) -> bytes:
        return _MARK + master.name


def _swap(swaps: Sequence[Mapping[str, object]], session: Session) -> None:
    session.connection().execute(_SWAP, swaps)


def _usable(master: bytes | MasterKey) -> MasterKey:
    return LocalMasterKey(master) if isinstance(master, bytes) else master


def _under() -> ColumnElement[Any]:
    """What a kept key begins with."""
    return func.substr(_KEYS.c.wrapped, literal(1), literal(_HEAD), type_=LargeBinary)
