"""C-07 and C-08: where somebody may be, by which evidence, and whose rules hold there."""

import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from billing import policy, rules
from billing.calendar import clock_of, zone
from billing.policy import Policy
from comms.addresses import phones, whereabouts
from comms.consent import Consent, Standing
from comms.door import Case, Live, Recipient, Sender, Spent, Verdict, judge
from comms.models import Audience, Purpose

EAST, CENTRAL, MOUNTAIN, WEST = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
)
PHOENIX = "America/Phoenix"
NEW_YORK_PHONE, TOLL_FREE = "+12125550123", "+18005550123"

ACCOUNTS = [
    pytest.param("", "", "UTC", phones.UNITED_STATES, (), id="nothing is known"),
    pytest.param("", "", EAST, (EAST,), (), id="the account's zone"),
    pytest.param("", "TX", "UTC", (CENTRAL, MOUNTAIN), ("TX",), id="a state in two zones"),
    pytest.param("", "TX", CENTRAL, (CENTRAL,), ("TX",), id="the account chooses among them"),
    pytest.param("", "TX", WEST, (WEST, CENTRAL, MOUNTAIN), ("TX",), id="the account contradicts"),
    pytest.param("32501", "", "UTC", (CENTRAL,), ("FL",), id="a postal code in Florida's west"),
    pytest.param("33101", "TX", "UTC", (EAST,), ("FL",), id="the postal code before the state"),
    pytest.param("86503", "", "UTC", (MOUNTAIN, PHOENIX), ("AZ",), id="where the Navajo begin"),
    pytest.param("85001-1234", "", "UTC", (PHOENIX,), ("AZ",), id="Phoenix does not"),
    pytest.param("06390", "", "UTC", (EAST,), ("CT", "NY"), id="a prefix of two states"),
    pytest.param("09012", "", "UTC", phones.UNITED_STATES, (), id="a soldier may be anywhere"),
    pytest.param("SW1A 1AA", "", EAST, (EAST,), (), id="no postal code of the country"),
]


@pytest.mark.parametrize(("postal", "state", "account", "zones", "states"), ACCOUNTS)
def test_c07_postal_code_before_state_before_account(
    postal: str, state: str, account: str, zones: tuple[str, ...], states: tuple[str, ...]
) -> None:
    found = whereabouts.of_account("US", state, postal, account)
    assert (found.zones, found.states) == (zones, states)


PHONES = [
    pytest.param(NEW_YORK_PHONE, (EAST,), ("NY",), id="New York"),
    pytest.param("+13055550123", (EAST,), ("FL",), id="Miami"),
    pytest.param("+18505550123", (EAST,), ("FL",), id="the account says where in Florida"),
    pytest.param("+16155550123", (EAST, CENTRAL), ("TN",), id="an area code of another zone"),
    pytest.param("+12145550123", (EAST, CENTRAL, MOUNTAIN), ("TX",), id="anywhere in Texas"),
    pytest.param("+14155550123", (WEST, EAST), ("CA",), id="Ann keeps her old number"),
    pytest.param(TOLL_FREE, (EAST,), (), id="a toll-free number says nothing"),
    pytest.param("+44207941021", (EAST, "Europe/London"), (), id="an area that is in no plan"),
    pytest.param("+35315550100", (EAST, "Europe/Dublin"), (), id="another country"),
]


@pytest.mark.parametrize(("number", "zones", "states"), PHONES)
def test_c08_the_area_code_adds_to_what_is_possible(
    number: str, zones: tuple[str, ...], states: tuple[str, ...]
) -> None:
    account = whereabouts.of_account("US", "", "", EAST)
    found = whereabouts.of_address(account, "sms", number)
    assert {clock_of(one) for one in found.zones} == {clock_of(one) for one in zones}
    assert found.states == states


def test_c08_a_phone_without_an_area_may_be_anywhere_in_a_country_of_many_clocks() -> None:
    account = whereabouts.of_account("GB", "", "", "Europe/London")
    found = whereabouts.of_address(account, "sms", "+79161234567")
    assert {"Europe/Moscow", "Asia/Vladivostok"} <= set(found.zones)


def test_c08_a_mailbox_says_nothing_of_where_they_are() -> None:
    account = whereabouts.of_account("US", "", "", EAST)
    assert whereabouts.of_address(account, "email", "ann@example.com") == account


