"""When the DSIN calls back: within four working hours, Monday to Friday, 8 h to 17 h in Paris."""

from bisect import bisect_left
from datetime import date, datetime, time, timedelta

from dateutil.easter import easter
from django.utils import timezone

OPENS, CLOSES = time(8), time(17)
PROMISED = timedelta(hours=4)
SATURDAY = 5
QUARTER = timedelta(minutes=15)
#: Longer than any number of days in a row on which nobody works.
LONGEST_PAUSE = timedelta(days=14)

#: Month and day of the public holidays that have a date, and how long after Easter Sunday the others come (Labour Code,
#: article L3133-1).
FIXED_HOLIDAYS = frozenset({(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)})
EASTER_MONDAY, ASCENSION, WHIT_MONDAY = timedelta(days=1), timedelta(days=39), timedelta(days=50)


def call_expected_by(asked_at: datetime) -> datetime:
    """Until when somebody who asked at `asked_at` is called: four working hours later, to the next quarter of an hour.

    Public holidays of all France are no working days. The holidays of one region or overseas department, and the weeks
    in which a university closes, are not known here: agents who are away then call later than promised.
    """
    asked = timezone.localtime(asked_at, timezone.get_default_timezone())
    left, day = PROMISED, asked.date()
    while True:
        begins = max(asked, _at(day, OPENS))
        available = _at(day, CLOSES) - begins if is_working_day(day) else timedelta()
        if available >= left:
            return _to_the_quarter(begins + left)
        left -= max(available, timedelta())
        day += timedelta(days=1)


def late_threshold(now: datetime) -> datetime:
    """Whoever asked then or earlier should have been called before `now`; to the second, and by the same rule."""

    def was_promised_in_time(seconds: int) -> bool:
        return call_expected_by(now - timedelta(seconds=seconds)) < now

    return now - timedelta(
        seconds=bisect_left(range(int(LONGEST_PAUSE.total_seconds())), True, key=was_promised_in_time)
    )


def is_working_day(day: date) -> bool:
    """Whether agents are there."""
    return day.weekday() < SATURDAY and not is_public_holiday(day)


def is_public_holiday(day: date) -> bool:
    """Whether the whole of France rests."""
    after_easter = day - easter(day.year)
    return (day.month, day.day) in FIXED_HOLIDAYS or after_easter in (EASTER_MONDAY, ASCENSION, WHIT_MONDAY)


def _at(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, tzinfo=timezone.get_default_timezone())


def _to_the_quarter(moment: datetime) -> datetime:
    midnight = datetime.combine(moment.date(), time.min, tzinfo=moment.tzinfo)
    return midnight + -(-(moment - midnight) // QUARTER) * QUARTER
