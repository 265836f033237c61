"""Has this arrived before, and is it safe on disk? Then, and only then, 2xx.

Whatever the world sends is a row first: unique by its source and the source's own id, its bytes
encrypted under the key of the day until the client is known.
"""

import base64
import binascii
import datetime as dt
import hashlib
import json
from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from billing import vault
from billing.keyring import Keyring
from billing.policy import Policy
from billing.store import Store
from bot.models import Incoming

TRIES = 8
LONGEST_ID = 500


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

    def packed(self) -> str:
        """The form in which the vault keeps it."""
        return json.dumps({"body": base64.b85encode(self.body).decode(), "query": self.query})


def unpacked(source: str, external_id: str, packed: bytes) -> Parcel:
    """The parcel that was kept.

    Raises:
        ValueError: it is not one.
    """
    try:
        kept = json.loads(packed)
        return Parcel(source, external_id, base64.b85decode(kept["body"]), kept["query"])
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError("what was kept of this request cannot be read") from error


class Inbox:
    """Receives parcels into a store."""

    def __init__(self, store: Store, keyring: Keyring, policy: Policy) -> None:
        self._store = store
        self._keyring = keyring
        self._keep = dt.timedelta(days=policy.vault.unmatched_days)

    async def receive(self, parcel: Parcel, now: dt.datetime) -> bool:
        """Keep a parcel, committed when this returns; False where it was here before."""
        owner = day_key(now)
        if not self._keyring.has(owner):
            self._keyring.make([owner], now)
        try:
            return await self._store.write(lambda session: self.keep(session, parcel, now))
        except IntegrityError:
            return False  # its twin was committed between our look and our insert

    def keep(
        self, session: Session, parcel: Parcel, now: dt.datetime, state: str = "pending"
    ) -> bool:
        """The same inside a transaction of somebody else's; the day's key is there already."""
        if find(session, parcel.source, parcel.external_id) is not None:
            return False
        body_id = vault.put(
            session, self._keyring, day_key(now), parcel.packed(), now, now + self._keep
        )
        session.add(
            Incoming(
                source=parcel.source,
                external_id=parcel.external_id,
                state=state,
                body_id=body_id,
                received_at=now,
                next_attempt_at=now,
            )
        )
        session.flush()
        return True


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
