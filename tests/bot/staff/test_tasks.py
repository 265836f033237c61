"""What waits for a person, as the command line shows it and closes it."""

import base64
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from bot import cli
from bot.report import Wrong, silent
from bot.staff import tasks
from comms.duties import tasks as waiting
from tests.conftest import MASTER_KEY, Database
from tests.scenarios import parlour
from tests.scenarios.parlour import Parlour


@pytest_asyncio.fixture
async def stage(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[Parlour]:
    """A client whose mail waits to be read."""
    async for room in parlour.open_parlour(sqlite_database, tmp_path):
        await room.billed("Fern", "INV-1", days=10)
        await room.mails("Fern", "Please call me.")
        yield room


async def test_the_list_names_what_waits_whose_it_is_and_what_to_say(stage: Parlour) -> None:
    await stage.jump(2)
    with stage.product.store.read() as session:
        report = tasks.listed(session, stage.product.app.office())
    (row,) = report.data["tasks"]
    assert (row["kind"], row["client_name"], row["owner"]) == ("reply", "Fern", "Ada Moss")
    assert report.tables[0].rows == [
        [f"task:{row['task']}", "Fern", "a reply waits to be read", "2 days", "Ada Moss"]
    ]
    assert "counterfoil handled" in report.lines[0]


async def test_what_is_handled_is_no_longer_listed(stage: Parlour) -> None:
    await stage.handled("Fern")
    with stage.product.store.read() as session:
        report = tasks.listed(session, stage.product.app.office(), "Fern")
    assert report.lines == ["Nothing waits for anybody."]


@pytest.mark.parametrize(
    ("what", "outcome", "sentence"),
    [
        ("task:99", "handled", "There is no task:99"),
        ("Nobody Ltd", "handled", "There is nothing called Nobody Ltd"),
        ("Fern", "accepted", "is nothing to take or refuse"),
    ],
    ids=["no task", "no client", "nothing to take"],
)
async def test_what_cannot_be_said_is_one_sentence(
    stage: Parlour, what: str, outcome: str, sentence: str
) -> None:
    with pytest.raises(Wrong, match=sentence):
        await tasks.handled(stage.product.app, {"what": what, "outcome": outcome}, silent)


async def test_a_task_that_cannot_be_looked_at_is_put_off_and_still_holds(
    stage: Parlour, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    task = stage.task("Fern")
    assert task.look_at is not None
    with monkeypatch.context() as patched:
        patched.setattr(waiting, "look", fails)
        stage.product.clock.turn(task.look_at)
        with pytest.raises(ExceptionGroup):
            await tasks.ask(stage.product.app)
    later = stage.task("Fern")
    assert later.look_at is not None
    assert (later.look_at - task.look_at).total_seconds() == 3600
    assert stage.why("Fern")["facts"][-1]["value"].startswith("reply until")
    await stage.product.later(hours=1)
    assert stage.task("Fern").asked == 1


def test_the_commands_answer_and_end_as_commands_do(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(sqlite_template, tmp_path / "cf.db")
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", f"sqlite:///{tmp_path / 'cf.db'}")
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY", base64.b64encode(MASTER_KEY).decode())
    listed = CliRunner().invoke(cli.app, ["tasks", "--json"])
    assert (listed.exit_code, json.loads(listed.stdout)) == (0, {"tasks": []})
    both = CliRunner().invoke(cli.app, ["handled", "task:1", "--accept", "--refuse"])
    assert (both.exit_code, "not both" in both.stderr) == (2, True)
    gone = CliRunner().invoke(cli.app, ["handled", "task:1"])
    assert (gone.exit_code, "counterfoil tasks" in gone.stderr) == (2, True)
