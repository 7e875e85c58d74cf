"""Opening hours: intervals, nights, days off, last orders, and both changes of the clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.routing.hours import Hours, from_json, parsed, to_json

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def week(**days: str) -> list[str]:
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    return [days.get(name, "") for name in names]


def hours(zone: str = BERLIN, days_off: str = "", last_orders: str = "", **days: str) -> Hours:
    return parsed(zone, week(**days), days_off, last_orders)


def at(words: str, zone: str = BERLIN, fold: int = 0) -> datetime:
    return datetime.fromisoformat(words).replace(tzinfo=ZoneInfo(zone), fold=fold)


def test_a_day_may_have_several_intervals() -> None:
    office = hours(monday="9-12:30, 13:30–18")
    for moment, open_ in (("08:59", False), ("09:00", True), ("12:29", True), ("12:30", False), ("17:59", True)):
        assert office.takes(at(f"2026-11-23T{moment}")) is open_, moment
    assert office.open_until(at("2026-11-23T10:00")) == at("2026-11-23T12:30")
    assert office.opens_at(at("2026-11-23T12:45")) == at("2026-11-23T13:30")
    assert office.opens_at(at("2026-11-23T18:00")) == at("2026-11-30T09:00"), "a week later"
    assert office.opens_at(at("2026-11-23T10:00")) is None, "it is open"


def test_a_night_ends_on_the_next_day_and_joins_what_follows() -> None:
    night = hours(friday="22-06", saturday="6-9")
    assert night.takes(at("2026-11-28T05:00"))
    assert night.open_until(at("2026-11-27T23:00")) == at("2026-11-28T09:00")
    assert not night.takes(at("2026-11-27T05:00")), "that is Thursday's night"


def test_a_day_off_takes_all_that_begins_on_it() -> None:
    night = hours(thursday="22-06", friday="9-17", days_off="2026-12-25 Christmas\n2026-12-26\n")
    assert night.takes(at("2026-12-25T03:00")), "begun on the 24th"
    assert not night.takes(at("2026-12-25T10:00"))
    assert night.opens_at(at("2026-12-25T10:00")) == at("2026-12-31T22:00")


def test_after_last_orders_nobody_gets_in_line() -> None:
    office = hours(monday="9-17", tuesday="9-9:20", wednesday="9-17", last_orders="30")
    assert office.takes(at("2026-11-23T16:29"))
    assert not office.takes(at("2026-11-23T16:30"))
    assert office.open_until(at("2026-11-23T16:30")) == at("2026-11-23T17:00")
    assert office.opens_at(at("2026-11-23T16:30")) == at("2026-11-25T09:00"), "Tuesday is too short for anybody"


def test_the_clock_is_put_forward() -> None:
    # Berlin, 2026-03-29: 02:00 becomes 03:00.
    early = hours(sunday="1-4")
    assert early.open_until(at("2026-03-29T01:30")) == at("2026-03-29T04:00")
    start, end = at("2026-03-29T01:00"), at("2026-03-29T04:00")
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=2)
    gap = hours(sunday="2:30-5")
    assert gap.opens_at(at("2026-03-29T00:00")) == at("2026-03-29T03:30")


def test_the_clock_is_put_back() -> None:
    # New York, 2026-11-01: 02:00 becomes 01:00.
    early = hours(NEW_YORK, sunday="1:30-1:45")
    assert early.takes(at("2026-11-01T01:30", NEW_YORK, fold=0))
    assert early.takes(at("2026-11-01T01:10", NEW_YORK, fold=1)), "between the first 1:30 and the second 1:45"
    assert early.takes(at("2026-11-01T01:44", NEW_YORK, fold=1))
    assert not early.takes(at("2026-11-01T01:45", NEW_YORK, fold=1))


def test_two_zones_are_open_at_different_moments() -> None:
    berlin, new_york = hours(monday="9-17"), hours(NEW_YORK, monday="9-17")
    moment = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
    assert (berlin.takes(moment), new_york.takes(moment)) == (True, False)
    assert new_york.opens_at(moment) == at("2026-11-23T09:00", NEW_YORK)


def test_round_the_clock_never_closes() -> None:
    always = parsed("UTC", ["0-24"] * 7, "", "")
    assert always.takes(datetime(2026, 11, 22, 23, 59, tzinfo=UTC))
    assert always.opens_at(datetime(2026, 11, 22, 23, 59, tzinfo=UTC)) is None


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("zone", {"zone": "Europe/Nowhere", "monday": "9-17"}),
        ("monday", {}),
        ("tuesday", {"tuesday": "nine to five"}),
        ("tuesday", {"tuesday": "9-9"}),
        ("tuesday", {"tuesday": "9-25"}),
        ("tuesday", {"tuesday": "9:60-10"}),
        ("tuesday", {"tuesday": "9-12, 11-14"}),
        ("sunday", {"sunday": "22-6", "monday": "5-9"}),
        ("days_off", {"monday": "9-17", "days_off": "25.12.2026"}),
        ("last_orders", {"monday": "9-17", "last_orders": "-1"}),
        ("last_orders", {"monday": "9-17", "last_orders": "soon"}),
    ],
)
def test_what_cannot_be_is_refused_where_it_was_written(field: str, wrong: dict[str, str]) -> None:
    with pytest.raises(Invalid) as refused:
        hours(**wrong)
    assert refused.value.field == field


moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
intervals = st.sampled_from(["", "9-17", "9-12, 13-18", "0-24", "22-2", "2:30-3:30", "1-1:30"])


@given(
    st.lists(intervals, min_size=7, max_size=7),
    st.sampled_from([BERLIN, NEW_YORK, "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.integers(0, 90),
    moments,
)
def test_what_is_said_of_the_next_opening_comes_true(days: list[str], zone: str, last: int, now: datetime) -> None:
    try:
        these = parsed(zone, days, "", str(last))
    except Invalid:
        return
    assert from_json(to_json(these)) == these
    opens = these.opens_at(now)
    if these.takes(now):
        assert opens is None
    elif opens is not None:
        assert opens > now
        assert these.takes(opens)
        minutes = (opens - now) // timedelta(minutes=1)
        step = max(1, minutes // 50)
        assert not any(these.takes(now + timedelta(minutes=each)) for each in range(0, minutes, step))
