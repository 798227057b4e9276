"""Dates in the language of the page or mail, always in the university's time zone."""

from datetime import date, datetime
from functools import lru_cache

from django import template
from django.utils import timezone
from django.utils.dateformat import format as formatted
from django.utils.translation import get_language

register = template.Library()

NBSP = "\u00a0"


@register.filter(expects_localtime=False)
def datetime_long(instant: datetime) -> str:
    """« mercredi 15 octobre 2025 à 23 h 59 (heure de Paris) », “Wednesday 15 October 2025, 11:59 pm (Paris time)”."""
    return _datetime_long(instant, get_language())


# A deadline is rendered several times in each of thousands of mails.
@lru_cache(maxsize=100)
def _datetime_long(instant: datetime, language: str | None) -> str:
    local = _in_paris(instant)
    weekday = formatted(local, "l")
    if _in_english():
        return f"{weekday} {_day(local)}, {_hour(local)} (Paris time)"
    return f"{weekday} {_day(local)} à {_hour(local)} (heure de Paris)"


@register.filter(expects_localtime=False)
def datetime_short(instant: datetime) -> str:
    """« 15 octobre, 23 h 59 », “15 October, 11:59 pm”: for subjects, where the year is obvious."""
    local = _in_paris(instant)
    return f"{_day_of_month(local)}, {_hour(local)}"


@register.filter(expects_localtime=False)
def past_datetime(instant: datetime) -> str:
    """« 14 octobre 2025 à 14 h 40 », “14 October 2025, 2:40 pm”: a past event."""
    local = _in_paris(instant)
    return f"{_day(local)}, {_hour(local)}" if _in_english() else f"{_day(local)} à {_hour(local)}"


@register.filter(expects_localtime=False)
def past_datetime_short(instant: datetime) -> str:
    """« 14 oct. 2025, 14 h 40 », “14 Oct. 2025, 2:40 pm”: in a table."""
    local = _in_paris(instant)
    return f"{local.day}{NBSP}{formatted(local, 'N')}{NBSP}{local.year},{NBSP}{_hour(local)}"


@register.filter(expects_localtime=False)
def hour(instant: datetime) -> str:
    """« 16 h 40 », “4:40 pm”: the day is known from the sentence."""
    return _hour(_in_paris(instant))


@register.filter(expects_localtime=False)
def day(value: date | datetime) -> str:
    """« 15 octobre 2025 », “15 October 2025”; an instant gives its day in Paris."""
    return _day(_in_paris(value) if isinstance(value, datetime) else value)


def _in_paris(instant: datetime) -> datetime:
    return timezone.localtime(instant, timezone.get_default_timezone())


def _in_english() -> bool:
    return (get_language() or "").startswith("en")


def _day(value: date) -> str:
    return f"{_day_of_month(value)} {value.year}"


def _day_of_month(value: date) -> str:
    number = "1er" if value.day == 1 and not _in_english() else str(value.day)
    return f"{number}{NBSP}{formatted(value, 'F')}"


def _hour(local: datetime) -> str:
    if _in_english():
        minutes = f":{local.minute:02}" if local.minute else ""
        return f"{local.hour % 12 or 12}{minutes}{NBSP}{'am' if local.hour < 12 else 'pm'}"
    minutes = f"{NBSP}{local.minute:02}" if local.minute else ""
    return f"{local.hour}{NBSP}h{minutes}"
