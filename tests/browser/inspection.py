"""Checks that hold on every page: accessibility, layout, language, what browsers store. A `Screen` shows responses of the
test client at their address, with their headers."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from playwright.sync_api import Browser, Page, Route

from tests.browser.visitor import Visitor
from tests.pages.rendering import LoadedPage

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()
#: An object of functions that look at the page.
CHECKS = Path(__file__).with_name("checks.js").read_text()
# Chromium trusts this host, and asks it for nothing.
NOWHERE = "http://localhost:9"
Rules = dict[str, Any]
ALL_RULES: Rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# Contrast takes two thirds of axe's time.
STRUCTURE: Rules = {**ALL_RULES, "rules": {"color-contrast": {"enabled": False}}}
# What depends on the colour scheme or the width.
APPEARANCE: Rules = {"runOnly": ["color-contrast", "target-size", "scrollable-region-focusable"]}
LARGE, NARROWEST = 1280, 320
# WCAG 1.4.4: text twice as large; WCAG 1.4.12: spacing that a reader may set.
ENLARGED = "html { font-size: 200% !important }"
SPACED = """* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }
    p { margin-bottom: 2em !important }"""


def check(page: Page, name: str, *arguments: object) -> Any:
    return page.evaluate(f"arguments => ({CHECKS}).{name}(...arguments)", arguments)


def inspect(
    visitor: Visitor, *, language: str = "fr", light: Rules | None = ALL_RULES, dark: Rules | None = APPEARANCE
) -> list[str]:
    """What is wrong with the page, in a large light and in a narrow dark window (HDR-02: nothing inline or stored)."""
    page = visitor.page
    page.locator("h1").first.wait_for()
    facts: dict[str, Any] = check(page, "facts")
    expected = {"language": language, "headings": 1, "skips": [], "stored": 0, "inline": 0}
    found = [f"{fact} is {facts[fact]}" for fact in expected if facts[fact] != expected[fact]]
    strangers = {cookie["name"] for cookie in visitor.context.cookies()} - {"sessionid", "csrftoken", "known"}
    found += [*(f"cookie {name}" for name in strangers), *errors_of(visitor), *check(page, "passwords")]
    check(page, "openDetails")
    found += [*violations(visitor, light), *check(page, "tooWide", ENLARGED)]
    page.set_viewport_size({"width": 320, "height": 800})
    found += check(page, "cutWords") if visitor.has_scripts else []
    found += [*check(page, "tooWide", ""), *check(page, "tooWide", SPACED)]
    page.emulate_media(color_scheme="dark")
    found += [f"{violation} (dark)" for violation in violations(visitor, dark)]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})
    return found


def violations(visitor: Visitor, rules: Rules | None) -> list[str]:
    if rules is None or not visitor.has_scripts:
        return []
    if not visitor.page.evaluate("'axe' in window"):
        visitor.page.evaluate(AXE)
    return check(visitor.page, "runAxe", rules)


def errors_of(visitor: Visitor) -> list[str]:
    """What is wrong with the summary of errors, when there is one; only a script gives it the focus (A11Y-03)."""
    if not visitor.page.locator("#erreurs").count():
        return []
    errors: dict[str, Any] = check(visitor.page, "errors")
    found = [f"not explained: {text}" for text in errors["unexplained"]]
    found += [] if errors["focused"] == visitor.has_scripts else ["the summary of errors has no focus"]
    found += [] if errors["marked"] else ["no input is marked"]
    has_title = visitor.page.title().startswith(("Erreur", "Error"))
    return found if has_title else [*found, f"title without error: {visitor.page.title()}"]


class Screen(Visitor):
    answer: HttpResponse

    def show(self, address: str, answer: HttpResponse) -> None:
        self.answer = answer
        self.open(address)

    def inspect(self, address: str, answer: HttpResponse, language: str = "fr", **rules: Rules | None) -> list[str]:
        self.show(address, answer)
        found = inspect(self, language=language, **rules)
        found, self.troubles = [*found, *self.troubles], []
        return found

    def fulfil(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if route.request.is_navigation_request():
            headers = dict(self.answer.items())
            route.fulfill(status=self.answer.status_code, headers=headers, body=self.answer.content)
        elif path.startswith("/static/") and finders.find(path.removeprefix("/static/")):
            route.fulfill(path=finders.find(path.removeprefix("/static/")))
        else:
            route.fulfill(status=404)


def open_screen(browser: Browser, *, has_scripts: bool) -> Iterator[Screen]:
    context = browser.new_context(base_url=NOWHERE, reduced_motion="reduce", java_script_enabled=has_scripts)
    if has_scripts:
        context.add_init_script(AXE)
    opened = Screen(context, NOWHERE, has_scripts=has_scripts)
    context.route(f"{NOWHERE}/**", opened.fulfil)
    yield opened
    context.close()


def findings(
    screen: Screen, names: Iterable[str], load: Callable[[str], LoadedPage], language: str = "fr"
) -> list[str]:
    """What is wrong with the first state of each set of templates; colours, and pages without scripts, once a template."""
    found: list[str] = []
    sets: set[frozenset[str]] = set()
    seen: set[str] = set()
    for name in names:
        page = load(name)
        is_known, is_first = page.templates in sets, not page.templates <= seen
        sets.add(page.templates)
        seen |= page.templates
        if not is_known and (is_first or screen.has_scripts):
            rules = {} if is_first else {"light": STRUCTURE, "dark": None}
            found += [f"{name}: {finding}" for finding in screen.inspect(page.path, page.response, language, **rules)]
    return found
