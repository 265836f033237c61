"""How is a history lived through: the production code, a clock that is turned, and paper?

The store is thrown away afterwards, so it need not survive a power cut. Everything else is what
``serve`` runs: facts are taken in by ``intake`` at their moments, the worker looks at what is due
and delivers it through the door; only the channels lead nowhere.
"""

import base64
import datetime as dt
import os
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pydantic import SecretStr
from sqlmodel import Session

from billing import calendar, introductions
from billing.clock import TurnedClock
from billing.facts import ClientDescribed, Fact
from billing.introductions import Introduction
from billing.models import LiveSwitch
from billing.policy import Policy
from bot import consents, intake, schema, worker
from bot.app import App, books
from bot.firm import Firm, establish
from bot.replay.channel import Paper
from bot.replay.history import Event, History
from bot.report import Progress
from bot.settings import Settings

CHUNK = 500
"""Clients, or facts of the past, that are booked in one transaction."""
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """The days that are lived through, the first and the last included."""

    first: dt.date
    last: dt.date

    def __contains__(self, day: dt.date) -> bool:
        return self.first <= day <= self.last

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Setting:
    """What a history is lived through with."""

    history: History
    span: Span
    policy: Policy
    firm: Firm
    templates: Path | None = None

    @property
    def begins(self) -> dt.datetime:
        """When it is the first day wherever a client is."""
        return max(calendar.midnight(self.span.first, zone) for zone in self.history.zones)

    @property
    def ends(self) -> dt.datetime:
        """When the last day is over everywhere."""
        return max(calendar.midnight(self.span.last + _DAY, zone) for zone in self.history.zones)


@dataclass(frozen=True, slots=True)
class Course:
    """The running product, and the clock that it goes by."""

    setting: Setting
    app: App
    clock: TurnedClock


@asynccontextmanager
async def begun(setting: Setting) -> AsyncIterator[Course]:
    """The product on a store of its own that knows all clients, on paper, and may write to them."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-replay-") as folder:
        settings = Settings(
            database_url=f"sqlite:///{folder}/replay.db",
            keyring_url=f"sqlite:///{folder}/replay-keys.db",
            master_key=SecretStr(base64.b64encode(os.urandom(32)).decode()),
            templates_dir=setting.templates,
            policy_file=None,
            slack_finance_channel="finance",
            slack_clients_channel="clients",
        )
        schema.lay(settings.database_url)
        clock = TurnedClock(setting.begins)
        kept = books(settings, clock, durable=False)
        channels = {name: Paper(name) for name in ("email", "sms", "slack")}
        course = Course(setting, replace(kept, policy=setting.policy, channels=channels), clock)
        try:
            await _found(course)
            yield course
        finally:
            await course.app.close()


async def _found(course: Course) -> None:
    """The firm, open to write, and its clients; on the first day nothing has happened yet."""
    now = course.clock.now()

    def open_(session: Session) -> None:
        establish(session, course.setting.firm, now, "replay")
        session.add(LiveSwitch(state="open", changed_at=now, changed_by="replay"))

    await course.app.store.write(open_)
    clients = course.setting.history.clients
    owners = [f"client:{number}" for number in range(len(clients))]
    course.app.keyring.make(owners, now)
    for first in range(0, len(clients), CHUNK):
        chunk = slice(first, first + CHUNK)
        await course.app.store.write(partial(_introduce, course.app, clients[chunk], owners[chunk]))


def _introduce(
    app: App, told: Sequence[ClientDescribed], owners: Sequence[str], session: Session
) -> None:
    news = [Introduction(*pair) for pair in zip(told, owners, strict=True)]
    introductions.make(session, news, app.clock.now())
    consents.assert_all(session, app.office(), told)


async def live_through(course: Course, progress: Progress) -> None:
    """Let every day happen, from due moment to due moment; ``progress`` hears of each day."""
    span, end = course.setting.span, course.setting.ends
    events = [event for event in course.setting.history.events if event.day <= span.last]
    past = [event.fact for event in events if event.day < span.first]
    for first in range(0, len(past), CHUNK):
        await course.app.store.write(partial(_book, course.app, past[first : first + CHUNK]))
    coming = deque(event for event in events if event.day >= span.first)
    while (moment := _next(course, coming)) is not None and moment < end:
        course.clock.turn(max(moment, course.clock.now()))
        await _happen(course, coming)
        progress((course.clock.now().date() - span.first).days, span.days)
    progress(span.days, span.days)


def _next(course: Course, coming: Sequence[Event]) -> dt.datetime | None:
    """When something happens next: a fact of the history, or a due row."""
    with course.app.store.read() as session:
        due = worker.next_due(session)
    told = coming[0].at if coming else None
    return min((moment for moment in (due, told) if moment is not None), default=None)


async def _happen(course: Course, coming: deque[Event]) -> None:
    """What becomes known at this moment, and then all that follows until nothing is due."""
    here: list[Fact] = []
    while coming and coming[0].at <= course.clock.now():
        here.append(coming.popleft().fact)
    if here:
        await course.app.store.write(partial(_take_in, course.app, here))
    await worker.drain(course.app)


def _book(app: App, past: Sequence[Fact], session: Session) -> None:
    for fact in past:
        intake.book(session, app.office(), fact, iter(()))


def _take_in(app: App, here: Sequence[Fact], session: Session) -> None:
    intake.take_in_all(session, app.office(), here, iter(()))
