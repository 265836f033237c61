import datetime as dt
import functools
import itertools
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import calendar
from billing.calendar import Hours, Window

NEW_YORK, LOS_ANGELES, CHICAGO = "America/New_York", "America/Los_Angeles", "America/Chicago"
WEEK, EVERY_DAY = frozenset(range(5)), frozenset(range(7))
SMS = Hours(dt.time(8), dt.time(21), EVERY_DAY, holidays=True)
MAIL = Hours(dt.time(8), dt.time(18), WEEK, holidays=False)
ZONES = (
    *(NEW_YORK, CHICAGO, "America/Denver", "America/Phoenix", LOS_ANGELES, "America/Anchorage"),
    *("Pacific/Honolulu", "Europe/London", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata"),
    *("America/Havana", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Tokyo", "America/St_Johns"),
)

EVERYWHERE = (
    *ZONES,
    *("America/Adak", "Pacific/Chatham", "Asia/Kathmandu", "Pacific/Apia", "Pacific/Kiritimati"),
    *("Africa/Cairo", "Africa/Casablanca", "America/Asuncion", "America/Santiago", "Asia/Tehran"),
    *("Europe/Dublin", "Europe/Lisbon", "Asia/Jerusalem", "Australia/Adelaide"),
)


def at(text: str, tz: str = "UTC") -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz)).astimezone(dt.UTC)


def next_open(moment: dt.datetime, hours: Hours, zones: Sequence[str]) -> dt.datetime:
    """Where the same hours hold in every zone."""
    return calendar.next_open(moment, [Window(zone, (hours,)) for zone in zones], "US")


@pytest.mark.parametrize(
    ("moment", "tz", "day"),
    [
        pytest.param("2026-03-02 07:59", LOS_ANGELES, "2026-03-01", id="23:59 in Los Angeles"),
        pytest.param("2026-03-02 08:00", LOS_ANGELES, "2026-03-02", id="midnight there"),
        pytest.param("2026-03-01 15:00", "Asia/Tokyo", "2026-03-02", id="Tokyo is a day ahead"),
    ],
)
def test_the_day_is_the_clients(moment: str, tz: str, day: str) -> None:
    assert calendar.local_date(at(moment), tz) == dt.date.fromisoformat(day)


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        calendar.local_date(dt.datetime(2026, 3, 1), NEW_YORK)  # noqa: DTZ001 the point of it


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a time zone"):
        calendar.midnight(dt.date(2026, 3, 1), name)


@pytest.mark.parametrize(
    ("day", "tz", "moment"),
    [
        pytest.param("2026-07-01", NEW_YORK, "2026-07-01 04:00", id="plain"),
        pytest.param("2026-03-08", NEW_YORK, "2026-03-08 05:00", id="gap later that day"),
        pytest.param("2026-03-08", "America/Havana", "2026-03-08 05:00", id="gap at midnight"),
        pytest.param("2026-11-01", "America/Havana", "2026-11-01 04:00", id="midnight twice"),
        pytest.param("2018-11-04", "America/Sao_Paulo", "2018-11-04 03:00", id="Sao Paulo gap"),
        pytest.param("2011-12-30", "Pacific/Apia", "2011-12-30 10:00", id="a day that never was"),
    ],
)
def test_midnight_survives_clock_changes(day: str, tz: str, moment: str) -> None:
    assert calendar.midnight(dt.date.fromisoformat(day), tz) == at(moment)


@given(st.dates(dt.date(2015, 1, 1), dt.date(2035, 12, 31)), st.sampled_from(ZONES))
def test_a_day_begins_at_its_midnight(day: dt.date, tz: str) -> None:
    first = calendar.midnight(day, tz)
    assert calendar.local_date(first, tz) == day
    assert calendar.local_date(first - dt.timedelta(seconds=1), tz) == day - dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "country", "region", "expected"),
    [
        pytest.param("2026-07-02", "US", "", True, id="Thursday"),
        pytest.param("2026-07-03", "US", "", False, id="the Fourth observed"),
        pytest.param("2027-12-31", "US", "", False, id="New Year observed in the old year"),
        pytest.param("2026-07-04", "US", "", False, id="Saturday"),
        pytest.param("2026-11-27", "US", "", True, id="day after Thanksgiving"),
        pytest.param("2026-11-27", "US", "CA", False, id="day after Thanksgiving in California"),
        pytest.param("2026-07-03", "", "", True, id="no country, no holiday"),
        pytest.param("2026-07-05", "", "", False, id="no country, Sunday"),
        pytest.param("2026-12-31", "JP", "", False, id="a bank holiday"),
    ],
)
def test_business_days_follow_the_country(
    day: str, country: str, region: str, *, expected: bool
) -> None:
    assert calendar.is_business_day(dt.date.fromisoformat(day), country, region) is expected


@pytest.mark.parametrize(("country", "region"), [("ZZ", ""), ("US", "Nowhere")])
def test_an_unknown_country_is_refused(country: str, region: str) -> None:
    with pytest.raises(ValueError, match="ISO 3166"):
        calendar.is_business_day(dt.date(2026, 7, 2), country, region)


