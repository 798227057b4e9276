"""Deadlines of mailed links: instants, computed in the university's time zone."""

from datetime import datetime, time, timedelta

from django.utils import timezone

LAST_SECOND = time(23, 59, 59)


def end_of_next_day(now: datetime) -> datetime:
    """23:59:59 of the day after `now` in the university's time zone, also on the nights when clocks change.

    Source: « ce lien n’est valable que jusqu’au lendemain 23h59 » (the university's page).
    """
    next_day = timezone.localdate(now) + timedelta(days=1)
    return datetime.combine(next_day, LAST_SECOND, tzinfo=timezone.get_default_timezone())


def has_passed(deadline: datetime, now: datetime) -> bool:
    """Whether the second of `deadline` is over: 23:59:59 is still in time, 00:00:00 is not."""
    return now.timestamp() >= deadline.timestamp() + 1
