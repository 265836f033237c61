"""What is older than the firm's policy keeps it, and may it go?

Rows go in their order, a few hundred in a transaction of their own under the locks of their
clients, and others write in between. Nothing is remembered between two runs but the moment up to
which rows may be gone, so a run that was cut off is taken up by the next. The chain of a client is
never touched: of a decision that has gone its entry stays.
"""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Table,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    null,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from billing.models import Vault
from billing.policy import Retention
from billing.store import Moment, table_of
from bot.app import App
from bot.models import Incoming, IncomingState
from comms.models import UNSENT, Attempt, Decision, Expired, Message, State

ROWS = 500
"""Rows of a kind in one transaction: with their bodies a thousand, a few tens of milliseconds."""
BATCHES = 2000
"""Transactions of a kind in one run: the rest is the next night's."""
_OPEN = (*UNSENT, State.SENDING, State.IN_DOUBT)
_CLOSED = (
    IncomingState.DONE,
    IncomingState.IGNORED,
    IncomingState.UNREADABLE,
    IncomingState.UNMATCHED,
)
_START = (dt.datetime(1, 1, 2, tzinfo=dt.UTC), 0)
log = structlog.get_logger("retention")


_ATTEMPTS, _DECISIONS = table_of(Attempt), table_of(Decision)
_INCOMING, _MESSAGES = table_of(Incoming), table_of(Message)
_EXPIRED, _VAULT = table_of(Expired), table_of(Vault)
_NOTHING = literal(None, BigInteger)


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows that may expire: when they came, whose they are, and what must be so before they go."""

    name: str
    table: Table
    at: ColumnElement[dt.datetime]
    free: ColumnElement[bool]
    client: ColumnElement[Any]
    body: ColumnElement[Any] = _NOTHING
    empties: bool = False
    """The row stays, without its body."""

    def days(self, kept: Retention) -> int:
        """How long policy keeps them; 0 is for ever."""
        days: int = getattr(kept, self.name)
        return days

    def window(self) -> Any:
        """The next rows after a place, in their order, and whether each may go."""
        key = self.table.c.id
        after = key > bindparam("id")
        order: Sequence[Any] = (key,)
        if self.empties:
            # Most rows have no body any more: only an index over those that have one is short.
            place = tuple_(bindparam("at", type_=Moment), bindparam("id", type_=BigInteger))
            after = and_(self.body.is_not(None), tuple_(self.at, key) > place)
            order = (self.at, key)
        columns = (key, self.at.label("at"), self.client.label("client"), self.free.label("free"))
        return select(*columns).where(after).order_by(*order).limit(bindparam("limit"))

    def going(self) -> Any:
        """Those of some rows that may go now, with their bodies."""
        columns = (self.table.c.id, self.client.label("client"), self.body.label("body"))
        return select(*columns).where(
            self.table.c.id.in_(bindparam("ids", expanding=True)),
            self.at < bindparam("before", type_=Moment),
            self.free,
        )


def _of_message(kind: str, subject: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a message about it can still leave, or may have left."""
    about = (_MESSAGES.c.subject_kind == kind, _MESSAGES.c.subject_id == subject)
    return exists().where(*about, _MESSAGES.c.state.in_(_OPEN))


def _not_the_last(table: Table) -> ColumnElement[bool]:
    """SQLite gives the number of the last row to the next when it has gone."""
    last = select(func.max(table.alias("every").c.id)).scalar_subquery()
    return table.c.id < last


def _read() -> ColumnElement[bool]:
    return and_(
        _INCOMING.c.state.in_(_CLOSED),
        ~_of_message("incoming", _INCOMING.c.id),
        _not_the_last(_INCOMING),
    )


def _ended(message: ColumnElement[int]) -> ColumnElement[bool]:
    return ~exists().where(_MESSAGES.c.id == message, _MESSAGES.c.state.in_(_OPEN))


def _bygone() -> ColumnElement[bool]:
    """Of a sequence the newest decision stays: it says where the sequence stands."""
    newer = _DECISIONS.alias("newer")
    superseded = exists().where(
        newer.c.subject_kind == _DECISIONS.c.subject_kind,
        newer.c.subject_id == _DECISIONS.c.subject_id,
        newer.c.id > _DECISIONS.c.id,
    )
    of_message = _DECISIONS.c.subject_kind == "message"
    ended = _ended(_DECISIONS.c.subject_id)
    return and_(case((of_message, ended), else_=superseded), _not_the_last(_DECISIONS))


