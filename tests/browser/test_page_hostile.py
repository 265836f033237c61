"""What if words are endless, wicked or too many, a hand presses twice, the server goes away?"""

from __future__ import annotations

import dataclasses

import pytest
from playwright.async_api import Route, expect

from bot.sandbox.message_resource import Text
from bot.sandbox.workspace import Post
from tests.browser.conftest import Visit
from tests.browser.visitor import DESKTOP, PHONE, Stage, Visitor

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(900),
]

WICKED = (
    "<script>window.hit = 1</script><img src=x onerror='window.hit = 2'>"
    "<a href='javascript:window.hit = 3'>pay</a><iframe src='https://example.org/'></iframe>"
)
WICKED_MAIL = (
    f"<p id='seen'>Dear client</p>{WICKED}<form action='https://example.org/'><button>Go</button>"
    "</form><link rel=stylesheet href='https://example.org/a.css'>"
    "<meta http-equiv=refresh content='0;url=https://example.org/'>"
    "<style>p{background:url(https://example.org/b.png)}</style>"
)


async def outside(visitor: Visitor) -> list[str]:
    """What the browser asks of other machines from now on; none of it leaves this one."""
    asked: list[str] = []

    async def note(route: Route) -> None:
        asked.append(route.request.url)
        await route.fulfill(status=200, body="")

    await visitor.page.context.route("**://example.org/**", note)
    return asked


async def fits(visitor: Visitor) -> bool:
    """Nothing is wider than its pane, so nobody has to scroll sideways to read."""
    return bool(
        await visitor.page.evaluate(
            "[document.documentElement, ...document.querySelectorAll('.scroll')]"
            ".filter((one) => one.checkVisibility())"
            ".every((one) => one.scrollWidth <= one.clientWidth + 1)"
        )
    )


async def test_wicked_words_are_only_words(later: Stage, visit: Visit) -> None:
    visitor = await visit(later)
    page = visitor.page
    strangers = await outside(visitor)
    await visitor.chooses("Alder Street Bakery")
    await visitor.texts(WICKED)
    await visitor.sees(page.locator("#texts"), "<script>window.hit = 1</script>")
    await visitor.enters("#clients")
    await visitor.says(f"*Look*: {WICKED}")
    await visitor.sees(visitor.posts, "Look: <script>")
    await visitor.page.get_by_role("button", name="New mail").click()
    await page.get_by_label("Subject").fill(WICKED)
    await page.get_by_label("Mail from the client").fill(WICKED)
    await page.get_by_role("button", name="Send mail").click()
    await expect(page.locator("#mails .mail").first).to_contain_text("<script>")
    assert await page.evaluate("window.hit ?? 0") == 0
    assert strangers == []


async def test_a_wicked_mail_runs_and_fetches_nothing(later: Stage, visit: Visit) -> None:
    box = next(box for box in later.world.mail.mailboxes.values() if box and box[-1].html)
    letter = dataclasses.replace(
        box[-1],
        html=WICKED_MAIL,
        headers={"subject": "Wicked", "message-id": "<wicked@example.org>"},
    )
    visitor = await visit(later)
    strangers = await outside(visitor)
    await visitor.chooses(client_of(later, letter.recipients[0]))
    box.append(letter)
    later.world.changed()
    await visitor.page.locator("#mails .mail").filter(has_text="Wicked").click()
    frame = visitor.page.frame_locator("#letter iframe")
    await expect(frame.locator("#seen")).to_be_visible()
    await visitor.page.wait_for_timeout(300)
    assert await visitor.page.evaluate("window.hit ?? 0") == 0
    assert strangers == []
    assert visitor.page.url.startswith(later.url)
    box.remove(letter)
    visitor.complaints.clear()  # the browser tells what the policy refused


