"""A browser that shows responses of the test client at their address, with their headers."""

from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from mimetypes import guess_type
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from django.contrib.staticfiles import finders
from django.http import HttpResponse
from playwright.sync_api import Browser

from tests.browser.inspection import ALL_RULES, APPEARANCE, AXE, STRUCTURE, Inspection
from tests.browser.visitor import Visitor
from tests.pages.rendering import LoadedPage

STATIC = "/static/"


class ResponseServer(ThreadingHTTPServer):
    """Answers every page load with one prepared response, and serves the static files."""

    daemon_threads = True
    answer: HttpResponse

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ResponseHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class ResponseHandler(BaseHTTPRequestHandler):
    server: ResponseServer
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
        """Keep the output of the tests clean."""

    def _give(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


class Screen(Visitor):
    """A browser that shows prepared responses."""

    server: ResponseServer

    def show(self, address: str, answer: HttpResponse) -> None:
        self.server.answer = answer
        self.open(address)


def open_screen(browser: Browser, *, has_scripts: bool, kind: type[Screen] = Screen) -> Iterator[Screen]:
    with ResponseServer() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        context = browser.new_context(base_url=server.url, reduced_motion="reduce", java_script_enabled=has_scripts)
        if has_scripts:
            context.add_init_script(AXE)
        opened = kind(context, server.url, has_scripts=has_scripts)
        opened.server = server
        yield opened
        context.close()
        server.shutdown()


def once_a_template(names: Iterable[str], load: Callable[[str], LoadedPage]) -> dict[str, bool]:
    """The first state of each set of templates, and whether one of them is in no earlier state."""
    sets: set[frozenset[str]] = set()
    seen: set[str] = set()
    chosen = {}
    for name in names:
        templates = load(name).templates
        if templates not in sets:
            chosen[name] = not templates <= seen
            sets.add(templates)
            seen |= templates
    return chosen


def findings(
    screen: Screen, names: Iterable[str], load: Callable[[str], LoadedPage], language: str = "fr"
) -> list[str]:
    """What `Inspection` and the console report; colours, and pages without scripts, once a template."""
    found = []
    for name, is_first in once_a_template(names, load).items():
        if not is_first and not screen.has_scripts:
            continue
        page = load(name)
        rules = (ALL_RULES, APPEARANCE) if is_first else (STRUCTURE, None)
        found += findings_of(screen, name, page.path, page.response, Inspection(language, *rules))
    return found


def findings_of(screen: Screen, name: str, path: str, response: HttpResponse, inspection: Inspection) -> list[str]:
    if not screen.has_scripts:
        inspection.light = inspection.dark = None
    screen.show(path, response)
    inspection.look(screen, name)
    troubles, screen.troubles = screen.troubles, []
    return [*inspection.findings, *(f"{name}: {trouble}" for trouble in troubles)]
