"""The sandbox's first weeks on PostgreSQL: what happens must not depend on the database."""

from pathlib import Path

import pytest

from bot.sandbox import story
from bot.sandbox.world import running
from comms import timeline
from tests.scenarios.conftest import WEEKS, Told, first_days, kinds

pytestmark = pytest.mark.timeout(900)


async def test_the_story_is_the_same_on_both_databases(
    told: Told, tmp_path: Path, fresh_postgres: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a store that is no file keeps its spool where it was started
    rows, keys = fresh_postgres
    transcript: list[str] = []
    async with running(tmp_path, database_url=rows, keyring_url=keys) as world:
        await story.play(world, days_=WEEKS, out=transcript.append)
        with world.app.store.read() as session:
            assert list(timeline.verify(session)) == []
            assert kinds(session) == told.weeks
    here, there = (by_moment(first_days(one, WEEKS)) for one in (told.transcript, transcript))
    assert there == here
    assert len(here) > WEEKS


def by_moment(transcript: list[str]) -> list[list[str]]:
    """The lines of each moment; what is sent side by side ends in whatever order."""
    moments: list[list[str]] = []
    for line in transcript:
        if not moments or line[:7] != moments[-1][-1][:7] or not line.startswith("  "):
            moments.append([])
        moments[-1].append(line)
    return [sorted(lines) for lines in moments]
