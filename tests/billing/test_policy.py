import datetime as dt
import json
from pathlib import Path

import pytest

from billing import policy, shipped
from billing.policy import Amounts, PolicyError, Step, whole

REMIND = 'action = "remind"\ntemplate = "t"\nchannels = ["sms"]'


def mistakes(text: str) -> dict[str, str]:
    with pytest.raises(PolicyError) as error:
        policy.parse(text)
    return dict(error.value.mistakes)


def test_the_shipped_policy_is_what_the_design_promises() -> None:
    shipped_policy = policy.default()
    assert shipped_policy.dunning.count_from == "issued"
    assert shipped_policy.dunning.steps == (
        Step(30, "remind", "first_reminder", ("email", "sms")),
        Step(45, "remind", "firmer_reminder", ("sms", "email")),
        Step(60, "escalate"),
    )
    assert [step.days_before for step in shipped_policy.renewal.steps] == [90, 60, 30, 7]
    assert (shipped_policy.budget.per_day, shipped_policy.budget.per_week) == (1, 3)
    assert shipped_policy.hours.of("sms").end == shipped_policy.hours.of("voice").end == dt.time(21)
    assert shipped_policy.hours.of("email").weekdays == frozenset(range(5))
    assert shipped_policy.consent.sms_basis == "consent"


def test_an_empty_policy_is_the_shipped_one() -> None:
    assert policy.parse("") == policy.default()


def test_a_written_key_replaces_only_itself() -> None:
    changed = policy.parse("[budget]\nper_week = 2\n[hours.email]\nend = 17:30:00")
    assert (changed.budget.per_day, changed.budget.per_week) == (1, 2)
    assert changed.hours.email.end == dt.time(17, 30)
    assert changed.dunning == policy.default().dunning


def test_steps_replace_all_steps() -> None:
    changed = policy.parse(f"[[dunning.steps]]\noffset = 10\n{REMIND}")
    assert changed.dunning.steps == (Step(10, "remind", "t", ("sms",)),)


def test_amounts_are_read_in_their_currency() -> None:
    text = '[dunning.tolerance]\nEUR = "5.00"\nUSD = 5.5\nJPY = 500'
    tolerance = policy.parse(text).dunning.tolerance
    assert tolerance == Amounts((("EUR", 500), ("JPY", 500), ("USD", 550)))
    assert tolerance.of("KWD") == 0


def test_a_threshold_named_once_holds_in_other_currencies_by_their_rates() -> None:
    rates = '[rates]\nbase = "EUR"\nUSD = "1.10"\nJPY = 162.57\nKWD = "0.3334"\n'
    told = f'{rates}[dunning.tolerance]\nEUR = "5.00"\n[renewal.tolerance]\nUSD = "1.00"'
    changed = policy.parse(told)
    held = dict(changed.dunning.tolerance.by_currency)
    assert held == {"EUR": 500, "USD": 550, "JPY": 812, "KWD": 1_667}
    assert changed.dunning.tolerance.of("GBP") == 0
    # A rate is of the base currency: an amount in another is not converted.
    assert changed.renewal.tolerance == Amounts((("USD", 100),))


def test_an_amount_that_is_named_is_not_converted() -> None:
    told = '[rates]\nbase = "EUR"\nUSD = "1.10"\n[dunning.minimum]\nEUR = "5"\nUSD = "9"'
    assert policy.parse(told).dunning.minimum.of("USD") == 900


def test_rates_that_cannot_be_are_mistakes() -> None:
    assert mistakes('[rates]\nbase = "EURO"').keys() == {"rates.base"}
    assert mistakes('[rates]\nUSD = "1.10"').keys() == {"rates.base"}
    wrong = mistakes('[rates]\nbase = "EUR"\nEUR = "1"\nUSD = "nan"\nJPY = -3\nXXQ = "2"')
    assert wrong.keys() == {"rates.EUR", "rates.USD", "rates.JPY", "rates.XXQ"}


