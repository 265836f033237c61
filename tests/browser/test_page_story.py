"""The whole story by clicks and typing, at a desk and on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewStage, Visit
from tests.browser.test_page_for_everybody import problems
from tests.browser.visitor import DESKTOP, PHONE, Stage, Visitor

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(900),
]


async def looks_why_it_is_held(visitor: Visitor) -> None:
    await expect(visitor.page.get_by_role("switch")).not_to_be_checked()
    await visitor.sees(visitor.page.locator("#strip"), "Nothing leaves to clients yet")
    await visitor.chooses("Bramble Foods")
    await visitor.page.locator(".who-held .held").first.click()
    await visitor.sees(visitor.why, "Held First reminder to Bramble Foods by email")
    await visitor.sees(visitor.place("Go live"), "waits")


async def opens_the_door_and_waits_for_a_reminder(visitor: Visitor) -> None:
    page = visitor.page
    await page.get_by_role("switch").click()
    await expect(page.get_by_role("switch")).to_be_checked()
    await visitor.turns("To next event")
    await visitor.turns("+1 day")
    await visitor.goes_to("Mail")
    await page.locator("#mails .mail").filter(has_text="Reminder: 2 invoices").click()
    letter = page.frame_locator("#letter iframe")
    await expect(letter.get_by_text("Hello Ben")).to_be_visible()
    await expect(letter.get_by_role("link").first).to_be_visible()


async def sees_that_every_place_let_it_pass(visitor: Visitor) -> None:
    await visitor.page.locator("#letter").get_by_role("button", name="Why?").click()
    await visitor.sees(visitor.why, "Every place of the door let it pass.")
    for place in ("Go live", "Identity", "Consent", "Billing", "Budget", "Hours"):
        await visitor.sees(visitor.place(place), "passed")


async def says_stop_while_a_text_waits(visitor: Visitor) -> None:
    for _ in range(5):
        await visitor.turns("+1 day")
    await visitor.chooses("Quarry Street Barbers")
    held = visitor.page.locator(".who-held")
    await visitor.sees(held, "First reminder by SMS")
    await visitor.texts("STOP")
    await visitor.sees(visitor.page.locator("#texts"), "successfully been unsubscribed")
    await visitor.sees(visitor.page.locator("#who .flag"), "no SMS: opted out")
    await expect(held.get_by_text("by SMS")).to_have_count(0)
    await visitor.goes_to("Why")
    await visitor.page.get_by_role("tab", name="Invoices").click()
    await visitor.page.locator("#ledger .record").filter(has_text="CLN-1015").click()
    await visitor.sees(visitor.why, "First reminder by SMS: cancelled (opted out)")
    await visitor.enters("#clients")
    await visitor.sees(visitor.posts, "opted out; 1 waiting message cancelled")


async def answers_by_mail(visitor: Visitor) -> None:
    await visitor.chooses("Bramble Foods")
    await visitor.answers_by_mail("The cheque is in the post.\n\nBen")
    await visitor.enters("#clients")
    thread = visitor.posts.locator(".post-and-thread").filter(has_text="Bramble Foods")
    await visitor.sees(thread, "The cheque is in the post.")
    await visitor.goes_to("Why")
    await visitor.page.get_by_role("tab", name="Timeline").click()
    await visitor.sees(visitor.page.locator("#ledger"), "Client wrote by email")


async def asks_in_slack_and_pauses(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.enters("#clients")
    await visitor.says("/acct why Bramble Foods")
    await visitor.sees(visitor.posts, "Why, for Bramble Foods")
    await visitor.says("/acct Bramble Foods")
    card = visitor.posts.locator(".ephemeral").last
    for name in ("Pause", "Timeline", "Why"):
        await expect(card.get_by_role("button", name=name, exact=True)).to_be_visible()
    await card.get_by_role("button", name="Pause", exact=True).click()
    form = page.get_by_role("dialog", name="Pause reminders")
    await form.get_by_label("Days").fill("0")
    await form.get_by_label("Why, for your colleagues").fill("They asked us to wait.")
    await form.get_by_role("button", name="Pause", exact=True).click()
    await visitor.sees(form, "Write a number of days")
    await form.get_by_label("Days").fill("7")
    await form.get_by_role("button", name="Pause", exact=True).click()
    await expect(form.get_by_role("button", name="Pause", exact=True)).to_have_count(0)
    await form.get_by_role("button", name="Close").last.click()
    await expect(form).to_be_hidden()
    await visitor.goes_to("Phone")
    await visitor.sees(page.locator("#who"), "paused")


async def pays_and_gets_a_receipt(visitor: Visitor) -> None:
    page = visitor.page
    receipts = page.locator("#mails .mail").filter(has_text="Thank you: payment received")
    before = await receipts.count()
    await visitor.goes_to("Mail")
    await page.get_by_role("button", name="Client pays all").click()
    await expect(page.locator("#who").get_by_text("overdue")).to_have_count(0)
    await visitor.turns("+1 day")
    await visitor.turns("+1 day")
    await expect(receipts).not_to_have_count(before)
    await receipts.first.click()
    await visitor.sees(page.locator("#letter"), "Thank you")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_the_story_can_be_lived_by_hand(
    new_stage: NewStage, visit: Visit, size: tuple[int, int]
) -> None:
    visitor = await visit(await new_stage(), size)
    await looks_why_it_is_held(visitor)
    await opens_the_door_and_waits_for_a_reminder(visitor)
    await sees_that_every_place_let_it_pass(visitor)
    await says_stop_while_a_text_waits(visitor)
    await answers_by_mail(visitor)
    await asks_in_slack_and_pauses(visitor)
    await pays_and_gets_a_receipt(visitor)
    assert await visitor.jumps() == ""


async def test_days_run_until_somebody_stops_them(new_stage: NewStage, visit: Visit) -> None:
    # In a world of its own: how many days it is older then is for the machine to say.
    visitor = await visit(await new_stage())
    page = visitor.page
    await page.get_by_role("button", name="Run 90 days").click()
    # Any day but none: on a quick machine the first is over between two looks at the page.
    await expect(page.locator(".run")).to_contain_text(re.compile(r"Day [1-9]\d* of 90"))
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(page.locator(".run")).to_have_count(0)
    assert await visitor.jumps() == ""


async def test_a_case_asks_its_owner(later: Stage, visit: Visit) -> None:
    await later.desk.turn("2026-02-06T06:00:00+00:00")
    visitor = await visit(later)
    await visitor.chooses("Cobalt Cycles")
    await visitor.enters("Tomas (DM)")
    card = visitor.posts.locator(".post").filter(has_text="Cobalt Cycles").last
    await card.get_by_role("button", name="Pause").click()
    await visitor.sees(visitor.page.locator("#who"), "paused")
    assert await visitor.jumps() == ""


async def test_a_second_window_follows_the_first(later: Stage, visit: Visit) -> None:
    first, second = await visit(later), await visit(later, PHONE)
    for one in (first, second):
        await one.chooses("Amber Row Books")
    await first.texts("Is anybody there?")
    await second.sees(second.page.locator("#texts"), "Is anybody there?")
    await second.sees(second.page.locator("#news"), "1 new text")


async def test_what_nobody_may_see_is_sealed_read_and_unsealed(later: Stage, visit: Visit) -> None:
    visitor = await visit(later)
    page, posts = visitor.page, visitor.posts
    await visitor.chooses("Driftwood Studio")
    await page.locator("#text-ideas").get_by_role("button", name="Legal advice").click()
    await page.locator("#text-form").get_by_role("button", name="Send").click()
    await visitor.enters("#clients")
    card = posts.locator(".thread .post").filter(has_text="Sealed: legal advice")
    await visitor.sees(card, "is approved for payment")
    await expect(posts.get_by_text("Bram claim")).to_have_count(0)
    await page.get_by_role("tab", name="Sealed").click()
    await visitor.sees(page.locator("#ledger"), "attorney-client")
    await page.get_by_role("button", name="Read it as Ruth").click()
    await visitor.sees(page.get_by_role("alert"), "is not cleared for legal advice")
    visitor.complaints.clear()  # the browser says that this was refused
    await page.get_by_label("You are").select_option("U0DANA")
    await page.get_by_role("button", name="Read it as Dana").click()
    shown = page.get_by_role("dialog", name="Driftwood Studio: read as Dana")
    await visitor.sees(shown, "should we settle the Bram claim")
    assert await problems(page) == []
    await shown.get_by_role("button", name="Close").click()
    await visitor.sees(page.locator("#ledger .looks"), "Dana read it")
    await card.get_by_role("button", name="React with :unlock:").click()
    await visitor.sees(posts, "should we settle the Bram claim")
    await visitor.sees(page.locator("#ledger .looks"), "Dana took the seal off")
    await page.get_by_label("You are").select_option("U0RUTH")
