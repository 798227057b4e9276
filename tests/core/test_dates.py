"""Dates on screens and in mails: one form per language, the hour of Paris whatever the server's or the page's zone."""

from datetime import UTC, date, datetime

import pytest
from django.template import engines
from django.utils import timezone, translation

from core.templatetags.dates import datetime_long, datetime_short, day, hour, past_datetime

DEADLINE = datetime(2025, 10, 15, 21, 59, 59, tzinfo=UTC)


@pytest.fixture
def in_english():
    with translation.override("en"):
        yield


@pytest.fixture
def activate_french():
    with translation.override("fr"):
        yield


@pytest.mark.usefixtures("in_french")
def test_a_deadline_in_french_has_its_weekday_its_hour_and_the_zone():
    assert datetime_long(DEADLINE) == "mercredi 15\u00a0octobre 2025 à 23\u00a0h\u00a059 (heure de Paris)"
    assert datetime_short(DEADLINE) == "15\u00a0octobre, 23\u00a0h\u00a059"
    assert past_datetime(DEADLINE) == "15\u00a0octobre 2025 à 23\u00a0h\u00a059"
    assert hour(DEADLINE) == "23\u00a0h\u00a059"
    assert day(DEADLINE) == "15\u00a0octobre 2025"


@pytest.mark.usefixtures("in_english")
def test_a_deadline_in_english_has_its_weekday_its_hour_and_the_zone():
    assert datetime_long(DEADLINE) == "Wednesday 15\u00a0October 2025, 11:59\u00a0pm (Paris time)"
    assert datetime_short(DEADLINE) == "15\u00a0October, 11:59\u00a0pm"
    assert past_datetime(DEADLINE) == "15\u00a0October 2025, 11:59\u00a0pm"
    assert hour(DEADLINE) == "11:59\u00a0pm"
    assert day(DEADLINE) == "15\u00a0October 2025"


def test_without_a_language_the_date_is_french():
    with translation.override(None):
        assert hour(DEADLINE) == "23\u00a0h\u00a059"


@pytest.mark.usefixtures("in_french")
def test_the_first_of_a_month_is_written_1er():
    assert day(date(2026, 5, 1)) == "1er\u00a0mai 2026"


@pytest.mark.parametrize(
    ("instant", "french", "english"),
    [
        (datetime(2025, 10, 14, 22, 0, tzinfo=UTC), "0\u00a0h", "12\u00a0am"),
        (datetime(2025, 10, 15, 7, 5, tzinfo=UTC), "9\u00a0h\u00a005", "9:05\u00a0am"),
        (datetime(2025, 10, 15, 10, 0, tzinfo=UTC), "12\u00a0h", "12\u00a0pm"),
        (datetime(2025, 10, 15, 12, 40, tzinfo=UTC), "14\u00a0h\u00a040", "2:40\u00a0pm"),
    ],
)
def test_hours_are_written_as_each_language_writes_them(instant, french, english):
    with translation.override("fr"):
        assert hour(instant) == french
    with translation.override("en"):
        assert hour(instant) == english


@pytest.mark.usefixtures("in_french")
@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        # 26 October 2025: 2:30 happens twice in Paris.
        (datetime(2025, 10, 26, 0, 30, tzinfo=UTC), "26\u00a0octobre, 2\u00a0h\u00a030"),
        (datetime(2025, 10, 26, 1, 30, tzinfo=UTC), "26\u00a0octobre, 2\u00a0h\u00a030"),
        # 29 March 2026: 2:00 to 3:00 does not exist.
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "29\u00a0mars, 1\u00a0h\u00a059"),
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "29\u00a0mars, 3\u00a0h"),
    ],
)
def test_the_hour_is_right_on_the_nights_when_clocks_change(instant, expected):
    assert datetime_short(instant) == expected


@pytest.mark.usefixtures("in_french")
def test_the_zone_active_for_the_page_does_not_move_a_deadline():
    template = engines["django"].from_string("{% load dates %}{{ deadline|datetime_short }}")
    with timezone.override("America/Guadeloupe"):
        assert template.render({"deadline": DEADLINE}) == "15\u00a0octobre, 23\u00a0h\u00a059"
