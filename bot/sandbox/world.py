"""What is there when the sandbox runs? The product, and the world around it, on one machine.

The product is the production code with the official SDKs; the world is a carrier, a Slack workspace
and a mail server that speak the vendors' wire. Facts of the example firm happen on their days as
the clock is turned: from due moment to due moment, the worker drained until it rests.
"""

import asyncio
import datetime as dt
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlmodel import Session, select

from billing import calendar, portfolio, shipped
from billing.clock import TurnedClock
from billing.facts import (
    AgreementDescribed,
    ClientDescribed,
    Fact,
    InvoiceDisputed,
    InvoiceIssued,
    PaymentSettled,
)
from billing.keyring import new_master_key
from billing.models import Client, LiveSwitch
from bot import factsheet, intake, schema, worker
from bot import firm as firms
from bot.app import App, live
from bot.desk import Desk, drain_spool
from bot.firm import Firm
from bot.sandbox import loopback
from bot.sandbox.slack import Slack
from bot.sandbox.smtp import Mail
from bot.sandbox.twilio import Twilio
from bot.settings import Settings
from bot.slack.hook import slack_side
from bot.web import web
from comms import outbox
from comms.facts import ClientSaid, ConsentStated, ReplyHandled

MORNING = dt.time(9)
BEFORE_WORK = dt.time(5)
"""Payments come in before anybody is written to that day, and after the day's decisions."""
SOURCE = "csv"
_MOMENTS = ("happened_at", "told_at", "made_at", "closed_at", "corrected_at")
"""Where a fact says exactly when it was."""


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """A fact of the example firm, and the moment at which it becomes known."""

    at: dt.datetime
    order: int
    fact: Fact = field(compare=False)


@dataclass
class World:
    """The running sandbox."""

    app: App
    clock: TurnedClock
    firm: Firm
    twilio: Twilio
    slack: Slack
    mail: Mail
    url: str
    """Where the product's own HTTP side answers."""
    events: list[Event] = field(default_factory=list)
    revision: int = 0
    """Counts up whenever something may have changed: who shows the world looks again."""
    watchers: set["asyncio.Queue[int]"] = field(default_factory=set)

    def changed(self) -> None:
        """Something happened: everybody who watches is told."""
        self.revision += 1
        for watcher in self.watchers:
            watcher.put_nowait(self.revision)

    async def changes(self) -> AsyncIterator[int]:
        """The new revision, each time something changed."""
        watcher: asyncio.Queue[int] = asyncio.Queue()
        self.watchers.add(watcher)
        try:
            while True:
                yield await watcher.get()
        finally:
            self.watchers.discard(watcher)

    async def settle(self) -> int:
        """Let everything happen that can happen now, on both sides of the wire."""
        moved = 0
        while True:
            await drain_spool(self.app)
            step = await worker.drain(self.app)
            await self.twilio.settle()
            if not step:
                break
            moved += step
        if moved:
            self.changed()
        return moved

    def next_moment(self) -> dt.datetime | None:
        """When something will happen next: a fact of the story, or a due row."""
        with self.app.store.read() as session:
            due = worker.next_due(session)
        told = self.events[0].at if self.events else None
        found = [moment for moment in (due, told) if moment is not None]
        return min(found, default=None)

    async def step(self, until: dt.datetime) -> bool:
        """Go to the next moment before ``until`` and let it happen; False where there is none."""
        moment = self.next_moment()
        if moment is None or moment > until:
            return False
        if moment > self.clock.now():
            self.clock.turn(moment)
        told = [event.fact for event in self.events if event.at <= self.clock.now()]
        if told:
            del self.events[: len(told)]
            await self.tell(*told)
        await self.settle()
        return True

    async def turn(self, until: dt.datetime) -> None:
        """Turn the clock, stopping wherever something happens."""
        while await self.step(until):
            pass
        if until > self.clock.now():
            self.clock.turn(until)
        await self.settle()
        self.changed()

    async def tell(self, *told: Fact) -> None:
        """Tell the product what an engine knows now, and let it follow."""
        keys = self.spare_keys(sum(isinstance(fact, ClientDescribed) for fact in told))

        def take_in(session: Session) -> None:
            for fact in told:
                intake.take_in(session, self.app.office(), fact, keys)

        def touched(session: Session) -> set[int]:
            return {one for fact in told for one in intake.clients_of(fact)(session)}

        await self.app.store.write(take_in, clients=touched)

    async def texts(self, phone: str, body: str, to: str = "") -> int:
        """A phone texts us, at the number that wrote to it last; returns the hook's status."""
        heard = [text.other for text in self.twilio.phones[phone] if text.direction == "in"]
        number = to or (heard[-1] if heard else min(self.twilio.senders))
        status = await self.twilio.text(phone, number, body)
        await self.settle()
        return status

    async def mails(
        self, mailbox: str, subject: str, body: str, in_reply_to: str | None = None
    ) -> int:
        """A mailbox writes to us, to whom it answers if it does; returns the hook's status."""
        got = self.mail.mailboxes[mailbox.lower()]
        letter = next((one for one in got if one.message_id == in_reply_to), None)
        last = letter or (got[-1] if got else None)
        to = last.sender if last else str(self.firm.legal_entity[0].from_address)
        status = await self.mail.write(mailbox, to, subject, body, letter or in_reply_to)
        await self.settle()
        return status

    def spare_keys(self, count: int) -> Iterator[str]:
        """Keys for clients that are about to be made."""
        owners = [f"client:{os.urandom(12).hex()}" for _ in range(count)]
        if owners:
            self.app.keyring.make(owners, self.clock.now())
        return iter(owners)

    async def golive(self, *, open_: bool, by: str) -> None:
        """Turn the go-live switch for the whole firm."""
        now = self.clock.now()

        def turn(session: Session) -> None:
            state = "open" if open_ else "closed"
            session.add(LiveSwitch(state=state, changed_at=now, changed_by=by))
            outbox.wake_rule(session, "not_live", now)

        await self.app.store.write(turn)
        await self.settle()
        self.changed()


