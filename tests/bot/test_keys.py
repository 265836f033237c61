"""The master key is changed on the command line, while the product goes on."""

import json
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from billing.keyring import Keyring, WrongMasterKey, new_master_key
from bot import cli, masterkeys, settings
from bot.app import books
from bot.settings import SettingsMissing
from bot.spool import Spool
from tests.conftest import Database
from tests.factories import NOON

Run = Callable[..., Any]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A master key that was in use, and where the next will be."""
    new_master_key(tmp_path / "old.key")
    return tmp_path / "old.key", tmp_path / "apart" / "new.key"


@pytest.fixture
def run(
    sqlite_database: Database, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> Run:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", sqlite_database.url)
    monkeypatch.setenv("COUNTERFOIL_KEYRING_URL", sqlite_database.keyring_url)
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY_FILE", str(files[0]))
    with closing(masterkeys.ring(settings.read())) as keyring:
        keyring.make(["client:1", "client:2"], NOON)

    def invoke(*args: str, code: int = 0) -> Any:
        result: Result = CliRunner().invoke(cli.app, [*args, "--json"])
        assert result.exit_code == code, (result.output, result.exception)
        return json.loads(result.stdout) if result.stdout else result.stderr

    return invoke


def into_use(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY_FILE", str(files[1]))
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY_PREVIOUS_FILE", str(files[0]))


def test_a_master_key_is_made_taken_into_use_and_the_old_one_let_go(
    run: Run, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("keys", "make", str(files[1]))
    into_use(files, monkeypatch)
    assert [one["standing"] for one in run("keys", "status")["keys"]] == ["in use", "valid"]
    assert run("keys", "rotate")["moved"] == 2
    assert run("keys", "rotate") == {
        "moved": 0,
        "done": True,
        "keys": run("keys", "status")["keys"],
    }
    monkeypatch.delenv("COUNTERFOIL_MASTER_KEY_PREVIOUS_FILE")
    assert run("keys", "status")["done"]
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY_FILE", str(files[0]))
    assert "does not open this keyring" in run("keys", "status", code=2)


def test_doctor_says_which_keys_are_still_under_the_previous_master_key(
    run: Run, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("keys", "make", str(files[1]))
    into_use(files, monkeypatch)
    said = [
        one for one in run("doctor", "--offline", code=1)["findings"] if one["what"] == "keyring"
    ]
    assert [one["verdict"] for one in said] == ["warning", "ok"]
    assert "2 keys are still under the previous master key" in said[0]["said"]
    assert "counterfoil keys rotate" in said[0]["do"]


def test_a_master_key_is_never_written_over_another(run: Run, files: tuple[Path, Path]) -> None:
    assert "will not be overwritten" in run("keys", "make", str(files[0]), code=2)


async def test_a_wrong_master_key_leaves_the_store_to_whoever_asks_next(
    run: Run, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("keys", "make", str(files[1]))
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY_FILE", str(files[1]))
    with pytest.raises(WrongMasterKey):
        books(settings.read())
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY_FILE", str(files[0]))
    await books(settings.read()).close()


def test_what_waited_in_the_spool_is_read_under_the_next_master_key(tmp_path: Path) -> None:
    old, new = bytes(range(32)), bytes(range(32, 64))
    Spool(tmp_path / "spool", old).append("slack.instruction", "1", "pause")
    lines, _ = Spool(tmp_path / "spool", new, old).read()
    assert lines == [("slack.instruction", "1", "pause")]


def test_a_key_service_gives_the_master_key(
    run: Run, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COUNTERFOIL_MASTER_KEY_FILE")
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY_COMMAND", f"cat '{files[0]}'")
    assert run("keys", "status")["done"]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("/nowhere/kms decrypt", "cannot be run"),
        ("VAULT_TOKEN=topsecret vault read key", "its first word is the program"),
        (f"{sys.executable} -c 'raise SystemExit(3)'", "ended with 3"),
        ("echo topsecret", "must print 32 bytes in base64"),
        ("echo 'unbalanced", "cannot be run"),
    ],
    ids=["no program", "a line for a shell", "refused", "no key", "no command line"],
)
def test_a_key_service_that_gives_none_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, command: str, reason: str
) -> None:
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY_COMMAND", command)
    with pytest.raises(SettingsMissing, match=reason) as caught:
        masterkeys.valid(settings.read())
    assert "topsecret" not in str(caught.value)


def test_an_old_copy_of_the_keys_is_opened_with_the_master_key_of_its_day(
    sqlite_database: Database, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    new_master_key(files[0].with_name("new.key"))
    monkeypatch.setenv("COUNTERFOIL_KEYRING_URL", sqlite_database.keyring_url)
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY_FILE", str(files[0]))
    with closing(masterkeys.ring(settings.read())) as keyring:
        keyring.make(["client:1"], NOON)
        before = keyring.key("client:1")
    into_use((files[0], files[0].with_name("new.key")), monkeypatch)
    with closing(masterkeys.ring(settings.read())) as keyring:
        assert keyring.key("client:1") == before
        assert isinstance(keyring, Keyring)
