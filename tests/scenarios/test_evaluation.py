"""Which step is next, as the acceptance scenarios of evaluation tell it, by their numbers."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from billing import calendar
from bot.preview import comparing
from bot.report import silent
from bot.staff import ladders, publishing
from tests.scenarios.parlour import Parlour, database_in, open_parlour
from tests.scenarios.test_money import bill, client, paid

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]
DAY = dt.timedelta(days=1)
REMIND = 'action = "remind"\nchannels = ["email"]\ntemplate = '


def ladder(name: str, head: str, *offsets: int, owner: int | None = None) -> str:
    """The first step is mild, the others are firmer; at ``owner`` days the owner is told."""
    steps = [
        f"[[ladders.{name}.steps]]\noffset = {offset}\n{REMIND}"
        f'"{"firmer_reminder" if place else "first_reminder"}"'
        for place, offset in enumerate(offsets)
    ]
    if owner is not None:
        steps.append(f'[[ladders.{name}.steps]]\noffset = {owner}\naction = "escalate"')
    return "\n".join([f"[ladders.{name}]", head, *steps])


POLICY = "\n".join(
    [
        "[budget]\nper_day = 5\nper_week = 20\nautomatic_per_day = 9",
        '[hours.email]\nstart = "00:00"\nend = "23:59"\nholidays = true',
        'weekdays = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]',
        ladder("bar", "", 10, 14, owner=21),
        ladder("short", "", 5, 7, owner=11),
        ladder("five", "", 7, 21, 35, 50, 65),
        ladder("anew", 'new_anchor = "restart"', 7, 21, 35, 50, 65),
        ladder("prompt", 'count_from = "due"', 1),
        ladder("works", 'days = "business"', 1, 2, 3),
        ladder("alone", "chase = false", 1),
        ladder("monthly", 'count_from = "due"', 1).replace("offset = 1", "months = 1"),
    ]
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Parlour]:
    folder = tmp_path_factory.mktemp("evaluation")
    async for stage in open_parlour(database_in(folder, sqlite_template), folder, POLICY):
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def stage(shared: Parlour) -> Parlour:
    """The shared product on a Tuesday at noon in New York."""
    await until(shared, 1, "12:00")
    return shared


async def until(stage: Parlour, weekday: int, time: str) -> None:
    """The next such moment where the clients are."""
    place = calendar.zone("America/New_York")
    now = stage.product.clock.now().astimezone(place)
    day = now.date() + (weekday - now.weekday()) % 7 * DAY
    moment = dt.datetime.combine(day, dt.time.fromisoformat(time), place)
    moment += DAY * 7 if moment < now else DAY * 0
    await turn(stage, moment)


async def turn(stage: Parlour, moment: dt.datetime) -> None:
    left = moment.astimezone(dt.UTC) - stage.product.clock.now()
    await stage.product.later(seconds=left.total_seconds())


def owed(stage: Parlour, name: str, number: str, days: int, **more: Any) -> dict[str, Any]:
    """An invoice issued so many days ago that was due on that day."""
    return bill(stage, name, number, 10_000, days) | {"due_on": stage.ago(days)} | more


def reason(stage: Parlour, name: str) -> str:
    return str(stage.why(name)["reason"])


async def test_22_a_ladder_of_ten_fourteen_twenty_one(stage: Parlour) -> None:
    pays, silent_one = "Alder", "Aspen"
    for name in (pays, silent_one):
        await stage.tell(client(name, ladder="bar"), owed(stage, name, f"E22{name}", 9))
        assert stage.reminders(name) == []
    await stage.pass_days(1)
    assert stage.reminders(pays) == stage.reminders(silent_one) == ["first_reminder"]
    await stage.jump(4)
    assert stage.reminders(silent_one) == ["first_reminder", "firmer_reminder"]
    await stage.tell(paid(stage, pays, "e22", 10_000))
    assert (stage.owes(pays), stage.why(pays)["rule"]) == ("", "nothing_open")
    await stage.jump(7)
    assert (stage.escalations(pays), stage.escalations(silent_one)) == (0, 1)


async def test_23_the_older_of_two_is_paid_and_the_state_clears_at_once(stage: Parlour) -> None:
    name = "Beech"
    await stage.tell(client(name), bill(stage, name, "E23", 10_000, 35))
    await stage.tell(bill(stage, name, "E23b", 20_000, 5))
    assert stage.reminders(name) == ["first_reminder"]
    await stage.tell(paid(stage, name, "e23", 10_000))
    assert stage.why(name)["rule"] == "not_overdue"
    assert stage.owes(name) == "$200.00 open"


async def test_24_a_younger_invoice_has_every_step_of_its_own(stage: Parlour) -> None:
    """Kill Bill #2297: what was due for the paid ones is not skipped for what is left."""
    name = "Box"
    await stage.tell(client(name, ladder="short"))
    await stage.tell(owed(stage, name, "E24", 0), owed(stage, name, "E24b", 0))
    await stage.jump(2)
    await stage.tell(owed(stage, name, "E24c", 0), paid(stage, name, "e24", 20_000))
    seen = []
    for _ in range(8):
        await stage.jump(1)
        seen.append(len(stage.reminders(name)))
    # The days 3 to 10 of the story: the first step on day 7, the second on day 9.
    assert seen == [0, 0, 0, 0, 1, 1, 2, 2]
    assert stage.reminders(name) == ["first_reminder", "firmer_reminder"]