@pytest.mark.parametrize(
    ("method", "days"), [("bank_transfer", 3), ("cheque", 7), ("card", 1), ("", 3), ("barter", 3)]
)
def test_a_claim_of_payment_holds_by_its_method(method: str, days: int) -> None:
    assert policy.default().holds.claim_days(method) == days


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        pytest.param("[budgett]", "budgett", 'did you mean "budget"', id="unknown table"),
        pytest.param(
            "[dunning]\ngrace_day = 1", "dunning.grace_day", '"grace_days"', id="unknown key"
        ),
        pytest.param("[vault]\ncolour = 1", "vault.colour", "known here", id="nothing near"),
        pytest.param("[dunning]\ngrace_days = -1", "dunning.grace_days", "from 0", id="negative"),
        pytest.param(
            "[budget]\nper_day = true", "budget.per_day", "not true", id="a flag for a number"
        ),
        pytest.param('[budget]\nper_day = "1"', "budget.per_day", 'not "1"', id="text"),
        pytest.param("[budget]\nper_day = 4", "budget.per_week", "per_day, 4", id="week under day"),
        pytest.param("dunning = 5", "dunning", "[dunning]", id="not a table"),
        pytest.param("[dunning]\nsteps = 5", "dunning.steps", "[[dunning.steps]]", id="not steps"),
        pytest.param("[dunning]\nsteps = []", "dunning.steps", "at least one", id="no step"),
        pytest.param(
            '[dunning]\ncount_from = "isued"', "dunning.count_from", '"issued"', id="misspelt"
        ),
        pytest.param(
            "[dunning.tolerance]\nJPY = 1.5", "dunning.tolerance.JPY", "decimals", id="half a yen"
        ),
        pytest.param(
            "[dunning.minimum]\nUSD = -1", "dunning.minimum.USD", "below zero", id="minus"
        ),
        pytest.param(
            "[dunning.minimum]\nEURO = 1", "dunning.minimum.EURO", "ISO 4217", id="no currency"
        ),
        pytest.param(
            f"[[dunning.steps]]\n{REMIND}", "dunning.steps[0].offset", "missing", id="no offset"
        ),
        pytest.param(
            f"[[dunning.steps]]\noffset = 9\n{REMIND}\n[[dunning.steps]]\noffset = 9\n{REMIND}",
            "dunning.steps[1].offset",
            "more than the step before, 9",
            id="offsets do not grow",
        ),
        pytest.param(
            '[[dunning.steps]]\noffset = 1\naction = "escalate"\n'
            f"[[dunning.steps]]\noffset = 2\n{REMIND}",
            "dunning.steps[1].action",
            "ends the ladder",
            id="after an escalation",
        ),
        pytest.param(
            '[[dunning.steps]]\noffset = 1\naction = "escalate"\ntemplate = "x"',
            "dunning.steps[0].template",
            "tells the owner",
            id="a template for the owner",
        ),
        pytest.param(
            '[[dunning.steps]]\noffset = 1\naction = "remind"\ntemplate = ""\nchannels = ["sms"]',
            "dunning.steps[0].template",
            "a name",
            id="no template",
        ),
        pytest.param(
            '[[dunning.steps]]\noffset = 1\naction = "remind"\ntemplate = "t"\nchannels = ["sns"]',
            "dunning.steps[0].channels[0]",
            'did you mean "sms"',
            id="unknown channel",
        ),
        pytest.param(
            '[[renewal.steps]]\ndays_before = 7\ntemplate = "t"\nchannels = ["sms", "sms"]',
            "renewal.steps[0].channels[1]",
            "second time",
            id="a channel twice",
        ),
        pytest.param(
            '[[renewal.steps]]\ndays_before = 7\ntemplate = "t"\nchannels = ["sms"]\n' * 2,
            "renewal.steps[1].days_before",
            "less than the step before, 7",
            id="renewal steps do not fall",
        ),
        pytest.param(
            '[hours.sms]\nstart = "22:00"', "hours.sms.end", "after start, 22:00", id="hours"
        ),
        pytest.param('[hours.sms]\nstart = "8am"', "hours.sms.start", '"08:00"', id="clock"),
        pytest.param("[consent]\nsms_basis = 1", "consent.sms_basis", '"consent"', id="basis"),
        pytest.param(
            "[charges]\ninterest_percent = nan", "charges.interest_percent", "8.5", id="nan"
        ),
        pytest.param(
            "[charges]\ninterest_percent = true", "charges.interest_percent", "8.5", id="1%"
        ),
        pytest.param("[counsel]\nours = [1]", "counsel.ours", "list of words", id="a list"),
        pytest.param("[dunning", "", "not TOML", id="not TOML"),
    ],
)
def test_a_mistake_is_named(text: str, key: str, reason: str) -> None:
    assert reason in mistakes(text)[key]


LADDERS = """
[dunning.tolerance]
USD = "5.00"
[ladders.gentle]
count_from = "due"
grace_days = 10
[ladders.gentle.tolerance]
EUR = "25.00"
[ladders.alone]
chase = false
[segments]
hospitals = "gentle"
partners = "default"
"""


