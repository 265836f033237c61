"""What does Slack do with an app in Socket Mode: how does it let it in, and what does it send down?

The same workspace as ``bot/sandbox/slack``, with the switch turned: ``apps.connections.open`` names
a web socket with a ticket that works once, and what people type and click comes down it in
envelopes that the app must acknowledge, instead of to a request URL. Nothing on it is signed.
"""

import asyncio
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
from aiohttp import web
from starlette.responses import JSONResponse, Response
from typing_extensions import override

from billing.clock import Clock
from bot.sandbox.loopback import Answer
from bot.sandbox.slack import Slack

LARGEST_FRAME = 20_480
"""Bytes; a larger one from the app closes the socket with 1009."""


class SocketSlack(Slack):
    """A workspace that speaks with our app through the app's own web sockets."""

    def __init__(self, bot_token: str, app_token: str, clock: Clock) -> None:
        super().__init__(bot_token, "unused: nothing is signed", clock)
        self.app_token = app_token
        self.opened = 0
        """How often a socket was opened."""
        self.shut = 0
        """How many of the next tickets have expired when they are shown."""
        self._tickets: set[str] = set()
        self._lines: list[web.WebSocketResponse] = []
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._socket_url = ""

    @override
    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[str]:
        site = web.Application()
        site.router.add_get("/link", self._link)
        runner = web.AppRunner(site, shutdown_timeout=0.1)
        await runner.setup()
        listener = web.TCPSite(runner, "127.0.0.1", 0)
        await listener.start()
        self._socket_url = f"ws://127.0.0.1:{runner.addresses[0][1]}/link"
        try:
            async with super().serving(port) as base_url:
                yield base_url
        finally:
            await self.hang_up()
            await runner.cleanup()

    @property
    def lines(self) -> int:
        """How many sockets are open."""
        return len(self._lines)

    async def refresh(self) -> None:
        """Slack asks the app to open a fresh socket, as it does every few hours."""
        for line in list(self._lines):
            await line.send_json({"type": "disconnect", "reason": "refresh_requested"})

    async def hang_up(self) -> None:
        """The line breaks."""
        for line in list(self._lines):
            await line.close()

    async def _link(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        known = ticket in self._tickets
        self._tickets.discard(ticket)
        if known and self.shut:
            self.shut, known = self.shut - 1, False
        if not known:
            raise web.HTTPForbidden(text="the ticket is unknown, was used, or has expired")
        line = web.WebSocketResponse(max_msg_size=LARGEST_FRAME)
        await line.prepare(request)
        self._lines.append(line)
        self.opened += 1
        await line.send_json({"type": "hello", "num_connections": len(self._lines)})
        try:
            async for message in line:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._heard(json.loads(message.data))
        finally:
            self._lines.remove(line)
        return line

    def _heard(self, answer: Mapping[str, Any]) -> None:
        waiting = self._waiting.get(str(answer.get("envelope_id")))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.get("payload"))

    @override
    async def _answer(self, method: str, token: str, args: Mapping[str, Any]) -> Response:
        if method != "apps.connections.open":
            return await super()._answer(method, token, args)
        if hmac.compare_digest(token.encode(), self.bot_token.encode()):
            return JSONResponse({"ok": False, "error": "not_allowed_token_type"})
        if not hmac.compare_digest(token.encode(), self.app_token.encode()):
            return JSONResponse({"ok": False, "error": "invalid_auth"})
        ticket = secrets.token_urlsafe(16)
        self._tickets.add(ticket)
        return JSONResponse({"ok": True, "url": f"{self._socket_url}?ticket={ticket}"})

    @override
    async def _send(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Down the newest socket; the answer is what the app acknowledged with."""
        if not self._lines:
            return Answer(0, "connection failed: no socket is open")
        envelope = _envelope(body, headers)
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[envelope["envelope_id"]] = waiting
        try:
            await self._lines[-1].send_json(envelope)
            payload = await asyncio.wait_for(waiting, self.webhook_seconds)
        except TimeoutError:
            return Answer(0, "timeout")
        except (ConnectionError, aiohttp.ClientError):
            return Answer(0, "connection failed: the socket broke")
        finally:
            del self._waiting[envelope["envelope_id"]]
        return Answer(200, json.dumps(payload) if payload else "")


def _envelope(body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """What HTTP would have carried, as Socket Mode wraps it."""
    wrapped: dict[str, Any] = {"envelope_id": secrets.token_hex(16)}
    if headers["Content-Type"] == "application/json":
        again = headers.get("X-Slack-Retry-Num", "0")
        reason = headers.get("X-Slack-Retry-Reason", "")
        wrapped |= {"type": "events_api", "accepts_response_payload": False}
        wrapped |= {"retry_attempt": int(again), "retry_reason": reason}
        return wrapped | {"payload": json.loads(body)}
    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    if "payload" in form:
        payload = json.loads(form["payload"])
        taken = payload["type"] == "view_submission"
        kind = {"type": "interactive", "accepts_response_payload": taken}
        return wrapped | kind | {"payload": payload}
    return wrapped | {"type": "slash_commands", "accepts_response_payload": True, "payload": form}
