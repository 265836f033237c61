import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, chdir, contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from billing.store import Store, StoreBusy
from bot import cli, console
from bot.app import App, books
from bot.operations import OPERATIONS
from bot.report import Args, Progress, Report, Table, Wrong, silent, unpacked
from bot.settings import Settings
from tests import ports
from tests.conftest import Database

MASTER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SECRET = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


@pytest.fixture
async def app(sqlite_database: Database) -> AsyncIterator[App]:
    settings = Settings(
        database_url=sqlite_database.url,
        keyring_url=sqlite_database.keyring_url,
        master_key=MASTER_KEY,
    )
    app = books(settings)
    yield app
    await app.close()


@asynccontextmanager
async def listening(app: App, **more: Any) -> AsyncIterator[Path]:
    place = console.place(app.settings)
    assert place is not None
    async with console.listening(app, {**OPERATIONS, **more}, place):
        yield place


async def spoken(place: Path, line: bytes) -> dict[str, Any]:
    with chdir(place.parent):  # the whole path may be longer than a socket's can be
        reader, writer = await asyncio.open_unix_connection(place.name)
    writer.write(line)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    found: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return found


async def test_an_operation_runs_where_the_store_is_served(app: App) -> None:
    async with listening(app) as place:
        asked = {"email": "ruth@x.example", "roles": ["admin"]}
        report = await console.ask(place, "grant", asked, silent)
    assert report.data["granted"] == ["admin"]


async def test_only_the_owner_may_open_the_socket(app: App) -> None:
    async with listening(app) as place:
        assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert not place.exists()


async def test_progress_is_told_on_the_way(app: App) -> None:
    async def work(_app: App, _args: Args, progress: Progress) -> Report:
        progress(1, 2)
        return Report({"done": True}, ["Done."], [Table("", ["a"], [["b"]])], 1)

    seen: list[tuple[int, int]] = []
    async with listening(app, work=work) as place:
        report = await console.ask(place, "work", {}, lambda *step: seen.append(step))
    assert (seen, report.code, report.tables[0].rows) == ([(1, 2)], 1, [["b"]])


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"hello\n", id="no JSON"),
        pytest.param(b"[1]\n", id="no object"),
        pytest.param(b'{"command": "grant"}\n', id="no args"),
        pytest.param(b'{"command": "erase", "args": {}}\n', id="no such command"),
        pytest.param(b'{"command": "grant", "args": {}', id="cut short"),
        pytest.param(b"[" * 100_000 + b"\n", id="deep"),
        pytest.param(b"x" * (console.LARGEST + 9) + b"\n", id="too long"),
        pytest.param(b'{"command": "grant", "args": {"email": "no"}}\n', id="bad argument"),
        pytest.param(
            b'{"command": "grant", "args": {"email": 7, "x": 1}}\n', id="unknown argument"
        ),
    ],
)
async def test_a_malformed_request_gets_an_error(app: App, line: bytes) -> None:
    async with listening(app) as place:
        assert (await spoken(place, line))["error"]
        good = {"email": "ruth@x.example", "roles": ["admin"]}
        assert (await console.ask(place, "grant", good, silent)).code == 0


async def test_what_cannot_be_done_is_one_sentence(app: App) -> None:
    async with listening(app) as place:
        with pytest.raises(Wrong, match="nothing called nobody"):
            await console.ask(place, "golive", {"client": "nobody"}, silent)


async def test_a_fault_of_ours_tells_its_kind_and_nothing_else(app: App) -> None:
    async def fails(_app: App, _args: Args, _progress: Progress) -> Report:
        raise LookupError("what a client wrote")

    async with listening(app, fails=fails) as place:
        with pytest.raises(Wrong) as caught:
            await console.ask(place, "fails", {}, silent)
    assert "LookupError" in str(caught.value)
    assert "client wrote" not in str(caught.value)


@pytest.mark.parametrize("said", [b"", b'{"report": {"da', b'{"progress": [1, 2]}\n'])
@pytest.mark.parametrize("abrupt", [True, False], ids=["reset", "at its end"])
async def test_who_ends_before_it_answers_was_somebody(
    tmp_path: Path, said: bytes, *, abrupt: bool
) -> None:
    """Reset, it was said that nobody answers, though the change may have been made."""

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not abrupt:
            await reader.readline()
        writer.write(said)
        await asyncio.sleep(0.01)
        writer.close()  # what was not read makes it a reset

    with chdir(tmp_path):
        limit = 1 if abrupt else console.LARGEST
        async with await asyncio.start_unix_server(end, "s", limit=limit):
            with pytest.raises(Wrong, match="ended before it answered"):
                await console.ask(Path("s"), "grant", {"roles": ["x" * 250_000]}, silent)


async def test_more_than_is_taken_at_once_is_not_begun(app: App) -> None:
    async with listening(app) as place:
        with pytest.raises(Wrong, match="more than `serve` takes at once"):
            await console.ask(place, "grant", {"roles": ["x" * console.LARGEST]}, silent)


async def test_a_socket_that_was_left_behind_is_in_nobodys_way(app: App) -> None:
    place = console.place(app.settings)
    assert place is not None
    left = socket.socket(socket.AF_UNIX)
    with chdir(place.parent):
        left.bind(place.name)
    left.close()
    with pytest.raises(console.Nobody):
        await console.ask(place, "grant", {}, silent)
    async with listening(app):
        good = {"email": "ruth@x.example", "roles": ["admin"]}
        assert (await console.ask(place, "grant", good, silent)).code == 0


