"""The benchmarks run: their modules exist, their accounts log in, their journey ends."""

from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from benchmarks import MEASUREMENTS, accounts, journeys

pytestmark = pytest.mark.django_db

PERFORMANCE = Path(__file__).resolve().parent.parent / "docs/performance.md"


def test_every_measurement_exists_and_is_documented():
    explained = PERFORMANCE.read_text(encoding="utf-8")
    for name in MEASUREMENTS:
        assert callable(import_module(f"benchmarks.{name}").measure)
        assert f"\n`{name}` " in explained, name


def test_its_pages_open():
    for name, (path, cookies) in {**accounts.wizard_pages(), "account": accounts.account_page()}.items():
        browser, [key] = Client(), cookies.values()
        browser.cookies[settings.SESSION_COOKIE_NAME] = key
        assert browser.get(path).status_code == 200, name


def test_its_journey_ends():
    assert journeys.queries().startswith("An activation is 12 requests")