async def test_25_a_worker_that_was_down_sends_one_notice(stage: Parlour) -> None:
    name = "Elder"
    await stage.tell(client(name, ladder="bar"), owed(stage, name, "E25", 9))
    await stage.jump(9)
    assert stage.reminders(name) == ["first_reminder"]
    await stage.jump(3)
    assert stage.reminders(name) == ["first_reminder"]
    await stage.jump(1)
    assert stage.reminders(name) == ["first_reminder", "firmer_reminder"]
    assert stage.escalations(name) == 0


async def test_26_a_reminder_for_one_leaves_the_others_chased(stage: Parlour) -> None:
    name = "Fig"
    await stage.tell(client(name), owed(stage, name, "E26", 30))
    await stage.tell(owed(stage, name, "E26b", 16), owed(stage, name, "E26c", 16))
    (letter,) = stage.letters(name, "Reminder")
    assert "E26" in letter
    await stage.tell(paid(stage, name, "e26", 10_000, invoice_number="E26"))
    await stage.jump(14)
    letter = stage.letters(name, "Reminder")[-1]
    assert "E26b" in letter
    assert "E26c" in letter
    assert stage.reminders(name) == ["first_reminder", "first_reminder"]


async def test_27_the_ladder_belongs_to_its_anchor(stage: Parlour) -> None:
    goes_on, keeps, starts = "Hawthorn", "Holly", "Hornbeam"
    names = {goes_on: "five", keeps: "five", starts: "anew"}
    await stage.tell(*(client(name, ladder=own) for name, own in names.items()))
    await stage.tell(*(owed(stage, name, f"A{name}", 7) for name in names))
    await stage.jump(14)
    await stage.jump(14)
    await stage.tell(*(owed(stage, name, f"B{name}", 10) for name in names))
    await stage.jump(14)
    await stage.tell(*(owed(stage, name, f"C{name}", 10) for name in names))
    await stage.jump(1)
    await stage.jump(10)
    await stage.tell(*(owed(stage, name, f"D{name}", 3) for name in names))
    assert [len(stage.reminders(name)) for name in names] == [4, 4, 4]
    paying = [(goes_on, f"B{goes_on}"), (goes_on, f"C{goes_on}")]
    paying += [(name, f"A{name}") for name in (keeps, starts)]
    await stage.tell(
        *(paid(stage, name, f"e{one}", 10_000, invoice_number=one) for name, one in paying)
    )
    assert reason(stage, goes_on).startswith(f"Step 5 is due on {stage.written(-5)}; A{goes_on}")
    assert reason(stage, keeps).startswith(f"Step 5 is due on {stage.written(-30)}; B{keeps}")
    assert reason(stage, starts).startswith(f"Step 4 is due on {stage.written(-15)}; B{starts}")
    await stage.jump(5)
    assert [len(stage.reminders(name)) for name in names] == [5, 4, 4]


async def test_29_a_day_is_over_where_the_client_is(stage: Parlour) -> None:
    west, east = "Larch", "Linden"
    due = stage.ago(0)
    for name, zone in ((west, "America/Los_Angeles"), (east, "Asia/Tokyo")):
        bill_ = owed(stage, name, f"E29{name}", 3, due_on=due)
        await stage.tell(client(name, timezone=zone, ladder="prompt"), bill_)
    # Noon in New York is the next day in Tokyo, and due today is not overdue.
    assert stage.owes(west) == "$100.00 open"
    assert stage.owes(east) == "$100.00 open, $100.00 overdue"
    midnight = calendar.midnight(stage.today + DAY, "America/Los_Angeles")
    await turn(stage, midnight - dt.timedelta(minutes=1))
    assert (stage.reminders(west), stage.reminders(east)) == ([], ["first_reminder"])
    assert stage.owes(west) == "$100.00 open"
    await turn(stage, midnight)
    assert stage.reminders(west) == ["first_reminder"]


async def test_31_a_business_day_after_friday_is_monday_at_the_same_hour(stage: Parlour) -> None:
    place = calendar.zone("America/New_York")
    for name, on_holiday in (("Maple", False), ("Medlar", True)):
        await until(stage, 4, "14:30")
        while calendar.is_business_day(stage.today + 3 * DAY, "US") is on_holiday:
            await stage.jump(7)
        await stage.tell(client(name, ladder="works"), owed(stage, name, f"E31{name}", 1))
        assert stage.reminders(name) == ["first_reminder"]
        day = calendar.add_business_days(stage.today, 1, "US")
        assert (day - stage.today).days == (4 if on_holiday else 3)
        again = dt.datetime.combine(day, dt.time(14, 30), place)
        await turn(stage, again - dt.timedelta(minutes=1))
        assert len(stage.reminders(name)) == 1
        await turn(stage, again)
        assert len(stage.reminders(name)) == 2


