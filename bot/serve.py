"""How does the product run as a process: what starts, and in which order does it stop?

First nothing new comes in, then what was begun is finished, then the store is closed.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Collection, Iterator
from contextlib import AsyncExitStack, contextmanager

import structlog
import uvicorn
from typing_extensions import override

from bot import console, schedule
from bot.app import App, live
from bot.custody import processors
from bot.desk import Desk
from bot.operations import OPERATIONS
from bot.report import Wrong
from bot.settings import Settings
from bot.slack.hook import slack_side
from bot.slack.socket import run_socket
from bot.web import web

GRACE = 25
"""Seconds for what is on the wire; a supervisor kills after 30 or more. What is cut off then is in
doubt, and looked for when the product starts again."""
log = structlog.get_logger("serve")


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        Wrong: the address cannot be bound.
        SettingsMissing, StoreBusy, PolicyError, SchemaMismatch: see ``bot.app.live``.
    """
    listener = _bound(settings.host, settings.port)
    try:
        app = live(settings)
    except BaseException:
        listener.close()
        raise
    async with AsyncExitStack() as stack:
        stack.push_async_callback(app.close)
        _listen_for_the_end(app.ending)
        place = console.place(settings)
        if place is not None:
            await stack.enter_async_context(console.listening(app, OPERATIONS, place))
        refused = processors.refused(app.processors, app.rules, app.clock.now().date())
        for channel, why in refused.items():
            log.warning("channel_refused", channel=channel, why=why)
        log.info("serving", host=settings.host, port=listener.getsockname()[1])
        app.wake.set()  # what became due while nobody served
        await _work(app, listener)
    log.info("stopped")


async def _work(app: App, listener: socket.socket) -> None:
    stop = app.ending
    server = _server(app)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    working = asyncio.create_task(schedule.run(app, stop))
    talking = asyncio.create_task(_talk(app, stop))
    stopping = asyncio.create_task(stop.wait())
    both = {working, talking}
    await asyncio.wait({serving, stopping, *both}, return_when=asyncio.FIRST_COMPLETED)
    log.info("stopping")
    stop.set()
    server.should_exit = True
    await serving
    await ended(both)


async def ended(tasks: Collection[asyncio.Task[None]], grace: float = GRACE) -> None:
    """Wait for what was begun, and cut off what takes too long.

    Raises:
        Exception: what ended one of them; what was cut off beside it does not hide it.
    """
    done, unfinished = await asyncio.wait(tasks, timeout=grace)
    for task in unfinished:
        log.warning("cut_off", seconds=grace)
        task.cancel()
    await asyncio.gather(*unfinished, return_exceptions=True)
    await asyncio.gather(*done)


async def _talk(app: App, stop: asyncio.Event) -> None:
    """Slack through a line of our own, where there is a token for it."""
    if app.settings.slack_app_token is None:
        await stop.wait()
    else:
        await run_socket(app, Desk(app), stop)


class _Server(uvicorn.Server):
    """Leaves signals to us: the worker must stop as well, and in its turn."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: App) -> uvicorn.Server:
    config = uvicorn.Config(
        web(app, slack_side(Desk(app))),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
        lifespan="off",
        ws="none",
    )
    return _Server(config)


def _listen_for_the_end(ending: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)


def _bound(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), backlog=2048)
    except OSError as error:
        reason = (
            os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror)
        )
        raise Wrong(f"{host}:{port} cannot be served ({reason}); choose another --port.") from error
    # An answer is two writes, and the second would wait 40 ms for the first to be acknowledged.
    # asyncio sees to that only where the socket's protocol was named when it was made.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
