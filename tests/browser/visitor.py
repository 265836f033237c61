"""What does a person at the sandbox's page see and do? The steps that the stories are told in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Locator, Page, expect

from bot.sandbox import loopback
from bot.sandbox.desk import SandboxDesk
from bot.sandbox.page import page as shown
from bot.sandbox.world import World, running
from tests import ports

DESKTOP = (1600, 1000)
PHONE = (390, 844)
THIRTIETH_DAY = "2026-02-03T06:00:00+00:00"
STILL = 0.05
"""The cumulative layout shift that nobody notices (browsers call 0.1 good)."""
PATIENCE = 60_000
"""Milliseconds until something must have happened, also on a machine that is busy."""

# What moved without anybody having touched it just before, in bursts as browsers reckon their
# cumulative layout shift. The browser leaves out the 500 ms after an input by itself; on a busy
# machine the answer to it comes later, so what a hand asked for, and the look that follows, is left
# out until a second after it came.
SHIFTS = """
window.moved = [];
window.windows = [];
let touched = -Infinity;
const awaited = [];
for (const kind of ["pointerdown", "keydown", "click"])
  addEventListener(kind, () => { touched = performance.now(); }, true);
const asked = window.fetch;
window.fetch = async (...given) => {
  const now = performance.now();
  const byHand = now - touched < 500;
  const span = { from: now, to: Infinity, byHand };
  if (byHand || awaited.some((one) => one.byHand && now - one.to < 1000)) awaited.push(span);
  try { return await asked(...given); } finally { span.to = performance.now(); }
};
const expected = (at) => awaited.some((one) => one.from <= at && at - one.to < 1000);
const named = (node) => node?.id || node?.className || node?.nodeName || "gone";
new PerformanceObserver((list) => {
  for (const one of list.getEntries())
    if (!one.hadRecentInput && !expected(one.startTime)) {
      window.moved.push(one.value.toFixed(3) + " " + one.sources.map((from) => named(from.node)));
      const now = window.windows.at(-1);
      const on = now && one.startTime - now.last < 1000 && one.startTime - now.first < 5000;
      if (on) Object.assign(now, { sum: now.sum + one.value, last: one.startTime });
      else window.windows.push({ first: one.startTime, last: one.startTime, sum: one.value });
    }
}).observe({ type: "layout-shift", buffered: true });
"""


REFUSED = "Blocked script execution in 'about:srcdoc'"
"""The frame of a letter runs no script, ours (``SHIFTS``, which goes into every frame) no more than
another's; whether the browser finds time to say so before the frame is gone is chance."""


@dataclass
class Stage:
    """A running world and the page over it, which can be taken away and put back."""

    world: World
    desk: SandboxDesk
    port: int
    _page: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def show(self) -> None:
        site = shown(self.desk, {f"127.0.0.1:{self.port}"})
        await self._page.enter_async_context(loopback.serve(site, self.port))

    async def hide(self) -> None:
        await self._page.aclose()


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    async with running(folder) as world:
        with ports.held() as port:
            stage = Stage(world, SandboxDesk(world), port)
            await stage.show()
            yield stage
            await stage.hide()


@dataclass
class Visitor:
    """Somebody in front of the page."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    """Errors of the page and of the browser's console."""

    # --- finding the way --------------------------------------------------------------------------

    async def goes_to(self, pane: str) -> None:
        """On a phone one pane is seen at a time; on a desktop all of them are."""
        tab = self.page.locator("#tabs").get_by_role("button", name=pane)
        if await tab.is_visible():
            await tab.click()

    async def chooses(self, client: str) -> None:
        await self.goes_to("Clients")
        await self.page.get_by_label("Search clients").fill(client)
        await self.page.locator("#clients .client").get_by_text(client, exact=True).click()
        await expect(self.page.locator("#who h2")).to_have_text(client)

    async def enters(self, channel: str) -> None:
        await self.goes_to("Slack")
        await self.page.locator("#channels").get_by_role("button", name=channel).click()

    # --- acting -----------------------------------------------------------------------------------

    async def turns(self, step: str) -> None:
        await self.page.get_by_role("button", name=step, exact=True).click()
        await expect(self.page.locator(".steps[aria-busy]")).to_have_count(0, timeout=PATIENCE * 3)

    async def texts(self, words: str) -> None:
        await self.goes_to("Phone")
        await self.page.get_by_label("Text from the client").fill(words)
        await self.page.locator("#text-form").get_by_role("button", name="Send").click()

    async def answers_by_mail(self, words: str) -> None:
        await self.goes_to("Mail")
        await self.page.get_by_role("button", name="Reply", exact=True).click()
        await self.page.get_by_label("Mail from the client").fill(words)
        await self.page.get_by_role("button", name="Send mail").click()

    async def says(self, words: str) -> None:
        await self.goes_to("Slack")
        await self.page.get_by_label("Message or slash command").fill(words)
        await self.page.locator("#say-form").get_by_role("button", name="Send").click()

    # --- seeing -----------------------------------------------------------------------------------

    @property
    def why(self) -> Locator:
        return self.page.locator("#why-body")

    @property
    def posts(self) -> Locator:
        return self.page.locator("#posts")

    def place(self, name: str) -> Locator:
        """One place of the door, as the reasons show it."""
        row = self.page.locator("#why-body .door li")
        return row.filter(has=self.page.get_by_text(re.compile(f"^{name}$")))

    async def sees(self, where: Locator, words: str) -> None:
        await expect(where).to_contain_text(words)

    async def jumps(self) -> str:
        """What jumped under the reader's eyes so far, where one burst of it was to be noticed."""
        worst = await self.page.evaluate("Math.max(0, ...window.windows.map((one) => one.sum))")
        told = await self.page.evaluate("window.moved.join('; ')")
        return f"{worst:.3f}: {told}" if worst > STILL else ""


@asynccontextmanager
async def visiting(
    browser: Browser, url: str, size: tuple[int, int], **given: Any
) -> AsyncIterator[Visitor]:
    """Open the page in a window of this size."""
    width, height = size
    context = await browser.new_context(viewport={"width": width, "height": height}, **given)
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    await context.add_init_script(SHIFTS)
    page = await context.new_page()
    visitor = Visitor(page)
    page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    page.on("console", lambda said: _complained(visitor, said.type, said.text))
    await page.goto(url)
    await expect(page.locator("body.ready")).to_be_visible()
    yield visitor
    await context.close()


def _complained(visitor: Visitor, kind: str, text: str) -> None:
    if kind in {"error", "warning"} and not text.startswith(REFUSED):
        visitor.complaints.append(text)
