"""A firm, its clients and their messages, made by plain functions; and the product around them.

``product`` runs the production code with the official SDKs against the sandbox's stand-ins.
"""

import datetime as dt
import functools
import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr
from sqlmodel import Session, col, select
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import override

from billing import ledger, policy, vault
from billing.clock import TurnedClock
from billing.facts import ClientDescribed, InvoiceIssued, PaymentSettled
from billing.keyring import KeyGone, Keyring
from billing.models import Address, Client, Contact, LegalEntity, LiveSwitch
from billing.store import Store
from bot import worker
from bot.app import App, live
from bot.desk import Desk
from bot.models import Incoming
from bot.sandbox import loopback
from bot.sandbox.slack import Slack
from bot.sandbox.smtp import Mail
from bot.sandbox.twilio import Twilio
from bot.settings import Settings
from bot.slack.hook import slack_side
from bot.spool import Spool
from bot.web import SlackSide, web
from comms import consent, delivery, outbox, outreach, staff
from comms.delivery import Cards
from comms.models import Attempt, Audience, ConsentEvent, Message, Purpose
from comms.office import Office
from comms.outbox import Claim
from comms.ports import Outgoing
from comms.rendering import Templates
from tests import ports

T = TypeVar("T")
NOON = dt.datetime(2026, 1, 6, 17, 0, tzinfo=dt.UTC)
"""A Tuesday, 12:00 in New York: every channel is open there."""
SENDER = "+15005550006"
PHONE = "+12125550123"
MAILBOX = "ann@northwind.example"
TOKEN = "b9b5ad9d3ce11b6e4c1c3f36f86bf0aa"
SIGNING_SECRET = "80a1d3f0c7f1c9d1a37b2b4e8fd6c2f5"
MAIL_SECRET = "3c0f6a6b9f5b4d0b8fd2b4df01c4a6ee"
FINANCE, CLIENTS = "C0FINANCE", "C0CLIENTS"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Known:
    """The ids of a client, its one contact and that person's addresses."""

    name: str
    client_id: int
    contact_id: int
    email_id: int | None
    phone_id: int | None
    phone: str
    email: str

    def address(self, channel: str) -> int | None:
        return self.phone_id if channel == "sms" else self.email_id


def firm(session: Session, now: dt.datetime) -> int:
    """Our one legal entity, the switch open for everybody; its id."""
    entity = LegalEntity(
        name="Harrow Law",
        from_name="Harrow Law",
        postal_address="12 Tanner Row, Albany",
        from_address="accounts@harrow.example",
        pay_link="https://pay.example/h",
        phone=SENDER,
    )
    session.add(entity)
    switch(session, now)
    session.flush()
    return entity.id


def switch(session: Session, now: dt.datetime, state: str = "open", **more: Any) -> None:
    """A turn of the go-live switch, of the firm unless ``client_id`` is given."""
    session.add(LiveSwitch(state=state, changed_at=now, **more))


def client(
    session: Session,
    keyring: Keyring,
    now: dt.datetime,
    name: str = "Northwind Trading",
    *,
    phone: str | None = PHONE,
    email: str | None = MAILBOX,
    agreed: bool = True,
) -> Known:
    """A client in New York with one contact; ``agreed`` to texts."""
    owner = f"client:{name}"
    keyring.make([owner], now)
    told = ClientDescribed(
        source="test", external_id=name, name=name, timezone="America/New_York",
        phone=phone, email=email, contact_name="Ann Lee",
    )  # fmt: skip
    client_id = ledger.apply(session, told, now, iter([owner])).client_id
    session.flush()
    contact_id = session.exec(select(Contact.id).where(Contact.client_id == client_id)).one()
    phone_id, email_id = _address(session, "sms", phone), _address(session, "email", email)
    if agreed and phone_id is not None:
        agree(session, phone_id, now)
    return Known(name, client_id, contact_id, email_id, phone_id, phone or "", email or "")


def _address(session: Session, kind: str, value: str | None) -> int | None:
    query = select(Address.id).where(Address.kind == kind, Address.value == value)
    return session.exec(query).one() if value else None


def agree(session: Session, address_id: int, now: dt.datetime, change: str = "granted") -> None:
    """The person at an address says yes, or no."""
    event = ConsentEvent(
        address_id=address_id, change=change, method="form", source="test",
        occurred_at=now, recorded_at=now,
    )  # fmt: skip
    consent.record(session, event)


def owes(
    session: Session,
    known: Known,
    now: dt.datetime,
    *,
    days: int = 31,
    number: str = "INV-1",
    amount: int = 31_000,
) -> None:
    """An invoice that was issued ``days`` ago and fell due a week later."""
    issued = now.date() - dt.timedelta(days=days)
    told = InvoiceIssued(
        source="test", client_external_id=known.name, number=number, amount=amount,
        currency="USD", issued_on=issued, due_on=issued + dt.timedelta(days=7),
    )  # fmt: skip
    ledger.apply(session, told, now, iter(()))


