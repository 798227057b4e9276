"""The agents' area through axe and the checks of `inspection` (A11Y-01, A11Y-08, HDR-02), with scripts and without."""

import pytest

from tests.agents.pages import AGENT_PAGES
from tests.agents.test_pages import ALL, seen
from tests.browser.inspection import Inspection
from tests.browser.test_pages import (
    LIGHT,
    PHONE_IN_THE_DARK,
    Screen,
    assert_nothing_found,
    screen,  # noqa: F401
    screen_without_scripts,  # noqa: F401
)
from tests.browser.visitor import IN_BROWSER

pytestmark = [*IN_BROWSER, pytest.mark.xdist_group("agents' pages"), pytest.mark.django_db]


@pytest.mark.parametrize("name", ALL)
def test_a_page_of_the_agents_is_for_every_agent(
    name: str,
    screen: Screen,  # noqa: F811 - the fixture
    screen_without_scripts: Screen,  # noqa: F811 - the fixture
):
    """Without scripts the colours are the same; those of errors are looked at on the pages of people too."""
    page = seen(name)
    everything = [(screen, (LIGHT, PHONE_IN_THE_DARK)), (screen_without_scripts, ())]
    for shown, renderings in everything if name in AGENT_PAGES else [(screen, (LIGHT,))]:
        inspection = Inspection(renderings=renderings)
        shown.show(page.ask.path, page.response)
        inspection.look(shown, name)
        assert_nothing_found(shown, inspection)
