"""The checks of the pages find what they look for."""

from collections.abc import Callable

from tests.browser.inspection import Inspection
from tests.browser.visitor import NEEDS_BROWSER, Visitor

pytestmark = NEEDS_BROWSER

BAD_PAGE = """<!doctype html><html lang="en"><title>Bad</title><main><h1>Bad</h1><h4>Deep</h4>
<p style="color: red">Inline</p><p id="faint">Faint</p><div id="wide">Wide</div><input name="unlabelled">
<div id="erreurs"><a href="#nowhere">Lost</a></div>
<form><input type="password" name="secret" autocomplete="off"><button data-toggle aria-label="Show"></button>
<button data-toggle aria-label="Show"></button></form></main>
<img src="http://elsewhere.example/pixel.png" alt=""><link rel="stylesheet" href="/static/none.css">
<link rel="stylesheet" href="/bad.css">"""
BAD_STYLE = "#faint { color: #bbb } #wide { width: 2000px }"


def test_a_bad_page_is_found_out(new_visitor: Callable[..., Visitor]):
    visitor, inspection = new_visitor(), Inspection("fr")
    policy = {"Content-Security-Policy": "style-src 'self'", "Content-Type": "text/html"}
    visitor.page.route("**/bad/", lambda route: route.fulfill(body=BAD_PAGE, headers=policy))
    visitor.page.route("**/bad.css", lambda route: route.fulfill(body=BAD_STYLE, content_type="text/css"))
    visitor.page.route("http://elsewhere.example/**", lambda route: route.abort())
    visitor.open("/bad/")
    inspection.look(visitor, "bad")
    troubles, report = "\n".join(visitor.troubles), inspection.report()
    visitor.troubles.clear()
    for finding in ("language is en", "skips is", "inline is 1", "too wide: DIV", "label", "color-contrast: #faint"):
        assert finding in report
    for finding in ("not explained: Lost", "no focus", "no input is marked", "title without error"):
        assert finding in report
    for finding in ("no username beside secret", 'secret has autocomplete "', 'two buttons "Show"'):
        assert finding in report
    for trouble in ("Content Security Policy", "asked for http://elsewhere.example/", "/static/none.css"):
        assert trouble in troubles
