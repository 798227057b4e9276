"""What is to be measured can still be measured: its modules are there, its people get in, its journey has an end."""

from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from benchmarks import MEASUREMENTS, accounts, journeys

pytestmark = pytest.mark.django_db

PERFORMANCE = Path(__file__).resolve().parent.parent / "docs/performance.md"


def test_every_measurement_is_there_and_explained():
    explained = PERFORMANCE.read_text(encoding="utf-8")
    for name in MEASUREMENTS:
        assert callable(import_module(f"benchmarks.{name}").measure)
        assert f"\n`{name}` " in explained, name


def test_its_people_stand_where_they_are_looked_at():
    for name, (path, cookies) in {**accounts.wizard_pages(), "account": accounts.account_page()}.items():
        browser, [key] = Client(), cookies.values()
        browser.cookies[settings.SESSION_COOKIE_NAME] = key
        assert browser.get(path).status_code == 200, name


def test_its_journey_gets_to_the_end():
    assert journeys.queries().startswith("An activation is 12 requests")
