"""How is a server on this machine asked many things at once, and how fast does it answer?

A server runs in a process of its own, on loopback, and ends when the one who started it does. The
asking side speaks HTTP/1.1 by hand over kept connections, so that it is not what is measured.
"""

import asyncio
import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

PATIENCE = 120.0
"""Seconds that a whole round may take."""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a round: how long all of it took, each answer's time, and who was refused."""

    seconds: float
    answers: tuple[float, ...]
    refused: int

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return len(self.answers) / self.seconds

    def percentile(self, share: int) -> float:
        """The time, in seconds, within which this share of a hundred was answered."""
        return percentile(self.answers, share)


def percentile(times: Sequence[float], share: int) -> float:
    """The value that this share of a hundred does not pass."""
    return median(times) if share == 50 else quantiles(times, n=100)[share - 1]


def request(path: str, headers: dict[str, str], body: bytes) -> bytes:
    """A POST as it goes over the wire."""
    fields = {"Host": "127.0.0.1", "Content-Length": str(len(body))} | headers
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def fire(port: int, requests: Sequence[bytes], at_once: int) -> Load:
    """Send all of them over ``at_once`` connections, each the next when the last is answered."""
    waiting = iter(requests)
    loop = asyncio.get_running_loop()
    lines: list[_Line] = []
    for _ in range(at_once):
        _, line = await loop.create_connection(lambda: _Line(waiting), "127.0.0.1", port)
        lines.append(line)
    began = perf_counter()
    for line in lines:
        line.next()
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(line.done for line in lines))
    took = perf_counter() - began
    answers = tuple(time for line in lines for time in line.answers)
    return Load(took, answers, sum(line.refused for line in lines))


class _Line(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, waiting: Iterator[bytes]) -> None:
        self.answers: list[float] = []
        self.refused = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        self._began = 0.0
        self._got = b""
        self._transport: Any = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if end and len(body) >= _length(head):
            self.answers.append(perf_counter() - self._began)
            self.refused += not head.startswith(b"HTTP/1.1 200")
            self.next()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server hung up"))

    def next(self) -> None:
        """Send the next request, if there is one."""
        self._got = b""
        wanted = next(self._waiting, None)
        if wanted is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._began = perf_counter()
        self._transport.write(wanted)


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


@dataclass(frozen=True, slots=True)
class Server:
    """A process that serves."""

    port: int
    pid: int

    def worked(self) -> float:
        """Seconds of processor time that it has used: the same on an idle and a busy machine."""
        ended = Path("/proc", str(self.pid), "stat").read_text(encoding="utf-8").rpartition(")")[2]
        user, system = ended.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


Site = Callable[..., ASGIApp]
"""Makes an application from what it is given; a function of a module, for it runs elsewhere."""


@contextmanager
def serving(site: Site, *given: Any) -> Iterator[Server]:
    """A process that serves what ``site`` makes, on loopback."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, site, given), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Server(ours.recv(), process.pid or 0)
    finally:
        ours.close()
        process.join(15)
        if process.is_alive():
            process.kill()


def _serve(line: Connection, site: Site, given: tuple[Any, ...]) -> None:
    asyncio.run(_served(line, site, given))


async def _served(line: Connection, site: Site, given: tuple[Any, ...]) -> None:
    """Serve as ``bot.serve`` does, until the other end of ``line`` is closed."""
    config = uvicorn.Config(
        site(*given),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
    )
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = True
        loop.remove_reader(line.fileno())

    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        # asyncio does this itself only where the protocol was named when the socket was made.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.add_reader(line.fileno(), end)
        line.send(listener.getsockname()[1])
        await server.serve(sockets=[listener])
