"""Dates as HR systems and spreadsheets write them; a refusal names the fault."""

import re
from datetime import date

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from hr_feed.parsing.faults import InvalidCell

#: Before a date that was meant.
EARLIEST_YEAR = 1900
#: `1984-02-29 00:00:00`, `1984-02-29T00:00:00Z` and the like are days.
MIDNIGHT = re.compile(r"(?<=[0-9])(?:T| )00:00(?::00(?:\.0{1,9})?)?Z?\Z")
TIME = re.compile(r"[0-9/-]{8,10}[T ][0-9]{1,2}:[0-9]{2}.*")
ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
FRENCH_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
TWO_DIGIT_YEAR = re.compile(r"[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2}")
SERIAL_NUMBER = re.compile(r"[0-9]{5}(?:[.,]0+)?")
NO_DATE = re.compile(r"null|none|n/?a|nan", re.IGNORECASE)

BAD_DATE = _("Écrivez la date sous la forme AAAA-MM-JJ ou JJ/MM/AAAA")
WITH_TIME = _("Écrivez la date sans l’heure, sous la forme AAAA-MM-JJ ou JJ/MM/AAAA")
SHORT_YEAR = _("Écrivez l’année avec quatre chiffres, sous la forme AAAA-MM-JJ ou JJ/MM/AAAA")
SERIAL = _("C’est le numéro d’un jour dans Excel\N{NO-BREAK SPACE}: mettez cette colonne au format Date")
EMPTY = _("S’il n’y a pas de date, laissez la case vide")
BAD_MONTH = _("Ce mois n’existe pas\N{NO-BREAK SPACE}: écrivez la date sous la forme AAAA-MM-JJ ou JJ/MM/AAAA")
BAD_DAY = _("Ce jour n’existe pas dans ce mois\N{NO-BREAK SPACE}: vérifiez la date")
BAD_YEAR = _("L’année est avant 1900\N{NO-BREAK SPACE}: vérifiez la date")


def day(text: str) -> date:
    """Accepts 1980-12-31 and 31/12/1980, also at midnight. Raises InvalidCell."""
    if ":" in text:
        text = MIDNIGHT.sub("", text)
    if match := ISO_DATE.fullmatch(text):
        year, month, number = map(int, match.groups())
    elif match := FRENCH_DATE.fullmatch(text):
        number, month, year = map(int, match.groups())
    else:
        raise InvalidCell(_fault_of(text))
    return _checked(year, month, number)


def _checked(year: int, month: int, number: int) -> date:
    if not year and not month and not number:
        raise InvalidCell(EMPTY)
    if not 1 <= month <= 12:
        raise InvalidCell(BAD_MONTH)
    if year < EARLIEST_YEAR:
        raise InvalidCell(BAD_YEAR)
    try:
        return date(year, month, number)
    except ValueError as error:
        raise InvalidCell(BAD_DAY) from error


def _fault_of(text: str) -> Promise:
    faults = ((NO_DATE, EMPTY), (TIME, WITH_TIME), (TWO_DIGIT_YEAR, SHORT_YEAR), (SERIAL_NUMBER, SERIAL))
    return next((fault for pattern, fault in faults if pattern.fullmatch(text)), BAD_DATE)