def test_c08_every_zone_has_its_evidence() -> None:
    account = whereabouts.of_account("US", "TX", "", WEST)
    found = whereabouts.of_address(account, "sms", NEW_YORK_PHONE)
    assert [one.by for one in found.evidence] == ["account", "state", "area_code"]


def test_every_area_code_of_a_state_is_known_by_that_state() -> None:
    known = {rules.state_named(phones.place_of(f"+1{code}5550123")) for code in range(200, 1000)}
    assert len(known - {""}) >= 51


def test_every_postal_prefix_lies_in_zones_of_its_states() -> None:
    for number in range(1000):
        place = rules.of_postal_code("US", f"{number:03}01")
        allowed = {zone for one in place.states for zone in rules.of_state("US", one).zones}
        assert set(place.zones) <= allowed


# --- whose rules ----------------------------------------------------------------------------------

SHIPPED = policy.default()
PACKS: dict[str, Policy] = {name: replace(SHIPPED, pack=name) for name in rules.PACKS}
BY = Sender("Harrow Law", "12 Tanner Row", "+15005550006", "https://pay.example")


def text_at(when: dt.datetime, place: str, tz: str = EAST, **spent: object) -> Case:
    """A text to somebody in a state."""
    to = Recipient(
        "sms", "+18005550123", consent=Consent(Standing.GRANTED), zones=(tz,), states=(place,)
    )
    return Case(
        Audience.CLIENT, Purpose.DUNNING, "sms", when, live=Live(open=True), recipient=to,
        sender=BY, spent=Spent(**spent),  # type: ignore[arg-type]
    )  # fmt: skip


def at(day: str, clock: str, tz: str = EAST) -> dt.datetime:
    local = dt.datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo(tz))
    return local.astimezone(dt.UTC)


MONDAY, SATURDAY, SUNDAY, HOLIDAY = "2026-06-08", "2026-06-13", "2026-06-14", "2026-12-25"
STATES = {
    "": [(MONDAY, "08:00", "21:00"), (SUNDAY, "08:00", "21:00")],
    "AL": [(MONDAY, "08:00", "20:00"), (SUNDAY, "", ""), (HOLIDAY, "", "")],
    "CA": [(MONDAY, "09:00", "21:00")],
    "CT": [(MONDAY, "09:00", "20:00"), (SUNDAY, "09:00", "20:00")],
    "FL": [(MONDAY, "08:00", "20:00")],
    "IL": [(MONDAY, "09:00", "21:00")],
    "KY": [(MONDAY, "10:00", "21:00")],
    "LA": [(MONDAY, "08:00", "20:00"), (SUNDAY, "", "")],
    "MA": [(MONDAY, "08:00", "20:00")],
    "MD": [(MONDAY, "08:00", "20:00")],
    "MI": [(MONDAY, "09:00", "21:00")],
    "MN": [(MONDAY, "09:00", "21:00")],
    "MS": [(MONDAY, "08:00", "20:00"), (SUNDAY, "", ""), (HOLIDAY, "", "")],
    "NJ": [(MONDAY, "08:00", "20:00")],
    "OK": [(MONDAY, "08:00", "20:00")],
    "RI": [(MONDAY, "09:00", "18:00"), (SATURDAY, "10:00", "17:00"), (HOLIDAY, "", "")],
    "TX": [(MONDAY, "09:00", "21:00"), (SUNDAY, "12:00", "21:00")],
    "UT": [(MONDAY, "08:00", "21:00"), (HOLIDAY, "", "")],
}
SECOND = dt.timedelta(seconds=1)


@pytest.mark.parametrize("pack", rules.PACKS)
@pytest.mark.parametrize("state", STATES)
def test_c06_c07_the_hours_of_each_state_hold_in_every_pack(state: str, pack: str) -> None:
    for day, opens, closes in STATES[state]:
        edges = [] if opens else [(at(day, "12:00"), False)]
        if opens:
            first, last = at(day, opens), at(day, closes)
            edges = [
                (first - SECOND, False), (first, True), (last - SECOND, True), (last, False),
            ]  # fmt: skip
        for moment, goes in edges:
            found = judge(text_at(moment, state), PACKS[pack])
            assert (found.verdict is Verdict.ALLOW) == goes, (state, moment)


