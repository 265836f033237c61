"""The sandbox's 90 days, played once in a worker: what was told, and the world after it."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlmodel import Session, select

from billing.store import Store
from bot import audit
from bot.sandbox import portrait, story
from bot.sandbox.world import World, client_named, running
from bot.slack import answers
from bot.watching.standstills import Finding
from comms.models import Decision, Message
from tests.scenarios import watch


class Seen(NamedTuple):
    """What stood on the page and on the `/acct` card about a client at the end of a day."""

    asked: str
    against: str
    card: str


class Kinds(NamedTuple):
    """How many messages and decisions there are of each kind."""

    messages: Counter[str]
    decisions: Counter[str]


@dataclass
class Told:
    """The world after the story, its store opened again for reading."""

    world: World
    outcome: story.Outcome
    transcript: list[str]
    store: Store
    seen: dict[tuple[int, str], Seen]
    standstills: dict[int, list[Finding]]
    weeks: Kinds
    """After the first weeks."""
    log: str


WEEKS = 24
"""Up to the STOP, the landline, the lost answer and the payment that came in between."""
HEAD = re.compile(r" 20\d\d, day (\d+)")
STANDS = {
    (12, "Yarrow Textile Care"): ("$500.00 of STU-2002", "", "$500.00* open"),
    (11, "Umber Lane Dental"): ("nothing; $640.00 is on its way", "on its way", "on its way"),
    (19, "Umber Lane Dental"): ("$640.00 of CLN-2001", "", "$640.00 overdue"),
    (11, "Violet Hill Press"): ("$1,500.00 of LAW-2001; $900.00 is disputed",
                                "$900.00 of LAW-2001 since 14 Jan 2026", "$900.00 of LAW-2001"),
    (24, "Violet Hill Press"): ("$1,800.00 of LAW-2001", "", "$1,800.00* open"),
    (22, "Walnut Grove Vets"): ("$480.00 of CLN-2002", "taken back by the bank", "taken back"),
    (11, "Willow Court Sports"): ("$200.00 of CLN-2003; $800.00 is Harbour Mutual's",
                                  "waits for Harbour Mutual", "waits for Harbour Mutual"),
    (24, "Willow Court Sports"): ("$350.00 of CLN-2003; $650.00 is Harbour Mutual's",
                                  "is to be paid by Harbour Mutual", "Harbour Mutual"),
    (5, "Zephyr Sailmakers"): ("nothing; $3,000.00 is promised",
                               "$1,000.00 by 23 Jan 2026, $1,000.00 by 20 Feb 2026", "plan"),
    (52, "Zephyr Sailmakers"): ("$1,000.00 of STU-2003; $1,000.00 is promised",
                                "$1,000.00 that was promised for 20 Feb 2026", "missed"),
}  # fmt: skip
"""By day and client: what is asked for, what stands against it, and what the card says."""


def looked(world: World, client: str) -> Seen:
    office = world.app.office()
    with world.app.store.read() as session:
        row = client_named(session, client)
        seen = portrait.portrait(session, world, row)
        card = str(answers.card(session, office, row).blocks)
    against = "; ".join(f"{one['kind']}: {one['text']}" for one in seen["against"])
    return Seen(seen["asked"], against, card)


def kinds(session: Session) -> Kinds:
    messages = (
        f"{one.channel} {one.template} {one.state} {one.rule}"
        for one in session.exec(select(Message))
    )
    decisions = (f"{one.verdict} {one.rule}" for one in session.exec(select(Decision)))
    return Kinds(Counter(messages), Counter(decisions))


def first_days(transcript: list[str], days: int) -> list[str]:
    """What was told up to the end of a day."""
    told: list[str] = []
    for line in transcript:
        head = HEAD.search(line)
        if (head and int(head[1]) > days) or line.startswith("After "):
            return told[:-1]  # an empty line is before each head
        told.append(line)
    return told


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    transcript: list[str] = []

    seen: dict[tuple[int, str], Seen] = {}
    stood: dict[int, list[Finding]] = {}
    weeks: list[Kinds] = []

    async def play(folder: Path) -> tuple[World, story.Outcome]:
        async with running(folder) as world:

            def out(text: str) -> None:
                transcript.append(text)
                if over := re.search(r", day (\d+)$", text):
                    stood[int(over[1])] = audit.look(world.app)
                if text.endswith(f", day {WEEKS}"):
                    with world.app.store.read() as session:
                        weeks.append(kinds(session))
                for day, client in STANDS:
                    if text.endswith(f", day {day}"):
                        seen[day, client] = looked(world, client)

            return world, await story.play(world, out=out)

    with watch.heard() as log:
        world, outcome = asyncio.run(play(tmp_path_factory.mktemp("story")))
    with closing(Store(world.app.store.url, writable=False)) as store:
        yield Told(world, outcome, transcript, store, seen, stood, weeks[0], log.getvalue())
