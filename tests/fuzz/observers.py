"""What one request did: its answer, the rows it wrote, the errors it logged (INP-01)."""

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

from tests.fuzz.packs import COMPUTED
from tests.headers import assert_headers

STATUSES = {200, 204, 301, 302, 303, 400, 403, 404, 405, 409, 410, 413, 429}
LONGEST_SECONDS = 2.0
MARKUP = re.compile(r"[<>\"']")
SCRIPT_LINK = re.compile(r"(?:href|src|action|formaction)=[\"']\s*(?:javascript:|data:text/html)", re.IGNORECASE)
RANDOM_VALUES = re.compile(r'value="\w{64}"|[0-9a-f]{32}')
ROWS_WRITTEN = """
    SELECT * FROM (
        SELECT relname, pg_stat_get_xact_tuples_inserted(oid) AS inserted,
            pg_stat_get_xact_tuples_updated(oid) + pg_stat_get_xact_tuples_deleted(oid) AS changed
        FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    ) AS written WHERE inserted + changed > 0
"""

Written = dict[str, tuple[int, int]]


class ErrorHandler(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name}: {record.getMessage()[:200]}")


@contextmanager
def capture_errors() -> Iterator[list[str]]:
    kept = ErrorHandler()
    logging.getLogger().addHandler(kept)
    try:
        yield kept.lines
    finally:
        logging.getLogger().removeHandler(kept)


class Outcome(NamedTuple):
    response: HttpResponse
    seconds: float
    #: Rows inserted, and rows updated or deleted, by table.
    written: Written
    #: The same since the transaction began.
    rows_written: Written
    errors: list[str]

    @property
    def html(self) -> str:
        is_text = "text/" in self.response.get("Content-Type", "") and not self.response.streaming
        return self.response.content.decode() if is_text else ""


def rows_written() -> Written:
    """Rows written since the transaction began, by table, as PostgreSQL counts them."""
    with connection.cursor() as cursor:
        cursor.execute(ROWS_WRITTEN)
        return {name: (inserted, changed) for name, inserted, changed in cursor}


def rows_written_since(before: Written, now: Written) -> Written:
    more = {
        name: (inserted - before.get(name, (0, 0))[0], changed - before.get(name, (0, 0))[1])
        for name, (inserted, changed) in now.items()
    }
    return {name: counts for name, counts in more.items() if any(counts)}


def observe(
    browser: Client, method: str, path: str, body: bytes | str = "", *, before: Written, **more: Any
) -> Outcome:
    browser.raise_request_exception = False
    with capture_errors() as errors:
        begun = time.perf_counter()
        response = browser.generic(method, path, body, **more)
        # A streamed file is open until it is read to its end.
        deque(response if response.streaming else (), maxlen=0)
        seconds = time.perf_counter() - begun
    if raised := getattr(response, "exc_info", None):
        errors.append(f"{raised[0].__name__}: {str(raised[1])[:200]}")
    now = rows_written()
    return Outcome(response, seconds, rows_written_since(before, now), now, errors)


def violations(outcome: Outcome, *payloads: str) -> list[str]:
    """INP-01, HDR-02, HDR-03: everything that is wrong with an answer."""
    response, found = outcome.response, list(outcome.errors)
    if response.status_code not in STATUSES:
        found.append(f"status {response.status_code}")
    # The headers of HEAD are compared with those of GET.
    if not response.streaming and response.request["REQUEST_METHOD"] != "HEAD":
        try:
            assert_headers(response)
        except (AssertionError, KeyError) as wrong:
            found.append(f"headers: {str(wrong)[:160]}")
    found += [f"cookie {name}" for name, cookie in response.cookies.items() if not is_own_cookie(name, cookie)]
    location = urljoin(f"http://testserver{response.request['PATH_INFO']}", response.get("Location", "/"))
    if not location.startswith("http://testserver/"):
        found.append(f"leads to {location[:80]}")
    return found + [f"reflects {what}" for what in reflected(outcome.html, *payloads)]


def is_markup(payload: str) -> bool:
    return any(mark in payload for mark in "<>{%$") and len(payload) < 10_000


def reflected(html: str, *payloads: str) -> list[str]:
    """Payloads that would run in the page, or were evaluated by a template."""
    found = [one[:40] for one in payloads if MARKUP.search(one) and one in html]
    if SCRIPT_LINK.search(html):
        found.append("a link with a script")
    if COMPUTED in html and COMPUTED in RANDOM_VALUES.sub("", html):
        found.append("an evaluated template")
    return found


def is_own_cookie(name: str, cookie: Morsel) -> bool:
    """SES-06: whether the portal sets such a cookie; an empty value deletes it."""
    names = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
    facts = (cookie["path"], cookie["domain"], cookie["samesite"])
    return name in names and facts == ("/", "", "Lax") and bool(cookie["httponly"] or not cookie.value)


def cookies_of(browser: Client) -> dict[str, str]:
    return {name: morsel.value for name, morsel in browser.cookies.items()}


def set_cookies(browser: Client, cookies: dict[str, str]) -> None:
    browser.cookies = SimpleCookie(cookies)