def test_c07_every_state_with_hours_of_its_own_is_tried() -> None:
    with_hours = {rule.region for rule in rules.every() if rule.open}
    assert with_hours == set(STATES)


@pytest.mark.parametrize("state", ["FL", "MD", "NJ", "OK"])
def test_c07_a_fourth_text_in_a_day_waits(state: str) -> None:
    noon = at(MONDAY, "12:00")
    rung = tuple((noon - hours * 60 * 60 * SECOND, "sms") for hours in (23, 2, 1))
    found = judge(text_at(noon, state, rung=rung), SHIPPED).decisive
    assert (found.rule, found.until) == ("legal_cap", noon + 60 * 60 * SECOND)
    assert judge(text_at(noon, state, rung=rung[1:]), SHIPPED).verdict is Verdict.ALLOW
    assert judge(text_at(noon, "NY", rung=rung), SHIPPED).verdict is Verdict.ALLOW


WEEK = dt.timedelta(days=7)


@pytest.mark.parametrize("pack", rules.PACKS)
def test_c12_massachusetts_counts_two_a_week_where_we_write_to_consumers(pack: str) -> None:
    noon = at(MONDAY, "12:00")
    rung = ((noon - WEEK + SECOND, "sms"), (noon - 2 * 24 * 60 * 60 * SECOND, "voice"))
    found = judge(text_at(noon, "MA", rung=rung), PACKS[pack])
    assert (found.verdict is Verdict.DEFER) == (pack != "b2b_first_party")
    assert judge(text_at(noon, "MA", rung=rung[1:]), PACKS[pack]).verdict is Verdict.ALLOW


def test_c11_the_eighth_call_of_a_collector_in_a_week_waits_and_texts_do_not_count() -> None:
    noon = at(MONDAY, "12:00")
    calls = tuple((noon - WEEK + n * 60 * 60 * SECOND, "voice") for n in range(1, 8))
    collector = PACKS["third_party_collector"]

    def call(rung: tuple[tuple[dt.datetime, str], ...], by: Policy) -> Verdict:
        return judge(replace(text_at(noon, "", rung=rung), channel="voice"), by).verdict

    assert call(calls, collector) is Verdict.DEFER
    assert call(calls[1:], collector) is Verdict.ALLOW
    assert call(tuple((moment, "sms") for moment, _ in calls), collector) is Verdict.ALLOW
    assert call(calls, SHIPPED) is Verdict.ALLOW


def test_c07_a_phone_of_a_state_brings_its_law_wherever_the_account_is() -> None:
    """Found by the simulation: a text to California at 8:00, for the account was in Brazil."""
    abroad = {rule.id for rule in rules.calling("b2b_first_party", "sms", "BR", ("CA",))}
    assert abroad == {rule.id for rule in rules.calling("b2b_first_party", "sms", "US", ("CA",))}
    assert rules.calling("b2b_first_party", "sms", "BR", ()) == ()


def test_a_mail_is_bound_by_no_hours_of_calling() -> None:
    case = replace(text_at(at(MONDAY, "09:30"), "KY"), channel="email")
    by = replace(BY, address="accounts@harrow.example")
    assert judge(replace(case, sender=by), SHIPPED).verdict is Verdict.ALLOW


# --- the data -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", rules.law(), ids=[rule.id for rule in rules.law()])
def test_every_rule_has_its_source_and_says_that_nobody_has_signed_it(rule: rules.Rule) -> None:
    assert rule.source
    assert rule.says
    assert rule.as_of <= dt.date(2026, 11, 22)
    assert set(rule.packs) <= set(rules.PACKS)
    assert set(rule.channels) <= {"email", "sms", "voice"}
    assert ("not yet confirmed by counsel" in rule.cited) != rule.verified
    assert rule.most is None or rule.hours


def test_no_two_rules_have_one_name() -> None:
    names = [rule.id for rule in rules.law()]
    assert len(names) == len(set(names))


def test_every_zone_of_the_places_is_one() -> None:
    states = {rule.region for rule in rules.law() if rule.region}
    for state in states:
        assert all(zone(name) for name in rules.of_state("US", state).zones)
