"""« Un agent vous appelle avant le … »: four working hours later, over nights, weekends, holidays and clock changes."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from assistance.business_hours import (
    CLOSES,
    OPENS,
    PROMISED,
    call_expected_by,
    is_public_holiday,
    is_working_day,
    late_threshold,
)

PARIS, UTC = ZoneInfo("Europe/Paris"), ZoneInfo("UTC")
MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 12, 31))


def paris(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=PARIS)


def test_the_promise_counts_working_hours_only():
    expected = {
        # Tuesday 6 October 2026.
        "2026-10-06 09:00": "2026-10-06 13:00",
        "2026-10-06 09:01": "2026-10-06 13:15",
        "2026-10-06 00:00": "2026-10-06 12:00",
        "2026-10-06 13:00": "2026-10-06 17:00",
        "2026-10-06 13:01": "2026-10-07 08:15",
        "2026-10-06 16:59": "2026-10-07 12:00",
        "2026-10-06 17:00": "2026-10-07 12:00",
        # Friday, the weekend, Monday.
        "2026-10-09 16:00": "2026-10-12 11:00",
        "2026-10-10 10:00": "2026-10-12 12:00",
        "2026-10-11 23:00": "2026-10-12 12:00",
        # The nights on which clocks change, and the Friday before.
        "2026-03-27 15:00": "2026-03-30 10:00",
        "2026-03-29 03:00": "2026-03-30 12:00",
        "2026-10-23 16:00": "2026-10-26 11:00",
        "2026-10-25 02:30": "2026-10-26 12:00",
        # Public holidays: 14 July, 11 November, Ascension, Christmas on a Friday, New Year on the Friday after it.
        "2026-07-13 16:00": "2026-07-15 11:00",
        "2026-07-14 10:00": "2026-07-15 12:00",
        "2026-11-10 17:00": "2026-11-12 12:00",
        "2026-05-13 14:00": "2026-05-15 09:00",
        "2026-12-24 16:30": "2026-12-28 11:30",
        "2026-12-31 16:30": "2027-01-04 11:30",
        # Good Friday is worked, Easter Monday is not.
        "2026-04-03 16:00": "2026-04-07 11:00",
    }
    found = {asked: call_expected_by(paris(asked)).strftime("%Y-%m-%d %H:%M") for asked in expected}
    assert found == expected


def test_the_time_zone_and_the_repeated_hour_make_no_difference():
    """02:30 on the night of 25 October 2026, before and after the clock change."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert call_expected_by(first) == call_expected_by(first + timedelta(hours=1)) == paris("2026-10-26 12:00")
    assert call_expected_by(datetime(2026, 10, 6, 7, 0, tzinfo=UTC)) == paris("2026-10-06 13:00")


def test_the_eleven_public_holidays_are_known():
    """As service-public.fr lists them; in 2008 two of them fell on one day, Ascension and 1 May."""
    listed = """2026-01-01 2026-04-06 2026-05-01 2026-05-08 2026-05-14 2026-05-25 2026-07-14 2026-08-15 2026-11-01
        2026-11-11 2026-12-25 2027-03-29 2027-05-06 2027-05-17 2030-04-22 2038-04-26"""
    assert [day for day in listed.split() if not is_public_holiday(date.fromisoformat(day))] == []
    for year, holidays in ((2008, 10), (2025, 11), (2026, 11), (2027, 11)):
        first = date(year, 1, 1)
        assert sum(is_public_holiday(first + timedelta(days=n)) for n in range(365)) == holidays, year


@given(MOMENTS, st.integers(0, 100_000))
def test_a_call_is_promised_in_working_hours_and_never_earlier_for_a_later_request(asked, seconds):
    asked = asked.replace(tzinfo=UTC)
    expected = call_expected_by(asked).astimezone(PARIS)
    assert expected - asked >= PROMISED
    assert is_working_day(expected.date())
    assert OPENS < expected.time() <= CLOSES
    assert (expected.minute % 15, expected.second, expected.microsecond) == (0, 0, 0)
    assert expected <= call_expected_by(asked + timedelta(seconds=seconds))


def test_the_late_threshold_is_exact_to_the_second():
    """On a working day, at night, on a Sunday, after a long weekend."""
    for moment in (
        datetime(2026, 10, 6, 10, tzinfo=UTC),
        datetime(2026, 10, 6, 17, tzinfo=UTC),
        datetime(2026, 10, 4, 10, tzinfo=UTC),
        datetime(2027, 5, 17, 9, tzinfo=UTC),
    ):
        last = late_threshold(moment)
        assert call_expected_by(last) < moment, moment
        assert call_expected_by(last + timedelta(seconds=1)) >= moment, moment
