"""What did people forbid or allow again, so that no restored copy of the database can forget it?

Seals, legal holds, walls, and whoever said no: each is a line in a file outside the database, in
the order in which they were said, sealed by the key of the client whom it is about. The rows are
the truth; what has no line yet is looked for every few seconds. The database remembers how many
lines it knows: a copy knows fewer, and what it lacks is done again there before it serves.
"""

import asyncio
import base64
import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, delete, func, text
from sqlalchemy.orm import Mapped
from sqlmodel import Session, col, select

from billing import vault
from billing.clock import Clock
from billing.keyring import KeyGone, Keyring
from billing.models import Address, Client, LegalHold, MatterWall, Staff
from billing.store import Store
from bot.custody import lines
from bot.custody.erasurelog import LogDamaged
from bot.models import Stricture
from bot.settings import Settings
from comms import consent
from comms.models import Access, Attribution, ChainEntry, ConsentEvent, Touchpoint
from comms.office import Office

OWNER = "strictures"
"""Whose key seals what is of no client: a wall, and an address of nobody whom we know."""
_SOME = 500
"""Rows of a kind that are written down at once."""
_BESIDE = 10_000
"""On PostgreSQL a row may be seen after others that came later; after so many, no more."""
_SAID = text("consent_event.change <> 'asserted'")  # as the index has it


class Product(Protocol):
    """What is taken of the running product, which brings up its copy before it runs."""

    @property
    def settings(self) -> Settings: ...  # noqa: D102 - as in ``bot.app.App``
    @property
    def clock(self) -> Clock: ...  # noqa: D102
    @property
    def store(self) -> Store: ...  # noqa: D102
    @property
    def keyring(self) -> Keyring: ...  # noqa: D102
    def office(self) -> Office: ...  # noqa: D102


