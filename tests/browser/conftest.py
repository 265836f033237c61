"""Through which browser does a test look at the page, and at which world?

``new_stage`` makes a world at its first morning; ``later`` is one world on its thirtieth day, or
three days later, its door open: tests share it, so they ask nothing of its moment. Without a
Chromium the tests are skipped, and fail where ``REQUIRE_BROWSER`` says that there must be one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.visitor import DESKTOP, THIRTIETH_DAY, Stage, Visitor, staged, visiting

NewStage = Callable[[], Awaitable[Stage]]
Visit = Callable[..., Awaitable[Visitor]]
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    for name in (os.environ.get("COUNTERFOIL_CHROMIUM", ""), *NAMES):
        if name and (found := shutil.which(name)):
            return found
    sentence = "no Chromium here; install one (apt-get install chromium) or name it in "
    sentence += "COUNTERFOIL_CHROMIUM"
    if os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        yield await driver.chromium.launch(executable_path=chromium_path, args=FLAGS)


@pytest_asyncio.fixture(loop_scope="session")
async def new_stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NewStage]:
    async with AsyncExitStack() as stack:

        async def make() -> Stage:
            return await stack.enter_async_context(staged(tmp_path_factory.mktemp("world")))

        yield make


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def later(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("later")) as stage:
        await stage.desk.golive(open_=True)
        await stage.desk.turn(THIRTIETH_DAY)
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Opens the page of a stage; nobody may leave it with an error in the console."""
    async with AsyncExitStack() as stack:
        visitors: list[Visitor] = []

        async def come(stage: Stage, size: tuple[int, int] = DESKTOP, **given: str) -> Visitor:
            visitor = await stack.enter_async_context(visiting(browser, stage.url, size, **given))
            visitors.append(visitor)
            return visitor

        yield come
    assert [one.complaints for one in visitors if one.complaints] == []
