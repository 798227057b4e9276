"""Dates on screens and in mails: one form per language, the time of Paris whatever the server's or the page's zone."""

from datetime import UTC, date, datetime

from django.template import engines
from django.utils import timezone, translation

from core.templatetags.dates import datetime_long, datetime_short, day, hour, past_datetime

DEADLINE = datetime(2025, 10, 15, 21, 59, 59, tzinfo=UTC)
FORMS = {
    datetime_long: (
        "mercredi 15\u00a0octobre 2025 à 23\u00a0h\u00a059 (heure de Paris)",
        "Wednesday 15\u00a0October 2025, 11:59\u00a0pm (Paris time)",
    ),
    datetime_short: ("15\u00a0octobre, 23\u00a0h\u00a059", "15\u00a0October, 11:59\u00a0pm"),
    past_datetime: ("15\u00a0octobre 2025 à 23\u00a0h\u00a059", "15\u00a0October 2025, 11:59\u00a0pm"),
    hour: ("23\u00a0h\u00a059", "11:59\u00a0pm"),
    day: ("15\u00a0octobre 2025", "15\u00a0October 2025"),
}


def utc(day_and_time: str) -> datetime:
    return datetime.fromisoformat(day_and_time).replace(tzinfo=UTC)


def test_each_form_of_a_deadline_in_both_languages():
    for function, (french, english) in FORMS.items():
        assert function(DEADLINE) == french
        with translation.override("en"):
            assert function(DEADLINE) == english
    with translation.override(None):
        assert hour(DEADLINE) == "23\u00a0h\u00a059", "French without a language"
    assert day(date(2026, 5, 1)) == "1er\u00a0mai 2026"


def test_hours_are_written_as_each_language_writes_them():
    for instant, french, english in (
        ("2025-10-14 22:00", "0\u00a0h", "12\u00a0am"),
        ("2025-10-15 07:05", "9\u00a0h\u00a005", "9:05\u00a0am"),
        ("2025-10-15 10:00", "12\u00a0h", "12\u00a0pm"),
        ("2025-10-15 12:40", "14\u00a0h\u00a040", "2:40\u00a0pm"),
    ):
        assert hour(utc(instant)) == french
        with translation.override("en"):
            assert hour(utc(instant)) == english


def test_the_hour_is_right_on_the_nights_when_clocks_change():
    for instant, expected in (
        # 26 October 2025: 2:30 happens twice in Paris.
        ("2025-10-26 00:30", "26\u00a0octobre, 2\u00a0h\u00a030"),
        ("2025-10-26 01:30", "26\u00a0octobre, 2\u00a0h\u00a030"),
        # 29 March 2026: 2:00 to 3:00 does not exist.
        ("2026-03-29 00:59", "29\u00a0mars, 1\u00a0h\u00a059"),
        ("2026-03-29 01:00", "29\u00a0mars, 3\u00a0h"),
    ):
        assert datetime_short(utc(instant)) == expected


def test_the_zone_active_for_the_page_does_not_move_a_deadline():
    template = engines["django"].from_string("{% load dates %}{{ deadline|datetime_short }}")
    with timezone.override("America/Guadeloupe"):
        assert template.render({"deadline": DEADLINE}) == "15\u00a0octobre, 23\u00a0h\u00a059"