def test_a_ladder_is_laid_over_the_one_of_dunning() -> None:
    changed = policy.parse(LADDERS)
    gentle, alone = changed.ladders.of("gentle"), changed.ladders.of("alone")
    assert gentle is not None
    assert alone is not None
    assert (gentle.count_from, gentle.grace_days, gentle.name) == ("due", 10, "gentle")
    assert dict(gentle.tolerance.by_currency) == {"EUR": 2_500, "USD": 500}
    assert gentle.steps == alone.steps == changed.dunning.steps
    assert (gentle.chase, alone.chase, changed.dunning.chase) == (True, False, True)
    assert changed.ladders.of_segment("hospitals") == "gentle"
    assert (changed.ladders.of_segment("schools"), changed.ladders.of("x")) == ("", None)


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ("[ladders.x]\ncount_frm = 1", "ladders.x.count_frm", '"count_from"'),
        ('[ladders.x]\ndays = "work"', "ladders.x.days", '"business"'),
        ("[ladders.default]\nrounds = 1", "ladders.default", "which is [dunning]"),
        ('[ladders."The Slow"]\nrounds = 1', "ladders.The Slow", "small letters"),
        ('[segments]\nhospitals = "slow"', "segments.hospitals", '"default", not "slow"'),
        ("[segments]\nhospitals = 3", "segments.hospitals", "in quotes"),
        ('[dunning]\nat_end = "sue"', "dunning.at_end", '"legal"'),
        ('[dunning]\ngrouping = "client"', "dunning.grouping", '"matter"'),
        (f'[[dunning.steps]]\noffset = 9\ntone = "mad"\n{REMIND}', "dunning.steps[0].tone", "firm"),
        (
            f'[[dunning.steps]]\noffset = 9\nattachments = ["bill"]\n{REMIND}',
            "dunning.steps[0].attachments[0]",
            '"invoice"',
        ),
        (
            f"[[ladders.x.steps]]\nmonths = 1\n{REMIND}\n[[ladders.x.steps]]\noffset = 9\n{REMIND}",
            "ladders.x.steps[1].offset",
            "more than the step before",
        ),
        (
            '[[dunning.pre_due]]\ndays_before = 3\ntemplate = "t"\nchannels = ["sms"]\n' * 2,
            "dunning.pre_due[1].days_before",
            "less than the notice before, 3",
        ),
    ],
)
def test_a_mistake_in_a_ladder_is_named(text: str, key: str, reason: str) -> None:
    assert reason in mistakes(text)[key]


def test_a_mistake_in_dunning_is_not_said_again_for_each_ladder() -> None:
    text = "[dunning]\ngrace_days = -1\n[ladders.x]\nrounds = 0"
    assert set(mistakes(text)) == {"dunning.grace_days", "ladders.x.rounds"}


def test_all_of_a_policy_survives_being_written_down() -> None:
    for said in (policy.default(), policy.parse(LADDERS)):
        again = whole.restored(whole.dumped(said))
        assert (again, again.version) == (said, said.version)


def test_a_policy_from_before_a_key_is_read_with_the_key_as_shipped() -> None:
    said = json.loads(whole.dumped(policy.default()))
    del said["vault"], said["replies"]["care_days"], said["renewal"]["retries"]["deadline_days"]
    assert whole.restored(json.dumps(said)) == policy.default()


def test_all_mistakes_are_named_at_once() -> None:
    text = '[dunning]\ngrace_days = "x"\n[budget]\nper_dya = 1\n[vault]\nunmatched_days = 0'
    assert set(mistakes(text)) == {"dunning.grace_days", "budget.per_dya", "vault.unmatched_days"}


def test_the_error_names_the_file_and_the_key(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text("[budget]\nper_day = []", encoding="utf-8")
    with pytest.raises(PolicyError, match=r"ours\.toml cannot be used.*\n  budget\.per_day: must"):
        policy.load(path)


def test_a_comment_does_not_make_a_new_version() -> None:
    assert policy.parse("# ours\n[budget]\nper_day = 1").version == policy.default().version


def test_a_decision_makes_a_new_version() -> None:
    assert policy.parse("[budget]\nper_day = 0").version != policy.default().version
    assert len(policy.default().version) == 12


def test_the_shipped_file_writes_every_key_down() -> None:
    text = shipped.path("policy.toml").read_text(encoding="utf-8")
    assert policy.parse(text) == policy.parse("")
