import datetime as dt

import pytest

from billing import arrears, calendar, policy
from billing.arrears import Account, OpenInstalment

DEFAULT = policy.default()


def day(n: int) -> dt.date:
    return dt.date(2026, 1, 1) + dt.timedelta(days=n)


def owed(id_: int, due: int = 14, **more: int | bool) -> OpenInstalment:
    open_ = int(more.pop("open", 31000))
    return OpenInstalment(
        id=id_,
        invoice_id=id_,
        number=f"INV-{200 + id_}",
        currency="USD",
        issued_on=day(0),
        due_on=day(due),
        amount=open_,
        open=open_,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("due", "moment", "tz", "expected"),
    [
        pytest.param(1, "2026-01-02 12:00", "America/New_York", False, id="29 due today"),
        pytest.param(1, "2026-01-03 07:59", "America/Los_Angeles", False, id="29 23:59 there"),
        pytest.param(1, "2026-01-03 08:00", "America/Los_Angeles", True, id="29 midnight there"),
        pytest.param(1, "2026-01-02 15:00", "Asia/Tokyo", True, id="29 Tokyo already next day"),
    ],
)
def test_overdue_begins_after_the_clients_day(
    due: int, moment: str, tz: str, *, expected: bool
) -> None:
    now = dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)
    today = calendar.local_date(now, tz)
    assert arrears.is_overdue(owed(1, due=due), today, 0) is expected


def test_grace_days_put_overdue_off() -> None:
    assert not arrears.is_overdue(owed(1, due=1), day(4), 3)
    assert arrears.is_overdue(owed(1, due=1), day(5), 3)


@pytest.mark.parametrize(
    ("fences", "left"),
    [
        ({}, 500000),
        ({"disputed": 120000}, 380000),
        ({"disputed": 300000, "promised": 200000, "in_flight": 100000}, 0),
        ({"held": True}, 0),
    ],
    ids=["nothing", "47 partial dispute", "more than open", "held"],
)
def test_only_the_rest_may_be_chased(fences: dict[str, int | bool], left: int) -> None:
    assert arrears.chaseable(owed(1, open=500000, **fences)) == left


def test_collectible_is_net_of_money_on_account() -> None:
    both = Account(
        client_id=1,
        legal_entity_id=1,
        currency="USD",
        timezone="America/New_York",
        country="US",
        region="",
        instalments=(owed(1), owed(2, open=5000), owed(3, due=90)),
        unapplied=6000,
        holds=(),
        taken=(),
        imported_on=None,
    )
    assert arrears.collectible(both, day(40), DEFAULT) == 30000
