"""Can everybody use the page: by a screen reader, by the keyboard alone, with little motion?"""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.async_api import Page, expect

from tests.browser.conftest import NewStage, Visit
from tests.browser.visitor import DESKTOP, PHONE, Stage, Visitor

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(900),
]

CLIENT = "Hollis Marine"
LAPTOP = (1280, 800)
PANES = ("Clients", "Phone", "Mail", "Slack", "Why")

NAMED = """
const name = (one) =>
  [one.tagName, one.id, one.getAttribute("aria-label") ?? one.textContent.trim()].join(" ");
"""
CONTROLS = f"""
{NAMED}
const shown = (one) => one.checkVisibility({{ visibilityProperty: true }}) && !one.disabled
  && one.tabIndex >= 0 && !one.closest(".skip");
[...document.querySelectorAll("a[href], button, input, textarea, select, [tabindex='0']")]
  .filter(shown).map(name)
"""
FOCUSED = f"""
(() => {{
  {NAMED}
  const one = document.activeElement;
  const style = getComputedStyle(one);
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return {{ name: name(one), ringed: ring || one.tagName === "IFRAME" }};
}})()
"""
MOVING = """
[...document.querySelectorAll("*")].filter((one) => ["", "::before", "::after"].some((part) => {
  const style = getComputedStyle(one, part);
  return parseFloat(style.transitionDuration) > 0 || style.animationName !== "none";
})).length
"""


