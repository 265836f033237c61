"""Can a visitor of the sandbox seal, unseal and read as in Slack, and does nothing else tell?"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.sandbox.desk import SandboxDesk
from bot.sandbox.page import Refused, Unknown
from bot.sandbox.world import running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("desk")]
Json = dict[str, Any]
CLIENT = "Poplar Print"
FACT = "Invoice LAW-1013 is approved for payment"
ADVICE = f"{FACT}. Between us: should we settle the Bram claim, or does that admit liability?"
DANA, MEI, RUTH = "U0DANA", "U0MEI", "U0RUTH"
PAGE = Path(__file__).parents[3] / "bot" / "sandbox" / "assets" / "seals.js"
MANIFEST = Path(__file__).parents[3] / "ops" / "slack-manifest.json"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxDesk]:
    """A client has asked for legal advice by text, and it has come to Slack."""
    async with running(tmp_path_factory.mktemp("sealed")) as world:
        desk = SandboxDesk(world)
        seen = look(desk, CLIENT)
        await desk.text(seen["selected"]["phone"]["number"], ADVICE)
        yield desk


def look(desk: SandboxDesk, client: str | None = None) -> Json:
    return dict(desk.snapshot(client))


def card(desk: SandboxDesk) -> Json:
    channels = look(desk)["slack"]["channels"]
    posts = next(one["messages"] for one in channels if one["id"] == "C0CLIENTS")
    found: Json = next(one for one in posts if one["said"])
    return found


def row(desk: SandboxDesk) -> Json:
    (found,) = look(desk)["sealed"]
    return dict(found)


async def sets(desk: SandboxDesk, who: str, emoji: str) -> None:
    await desk.become(who)
    await desk.react("C0CLIENTS", card(desk)["ts"], emoji)


async def test_the_page_tells_the_row_of_the_log_and_no_word_of_it(desk: SandboxDesk) -> None:
    found = row(desk)
    assert (found["client"], found["sealed"]) == (CLIENT, True)
    assert (found["what"], found["fact"]) == ("legal advice", FACT)
    assert found["log"]["privilege"] == "attorney-client"
    seen = look(desk)
    assert "Bram claim" not in json.dumps([seen["sealed"], seen["slack"], seen["story"]])


async def test_only_who_is_cleared_reads_it_and_the_look_is_kept(desk: SandboxDesk) -> None:
    for who in (RUTH, MEI):
        await desk.become(who)
        with pytest.raises(Refused, match="is not cleared for legal advice"):
            await desk.read(row(desk)["touchpoint"])
    await desk.become(DANA)
    assert (await desk.read(row(desk)["touchpoint"]))["lines"] == [ADVICE]
    assert [(one["by"], one["what"]) for one in row(desk)["looks"]] == [("Dana", "read")]


async def test_an_emoji_unseals_for_the_cleared_and_does_nothing_for_others(
    desk: SandboxDesk,
) -> None:
    await sets(desk, MEI, "unlock")
    assert row(desk)["sealed"]
    rooms = {one["name"]: one["messages"] for one in look(desk)["slack"]["channels"]}
    assert "changed nothing" in rooms["Mei (DM)"][-1]["text"]
    await sets(desk, DANA, "unlock")
    assert not row(desk)["sealed"]
    assert not card(desk)["said"]["sealed"]
    assert "Bram claim" in json.dumps(card(desk)["blocks"])
    assert card(desk)["reactions"] == [{"emoji": "unlock", "users": ["Mei", "Dana"]}]
    await sets(desk, MEI, "unlock")
    assert card(desk)["reactions"] == [{"emoji": "unlock", "users": ["Dana"]}]


async def test_the_menu_of_a_card_seals_it(desk: SandboxDesk) -> None:
    await desk.become(RUTH)
    await desk.shortcut("C0CLIENTS", card(desk)["ts"], "seal_phi")
    assert (row(desk)["sealed"], row(desk)["what"]) == (True, "about somebody's health")
    assert "Bram claim" not in json.dumps(card(desk)["blocks"])


async def test_whose_slack_it_is_can_be_chosen_among_the_firms_people(desk: SandboxDesk) -> None:
    people = {one["id"]: one for one in look(desk)["slack"]["people"]}
    assert set(people) == {DANA, MEI, RUTH, "U0OMAR", "U0PRIYA", "U0TOMAS"}
    assert people[DANA]["roles"] == ["account manager", "privileged"]
    with pytest.raises(Unknown):
        await desk.become("U0JONAS")


async def test_the_pages_menu_is_the_apps_own() -> None:
    shortcuts = json.loads(MANIFEST.read_text())["features"]["shortcuts"]
    shown = PAGE.read_text(encoding="utf-8")
    assert [one for one in shortcuts if f'{one["callback_id"]}: "{one["name"]}"' not in shown] == []


async def test_what_a_stranger_wrote_is_sealed_by_its_menu_as_well(desk: SandboxDesk) -> None:
    await desk.text("+12125550197", "I am the tall man of the second boat.")

    def strangers() -> Json:
        channels = look(desk)["slack"]["channels"]
        posts = next(one["messages"] for one in channels if one["id"] == "C0CLIENTS")
        return dict(next(one for one in posts if one["text"].startswith("Unknown sender")))

    assert strangers()["said"] == {"touchpoint": None, "sealed": False}
    await desk.become(DANA)
    await desk.shortcut("C0CLIENTS", strangers()["ts"], "seal_privileged")
    assert strangers()["said"]["sealed"]
    assert "second boat" not in json.dumps(strangers()["blocks"])
    await desk.shortcut("C0CLIENTS", strangers()["ts"], "unseal")
    assert "second boat" in json.dumps(strangers()["blocks"])