@pytest.mark.parametrize(
    ("day", "n", "expected"),
    [
        pytest.param("2026-07-01", 0, "2026-07-01", id="none"),
        pytest.param("2026-07-04", 0, "2026-07-04", id="none from a Saturday"),
        pytest.param("2026-07-02", 1, "2026-07-06", id="over the Fourth"),
        pytest.param("2026-12-04", 2, "2026-12-08", id="promise Friday, until Tuesday"),
        pytest.param("2026-12-24", 3, "2026-12-30", id="over Christmas"),
    ],
)
def test_business_days_are_counted(day: str, n: int, expected: str) -> None:
    counted = calendar.add_business_days(dt.date.fromisoformat(day), n, "US")
    assert counted == dt.date.fromisoformat(expected)


def test_business_days_are_not_counted_backwards() -> None:
    with pytest.raises(ValueError, match="forward"):
        calendar.add_business_days(dt.date(2026, 7, 1), -1, "US")


@pytest.mark.parametrize(
    ("hours", "moment", "zones", "opens"),
    [
        pytest.param(SMS, "2026-06-01 20:59:59", (NEW_YORK,), None, id="C-06 allow 20:59:59"),
        pytest.param(
            SMS, "2026-06-01 21:00:00", (NEW_YORK,), "2026-06-02 08:00", id="C-06 defer 21:00"
        ),
        pytest.param(SMS, "2026-06-01 08:00:00", (NEW_YORK,), None, id="C-06 allow 08:00"),
        pytest.param(
            SMS, "2026-06-01 07:59:59", (NEW_YORK,), "2026-06-01 08:00", id="defer 07:59:59"
        ),
        pytest.param(
            SMS, "2026-06-01 08:00", (NEW_YORK, LOS_ANGELES), "2026-06-01 11:00", id="C-08 from 11"
        ),
        pytest.param(
            SMS, "2026-06-01 20:59", (NEW_YORK, LOS_ANGELES), None, id="C-08 until 21 eastern"
        ),
        pytest.param(
            SMS, "2026-06-01 21:00", (NEW_YORK, LOS_ANGELES), "2026-06-02 11:00", id="C-08 closed"
        ),
        pytest.param(
            MAIL, "2026-06-05 18:00", (NEW_YORK,), "2026-06-08 08:00", id="31 Friday to Monday"
        ),
        pytest.param(
            MAIL, "2026-07-02 18:00", (NEW_YORK,), "2026-07-06 08:00", id="31 over a holiday"
        ),
        pytest.param(SMS, "2026-07-04 12:00", (NEW_YORK,), None, id="SMS on a holiday"),
        pytest.param(
            SMS, "2026-03-08 01:30", (NEW_YORK,), "2026-03-08 08:00", id="the morning DST begins"
        ),
        pytest.param(
            SMS, "2026-10-31 22:00", (NEW_YORK,), "2026-11-01 08:00", id="the night DST ends"
        ),
    ],
)
def test_the_next_open_moment(
    hours: Hours, moment: str, zones: tuple[str, ...], opens: str | None
) -> None:
    given_moment = at(moment, NEW_YORK)
    expected = at(opens, NEW_YORK) if opens else given_moment
    assert next_open(given_moment, hours, zones) == expected


def test_hours_that_begin_in_a_gap_begin_after_it() -> None:
    night = Hours(dt.time(2, 30), dt.time(5), EVERY_DAY, holidays=True)
    opens = next_open(at("2026-03-08 00:00", NEW_YORK), night, (NEW_YORK,))
    assert opens == at("2026-03-08 03:00", NEW_YORK)


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        pytest.param("2026-06-07 11:59", "2026-06-07 12:00", id="C-07 Texas Sunday 11:59 defers"),
        pytest.param("2026-06-07 12:00", "2026-06-07 12:00", id="C-07 Texas Sunday 12:00 allows"),
        pytest.param("2026-06-06 21:00", "2026-06-07 12:00", id="C-07 Saturday night to Sunday"),
        pytest.param("2026-06-07 21:00", "2026-06-08 09:00", id="C-07 Sunday night to Monday"),
    ],
)
def test_a_zone_may_have_other_hours_on_sunday(moment: str, opens: str) -> None:
    texas = Window(
        CHICAGO,
        (
            Hours(dt.time(9), dt.time(21), frozenset(range(6)), holidays=True),
            Hours(dt.time(12), dt.time(21), frozenset({6}), holidays=True),
        ),
    )
    found = calendar.next_open(at(moment, CHICAGO), (texas,), "US", "TX")
    assert found == at(opens, CHICAGO)


def test_zones_without_a_common_hour_are_never_open() -> None:
    with pytest.raises(calendar.NeverOpen, match="Asia/Tokyo"):
        next_open(at("2026-06-01 12:00"), MAIL, (NEW_YORK, "Asia/Tokyo"))


def test_no_zone_is_not_an_open_zone() -> None:
    with pytest.raises(ValueError, match="candidate"):
        next_open(at("2026-06-01 12:00"), SMS, ())


