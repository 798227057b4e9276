"""Retention periods in words, from the settings."""

from django import template
from django.conf import settings
from django.utils.translation import ngettext

register = template.Library()

DAYS_IN_A_YEAR = 365.25
#: 365 days are a year, 1,826 days five years.
YEAR_TOLERANCE = 2


@register.simple_tag
def retention_period(setting: str) -> str:
    """« 7 jours », « 12 mois », « 5 ans »"""
    days: int = getattr(settings, setting)
    years = round(days / DAYS_IN_A_YEAR)
    if years and abs(days - years * DAYS_IN_A_YEAR) < YEAR_TOLERANCE:
        return _months(12) if years == 1 else _years(years)
    return ngettext("%(number)s\N{NO-BREAK SPACE}jour", "%(number)s\N{NO-BREAK SPACE}jours", days) % {"number": days}


def _months(number: int) -> str:
    return ngettext("%(number)s\N{NO-BREAK SPACE}mois", "%(number)s\N{NO-BREAK SPACE}mois", number) % {"number": number}


def _years(number: int) -> str:
    return ngettext("%(number)s\N{NO-BREAK SPACE}an", "%(number)s\N{NO-BREAK SPACE}ans", number) % {"number": number}
