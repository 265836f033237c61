import datetime as dt

from billing import spelling


def test_a_day_is_written_one_way() -> None:
    assert spelling.day(dt.date(2026, 3, 2)) == "2 Mar 2026"
    assert spelling.weekday(dt.date(2026, 3, 2)) == "Mon 2 Mar 2026"


def test_a_moment_is_written_in_utc_whatever_its_zone() -> None:
    there = dt.timezone(dt.timedelta(hours=-5))
    at = dt.datetime(2026, 3, 1, 21, 5, tzinfo=there)
    assert spelling.moment(at) == "2 Mar 2026, 02:05 UTC"


def test_one_thing_is_not_called_many() -> None:
    assert spelling.counted(1, "client") == "1 client"
    assert spelling.counted(1200, "client") == "1,200 clients"
    assert spelling.counted(0, "reply", "replies") == "0 replies"


def test_a_list_ends_with_and() -> None:
    assert spelling.listed(["a card number", "a card's code"]) == "a card number and a card's code"
    assert spelling.listed("abc") == "a, b and c"
    assert spelling.listed([]) == ""
