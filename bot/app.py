"""How is the product put together? The composition root: the only place that knows every part.

``live`` puts it together from the environment; the sandbox passes its own clock and addresses.
Everything else is given what it needs, and imports no vendor.
"""

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from pydantic import TypeAdapter

from billing import policy as policies
from billing import publication
from billing.clock import Clock, SystemClock
from billing.keyring import Keyring
from billing.policy import Policy
from billing.publication import Published
from billing.store import Store
from bot import factsheet, masterkeys, schema, unsubscribe
from bot.custody import erasurelog, processors, restated
from bot.inbox import Inbox, Parcel
from bot.intake import Fact
from bot.papers import logos
from bot.papers.enclosed import Enclosing
from bot.settings import PREFIX, Settings, SettingsMissing
from bot.slack import cards, marks, postings
from bot.slack.channel import SlackChannel
from bot.slack.letters import letters
from bot.slack.people import Places, web_client
from bot.spool import Spool
from bot.unsubscribe import Links
from bot.watching import tracing
from bot.watching.heartbeat import Pulse
from bot.watching.metrics import Meters
from bot.watching.tracing import Tracing, Untraced
from comms import enclosures
from comms.channels import bounces, feedback, inbound_mail, sms, twilio_hooks
from comms.channels.email import Email
from comms.compliance import screening
from comms.compliance.material import Parties
from comms.compliance.screening import Screen
from comms.delivery import Cards
from comms.duties.instructions import Instruction
from comms.enclosures import File
from comms.facts import InboundMessage
from comms.law import counsel
from comms.listening.screening import NOBODY, screened
from comms.office import Office, Papers
from comms.ports import Channel
from comms.processors import Processors
from comms.rendering import Templates
from comms.writing import template_lint

Reader = Callable[[Parcel], Sequence[Fact]]
"""Reads a kept request; raises ValueError where it cannot be read."""
Knows = Callable[[InboundMessage], Parties]
"""Who is counsel for whoever wrote this, and what people taught of them."""


@dataclass
class Notice:
    """What was published last, as far as this process has seen."""

    last: Published | None = None


@dataclass(frozen=True, kw_only=True)
class App:
    """The running product: what every part of the process is given."""

    settings: Settings
    clock: Clock
    store: Store
    keyring: Keyring
    policy: Policy
    """As it is given; ``rules`` is what holds."""
    templates: Templates
    inbox: Inbox
    spool: Spool
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a row arrived that the worker should look at now."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is to stop: what was begun is finished, and no row more is begun."""
    channels: Mapping[str, Channel] = field(default_factory=dict)
    readers: Mapping[str, Reader] = field(default_factory=dict)
    cards: Cards = cards.compose
    places: Places | None = None
    """Asks Slack who is a guest, and what is shared; nobody is asked where it is not there."""
    papers: Papers | None = None
    links: Links | None = None
    """Where there is no public address, no mail has one."""
    processors: Processors = field(default_factory=dict)
    meters: Meters = field(default_factory=Meters)
    pulse: Pulse = field(default_factory=Pulse)
    notice: Notice = field(default_factory=Notice)
    tracing: Tracing = field(default_factory=Untraced)

    @property
    def rules(self) -> Policy:
        """The policy that holds: the one published last, or else the one that is given."""
        last = self.notice.last
        return self.policy if last is None else last.policy

    def refresh(self, latest_id: int | None = None) -> None:
        """Take over what was published meanwhile; ``latest_id`` of it, where it is known."""
        have = self.notice.last.id if self.notice.last else 0
        if latest_id == have:
            return
        with self.store.read() as session:
            self.notice.last = publication.latest(session)

    def office(self) -> Office:
        """What comms need for one transaction that begins now."""
        return Office(
            keyring=self.keyring,
            policy=self.rules,
            now=self.clock.now(),
            wall=self.clock.wall(),
            finance=self.settings.slack_finance_channel,
            clients=self.settings.slack_clients_channel,
            papers=self.papers,
            processors=self.processors,
            unsubscribe=self.links.of if self.links else None,
        )

    async def close(self) -> None:
        """Finish what was begun and give every connection back."""
        for channel in self.channels.values():
            await channel.close()
        self.tracing.close()
        self.store.close()
        self.keyring.close()