def _client_of_attempt() -> ColumnElement[Any]:
    whose = _MESSAGES.alias("whose")
    return select(whose.c.client_id).where(whose.c.id == _ATTEMPTS.c.message_id).scalar_subquery()


KINDS = (
    Kind(
        "inbox_bodies", _INCOMING, _INCOMING.c.received_at, _read(), _INCOMING.c.client_id,
        _INCOMING.c.body_id, empties=True,
    ),
    Kind(
        "inbox", _INCOMING, _INCOMING.c.received_at, _read(), _INCOMING.c.client_id,
        _INCOMING.c.body_id,
    ),
    Kind(
        "attempts", _ATTEMPTS, _ATTEMPTS.c.started_at,
        and_(_ended(_ATTEMPTS.c.message_id), _not_the_last(_ATTEMPTS)), _client_of_attempt(),
    ),
    Kind(
        "decisions", _DECISIONS, _DECISIONS.c.decided_at, _bygone(), _DECISIONS.c.client_id,
        _DECISIONS.c.reason_id,
    ),
)  # fmt: skip
Preserved = Callable[[Session, Collection[int]], Collection[int]]
"""Which of some clients must keep everything, asked under their locks."""


def nobody(_session: Session, _clients: Collection[int]) -> Collection[int]:
    """No client's evidence has to be preserved."""
    return ()


async def run(app: App, batches: int = BATCHES, preserved: Preserved = nobody) -> Mapping[str, int]:
    """Delete what policy keeps no longer, at most so many batches of a kind; how many rows went."""
    gone: dict[str, int] = {}
    for kind in KINDS:
        days = kind.days(app.rules.retention)
        if days:
            before = app.clock.now() - dt.timedelta(days=days)
            gone[kind.name] = await _expire(app, kind, before, batches, preserved)
            app.meters.expired.labels(kind.name).inc(gone[kind.name])
    log.info("expired", **gone)
    return gone


async def _expire(
    app: App, kind: Kind, before: dt.datetime, batches: int, preserved: Preserved
) -> int:
    place, gone = _START, 0
    window = kind.window()
    for _ in range(batches):
        with app.store.read() as session:
            asked = {"at": place[0], "id": place[1], "limit": ROWS}
            rows = session.execute(window, asked).all()
        old = [row for row in rows if row.at < before]
        if not old:
            break
        place = (old[-1].at, old[-1].id)
        free = [row.id for row in old if row.free]
        if free:
            began = time.perf_counter()
            clients = {row.client for row in old if row.free and row.client is not None}
            write = partial(remove, kind, free, (before, app.clock.now()), preserved)
            gone += await app.store.write(write, clients=clients)
            # As long again belongs to the others who write.
            await asyncio.sleep(time.perf_counter() - began)
        if len(old) < len(rows):
            break
    return gone


def remove(
    kind: Kind,
    ids: Sequence[int],
    moments: tuple[dt.datetime, dt.datetime],
    preserved: Preserved,
    session: Session,
) -> int:
    """Look again under the locks, and delete what may go, with its bodies."""
    before, now = moments
    rows = session.execute(kind.going(), {"ids": ids, "before": before}).all()
    kept = set(preserved(session, {row.client for row in rows if row.client is not None}))
    going = [row for row in rows if row.client not in kept]
    if not going:
        return 0
    _move(session, kind.name, before, now)
    which = kind.table.c.id.in_([row.id for row in going])
    if kind.empties:
        session.execute(update(kind.table).where(which).values(body_id=null()))
    else:
        session.execute(delete(kind.table).where(which))
    bodies = [row.body for row in going if row.body is not None]
    if bodies:
        session.execute(delete(_VAULT).where(_VAULT.c.id.in_(bodies)))
    return len(going)


def _move(session: Session, name: str, before: dt.datetime, now: dt.datetime) -> None:
    """Say from before which moment rows may be gone; it never moves back."""
    new = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    said = new.insert(_EXPIRED).values(kind=name, before=before, recorded_at=now)
    later = {"before": said.excluded.before, "recorded_at": said.excluded.recorded_at}
    forward = _EXPIRED.c.before < said.excluded.before
    session.execute(said.on_conflict_do_update(index_elements=["kind"], set_=later, where=forward))
