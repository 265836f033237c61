"""Has this arrived before, and is it safe on disk? Then, and only then, 2xx.

Whatever the world sends is a row first: unique by its source and the source's own id, its bytes
encrypted under the key of the day until the client is known.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import bindparam, insert, tuple_
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from billing import vault
from billing.keyring import KeyGone, Keyring
from billing.policy import Policy
from billing.store import Store, table_of
from bot.groups import Together
from bot.models import Incoming

TRIES = 8
LONGEST_ID = 500
TOGETHER = 64
"""How many are written in one go at most."""
_TABLE = table_of(Incoming)
_ADD = insert(_TABLE)
_BLANK = {
    name: field.get_default() for name, field in Incoming.model_fields.items() if name != "id"
}
_HERE = select(_TABLE.c.source, _TABLE.c.external_id).where(
    tuple_(_TABLE.c.source, _TABLE.c.external_id).in_(bindparam("keys", expanding=True))
)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A request as it came: what is needed to read it again, any time later."""

    source: str
    external_id: str
    body: bytes
    query: str = ""

    def __post_init__(self) -> None:
        """What no database would take as a key is refused before it is kept.

        Raises:
            ValueError: the id is empty, too long or not printable.
        """
        if not (0 < len(self.external_id) <= LONGEST_ID and self.external_id.isprintable()):
            raise ValueError("the id of this request is no id")

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same one again."""
        return self.source, self.external_id

    def packed(self) -> bytes:
        """The form in which the vault keeps it: a line about it, then its bytes as they came."""
        return json.dumps({"query": self.query}).encode() + b"\n" + self.body


def unpacked(source: str, external_id: str, packed: bytes) -> Parcel:
    """The parcel that was kept.

    Raises:
        ValueError: it is not one.
    """
    about, found, body = packed.partition(b"\n")
    try:
        query = json.loads(about)["query"]
    except (KeyError, TypeError) as error:
        raise ValueError("what was kept of this request cannot be read") from error
    if not found:
        raise ValueError("what was kept of this request has no body")
    return Parcel(source, external_id, body, query)


def named(message_id: str) -> str:
    """What is kept of a Message-ID, in angle brackets or without: it tells no domain of anybody."""
    bare = message_id.strip().removeprefix("<").removesuffix(">")
    return hashlib.sha256(bare.encode()).hexdigest()


Dated = tuple[Parcel, dt.datetime]


class Inbox:
    """Receives parcels into a store."""

    def __init__(self, store: Store, keyring: Keyring, policy: Policy) -> None:
        self._store = store
        self._keyring = keyring
        self._keep = dt.timedelta(days=policy.vault.unmatched_days)
        self._kept = Together(self._write, TOGETHER)

    async def receive(self, parcel: Parcel, now: dt.datetime) -> bool:
        """Keep a parcel, committed when this returns; False where it was here before."""
        self.open_day(now)
        return await self._kept.do((parcel, now))

    def is_another(self, parcel: Parcel) -> bool:
        """Whether what was kept under this id is something else, as far as it is still there."""
        with self._store.read() as session:
            row = find(session, parcel.source, parcel.external_id)
            if row is None or row.body_id is None:
                return False
            try:
                packed = vault.get(session, self._keyring, row.body_id)
            except KeyGone:
                return False
        return unpacked(parcel.source, parcel.external_id, packed).body != parcel.body

    def open_day(self, now: dt.datetime) -> None:
        """Make the key of the day, where it is not there yet."""
        if not self._keyring.has(day_key(now)):
            self._keyring.make([day_key(now)], now)

    async def _write(self, parcels: Sequence[Dated]) -> Sequence[bool]:
        try:
            return await self._store.write(partial(self._add, parcels))
        except IntegrityError:
            if len(parcels) > 1:
                raise
            return [False]  # its twin was committed between our look and our insert

    def _add(self, parcels: Sequence[Dated], session: Session) -> list[bool]:
        """Which of them are new; those are rows now."""
        connection = session.connection()
        keys = [parcel.key for parcel, _ in parcels]
        seen = {(row.source, row.external_id) for row in connection.execute(_HERE, {"keys": keys})}
        new, fresh = [], []
        for parcel, now in parcels:
            new.append(parcel.key not in seen)
            if new[-1]:
                fresh.append((parcel, now))
                seen.add(parcel.key)
        if fresh:
            bodies = self._seal(session, fresh)
            rows = [
                _row(parcel, now, body.vault_id)
                for (parcel, now), body in zip(fresh, bodies, strict=True)
            ]
            connection.execute(_ADD, rows)
        return new

    def keep(
        self, session: Session, parcel: Parcel, now: dt.datetime, state: str = "pending"
    ) -> bool:
        """The same inside a transaction of somebody else's; the day's key is there already."""
        if find(session, parcel.source, parcel.external_id) is not None:
            return False
        session.add(Incoming(**_row(parcel, now, self.seal(session, parcel, now), state)))
        session.flush()
        return True

    def replace(self, session: Session, row: Incoming, parcel: Parcel, now: dt.datetime) -> None:
        """Keep another form of a request, and of the first nothing; the day's key is there."""
        old, row.body_id = row.body_id, self.seal(session, parcel, now)
        if old is not None:
            vault.forget(session, old)

    def seal(self, session: Session, parcel: Parcel, now: dt.datetime) -> int:
        """Keep a parcel's bytes, without a row that says so; their vault id."""
        [body] = self._seal(session, [(parcel, now)])
        return body.vault_id

    def _seal(self, session: Session, parcels: Sequence[Dated]) -> list[vault.Kept]:
        newest = max(now for _, now in parcels)
        bodies = [(day_key(now), parcel.packed()) for parcel, now in parcels]
        return vault.put_all(session, self._keyring, bodies, newest, newest + self._keep)


