"""What the packs set, and what follows from it at the door. C-20, C-21 and C-23."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from billing import packs, policy
from billing.policy import Policy, PolicyError, whole
from comms import consent, processors
from comms.consent import Consent, Standing
from comms.door import Case, Live, Recipient, Sender, Verdict, judge
from comms.models import Audience, Purpose
from comms.processors import Processor

NOON = dt.datetime(2026, 1, 6, 17, 0, tzinfo=dt.UTC)
TODAY = NOON.date()
DAY = dt.timedelta(days=1)
YES = Consent(Standing.GRANTED)
TO = Recipient("sms", "+12125550123", consent=YES, zones=("America/New_York",))
BY = Sender("Harrow Law", "12 Tanner Row, Albany", "+15005550006", "https://pay.example")
GOOD = Case(
    Audience.CLIENT, Purpose.DUNNING, "sms", NOON, live=Live(open=True), recipient=TO, sender=BY
)
TWILIO = Processor(name="Twilio", signed={"BAA": TODAY, "DPA": None})
DECISIONS = "\n[retention]\ndecisions = 2192\n"


def laid(*add_ons: str, base: str = "b2b_first_party", more: str = "") -> Policy:
    named = ", ".join(f'"{one}"' for one in add_ons)
    return policy.parse(f'[pack]\nname = "{base}"\nadd_ons = [{named}]\n{more}{DECISIONS}')


def mistakes(text: str) -> list[tuple[str, str]]:
    with pytest.raises(PolicyError) as caught:
        policy.parse(text)
    return [(one.key, one.reason) for one in caught.value.mistakes]


# --- what a policy says ---------------------------------------------------------------------------


def test_the_shipped_policy_asks_for_nothing_more() -> None:
    shipped = policy.default()
    assert shipped.packs() == ("b2b_first_party",)
    assert shipped.terms() == packs.Terms()


def test_add_ons_lie_over_the_base_and_the_strictest_holds() -> None:
    both = laid("eu", "healthcare")
    assert both.packs() == ("b2b_first_party", "healthcare", "eu")
    assert both.terms().agreements == ("BAA", "DPA")
    assert both.terms().warned_first
    assert both.terms().marketing_consent


ENTITY = '[pack.entities."Harrow Clinic"]\nadd_ons = ["healthcare"]\n'


def test_a_legal_entity_may_be_of_another_kind() -> None:
    mixed = laid("law_firm", more=ENTITY)
    assert mixed.packs("Harrow Clinic") == ("b2b_first_party", "healthcare")
    assert mixed.packs("Harrow Law") == ("b2b_first_party", "law_firm")
    assert mixed.packs() == ("b2b_first_party", "law_firm", "healthcare")
    assert mixed.terms("Harrow Clinic").agreements == ("BAA",)
    assert mixed.terms("Harrow Law").agreements == ()
    assert mixed.terms("Harrow Law").kept_papers == ("invoice",)


@pytest.mark.parametrize(
    ("text", "key", "word"),
    [
        ('[pack]\nadd_ons = ["helthcare"]', "pack.add_ons[0]", 'did you mean "healthcare"'),
        ('[pack]\nadd_ons = "healthcare"', "pack.add_ons", "must be a list"),
        ('[pack]\nname = "law_firm"', "pack.name", "must be"),
        ('[pack.entities."A"]\nadd_on = ["eu"]', "pack.entities.A.add_on", "is not known"),
        ('[pack.entities]\nA = "healthcare"', "pack.entities.A", "must be a table"),
        ('[pack]\nadd_ons = ["healthcare"]', "retention.decisions", "C-21.10"),
        (
            f"{ENTITY}[retention]\ndecisions = 30",
            "retention.decisions",
            "at least 2192",
        ),
        (
            '[pack]\nadd_ons = ["eu"]\n[retention]\nattempts = "forever"',
            "retention.attempts",
            "C-20.5",
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_the_packs_is_named(text: str, key: str, word: str) -> None:
    assert [(place, word in reason) for place, reason in mistakes(text)] == [(key, True)]


def test_what_was_published_before_there_were_add_ons_is_read_as_before() -> None:
    shipped = policy.default()
    said = whole.dumped(shipped)
    for key in ("add_ons", "entity_packs"):
        said = said.replace(f',"{key}":[]', "")
    assert "add_ons" not in said
    assert whole.restored(said) == shipped


# --- agreements -----------------------------------------------------------------------------------

HEALTH = laid("healthcare").packs()
SLACK = Processor(name="Slack", signed={"BAA": TODAY}, plans={"BAA": "enterprise"})


@pytest.mark.parametrize(
    ("one", "kinds", "why"),
    [
        (TWILIO, HEALTH, ""),
        (TWILIO, policy.default().packs(), ""),
        (Processor(name="Twilio"), policy.default().packs(), ""),
        (Processor(name="Twilio"), HEALTH, "no BAA of Twilio is on record"),
        (replace(TWILIO, signed={"DPA": TODAY}), HEALTH, "no BAA"),
        (replace(TWILIO, signed={"BAA": TODAY + DAY}), HEALTH, "begins on 2026-01-07"),
        (replace(TWILIO, never=("BAA",)), HEALTH, "not eligible for a BAA, whatever was signed"),
        (replace(TWILIO, plans={"BAA": "editions"}), HEALTH, "plan editions only"),
        (None, HEALTH, "no BAA of whoever handles sms"),
    ],
)
def test_c21_nothing_goes_by_whom_an_agreement_is_missing(
    one: Processor | None, kinds: tuple[str, ...], why: str
) -> None:
    known = {"sms": (one,)} if one is not None else {}
    said = processors.refusal(known, "sms", kinds, TODAY)
    assert (why in said) if why else said == ""
    assert not why or "C-21.2" in said


def test_c21_of_two_on_the_way_both_must_have_signed() -> None:
    known = {"email": (TWILIO, Processor(name="Relay"))}
    assert "no BAA of Relay" in processors.refusal(known, "email", HEALTH, TODAY)


@pytest.mark.parametrize(
    ("slack", "neutral"),
    [
        (SLACK, True),
        (replace(SLACK, plan="Enterprise"), False),
        (replace(SLACK, plan="enterprise", signed={"DPA": TODAY}), True),
        (replace(SLACK, plan="enterprise", signed={"BAA": TODAY + DAY}), True),
    ],
)
def test_c21_slack_is_neutral_until_its_baa_holds_with_the_enterprise_plan(
    slack: Processor,
    neutral: bool,  # noqa: FBT001
) -> None:
    known = {"slack": (slack,)}
    assert processors.is_neutral(known, HEALTH, TODAY) == neutral
    assert processors.refusal(known, "slack", HEALTH, TODAY) == ""


def test_c20_in_the_eu_slack_needs_a_dpa_as_everybody() -> None:
    kinds = laid("eu", "healthcare").packs()
    assert "no DPA of Slack" in processors.refusal({"slack": (SLACK,)}, "slack", kinds, TODAY)
    assert "C-20.2" in processors.refusal({}, "slack", kinds, TODAY)


UNSIGNED: list[tuple[dict[str, Any], Verdict]] = [
    ({}, Verdict.WITHHOLD),
    ({"live": Live()}, Verdict.DEFER),
    ({"audience": Audience.STAFF, "channel": "slack"}, Verdict.DEFER),
    ({"audience": Audience.SYSTEM, "channel": "hubspot"}, Verdict.DEFER),
]


@pytest.mark.parametrize(("more", "verdict"), UNSIGNED)
def test_c21_what_may_not_be_handed_over_waits_or_goes_another_way(
    more: dict[str, Any], verdict: Verdict
) -> None:
    found = judge(replace(GOOD, unsigned="No BAA.", **more), policy.default())
    assert found.verdict is verdict
    (refused,) = [one for one in found.refusals if one.rule == "agreement_missing"]
    assert (refused.place, refused.reason) == ("preflight", "No BAA.")


# --- whom to ask first ----------------------------------------------------------------------------

WARNED = replace(YES, topics={consent.UNENCRYPTED: YES})
TYPED = replace(GOOD, purpose=Purpose.STAFF_TEXT, written_by_person=True)


@pytest.mark.parametrize(
    ("held", "add_ons", "rule"),
    [
        (YES, ("healthcare",), "not_warned"),
        (WARNED, ("healthcare",), ""),
        (YES, ("law_firm", "eu"), ""),
        (
            replace(WARNED, topics={consent.UNENCRYPTED: Consent(Standing.REVOKED)}),
            ("healthcare",),
            "not_warned",
        ),
        (
            replace(WARNED, topics={consent.UNENCRYPTED: Consent(Standing.ASSERTED)}),
            ("healthcare",),
            "not_warned",
        ),
    ],
)
def test_c21_what_a_person_typed_goes_to_who_was_warned(
    held: Consent, add_ons: tuple[str, ...], rule: str
) -> None:
    case = replace(TYPED, recipient=replace(TO, consent=held))
    found = judge(case, laid(*add_ons))
    assert found.decisive.rule == rule
    assert not rule or "not yet confirmed by counsel" in found.decisive.reason


def test_c21_a_reminder_needs_no_warning() -> None:
    assert judge(GOOD, laid("healthcare")).verdict is Verdict.ALLOW


@pytest.mark.parametrize("entity", ["Harrow Law", "Harrow Clinic"])
def test_c21_the_packs_are_those_of_the_entity_that_writes(entity: str) -> None:
    found = judge(replace(TYPED, sender=replace(BY, name=entity)), laid(more=ENTITY))
    assert (found.decisive.rule == "not_warned") == (entity == "Harrow Clinic")


@pytest.mark.parametrize("channel", ["sms", "email"])
@pytest.mark.parametrize(
    ("held", "add_ons", "rule"),
    [
        (Consent(Standing.ASSERTED), (), ""),
        (Consent(Standing.ASSERTED), ("eu",), "no_marketing_consent"),
        (YES, ("eu",), ""),
        (
            replace(YES, topics={consent.MARKETING: Consent(Standing.REVOKED)}),
            ("eu",),
            "opted_out",
        ),
    ],
)
def test_c20_no_offer_in_the_eu_without_a_yes_of_their_own(
    channel: str, held: Consent, add_ons: tuple[str, ...], rule: str
) -> None:
    address = BY.address if channel == "sms" else "accounts@harrow.example"
    case = replace(
        GOOD,
        purpose=Purpose.OFFER,
        channel=channel,
        recipient=replace(TO, kind=channel, consent=held),
        sender=replace(BY, address=address),
    )
    assert judge(case, laid(*add_ons)).decisive.rule == rule


# --- the word on record ---------------------------------------------------------------------------


class Said:
    def __init__(self, change: str, topic: str) -> None:
        self.change, self.topic, self.method = change, topic, "form"
        self.occurred_at = self.recorded_at = NOON


WARNING = Said("granted", consent.UNENCRYPTED)


@pytest.mark.parametrize(
    ("events", "warned", "standing"),
    [
        ([WARNING], True, Standing.UNKNOWN),
        ([Said("granted", "all")], False, Standing.GRANTED),
        ([WARNING, Said("revoked", "all")], True, Standing.REVOKED),
        ([WARNING, Said("granted", "all")], True, Standing.GRANTED),
        ([WARNING, Said("revoked", consent.UNENCRYPTED)], False, Standing.UNKNOWN),
    ],
)
def test_c21_to_be_warned_is_no_word_on_whether_we_may_write(
    events: list[Said],
    warned: bool,  # noqa: FBT001
    standing: Standing,
) -> None:
    held = consent.fold(events)
    assert (held.warned, held.about(consent.BILLING).standing) == (warned, standing)