async def test_32_a_month_after_the_31st_of_january_ends_february(stage: Parlour) -> None:
    """A day that a month has not is its last: documented in docs/policy.md."""
    name = "Myrtle"
    due = dt.date(stage.today.year + (stage.today > dt.date(stage.today.year, 1, 31)), 1, 31)
    noon = dt.datetime.combine(due, dt.time(12), calendar.zone("America/New_York"))
    await turn(stage, noon)
    told = owed(stage, name, "E32", 0)
    await stage.tell(client(name, ladder="monthly"), told)
    leap = due.year % 4 == 0
    last = dt.date(due.year, 2, 29 if leap else 28)
    await turn(stage, calendar.midnight(last, "America/New_York") - dt.timedelta(minutes=1))
    assert stage.reminders(name) == []
    await stage.product.later(minutes=1)
    assert stage.reminders(name) == ["first_reminder"]


async def test_33_who_is_left_alone_in_step_two_hears_nothing_until_let_in(
    stage: Parlour,
) -> None:
    name, snoozed = "Oleander", "Olive"
    await stage.tell(client(name), owed(stage, name, "E33", 30))
    await stage.tell(client(snoozed), owed(stage, snoozed, "E33s", 30))
    assert stage.reminders(name) == ["first_reminder"]
    await stage.jump(14)
    await ladders.choose(stage.product.app, {"subject": name, "name": "alone"}, silent)
    pause = {
        "type": "hold_placed", "external_id": "e33", "client_external_id": snoozed,
        "reason": "requested", "placed_at": stage.moment(), "until": stage.moment(-20),
    }  # fmt: skip
    await stage.tell(pause)
    await stage.jump(19)
    assert stage.reminders(name) == stage.reminders(snoozed) == ["first_reminder"]
    assert stage.why(name)["rule"] == "excluded"
    await ladders.choose(stage.product.app, {"subject": name}, silent)
    await stage.product.settle()
    assert stage.reminders(name) == ["first_reminder", "firmer_reminder"]
    # Both steps were due in the pause: one follows, and no more on that day.
    await stage.jump(1)
    assert stage.reminders(snoozed) == ["first_reminder", "firmer_reminder"]
    assert stage.escalations(snoozed) == 0


async def test_35_what_was_never_issued_is_never_chased(stage: Parlour) -> None:
    name = "Pear"
    draft = owed(stage, name, "E35", 90, type="invoice_drafted", drafted_on=stage.ago(90))
    for state in ("draft", "approved"):
        told = {key: value for key, value in draft.items() if key != "issued_on"}
        await stage.tell(client(name), told | {"number": f"E35{state}", "state": state})
    await stage.pass_days(2)
    assert (stage.reminders(name), stage.owes(name)) == ([], "")


async def test_37_what_is_in_flight_keeps_the_version_that_it_began_with(
    stage: Parlour, tmp_path: Path
) -> None:
    begun = [f"Begun {number}" for number in range(20)]
    fresh, app = "Fresh", stage.product.app
    await stage.tell(
        *(client(name) for name in begun), *(owed(stage, name, f"E{name}", 30) for name in begun)
    )
    await stage.tell(client(fresh), owed(stage, fresh, "E37", 19))
    assert all(stage.reminders(name) == ["first_reminder"] for name in begun)
    steps = ladder("x", "", 20, 35, owner=60).replace("ladders.x", "dunning")
    file = tmp_path / "sooner.toml"
    file.write_text(POLICY + "\n" + steps.removeprefix("[dunning]\n"))
    asking = comparing.Asked(file=file, days=3)
    differs = await asyncio.to_thread(comparing.run, app, asking, silent)
    assert [one["client"] for one in differs.data["gained"]] == [fresh]
    assert differs.data["keep_their_version"] >= len(begun)
    try:
        asked = {"text": file.read_text(), "note": "sooner"}
        made = await publishing.publish(app, asked, silent)
        assert (await publishing.publish(app, asked, silent)).data["published"] is False
        assert made.data["published"] is True
        await stage.jump(5)
        assert stage.reminders(fresh) == ["first_reminder"]
        assert all(stage.reminders(name) == ["first_reminder"] for name in begun)
        assert reason(stage, begun[0]).startswith(f"Step 2 is due on {stage.written(-10)}")
        await stage.jump(10)
        twice = ["first_reminder", "firmer_reminder"]
        assert all(stage.reminders(name) == twice for name in begun)
    finally:
        await publishing.publish(app, {"text": POLICY}, silent)
