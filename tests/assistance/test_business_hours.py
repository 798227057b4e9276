"""« Un agent vous appelle avant le … »: four working hours later, over nights, weekends, holidays and clock changes."""

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assistance.business_hours import CLOSES, OPENS, PROMISED, call_expected_by, is_working_day, late_threshold

PARIS, UTC = ZoneInfo("Europe/Paris"), ZoneInfo("UTC")
MOMENTS = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 12, 31))


def paris(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=PARIS)


#: When requests arrive, and when the call is promised.
PROMISES = """
Tuesday     2026-10-06 09:00 2026-10-06 13:00, 2026-10-06 09:01 2026-10-06 13:15, 2026-10-06 00:00 2026-10-06 12:00
Afternoon   2026-10-06 13:00 2026-10-06 17:00, 2026-10-06 13:01 2026-10-07 08:15, 2026-10-06 17:00 2026-10-07 12:00
Weekend     2026-10-09 16:00 2026-10-12 11:00, 2026-10-10 10:00 2026-10-12 12:00, 2026-10-11 23:00 2026-10-12 12:00
Spring      2026-03-27 15:00 2026-03-30 10:00, 2026-03-29 03:00 2026-03-30 12:00
Autumn      2026-10-23 16:00 2026-10-26 11:00, 2026-10-25 02:30 2026-10-26 12:00
Holidays    2026-07-13 16:00 2026-07-15 11:00, 2026-11-10 17:00 2026-11-12 12:00, 2026-05-13 14:00 2026-05-15 09:00
Christmas   2026-12-24 16:30 2026-12-28 11:30, 2026-12-31 16:30 2027-01-04 11:30
Good Friday 2026-04-03 16:00 2026-04-07 11:00
"""


def test_the_promise_counts_working_hours_only():
    promises = re.findall(r"([-0-9]+ [0-9:]+) ([-0-9]+ [0-9:]+)", PROMISES)
    assert len(promises) == 19
    for asked, expected in promises:
        assert call_expected_by(paris(asked)) == paris(expected), asked
    # 02:30 on the night of 25 October 2026, before and after the clock change, in another time zone.
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert call_expected_by(first) == call_expected_by(first + timedelta(hours=1)) == paris("2026-10-26 12:00")


def test_the_public_holidays_are_not_worked():
    """As service-public.fr lists them."""
    listed = """2026-01-01 2026-04-06 2026-05-01 2026-05-08 2026-05-14 2026-05-25 2026-07-14 2026-11-11 2026-12-25
        2025-08-15 2027-11-01 2027-03-29 2027-05-06 2027-05-17 2030-04-22 2038-04-26"""
    assert [day for day in listed.split() if is_working_day(date.fromisoformat(day))] == []
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]
    assert sum(map(is_working_day, days)) == 261 - 9


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MOMENTS, st.integers(0, 100_000))
def test_a_call_is_promised_in_working_hours_and_never_earlier_for_a_later_request(asked, seconds):
    asked = asked.replace(tzinfo=UTC)
    expected = call_expected_by(asked).astimezone(PARIS)
    assert expected - asked >= PROMISED
    assert is_working_day(expected.date())
    assert OPENS < expected.time() <= CLOSES
    assert (expected.minute % 15, expected.second, expected.microsecond) == (0, 0, 0)
    assert expected <= call_expected_by(asked + timedelta(seconds=seconds))
    # The threshold of late calls is exact to the second.
    for now in (asked, asked.replace(minute=0, second=0, microsecond=0)):
        last = late_threshold(now)
        assert call_expected_by(last) < now <= call_expected_by(last + timedelta(seconds=1))
