"""Dates on screens and in mails: one form per language, the time of Paris whatever the server's or the page's zone."""

from datetime import UTC, date, datetime

from django.utils import timezone, translation

from core.templatetags.dates import datetime_long, datetime_short, day, hour, past_datetime

DEADLINE = "2025-10-15 21:59:59"
FORMS = [
    (
        datetime_long,
        DEADLINE,
        "mercredi 15 octobre 2025 à 23 h 59 (heure de Paris)",
        "Wednesday 15 October 2025, 11:59 pm (Paris time)",
    ),
    (datetime_short, DEADLINE, "15 octobre, 23 h 59", "15 October, 11:59 pm"),
    (past_datetime, DEADLINE, "15 octobre 2025 à 23 h 59", "15 October 2025, 11:59 pm"),
    (day, DEADLINE, "15 octobre 2025", "15 October 2025"),
    (hour, DEADLINE, "23 h 59", "11:59 pm"),
    (hour, "2025-10-14 22:00", "0 h", "12 am"),
    (hour, "2025-10-15 07:05", "9 h 05", "9:05 am"),
    (hour, "2025-10-15 10:00", "12 h", "12 pm"),
    # 26 October 2025: 2:30 happens twice in Paris. 29 March 2026: 2:00 to 3:00 does not exist.
    (datetime_short, "2025-10-26 00:30", "26 octobre, 2 h 30", "26 October, 2:30 am"),
    (datetime_short, "2025-10-26 01:30", "26 octobre, 2 h 30", "26 October, 2:30 am"),
    (datetime_short, "2026-03-29 00:59", "29 mars, 1 h 59", "29 March, 1:59 am"),
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
