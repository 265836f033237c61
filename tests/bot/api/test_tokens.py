import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from bot import cli, console, schema
from bot.operations import OPERATIONS
from bot.report import silent
from tests.bot import telling
from tests.bot.telling import CLIENT, body, post
from tests.factories import Product

Run = Callable[..., Result]
PAGE = (Path(__file__).parents[3] / "docs/api.md").read_text()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", f"sqlite:///{tmp_path / 'cf.db'}")

    def invoke(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli.app, list(args))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    schema.lay(f"sqlite:///{tmp_path / 'cf.db'}")
    invoke("migrate")
    yield invoke
    structlog.reset_defaults()


@pytest.fixture
async def product(sqlite_database: Any, tmp_path: Path) -> AsyncIterator[Product]:
    async with telling.listening(sqlite_database, tmp_path) as running:
        yield running


def test_a_token_is_shown_once(run: Run) -> None:
    made = json.loads(
        run("access", "token", "create", "crm", "--scope", "facts:write:crm", "--json").stdout
    )
    assert made["token"].startswith(f"cfl_{made['handle']}_")
    assert len(made["token"]) > 40
    shown = run("access", "token", "list").stdout
    assert f"cfl_{made['handle']}" in shown
    assert made["token"] not in shown
    (listed,) = json.loads(run("access", "token", "list", "--json").stdout)["tokens"]
    assert (listed["state"], listed["scopes"]) == ("valid", ["facts:write:crm"])
    assert "digest" not in listed


def test_a_token_is_ended_by_its_name_and_stays_on_record(run: Run) -> None:
    run("access", "token", "create", "crm", "--scope", "facts:write", "--expires", "30")
    run("access", "token", "revoke", "crm")
    run("access", "token", "revoke", "crm", code=1)
    (listed,) = json.loads(run("access", "token", "list", "--json").stdout)["tokens"]
    assert listed["state"] == "revoked"
    assert listed["revoked_by"].startswith("cli")
    assert "is or was" in run(
        "access", "token", "create", "crm", "--scope", "facts:write", code=2
    ).stderr  # fmt: skip


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("create", "crm", "--scope", "everything"), id="no scope"),
        pytest.param(("create", "crm", "--scope", "facts:write:CRM"), id="no source"),
        pytest.param(("create", " ", "--scope", "facts:write"), id="no name"),
        pytest.param(("create", "crm", "--scope", "facts:write", "--expires", "0"), id="no day"),
        pytest.param(("revoke", "crm"), id="nobody's"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run: Run, args: tuple[str, ...]) -> None:
    sentence = run("access", "token", *args, code=2).stderr.strip()
    assert len(sentence.splitlines()) == 1
    assert sentence.endswith(".")


async def test_a_token_is_made_and_ended_beside_a_running_process(
    product: Product, tmp_path: Path
) -> None:
    place = tmp_path / "s.sock"
    asked = {"name": "crm", "scopes": ["facts:write"], "by": "cli:dana"}
    async with console.listening(product.app, OPERATIONS, place):
        made = await console.ask(place, "make_token", asked, silent)
        good = made.data["token"]
        assert (await post(product, good, body(CLIENT)))[0] == 200
        await console.ask(place, "revoke_token", {"name": "crm"}, silent)
        assert (await post(product, good, body(CLIENT)))[0] == 401


# --- what the page tells others to run ------------------------------------------------------------


def block(kind: str, holding: str) -> str:
    parts = PAGE.split(f"```{kind}\n")[1:]
    (found,) = [part.partition("```")[0] for part in parts if holding in part.partition("```")[0]]
    return found


async def test_the_sender_of_the_page_sends(product: Product) -> None:
    script = block("python", "standardwebhooks")
    assert len(script.splitlines()) <= 15
    url = f"{product.url}/hooks/facts"
    said = await _run([sys.executable, "-c", script, url, telling.SECRET], body(CLIENT))
    assert json.loads(said) == {"kept": 1}


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="needs both")
async def test_the_shell_of_the_page_sends(product: Product) -> None:
    given = f"URL={product.url}\nSECRET={telling.SECRET}\n"
    said = await _run(["bash", "-euc", given + block("bash", "openssl")])
    assert json.loads(said) == {"kept": 1}
    token = f"URL={product.url}\nTOKEN={await telling.token(product, 'facts:write:crm')}\n"
    said = await _run(["bash", "-euc", token + block("bash", "/api/v1/facts")])
    assert [one["applied"] for one in json.loads(said)["results"]] == [True, True]


async def _run(command: list[str], given: bytes = b"") -> str:
    import asyncio

    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    out, errors = await process.communicate(given)
    assert process.returncode == 0, errors.decode()
    return out.decode()