_INSTRUCTION: TypeAdapter[Instruction] = TypeAdapter(Instruction)
PATIENCE = dt.timedelta(seconds=5)
"""For one message to be screened: a million characters take less."""
PATIENCE_WITH_FILES = dt.timedelta(seconds=15)
"""For the files of one message to be opened; and as long again to be screened."""
CHANNEL_SETTINGS = (
    "public_url",
    "twilio_account_sid",
    "twilio_auth_token",
    "twilio_from",
    "slack_bot_token",
    "slack_signing_secret",
    "slack_finance_channel",
    "slack_clients_channel",
    "smtp_url",
    "email_hook_secret",
)


def live(settings: Settings, clock: Clock | None = None, *, durable: bool = True) -> App:
    """The product as it serves: its store, its keys, and every way in and out.

    ``durable`` False is for a store that is thrown away when the process ends.

    Raises:
        SettingsMissing: one sentence for each setting that is missing or a default.
        StoreBusy: another process writes this SQLite store.
        billing.policy.PolicyError: the policy cannot be used.
        bot.schema.SchemaMismatch: the store's schema is not the one of this version.
        bot.custody.erasurelog.NotReplayed: somebody who was erased is in this copy of the store.
        bot.custody.erasurelog.LogDamaged: a log outside the store lacks what the store knows of.
    """
    given = ("facts_hook_secret",) if settings.facts_hook_secret else ()
    settings.need("master_key", *CHANNEL_SETTINGS, *given)
    settings.need_apart()
    with ExitStack() as opened:
        traced = tracing.begin(settings.otlp_url)
        opened.callback(traced.close)
        app = books(settings, clock, durable=durable)
        opened.callback(app.store.close)
        opened.callback(app.keyring.close)
        _need_fit(settings, app.rules.packs())
        restated.bring_up(app, settings.strictures_file)
        erasurelog.need_replayed(settings.erasures_file, app.store, app.keyring)
        whole = _with_edges(replace(app, tracing=traced))
        opened.pop_all()
    return whole


def _with_edges(app: App) -> App:
    """The same with every way in and out."""
    settings = app.settings
    reading = readers(settings, app.clock, knows=acquainted(app))
    shown = readers(settings, app.clock, knows=acquainted(app), whole=False)
    return replace(
        app,
        channels=_channels(settings, app.clock),
        readers=reading,
        places=Places(web_client(_secret(settings, "slack_bot_token"), settings.slack_base_url)),
        cards=partial(cards.compose, letters=letters(shown)),
        papers=Enclosing(app.keyring, partial(logos.read, settings.logo)),
    )


def _need_fit(settings: Settings, packs: tuple[str, ...]) -> None:
    """No message leaves by a template that says what its channel may not.

    Raises:
        SettingsMissing: one sentence for each mistake in the firm's own templates.
    """
    folder = settings.templates_dir
    found = template_lint.lint(folder, packs) if folder and folder.is_dir() else []
    if found:
        said = " ".join(f"{one.file}, line {one.line}: {one.sentence}." for one in found)
        raise SettingsMissing(f"{PREFIX}TEMPLATES_DIR cannot be used. {said}")


def books(
    settings: Settings,
    clock: Clock | None = None,
    *,
    writable: bool = True,
    durable: bool = True,
) -> App:
    """The product without its channels: what a command that only reads or books needs.

    ``durable`` False is for a store that is thrown away when the command ends.

    Raises:
        SettingsMissing, StoreBusy, PolicyError, SchemaMismatch: see ``live``.
        billing.keyring.WrongMasterKey: the keyring was made with another master key.
        bot.report.Wrong: the register of processors cannot be used.
    """
    settings.need("master_key")
    known = processors.parties(processors.register(settings))
    policy = policies.load(settings.policy_file) if settings.policy_file else policies.default()
    with ExitStack() as opened:
        store = Store(settings.database_url, writable=writable, durable=durable)
        opened.callback(store.close)
        schema.need_head(store.engine)
        keys = masterkeys.valid(settings)
        keyring = Keyring(settings.keyring_url, *keys, durable=durable)
        opened.callback(keyring.close)
        app = App(
            settings=settings,
            clock=clock or SystemClock(),
            store=store,
            keyring=keyring,
            policy=policy,
            templates=Templates([settings.templates_dir] if settings.templates_dir else []),
            inbox=Inbox(store, keyring, policy),
            spool=Spool(settings.spool_file, *keys),
            links=Links(settings.public_url, keys) if settings.public_url else None,
            processors=known,
        )
        app.refresh()
        opened.pop_all()
    return app


