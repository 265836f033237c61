import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import policy
from billing.gates import Refusal
from billing.models import Health, LegalKind, Verification
from billing.policy import Policy
from bot.reasons import remedies
from comms.compliance.labels import Label
from comms.consent import Consent, Standing
from comms.door import (
    BUDGETED,
    HARD,
    PLACES,
    Case,
    Live,
    Preference,
    Recipient,
    Sender,
    Spent,
    Stop,
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


# --- every rule, and every pair of rules ----------------------------------------------------------

EARLY = NOON - 2.5 * HOUR
"""9:30 in New York: open by the firm and by federal law, and not yet in Kentucky."""
Facts = tuple[Case, Policy]


@dataclass(frozen=True)
class Rule:
    """One rule of the door: where it stands, what it says, and facts that it does not let pass."""

    place: str
    verdict: Verdict
    fail: Callable[[Case, Policy], Facts]
    not_with: tuple[str, ...] = ()
    """Rules that say otherwise of the same fact: nobody fails both."""


def facts(**changes: Any) -> Callable[[Case, Policy], Facts]:
    return lambda case, policy: (replace(case, **changes), policy)


def theirs(**changes: Any) -> Callable[[Case, Policy], Facts]:
    def fail(case: Case, policy: Policy) -> Facts:
        assert case.recipient is not None
        return replace(case, recipient=replace(case.recipient, **changes)), policy

    return fail


def wish(**asked: Any) -> Callable[[Case, Policy], Facts]:
    def fail(case: Case, policy: Policy) -> Facts:
        assert case.recipient is not None
        wishes = (*case.recipient.preferences, Preference(**asked))
        return replace(case, recipient=replace(case.recipient, preferences=wishes)), policy

    return fail


def in_state(state: str, **spent: Any) -> Callable[[Case, Policy], Facts]:
    def fail(case: Case, policy: Policy) -> Facts:
        assert case.recipient is not None
        person = replace(case.recipient, states=(*case.recipient.states, state))
        return replace(case, recipient=person, spent=replace(case.spent, **spent)), policy

    return fail


def had(*ago: dt.timedelta) -> Callable[[Case, Policy], Facts]:
    def fail(case: Case, policy: Policy) -> Facts:
        moments = sorted((*case.spent.budgeted, *(case.now - one for one in ago)))
        return replace(case, spent=replace(case.spent, budgeted=tuple(moments))), policy

    return fail


def stopped(kind: LegalKind) -> Callable[[Case, Policy], Facts]:
    return lambda case, policy: (
        replace(case, legal=(*case.legal, Stop(kind, case.now - DAY))),
        policy,
    )


def sender(**changes: Any) -> Callable[[Case, Policy], Facts]:
    return lambda case, policy: (
        replace(case, sender=replace(case.sender or BY, **changes)),
        policy,
    )


def labelled(label: Label) -> Callable[[Case, Policy], Facts]:
    return lambda case, policy: (replace(case, labels=case.labels | {label}), policy)


def later(case: Case, policy: Policy) -> Facts:
    """The firm texts from a quarter to ten on."""
    sms = replace(policy.hours.sms, start=dt.time(9, 45))
    return case, replace(policy, hours=replace(policy.hours, sms=sms))


def brake(case: Case, policy: Policy) -> Facts:
    spent = replace(case.spent, automatic=(case.now - HOUR,) * 3)
    return replace(case, spent=spent), policy


W, D, C = Verdict.WITHHOLD, Verdict.DEFER, Verdict.CANCEL
_PERSON = ("no_address",)
_HOURS = ("never_open", *_PERSON)
_PAUSED = Refusal("paused", "They called.", until=LATER, wake_on_change=True)
_PAID = Refusal("paid", "It is settled.", final=True)
RUNG = {"rung": ((EARLY - HOUR, "sms"),) * 3}
RULES: dict[str, Rule] = {
    "too_late": Rule("expiry", W, facts(expires_at=EARLY)),
    "not_live": Rule("go_live", D, facts(live=Live()), ("daily_cap",)),
    "daily_cap": Rule("go_live", D, facts(live=Live(True, 0, "", LATER)), ("not_live",)),
    "no_address": Rule("identity", W, facts(recipient=None)),
    "address_unverified": Rule("identity", W, theirs(verification="unverified"), _PERSON),
    "address_wrong": Rule(
        "identity", W, theirs(verification="wrong"), ("address_unverified", *_PERSON)
    ),
    "address_reassigned": Rule(
        "identity",
        W,
        theirs(verification="reassigned"),
        ("address_unverified", "address_wrong", *_PERSON),
    ),
    "legal_bankruptcy": Rule("legal", W, stopped(LegalKind.BANKRUPTCY)),
    "legal_deceased": Rule("legal", W, stopped(LegalKind.DECEASED)),
    "legal_represented": Rule("legal", W, stopped(LegalKind.REPRESENTED)),
    "legal_cease": Rule("legal", W, stopped(LegalKind.CEASE)),
    "opted_out": Rule("consent", W, theirs(consent=Consent(Standing.REVOKED)), _PERSON),
    "no_sms_consent": Rule("consent", W, theirs(consent=Consent()), ("opted_out", *_PERSON)),
    "channel_not_preferred": Rule("consent", W, wish(channels=("email",)), _PERSON),
    "address_dead": Rule("health", W, theirs(health=Health.DEAD), _PERSON),
    "paused": Rule("billing", D, facts(billing=_PAUSED), ("paid",)),
    "paid": Rule("billing", C, facts(billing=_PAID), ("paused",)),
    "content_numbers": Rule("content", W, labelled(Label.PAN)),
    "content_sealed": Rule("content", Verdict.REVIEW, labelled(Label.PRIVILEGED)),
    "budget_week": Rule("budget", D, had(2 * DAY, 3 * DAY, 4 * DAY)),
    "budget_day": Rule("budget", D, had(HOUR)),
    "loop_brake": Rule("budget", D, brake),
    "legal_cap": Rule("budget", D, in_state("FL", **RUNG), _PERSON),
    "quiet_hours": Rule("hours", D, later, _HOURS),
    "legal_hours": Rule("hours", D, in_state("KY"), _HOURS),
    "preferred_hours": Rule("hours", D, wish(not_before=dt.time(10)), _HOURS),
    "never_open": Rule("hours", W, wish(not_before=dt.time(22)), _PERSON),
    "agreement_missing": Rule("preflight", W, facts(unsigned="No BAA."), ("not_live",)),
    "sender_incomplete": Rule("preflight", W, sender(pay_link="")),
    "sms_unregistered": Rule("preflight", W, sender(sms_unregistered=True)),
}
"""In the order in which they are asked; the budget's by how long each waits here."""


def failing(*rules: str) -> Facts:
    found: Facts = (replace(GOOD, now=EARLY), POLICY)
    for name in sorted(rules, key=lambda name: name in _PERSON):
        found = RULES[name].fail(*found)
    return found


def go_together(one: str, two: str) -> bool:
    return two not in RULES[one].not_with and one not in RULES[two].not_with


def test_there_is_a_way_to_fail_every_place_that_says_anything() -> None:
    tried = list(dict.fromkeys(rule.place for rule in RULES.values()))
    assert tried == [name for name, _ in PLACES]


def test_every_reason_that_is_explained_to_people_is_tried() -> None:
    for rule in RULES:
        assert remedies.remedy(rule), f"say in bot/reasons/remedies.py what would change {rule}"


def test_a_message_that_passes_everywhere_goes() -> None:
    found = judge(GOOD, POLICY)
    assert found.verdict is Verdict.ALLOW
    assert [one.place for one in found.findings] == [name for name, _ in PLACES]
    assert found.refusals == ()


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_can_keep_a_message_in(rule: str) -> None:
    found = judge(*failing(rule))
    expected = (RULES[rule].place, RULES[rule].verdict, rule)
    assert (found.decisive.place, found.verdict, found.decisive.rule) == expected
    assert found.decisive.reason
    assert [one.rule for one in found.refusals] == [rule]


@pytest.mark.parametrize("one", RULES)
def test_of_two_refusals_the_first_hard_one_decides_and_both_are_recorded(one: str) -> None:
    names = list(RULES)
    for two in names[names.index(one) + 1 :]:
        if go_together(one, two):
            found = judge(*failing(one, two))
            hard = [name for name in (one, two) if RULES[name].verdict in HARD]
            assert found.decisive.rule == (hard or [one])[0], (one, two)
            assert [refused.rule for refused in found.refusals] == [one, two]


def test_all_refusals_are_recorded_in_the_order_of_the_places() -> None:
    chosen: list[str] = []
    for name in RULES:
        if name not in _PERSON and all(go_together(name, other) for other in chosen):
            chosen.append(name)
    assert len(chosen) == 22
    found = judge(*failing(*chosen))
    assert [one.rule for one in found.refusals] == chosen
    assert found.decisive.rule == "too_late"


# --- who passes what ------------------------------------------------------------------------------

SKIPPED_BY_OPT_OUT = ("go_live", "consent", "billing", "budget", "hours")
PASSED_BY_STAFF = ("expiry", "content", "preflight")


@pytest.mark.parametrize("rule", RULES)
def test_the_confirmation_of_a_stop_skips_what_the_stop_itself_closed(rule: str) -> None:
    case, policy = failing(rule)
    case = replace(case, purpose=Purpose.OPT_OUT)
    if rule == "sender_incomplete":
        case = replace(case, sender=replace(BY, address=""))
    allowed = judge(case, policy).verdict is Verdict.ALLOW
    assert allowed == (RULES[rule].place in SKIPPED_BY_OPT_OUT)


@pytest.mark.parametrize("audience", [Audience.STAFF, Audience.SYSTEM])
@pytest.mark.parametrize("rule", RULES)
def test_our_own_people_are_told_at_any_hour(rule: str, audience: Audience) -> None:
    case, policy = failing(rule)
    found = judge(replace(case, audience=audience, purpose=Purpose.ALERT), policy)
    assert [one.place for one in found.findings] == list(PASSED_BY_STAFF)
    allowed = found.verdict is Verdict.ALLOW
    kept_in = RULES[rule].place in {"expiry", "content"} or rule == "agreement_missing"
    assert allowed != kept_in


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


@pytest.mark.parametrize("purpose", [one for one in Purpose if one is not Purpose.OPT_OUT])
@pytest.mark.parametrize("verification", ["unverified", "wrong", "reassigned"])
def test_c16_an_address_that_nobody_confirmed_hears_nothing_of_a_debt(
    verification: str, purpose: Purpose
) -> None:
    case = replace(GOOD, purpose=purpose, recipient=to(verification=verification))
    found = judge(case, POLICY)
    if (verification, purpose) == ("unverified", Purpose.ANSWER):
        assert found.verdict is Verdict.ALLOW  # who asks who we are is told that, and no more
        return
    assert (found.verdict, found.decisive.rule) == (Verdict.WITHHOLD, f"address_{verification}")


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
        spent=Spent(spent[0], spent[1]),
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
    assert asked == sorted(asked, key=names.index)
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
