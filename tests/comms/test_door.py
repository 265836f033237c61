import datetime as dt
import itertools
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import policy
from billing.gates import Refusal
from billing.models import Health, Verification
from comms.consent import Consent, Standing
from comms.door import (
    BUDGETED,
    EMPTY,
    HARD,
    PLACES,
    Case,
    Live,
    Recipient,
    Sender,
    Spent,
    Verdict,
    judge,
)
from comms.models import Audience, Purpose

POLICY = policy.default()
NEW_YORK = "America/New_York"
NOON = dt.datetime(2026, 1, 6, 17, 0, tzinfo=dt.UTC)
"""A Tuesday, 12:00 in New York."""
HOUR, DAY, TICK = dt.timedelta(hours=1), dt.timedelta(days=1), dt.timedelta(microseconds=1)
TO = Recipient("sms", "+12125550123", consent=Consent(Standing.GRANTED), zones=(NEW_YORK,))
BY = Sender("Harrow Law", "12 Tanner Row, Albany", "+15005550006", "https://pay.example")
GOOD = Case(
    Audience.CLIENT, Purpose.DUNNING, "sms", NOON, live=Live(open=True), recipient=TO, sender=BY
)
LATER = NOON + 9 * DAY


def to(**changes: Any) -> Recipient:
    return replace(TO, **changes)


FAILING: dict[str, tuple[dict[str, Any], Verdict, str]] = {
    "expiry": ({"expires_at": NOON}, Verdict.WITHHOLD, "too_late"),
    "go_live": ({"live": Live()}, Verdict.DEFER, "not_live"),
    "identity": (
        {"recipient": to(verification=Verification.WRONG)},
        Verdict.WITHHOLD,
        "address_wrong",
    ),
    "consent": ({"recipient": to(consent=Consent())}, Verdict.WITHHOLD, "no_sms_consent"),
    "health": ({"recipient": to(health=Health.DEAD)}, Verdict.WITHHOLD, "address_dead"),
    "billing": (
        {"billing": Refusal("paused", "They called.", until=LATER, wake_on_change=True)},
        Verdict.DEFER,
        "paused",
    ),
    "budget": ({"spent": Spent(budgeted=(NOON - HOUR,))}, Verdict.DEFER, "budget_day"),
    "hours": ({"now": NOON + 12 * HOUR}, Verdict.DEFER, "quiet_hours"),
    "preflight": ({"sender": replace(BY, pay_link="")}, Verdict.WITHHOLD, "sender_incomplete"),
}
"""For every place one way not to pass it."""


def failing(*places: str) -> Case:
    case = GOOD
    for place in places:
        changes = dict(FAILING[place][0])
        if "recipient" in changes and case.recipient is not TO:
            assert case.recipient is not None
            theirs = changes["recipient"]
            changed = {
                name: getattr(theirs, name)
                for name in ("verification", "consent", "health")
                if getattr(theirs, name) != getattr(TO, name)
            }
            changes["recipient"] = replace(case.recipient, **changed)
        case = replace(case, **changes)
    return case


def test_there_is_a_way_to_fail_every_place() -> None:
    assert [name for name, _ in PLACES if name not in EMPTY] == list(FAILING)


def test_a_message_that_passes_everywhere_goes() -> None:
    found = judge(GOOD, POLICY)
    assert found.verdict is Verdict.ALLOW
    assert [one.place for one in found.findings] == [name for name, _ in PLACES]
    assert found.refusals == ()


@pytest.mark.parametrize("place", FAILING)
def test_each_place_can_keep_a_message_in(place: str) -> None:
    _, verdict, rule = FAILING[place]
    found = judge(failing(place), POLICY)
    assert (found.decisive.place, found.verdict, found.decisive.rule) == (place, verdict, rule)
    assert found.decisive.reason
    assert [one.place for one in found.refusals] == [place]


@pytest.mark.parametrize(("one", "two"), list(itertools.combinations(FAILING, 2)))
def test_of_two_refusals_the_first_hard_one_decides(one: str, two: str) -> None:
    found = judge(failing(one, two), POLICY)
    hard = [place for place in (one, two) if FAILING[place][1] in HARD]
    assert found.decisive.place == (hard or [one])[0]
    assert [refused.place for refused in found.refusals] == [one, two]


def test_all_refusals_are_recorded_in_the_order_of_the_places() -> None:
    found = judge(failing(*FAILING), POLICY)
    assert [one.place for one in found.refusals] == list(FAILING)
    assert found.decisive.place == "expiry"


# --- who passes what ------------------------------------------------------------------------------

SKIPPED_BY_OPT_OUT = ("go_live", "consent", "billing", "budget", "hours")
PASSED_BY_STAFF = ("expiry", "content", "preflight")


@pytest.mark.parametrize("place", FAILING)
def test_the_confirmation_of_a_stop_skips_what_the_stop_itself_closed(place: str) -> None:
    case = replace(failing(place), purpose=Purpose.OPT_OUT)
    if place == "preflight":
        case = replace(case, sender=replace(BY, address=""))
    allowed = judge(case, POLICY).verdict is Verdict.ALLOW
    assert allowed == (place in SKIPPED_BY_OPT_OUT)


