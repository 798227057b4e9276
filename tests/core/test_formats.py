"""Dates on screens and in mails: one form per language, the time of Paris. Cells of spreadsheets."""

import csv
from datetime import UTC, date, datetime
from io import StringIO

from django.utils import timezone, translation

from core.csv import FORMULA_STARTS, escape_formula
from core.templatetags.dates import datetime_long, datetime_short, day, hour, past_datetime
from tests.fuzz import N

DEADLINE = "2025-10-15 21:59:59"
LONG = "mercredi 15 octobre 2025 à 23 h 59 (heure de Paris)", "Wednesday 15 October 2025, 11:59 pm (Paris time)"
FORMS = [
    (datetime_long, DEADLINE, *LONG),
    (datetime_short, DEADLINE, "15 octobre, 23 h 59", "15 October, 11:59 pm"),
    (past_datetime, DEADLINE, "15 octobre 2025 à 23 h 59", "15 October 2025, 11:59 pm"),
    (day, DEADLINE, "15 octobre 2025", "15 October 2025"),
    (hour, DEADLINE, "23 h 59", "11:59 pm"),
    (hour, "2025-10-14 22:00", "0 h", "12 am"),
    (hour, "2025-10-15 07:05", "9 h 05", "9:05 am"),
    # 26 October 2025: 2:30 happens twice in Paris. 29 March 2026: 2:00 to 3:00 does not exist.
    (datetime_short, "2025-10-26 01:30", "26 octobre, 2 h 30", "26 October, 2:30 am"),
    (datetime_short, "2026-03-29 01:00", "29 mars, 3 h", "29 March, 3 am"),
]


def test_each_form_in_both_languages_also_on_the_nights_when_clocks_change():
    with timezone.override("America/Guadeloupe"):
        for function, instant, french, english in FORMS:
            moment = datetime.fromisoformat(instant).replace(tzinfo=UTC)
            for language, expected in (("fr", french), ("en", english)):
                with translation.override(language):
                    assert function(moment).replace("\u00a0", " ") == expected
    assert day(date(2026, 5, 1)) == "1er\u00a0mai 2026"
    with translation.override(None):
        assert hour(datetime(2025, 10, 15, 21, 59, tzinfo=UTC)) == "23\u00a0h\u00a059", "French without a language"


def test_formulas_are_marked_as_text_in_a_spreadsheet_and_nothing_else():
    """ADM-07; INP-08: read back as it was written."""
    formulas = [*(N[name] for name in ("N21", "N22", "N23", "N24")), *(f"{start}1" for start in FORMULA_STARTS)]
    formulas += [*"=+-@\t\r\n", "+33 6 12 34 56 78", '"=1+1"', "'=1+1", " =1+1", "\u00a0@SUM(1)", "'\"' \"-1"]
    for cell in formulas:
        assert escape_formula(cell) == f"'{cell}"
    for cell in ("", "Inès", "a=1", "1-2", "camille@exemple.net", "«\u00a0=\u00a0»", "'", '"', "2026-11-22"):
        assert escape_formula(cell) == cell
    for value in (value for value in N.values() if isinstance(value, str)):
        file = StringIO(newline="")
        csv.writer(file, delimiter=";").writerow([escape_formula(value), "suivante"])
        file.seek(0)
        [[cell, following]] = csv.reader(file, delimiter=";")
        assert (cell in (value, f"'{value}"), following) == (True, "suivante")
