"""The agents' area in a browser (A11Y-01, A11Y-08, HDR-02)."""

import pytest

from tests.agents.pages import AGENT_PAGES, AGENT_REFUSALS, load_agent_page
from tests.browser.screens import Screen, findings
from tests.browser.visitor import IN_BROWSER

pytestmark = [*IN_BROWSER, pytest.mark.django_db]
NAMES = list(AGENT_PAGES)
HALF = len(NAMES) // 2


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(NAMES[:HALF], marks=pytest.mark.xdist_group("agents' pages"), id="first half"),
        pytest.param(NAMES[HALF:], marks=pytest.mark.xdist_group("agents' pages, second half"), id="second half"),
    ],
)
def test_each_agent_page_is_accessible_with_and_without_scripts(
    names: list[str], screen: Screen, screen_without_scripts: Screen
):
    assert findings(screen, names, load_agent_page) == []
    assert findings(screen_without_scripts, names, load_agent_page) == []


@pytest.mark.xdist_group("agents' pages, refused")
def test_each_refused_agent_form_leads_to_its_errors(screen: Screen):
    assert findings(screen, AGENT_REFUSALS, load_agent_page) == []
