"""The sandbox's story with canaries aboard: what was brought in, and all that was made of it."""

import asyncio
import io
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    asynccontextmanager,
    closing,
    contextmanager,
    redirect_stderr,
    redirect_stdout,
)
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import SecretStr
from standardwebhooks import Webhook
from typer.testing import CliRunner

from billing.clock import Clock, SystemClock
from billing.keyring import Keyring
from billing.store import Store
from bot import app as root
from bot import backup, cli, masterkeys
from bot.api import tokens
from bot.desk import Desk
from bot.report import silent
from bot.sandbox import loopback, story
from bot.sandbox.chronicle import Chronicle
from bot.sandbox.loopback import Answer
from bot.sandbox.workspace import Post
from bot.sandbox.world import World, running, slack_id
from bot.settings import Settings
from bot.slack import cards
from bot.slack.hook import slack_side
from bot.slack.letters import letters
from bot.watching import logs, tracing
from bot.watching.metrics import Scrape
from bot.web import web
from comms.compliance.screening import Screen
from tests import ports
from tests.canary import cargo, sinks
from tests.canary.cargo import CLIENT, Words
from tests.canary.needles import Needle
from tests.canary.sinks import Place

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
ROOM = "C0CLIENTS"
DANA, PRIYA = slack_id("dana"), slack_id("priya")
"""Who looks after the client, and somebody who does not."""
LOADED = 2
"""The day of the story on whose evening everything comes in: the door to clients is open."""
BY_WIRE = ("email", "slack", "twilio/sms", "twilio/status", "facts")


@dataclass
class Voyage:
    """What was brought, and what was made."""

    settings: Settings
    needles: list[Needle] = field(default_factory=list)
    made: list[Place] = field(default_factory=list)
    """What lies somewhere, or was said to anybody."""
    opened: list[Place] = field(default_factory=list)
    """What only the keys open."""
    codes: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    """Commands, and the codes with which they ended."""

    def brought(self, words: Words) -> str:
        """These words are on the way."""
        self.needles += words.needles
        return words.text


@dataclass(frozen=True)
class Course:
    """Where to, for how long, and with which detectors."""

    folder: Path
    days: int = LOADED + 1
    database_url: str = ""
    keyring_url: str = ""
    screen: Screen | None = None
    clock: Callable[[Clock], Clock] | None = None
    """The clock by which messages are screened."""
    light: bool = False
    """With a part of the mails, and of what staff type."""


def sail(course: Course) -> Voyage:
    """The whole of it, with the log and all that is printed read along."""
    with _heard() as heard:
        voyage = asyncio.run(_sail(course))
    voyage.made += [("log", heard.getvalue().encode())]
    return voyage


@contextmanager
def _heard() -> Iterator[io.StringIO]:
    """All that is logged or printed, in lines of JSON and as a person at a terminal has it."""
    heard, own = io.StringIO(), logging.getLogger()
    before = own.handlers, own.level
    with redirect_stderr(heard), redirect_stdout(heard):
        logs.json_lines("debug")
        try:
            yield heard
        finally:
            structlog.reset_defaults()
            own.handlers, own.level = before


async def _sail(course: Course) -> Voyage:
    urls = {"database_url": course.database_url, "keyring_url": course.keyring_url}
    given: dict[str, Any] = {name: url for name, url in urls.items() if url}
    given |= {"facts_hook_secret": SecretStr(SECRET), "erasure_log": course.folder / "erasures"}
    seen = InMemorySpanExporter()
    async with running(course.folder, **given) as world, _watched(world, course, seen):
        voyage = Voyage(world.app.settings)
        async for day in story.days(world, course.days, Chronicle(world.app)):
            if day.number == LOADED:
                await _load(voyage, world, 4 if course.light else 1)
                copied(voyage.settings, course.folder / "midway", world.clock)
        await _look(voyage, world)
    voyage.made += sinks.spans(seen.get_finished_spans())
    return voyage


