"""Every page in a browser, with and without scripts (A11Y-01, A11Y-03, A11Y-08, A11Y-09, HDR-02, PRV-06)."""

from functools import partial

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import RequestFactory

from config import error_views
from tests.browser.inspection import Inspection
from tests.browser.screens import Screen, findings, findings_of
from tests.browser.visitor import IN_BROWSER
from tests.pages import PAGES, REFUSALS
from tests.pages.rendering import load_page

pytestmark = [*IN_BROWSER, pytest.mark.django_db]
load_french, load_english = partial(load_page, language="fr"), partial(load_page, language="en")


@pytest.mark.xdist_group("pages")
def test_each_page_is_accessible_in_both_colour_schemes(screen: Screen):
    """A11Y-01, A11Y-09"""
    assert findings(screen, PAGES, load_french) == []


@pytest.mark.xdist_group("refused forms")
def test_each_refused_form_leads_to_its_errors(screen: Screen):
    """A11Y-03"""
    assert findings(screen, REFUSALS, load_french) == []


@pytest.mark.xdist_group("English pages")
def test_each_page_fits_in_english_without_scripts(screen_without_scripts: Screen):
    """A11Y-08: colours and structure are the same, lengths and fields are not."""
    assert findings(screen_without_scripts, PAGES, load_english, "en") == []


@pytest.mark.xdist_group("refused forms")
def test_error_pages_are_accessible(screen: Screen):
    """A11Y-01, HDR-02: the statuses that no request of these tests provokes."""
    found = []
    for status in (403, 500, 503):
        found += findings_of(screen, f"error {status}", "/erreur/", error_page(status), Inspection())
    assert found == []


def error_page(status: int) -> HttpResponse:
    request = RequestFactory().get("/erreur/")
    if status == 403:
        return error_views.permission_denied(request, Exception())
    try:
        raise OperationalError if status == 503 else ValueError
    except (OperationalError, ValueError):
        return error_views.server_error(request)
