"""A product that only listens: it records what the stand-ins call, and answers as told.

And a workspace that calls it, with the SDK that speaks to it.
"""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import pytest
from slack_sdk.web.async_client import AsyncWebClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing.clock import TurnedClock
from bot.sandbox.loopback import serve
from bot.sandbox.slack import Slack
from tests.bot.sandbox.workplace import ADA, BOB, OPEN, OTHER, SECRET, SHARED, TOKEN


@dataclass(frozen=True)
class Heard:
    """One request that reached the product."""

    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@dataclass
class Listener:
    """``answers`` are used up one by one (status, body, headers); then it is 200."""

    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    answers: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)

    async def hear(self, request: Request) -> Response:
        body = await request.body()
        self.heard.append(Heard(str(request.url), dict(request.headers), body))
        if not self.answers:
            return Response("")
        status, text, headers = self.answers.pop(0)
        return Response(text, status, headers)


@pytest.fixture
async def product() -> AsyncIterator[Listener]:
    listener = Listener()
    app = Starlette(routes=[Route("/{path:path}", listener.hear, methods=["POST"])])
    async with serve(app) as url:
        listener.url = url
        yield listener


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock(dt.datetime(2026, 3, 2, 15, 0, tzinfo=dt.UTC))


@pytest.fixture
async def slack(clock: TurnedClock, product: Listener) -> AsyncIterator[Slack]:
    slack = Slack(TOKEN, SECRET, clock)
    slack.request_url = f"{product.url}/hooks/slack"
    slack.add_user(ADA, "ada", "ada@firm.test")
    slack.add_user(BOB, "bob", "bob@firm.test", restricted=True)
    slack.add_channel(OPEN, "finance", {ADA, BOB})
    slack.add_channel(OTHER, "random", {ADA}, with_bot=False)
    slack.add_channel(SHARED, "with-client", {ADA}, ext_shared=True)
    slack.add_channel("C0SECRET", "secret", {ADA}, private=True, with_bot=False)
    async with slack.serving():
        yield slack


@pytest.fixture
def web(slack: Slack) -> AsyncWebClient:
    base_url = f"{slack.base_url}/api/"
    return AsyncWebClient(TOKEN, base_url=base_url, timeout=60, retry_handlers=[])
