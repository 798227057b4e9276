"""Business hours of the assistance: Monday to Friday, 8 h to 17 h in Paris; a call is promised within four of them."""

from bisect import bisect_left
from datetime import date, datetime, time, timedelta

from dateutil.easter import easter
from django.utils import timezone

OPENS, CLOSES = time(8), time(17)
PROMISED = timedelta(hours=4)
SATURDAY = 5
QUARTER = timedelta(minutes=15)
#: Longer than any sequence of days without work.
MAX_PAUSE = timedelta(days=14)

#: Month and day of the public holidays that have a date, and how long after Easter Sunday the others come (Labour Code,
#: article L3133-1).
FIXED_HOLIDAYS = frozenset({(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)})
EASTER_MONDAY, ASCENSION, WHIT_MONDAY = timedelta(days=1), timedelta(days=39), timedelta(days=50)


def call_expected_by(asked_at: datetime) -> datetime:
    """The end of four working hours after `asked_at`, rounded up to a quarter of an hour.

    Public holidays of the whole of France are not worked. Regional holidays and the university's closing weeks are not
    known here: agents then call later than promised.
    """
    asked = timezone.localtime(asked_at, timezone.get_default_timezone())
    left, day = PROMISED, asked.date()
    while True:
        begins = max(asked, _at(day, OPENS))
        available = _at(day, CLOSES) - begins if is_working_day(day) else timedelta()
        if available >= left:
            return _round_up_to_quarter(begins + left)
        left -= max(available, timedelta())
        day += timedelta(days=1)


def late_threshold(now: datetime) -> datetime:
    """The latest moment of a request whose promised call is over at `now`, to the second."""

    def is_overdue(seconds: int) -> bool:
        return call_expected_by(now - timedelta(seconds=seconds)) < now

    return now - timedelta(seconds=bisect_left(range(int(MAX_PAUSE.total_seconds())), True, key=is_overdue))


def is_working_day(day: date) -> bool:
    return day.weekday() < SATURDAY and not is_public_holiday(day)


def is_public_holiday(day: date) -> bool:
    after_easter = day - easter(day.year)
    return (day.month, day.day) in FIXED_HOLIDAYS or after_easter in (EASTER_MONDAY, ASCENSION, WHIT_MONDAY)


def _at(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, tzinfo=timezone.get_default_timezone())


def _round_up_to_quarter(moment: datetime) -> datetime:
    midnight = datetime.combine(moment.date(), time.min, tzinfo=moment.tzinfo)
    return midnight + -(-(moment - midnight) // QUARTER) * QUARTER
