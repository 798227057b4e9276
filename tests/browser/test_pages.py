"""Every page in a browser: axe once a template and colour scheme, layout in both languages, with and without scripts.

A11Y-01, A11Y-03, A11Y-08, A11Y-09, HDR-02, PRV-06.
"""

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import RequestFactory

from config import error_views
from tests.browser.screens import DARK_PHONE, LIGHT, Screen, findings
from tests.browser.visitor import IN_BROWSER
from tests.pages import PAGES, REFUSALS
from tests.pages.rendering import load_page

pytestmark = [*IN_BROWSER, pytest.mark.xdist_group("pages"), pytest.mark.django_db]


def one_per_template(names: dict[str, object]) -> list[str]:
    """The first state of each set of templates."""
    states = {load_page(name, "fr").templates: name for name in reversed(names)}
    return list(reversed(states.values()))


def test_each_page_is_accessible_in_both_colour_schemes(screen: Screen):
    """A11Y-01, A11Y-09"""
    found = []
    for name in one_per_template(PAGES):
        page = load_page(name, "fr")
        found += findings(screen, name, page.path, page.response, "fr", (LIGHT, DARK_PHONE))
    assert found == []


def test_each_refused_form_leads_to_its_errors(screen: Screen):
    """A11Y-03"""
    found = []
    for name in one_per_template(REFUSALS):
        page = load_page(name, "fr")
        found += findings(screen, name, page.path, page.response, "fr", (LIGHT,))
    assert found == []


def test_each_page_fits_in_english_without_scripts(screen_without_scripts: Screen):
    """A11Y-08: colours and structure are the same, lengths and fields are not."""
    found = []
    for name in one_per_template(PAGES):
        page = load_page(name, "en")
        found += findings(screen_without_scripts, name, page.path, page.response, "en", ())
    assert found == []


def test_error_pages_are_accessible(screen: Screen):
    """A11Y-01, HDR-02: the statuses that no request of these tests provokes."""
    found = []
    for status in (403, 500, 503):
        found += findings(screen, f"error {status}", "/erreur/", error_page(status), "fr", (LIGHT, DARK_PHONE))
    assert found == []


def error_page(status: int) -> HttpResponse:
    request = RequestFactory().get("/erreur/")
    if status == 403:
        return error_views.permission_denied(request, Exception())
    try:
        raise OperationalError if status == 503 else ValueError
    except (OperationalError, ValueError):
        return error_views.server_error(request)