@asynccontextmanager
async def running(folder: Path, **settings_: object) -> AsyncIterator[World]:
    """The sandbox on a new store in ``folder``, the example firm imported, nothing sent yet.

    ``database_url`` and ``keyring_url`` put it into empty databases elsewhere; any other setting
    can be given as well.
    """
    firm = firms.read(shipped.path("examples", "firm.toml"))
    start = dt.datetime.fromisoformat(str(firm.story["start"])).replace(tzinfo=dt.UTC)
    clock = TurnedClock(start + dt.timedelta(hours=6))
    twilio = Twilio("AC" + "5a" * 16, os.urandom(16).hex(), clock)
    slack = Slack(f"xoxb-{os.urandom(12).hex()}", os.urandom(16).hex(), clock)
    mail = Mail(clock)
    async with AsyncExitStack() as stack:
        twilio_url = await stack.enter_async_context(loopback.serve(twilio.app))
        slack_url = await stack.enter_async_context(slack.serving())
        smtp_port = await stack.enter_async_context(mail.serving())
        listener = stack.enter_context(loopback.listen())
        settings = _settings(folder, listener.getsockname()[1], twilio, slack)
        settings = settings.model_copy(
            update={
                "twilio_base_url": twilio_url,
                "slack_base_url": f"{slack_url}/api/",
                "smtp_url": f"smtp://127.0.0.1:{smtp_port}",
                **settings_,
            }
        )
        schema.lay(settings.database_url)
        app = live(settings, clock, durable=False)
        stack.push_async_callback(app.close)
        site = web(app, slack_side(Desk(app)))
        url = await stack.enter_async_context(loopback.serve(site, listener))
        world = World(app, clock, firm, twilio, slack, mail, url)
        _people(world)
        _addresses(world, settings)
        await _history(world)
        await world.settle()
        yield world


