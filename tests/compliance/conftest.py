from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.bot import telling
from tests.compliance.house import PEOPLE, House, staffed
from tests.conftest import Database


@pytest_asyncio.fixture
async def house(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[House]:
    async with telling.listening(sqlite_database, tmp_path) as running:
        running.write(staffed)
        for slack_user, name, email, _ in PEOPLE:
            running.slack.add_user(slack_user, name, email)
        yield House(running, running.known())
