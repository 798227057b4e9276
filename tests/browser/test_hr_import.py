"""The page of an import that runs, as its script keeps it up to date."""

import re

import pytest
from playwright.sync_api import expect

from tests.agents.pages import load_agent_page
from tests.browser.screens import Screen
from tests.browser.visitor import IN_BROWSER

pytestmark = [*IN_BROWSER, pytest.mark.xdist_group("agents' pages"), pytest.mark.django_db]

PATIENCE = 10_000


def test_the_progress_moves_by_itself_and_the_page_does_not(screen: Screen):
    """RGAA 13.1: the page announces the end and does not reload."""
    page = load_agent_page("import_running")
    facts = {"over": True, "done": 42_000, "total": 42_000}
    screen.page.route("**/avancement/", lambda route: route.fulfill(json=facts))
    screen.show(page.path, page.response)
    progress = screen.page.get_by_role("progressbar", name="L’import est en cours")
    expect(progress).to_have_attribute("value", "15001")

    expect(screen.page.get_by_text(re.compile(r"42\s000 lignes sur 42\s000"))).to_be_visible(timeout=PATIENCE)

    expect(progress).to_have_js_property("value", 42_000)
    screen.reads_aloud("C’est terminé")
    assert screen.page.url.endswith(page.path)
    assert screen.troubles == []