def paid(known: Known, now: dt.datetime, amount: int = 31_000) -> PaymentSettled:
    """The fact that the client paid."""
    return PaymentSettled(
        source="test", external_id=f"P-{known.name}", client_external_id=known.name,
        amount=amount, currency="USD", received_on=now.date(),
    )  # fmt: skip


def reminder(session: Session, office: Office, known: Known) -> int:
    """The client owes, and its first reminder is queued (by email); the message's id."""
    owes(session, known, office.now)
    outreach.advance_client(session, office, known.client_id)
    query = select(Message.id).where(
        Message.client_id == known.client_id, Message.purpose == Purpose.DUNNING
    )
    return session.exec(query).one()


def note(
    session: Session,
    keyring: Keyring,
    known: Known,
    now: dt.datetime,
    **given: Any,
) -> int:
    """A text that staff wrote, queued by SMS unless ``channel`` says otherwise; its id."""
    channel = given.pop("channel", "sms")
    words = given.pop("words", f"Your file is ready, number {next(_numbers)}.")
    body = vault.put(session, keyring, f"client:{known.name}", words, now)
    fields: dict[str, Any] = {
        "key": f"note:{next(_numbers)}",
        "reference": "",
        "audience": Audience.CLIENT,
        "channel": channel,
        "purpose": Purpose.STAFF_TEXT,
        "template": "staff_text",
        "client_id": known.client_id,
        "legal_entity_id": session.exec(select(LegalEntity.id)).one(),
        "contact_id": known.contact_id,
        "address_id": known.address(channel),
        "draft_id": body,
        "send_after": now,
        "created_at": now,
    }
    message_id = outbox.queue(session, Message(**fields | given))
    assert message_id is not None
    return message_id


def office(keyring: Keyring, now: dt.datetime = NOON, wall: dt.datetime = NOON) -> Office:
    """What comms need for one transaction at that moment."""
    return Office(keyring, policy.default(), now, wall, FINANCE, CLIENTS)


def outgoing(reference: str = "r") -> Outgoing:
    """Something that was rendered for staff."""
    return Outgoing(reference=reference, to=FINANCE, sender="", text="Look at this.")


def sealed(session: Session, keyring: Keyring, body: str, now: dt.datetime) -> int:
    """A body that belongs to nobody yet."""
    owner = f"inbox:{now:%Y-%m-%d}"
    keyring.make([owner], now)
    return vault.put(session, keyring, owner, body, now)


def opened(session: Session, keyring: Keyring, vault_id: int) -> bytes:
    """A body in the vault, or nothing where its key is gone."""
    try:
        return vault.get(session, keyring, vault_id)
    except KeyGone:
        return b""


def the_client(session: Session) -> Client:
    """The only one there is."""
    return session.exec(select(Client)).one()


def claim(
    session: Session, office: Office, message_id: int, outgoing: Outgoing | None = None
) -> Claim | None:
    """One message at the door; ``outgoing`` is its card, where it is one to staff."""
    cards: Cards = lambda *_: outgoing  # noqa: E731
    return next(iter(delivery.claim_all(session, office, Templates(), cards, [message_id])), None)


def message(store: Store, message_id: int) -> Message:
    """The message as it stands."""
    with store.read() as session:
        return session.get_one(Message, message_id)


def attempts(store: Store, message_id: int) -> list[Attempt]:
    """Its tries on the wire, in their order."""
    with store.read() as session:
        query = select(Attempt).where(Attempt.message_id == message_id).order_by(col(Attempt.id))
        return list(session.exec(query))


def messages(store: Store, **where: object) -> list[Message]:
    """The messages whose columns have these values, the oldest first."""
    with store.read() as session:
        query = select(Message).filter_by(**where).order_by(col(Message.id))
        return list(session.exec(query))


class WallClock(TurnedClock):
    """A clock whose wall can be turned as well, so that a lease can run out."""

    def __init__(self, start: dt.datetime) -> None:
        super().__init__(start)
        self.ahead = dt.timedelta()

    @override
    def wall(self) -> dt.datetime:
        return super().wall() + self.ahead