def _row(parcel: Parcel, now: dt.datetime, body_id: int, state: str = "pending") -> dict[str, Any]:
    open_ = state == "pending"
    return _BLANK | {
        "source": parcel.source,
        "external_id": parcel.external_id,
        "state": state,
        "body_id": body_id,
        "received_at": now,
        "next_attempt_at": now if open_ else None,
        "done_at": None if open_ else now,
    }


def trace_of(source: str, external_id: str) -> str:
    """What names a delivery in logs and traces, from the hook on: 32 hexadecimal digits."""
    return hashlib.sha256(f"{source}\0{external_id}".encode()).hexdigest()[:32]


def day_key(now: dt.datetime) -> str:
    """The keyring owner of what arrives on a day (UTC) and belongs to nobody yet."""
    return f"inbox:{now.astimezone(dt.UTC):%Y-%m-%d}"


def find(session: Session, source: str, external_id: str) -> Incoming | None:
    """The row of a parcel."""
    return session.exec(
        select(Incoming).where(Incoming.source == source, Incoming.external_id == external_id)
    ).first()


def body_of(row: Incoming) -> int:
    """The vault id of what arrived.

    Raises:
        ValueError: the row keeps no body.
    """
    if row.body_id is None:
        raise ValueError(f"incoming {row.id} keeps no body")
    return row.body_id


def pending(session: Session, now: dt.datetime, limit: int) -> list[int]:
    """What is still to be understood, in the order in which it came."""
    query = (
        select(Incoming.id)
        .where(Incoming.state == "pending", col(Incoming.next_attempt_at) <= now)
        .order_by(col(Incoming.id))
        .limit(limit)
    )
    return list(session.exec(query))


def settle(row: Incoming, state: str, now: dt.datetime, client_id: int | None = None) -> None:
    """The row needs no more work."""
    row.state, row.done_at, row.next_attempt_at = state, now, None
    row.client_id = client_id if client_id is not None else row.client_id


def postpone(row: Incoming, problem: str, now: dt.datetime) -> bool:
    """Try again later, ever more rarely; True once a person must look."""
    row.attempts += 1
    row.problem = problem
    if row.attempts >= TRIES:
        row.state, row.next_attempt_at = "failed", None
        return True
    row.next_attempt_at = now + dt.timedelta(seconds=5 * 4 ** (row.attempts - 1))
    return False
