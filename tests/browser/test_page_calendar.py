"""Does the calendar show what then comes, and can everybody read it?"""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.test_page_for_everybody import problems
from tests.browser.visitor import DESKTOP, PHONE, Stage

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(900),
]


async def drawn(page: Page, stage: Stage) -> None:
    await page.goto(f"{stage.url}/calendar")
    await expect(page.locator("#weeks .date span").first).to_be_attached()


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_axe_finds_nothing_serious_in_the_calendar(
    later: Stage, visit: Visit, size: tuple[int, int]
) -> None:
    visitor = await visit(later, size)
    await drawn(visitor.page, later)
    assert await problems(visitor.page) == []
    await visitor.page.get_by_role("button", name="Goes").last.click()
    await visitor.page.locator("#weeks button.date").first.click()
    assert await problems(visitor.page) == []


async def test_a_day_of_the_calendar_is_told_with_its_reasons(later: Stage, visit: Visit) -> None:
    page = (await visit(later)).page
    await drawn(page, later)
    kinds = page.locator("#kinds")
    for kind in ("Goes", "To owners", "Never goes"):
        await kinds.get_by_role("button", name=kind, exact=True).click()
    await page.locator("#weeks button.date").first.click()
    told = page.locator("#entries .entry")
    await expect(told.first).to_have_class("entry hold")
    await expect(told.first.locator(".because code").last).not_to_be_empty()
    await expect(page.locator("#agenda-title")).not_to_have_text("Agenda")
    await page.get_by_role("button", name="All days").click()
    await expect(page.locator("#agenda-title")).to_have_text("Agenda")


async def test_the_calendar_of_one_client_names_nobody_else(later: Stage, visit: Visit) -> None:
    page = (await visit(later)).page
    await drawn(page, later)
    name = await page.locator("#entries .whom").first.inner_text()
    await page.get_by_label("Client").select_option(name)
    assert set(await page.locator("#entries .whom").all_inner_texts()) == {name}
    await expect(page.locator("#back")).to_have_attribute(
        "href", f"/#client={name}".replace(" ", "%20")
    )


async def test_a_calendar_that_is_old_says_so_and_looks_again(later: Stage, visit: Visit) -> None:
    visitor = await visit(later)
    await visitor.page.get_by_role("link", name="Calendar").click()
    strip = visitor.page.locator("#strip")
    await visitor.sees(strip, "held now")
    await later.desk.golive(open_=True)  # once more: something is done, and nothing changes
    await visitor.sees(strip, "Something has happened")
    await visitor.page.get_by_role("button", name="Look again").click()
    await visitor.sees(strip, "held now")
