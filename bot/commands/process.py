"""Commands that run the product, and the switch that lets it speak."""

import asyncio
import json
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands import terminal
from bot.commands.terminal import Json, command, plain_command
from bot.report import NO, Report, Wrong

if TYPE_CHECKING:
    from bot.sandbox.world import World


@plain_command
def serve(
    *,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
) -> None:
    """Serve webhooks, work on what is due, and send; SIGTERM finishes what is on the wire."""
    from bot import serve as process
    from bot import settings as read
    from bot.watching import logs

    given = read.read().model_copy(update=terminal.given(host=host, port=port))
    logs.json_lines(given.log_level)
    asyncio.run(process.run(given))


@command
def tick() -> Report:
    """Work once on everything that is due, and say what moved."""
    return terminal.writing("tick", {})


@command
def golive(
    *,
    client: Annotated[str | None, typer.Option(help="Only this client: a name or ref.")] = None,
    daily_cap: Annotated[
        int | None, typer.Option(help="Most messages a day.", min=1, max=1_000_000)
    ] = None,
    redirect: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Send everything to this address.")
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Only say how it stands.")] = False,
) -> Report:
    """Let messages leave for clients: all, one client's, so many a day, or to a test address."""
    if status:
        from bot.staff import switch

        with terminal.reading() as app, app.store.read() as session:
            return switch.status(session)
    asked = terminal.given(client=client, daily_cap=daily_cap, redirect=redirect, by=terminal.by())
    return terminal.writing("golive", asked)


@command
def stop() -> Report:
    """Let nothing leave for clients any more, from now on."""
    return terminal.writing("stop", {"by": terminal.by()})


@plain_command
def sandbox(
    *,
    once: Annotated[bool, typer.Option("--once", help="Play the story and end.")] = False,
    port: Annotated[int, typer.Option(help="Of the page.", min=1, max=65535)] = 8025,
    days: Annotated[int, typer.Option(help="Days of the story.", min=1)] = 90,
    as_json: Json = False,
) -> None:
    """Try the product with an example firm: no account anywhere, nothing leaves this machine."""
    from bot.watching import logs

    logs.quiet()
    if not once:
        typer.echo("Making an example firm: a few seconds …", err=True)
        with _held(port) as listener:
            asyncio.run(_in_a_world(lambda world: _show(world, listener)))
    elif not asyncio.run(_in_a_world(lambda world: _play(world, days, as_json=as_json))):
        raise typer.Exit(NO)


async def _in_a_world(act: Callable[["World"], Awaitable[bool]]) -> bool:
    from bot.sandbox.world import running

    with tempfile.TemporaryDirectory(prefix="counterfoil-") as folder:
        async with running(Path(folder)) as world:
            return await act(world)


async def _play(world: "World", days: int, *, as_json: bool) -> bool:
    """The story; False where something was sent twice or a chain does not hold."""
    from bot.sandbox import story

    if not as_json:
        told = min(story.WIDTH, terminal.width() or story.WIDTH)
        return (await story.play(world, days, typer.echo, told)).sound
    sound = True
    async for entry in story.entries(world, days):
        typer.echo(json.dumps(entry, ensure_ascii=False, default=str))
        sound = bool(entry.get("sound", sound))
    return sound


async def _show(world: "World", listener: socket.socket) -> bool:
    """The page, until somebody presses Ctrl-C."""
    from bot.sandbox import loopback
    from bot.sandbox.desk import SandboxDesk
    from bot.sandbox.page import page

    port = listener.getsockname()[1]
    hosts = [f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]")]
    desk = SandboxDesk(world)
    stopped = _stopped()
    async with loopback.serve(page(desk, hosts), listener) as url:
        typer.echo(f"The sandbox is at {url} (Ctrl-C ends it)")
        typer.echo("Open it in a browser: its clock stands still until you turn it.", err=True)
        await stopped.wait()
    return True


def _held(port: int) -> socket.socket:
    """Taken before a whole world is made for it."""
    from bot.sandbox import loopback

    try:
        return loopback.listen(port)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise Wrong(f"Port {port} cannot be used ({reason}); choose another --port.") from error


def _stopped() -> asyncio.Event:
    import signal

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped
