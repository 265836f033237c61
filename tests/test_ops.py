"""What an administrator copies fits the code: the Slack manifest, the units, the proxies."""

import ast
import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot import serve
from bot.app import CHANNEL_SETTINGS
from bot.sandbox.loopback import serve as on_loopback
from bot.settings import PREFIX, Settings
from bot.slack import EVENT_TYPE, marks, matters
from bot.web import LARGEST_MAIL

ROOT = Path(__file__).parents[1]
OPS = ROOT / "ops"
HOST = "https://counterfoil.example.com"
HTTP, SOCKET = OPS / "slack-manifest.json", OPS / "slack-manifest-socket.json"
SCOPES: dict[str, set[str]] = {
    "apps.connections.open": set(),
    "auth.test": set(),
    "chat.delete": {"chat:write"},
    "chat.postMessage": {"chat:write"},
    "chat.update": {"chat:write"},
    "conversations.info": {"channels:read", "groups:read"},
    "conversations.members": {"channels:read", "groups:read"},
    "conversations.open": {"im:write"},
    "users.info": {"users:read"},
    "views.open": set(),
    # Asked only about messages to clients in doubt, which never go by Slack: without the scope
    # the answer is "not found", as it would be with it.
    "conversations.history": set(),
    "conversations.replies": set(),
}
"""What Slack asks for each method that the product calls (docs.slack.dev/reference/methods)."""
EVENTS_WITHOUT_SCOPE = {"app_home_opened", "app_uninstalled", "tokens_revoked"}
EVENTS = {
    "message_metadata_posted": {"metadata.message:read"},
    "reaction_added": {"reactions:read"},
}
"""What Slack asks for each event that tells of more than the app itself."""
LENGTHS = {"name": 35, "description": 140, "display_name": 80}
_FAMILY = r"(?:apps|auth|bots|chat|conversations|files|reactions|team|usergroups|users|views)"
_METHOD = re.compile(rf"{_FAMILY}\.[a-z][a-zA-Z.]+")
_CALL = re.compile(rf"{_FAMILY}_[a-z][a-zA-Z_]+")


def manifest(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def sources() -> list[Path]:
    return [path for path in (ROOT / "bot").rglob("*.py") if "sandbox" not in path.parts]


def methods_called() -> set[str]:
    called = set()
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                called |= {node.value} if _METHOD.fullmatch(node.value) else set()
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                called |= {name.replace("_", ".")} if _CALL.fullmatch(name) else set()
    return called


def commands_answered() -> set[str]:
    text = (ROOT / "bot/slack/bolt.py").read_text()
    return set(re.findall(r'\.command\("(/\w+)"\)', text))


@pytest.fixture(params=[HTTP, SOCKET], ids=["http", "socket"])
def either(request: pytest.FixtureRequest) -> dict[str, Any]:
    return manifest(request.param)


def test_the_manifest_asks_for_the_scopes_that_are_used_and_no_more(either: Any) -> None:
    used = {scope for method in methods_called() for scope in SCOPES[method]} | {"commands"}
    events = either["settings"]["event_subscriptions"]["bot_events"]
    used |= {scope for event in events for scope in EVENTS.get(event, ())}
    assert either["oauth_config"]["scopes"] == {"bot": sorted(used)}


def test_the_manifest_has_the_commands_that_are_answered(either: Any) -> None:
    commands = [one["command"] for one in either["features"]["slash_commands"]]
    assert set(commands) == commands_answered()


def test_the_manifest_hears_of_what_is_acted_on_and_of_nothing_that_people_write(
    either: Any,
) -> None:
    events = set(either["settings"]["event_subscriptions"]["bot_events"])
    assert events <= EVENTS_WITHOUT_SCOPE | EVENTS.keys()


def test_the_manifest_asks_for_our_own_metadata_and_no_others(either: Any) -> None:
    asked = either["settings"]["event_subscriptions"]["metadata_subscriptions"]
    assert asked == [{"app_id": "*", "event_type": EVENT_TYPE}]


def test_the_manifest_has_the_shortcuts_that_are_answered(either: Any) -> None:
    shortcuts = either["features"]["shortcuts"]
    assert {one["callback_id"] for one in shortcuts} == {*marks.SHORTCUTS, matters.SHORTCUT}
    assert {one["type"] for one in shortcuts} == {"message"}
    assert all(len(one["name"]) <= 24 and len(one["description"]) <= 150 for one in shortcuts)


def test_the_manifest_keeps_slacks_lengths(either: Any) -> None:
    shown = either["display_information"] | either["features"]["bot_user"]
    assert {key for key, most in LENGTHS.items() if len(shown[key]) > most} == set()


def test_every_url_of_the_manifest_is_the_hook() -> None:
    found = manifest(HTTP)
    urls = [one["url"] for one in found["features"]["slash_commands"]]
    urls += [
        found["settings"][key]["request_url"] for key in ("event_subscriptions", "interactivity")
    ]
    assert set(urls) == {f"{HOST}/hooks/slack"}
    assert '"/hooks/slack"' in (ROOT / "bot/web.py").read_text()


def test_the_two_manifests_differ_in_urls_and_the_switch_alone() -> None:
    http, socket = manifest(HTTP), manifest(SOCKET)
    for one in http["features"]["slash_commands"]:
        del one["url"]
    for key in ("event_subscriptions", "interactivity"):
        del http["settings"][key]["request_url"]
    assert (
        http["settings"].pop("socket_mode_enabled"),
        socket["settings"].pop("socket_mode_enabled"),
    ) == (False, True)
    assert http == socket


def test_the_example_environment_names_what_serve_needs() -> None:
    text = (OPS / "counterfoil.env.example").read_text()
    named = set(re.findall(rf"^{PREFIX}(\w+)=", text, re.MULTILINE))
    assert {name.upper() for name in CHANNEL_SETTINGS} <= named
    assert named <= {name.upper() for name in Settings.model_fields}


def test_the_supervisor_waits_longer_than_the_process_needs_to_stop() -> None:
    unit = (OPS / "counterfoil.service").read_text()
    (patience,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert int(patience) > serve.GRACE + 10


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = (OPS / "counterfoil.service").read_text()
    there = tmp_path / "counterfoil.service"
    there.write_text(unit.replace("/opt/counterfoil/bin/counterfoil", "/bin/true"))
    said = subprocess.run(
        ["systemd-analyze", "verify", str(there)], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr) == (0, "")


@pytest.mark.parametrize(
    ("file", "pattern"),
    [("nginx.conf", r"client_max_body_size (\d+)m"), ("Caddyfile", r"max_size (\d+)MB")],
)
def test_a_proxy_lets_the_largest_mail_through(file: str, pattern: str) -> None:
    sizes = [int(found) for found in re.findall(pattern, (OPS / file).read_text())]
    assert max(sizes) * 1_000_000 >= LARGEST_MAIL


def test_nginx_passes_the_path_as_it_came() -> None:
    targets = re.findall(r"proxy_pass (\S+);", (OPS / "nginx.conf").read_text())
    assert set(targets) == {"http://127.0.0.1:8000"}


@pytest.mark.parametrize("script", ["counterfoil-admin", "mail-to-counterfoil"])
def test_a_script_can_be_parsed_and_run(script: str) -> None:
    assert subprocess.run(["/bin/sh", "-n", str(OPS / script)], check=False).returncode == 0
    assert (OPS / script).stat().st_mode & 0o111


def test_the_image_is_built_from_what_is_here() -> None:
    lines = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (OPS / "Containerfile").read_text(), re.MULTILINE
    )
    copied = [name for line in lines for name in line.split()]
    assert "bot" in copied
    assert [name for name in copied if not (ROOT / name).exists()] == []


MAIL = b"From: a@b.example\r\nSubject: =?utf-8?q?x?=\r\n\r\n.\r\n\x00\xff last line without end"


async def handed_over(url: str, header: Path) -> int:
    process = await asyncio.create_subprocess_exec(
        str(OPS / "mail-to-counterfoil"), url, str(header), stdin=asyncio.subprocess.PIPE
    )
    await process.communicate(MAIL)
    assert process.returncode is not None
    return process.returncode


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("answer", "code"), [(200, 0), (401, 75), (503, 75), (400, 65), (413, 65), (301, 75)]
)
async def test_a_mail_that_is_not_taken_stays_with_postfix(
    answer: int, code: int, tmp_path: Path
) -> None:
    heard: list[tuple[bytes, str]] = []

    async def hear(request: Request) -> Response:
        heard.append((await request.body(), request.headers["authorization"]))
        return Response(status_code=answer)

    header = tmp_path / "header"
    header.write_text("Authorization: Bearer 0123456789abcdef\n")
    async with on_loopback(
        Starlette(routes=[Route("/hooks/email", hear, methods=["POST"])])
    ) as url:
        assert await handed_over(f"{url}/hooks/email", header) == code
    assert heard == [(MAIL, "Bearer 0123456789abcdef")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_a_mail_waits_while_nobody_answers(tmp_path: Path) -> None:
    header = tmp_path / "header"
    header.write_text("Authorization: Bearer 0123456789abcdef\n")
    assert await handed_over("http://127.0.0.1:1/hooks/email", header) == 75
