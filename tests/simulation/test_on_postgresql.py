"""The same seed on PostgreSQL: the same messages, at the same moments, to the same people."""

from pathlib import Path

import pytest

from tests.simulation.both import differs
from tests.simulation.play import Size
from tests.simulation.process import Databases

pytestmark = pytest.mark.timeout(900)


def test_a_seed_is_the_same_story_on_postgresql(
    sqlite_template: Path,
    fresh_postgres: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # a store that is no file keeps its spool where it was started
    said = differs(3, Size(clients=2, days=6), sqlite_template, Databases(*fresh_postgres))
    assert not said, said
