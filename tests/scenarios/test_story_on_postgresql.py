"""The sandbox's first weeks on PostgreSQL: what happens must not depend on the database."""

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from sqlmodel import select

from billing.store import Store
from bot.sandbox import story
from bot.sandbox.world import running
from comms import timeline
from comms.models import Decision, Message

pytestmark = pytest.mark.timeout(900)
DAYS = 24
"""Up to the STOP, the landline, the lost answer and the payment that came in between."""


async def played(folder: Path, **databases: str) -> tuple[Counter[str], Counter[str], list[str]]:
    transcript: list[str] = []
    async with running(folder, **databases) as world:
        await story.play(world, days_=DAYS, out=transcript.append)
        url = world.app.store.url
    with closing(Store(url, writable=False)) as store, store.read() as rows:
        assert list(timeline.verify(rows)) == []
        messages = Counter(
            f"{one.channel} {one.template} {one.state} {one.rule}"
            for one in rows.exec(select(Message))
        )
        decisions = Counter(f"{one.verdict} {one.rule}" for one in rows.exec(select(Decision)))
    return messages, decisions, transcript


async def test_the_story_is_the_same_on_both_databases(
    tmp_path: Path, fresh_postgres: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a store that is no file keeps its spool where it was started
    rows, keys = fresh_postgres
    folders = tmp_path / "sqlite", tmp_path / "postgresql"
    for folder in folders:
        folder.mkdir()
    here = await played(folders[0])
    there = await played(folders[1], database_url=rows, keyring_url=keys)
    assert there[0] == here[0]
    assert there[1] == here[1]
    assert by_moment(there[2]) == by_moment(here[2])


def by_moment(transcript: list[str]) -> list[list[str]]:
    """The lines of each moment; what is sent side by side ends in whatever order."""
    moments: list[list[str]] = []
    for line in transcript:
        if not moments or line[:7] != moments[-1][-1][:7] or not line.startswith("  "):
            moments.append([])
        moments[-1].append(line)
    return [sorted(lines) for lines in moments]
