"""« Un agent vous appelle avant le … »: four working hours, whatever the day, the night and the clock do."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistance.business_hours import CLOSES, OPENS, PROMISED, call_expected_by, is_public_holiday, is_working_day

PARIS = ZoneInfo("Europe/Paris")


def paris(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=PARIS)


@pytest.mark.parametrize(
    ("asked", "called"),
    [
        # Tuesday 6 October 2026.
        ("2026-10-06 09:00", "2026-10-06 13:00"),
        ("2026-10-06 09:01", "2026-10-06 13:15"),
        ("2026-10-06 09:15", "2026-10-06 13:15"),
        ("2026-10-06 00:00", "2026-10-06 12:00"),
        ("2026-10-06 07:59", "2026-10-06 12:00"),
        ("2026-10-06 13:00", "2026-10-06 17:00"),
        ("2026-10-06 13:01", "2026-10-07 08:15"),
        ("2026-10-06 15:00", "2026-10-07 10:00"),
        ("2026-10-06 16:59", "2026-10-07 12:00"),
        ("2026-10-06 17:00", "2026-10-07 12:00"),
        ("2026-10-06 23:59", "2026-10-07 12:00"),
        # Friday, the weekend, Monday.
        ("2026-10-09 16:00", "2026-10-12 11:00"),
        ("2026-10-09 18:00", "2026-10-12 12:00"),
        ("2026-10-10 10:00", "2026-10-12 12:00"),
        ("2026-10-11 23:00", "2026-10-12 12:00"),
        # The nights of Sunday on which clocks change, and the Friday before.
        ("2026-03-27 15:00", "2026-03-30 10:00"),
        ("2026-03-29 01:59", "2026-03-30 12:00"),
        ("2026-03-29 03:00", "2026-03-30 12:00"),
        ("2026-10-23 16:00", "2026-10-26 11:00"),
        ("2026-10-25 02:30", "2026-10-26 12:00"),
        # Public holidays: Tuesday 14 July, Wednesday 11 November, Thursday 14 May (Ascension), Christmas on a Friday,
        # New Year on the Friday after it.
        ("2026-07-13 16:00", "2026-07-15 11:00"),
        ("2026-07-14 10:00", "2026-07-15 12:00"),
        ("2026-11-10 17:00", "2026-11-12 12:00"),
        ("2026-05-13 14:00", "2026-05-15 09:00"),
        ("2026-12-24 16:30", "2026-12-28 11:30"),
        ("2026-12-31 16:30", "2027-01-04 11:30"),
        # Good Friday is worked, Easter Monday is not.
        ("2026-04-03 16:00", "2026-04-07 11:00"),
    ],
)
def test_the_promise_counts_working_hours_only(asked, called):
    assert call_expected_by(paris(asked)) == paris(called)


def test_the_hour_that_comes_twice_makes_no_difference():
    """02:30 on the night of 25 October 2026, before and after the change."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=ZoneInfo("UTC"))

    assert call_expected_by(first) == call_expected_by(first + timedelta(hours=1)) == paris("2026-10-26 12:00")


def test_an_instant_is_meant_wherever_the_server_stands():
    assert call_expected_by(datetime(2026, 10, 6, 7, 0, tzinfo=ZoneInfo("UTC"))) == paris("2026-10-06 13:00")


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 1, 1), date(2026, 4, 6), date(2026, 5, 1), date(2026, 5, 8), date(2026, 5, 14), date(2026, 5, 25),
        date(2026, 7, 14), date(2026, 8, 15), date(2026, 11, 1), date(2026, 11, 11), date(2026, 12, 25),
        date(2027, 3, 29), date(2027, 5, 6), date(2027, 5, 17), date(2030, 4, 22), date(2038, 4, 26),
    ],
)  # fmt: skip
def test_the_eleven_public_holidays_are_known(day):
    """As service-public.fr lists them."""
    assert is_public_holiday(day)


def test_other_days_are_not_public_holidays():
    """Eleven in each year, two of which fell on one day in 2008: Ascension and 1 May."""
    for year, days in ((2008, 10), (2025, 11), (2026, 11), (2027, 11)):
        first = date(year, 1, 1)
        assert sum(is_public_holiday(first + timedelta(days=n)) for n in range(365)) == days, year


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 12, 31)))
def test_nobody_is_promised_a_call_at_night_or_sooner_than_four_hours(asked):
    asked = asked.replace(tzinfo=ZoneInfo("UTC"))

    called = call_expected_by(asked).astimezone(PARIS)

    assert called - asked >= PROMISED
    assert is_working_day(called.date())
    assert OPENS < called.time() <= CLOSES
    assert (called.minute % 15, called.second, called.microsecond) == (0, 0, 0)


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 12, 31)), st.integers(0, 100_000))
def test_whoever_asks_later_is_not_called_sooner(asked, seconds):
    asked = asked.replace(tzinfo=ZoneInfo("UTC"))

    assert call_expected_by(asked) <= call_expected_by(asked + timedelta(seconds=seconds))
