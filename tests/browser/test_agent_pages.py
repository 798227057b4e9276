"""The agents' area in a browser: axe in both colour schemes, layout with and without scripts (A11Y-01, A11Y-08, HDR-02)."""

import pytest

from tests.agents.pages import AGENT_PAGES, AGENT_REFUSALS, load_agent_page
from tests.browser.screens import DARK_PHONE, LIGHT, Screen, findings
from tests.browser.visitor import IN_BROWSER

pytestmark = [*IN_BROWSER, pytest.mark.xdist_group("agents' pages"), pytest.mark.django_db]


def test_each_agent_page_is_accessible_with_and_without_scripts(screen: Screen, screen_without_scripts: Screen):
    found = []
    for name in AGENT_PAGES:
        page = load_agent_page(name)
        found += findings(screen, name, page.path, page.response, "fr", (LIGHT, DARK_PHONE))
        found += findings(screen_without_scripts, name, page.path, page.response, "fr", ())
    assert found == []


def test_each_refused_agent_form_leads_to_its_errors(screen: Screen):
    found = []
    for name in AGENT_REFUSALS:
        page = load_agent_page(name)
        found += findings(screen, name, page.path, page.response, "fr", (LIGHT,))
    assert found == []