@pytest.mark.parametrize("audience", [Audience.STAFF, Audience.SYSTEM])
@pytest.mark.parametrize("place", FAILING)
def test_our_own_people_are_told_at_any_hour(place: str, audience: Audience) -> None:
    case = replace(failing(place), audience=audience, purpose=Purpose.ALERT)
    found = judge(case, POLICY)
    assert [one.place for one in found.findings] == list(PASSED_BY_STAFF)
    assert (found.verdict is Verdict.ALLOW) == (place != "expiry")


# --- time -----------------------------------------------------------------------------------------


def at(clock: str, zone: str = NEW_YORK, day: int = 6) -> dt.datetime:
    local = dt.datetime.combine(dt.date(2026, 1, day), dt.time.fromisoformat(clock), ZoneInfo(zone))
    return local.astimezone(dt.UTC)


HOURS = [
    ("sms", "07:59:59", at("08:00")),
    ("sms", "08:00:00", None),
    ("sms", "20:59:59.999999", None),
    ("sms", "21:00:00", at("08:00", day=7)),
    ("email", "07:59:59", at("08:00")),
    ("email", "08:00:00", None),
    ("email", "17:59:59.999999", None),
    ("email", "18:00:00", at("08:00", day=7)),
]


@pytest.mark.parametrize(("channel", "clock", "opens"), HOURS)
def test_hours_are_open_until_just_before_they_end(
    channel: str, clock: str, opens: dt.datetime | None
) -> None:
    by = replace(BY, address="accounts@harrow.example") if channel == "email" else BY
    case = replace(GOOD, channel=channel, now=at(clock), recipient=to(kind=channel), sender=by)
    assert judge(case, POLICY).decisive.until == opens


def test_every_zone_that_is_possible_must_be_open() -> None:
    zones = (NEW_YORK, "America/Los_Angeles")
    case = replace(GOOD, now=at("10:59"), recipient=to(zones=zones))
    found = judge(case, POLICY).decisive
    assert (found.rule, found.until) == ("quiet_hours", at("08:00", "America/Los_Angeles"))
    assert judge(replace(case, now=at("11:00")), POLICY).verdict is Verdict.ALLOW
    assert judge(replace(case, now=at("21:00")), POLICY).verdict is Verdict.DEFER


@pytest.mark.parametrize("purpose", [Purpose.ANSWER, Purpose.OPT_OUT])
def test_an_answer_goes_at_night(purpose: Purpose) -> None:
    case = replace(GOOD, purpose=purpose, now=at("03:00"))
    assert judge(case, POLICY).verdict is Verdict.ALLOW


@pytest.mark.parametrize(("left", "goes"), [(TICK, True), (0 * TICK, False), (-HOUR, False)])
def test_a_message_that_is_too_late_never_goes(left: dt.timedelta, goes: bool) -> None:  # noqa: FBT001
    found = judge(replace(GOOD, expires_at=NOON + left), POLICY)
    assert (found.verdict is Verdict.ALLOW) == goes


# --- budget ---------------------------------------------------------------------------------------

BUDGETS: list[tuple[str, list[dt.timedelta], str, dt.timedelta | None]] = [
    ("nothing", [], "", None),
    ("just now", [0 * HOUR], "budget_day", DAY),
    ("almost a day ago", [DAY - TICK], "budget_day", TICK),
    ("a day ago", [DAY], "", None),
    ("three in a week", [2 * DAY, 4 * DAY, 6 * DAY], "budget_week", DAY),
    ("a week ago", [2 * DAY, 4 * DAY, 7 * DAY], "", None),
    ("both", [HOUR, 2 * DAY, 3 * DAY], "budget_week", 4 * DAY),
    ("more than allowed", [HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR], "budget_week", 7 * DAY - 3 * HOUR),
]


@pytest.mark.parametrize(
    ("ago", "rule", "waits"), [row[1:] for row in BUDGETS], ids=[row[0] for row in BUDGETS]
)
def test_the_budget_counts_what_lies_in_its_windows(
    ago: list[dt.timedelta], rule: str, waits: dt.timedelta | None
) -> None:
    spent = Spent(budgeted=tuple(sorted(NOON - one for one in ago)))
    found = judge(replace(GOOD, spent=spent), POLICY).decisive
    assert found.rule == rule
    assert found.until == (None if waits is None else NOON + waits)


@pytest.mark.parametrize("purpose", [one for one in Purpose if one not in BUDGETED])
def test_what_is_no_outreach_has_no_budget(purpose: Purpose) -> None:
    case = replace(GOOD, purpose=purpose, spent=Spent(budgeted=(NOON,) * 5))
    assert judge(case, POLICY).verdict is Verdict.ALLOW


@pytest.mark.parametrize("purpose", [one for one in Purpose if one is not Purpose.OPT_OUT])
def test_the_brake_is_over_everything_that_no_person_wrote(purpose: Purpose) -> None:
    case = replace(GOOD, purpose=purpose, spent=Spent(automatic=(NOON - HOUR,) * 3))
    found = judge(case, POLICY).decisive
    assert (found.rule, found.until) == ("loop_brake", NOON - HOUR + DAY)
    by_person = judge(replace(case, written_by_person=True), POLICY)
    assert by_person.verdict is Verdict.ALLOW


