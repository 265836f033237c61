"""Which moments explain the product best? ``make screenshots`` takes their pictures anew."""

from __future__ import annotations

import asyncio
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from playwright.async_api import Browser, async_playwright

from bot.watching import logs
from tests.browser.conftest import FLAGS, NAMES
from tests.browser.visitor import DESKTOP, PHONE, Stage, Visitor, staged, visiting

PICTURES = Path(__file__).parents[2] / "docs" / "screenshots"
MOMENT = "2026-02-04T16:30:00+00:00"
"""A renewal waits for a debt, and a case has come to its owner's turn."""
CLIENT, CASE, ADVISED = "Rowan Fitness", "Cobalt Cycles", "Driftwood Studio"
LARGEST = 400_000
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(picture):
        (length,) = struct.unpack_from(">I", picture, at)
        yield picture[at + 4 : at + 8], picture[at + 8 : at + 8 + length]
        at += 12 + length


def pressed(picture: bytes) -> bytes:
    """The same picture in fewer bytes: browsers write quickly, not tightly."""
    parts = list(chunks(picture))
    pixels = zlib.decompress(b"".join(data for kind, data in parts if kind == b"IDAT"))
    kept = [(b"IHDR", parts[0][1]), (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]
    return SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in kept
    )


async def take(visitor: Visitor, name: str, part: str = "") -> None:
    """Take a picture of the page, or of a part of it."""
    await visitor.page.wait_for_timeout(400)
    shot = visitor.page.locator(part).screenshot if part else visitor.page.screenshot
    picture = pressed(await shot(animations="disabled", caret="hide"))
    if len(picture) > LARGEST:
        raise SystemExit(f"{name} has {len(picture)} bytes: more than {LARGEST}.")
    (PICTURES / name).write_bytes(picture)


async def converse(visitor: Visitor) -> None:
    """The client writes by both ways, and a colleague takes it up in Slack."""
    await visitor.chooses(CLIENT)
    await visitor.texts("Sorry, we moved office. I pay on Friday.")
    await visitor.sees(visitor.page.locator("#texts"), "I pay on Friday")
    await visitor.answers_by_mail("Could you send the invoice again?\n\nThank you,\nRowan Fitness")
    await visitor.enters("#clients")
    await visitor.sees(visitor.posts, "Could you send the invoice again?")
    thread = visitor.posts.locator(".post-and-thread").filter(has_text=CLIENT)
    await thread.get_by_role("button", name="Reply in thread").first.click()
    await visitor.says("I send it again. Friday is fine.")
    await visitor.sees(visitor.posts, "Friday is fine")
    await visitor.page.locator("#mails .mail").last.click()


async def seal(visitor: Visitor) -> None:
    """A client asks for advice: finance sees what may be known, and who has read it."""
    page = visitor.page
    await visitor.chooses(ADVISED)
    await page.locator("#text-ideas").get_by_role("button", name="Legal advice").click()
    await page.locator("#text-form").get_by_role("button", name="Send").click()
    await visitor.enters("#clients")
    await visitor.sees(visitor.posts, "Sealed: legal advice")
    await page.get_by_role("tab", name="Sealed").click()
    await page.get_by_label("You are").select_option("U0DANA")
    await page.get_by_role("button", name="Read it as Dana").click()
    await page.locator("#confirm").get_by_role("button", name="Close").click()
    await page.get_by_label("You are").select_option("U0MEI")
    await visitor.sees(page.locator("#ledger .looks"), "Dana read it")
    await page.get_by_label("Search clients").fill("")
    await page.locator("#posts").evaluate("(one) => (one.scrollTop = one.scrollHeight)")
    await page.get_by_role("button", name="Read it as Mei").scroll_into_view_if_needed()
    await page.evaluate("document.activeElement.blur()")


async def look(browser: Browser, stage: Stage) -> None:
    async with visiting(browser, stage.url, DESKTOP) as visitor:
        page = visitor.page
        await converse(visitor)
        await page.get_by_label("Search clients").fill("")
        await page.locator(".who-held .held").first.click()
        await visitor.sees(visitor.why, "At the door")
        await take(visitor, "sandbox.png")
        await page.emulate_media(color_scheme="dark")
        await take(visitor, "sandbox-dark.png")
        await page.emulate_media(color_scheme="light")
        await take(visitor, "why.png", "#stub")
        await visitor.chooses(CASE)
        await visitor.enters("Tomas (DM)")
        await visitor.sees(visitor.posts, CASE)
        await page.set_viewport_size({"width": 1920, "height": 1600})
        await take(visitor, "escalation.png", "#posts .post >> nth=-1")
        await page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
        await seal(visitor)
        await take(visitor, "sealed.png")
        await page.get_by_role("link", name="Calendar").click()
        await visitor.sees(page.locator("#strip"), "held now")
        await take(visitor, "calendar.png")
    async with visiting(browser, stage.url, PHONE, device_scale_factor=2) as visitor:
        await visitor.chooses(CLIENT)
        await visitor.goes_to("Phone")
        await take(visitor, "phone.png")


async def main() -> None:
    logs.quiet()
    chromium = next((found for name in NAMES if (found := shutil.which(name))), None)
    if chromium is None:
        sys.exit("No Chromium here: install one (apt-get install chromium).")
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with staged(Path(folder)) as stage, async_playwright() as driver:
            await stage.desk.golive(open_=True)
            await stage.desk.turn(MOMENT)
            browser = await driver.chromium.launch(executable_path=chromium, args=FLAGS)
            await look(browser, stage)


if __name__ == "__main__":
    asyncio.run(main())