async def problems(page: Page) -> list[str]:
    """What axe finds that is serious or critical; what a mail looks like is the mail's affair.

    By night only what can be another matter then is looked at: the colours.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_FILE_PATH.read_text("utf-8"))
    by_day = await _found(page, "")
    await page.emulate_media(color_scheme="dark")
    by_night = await _found(page, ", runOnly: ['color-contrast', 'link-in-text-block']")
    await page.emulate_media(color_scheme="light")
    return [*by_day, *(f"dark: {one}" for one in by_night)]


async def _found(page: Page, only: str) -> list[str]:
    options = f"{{iframes: false, resultTypes: ['violations']{only}}}"
    found: dict[str, Any] = await page.evaluate(f"axe.run(document, {options})")
    return [
        f"{one['impact']} {one['id']}: {node['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


async def in_the_middle(visitor: Visitor) -> None:
    """A text, a letter, a card and the reasons of a message are all to be seen."""
    await visitor.chooses(CLIENT)
    await visitor.enters("#clients")
    await visitor.says(f"/acct {CLIENT}")
    await expect(visitor.posts.get_by_role("button", name="Pause").last).to_be_visible()
    await visitor.goes_to("Phone")
    await visitor.page.locator("#texts").get_by_role("button", name="Why?").first.click()
    await visitor.sees(visitor.why, "At the door")


async def test_axe_finds_nothing_serious_before_anything_happened(
    new_stage: NewStage, visit: Visit
) -> None:
    stage = await new_stage()
    assert await problems((await visit(stage, DESKTOP)).page) == []
    phone = await visit(stage, PHONE)
    for pane in PANES:
        await phone.goes_to(pane)
        assert await problems(phone.page) == []


@pytest.mark.parametrize("size", [DESKTOP, LAPTOP, PHONE], ids=["desktop", "laptop", "phone"])
async def test_axe_finds_nothing_serious_in_the_middle_of_it(
    later: Stage, visit: Visit, size: tuple[int, int]
) -> None:
    visitor = await visit(later, size)
    await in_the_middle(visitor)
    for pane in PANES if size == PHONE else PANES[-1:]:
        await visitor.goes_to(pane)
        assert await problems(visitor.page) == []
    for record in ("Invoices", "Held", "Sealed", "Story"):
        await visitor.page.get_by_role("tab", name=record).click()
        assert await problems(visitor.page) == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_what_stands_against_a_debt_can_be_read_by_everybody(
    later: Stage, visit: Visit, size: tuple[int, int]
) -> None:
    visitor = await visit(later, size)
    await visitor.chooses("Zephyr Sailmakers")
    await visitor.goes_to("Why")
    await visitor.page.get_by_role("tab", name="Invoices").click()
    told = visitor.page.locator("#ledger .against")
    await visitor.sees(told, "Asked for: nothing; $2,000.00 is promised.")
    await visitor.sees(told, "What stands against it")
    await visitor.sees(told.locator("dd"), "$1,000.00 by 20 Feb 2026")
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not await visitor.page.evaluate(wide)
    assert await problems(visitor.page) == []


async def test_axe_finds_nothing_serious_in_a_form(later: Stage, visit: Visit) -> None:
    visitor = await visit(later)
    await in_the_middle(visitor)
    await visitor.posts.get_by_role("button", name="Pause").last.click()
    form = visitor.page.get_by_role("dialog", name="Pause reminders")
    await expect(form).to_be_visible()
    await form.get_by_role("button", name="Pause").click()
    await visitor.sees(form, "Fill this in first.")
    await expect(form.locator(":focus")).to_have_attribute("aria-invalid", "true")
    assert await problems(visitor.page) == []
    await visitor.page.keyboard.press("Escape")
    await expect(form).to_be_hidden()


async def test_every_control_is_reached_by_the_keyboard_and_shows_where_one_is(
    later: Stage, visit: Visit
) -> None:
    visitor = await visit(later)
    page = visitor.page
    await in_the_middle(visitor)
    await page.get_by_label("Search clients").fill("Marine")
    wanted = set(await page.evaluate(CONTROLS))
    await page.locator("body").focus()
    reached = set()
    for _ in range(len(wanted) * 2 + 20):
        await page.keyboard.press("Tab")
        focus = await page.evaluate(FOCUSED)
        if focus["name"].startswith("BODY"):
            continue
        assert focus["ringed"], focus["name"]
        reached.add(focus["name"])
    assert wanted - reached == set()


async def test_the_keyboard_alone_asks_answers_and_closes_the_door(
    later: Stage, visit: Visit
) -> None:
    visitor = await visit(later)
    page, keys = visitor.page, visitor.page.keyboard
    await page.get_by_label("Search clients").focus()
    await keys.type("granite")
    await keys.press("Enter")
    await visitor.sees(page.locator("#who h2"), "Granite Peak Gym")
    await page.get_by_label("Message or slash command").focus()
    await keys.type("/acct")
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await expect(page.get_by_label("Message or slash command")).to_have_value(
        "/acct Granite Peak Gym"
    )
    await keys.press("Enter")
    await visitor.sees(visitor.posts, "Granite Peak Gym")
    await page.get_by_role("tab", name="Timeline").focus()
    await keys.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Invoices")).to_be_focused()
    await page.get_by_role("switch").focus()
    await keys.press("Space")
    await expect(page.get_by_role("switch")).not_to_be_checked()
    await keys.press("Space")
    await expect(page.get_by_role("switch")).to_be_checked()


async def test_news_is_spoken(later: Stage, visit: Visit) -> None:
    visitor = await visit(later)
    await visitor.chooses("Larch Valley Farms")
    await visitor.texts("Which invoice is this?")
    news = visitor.page.locator("[aria-live=polite]")
    await visitor.sees(news, "1 new text")
    refused = visitor.page.get_by_role("alert")
    await later.hide()
    await visitor.texts("Hello?")
    await visitor.sees(refused, "Is it still running in the terminal?")
    await later.show()
    await expect(visitor.page.get_by_text("Reconnecting…")).to_have_count(0)
    visitor.complaints.clear()  # the browser says that the server was away


async def test_who_wants_little_motion_sees_none(later: Stage, visit: Visit) -> None:
    visitor = await visit(later, reduced_motion="reduce")
    assert await visitor.page.evaluate(MOVING) == 0
    assert await visitor.page.evaluate("document.getAnimations().length") == 0
