"""How does a command write while ``serve`` holds the SQLite store?

Through a Unix socket beside the store, that only its owner may open: one JSON line asks for an
operation by name, JSON lines answer. The operation is the same function that the command would
have run by itself.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import structlog

from bot import errors
from bot.app import App
from bot.report import Args, Operation, Progress, Report, Wrong, unpacked
from bot.settings import Settings

LARGEST = 256 * 1024
"""Bytes of a request."""
LARGEST_ANSWER = 64 * 1024 * 1024
_PATIENCE = 10
"""Seconds in which a request must be there."""
_GRACE = 10
"""Seconds in which what runs may end when the process stops; an import goes on when run again."""
_LONGEST_PATH = 100
"""The kernel takes 107 bytes."""
log = structlog.get_logger("console")


def place(settings: Settings) -> Path | None:
    """Where the socket of a store is; None where many processes may write it."""
    if settings.on_postgresql:
        return None
    return Path(settings.database_url.removeprefix("sqlite:///") + ".sock")


class Nobody(Exception):
    """Nobody listens at the socket."""


@asynccontextmanager
async def listening(
    app: App, operations: Mapping[str, Operation], path: Path
) -> AsyncIterator[None]:
    """Answer requests at ``path`` while the block runs; what runs then may end."""
    _remove(path)  # whoever left it is gone: the store's claim is ours
    running: set[asyncio.Task[None]] = set()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            running.add(task)
            task.add_done_callback(running.discard)
        try:
            await _answer(app, operations, reader, writer)
        finally:
            writer.close()

    with _short(path) as name:
        before = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(met, name, limit=LARGEST)
        finally:
            os.umask(before)
    try:
        yield
    finally:
        server.close()
        _remove(path)
        await _finished(running)


async def ask(path: Path, command: str, args: Args, progress: Progress) -> Report:
    """Let the process at the socket do it.

    Raises:
        Nobody: there is none.
        Wrong: it says that this cannot be done, or ended before it said anything.
    """
    asked = json.dumps({"command": command, "args": args}).encode() + b"\n"
    if len(asked) > LARGEST:
        raise Wrong(f"This is more than `serve` takes at once ({LARGEST:,} bytes); give less.")
    try:
        with _short(path) as name:
            reader, writer = await asyncio.open_unix_connection(name, limit=LARGEST_ANSWER)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise Nobody from error
    except PermissionError:
        raise Wrong(f"{path} is another user's; run the command as the user of `serve`.") from None
    try:
        writer.write(asked)
        await writer.drain()
        while (line := await reader.readline()).endswith(b"\n"):
            said = json.loads(line)
            if "report" in said:
                return unpacked(said["report"])
            if "error" in said:
                raise Wrong(said["error"])
            progress(*said["progress"])
    except ConnectionError:
        pass  # reset or at its end: either way it took the request, and nobody knows how far
    finally:
        writer.close()
    raise Wrong("The serving process ended before it answered; run the same command again.")


async def _answer(
    app: App,
    operations: Mapping[str, Operation],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    def say(word: str, value: object) -> None:
        writer.write(json.dumps({word: value}).encode() + b"\n")

    try:
        command, args = _read(await asyncio.wait_for(reader.readline(), _PATIENCE), operations)
        log.info("asked", command=command)
        found = await operations[command](app, args, lambda *done: say("progress", done))
        say("report", found.packed)
    except (ValueError, TimeoutError) as error:
        say("error", errors.sentence(error) or f"This request cannot be read: {error}")
    except Exception as error:  # noqa: BLE001 - the one who asked reads it, and we serve on
        log.warning("failed", error=type(error).__name__)
        say("error", errors.sentence(error) or f"It failed inside serve: {type(error).__name__}.")
    with suppress(ConnectionError):
        await writer.drain()


def _read(line: bytes, operations: Mapping[str, Operation]) -> tuple[str, dict[str, Any]]:
    """The command and its arguments; ValueError says why not."""
    if not line.endswith(b"\n"):
        raise ValueError("it is no line of JSON")
    asked = json.loads(line)
    match asked:
        case {"command": str(command), "args": dict(args)} if command in operations:
            return command, args
        case {"command": str(command), "args": dict()}:
            raise ValueError(f"there is no command {command[:40]!r}")
        case _:
            raise ValueError("it needs a command and its args")


async def _finished(running: set[asyncio.Task[None]]) -> None:
    if not running:
        return
    _, late = await asyncio.wait(running, timeout=_GRACE)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for the socket that the kernel takes, however deep its folder lies."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
