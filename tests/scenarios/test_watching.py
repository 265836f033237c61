"""A story that is disturbed is watched: nothing stands still, and no line of the log says who.

The whole of it, which nobody disturbs, is watched in ``test_story``.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from bot import audit
from bot.models import Incoming
from bot.sandbox import loopback, story
from bot.sandbox.chronicle import Chronicle
from bot.sandbox.world import World, running
from bot.watching.metrics import Scrape
from bot.watching.standstills import Finding
from tests.scenarios import watch

pytestmark = [pytest.mark.xdist_group("watching"), pytest.mark.timeout(900)]
CANARY = "canary-brimstone"
STRANGER = "+12125550143"
DAYS = 20
"""The door is open, people answered, and staff sealed, read and answered what came."""


@dataclass
class Watched:
    """What was found, logged and measured while the story was told."""

    standstills: dict[int, list[Finding]]
    log: str
    scraped: str
    secrets: set[str]
    references: set[str]
    incoming: set[int]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines()]


async def disturb(world: World, day: int) -> None:
    """Words that must not be seen again come in by every door, readable or not."""
    client = story.address_of(world, "Alder Street Bakery", "email")
    phone = story.address_of(world, "Ivy Lane Pottery", "sms")
    if day == 5:
        await world.texts(phone, f"{CANARY} I will pay on Friday")
        await world.texts(STRANGER, f"{CANARY} who is this?")
        await world.mails(client, f"{CANARY} subject", f"{CANARY} body, I dispute this")
        await world.mails(f"{CANARY}@stranger.example", CANARY, CANARY)
    if day == 6:
        secret = world.app.settings.valid("email_hook_secret")[0]
        proof = {"Authorization": f"Bearer {secret}"}
        broken = f"Subject: {CANARY}\r\nContent-Type: multipart/x; boundary=\r\n\r\n{CANARY}"
        await loopback.post(f"{world.url}/hooks/email", broken.encode() + b"\xff\x00", proof)
        await loopback.post(f"{world.url}/hooks/email", b"\xff\x00" + CANARY.encode(), proof)
        for path in ("email", "slack", "twilio/sms", f"twilio/status?{CANARY}", CANARY):
            await loopback.post(f"{world.url}/hooks/{path}", CANARY.encode(), {})
        await world.settle()


async def tell(folder: Path) -> Watched:
    found: dict[int, list[Finding]] = {}
    async with running(folder) as world:
        async for day in story.days(world, DAYS, Chronicle(world.app)):
            await disturb(world, day.number)
            found[day.number] = audit.look(world.app)
        app = world.app
        scrape = Scrape(app.meters, app.store, app.spool, app.channels)
        scraped = scrape.text(world.clock.now()).decode()
        with app.store.read() as session:
            secrets = watch.secrets(session) | {CANARY, STRANGER[1:]}
            references = watch.references(session)
            incoming = set(session.exec(select(Incoming.id)))
    return Watched(found, "", scraped, secrets, references, incoming)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    with watch.heard() as log:
        told = asyncio.run(tell(tmp_path_factory.mktemp("watched")))
    told.log = log.getvalue()
    return told


def test_after_no_day_does_anything_stand_still(watched: Watched) -> None:
    assert {day: found for day, found in watched.standstills.items() if found} == {}
    assert len(watched.standstills) == DAYS


def test_no_line_of_the_log_names_a_client_or_says_their_words(watched: Watched) -> None:
    assert watch.told(watched.secrets, watched.log, watched.references) == []


def test_no_metric_names_a_client_or_says_their_words(watched: Watched) -> None:
    assert watch.told(watched.secrets, watched.scraped) == []
    assert re.findall(r'="[^"]*(?:@|\+\d|\d{7})[^"]*"', watched.scraped) == []


def test_a_delivery_can_be_followed_from_its_hook_to_what_was_sent(watched: Watched) -> None:
    of = {line["trace"]: line for line in watched.lines if line["event"] == "received"}
    understood = [line for line in watched.lines if line["event"] == "inbound"]
    assert understood
    assert all(line["trace"] in of and line["incoming"] in watched.incoming for line in understood)
    answered = {line.get("incoming") for line in watched.lines if line["event"] == "sent"}
    assert {line["incoming"] for line in understood} <= answered


def test_every_line_about_a_message_carries_its_reference(watched: Watched) -> None:
    about = [line for line in watched.lines if line["event"] in ("sent", "not_sent")]
    assert about
    assert {line["message"] for line in about} <= watched.references
    assert any("client" in line for line in about)