async def test_a_deep_folder_is_no_obstacle(app: App, tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    good = {"email": "ruth@x.example", "roles": ["admin"]}
    async with console.listening(app, OPERATIONS, folder / "store.db.sock"):
        assert (await console.ask(folder / "store.db.sock", "grant", good, silent)).code == 0


def test_a_report_crosses_the_socket_whole() -> None:
    report = Report({"a": 1}, ["b"], [Table("c", ["d"], [["e"]])], 1)
    again = unpacked(json.loads(json.dumps(report.packed)))
    assert (again.data, again.lines, again.code) == ({"a": 1}, ["b"], 1)


# --- a process that serves -----------------------------------------------------------------------


@pytest.fixture
def port() -> Iterator[int]:
    with ports.held() as port:
        yield port


def environ(database: Database, port: int) -> dict[str, str]:
    told = {
        "DATABASE_URL": database.url,
        "KEYRING_URL": database.keyring_url,
        "MASTER_KEY": MASTER_KEY,
        "PUBLIC_URL": "https://bot.harrow.example",
        "PORT": str(port),
        "TWILIO_ACCOUNT_SID": "AC" + "5a" * 16,
        "TWILIO_AUTH_TOKEN": SECRET,
        "TWILIO_FROM": "+15005550006",
        "TWILIO_BASE_URL": "http://127.0.0.1:9",
        "SLACK_BOT_TOKEN": f"xoxb-{SECRET}",
        "SLACK_SIGNING_SECRET": SECRET,
        "SLACK_BASE_URL": "http://127.0.0.1:9/api/",
        "SLACK_FINANCE_CHANNEL": "C0FINANCE",
        "SLACK_CLIENTS_CHANNEL": "C0CLIENTS",
        "SMTP_URL": "smtp://127.0.0.1:9",
        "EMAIL_HOOK_SECRET": SECRET,
    }
    return os.environ | {f"COUNTERFOIL_{name}": value for name, value in told.items()}


@contextmanager
def serving(env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log.open("wb") as out,
        subprocess.Popen([sys.executable, "-m", "bot", "serve"], env=env, stderr=out) as process,
    ):
        try:
            port = _serving_on(process, log)
            with socket.create_connection(("127.0.0.1", port), 60) as asking:
                asking.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert b" 200 " in asking.recv(64)
            yield process
        finally:
            process.kill()


def _serving_on(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that its log tells."""
    while process.poll() is None:
        for line in log.read_text().splitlines(keepends=True):
            if line.endswith("\n") and (told := json.loads(line))["event"] == "serving":
                return int(told["port"])
        time.sleep(0.05)
    pytest.fail(f"serve ended: {log.read_text()}")


def typed(env: Mapping[str, str | None], *args: str) -> Result:
    """A command in this process, which is not the one that serves: it starts at once."""
    return CliRunner().invoke(cli.app, list(args), env=env)


@pytest.mark.timeout(900)
def test_commands_write_through_the_process_that_serves(
    sqlite_database: Database, tmp_path: Path, port: int
) -> None:
    env = environ(sqlite_database, port)
    file = tmp_path / "ar.csv"
    file.write_text("client,invoice,issued,due,amount\na1,INV-1,2026-01-15,2026-02-15,10.00\n")
    with serving(env, tmp_path / "log") as process:
        with pytest.raises(StoreBusy):
            Store(sqlite_database.url)
        for asked in (
            ("import", str(file)),
            ("access", "grant", "ruth@x.example", "admin"),
            ("golive", "--daily-cap", "5"),
            ("stop",),
            ("tick",),
        ):
            told = typed(env, *asked)
            assert told.exit_code == 0, (asked, told.output, told.exception)
        status = typed(env, "golive", "--status", "--json")
        assert json.loads(status.stdout)["live"] == "closed"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 0
    events = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert [one for one in events if one in ("serving", "stopped")] == ["serving", "stopped"]
    assert not Path(sqlite_database.url.removeprefix("sqlite:///") + ".sock").exists()


def test_serve_names_every_missing_setting_at_once(sqlite_database: Database, port: int) -> None:
    env: dict[str, str | None] = {**environ(sqlite_database, port)}
    env["COUNTERFOIL_SMTP_URL"] = None
    env["COUNTERFOIL_TWILIO_AUTH_TOKEN"] = "changeme"
    done = typed(env, "serve")
    assert done.exit_code == 2
    assert "COUNTERFOIL_SMTP_URL" in done.stderr
    assert "COUNTERFOIL_TWILIO_AUTH_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_one_sentence(sqlite_database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = typed(environ(sqlite_database, taken.getsockname()[1]), "serve")
    assert (done.exit_code, "--port" in done.stderr) == (2, True)


def test_where_nobody_answers_the_writer_is_named(sqlite_database: Database, port: int) -> None:
    env = environ(sqlite_database, port)
    held = Store(sqlite_database.url)
    try:
        done = typed(env, "stop")
    finally:
        held.close()
    assert done.exit_code == 2
    assert str(os.getpid()) in done.stderr
