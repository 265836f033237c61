"""A product that only listens: it records what the stand-ins call, and answers as told."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from billing.clock import TurnedClock
from bot.sandbox.loopback import serve


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