@pytest.mark.parametrize(
    ("start", "end", "days"), [(9, 9, {0}), (10, 9, {0}), (8, 9, set()), (8, 9, {7})]
)
def test_impossible_hours_are_refused(start: int, end: int, days: set[int]) -> None:
    with pytest.raises(ValueError, match="hours"):
        Hours(dt.time(start), dt.time(end), frozenset(days), holidays=True)


DST_DAYS = [dt.datetime(2026, *day, tzinfo=dt.UTC) for day in ((3, 7), (3, 28), (10, 24), (10, 31))]
moments = st.one_of(
    st.builds(
        lambda seconds: dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds),
        st.integers(0, 6 * 365 * 86400),
    ),
    st.builds(
        lambda day, seconds: day + dt.timedelta(seconds=seconds),
        st.sampled_from(DST_DAYS),
        st.integers(0, 3 * 86400),
    ),
)


def is_inside(moment: dt.datetime, hours: Hours, zones: tuple[str, ...]) -> bool:
    there = [moment.astimezone(ZoneInfo(zone)) for zone in zones]
    return all(
        hours.start <= local.time() < hours.end
        and local.weekday() in hours.weekdays
        and (hours.holidays or not calendar.is_holiday(local.date(), "US"))
        for local in there
    )


@settings(max_examples=400, deadline=None)
@given(moments, st.sampled_from([SMS, MAIL]), st.tuples(*[st.sampled_from(ZONES)] * 2))
def test_an_open_moment_is_open_in_both_zones(
    moment: dt.datetime, hours: Hours, zones: tuple[str, ...]
) -> None:
    try:
        found = next_open(moment, hours, zones)
    except calendar.NeverOpen:
        quarter = dt.timedelta(minutes=15)
        assert not any(is_inside(moment + n * quarter, hours, zones) for n in range(4 * 24 * 13))
    else:
        assert found >= moment
        assert is_inside(found, hours, zones)
        assert found == moment or not is_inside(found - dt.timedelta(seconds=1), hours, zones)


HOUR = dt.timedelta(hours=1)
ACROSS = tuple(
    (first, second) for position, first in enumerate(EVERYWHERE) for second in EVERYWHERE[position:]
)
"""More than 400 pairs, each zone with itself among them."""


@functools.cache
def clock_changes(tz: str) -> list[dt.datetime]:
    """When the clock of a zone changes in two years."""
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    hours = [start + n * HOUR for n in range(0, 2 * 365 * 24, 24)]
    place = ZoneInfo(tz)
    return [
        before
        for before, after in itertools.pairwise(hours)
        if before.astimezone(place).utcoffset() != after.astimezone(place).utcoffset()
    ]


def shared(moment: dt.datetime, pair: tuple[str, str]) -> dt.datetime | None:
    """The first open moment, by trying every quarter of an hour."""
    for quarter in range(4 * 36):
        tried = moment + quarter * HOUR / 4
        if is_inside(tried, SMS, pair):
            return tried
    return None


@pytest.mark.parametrize("first", EVERYWHERE)
def test_c08_over_all_pairs_the_hours_around_every_change_of_the_clock_are_right(
    first: str,
) -> None:
    for pair in (pair for pair in ACROSS if pair[0] == first):
        for change in {*clock_changes(first)[:2], *clock_changes(pair[1])[:2]}:
            for hour in range(0, 48, 5):
                moment = change + hour * HOUR
                try:
                    found = next_open(moment, SMS, pair)
                except calendar.NeverOpen:
                    assert shared(moment, pair) is None
                    continue
                assert found - moment > 36 * HOUR or found == shared(moment, pair)


@pytest.mark.parametrize("tz", EVERYWHERE)
def test_c08_every_hour_of_every_change_in_two_years_is_judged_by_the_wall_clock(tz: str) -> None:
    window = Window(tz, (SMS,))
    for change in clock_changes(tz):
        for quarter in range(4 * 48):
            moment = change + quarter * HOUR / 4
            local = moment.astimezone(ZoneInfo(tz)).time()
            assert calendar.is_open(moment, window, "US") == (dt.time(8) <= local < dt.time(21))


def test_a_window_keeps_the_holidays_of_its_own_place() -> None:
    closed = Hours(dt.time(8), dt.time(21), EVERY_DAY, holidays=False)
    noon = at("2026-11-27 12:00", LOS_ANGELES)
    here = Window(LOS_ANGELES, (closed,))
    california = Window(LOS_ANGELES, (closed,), "US", "CA")
    assert calendar.is_open(noon, here, "US")
    assert not calendar.is_open(noon, california, "US")
    opens = calendar.next_open(noon, (here, california), "US")
    assert opens == at("2026-11-28 08:00", LOS_ANGELES)


def test_every_pair_of_zones_finds_its_hour() -> None:
    noon = at("2026-03-08 17:00")
    for first in ZONES:
        for second in ZONES:
            try:
                found = next_open(noon, SMS, (first, second))
            except calendar.NeverOpen:
                continue
            assert is_inside(found, SMS, (first, second))
