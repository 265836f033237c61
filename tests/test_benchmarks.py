"""Benchmarks are run by hand; what keeps them from rotting in between?"""

import importlib
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import text

from benchmarks import __main__ as runner
from benchmarks import mails, stores
from benchmarks.figures import Figure, Scale
from billing.store import Store
from tests.conftest import Database

FIGURE = Figure(
    name="hooks", database="sqlite", ours=30.0, bare=60.0, unit="/s", better="more", goal=""
)


def test_the_runner_finds_what_measures() -> None:
    measuring = {"history", "hooks", "mails", "slack", "texts"}
    assert measuring <= set(runner.names())
    assert "wire" not in runner.names()


@pytest.mark.parametrize("name", runner.names())
def test_a_benchmark_can_be_loaded_and_says_what_it_asks(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").figures)
    assert runner.question(name).endswith("?")


def test_the_firm_of_the_benchmarks_fits_the_tables_of_today(fresh_database: Database) -> None:
    stores.make(fresh_database.url, 3)
    with closing(Store(fresh_database.url, writable=False)) as store, store.read() as session:
        assert session.scalar(text("SELECT count(*) FROM invoice")) == 3


def test_a_column_that_nobody_names_gets_what_its_model_says() -> None:
    said = stores.unsaid("legal_entity", ("id", "name"))
    assert said["sms_unregistered"] == "false"
    assert "name" not in said


def test_a_name_that_measures_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        runner.main(["wire"])
    assert "there are" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        ("", None),
        ("as fast as it can", None),
        ("at least 0.5 of bare", True),
        ("at least 0.6 of bare", False),
        ("at least 30 /s", True),
        ("at most 29 /s", False),
        ("at least 1,000 /s", False),
    ],
    ids=str,
)
def test_a_goal_is_reached_or_not(goal: str, reached: bool | None) -> None:  # noqa: FBT001
    assert runner.reached(replace(FIGURE, goal=goal)) is reached


def test_nothing_crossed_is_a_goal_reached() -> None:
    none = replace(FIGURE, ours=0, bare=None, unit="", better="less", goal="at most 0")
    assert runner.reached(none) is True


def test_a_strict_parser_reads_our_mails_as_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mails._MAILS, Scale.SMALL, 5)
    monkeypatch.setitem(mails._ROUNDS, Scale.SMALL, 1)
    built, sent = mails.figures(Scale.SMALL)
    assert built.unit == sent.unit == "/s"
    assert min(built.ours, sent.ours) > 0