def _channels(settings: Settings, clock: Clock) -> dict[str, Channel]:
    account = sms.Account(
        sid=settings.twilio_account_sid,
        token=_secret(settings, "twilio_auth_token"),
        public_url=settings.public_url,
        sender=settings.twilio_messaging_service_sid or settings.twilio_from,
        base_url=settings.twilio_base_url,
    )
    slack = SlackChannel(_secret(settings, "slack_bot_token"), base_url=settings.slack_base_url)
    return {
        "sms": sms.Sms(account),
        "email": Email(settings.smtp_url, clock),
        "slack": slack,
    }


def _secret(settings: Settings, name: str) -> str:
    return settings.valid(name)[0]


def acquainted(app: App) -> Knows:
    """Looks up who is counsel, and what people taught of a sender, in the rows of this moment."""

    def parties(message: InboundMessage) -> Parties:
        with app.store.read() as session:
            return counsel.parties(session, app.office(), message)

    return parties


def readers(
    settings: Settings,
    clock: Clock,
    screen: Screen = screening.screen,
    *,
    knows: Knows = lambda _: NOBODY,
    whole: bool = True,
) -> dict[str, Reader]:
    """How what was kept of each source is read again; what people wrote comes screened.

    Without ``whole`` the files that came with a mail stay closed: opening them takes seconds.
    """

    def seen(message: InboundMessage, files: Sequence[File] = ()) -> list[Fact]:
        opened = _with_files(message, files if whole else (), clock)
        return [_screened(opened, clock, screen, knows(message))]

    return {
        "twilio.sms": lambda parcel: seen(
            twilio_hooks.read_inbound(twilio_hooks.parse(parcel.body))
        ),
        "twilio.status": _read_status,
        "email": lambda parcel: (
            feedback.reports(parcel.body)
            or [
                *bounces.reports(parcel.body),
                *seen(*inbound_mail.opened(parcel.body, our_host=settings.email_host)),
            ]
        ),
        unsubscribe.SOURCE: unsubscribe.read,
        "slack.event": lambda parcel: [*marks.read(parcel), *postings.read(parcel)],
        "slack.instruction": _read_instruction,
        **dict.fromkeys(factsheet.ROWS, lambda parcel: factsheet.read(parcel.body)),
    }


def _with_files(message: InboundMessage, files: Sequence[File], clock: Clock) -> InboundMessage:
    """With what stands in the files that came with it, as far as it can be read in time."""
    until = clock.wall() + PATIENCE_WITH_FILES

    def left() -> float:
        return (until - clock.wall()).total_seconds()

    told = enclosures.read(files, left)
    return message.model_copy(update={"enclosed": (*message.enclosed, *told)})


def _screened(
    message: InboundMessage, clock: Clock, screen: Screen, parties: Parties
) -> InboundMessage:
    """What is not screened in time is sealed."""
    until = clock.wall() + PATIENCE
    files_until = until + PATIENCE_WITH_FILES
    return screened(
        message,
        parties,
        screen,
        spent=lambda: clock.wall() >= until,
        files_spent=lambda: clock.wall() >= files_until,
    )


def _read_status(parcel: Parcel) -> Sequence[Fact]:
    report = twilio_hooks.read_status(
        twilio_hooks.parse(parcel.body), twilio_hooks.parse(parcel.query.encode())
    )
    return [report] if report else []


def _read_instruction(parcel: Parcel) -> Sequence[Fact]:
    return [_INSTRUCTION.validate_python(json.loads(parcel.body))]
