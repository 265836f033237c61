"""What does the sandbox's page show and do, and who may ask it?

``page(desk, allowed_hosts)`` is the whole web side: static assets, one snapshot, the actions of
the page, and a stream that says "something changed, look again". Everything it knows comes from a
``Desk``. Strangers are turned away by ``doorkeeper``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Collection
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.sandbox.acts import ACTS, Answer, Desk, Refused, Unknown
from bot.sandbox.doorkeeper import (
    CONTENT_POLICY,
    PAGE_HEADER,
    SAFETY_HEADERS,
    Doorkeeper,
    trouble,
)

__all__ = [
    "CONTENT_POLICY",
    "PAGE_HEADER",
    "SAFETY_HEADERS",
    "Answer",
    "Desk",
    "Refused",
    "Unknown",
    "page",
]

BODY_LIMIT: Final = 64 * 1024
HEARTBEAT_SECONDS: Final = 15.0
FURTHEST_DAYS: Final = 120
"""How far the calendar looks."""
WHY_KINDS: Final = ("message", "decision", "client", "invoice")
PAGES: Final = {"/": "index.html", "/calendar": "calendar.html"}
ASSETS: Final = Path(__file__).resolve().parent / "assets"
MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


async def _body(request: Request) -> bytes | None:
    """The body, or None as soon as it is too large: the declared length may lie."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT:
            return None
    return bytes(body)


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in fault["loc"]) or "the body"
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}."


async def _act(request: Request) -> Response:
    """One action: read, check, do; every refusal is a JSON sentence the page shows."""
    if (kind := ACTS.get(request.path_params["act"])) is None:
        return trouble(404, f"There is no such action; try {', '.join(ACTS)}.")
    if (body := await _body(request)) is None:
        return trouble(413, f"That is too long: at most {BODY_LIMIT // 1024} KB at once.")
    try:
        act = kind.model_validate(json.loads(body))
    except ValidationError as error:
        return trouble(400, _first_fault(error))
    except (ValueError, RecursionError):
        return trouble(400, "The body is not JSON.")
    return await _answer(act.upon(request.app.state.desk))


async def _why(request: Request) -> Response:
    asked = request.path_params
    if asked["kind"] not in WHY_KINDS:
        return trouble(404, f"Ask why about a {', '.join(WHY_KINDS)}.")
    return await _answer(request.app.state.desk.why(asked["kind"], asked["id"]))


async def _calendar(request: Request) -> Response:
    days = request.query_params.get("days", "28")
    if not (days.isascii() and days.isdigit() and 1 <= int(days[:9]) <= FURTHEST_DAYS):
        return trouble(400, f"days: between 1 and {FURTHEST_DAYS}.")
    return await _answer(request.app.state.desk.calendar(int(days)))


async def _snapshot(request: Request) -> Response:
    desk: Desk = request.app.state.desk
    client = request.query_params.get("client") or None

    async def look() -> Answer:
        return desk.snapshot(client)

    return await _answer(look())


async def _answer(asked: Awaitable[Answer]) -> Response:
    try:
        return JSONResponse(await asked)
    except Refused as refusal:
        return trouble(404 if isinstance(refusal, Unknown) else 409, str(refusal))


async def _events(request: Request) -> Response:
    """Server-sent events: ``data: {"revision": n}``, and a comment when nothing happens."""
    return StreamingResponse(_wake_ups(request.app.state.desk), media_type="text/event-stream")


async def _wake_ups(desk: Desk) -> AsyncIterator[str]:
    queue: asyncio.Queue[int | None] = asyncio.Queue()
    pump = asyncio.create_task(_pump(desk, queue))
    try:
        yield ": open\n\n"
        while True:
            try:
                revision = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if revision is None:
                return
            yield f"data: {json.dumps({'revision': revision})}\n\n"
    finally:
        pump.cancel()


async def _pump(desk: Desk, queue: asyncio.Queue[int | None]) -> None:
    try:
        async for revision in desk.changed():
            queue.put_nowait(revision)
    finally:
        queue.put_nowait(None)


def page(desk: Desk, allowed_hosts: Collection[str]) -> Starlette:
    """The page over this desk, answering only to these hosts (``127.0.0.1:8025`` and the like)."""
    shipped = {file.name: file.read_bytes() for file in ASSETS.iterdir() if file.is_file()}

    async def asset(request: Request) -> Response:
        name = request.path_params.get("name") or PAGES[request.url.path]
        media = MEDIA_TYPES.get(Path(name).suffix)
        if name not in shipped or media is None:
            return trouble(404, "There is no such file.")
        return Response(shipped[name], media_type=media)

    app = Starlette(
        routes=[
            *(Route(path, asset) for path in PAGES),
            Route("/assets/{name}", asset),
            Route("/api/snapshot", _snapshot),
            Route("/api/calendar", _calendar),
            Route("/api/why/{kind}/{id:path}", _why),
            Route("/api/events", _events),
            Route("/api/{act}", _act, methods=["POST"]),
        ],
        middleware=[Middleware(Doorkeeper, allowed=frozenset(allowed_hosts))],
    )
    app.state.desk = desk
    return app