class _Act(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    at: AwareDatetime
    by: str = ""


class Ruled(_Act):
    """Of one touchpoint, which is known by its place in the client's chain, and by its hash."""

    what: Literal["ruled"] = "ruled"
    seq: int
    link: str
    change: Literal["sealed", "unsealed", "forgotten", "attributed"]
    label: str = ""
    matter: str = ""
    reason: str = ""


class Held(_Act):
    """All of a client is kept as evidence, or need not be any more."""

    what: Literal["held"] = "held"
    change: Literal["held", "released"]
    matter: str
    reason: str = ""


class Walled(_Act):
    """Who stands inside the wall around a matter, or does not any more."""

    what: Literal["walled"] = "walled"
    change: Literal["in", "out"]
    matter: str
    email: str


class Refused(_Act):
    """Who reads at an address said no; or yes, which ends it."""

    what: Literal["refused"] = "refused"
    change: Literal["revoked", "granted"]
    kind: str
    value: str
    topic: str
    method: str
    source: str


Act = Annotated[Ruled | Held | Walled | Refused, Field(discriminator="what")]
_ACT: TypeAdapter[Act] = TypeAdapter(Act)


@dataclass(frozen=True, slots=True)
class Line:
    """An act under its owner's key, and the row that it is made of."""

    kind: str
    row_id: int
    owner: str
    act: Act


# --- writing down ---------------------------------------------------------------------------------


async def keep(app: Product) -> int:
    """Write down what has no line yet; how many lines that were."""
    path = app.settings.strictures_file
    if path is None:
        return 0
    now = app.clock.now()
    return await asyncio.to_thread(write_down, app.store, app.keyring, path, now)


def write_down(store: Store, keyring: Keyring, path: Path, now: dt.datetime) -> int:
    """The same for a caller without an event loop; of two processes one waits.

    Raises:
        LogDamaged: the log was cut, or is another one.
    """
    if not keyring.has(OWNER):  # before there is a wall: copies of the keys must have it
        keyring.make([OWNER], now)
    written = 0
    while some := _unwritten(store, keyring):
        with lines.held(path) as file:
            some = _unwritten(store, keyring)  # another process may have been faster
            first = need_whole(store, path) + 1
            lines.append(file, [_sealed(keyring, one.owner, one.act) for one in some])
            store.write_now(partial(_noted, some=some, first=first))
        written += len(some)
    return written


def _noted(session: Session, some: Sequence[Line], first: int) -> None:
    rows = {(one.kind, one.row_id): line for line, one in enumerate(some, first)}
    session.add_all(
        [Stricture(kind=kind, row_id=row_id, line=line) for (kind, row_id), line in rows.items()]
    )


def need_whole(store: Store, path: Path) -> int:
    """How many lines the log has.

    Raises:
        LogDamaged: fewer than this database knows.
    """
    count = len(lines.read(path))
    with store.read() as session:
        had = known(session)
    if count < had:
        raise LogDamaged(
            f"the log of strictures {path} has {count} lines, and this database knows {had}; put "
            "it back, or, if it is gone, move away what is left and run `counterfoil migrate`, "
            "which writes it anew"
        )
    return count


def known(session: Session) -> int:
    """How many lines of the log this database knows."""
    return session.exec(select(func.max(Stricture.line))).one() or 0


def begin(database_url: str, path: Path) -> None:
    """Make the log where there is none; then all that this database knows is written anew."""
    if not path.exists():
        with closing(Store(database_url)) as store:
            store.write_now(lambda session: session.execute(delete(Stricture)))
        lines.begin(path)


def adopt(original: Path, path: Path) -> None:
    """Take over another log that goes on where this one ends."""
    ours, theirs = lines.read(path), lines.read(original)
    if len(theirs) > len(ours) and theirs[: len(ours)] == ours:
        with lines.held(path) as file:
            lines.append(file, theirs[len(ours) :])


def _unwritten(store: Store, keyring: Keyring) -> list[Line]:
    with store.read() as session:
        return [*_accesses(session, keyring), *_walls(session), *_refusals(session)]


def _sealed(keyring: Keyring, owner: str, act: Act) -> bytes:
    nonce = os.urandom(12)
    said = AESGCM(keyring.key(owner)).encrypt(nonce, act.model_dump_json().encode(), _bound(owner))
    return json.dumps({"owner": owner, "act": base64.b64encode(nonce + said).decode()}).encode()


def opened(keyring: Keyring, raw: bytes) -> tuple[str, Act] | None:
    """Whose key seals a line, and the act; None where the key is gone, or it is no line."""
    try:
        line = json.loads(raw)
        owner, sealed = str(line["owner"]), base64.b64decode(line["act"], validate=True)
        said = AESGCM(keyring.key(owner)).decrypt(sealed[:12], sealed[12:], _bound(owner))
        return owner, _ACT.validate_json(said)
    except (KeyGone, InvalidTag, ValidationError, ValueError, KeyError, TypeError):
        return None


def _bound(owner: str) -> bytes:
    return f"stricture:{owner}".encode()


# --- the rows -------------------------------------------------------------------------------------


def _unlogged(kind: str, row_id: Mapped[int], session: Session) -> list[ColumnElement[bool]]:
    """Rows of a kind that have no line; those of long ago have one."""
    last = session.exec(select(func.max(Stricture.row_id)).where(Stricture.kind == kind)).one() or 0
    mine = select(Stricture.line).where(Stricture.kind == kind, col(Stricture.row_id) == row_id)
    return [row_id > last - _BESIDE, ~mine.exists()]


def _accesses(session: Session, keyring: Keyring) -> Iterator[Line]:
    changes = ("sealed", "unsealed", "forgotten", "attributed", "held", "released")
    query = (
        select(Access, Client)
        .join(Client, col(Client.id) == Access.client_id)
        .where(col(Access.change).in_(changes), *_unlogged("access", col(Access.id), session))
        .order_by(col(Access.id))
        .limit(_SOME)
    )
    for access, client in session.exec(query):
        reason = _text(session, keyring, access.reason_id)
        said = _ruled if access.touchpoint_id else _held
        yield Line("access", access.id, client.key_id, said(session, access, reason))


def _text(session: Session, keyring: Keyring, body_id: int | None) -> str:
    try:
        return vault.text(session, keyring, body_id, errors="replace")
    except InvalidTag:
        return ""


def _ruled(session: Session, access: Access, reason: str) -> Ruled:
    place = (
        select(ChainEntry.seq, ChainEntry.hash)
        .join(Touchpoint, col(Touchpoint.client_id) == ChainEntry.client_id)
        .where(Touchpoint.id == access.touchpoint_id, Touchpoint.seq == ChainEntry.seq)
    )
    seq, link = session.exec(place).first() or (0, "")
    matter = _matter(session, access) if access.change == "attributed" else ""
    return Ruled.model_validate(
        {
            "at": access.occurred_at, "by": access.by, "seq": seq, "link": link,
            "change": access.change, "label": access.label, "matter": matter,
            "reason": reason.removeprefix(f"{matter}: ") if matter else reason,
        }
    )  # fmt: skip


def _matter(session: Session, access: Access) -> str:
    said = select(Attribution.matter).where(
        Attribution.touchpoint_id == access.touchpoint_id,
        Attribution.by == access.by,
        Attribution.said_at == access.occurred_at,
    )
    return session.exec(said).first() or ""


def _held(session: Session, access: Access, reason: str) -> Held:
    note = LegalHold.note_id if access.change == "held" else LegalHold.release_note_id
    matter = session.exec(select(LegalHold.matter).where(note == access.reason_id)).first() or ""
    return Held.model_validate(
        {
            "at": access.occurred_at, "by": access.by, "change": access.change,
            "matter": matter, "reason": reason,
        }
    )  # fmt: skip


def _walls(session: Session) -> Iterator[Line]:
    """The two moments of a wall are two lines."""
    of = select(MatterWall, Staff.email).join(Staff, col(Staff.id) == MatterWall.staff_id)
    ids = col(MatterWall.id)
    for wall, email in session.exec(of.where(*_unlogged("wall", ids, session)).order_by(ids)):
        yield _wall(
            "wall", wall, email, {"change": "in", "at": wall.placed_at, "by": wall.placed_by}
        )
    gone = of.where(col(MatterWall.lifted_at).is_not(None), *_unlogged("unwall", ids, session))
    for wall, email in session.exec(gone.order_by(ids)):
        yield _wall(
            "unwall", wall, email, {"change": "out", "at": wall.lifted_at, "by": wall.lifted_by}
        )


def _wall(kind: str, wall: MatterWall, email: str, said: Mapping[str, object]) -> Line:
    act = Walled.model_validate({**said, "matter": wall.matter, "email": email})
    return Line(kind, wall.id, OWNER, act)


def _refusals(session: Session) -> Iterator[Line]:
    """One line for each client who has the address: the key of one dies with them."""
    query = (
        select(ConsentEvent, Address)
        .join(Address, col(Address.id) == ConsentEvent.address_id)
        .where(_SAID, *_unlogged("consent", col(ConsentEvent.id), session))
        .order_by(col(ConsentEvent.id))
        .limit(_SOME)
    )
    for event, address in session.exec(query):
        act = Refused.model_validate(
            {
                "at": event.occurred_at, "change": event.change, "kind": address.kind,
                "value": address.value, "topic": event.topic, "method": event.method,
                "source": event.source,
            }
        )  # fmt: skip
        for owner in _keys(session, address.id) or [OWNER]:
            yield Line("consent", event.id, owner, act)


def _keys(session: Session, address_id: int) -> Sequence[str]:
    clients = consent.clients_of(session, address_id)
    return session.exec(select(Client.key_id).where(col(Client.id).in_(clients))).all()
