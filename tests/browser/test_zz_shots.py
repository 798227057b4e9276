import pytest, os
from tests.browser.test_every_page import ALL, made, screen, pytestmark
names = [n for n in ALL if n in os.environ["SHOT"].split(",")]
@pytest.mark.parametrize("name", names)
def test_shot(name, screen):
    ask, answer = made(ALL[name]); screen.show(ask.path, answer)
    for w,s in ((1280,"light"),(320,"dark")):
        screen.page.set_viewport_size({"width":w,"height":800}); screen.page.emulate_media(color_scheme=s)
        screen.page.screenshot(path=f"/tmp/h9/shots/{name}-{w}.png", full_page=True)
