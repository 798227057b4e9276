import os
import pytest
from tests.assistance.agents.pages import AGENT_PAGES, AGENT_REFUSALS
from tests.browser.conftest import chromium  # noqa
from tests.browser.test_every_page import made, screen  # noqa

pytestmark = [pytest.mark.django_db]
NAMES = os.environ.get("SHOTS", "").split()

@pytest.mark.parametrize("name", NAMES)
def test_shot(name, screen):  # noqa
    ask, answer = made({**AGENT_PAGES, **AGENT_REFUSALS}[name])
    os.makedirs("/tmp/shots-h2", exist_ok=True)
    for width in (1280, 390):
        screen.page.set_viewport_size({"width": width, "height": 900})
        screen.show(ask.path, answer)
        for d in screen.page.query_selector_all("details"):
            d.evaluate("e => e.open = true")
        screen.page.screenshot(path=f"/tmp/shots-h2/{name}-{width}.png", full_page=True)
