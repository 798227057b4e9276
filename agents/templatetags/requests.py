"""Filters of the pages about requests."""

from datetime import date, datetime, timedelta

from django import template
from django.utils import timezone

from accounts.models import Account
from assistance.identity_checks import FactValue
from core.templatetags.dates import day, hour, past_datetime

register = template.Library()

NBSP = "\N{NO-BREAK SPACE}"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FRANCE, LENGTH_IN_FRANCE = "+33", 12


@register.filter
def waited(since: datetime) -> str:
    """« 0 h 25 », « 5 h 12 », « 1 j 4 h », « 3 j »: the time since then."""
    length = max(timezone.now() - since, timedelta())
    days, hours = length // DAY, length % DAY // HOUR
    if days > 1:
        return f"{days}{NBSP}j"
    if days:
        return f"1{NBSP}j{NBSP}{hours}{NBSP}h"
    return f"{hours}{NBSP}h{NBSP}{length % HOUR // timedelta(minutes=1):02}"


@register.filter
def since_when(moment: datetime) -> str:
    """« à 10 h 12 » today, « le 14 octobre 2025 à 10 h 12 » before."""
    paris = timezone.get_default_timezone()
    is_today = timezone.localdate(moment, paris) == timezone.localdate(timezone=paris)
    return f"à {hour(moment)}" if is_today else f"le {past_datetime(moment)}"


@register.filter
def short_name(account: Account | None) -> str:
    """« L. Martin »; empty without an account."""
    return f"{account.given_name[:1]}.{NBSP}{account.family_name}" if account else ""


@register.filter
def telephone(number: str) -> str:
    """« 06 12 34 56 78 » for a number of mainland France; others unchanged."""
    if not (number.startswith(FRANCE) and len(number) == LENGTH_IN_FRANCE):
        return number
    national = f"0{number.removeprefix(FRANCE)}"
    return NBSP.join(national[start : start + 2] for start in range(0, len(national), 2))


@register.filter
def fact(value: FactValue) -> str:
    return day(value) if isinstance(value, date) else value or ""
