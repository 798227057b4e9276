"""What one request did: its answer, what it wrote, whom it mailed, what it put into the log (INP-01)."""

import logging
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import Morsel, SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import urljoin

from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from tests.fuzz.payloads import COMPUTED
from tests.headers import assert_headers

STATUSES = {200, 204, 301, 302, 303, 400, 403, 404, 405, 409, 410, 413, 429}
LONGEST_SECONDS = 2.0
MARKS_OF_A_PAYLOAD = re.compile(r"[<>\"']")
OUT_OF_A_LINK = re.compile(r"(?:href|src|action|formaction)=[\"']\s*(?:javascript:|data:text/html)", re.IGNORECASE)
CHANGES_ANYWAY = re.compile(r'value="\w{64}"|[0-9a-f]{32}')
WRITTEN = """
    SELECT * FROM (
        SELECT relname, pg_stat_get_xact_tuples_inserted(oid) AS inserted,
            pg_stat_get_xact_tuples_updated(oid) + pg_stat_get_xact_tuples_deleted(oid) AS changed
        FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    ) AS written WHERE inserted + changed > 0
"""

Written = dict[str, tuple[int, int]]


class Errors(logging.Handler):
    """Keeps what a person on duty would be woken for."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()[:200]}")


@contextmanager
def errors_in_the_log() -> Iterator[list[str]]:
    kept = Errors()
    logging.getLogger().addHandler(kept)
    try:
        yield kept.lines
    finally:
        logging.getLogger().removeHandler(kept)


class Done(NamedTuple):
    """One request, and what became of it."""

    response: HttpResponse
    seconds: float
    #: Tables, each with the rows that were inserted, and those that were changed or deleted.
    written: Written
    #: The same since the transaction began.
    written_so_far: Written
    errors: list[str]

    @property
    def html(self) -> str:
        is_text = "text/" in self.response.get("Content-Type", "") and not self.response.streaming
        return self.response.content.decode() if is_text else ""


def written_so_far() -> Written:
    """Rows written since the transaction began, by table: what PostgreSQL counts, so no table is forgotten."""
    with connection.cursor() as cursor:
        cursor.execute(WRITTEN)
        return {name: (inserted, changed) for name, inserted, changed in cursor}


def grown(before: Written, now: Written) -> Written:
    more = {
        name: (inserted - before.get(name, (0, 0))[0], changed - before.get(name, (0, 0))[1])
        for name, (inserted, changed) in now.items()
    }
    return {name: counts for name, counts in more.items() if any(counts)}


def watched(browser: Client, method: str, path: str, body: bytes | str = "", *, before: Written, **more: Any) -> Done:
    """Send it, and see what it does; an exception is an error page, as its sender would see it."""
    browser.raise_request_exception = False
    with errors_in_the_log() as errors:
        begun = time.perf_counter()
        response = browser.generic(method, path, body, **more)
        # A file that is handed over has a hand on a temporary one until its end.
        deque(response if response.streaming else (), maxlen=0)
        seconds = time.perf_counter() - begun
    if raised := getattr(response, "exc_info", None):
        errors.append(f"{raised[0].__name__}: {str(raised[1])[:200]}")
    now = written_so_far()
    return Done(response, seconds, grown(before, now), now, errors)


def complaints(done: Done, *payloads: str) -> list[str]:
    """INP-01, HDR-02, HDR-03 on one answer: everything that is wrong with it."""
    response, found = done.response, list(done.errors)
    if response.status_code not in STATUSES:
        found.append(f"status {response.status_code}")
    # Those of a HEAD are those of the page itself, and compared with them.
    if not response.streaming and response.request["REQUEST_METHOD"] != "HEAD":
        try:
            assert_headers(response)
        except (AssertionError, KeyError) as wrong:
            found.append(f"headers: {str(wrong)[:160]}")
    found += [f"cookie {name}" for name, cookie in response.cookies.items() if not is_ours(name, cookie)]
    location = urljoin(f"http://testserver{response.request['PATH_INFO']}", response.get("Location", "/"))
    if not location.startswith("http://testserver/"):
        found.append(f"leads to {location[:80]}")
    return found + [f"reflects {what}" for what in reflected(done.html, *payloads)]


def is_markup(payload: str) -> bool:
    """Whether it could be taken for something else than text."""
    return any(mark in payload for mark in "<>{%$") and len(payload) < 10_000


def reflected(html: str, *payloads: str) -> list[str]:
    """What of the payloads would run in the page, or has run on the way to it."""
    found = [one[:40] for one in payloads if MARKS_OF_A_PAYLOAD.search(one) and one in html]
    if OUT_OF_A_LINK.search(html):
        found.append("a link that runs")
    if COMPUTED in html and COMPUTED in CHANGES_ANYWAY.sub("", html):
        found.append("a sum that was done")
    return found


def is_ours(name: str, cookie: Morsel) -> bool:
    """SES-06: whether we set such a cookie: for this host alone, out of reach of scripts; an empty one takes it back."""
    names = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
    facts = (cookie["path"], cookie["domain"], cookie["samesite"])
    return name in names and facts == ("/", "", "Lax") and bool(cookie["httponly"] or not cookie.value)


def cookies_of(browser: Client) -> dict[str, str]:
    return {name: morsel.value for name, morsel in browser.cookies.items()}


def give_cookies(browser: Client, cookies: dict[str, str]) -> None:
    browser.cookies = SimpleCookie(cookies)
