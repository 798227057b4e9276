"""How long data are kept, as people say it, from the settings (PRV-03, PRV-05)."""

from django import template
from django.conf import settings
from django.utils.translation import ngettext

register = template.Library()

DAYS_IN_A_YEAR = 365.25
#: A setting of 365 or 1,826 days is meant as one or five years.
NEAR_ENOUGH = 2


@register.simple_tag
def kept_for(setting: str) -> str:
    """« 7 jours », « 12 mois », « 5 ans »."""
    days: int = getattr(settings, setting)
    years = round(days / DAYS_IN_A_YEAR)
    if years and abs(days - years * DAYS_IN_A_YEAR) < NEAR_ENOUGH:
        return _months(12) if years == 1 else _years(years)
    return ngettext("%(number)s\N{NO-BREAK SPACE}jour", "%(number)s\N{NO-BREAK SPACE}jours", days) % {"number": days}


def _months(number: int) -> str:
    return ngettext("%(number)s\N{NO-BREAK SPACE}mois", "%(number)s\N{NO-BREAK SPACE}mois", number) % {"number": number}


def _years(number: int) -> str:
    return ngettext("%(number)s\N{NO-BREAK SPACE}an", "%(number)s\N{NO-BREAK SPACE}ans", number) % {"number": number}
