"""How do the stand-ins and the product call each other on this machine, and nowhere else?"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import uvicorn
import yarl
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

CUT = "counterfoil.cut"
"""The ASGI extension under which a request finds the way to cut its own connection."""

ANSWER_LIMIT = 4 * 1024 * 1024
"""Bytes of a webhook's answer that are read; the rest is dropped."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the product answered. ``status`` 0: nobody answered, and ``body`` says why."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """The webhook took it."""
        return 200 <= self.status < 300


class _Severable(H11Protocol):
    """HTTP/1.1 whose requests may cut their connection, as a broken network would."""

    def connection_made(self, transport: Any) -> None:  # type: ignore[explicit-override]
        super().connection_made(transport)
        inner = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                scope.setdefault("extensions", {})[CUT] = transport.abort
            await inner(scope, receive, send)

        self.app = app


def listen(port: int = 0) -> socket.socket:
    """A socket that holds a port of this machine: its caller's from now on, whoever asks for one.

    Raises:
        OSError: somebody else holds it.
    """
    # asyncio sends the second half of an answer at once only where the protocol is named here.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


@asynccontextmanager
async def serve(app: ASGIApp, at: int | socket.socket = 0) -> AsyncIterator[str]:
    """Serve an ASGI application in this loop, on a port or on ``listen``; yields its base URL.

    Raises:
        OSError: somebody else holds the port.
    """
    listener = listen(at) if isinstance(at, int) else at
    config = uvicorn.Config(
        app,
        http=_Severable,
        ws="none",
        # Nobody hangs up while the other may be asking: that would be one more fault than planned.
        timeout_keep_alive=3600,
        log_config=None,
        access_log=False,
        date_header=False,
        server_header=False,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await _close(server)


async def _close(server: uvicorn.Server) -> None:
    """As ``Server.shutdown``, without its fixed pauses; what still hangs after 1 s is cut."""
    for listener in server.servers:
        listener.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    for _look in range(200):
        if not (server.server_state.connections or server.server_state.tasks):
            break
        await asyncio.sleep(0.005)
    for task in list(server.server_state.tasks):
        task.cancel()
    await server.lifespan.shutdown()


def is_loopback(url: str) -> bool:
    """Does this URL stay on this machine?"""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in {"http", "https"}:
            return False
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def post(url: str, body: bytes, headers: Mapping[str, str], seconds: float = 15) -> Answer:
    """POST bytes to the product, the URL exactly as written.

    Raises:
        ValueError: the URL leaves this machine.
    """
    if not is_loopback(url):
        message = f"{url!r} is not on this machine: give the sandbox a loopback URL"
        raise ValueError(message)
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.post(
                yarl.URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as response,
        ):
            content = b""
            while piece := await response.content.read(ANSWER_LIMIT - len(content)):
                content += piece
            text = content.decode(response.charset or "utf-8", "replace")
            return Answer(response.status, text, response.headers)
    except TimeoutError:
        return Answer(0, "timeout")
    except aiohttp.ClientError as error:
        return Answer(0, f"connection failed: {type(error).__name__}")
