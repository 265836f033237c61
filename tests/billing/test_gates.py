import datetime as dt
from dataclasses import replace

import pytest

from billing import calendar, gates, policy
from billing.arrears import Account, HoldFact, OpenInstalment, Taken

DEFAULT = policy.default()
TODAY = dt.date(2026, 3, 1)
NOW = calendar.midnight(TODAY, "America/New_York") + dt.timedelta(hours=12)


def owed(id_: int, late: int, open_: int = 31000, **more: int | bool) -> OpenInstalment:
    return OpenInstalment(
        id=id_,
        invoice_id=id_,
        number=f"INV-{200 + id_}",
        currency="USD",
        issued_on=TODAY - dt.timedelta(days=late + 30),
        due_on=TODAY - dt.timedelta(days=late),
        amount=open_,
        open=open_,
        **more,  # type: ignore[arg-type]
    )


def account(*instalments: OpenInstalment, **more: object) -> Account:
    queued = Taken(step=1, round=1, taken_on=TODAY, how="queued", listed=frozenset({4}))
    empty = Account(
        client_id=1,
        legal_entity_id=1,
        currency="USD",
        timezone="America/New_York",
        country="US",
        region="",
        instalments=instalments,
        unapplied=0,
        holds=(),
        taken=(queued,),
        imported_on=None,
    )
    return replace(empty, **more)  # type: ignore[arg-type]


def hold(until: dt.datetime | None, invoice: int | None = None) -> HoldFact:
    return HoldFact(id=1, reason="pause", until=until, invoice_id=invoice)


LATE = owed(4, 12)
SOON = NOW + dt.timedelta(days=3)


def test_what_is_still_owed_may_leave() -> None:
    assert gates.dunning_refusal(account(LATE), NOW, DEFAULT) is None


@pytest.mark.parametrize(
    ("case", "rule"),
    [
        pytest.param(account(), "paid", id="42 paid in between"),
        pytest.param(account(owed(5, 40)), "paid", id="paid, other debt is another episode"),
        pytest.param(account(owed(4, 0)), "not_overdue", id="due date moved to today"),
        pytest.param(account(LATE, unapplied=31000), "in_credit", id="money on account"),
    ],
)
def test_what_need_not_be_said_is_not_said(case: Account, rule: str) -> None:
    refusal = gates.dunning_refusal(case, NOW, DEFAULT)
    assert refusal is not None
    assert (refusal.rule, refusal.final) == (rule, True)


@pytest.mark.parametrize(
    ("case", "rule", "until"),
    [
        pytest.param(account(replace(LATE, in_flight=31000)), "in_flight", None, id="in flight"),
        pytest.param(account(replace(LATE, promised=31000)), "promised", None, id="promised"),
        pytest.param(account(replace(LATE, disputed=31000)), "disputed", None, id="disputed"),
        pytest.param(account(LATE, holds=(hold(SOON),)), "held", SOON, id="hold"),
        pytest.param(account(LATE, holds=(hold(None),)), "held", None, id="hold without end"),
        pytest.param(account(LATE, holds=(hold(SOON, 4),)), "held", SOON, id="invoice hold"),
    ],
)
def test_what_may_change_waits_for_the_change(
    case: Account, rule: str, until: dt.datetime | None
) -> None:
    refusal = gates.dunning_refusal(case, NOW, DEFAULT)
    assert refusal is not None
    assert (refusal.rule, refusal.until) == (rule, until)
    assert refusal.wake_on_change
    assert not refusal.final


@pytest.mark.parametrize(
    "holds",
    [(hold(NOW),), (hold(SOON, invoice=9),)],
    ids=["ended", "on another invoice"],
)
def test_other_holds_do_not_matter(holds: tuple[HoldFact, ...]) -> None:
    assert gates.dunning_refusal(account(LATE, holds=holds), NOW, DEFAULT) is None


@pytest.mark.parametrize(
    ("table", "rule"), [("minimum", "below_minimum"), ("tolerance", "within_tolerance")]
)
def test_too_little_is_not_asked_for(table: str, rule: str) -> None:
    firm = policy.parse(f"[dunning.{table}]\nUSD = 500")
    partly = replace(account(LATE), taken=())
    refusal = gates.dunning_refusal(partly, NOW, firm)
    assert refusal is not None
    assert (refusal.rule, refusal.final) == (rule, True)


def test_a_refusal_names_invoice_days_and_amount() -> None:
    refusal = gates.outreach_refusal([owed(4, 12)], TODAY, DEFAULT)
    assert refusal is not None
    assert refusal.reason == "INV-204 is 12 days overdue, $310.00"
    assert refusal.wake_on_change


def test_a_refusal_names_the_longest_overdue_first() -> None:
    late = [owed(5, 1), owed(4, 12), owed(6, 0)]
    refusal = gates.outreach_refusal(late, TODAY, DEFAULT)
    assert refusal is not None
    assert refusal.reason == "INV-204 is 12 days overdue, $310.00, and 1 more"


@pytest.mark.parametrize(
    ("late", "text", "refused"),
    [
        pytest.param([], "", False, id="nothing open"),
        pytest.param([owed(4, 0)], "", False, id="29 due today"),
        pytest.param([owed(4, 1)], "", True, id="a day over"),
        pytest.param([owed(4, 1, 1)], "", True, id="a cent over"),
        pytest.param([owed(4, 2)], "[dunning]\ngrace_days = 2", False, id="in grace"),
        pytest.param([owed(4, 9, disputed=31000)], "", True, id="disputed counts"),
        pytest.param([owed(4, 9, promised=31000)], "", True, id="promised counts"),
        pytest.param([owed(4, 9, in_flight=31000)], "", True, id="under way counts"),
        pytest.param(
            [owed(4, 9, disputed=31000)],
            "[renewal]\nexclude_disputed = true",
            False,
            id="disputes excluded",
        ),
        pytest.param(
            [owed(4, 9, disputed=30000)],
            "[renewal]\nexclude_disputed = true",
            True,
            id="the undisputed rest",
        ),
        pytest.param(
            [owed(4, 9, promised=31000)],
            "[renewal]\nexclude_promised = true",
            False,
            id="promises excluded",
        ),
        pytest.param(
            [owed(4, 9, 10)], "[renewal.tolerance]\nUSD = 1", False, id="21 ten cents left"
        ),
        pytest.param(
            [owed(4, 9, 60), owed(5, 9, 60)],
            "[renewal.tolerance]\nUSD = 1",
            True,
            id="21 the sum counts",
        ),
        pytest.param(
            [replace(owed(4, 9, 60), currency="EUR"), owed(5, 9, 60)],
            "[renewal.tolerance]\nUSD = 1\nEUR = 1",
            False,
            id="currencies are not added up",
        ),
    ],
)
def test_any_overdue_balance_holds_outreach(
    late: list[OpenInstalment], text: str, *, refused: bool
) -> None:
    assert (gates.outreach_refusal(late, TODAY, policy.parse(text)) is not None) is refused


@pytest.mark.parametrize(
    ("days", "late", "rule"),
    [
        pytest.param(0, [], "", id="on the day"),
        pytest.param(-1, [], "renewal_date_passed", id="54 a day late"),
        pytest.param(7, [LATE], "overdue", id="55 overdue before it leaves"),
    ],
)
def test_a_queued_renewal_is_asked_again(days: int, late: list[OpenInstalment], rule: str) -> None:
    renews_on = TODAY + dt.timedelta(days=days)
    refusal = gates.renewal_refusal("Harrow Law", renews_on, late, TODAY, DEFAULT)
    assert (refusal.rule if refusal else "") == rule