def client_of(stage: Stage, mailbox: str) -> str:
    """Whose mailbox this is, by the page's own snapshot."""
    for client in stage.desk.snapshot(None)["clients"]:  # type: ignore[attr-defined]
        seen: dict[str, dict[str, str]] = stage.desk.snapshot(client["id"])["selected"]  # type: ignore[assignment]
        if seen["mailbox"]["address"] == mailbox:
            return str(client["id"])
    raise LookupError(mailbox)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_endless_words_stay_inside_their_pane(
    later: Stage, visit: Visit, size: tuple[int, int]
) -> None:
    visitor = await visit(later, size)
    await visitor.chooses("Driftwood Studio")
    await visitor.texts("long" * 380)
    await visitor.sees(visitor.page.locator("#texts"), "longlonglong")
    await visitor.enters("#clients")
    await visitor.says("endless" * 500)
    await visitor.sees(visitor.posts, "endlessendless")
    for pane in ("Phone", "Slack", "Why"):
        await visitor.goes_to(pane)
        assert await fits(visitor)


async def test_two_hundred_messages_are_folded_and_end_with_the_newest(
    later: Stage, visit: Visit
) -> None:
    team = later.world.slack.workspace
    channel = team.channels["C0FINANCE"]
    root = team.post(channel, Post(team.next_ts(), "A long story", "URUTH"))
    for number in range(200):
        reply = Post(team.next_ts(), f"Reply {number}", "URUTH", thread_ts=root.ts)
        team.post(channel, reply)
    phone = later.world.twilio.phones["+15185550109"]
    now = later.world.clock.now()
    phone.extend(Text("in", "+15005550006", f"Text {number}", now) for number in range(200))
    visitor = await visit(later)
    await visitor.chooses("Ivy Lane Pottery")
    texts = visitor.page.locator("#texts")
    await expect(texts.get_by_text("Text 199")).to_be_in_viewport()
    await visitor.enters("#finance")
    await expect(visitor.posts.get_by_text("Reply 199", exact=True)).to_be_in_viewport()
    await expect(visitor.posts.get_by_text("Reply 196", exact=True)).to_have_count(0)
    await visitor.page.get_by_role("button", name="Show 197 earlier replies").click()
    await expect(visitor.posts.get_by_text("Reply 0", exact=True)).to_be_attached()
    assert await fits(visitor)


async def test_a_double_click_sends_once(later: Stage, visit: Visit) -> None:
    visitor = await visit(later)
    await visitor.chooses("Mosaic Travel")
    await visitor.page.get_by_label("Text from the client").fill("Only once, please")
    send = visitor.page.locator("#text-form").get_by_role("button", name="Send")
    await send.dblclick()
    said = visitor.page.locator("#texts").get_by_text("Only once, please")
    await expect(said).to_have_count(1)
    await visitor.enters("#clients")
    await visitor.says("/acct Mosaic Travel")
    await visitor.posts.get_by_role("button", name="Pause").last.dblclick()
    form = visitor.page.get_by_role("dialog", name="Pause reminders")
    await form.get_by_label("Why, for your colleagues").fill("Once")
    await form.get_by_role("button", name="Pause").dblclick()
    await expect(form.get_by_role("button", name="Pause", exact=True)).to_have_count(0)
    await form.get_by_role("button", name="Close").last.click()
    await expect(form).to_be_hidden()
    texts = later.world.twilio.phones
    assert sum(one.body == "Only once, please" for box in texts.values() for one in box) == 1


async def test_a_server_that_went_away_is_found_again(later: Stage, visit: Visit) -> None:
    visitor = await visit(later)
    await visitor.chooses("Poplar Print")
    await later.hide()
    await visitor.sees(visitor.page.locator("#live"), "Reconnecting…")
    await visitor.page.get_by_label("Text from the client").fill("Are you there?")
    await visitor.page.get_by_label("Text from the client").press("Enter")
    await expect(visitor.page.get_by_label("Text from the client")).to_have_value("Are you there?")
    await later.show()
    await expect(visitor.page.get_by_text("Reconnecting…")).to_have_count(0)
    await visitor.page.get_by_label("Text from the client").press("Enter")
    await visitor.sees(visitor.page.locator("#texts"), "Are you there?")
    visitor.complaints.clear()  # the browser says that the server was away