def _settings(folder: Path, port: int, twilio: Twilio, slack: Slack) -> Settings:
    new_master_key(folder / "sandbox.key")
    return Settings(
        database_url=f"sqlite:///{folder / 'sandbox.db'}",
        master_key_file=folder / "sandbox.key",
        public_url=f"http://127.0.0.1:{port}",
        port=port,
        twilio_account_sid=twilio.account_sid,
        twilio_auth_token=twilio.auth_token,
        twilio_from="+15005550006",
        slack_bot_token=slack.bot_token,
        slack_signing_secret=slack.signing_secret,
        slack_finance_channel="C0FINANCE",
        slack_clients_channel="C0CLIENTS",
        email_hook_secret=os.urandom(16).hex(),
        smtp_url="smtp://127.0.0.1:1",
    )


def slack_id(name: str) -> str:
    """The workspace id of a member of the example firm."""
    return f"U0{name.upper()}"


def _people(world: World) -> None:
    """The example firm's staff, in the store and in the workspace."""
    people = tuple(
        person.model_copy(update={"slack_user": slack_id(person.slack_user)})
        for person in world.firm.staff
    )
    firm = world.firm.model_copy(update={"staff": people})
    world.app.store.write_now(
        lambda session: firms.establish(session, firm, world.clock.now(), "sandbox")
    )
    for person in people:
        world.slack.add_user(person.slack_user, person.name, person.email)
    members = [person.slack_user for person in people]
    world.slack.add_channel("C0FINANCE", "finance", members)
    world.slack.add_channel("C0CLIENTS", "clients", members)


def _addresses(world: World, settings: Settings) -> None:
    """Tell the world where the product's hooks are."""
    world.twilio.inbound_url = f"{settings.public_url}/hooks/twilio/sms"
    world.twilio.senders |= {entity.phone for entity in world.firm.legal_entity if entity.phone}
    world.slack.request_url = f"{settings.public_url}/hooks/slack"
    world.mail.inbound_url = f"{settings.public_url}/hooks/email"
    world.mail.inbound_secret = settings.valid("email_hook_secret")[0]


async def _history(world: World) -> None:
    """Import what is past at the story's start; keep what is to come for its day."""
    now = world.clock.now()
    read = portfolio.read(shipped.path("examples", "portfolio.csv"))
    agreements = portfolio.read_agreements(shipped.path("examples", "agreements.csv"))
    facts = [fact for row in read.rows for fact in portfolio.to_facts(row, now.date())]
    told = factsheet.read(shipped.path("examples", "events.json").read_bytes())
    facts += [
        fact for fact in told if not isinstance(fact, ClientSaid | ReplyHandled | ConsentStated)
    ]
    zones = {
        fact.external_id: fact.timezone or "UTC"
        for fact in facts
        if isinstance(fact, ClientDescribed)
    }
    unique = {fact.key: fact for fact in (*facts, *agreements.facts)}
    events = sorted(
        Event(_known_at(fact, zones), number, fact) for number, fact in enumerate(unique.values())
    )
    past = [event.fact for event in events if event.at <= now]
    world.events = [event for event in events if event.at > now]
    keys = world.spare_keys(len(zones))
    await world.app.store.write(
        lambda session: [intake.book(session, world.app.office(), fact, keys) for fact in past]
    )


def _known_at(fact: Fact, zones: dict[str, str]) -> dt.datetime:
    """When the sandbox tells a fact: at its moment, or on its day in the client's own time."""
    told = [moment for name in _MOMENTS if (moment := getattr(fact, name, None)) is not None]
    if told:
        return told[0]  # type: ignore[no-any-return]
    match fact:
        case ClientDescribed() | AgreementDescribed():
            return dt.datetime.min.replace(tzinfo=dt.UTC)
        case InvoiceIssued():
            day, time = fact.issued_on, MORNING
        case InvoiceDisputed():
            day, time = fact.opened_on, MORNING
        case PaymentSettled():
            day, time = fact.received_on, BEFORE_WORK
        case _:
            raise TypeError(f"the sandbox does not tell a {type(fact).__name__}")
    zone = calendar.zone(zones[fact.client_external_id])
    return dt.datetime.combine(day, time, zone).astimezone(dt.UTC)


def client_named(session: Session, name: str) -> Client:
    """A client of the store by its name."""
    return session.exec(select(Client).where(Client.name == name)).one()
