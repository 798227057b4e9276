"""Every page in every state (`tests/pages.py`) through axe and the checks of `inspection`, from the day it appears
(A11Y-01, A11Y-03, A11Y-08, A11Y-09, HDR-02, PRV-06).

The pages of `tests/test_pages.py` are shown at their address with their headers; those of the other modules come from
the portal as it runs.
"""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from django.contrib.staticfiles import finders
from django.db import OperationalError
from django.http import HttpResponse
from django.test import RequestFactory
from playwright.sync_api import Browser

from config import error_views as errors
from tests.browser.inspection import AXE, NARROWEST, RENDERINGS, Inspection
from tests.browser.visitor import IN_BROWSER, Visitor
from tests.pages import PAGES, REFUSALS
from tests.pages.rendering import load_page

pytestmark = [*IN_BROWSER, pytest.mark.xdist_group("pages"), pytest.mark.django_db]

ALL = {**PAGES, **REFUSALS}
STATIC = "/static/"
# Colours and sizes on a phone in the dark; what a large screen in daylight shows is the same for the rest.
LIGHT, *_others = RENDERINGS
PHONE_IN_THE_DARK = (NARROWEST, "dark", ["color-contrast", "target-size", "scrollable-region-focusable"])


class Shelf(ThreadingHTTPServer):
    """Gives the answer that lies on it to whoever opens a page, whatever the address; and the files of the portal, which
    a browser keeps."""

    daemon_threads = True
    answer: HttpResponse

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FromTheShelf)
        self.url = f"http://127.0.0.1:{self.server_port}"


class FromTheShelf(BaseHTTPRequestHandler):
    server: Shelf
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if self.headers["Sec-Fetch-Mode"] == "navigate":
            answer = self.server.answer
            self._give(answer.status_code, dict(answer.items()), answer.content)
        elif path.startswith(STATIC) and (file := finders.find(path.removeprefix(STATIC))):
            kind = guess_type(file)[0] or "application/octet-stream"
            self._give(200, {"Content-Type": kind, "Cache-Control": "max-age=3600"}, Path(file).read_bytes())
        else:
            self._give(404, {}, b"")

    def log_message(self, *_words: object) -> None:
        """Nobody reads it."""

    def _give(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


class Screen(Visitor):
    """A browser that shows the answer that it is given, and may fetch the files of the portal."""

    shelf: Shelf

    def show(self, address: str, answer: HttpResponse) -> None:
        self.shelf.answer = answer
        self.open(address)


def screen_of(browser: Browser, *, has_scripts: bool, kind: type[Screen] = Screen) -> Iterator[Screen]:
    with Shelf() as shelf:
        Thread(target=shelf.serve_forever, daemon=True).start()
        context = browser.new_context(base_url=shelf.url, reduced_motion="reduce", java_script_enabled=has_scripts)
        if has_scripts:
            # Half a megabyte: once for all pages.
            context.add_init_script(AXE)
        shown = kind(context, shelf.url, has_scripts=has_scripts)
        shown.shelf = shelf
        yield shown
        context.close()
        shelf.shutdown()


@pytest.fixture(scope="module")
def screen(chromium: Browser) -> Iterator[Screen]:
    yield from screen_of(chromium, has_scripts=True)


@pytest.fixture(scope="module")
def screen_without_scripts(chromium: Browser) -> Iterator[Screen]:
    yield from screen_of(chromium, has_scripts=False)


def assert_nothing_found(screen: Screen, inspection: Inspection) -> None:
    troubles, screen.troubles = screen.troubles, []
    assert [*inspection.findings, *troubles] == [], inspection.report()


@pytest.mark.parametrize("name", ALL)
def test_a_page_is_for_everybody(name: str, screen: Screen):
    inspection = Inspection(renderings=(LIGHT, PHONE_IN_THE_DARK))
    page = load_page(name, "fr")
    screen.show(page.path, page.response)
    inspection.look(screen, name)
    assert_nothing_found(screen, inspection)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_in_english_without_scripts_fits_too(name: str, screen_without_scripts: Screen):
    """Same colours and structure; other lengths, other fields. Refusals add nothing to that."""
    inspection = Inspection("en", renderings=())
    page = load_page(name, "en")
    screen_without_scripts.show(page.path, page.response)
    inspection.look(screen_without_scripts, name)
    assert_nothing_found(screen_without_scripts, inspection)


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_page_of_an_error_that_no_visitor_provokes(status: int, screen: Screen):
    inspection = Inspection(renderings=(LIGHT, PHONE_IN_THE_DARK))
    screen.show("/erreur/", error_page(status))
    inspection.look(screen, f"error {status}")
    assert_nothing_found(screen, inspection)


def error_page(status: int) -> HttpResponse:
    request = RequestFactory().get("/erreur/")
    if status == 403:
        return errors.permission_denied(request, Exception())
    try:
        raise OperationalError if status == 503 else ValueError
    except (OperationalError, ValueError):
        return errors.server_error(request)
