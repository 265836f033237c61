"""Slack behaves the same to us over HTTP and over Socket Mode, and a broken line mends itself."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr
from sqlmodel import col, select
from structlog.testing import capture_logs
from typing_extensions import override

from billing.clock import TurnedClock
from billing.models import Hold
from bot.app import App
from bot.desk import ALREADY, SOURCE, Desk
from bot.inbox import Inbox, Parcel
from bot.models import Incoming
from bot.sandbox import loopback
from bot.sandbox.faults import Fault
from bot.sandbox.slack import Slack
from bot.sandbox.socket import SocketSlack
from bot.settings import Settings, SettingsMissing
from bot.slack.hook import slack_side
from bot.slack.socket import LARGEST_FRAME, run_socket
from bot.spool import Spool
from bot.web import web
from comms.duties import instructions
from comms.duties.instructions import Instruction
from comms.rendering import Templates
from tests import ports
from tests.waiting import until

BOT_TOKEN, APP_TOKEN, SECRET = "xoxb-0123456789abcdef", "xapp-0123456789abcdef", "8c" * 16
ADA, OPEN, SHARED = "U0ADA", "C0OPEN", "C0SHARED"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MODES = ["http", "socket"]


class Patient(Desk):
    """Waits as long as this machine takes; the quarter of a second is tried elsewhere."""

    @override
    async def instruct(self, key: str, instruction: Instruction) -> str:
        parcel = Parcel(SOURCE, key, instruction.model_dump_json().encode())
        if not await self._app.inbox.receive(parcel, self._app.clock.now()):
            return ALREADY
        return await self.store.write(
            lambda session: instructions.carry_out(session, self.office(), instruction)
        )


@dataclass
class Talk:
    """The product with a workspace at its wire."""

    app: App
    slack: Slack
    firm: Any
    desk: Desk
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def types(self, text: str, command: str = "/acct", channel: str = OPEN) -> str:
        answer = await self.slack.command(ADA, channel, command, text)
        assert answer.status == 200, answer
        return self.slack.messages(channel)[-1].text

    async def clicks(self, action_id: str) -> str:
        shown = self.slack.messages(OPEN)
        answer = await self.slack.click(ADA, OPEN, shown[-1].ts, action_id)
        assert answer.status == 200, answer
        return shown[-1].text

    async def fills_in(self, days: str) -> str:
        (view,) = self.slack.workspace.views.values()
        typed = {"days": {"days": days}, "reason": {"reason": "Bank"}}
        answer = await self.slack.submit(ADA, view.id, typed)
        assert answer.status == 200, answer
        return answer.body

    def incoming(self) -> list[tuple[str, str]]:
        with self.app.store.read() as session:
            rows = session.exec(select(Incoming).order_by(col(Incoming.id))).all()
        return [(row.source, row.external_id) for row in rows]

    def holds(self) -> int:
        with self.app.store.read() as session:
            return len(session.exec(select(Hold).where(col(Hold.released_at).is_(None))).all())


@pytest.fixture
def database(sqlite_database: Any) -> Any:
    """What is asked here is the same on PostgreSQL."""
    return sqlite_database


def made(firm: Any, folder: Path, clock: TurnedClock, slack_url: str) -> App:
    settings = Settings(
        slack_bot_token=SecretStr(BOT_TOKEN),
        slack_app_token=SecretStr(APP_TOKEN),
        slack_signing_secret=SecretStr(SECRET),
        slack_base_url=f"{slack_url}/api/",
    )
    keyring, policy = firm.office.keyring, firm.office.policy
    return App(
        settings=settings, clock=clock, store=firm.store, keyring=keyring, policy=policy,
        templates=Templates([]), inbox=Inbox(firm.store, keyring, policy),
        spool=Spool(folder / "spool", bytes(32)),
    )  # fmt: skip


def people(slack: Slack) -> None:
    slack.webhook_seconds = 60  # of a busy machine; Slack waits three
    slack.add_user(ADA, "ada", "ada@firm.example")
    slack.add_channel(OPEN, "clients", {ADA})
    slack.add_channel(SHARED, "with-client", {ADA}, ext_shared=True)


@asynccontextmanager
async def over_http(firm: Any, folder: Path, clock: TurnedClock) -> AsyncIterator[Talk]:
    slack = Slack(BOT_TOKEN, SECRET, clock)
    people(slack)
    async with AsyncExitStack() as stack:
        app = made(firm, folder, clock, await stack.enter_async_context(slack.serving()))
        desk = Patient(app)
        site = web(app, slack_side(desk))
        url = await stack.enter_async_context(loopback.serve(site))
        slack.request_url = f"{url}/hooks/slack"
        yield Talk(app, slack, firm, desk)


@asynccontextmanager
async def over_socket(
    firm: Any, folder: Path, clock: TurnedClock, *, shut: int = 0, patience: float = 6
) -> AsyncIterator[Talk]:
    slack = SocketSlack(BOT_TOKEN, APP_TOKEN, clock)
    slack.shut = shut
    people(slack)
    async with slack.serving() as url:
        app = made(firm, folder, clock, url)
        talk = Talk(app, slack, firm, Patient(app))
        task = asyncio.create_task(run_socket(app, talk.desk, talk.stop, patience=patience))
        try:
            await until(lambda: slack.lines > 0)
            yield talk
        finally:
            talk.stop.set()
            await asyncio.wait_for(task, 60)


@pytest.fixture
async def talk(
    request: pytest.FixtureRequest, firm: Any, tmp_path: Path, clock: TurnedClock
) -> AsyncIterator[Talk]:
    if request.param == "http":
        way = over_http(firm, tmp_path, clock)
    else:  # a machine that stands still for a second is no line that was lost
        way = over_socket(firm, tmp_path, clock, patience=20)
    async with way as talk:
        yield talk


@pytest.fixture
async def line(firm: Any, tmp_path: Path, clock: TurnedClock) -> AsyncIterator[Talk]:
    async with over_socket(firm, tmp_path, clock) as talk:
        yield talk


def at(line: Talk) -> SocketSlack:
    assert isinstance(line.slack, SocketSlack)
    return line.slack


def command_body(talk: Talk, text: str) -> bytes:
    fields = {
        "team_id": talk.slack.workspace.team_id, "channel_id": OPEN, "user_id": ADA,
        "command": "/acct", "text": text, "trigger_id": talk.slack.workspace.trigger(ADA),
    }  # fmt: skip
    return urlencode(fields).encode()


# --- the table: an interaction, and what it must come to ------------------------------------------


async def a_card(talk: Talk) -> str:
    return await talk.types("northwind")


async def a_pause(talk: Talk) -> str:
    return await talk.types("pause northwind 3d waiting for their bank")


async def a_doubled_command(talk: Talk) -> str:
    body = command_body(talk, "pause northwind 3d bank")
    first = await talk.slack._send(body, FORM)
    assert "paused until" in first.body
    return (await talk.slack._send(body, FORM)).body


async def another_command(talk: Talk) -> str:
    return await talk.types("", "/bill")


async def a_shared_channel(talk: Talk) -> str:
    return await talk.types("northwind", channel=SHARED)


async def a_click(talk: Talk) -> str:
    await talk.types("northwind")
    return await talk.clicks("client.why")


async def a_form(talk: Talk) -> str:
    await talk.types("northwind")
    await talk.clicks("client.pause")
    return await talk.fills_in("7")


async def a_wrong_form(talk: Talk) -> str:
    await talk.types("northwind")
    await talk.clicks("client.pause")
    return await talk.fills_in("999")


async def a_long_answer(talk: Talk) -> str:
    for number in range(10):
        talk.firm.wrote(f"{number} " + "\U0001f600" * 700)
    answer = await talk.slack.command(ADA, OPEN, "/acct", "timeline northwind 90d sms")
    assert answer.status == 200
    await until(lambda: bool(talk.slack.messages(OPEN)))
    shown = talk.slack.messages(OPEN)[-1]
    assert shown.ephemeral_to == ADA
    assert len(json.dumps(shown.blocks)) > LARGEST_FRAME
    return shown.text


async def an_event(talk: Talk) -> str:
    assert (await talk.slack.say(ADA, OPEN, "hello")).statuses == (200,)
    return ""


async def a_doubled_event(talk: Talk) -> str:
    talk.slack.faults.plan("event", Fault.REPEAT_CALLBACKS)
    assert (await talk.slack.say(ADA, OPEN, "hello")).statuses == (200, 200)
    return ""


Row = tuple[Callable[[Talk], Awaitable[str]], str, int, list[str]]
TABLE: list[Row] = [
    (a_card, "Northwind Trading", 0, []),
    (a_pause, "paused until Thu 8 Jan 2026", 1, ["slack.instruction"]),
    (a_doubled_command, "That was already done.", 1, ["slack.instruction"]),
    (another_command, "Only `/acct` is known here", 0, []),
    (a_shared_channel, "shared with another organisation", 0, []),
    (a_click, "Why, for Northwind", 0, []),
    (a_form, "paused until Mon 12 Jan 2026", 1, ["slack.instruction"]),
    (a_wrong_form, "between 1 and 366", 0, []),
    (a_long_answer, "Timeline of Northwind", 0, []),
    (an_event, "", 0, ["slack.event"]),
    (a_doubled_event, "", 0, ["slack.event"]),
]


@pytest.mark.parametrize("talk", MODES, indirect=True)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0].__name__)
async def test_both_ways_come_to_the_same(talk: Talk, row: Row) -> None:
    happens, says, holds, sources = row
    assert says in await happens(talk)
    assert talk.holds() == holds
    assert [source for source, _ in talk.incoming()] == sources


async def test_an_event_that_comes_both_ways_is_one(
    firm: Any, tmp_path: Path, clock: TurnedClock
) -> None:
    event = {"type": "message", "text": "hello", "user": ADA, "channel": OPEN}
    async with over_http(firm, tmp_path, clock) as http:
        assert (await http.slack.event(event, "Ev0SAME")).statuses == (200,)
    async with over_socket(firm, tmp_path, clock) as socket:
        assert (await socket.slack.event(event, "Ev0SAME")).statuses == (200,)
        assert socket.incoming() == [("slack.event", f"{socket.slack.workspace.team_id}:Ev0SAME")]


async def test_an_event_is_kept_before_it_is_acknowledged(line: Talk) -> None:
    line.app.keyring.close()
    line.app.store.close()
    line.slack.webhook_seconds = 0.2
    assert 200 not in (await line.slack.say(ADA, OPEN, "hello")).statuses


async def test_an_event_wakes_the_worker(line: Talk) -> None:
    await line.slack.say(ADA, OPEN, "hello")
    assert line.app.wake.is_set()


async def test_a_fresh_socket_is_opened_when_slack_asks_for_it(line: Talk) -> None:
    await at(line).refresh()
    await until(lambda: at(line).opened >= 2 and at(line).lines == 1)
    assert await line.types("northwind") == "Northwind Trading"


async def test_a_broken_line_is_mended(line: Talk) -> None:
    await at(line).hang_up()
    await until(lambda: at(line).opened >= 2 and at(line).lines == 1)
    assert await line.types("northwind") == "Northwind Trading"


async def test_an_address_that_expired_is_given_up(
    firm: Any, tmp_path: Path, clock: TurnedClock
) -> None:
    async with over_socket(firm, tmp_path, clock, shut=1) as talk:
        assert await talk.types("northwind") == "Northwind Trading"


async def test_an_answer_that_was_begun_is_finished(line: Talk) -> None:
    begun, carry_out = asyncio.Event(), line.desk.instruct

    async def slowly(key: str, instruction: Instruction) -> str:
        begun.set()
        await asyncio.sleep(0.3)
        return await carry_out(key, instruction)

    line.desk.instruct = slowly  # type: ignore[method-assign]
    asking = asyncio.create_task(line.types("pause northwind 3d bank"))
    await begun.wait()
    line.stop.set()
    assert "paused until" in await asking
    await until(lambda: at(line).lines == 0)


@pytest.mark.parametrize(
    ("token", "reason"),
    [("xapp-fedcba9876543210", "invalid_auth"), (BOT_TOKEN, "not_allowed_token_type")],
    ids=["revoked", "of the bot"],
)
async def test_a_refusal_says_what_to_do(
    firm: Any, tmp_path: Path, clock: TurnedClock, token: str, reason: str
) -> None:
    slack = SocketSlack(BOT_TOKEN, APP_TOKEN, clock)
    stop = asyncio.Event()
    async with slack.serving() as url:
        app = made(firm, tmp_path, clock, url)
        settings = app.settings.model_copy(update={"slack_app_token": SecretStr(token)})
        object.__setattr__(app, "settings", settings)
        with capture_logs() as lines:
            task = asyncio.create_task(run_socket(app, Desk(app), stop, patience=20))
            await until(lambda: bool(lines))
            stop.set()
            await task
    assert lines[0]["event"] == "slack_socket_refused"
    assert lines[0]["reason"] == reason
    assert "COUNTERFOIL_SLACK_APP_TOKEN" in lines[0]["advice"]


async def test_without_a_token_no_line_is_opened(
    firm: Any, tmp_path: Path, clock: TurnedClock
) -> None:
    app = made(firm, tmp_path, clock, "http://127.0.0.1:1")
    object.__setattr__(app, "settings", app.settings.model_copy(update={"slack_app_token": None}))
    with pytest.raises(SettingsMissing, match="COUNTERFOIL_SLACK_APP_TOKEN is missing"):
        await run_socket(app, Desk(app), asyncio.Event())


@pytest.fixture
def port() -> Iterator[int]:
    with ports.held() as port:
        yield port


async def test_the_process_opens_the_line_and_closes_it(
    database: Any, tmp_path: Path, clock: TurnedClock, port: int
) -> None:
    slack = SocketSlack(BOT_TOKEN, APP_TOKEN, clock)
    people(slack)
    key = tmp_path / "key"
    key.write_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    async with slack.serving() as url:
        given = {
            "DATABASE_URL": database.url, "KEYRING_URL": database.keyring_url,
            "MASTER_KEY_FILE": str(key), "PUBLIC_URL": "http://127.0.0.1:1",
            "PORT": str(port), "SMTP_URL": "smtp://127.0.0.1:1",
            "TWILIO_ACCOUNT_SID": "AC" + "5a" * 16, "TWILIO_AUTH_TOKEN": "0f1e2d3c4b5a6978",
            "TWILIO_FROM": "+15005550006", "EMAIL_HOOK_SECRET": "0f1e2d3c4b5a6978",
            "SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN,
            "SLACK_SIGNING_SECRET": "0f1e2d3c4b5a6978", "SLACK_BASE_URL": f"{url}/api/",
            "SLACK_FINANCE_CHANNEL": OPEN, "SLACK_CLIENTS_CHANNEL": OPEN,
        }  # fmt: skip
        env = os.environ | {f"COUNTERFOIL_{name}": value for name, value in given.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "serve", env=env, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await until(lambda: slack.lines == 1)
            answer = await slack.command(ADA, OPEN, "/acct", "help")
            assert "not linked to a member of staff" in answer.body
        finally:
            process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0
        assert slack.lines == 0