@dataclass
class Product:
    """The running product, and the world at its wire."""

    app: App
    clock: WallClock
    twilio: Twilio
    slack: Slack
    mail: Mail
    url: str

    @property
    def store(self) -> Store:
        return self.app.store

    def write(self, fn: Callable[[Session], T]) -> T:
        return self.app.store.write_now(fn)

    def known(self, name: str = "Northwind Trading", **addresses: Any) -> Known:
        now = self.clock.now()
        return self.write(lambda s: client(s, self.app.keyring, now, name, **addresses))

    def note(self, known: Known, **given: Any) -> int:
        now = self.clock.now()
        return self.write(lambda s: note(s, self.app.keyring, known, now, **given))

    def reminder(self, known: Known) -> int:
        return self.write(lambda s: reminder(s, self.app.office(), known))

    def alert(self) -> int:
        """Finance is told that something of nobody's could not be read; the message's id."""

        def tell(session: Session) -> int | None:
            row = Incoming(
                source="email", external_id="x", received_at=NOON, state="unreadable",
                body_id=sealed(session, self.app.keyring, "x", NOON),
            )  # fmt: skip
            session.add(row)
            session.flush()
            office = self.app.office()
            about = ("incoming", row.id)
            return staff.alert(session, office, key="x", template="unreadable", subject=about)

        message_id = self.write(tell)
        assert message_id is not None
        return message_id

    def state(self, message_id: int) -> str:
        return message(self.store, message_id).state

    async def settle(self) -> None:
        while await worker.drain(self.app):
            await self.twilio.settle()
        await self.twilio.settle()
        await worker.drain(self.app)

    async def later(self, **span: float) -> None:
        """Time passes, and what is due then happens."""
        self.clock.turn(self.clock.now() + dt.timedelta(**span))
        await self.settle()

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        answer = await loopback.post(self.url + path, body, headers, 60)
        return answer.status


@dataclass
class Outside:
    """The stand-ins, and the settings of a product that speaks with them."""

    clock: WallClock
    twilio: Twilio
    slack: Slack
    mail: Mail
    settings: Settings
    folder: Path
    port: int


@asynccontextmanager
async def outside(database: Any, folder: Path, public_url: str = "") -> AsyncIterator[Outside]:
    """A carrier, a workspace and a mail server on this machine."""
    clock = WallClock(NOON)
    twilio = Twilio("AC" + "5a" * 16, TOKEN, clock)
    slack = Slack(f"xoxb-{TOKEN}", SIGNING_SECRET, clock)
    slack.webhook_seconds = twilio.webhook_seconds = 60  # of a busy machine; Slack waits three
    mail = Mail(clock)
    mail.webhook_seconds = 60
    twilio.senders.add(SENDER)
    async with AsyncExitStack() as stack:
        port = stack.enter_context(ports.held())
        public = public_url or f"http://127.0.0.1:{port}"
        twilio_url = await stack.enter_async_context(loopback.serve(twilio.app))
        slack_url = await stack.enter_async_context(slack.serving())
        smtp_port = await stack.enter_async_context(mail.serving())
        slack.add_channel(FINANCE, "finance")
        slack.add_channel(CLIENTS, "clients")
        (folder / "key").write_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
        settings = Settings(
            database_url=database.url,
            keyring_url=database.keyring_url,
            master_key_file=folder / "key",
            public_url=public,
            twilio_account_sid=twilio.account_sid,
            twilio_auth_token=SecretStr(twilio.auth_token),
            twilio_from=SENDER,
            twilio_base_url=twilio_url,
            slack_bot_token=SecretStr(slack.bot_token),
            slack_signing_secret=SecretStr(slack.signing_secret),
            slack_base_url=f"{slack_url}/api/",
            slack_finance_channel=FINANCE,
            slack_clients_channel=CLIENTS,
            email_hook_secret=SecretStr(MAIL_SECRET),
            smtp_url=f"smtp://127.0.0.1:{smtp_port}",
        )
        twilio.inbound_url = f"{public}/hooks/twilio/sms"
        slack.request_url = f"{public}/hooks/slack"
        mail.inbound_url = f"{public}/hooks/email"
        mail.inbound_secret = MAIL_SECRET
        yield Outside(clock, twilio, slack, mail, settings, folder, port)


@asynccontextmanager
async def serving(around: Outside) -> AsyncIterator[Product]:
    """The product on what is there: started, or started again."""
    async with AsyncExitStack() as stack:
        app = live(around.settings, around.clock, durable=False)
        app = replace(app, spool=Spool(around.folder / "spool", bytes(range(32))))
        stack.push_async_callback(app.close)
        site = web(app, _when_asked(app))
        url = await stack.enter_async_context(loopback.serve(site, around.port))
        yield Product(app, around.clock, around.twilio, around.slack, around.mail, url)


@asynccontextmanager
async def product(database: Any, folder: Path, public_url: str = "") -> AsyncIterator[Product]:
    """The product on a migrated database, its firm established, the switch open."""
    async with outside(database, folder, public_url) as around, serving(around) as running:
        running.write(lambda session: firm(session, NOON))
        yield running


def _when_asked(app: App) -> SlackSide:
    """Slack's side, made at its first request: most tests make none."""
    # The machine that runs the tests may be busy: who clicks waits for the answer.
    made = functools.cache(lambda: slack_side(Desk(app, patience=15)))

    async def answer(request: Request, raw: bytes) -> Response:
        return await made()(request, raw)

    return answer
