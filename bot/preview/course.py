"""How are the days to come lived through: the production code, a copy, and a clock that is turned?

``worker``, ``outreach``, ``delivery`` and the door are those that serve; the channels take
everything and lead nowhere, and nothing comes in. What is on its way counts as arrived.
"""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import update
from sqlmodel import Session, col, select

from billing.clock import TurnedClock
from billing.models import LiveSwitch
from bot import worker
from bot.app import App, Notice
from bot.inbox import Inbox
from bot.preview import copying, gathering
from bot.preview.entry import Entry
from bot.replay.channel import Paper
from bot.report import Progress, silent
from bot.staff import publishing
from bot.watching.heartbeat import Pulse
from bot.watching.metrics import Meters
from comms import delivery, outbox
from comms.models import Audience, Message, State
from comms.ports import Sent

_DAY = dt.timedelta(days=1)
_STUCK = dt.timedelta(hours=1)
"""How far the clock goes on when something stays due that nothing moves."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which days, whether the door is taken to be open, and what is published before."""

    now: dt.datetime
    days: int
    as_if_live: bool = False
    publish: str = ""
    """The text of a policy that holds from the first moment; none leaves it as it is."""

    @property
    def until(self) -> dt.datetime:
        """When the last day ends."""
        return self.now + self.days * _DAY


@dataclass(frozen=True, slots=True)
class Coming:
    """What came of some clients, in plain values that cross to another process."""

    entries: Sequence[Entry] = ()
    problems: Counter[str] = field(default_factory=Counter)
    """Rows that could not be worked on, by what was met."""


def lived(app: App, asked: Asked, clients: Sequence[int], progress: Progress) -> Coming:
    """Live through the days for these clients; the app's own store is only read."""
    place = copying.place()
    try:
        with app.store.read() as session:
            copying.fill(session, app.keyring, place, clients, asked.now)
        clock = TurnedClock(asked.now)
        return asyncio.run(_live(_on_copy(app, place, clock), clock, asked, progress))
    finally:
        place.close()


def _on_copy(app: App, place: copying.Place, clock: TurnedClock) -> App:
    """The product with nothing left of the installation but its settings and templates."""
    return replace(
        app,
        clock=clock,
        store=place.store,
        keyring=place.keyring,
        inbox=Inbox(place.store, place.keyring, app.policy),
        wake=asyncio.Event(),
        channels={name: Paper(name) for name in ("email", "sms")},
        readers={},
        meters=Meters(),
        pulse=Pulse(),
        notice=Notice(),
    )


async def _live(app: App, clock: TurnedClock, asked: Asked, progress: Progress) -> Coming:
    problems: Counter[str] = Counter()
    app.refresh()
    with app.store.read() as session:
        began = gathering.began(session, app.keyring, asked.now)
    gone = await app.store.write(lambda session: _begin(session, app, asked))
    began = replace(began, gone=frozenset(gone))
    if asked.publish:
        await publishing.publish(app, {"text": asked.publish, "by": "preview"}, silent)
    await _drain(app, problems)
    while (moment := _next(app)) is not None:
        at = moment if moment > clock.now() else clock.now() + _STUCK
        if at >= asked.until:
            break
        clock.turn(at)
        await _drain(app, problems)
        progress((at - asked.now) // _DAY, asked.days)
    progress(asked.days, asked.days)
    with app.store.read() as session:
        return Coming(gathering.read(session, app.keyring, began), problems)


def _begin(session: Session, app: App, asked: Asked) -> Collection[int]:
    """What is on the wire has arrived, what was about to leave is judged anew."""
    office = app.office()
    on_wire = select(Message.id).where(col(Message.state).in_((State.SENDING, State.IN_DOUBT)))
    gone = list(session.exec(on_wire))
    delivery.went_all(session, office, [(one, Sent(f"preview-{one}")) for one in gone])
    back = update(Message).where(
        col(Message.state) == State.CLAIMED, col(Message.audience) == Audience.CLIENT
    )
    session.execute(back.values(state=State.QUEUED, send_after=asked.now, lease_id=None))
    if asked.as_if_live:
        session.add(LiveSwitch(state="open", changed_at=asked.now, changed_by="preview"))
        session.flush()
        outbox.wake_rule(session, "not_live", asked.now)
    return gone


def _next(app: App) -> dt.datetime | None:
    with app.store.read() as session:
        return worker.next_due(session)


async def _drain(app: App, problems: Counter[str]) -> None:
    """What cannot be worked on is put off, as it would be, and counted."""
    try:
        await worker.drain(app)
    except ExceptionGroup as group:
        problems.update(type(error).__name__ for error in group.exceptions)
    await app.store.write(lambda session: _read_by_staff(session, app.clock.now()))


def _read_by_staff(session: Session, now: dt.datetime) -> None:
    """What staff would read is nobody's question here: it counts as read, and is never drawn."""
    due = (col(Message.state) == State.QUEUED, col(Message.send_after) <= now)
    ours = update(Message).where(col(Message.audience) != Audience.CLIENT, *due)
    session.execute(ours.values(state=State.SENT, sent_at=now))
