"""Does the difference of two policies tell what publishing then changes, and what it leaves?"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session
from typer.testing import CliRunner

from billing import ledger
from billing import policy as policies
from billing.facts import InvoiceDisputed
from billing.models import Client
from billing.policy import PolicyError
from bot import cli
from bot.app import App
from bot.preview import comparing
from bot.report import Report, silent
from bot.staff import publishing
from tests import factories
from tests.bot.looking import DAY, KEY, ahead, client, content, entries, opened, owing
from tests.conftest import Database
from tests.factories import NOON

STEP = '{{ offset = {}, action = "remind", template = "{}", channels = ["email"] }}'


@pytest.fixture
def app(sqlite_database: Database) -> Iterator[App]:
    with opened(sqlite_database) as app:
        yield app


@pytest.fixture
def either(database: Database) -> Iterator[App]:
    with opened(database) as app:
        yield app


def ladder(tmp_path: Path, *offsets: int, template: str = "first_reminder") -> Path:
    """A policy whose reminders come so many days after issue."""
    file = tmp_path / "new.toml"
    steps = ", ".join(STEP.format(offset, template) for offset in offsets)
    file.write_text(f"[dunning]\nsteps = [{steps}]\n")
    return file


def difference(app: App, file: Path, days: int = 7) -> Report:
    return comparing.run(app, comparing.Asked(file=file, days=days), silent)


def told(report: Report, name: str) -> list[tuple[Any, ...]]:
    return [(one["client"], one["what"], one["step"], one["day"]) for one in report.data[name]]


def test_an_earlier_step_is_a_message_that_would_not_go(app: App, tmp_path: Path) -> None:
    owing(app, 1, days=18)
    owing(app, 2, days=5)
    found = difference(app, ladder(tmp_path, 20, 45))
    assert told(found, "gained") == [("Client 1", "message", 1, NOON.date() + 2 * DAY)]
    assert found.data["lost"] == found.data["changed"] == []
    assert "send 1 message about $310.00 that would not go" in "\n".join(found.lines)


def test_a_later_step_is_a_message_that_would_not_come(app: App, tmp_path: Path) -> None:
    owing(app, days=28)
    found = difference(app, ladder(tmp_path, 40, 60))
    assert told(found, "lost") == [("Client 1", "message", 1, NOON.date() + 2 * DAY)]
    assert found.data["gained"] == []


def test_another_day_and_other_words_are_one_change(app: App, tmp_path: Path) -> None:
    owing(app, days=28)
    found = difference(app, ladder(tmp_path, 29, 60, template="firmer_reminder"))
    [change] = found.data["changed"]
    assert "day Thu 8 Jan → Wed 7 Jan" in change["what"]
    assert "template first reminder → firmer reminder" in change["what"]
    assert found.data["gained"] == found.data["lost"] == []


def test_who_has_begun_keeps_the_version_and_is_no_difference(app: App, tmp_path: Path) -> None:
    """Scenario 37: what runs goes on under its own version, and the preview lists the rest."""
    begun = owing(app, 1, days=31)
    owing(app, 2, days=18)
    asyncio.run(publishing.publish(app, {"text": "[budget]\nper_week = 2\n"}, silent))
    found = difference(app, ladder(tmp_path, 20, 33), days=30)
    touched = {one[0] for name in ("gained", "lost") for one in told(found, name)}
    touched |= {one["after"]["client"] for one in found.data["changed"]}
    assert touched == {"Client 2"}
    assert found.data["keep_their_version"] == 1
    assert begun.name not in touched


def test_the_difference_is_what_publishing_then_does(either: App, tmp_path: Path) -> None:
    for number, days in enumerate((5, 18, 28, 31, 44), 1):
        owing(either, number, days=days)
    file = ladder(tmp_path, 20, 40)
    before = entries(ahead(either, 20))
    found = difference(either, file, days=20)
    asyncio.run(publishing.publish(either, {"text": file.read_text()}, silent))
    after = entries(ahead(either, 20))
    assert len(after) - len(before) == len(found.data["gained"]) - len(found.data["lost"])
    gone = [one for one in after if one not in before]
    new = [*found.data["gained"], *(one["after"] for one in found.data["changed"])]
    assert sorted(gone, key=str) == sorted(new, key=str)
    assert len(new) > 2


def test_comparing_publishes_nothing_and_leaves_every_row(either: App, tmp_path: Path) -> None:
    owing(either, days=18)
    before = content(either.store)
    difference(either, ladder(tmp_path, 20, 60))
    assert content(either.store) == before
    assert either.rules == policies.default()


def test_messages_to_who_disputes_are_counted_by_themselves(app: App, tmp_path: Path) -> None:
    known = owing(app, days=18)

    def contest(session: Session) -> None:
        factories.owes(session, known, NOON, days=10, number="INV-2")
        told = InvoiceDisputed(
            source="test", external_id="D-1", client_external_id=known.name,
            invoice_number="INV-2", amount=None, opened_on=NOON.date(),
        )  # fmt: skip
        ledger.apply(session, told, NOON, iter(()))

    app.store.write_now(contest)
    found = difference(app, ladder(tmp_path, 20, 60))
    assert found.data["totals"]["gained"]["messages_to_disputed"] == 1
    assert "of these 1 to clients with something in dispute" in "\n".join(found.lines)


def test_a_closed_door_is_compared_as_if_it_were_open(app: App, tmp_path: Path) -> None:
    owing(app, days=18)
    app.store.write_now(lambda session: factories.switch(session, NOON, "closed"))
    found = difference(app, ladder(tmp_path, 20, 60))
    assert len(found.data["gained"]) == 1
    assert "as if it were open" in "\n".join(found.lines)


def test_what_the_files_say_differently_is_listed_by_key(app: App, tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    file.write_text("[budget]\nper_week = 2\n")
    found = difference(app, file)
    assert found.data["settings"] == [{"key": "budget.per_week", "before": "3", "after": "2"}]


def test_the_policy_that_holds_already_changes_nothing(app: App, tmp_path: Path) -> None:
    file = tmp_path / "same.toml"
    file.write_text("# only a comment\n")
    found = difference(app, file)
    assert found.lines == [
        f"Publishing would change nothing: version {app.rules.version} holds already."
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        pytest.param("[dunning]\noffset = 3\n", "dunning.offset", id="unknown-key"),
        pytest.param(
            '[[dunning.steps]]\noffset = 3\naction = "remind"\ntemplate = "lovely"\n'
            'channels = ["email"]\n',
            "no template lovely",
            id="no-template",
        ),
    ],
)
def test_a_policy_with_mistakes_is_compared_with_nothing(
    app: App, tmp_path: Path, text: str, mistake: str
) -> None:
    file = tmp_path / "new.toml"
    file.write_text(text)
    with pytest.raises(PolicyError, match=mistake):
        difference(app, file)


def test_what_publishing_would_refuse_is_refused_for_who_has_nothing_to_come(
    app: App, tmp_path: Path
) -> None:
    """Nobody of those is copied, and a copy in another process can tell of no mistake."""
    quiet = client(app)

    def choose(session: Session) -> None:
        session.get_one(Client, quiet.client_id).ladder = "gentle"

    app.store.write_now(choose)
    with pytest.raises(PolicyError, match="client Client 1 has it"):
        difference(app, ladder(tmp_path, 20, 45))


def test_the_command_answers_in_json(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", sqlite_database.url)
    monkeypatch.setenv("COUNTERFOIL_KEYRING_URL", sqlite_database.keyring_url)
    monkeypatch.setenv("COUNTERFOIL_MASTER_KEY", KEY)
    with opened(sqlite_database) as app:
        owing(app, days=18)
    asked = ["policy", "diff", str(ladder(tmp_path, 20, 60)), "--json"]
    said = CliRunner().invoke(cli.app, asked)
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["after"] != app.rules.version
    missing = CliRunner().invoke(cli.app, ["policy", "diff", str(tmp_path / "none.toml")])
    assert missing.exit_code == 2