# --- the switch -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "rule"), [(None, ""), (1, ""), (0, "daily_cap"), (-1, "daily_cap")]
)
def test_a_daily_cap_holds_until_the_next_day(left: int | None, rule: str) -> None:
    case = replace(GOOD, live=Live(open=True, cap_left=left, next_day=LATER))
    found = judge(case, POLICY).decisive
    assert found.rule == rule
    assert found.until == (LATER if rule else None)


STANDINGS = [
    ("sms", Standing.UNKNOWN, "no_sms_consent"),
    ("sms", Standing.ASSERTED, ""),
    ("sms", Standing.GRANTED, ""),
    ("sms", Standing.REVOKED, "opted_out"),
    ("email", Standing.UNKNOWN, ""),
    ("email", Standing.REVOKED, "opted_out"),
]


@pytest.mark.parametrize(("channel", "standing", "rule"), STANDINGS)
def test_a_text_needs_a_yes_and_a_mail_no_no(channel: str, standing: Standing, rule: str) -> None:
    recipient = to(kind=channel, consent=Consent(standing))
    case = replace(GOOD, channel=channel, recipient=recipient)
    assert judge(case, POLICY).decisive.rule == rule


def test_an_answer_needs_no_yes_but_heeds_a_no() -> None:
    asked = replace(GOOD, purpose=Purpose.ANSWER, recipient=to(consent=Consent()))
    assert judge(asked, POLICY).verdict is Verdict.ALLOW
    stopped = replace(asked, recipient=to(consent=Consent(Standing.REVOKED)))
    assert judge(stopped, POLICY).decisive.rule == "opted_out"


def test_a_paid_debt_cancels_its_reminder() -> None:
    paid = Refusal("not_overdue", "Nothing is overdue any more.", final=True)
    assert judge(replace(GOOD, billing=paid), POLICY).verdict is Verdict.CANCEL


def test_nobody_to_write_to_is_said() -> None:
    found = judge(replace(GOOD, recipient=None), POLICY)
    assert found.decisive.rule == "no_address"


# --- any case -------------------------------------------------------------------------------------

moments = st.datetimes(
    dt.datetime(2025, 12, 1),  # noqa: DTZ001 - hypothesis adds the zone
    dt.datetime(2026, 2, 1),  # noqa: DTZ001
    timezones=st.just(dt.UTC),
)
pasts = st.lists(st.timedeltas(dt.timedelta(), 8 * DAY), max_size=6)
recipients = st.builds(
    Recipient,
    kind=st.sampled_from(["sms", "email"]),
    value=st.just("+12125550123"),
    verification=st.sampled_from(list(Verification)),
    health=st.sampled_from(list(Health)),
    consent=st.builds(Consent, st.sampled_from(list(Standing))),
    zones=st.sampled_from([("UTC",), (NEW_YORK,), (NEW_YORK, "Pacific/Honolulu")]),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    now = draw(moments)
    spent = [tuple(sorted(now - one for one in draw(pasts))) for _ in range(2)]
    return Case(
        audience=draw(st.sampled_from(list(Audience))),
        purpose=draw(st.sampled_from(list(Purpose))),
        channel=draw(st.sampled_from(["sms", "email"])),
        now=now,
        expires_at=draw(st.none() | moments),
        live=draw(st.sampled_from([Live(), Live(open=True), Live(True, 0, "", now + DAY)])),
        recipient=draw(st.none() | recipients),
        sender=draw(st.none() | st.just(BY)),
        billing=draw(
            st.none() | st.builds(Refusal, st.just("r"), st.just("R."), final=st.booleans())
        ),
        spent=Spent(*spent),
        written_by_person=draw(st.booleans()),
    )


@settings(deadline=None)
@given(cases())
def test_the_verdict_follows_from_the_facts_alone(case: Case) -> None:
    found = judge(case, POLICY)
    assert judge(replace(case), POLICY) == found
    assert (found.verdict is Verdict.ALLOW) == (not found.refusals)
    names = [name for name, _ in PLACES]
    asked = [one.place for one in found.findings]
    assert asked == [name for name in names if name in asked]
    if found.refusals:
        hard = [one for one in found.refusals if one.verdict in HARD]
        assert found.decisive == (hard or found.refusals)[0]
        assert all(one.rule and one.reason for one in found.refusals)


@settings(deadline=None)
@given(cases())
def test_what_waits_for_a_moment_waits_for_one_to_come(case: Case) -> None:
    for found in judge(case, POLICY).refusals:
        assert found.until is None or found.until > case.now


@settings(deadline=None)
@given(cases())
def test_the_moment_that_is_named_frees_what_it_named(case: Case) -> None:
    found = judge(case, POLICY).decisive
    if found.place in ("budget", "hours") and found.until is not None:
        later = judge(replace(case, now=found.until), POLICY)
        assert found.place not in [one.place for one in later.refusals]
