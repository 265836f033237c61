"""The command that lets a client's renewals pass its overdue balance."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner, Result

from billing import clock, spelling
from bot import cli

Run = Callable[..., Result]
ROWS = (
    "client,invoice,issued,due,amount,client_name,timezone,email\n"
    "a1,INV-1,2026-01-15,2026-02-15,100.00,Northwind,America/New_York,ann@n.example\n"
)
SOON = str(clock.SystemClock().now().date() + dt.timedelta(days=3))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One store for all: every test leaves nothing that lets anybody pass."""
    folder = tmp_path_factory.mktemp("override")

    def invoke(*args: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli.app, ["override", *args])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    (folder / "ar.csv").write_text(ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COUNTERFOIL_DATABASE_URL", f"sqlite:///{folder / 'cf.db'}")
        for setting_up in (["migrate"], ["import", str(folder / "ar.csv")]):
            assert CliRunner().invoke(cli.app, setting_up).exit_code == 0
        yield invoke
    structlog.reset_defaults()


def valid(run: Run) -> Any:
    return json.loads(run("Northwind", "--json").stdout)["overrides"]


def test_an_override_is_granted_shown_and_taken_back(run: Run) -> None:
    assert valid(run) == []
    said = run("Northwind", "--reason", "they pay on Friday", "--until", SOON).stdout
    assert f"until the end of {spelling.day(dt.date.fromisoformat(SOON))}" in said
    (held,) = valid(run)
    assert "they pay on Friday" in held["said"]
    assert "taken back" not in run("Northwind", "--end").stdout
    assert valid(run) == []
    assert "Nothing lets" in run("Northwind", "--end", code=1).stdout


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        (("--reason", "because"), 2, "needs both"),
        (("--until", SOON), 2, "needs both"),
        (("--reason", "because", "--until", "2020-01-01"), 1, "name such a day"),
        (("--reason", "because", "--until", "Friday"), 2, "until"),
    ],
    ids=["no end", "no reason", "a day that has passed", "no day"],
)
def test_an_override_needs_a_reason_and_an_end(
    run: Run, asked: tuple[str, ...], code: int, said: str
) -> None:
    result = run("Northwind", *asked, code=code)
    assert said in result.output
    assert valid(run) == []
