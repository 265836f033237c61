"""Does the sandbox's desk show what ``page.Desk`` promises, and act by the wire alone?"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import event

from bot.sandbox import page
from bot.sandbox.desk import SandboxDesk
from bot.sandbox.page import Refused, Unknown
from bot.sandbox.world import running

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("desk")]
Json = dict[str, Any]
TOP = {
    "revision",
    "clock",
    "live",
    "clients",
    "selected",
    "slack",
    "held",
    "sealed",
    "story",
    "totals",
}
SHAPES = {
    "clock": {"now", "label", "started", "next_event", "busy"},
    "live": {"open", "note"},
    "totals": {"sent", "held", "withheld", "delivered", "failed", "escalated"},
    "clients": {
        *("id", "name", "owner", "timezone", "local_time", "balances", "next", "flags", "unread"),
    },
    "selected": {
        *("client", "phone", "mailbox", "timeline", "invoices", "asked", "against", "held"),
    },
    "slack": {"user", "people", "users", "channels", "view"},
    "held": {"message_id", "client", "what", "reason", "until"},
    "story": {"at", "line", "kind"},
}
SELECTED = {
    "phone": {"number", "texts"},
    "mailbox": {"address", "mails"},
    "timeline": {"id", "at", "kind", "summary", "rule", "message_id"},
    "invoices": {"number", "issued", "due", "amount", "open", "state", "days_overdue"},
}
WHY = {
    *("kind", "id", "title", "verdict", "rule", "reason", "text", "facts", "door"),
    *("would_change", "next_look", "next_event", "related"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxDesk]:
    """The door open, and the first days played."""
    async with running(tmp_path_factory.mktemp("desk")) as world:
        desk = SandboxDesk(world)
        await desk.golive(True)
        await desk.turn("2026-01-09T18:00:00+00:00")
        yield desk


def look(desk: page.Desk, client: str | None = None) -> Json:
    return dict(desk.snapshot(client))


def channel(seen: Json, name: str) -> Json:
    found: Json = next(one for one in seen["slack"]["channels"] if one["name"] == name)
    return found


def client(seen: Json, name: str) -> Json:
    found: Json = next(one for one in seen["clients"] if one["name"] == name)
    return found


def first(found: Any) -> Any:
    return found[0] if isinstance(found, list) else found


async def test_the_picture_has_the_shape_that_the_page_reads(desk: SandboxDesk) -> None:
    seen = look(desk, "Alder Street Bakery")
    assert set(seen) == TOP
    assert {name: set(first(seen[name])) for name in SHAPES} == SHAPES
    assert {name: set(first(seen["selected"][name])) for name in SELECTED} == SELECTED
    assert len(seen["clients"]) == 47


async def test_a_letter_shows_its_html_its_state_and_its_message(desk: SandboxDesk) -> None:
    mail = look(desk, "Alder Street Bakery")["selected"]["mailbox"]["mails"][0]
    assert mail["direction"] == "out"
    assert "LAW-1009" in mail["html"]
    assert mail["status"] == "sent"
    assert mail["rfc_id"].startswith("<")
    assert (await desk.why("message", mail["message_id"]))["verdict"] == "sent"


async def test_without_a_choice_somebody_who_is_overdue_is_shown(desk: SandboxDesk) -> None:
    seen = look(desk)
    chosen = client(seen, seen["selected"]["client"])
    assert sum(one["overdue"] for one in chosen["balances"]) > 0


async def test_a_client_that_nobody_knows_is_refused(desk: SandboxDesk) -> None:
    with pytest.raises(Unknown, match="no client called Nobody"):
        desk.snapshot("Nobody")


async def test_looking_costs_the_same_whatever_the_number_of_clients(desk: SandboxDesk) -> None:
    asked: list[str] = []

    def count(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    desk._world.revision += 1
    reader = desk._world.app.store._reader
    event.listen(reader, "before_cursor_execute", count)
    try:
        look(desk, "Hollis Marine")
    finally:
        event.remove(reader, "before_cursor_execute", count)
    assert len(asked) < 80


def tail(seen: Any) -> list[str]:
    """What came last: their words, and that reminders wait until somebody has read them."""
    return [entry["kind"] for entry in seen["selected"]["timeline"][-3:]]


async def test_a_text_from_the_phone_reaches_timeline_and_thread(desk: SandboxDesk) -> None:
    name = "Hollis Marine"
    phone = look(desk, name)["selected"]["phone"]["number"]
    look(desk, "Gable Architects")
    await desk.text(phone, "Which invoice is this about?")
    unread = client(look(desk), name)["unread"]
    seen = look(desk, name)
    posts = channel(seen, "#clients")["messages"]
    assert unread == 1
    assert seen["selected"]["phone"]["texts"][-1]["direction"] == "in"
    assert "client wrote" in tail(seen)
    assert any("Which invoice is this about?" in str(one["blocks"]) for one in posts)
    assert client(seen, name)["unread"] == 0


async def test_a_mail_answers_the_letter_it_names(desk: SandboxDesk) -> None:
    name = "Bramble Foods"
    box = look(desk, name)["selected"]["mailbox"]
    await desk.mail(
        box["address"], "Re: your letter", "We pay on Monday.", box["mails"][0]["rfc_id"]
    )
    mine = look(desk, name)["selected"]["mailbox"]["mails"][-1]
    assert (mine["direction"], mine["status"]) == ("in", "received")
    assert "We pay on Monday." in mine["text"]
    assert "client wrote" in tail(look(desk, name))


async def test_a_slash_command_shows_a_card_with_buttons_that_work(desk: SandboxDesk) -> None:
    await desk.say("C0FINANCE", "/acct Thistle Textiles", None)
    card = channel(look(desk), "#finance")["messages"][-1]
    pause = button(card, "client.pause")
    assert card["ephemeral"]
    await desk.click("C0FINANCE", card["ts"], "client.pause", pause["value"])
    view = look(desk)["slack"]["view"]
    wrong = await desk.submit(view["id"], pausing("soon"))
    assert "days" in wrong["errors"]  # type: ignore[operator]
    assert await desk.submit(view["id"], pausing("5")) == {}
    outcome = look(desk)["slack"]["view"]
    await desk.dismiss(outcome["id"])
    seen = look(desk)
    assert "paused" in client(seen, "Thistle Textiles")["flags"]
    assert seen["slack"]["view"] is None


def button(card: Mapping[str, Any], action_id: str) -> Json:
    elements = [one for block in card["blocks"] for one in block.get("elements", ())]
    found: Json = next(one for one in elements if one.get("action_id") == action_id)
    return found


def pausing(days: str) -> Json:
    typed = {"days": days, "reason": "They asked us on the phone."}
    return {
        name: {name: {"type": "plain_text_input", "value": value}} for name, value in typed.items()
    }


async def test_what_staff_say_stays_in_slack(desk: SandboxDesk) -> None:
    await desk.say("C0CLIENTS", "I call them tomorrow.", None)
    said = channel(look(desk), "#clients")["messages"][-1]
    assert (said["user"], said["text"]) == ("Ruth", "I call them tomorrow.")


async def test_a_direct_message_is_acted_on_by_who_reads_it(desk: SandboxDesk) -> None:
    seen = look(desk)
    room = channel(seen, "Dana (DM)")
    await desk.say(room["id"], "/acct help", None)
    answer = channel(look(desk), "Dana (DM)")["messages"][-1]
    assert answer["ephemeral"]
    assert "/acct" in answer["text"]


async def test_a_button_that_is_gone_is_refused_in_a_sentence(desk: SandboxDesk) -> None:
    with pytest.raises(Refused, match="not there any more"):
        await desk.click("C0FINANCE", "1.0", "client.pause", "")
    with pytest.raises(Unknown):
        await desk.click("view", "V0", "x", "")
    with pytest.raises(Unknown):
        await desk.say("C0NOWHERE", "hello", None)
    with pytest.raises(Unknown):
        await desk.dismiss("V0")


async def test_a_client_pays_an_invoice_and_then_everything(desk: SandboxDesk) -> None:
    name = "Elmgate Supply"
    owed = [one for one in look(desk, name)["selected"]["invoices"] if one["state"] != "paid"]
    await desk.pay(name, owed[0]["number"])
    states = {one["number"]: one for one in look(desk, name)["selected"]["invoices"]}
    assert states[owed[0]["number"]]["state"] == "paid"
    await desk.pay(name, None)
    assert client(look(desk), name)["balances"] == []
    with pytest.raises(Refused, match="Nothing of that is open"):
        await desk.pay(name, None)


async def test_a_plan_and_a_payers_part_stand_beside_the_invoices(desk: SandboxDesk) -> None:
    plan = look(desk, "Zephyr Sailmakers")["selected"]
    shared = look(desk, "Willow Court Sports")["selected"]
    assert plan["asked"] == "asked for: nothing; $3,000.00 is promised"
    assert [one["kind"] for one in plan["against"]] == ["plan"]
    assert [one["kind"] for one in shared["against"]] == ["share"]
    assert shared["invoices"][0]["open"] == "$200.00"
    await desk.pay("Willow Court Sports", None)
    shared = look(desk, "Willow Court Sports")["selected"]
    assert shared["invoices"][0]["state"] == "with_payer"
    assert shared["asked"] == "asked for: nothing; $800.00 is Harbour Mutual's"


async def test_the_clock_turns_one_step_at_a_time(desk: SandboxDesk) -> None:
    turning = asyncio.ensure_future(desk.turn("day"))
    await asyncio.sleep(0)
    with pytest.raises(Refused, match="on the wire"):
        await desk.turn("hour")
    before = (await turning)["moment"]
    after = await desk.turn("next")
    assert str(after["moment"]) > str(before)


@pytest.mark.parametrize("to", ["2026-01-01T00:00:00+00:00", "2036-01-01T00:00:00+00:00"])
async def test_the_clock_goes_neither_back_nor_too_far(desk: SandboxDesk, to: str) -> None:
    with pytest.raises(Refused):
        await desk.turn(to)


async def test_why_is_told_of_everything_on_the_page(desk: SandboxDesk) -> None:
    seen = look(desk, "Rowan Fitness")
    selected = seen["selected"]
    asked = [("client", "Rowan Fitness"), ("invoice", selected["invoices"][0]["number"])]
    asked += [("message", one["message_id"]) for one in seen["held"]]
    asked += [("decision", one["id"]) for one in selected["timeline"]]
    for kind, id_ in asked:
        told = await desk.why(kind, id_)
        assert set(told) == WHY, (kind, id_)
        assert (told["kind"], told["id"]) == (kind, id_)
        assert told["title"]
        assert told["reason"]


async def test_a_held_message_says_which_place_of_the_door_holds_it(desk: SandboxDesk) -> None:
    held = next(one for one in look(desk)["held"] if one["client"] == "Rowan Fitness")
    told: Json = dict(await desk.why("message", held["message_id"]))
    places = {one["place"]: one for one in told["door"]}
    assert told["verdict"] == "held"
    assert places["billing"]["verdict"] == "defer"
    assert "CLN-1011" in places["billing"]["reason"]
    assert told["would_change"]


async def test_what_is_related_can_be_asked_about(desk: SandboxDesk) -> None:
    told: Json = dict(await desk.why("client", "Rowan Fitness"))
    assert told["related"]
    for one in told["related"]:
        assert (await desk.why(one["kind"], one["id"]))["title"]


@pytest.mark.parametrize(
    ("kind", "id_"),
    [
        ("message", "999999"),
        ("message", "x"),
        ("decision", "d999999"),
        ("decision", "z1"),
        ("decision", ""),
        ("client", "Nobody"),
        ("invoice", "XXX-1"),
    ],
)
async def test_there_is_no_why_of_what_is_not_there(desk: SandboxDesk, kind: str, id_: str) -> None:
    with pytest.raises(Unknown):
        await desk.why(kind, id_)


async def test_every_action_tells_who_watches(desk: SandboxDesk) -> None:
    news = desk.changed()
    waiting = asyncio.ensure_future(anext(news))
    await asyncio.sleep(0)
    await desk.say("C0CLIENTS", "news", None)
    assert await asyncio.wait_for(waiting, 60) <= look(desk)["revision"]


async def test_the_door_can_be_closed_again(desk: SandboxDesk) -> None:
    await desk.golive(False)
    closed = look(desk)["live"]
    await desk.golive(True)
    assert not closed["open"]
    assert "Nothing leaves" in closed["note"]
    assert look(desk)["live"]["open"]


async def test_the_calendar_is_made_once_for_a_moment_and_moves_nothing(desk: SandboxDesk) -> None:
    before = desk.snapshot(None)["clock"]
    first = await desk.calendar(7)
    assert await desk.calendar(7) is first
    entries: Any = first["entries"]
    assert "message" in {one["what"] for one in entries}
    assert all(first["from"] <= one["day"] <= first["until"] for one in entries)
    assert desk.snapshot(None)["clock"] == before