@asynccontextmanager
async def _watched(world: World, course: Course, seen: InMemorySpanExporter) -> AsyncIterator[None]:
    """The world with a product that is traced, and screens as the course says."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(seen))
    with ports.held() as port:
        url = f"http://127.0.0.1:{port}"
        settings = world.app.settings.model_copy(update={"public_url": url, "port": port})
        clock = course.clock(world.clock) if course.clock else world.clock
        readers = root.readers(settings, clock, *([course.screen] if course.screen else []))
        app = replace(
            world.app,
            settings=settings,
            tracing=tracing.Traced(provider),
            readers=readers,
            cards=partial(cards.compose, letters=letters(readers)),
        )
        world.app = app
        async with loopback.serve(web(app, slack_side(Desk(app))), port):
            world.url = url
            world.twilio.inbound_url = f"{url}/hooks/twilio/sms"
            world.slack.request_url = f"{url}/hooks/slack"
            world.mail.inbound_url = f"{url}/hooks/email"
            yield


# --- what comes aboard ----------------------------------------------------------------------------


async def _load(voyage: Voyage, world: World, part: int) -> None:
    await _mail(voyage, world, part)
    await _texts(voyage, world)
    await _facts(voyage, world)
    await _staff(voyage, world, part)
    await _nonsense(voyage, world)


async def _mail(voyage: Voyage, world: World, part: int) -> None:
    for letter in list(cargo.letters())[::part]:
        voyage.needles += letter.needles
        assert await world.mail.deliver_raw(letter.raw) == 200
    await world.settle()


async def _texts(voyage: Voyage, world: World) -> None:
    for phone, words in cargo.texts():
        assert await world.texts(phone, voyage.brought(words)) == 200


async def _facts(voyage: Voyage, world: World) -> None:
    """Over the hook the first half, over the API the other; a wrong one is refused by both."""
    made = await tokens.make(world.app, {"name": "crm", "scopes": ("facts:write",)}, silent)
    bearer = {"Authorization": f"Bearer {made.data['token']}", "Content-Type": "application/json"}
    address = f"{world.url}/api/v1/facts"
    for at, (fact, needles) in enumerate(cargo.told()):
        voyage.needles += needles
        raw = json.dumps(fact).encode()
        answer = await (loopback.post(address, raw, bearer) if at % 2 else _hook(world, raw, at))
        assert answer.status in (200, 409, 422), answer.body
        _answered(voyage, answer)
        await world.settle()
    wrong = voyage.brought(cargo.only_card("told wrongly"))
    for told in ({"type": wrong}, fact | {"amount": wrong}, fact | {wrong: 1}, [wrong]):
        raw = json.dumps(told).encode()
        _answered(voyage, await loopback.post(address, raw, bearer))
        _answered(voyage, await _hook(world, raw, 1000))


async def _hook(world: World, raw: bytes, number: int) -> Answer:
    name, moment = f"msg_{number}", world.clock.wall()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(SECRET).sign(name, moment, raw.decode()),
    }
    return await loopback.post(f"{world.url}/hooks/facts", raw, headers)


async def _staff(voyage: Voyage, world: World, part: int) -> None:
    """What staff type: after ``/acct``, into a form, into a thread, to the bot alone."""
    slack = world.slack
    pan = voyage.brought(cargo.only_card("typed after /acct"))
    for typed in (pan, f"why {pan}", f"timeline {pan}", f"pause {pan} 3d late", f"resume {pan}"):
        _answered(voyage, await slack.command(PRIYA, ROOM, "/acct", typed))
    for name, make in list(cargo.CONTENTS.items())[::part]:
        reason = voyage.brought(make(f"typed as a reason {name}"))
        typed = f'pause "{CLIENT}" 3d {reason}'
        _answered(voyage, await slack.command(DANA, ROOM, "/acct", typed))
        await world.settle()
        await _read_card(voyage, world)
        await _form(voyage, world, voyage.brought(make(f"typed into a form {name}")))
        await _read_card(voyage, world)
        words = voyage.brought(make(f"typed into a thread {name}"))
        said = await slack.say(DANA, ROOM, words, slack.messages(ROOM)[0].ts)
        edited = voyage.brought(make(f"typed instead {name}"))
        await slack.edit(DANA, ROOM, said.ts, edited)
        alone = voyage.brought(make(f"typed to the bot {name}"))
        await slack.say(DANA, slack.workspace.im(DANA).id, alone)
        await world.settle()


async def _read_card(voyage: Voyage, world: World) -> None:
    for typed in (CLIENT, f"why {CLIENT}", f"timeline {CLIENT}"):
        _answered(voyage, await world.slack.command(PRIYA, ROOM, "/acct", typed))


async def _form(voyage: Voyage, world: World, reason: str) -> None:
    slack = world.slack
    for typed in (f"resume {CLIENT}", CLIENT):  # only what is not paused can be
        _answered(voyage, await slack.command(DANA, ROOM, "/acct", typed))
        await world.settle()  # it may have been kept for later: the store is busy now and then
    await slack.click(DANA, ROOM, _card_of(slack.messages(ROOM)).ts, "client.pause")
    view = next(one for one in slack.workspace.views.values() if one.user == DANA)
    filled = {"days": {"days": "4"}, "reason": {"reason": reason}}
    _answered(voyage, await slack.submit(DANA, view.id, filled))
    slack.workspace.views.clear()
    await world.settle()


def _card_of(posts: list[Post]) -> Post:
    return [one for one in posts if one.ephemeral_to == DANA and "client.pause" in str(one)][-1]


async def _nonsense(voyage: Voyage, world: World) -> None:
    """Requests that nobody can read, with and without the right to make them."""
    pan = voyage.brought(cargo.only_card("nonsense"))
    secret = world.app.settings.valid("email_hook_secret")[0]
    for path in (*(f"hooks/{one}?q={pan}" for one in BY_WIRE), pan, f"api/v1/facts?{pan}"):
        for headers in ({}, {"Authorization": f"Bearer {secret}"}, {"X-Twilio-Signature": pan}):
            answer = await loopback.post(f"{world.url}/{path}", pan.encode(), headers)
            _answered(voyage, answer)
    body = f"{{{pan}".encode()
    headers = world.slack.headers(body) | {"Content-Type": "application/json"}
    _answered(voyage, await loopback.post(f"{world.url}/hooks/slack", body, headers))
    form = {"Content-Type": "application/x-www-form-urlencoded"} | world.slack.headers(body)
    _answered(voyage, await loopback.post(f"{world.url}/hooks/slack", body, form))
    await world.settle()


def _answered(voyage: Voyage, answer: Answer) -> None:
    voyage.made.append(("answer", f"{answer.headers} {answer.body}".encode()))


# --- what was made of it --------------------------------------------------------------------------


async def _look(voyage: Voyage, world: World) -> None:
    app = world.app
    scrape = Scrape(app.meters, app.store, app.spool, app.channels)
    voyage.made += [("metrics", scrape.text(world.clock.now()))]
    voyage.made += [
        *sinks.in_slack(world),
        *sinks.sent(world),
        *await sinks.page(world, {CLIENT, "It "}),
    ]


def copied(settings: Settings, folder: Path, clock: Clock) -> None:
    """A backup, while everything runs."""
    place = backup.Place(settings.database_url, settings.keyring_url)
    backup.backup(place, folder / "rows", folder / "keys", clock.now(), settings.erasures_file)


def searched_rows(voyage: Voyage) -> None:
    """What lies in both databases, and what the keys open of it."""
    settings = voyage.settings
    keys = masterkeys.valid(settings)
    with (
        closing(Store(settings.database_url, writable=False)) as store,
        closing(Keyring(settings.keyring_url, *keys)) as keyring,
    ):
        voyage.made += [*sinks.rows("store", store), *sinks.rows("keyring", keyring.store)]
        voyage.opened += sinks.opened(store, keyring)


# --- the terminal ---------------------------------------------------------------------------------


def typed(voyage: Voyage, folder: Path) -> None:
    """Commands with words in them, and what whoever is not cleared reads afterwards."""
    out, sheet = folder / "out", folder.parent / f"{folder.name}.csv"
    out.mkdir()
    sheet.write_text(voyage.brought(cargo.sheet()))
    said = [voyage.brought(make(f"argument {name}")) for name, make in cargo.CONTENTS.items()]
    wrong = voyage.brought(cargo.only_card("argument that means nothing"))
    for words in said:
        reason = ("--reason", " ".join(words.split()))
        _run(voyage, "override", CLIENT, *reason, "--until", "2026-12-01")
        _run(voyage, "legal-hold", "place", CLIENT, "--matter", "Bram", *reason)
        _run(voyage, "privilege", "seal", "1", "--as", "dana@harrowlark.example", *reason)
    _run(voyage, "import", str(sheet))
    for verb in ("explain", "timeline", "prefer"):
        _run(voyage, verb, wrong)
    _run(voyage, "rights", "open", CLIENT, "--kind", "access", "--received", "2026-01-06")
    for asked in _reading(out):
        _run(voyage, *asked)
    for name in ("aging", "touches", "days-late"):
        _run(voyage, "report", name, "--csv")
    copied(voyage.settings, folder / "after", SystemClock())
    if voyage.settings.database_url.startswith("sqlite"):
        again = folder / "again"
        to = backup.Place(f"sqlite:///{again / 'rows.db'}", f"sqlite:///{again / 'keys.db'}")
        backup.restore(folder / "midway" / "rows", folder / "midway" / "keys", to)


def _reading(out: Path) -> list[tuple[str, ...]]:
    nobody = ("--as", "priya@harrowlark.example")
    return [
        ("timeline", CLIENT, "--words"),
        ("timeline", CLIENT, "--words", "--json", "--limit", "500"),
        ("explain", CLIENT),
        ("explain", CLIENT, "--json"),
        *(("explain", f"message:{number}") for number in range(1, 12)),
        ("preview", "--days", "5"),
        ("tasks",),
        ("privilege", "log"),
        ("privilege", "log", "--csv", str(out / "log.csv")),
        *(("privilege", "read", str(number), *nobody) for number in range(1, 8)),
        ("legal-hold", "list"),
        ("rights", "list"),
        ("rights", "export", CLIENT, "--to", str(out)),
        ("audit", "verify"),
        ("audit", "moving"),
        ("duplicates",),
        ("doctor",),
    ]


def _run(voyage: Voyage, *asked: str) -> None:
    settings = voyage.settings
    env = {
        "COUNTERFOIL_DATABASE_URL": settings.database_url,
        "COUNTERFOIL_KEYRING_URL": settings.keyring_url,
        "COUNTERFOIL_MASTER_KEY_FILE": str(settings.master_key_file),
        "COUNTERFOIL_ERASURE_LOG": str(settings.erasure_log),
    }
    done = CliRunner().invoke(cli.app, list(asked), env=env)
    fault = ""
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        fault = "".join(traceback.format_exception(done.exception))
    shown = f"{done.output}\n{done.stderr}\n{fault}"
    voyage.made.append((f"command {' '.join(asked[:2])}", shown.encode()))
    voyage.codes.append((asked, done.exit_code))
