import pytest, os
from tests.browser.test_every_page import *
from tests.browser.test_every_page import screen, made, assert_nothing_found
from tests.assistance.agents.pages import AGENT_PAGES, AGENT_REFUSALS
del test_a_page_is_for_everybody, test_a_page_in_english_without_scripts_fits_too, test_a_page_of_an_error_that_no_visitor_provokes
EV={**AGENT_PAGES, **AGENT_REFUSALS}
@pytest.mark.parametrize("name", EV)
def test_shot(name, screen):
    ask, answer = made(EV[name])
    inspection = Inspection(renderings=(LIGHT, PHONE_IN_THE_DARK))
    screen.show(ask.path, answer)
    for w,s in ((1280,"light"),(390,"dark")):
        screen.page.set_viewport_size({"width": w, "height": 800}); screen.page.emulate_media(color_scheme=s)
        screen.page.screenshot(path=f"/tmp/shots/{name}-{w}.png", full_page=True)
    inspection.look(screen, name)
    assert_nothing_found(screen, inspection)
