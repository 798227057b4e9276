"""Sends hostile requests to a page, each in a transaction that is rolled back, and observes what it did (INP-01)."""

import logging
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from logging.handlers import BufferingHandler
from typing import Any
from urllib.parse import urljoin

import pytest
from django.db import connection, transaction
from django.http import HttpResponse, QueryDict
from django.test import Client
from django.utils import translation

from accounts.models import Account
from outbox.models import Message
from tests.factories import pending_account
from tests.fuzz import COMPUTED
from tests.fuzz.requests import Payload
from tests.headers import assert_headers
from tests.memory import clear_redis
from tests.pages import Page

STATUSES = {200, 204, 301, 302, 303, 400, 403, 404, 405, 409, 410, 413, 429}
LONGEST_SECONDS = 2.0
SAFE = ("GET", "HEAD", "OPTIONS")
FACTS = [field.attname for field in Account._meta.concrete_fields]
#: The middleware updates last_seen_at.
ALWAYS_WRITTEN = "accounts_session"
#: Refusals and pages opened by agents are recorded.
JOURNAL = "journal_journalentry"
#: The page of the identity provider.
ELSEWHERE = "/fournisseur/"
SCRIPT_LINK = re.compile(r"(?:href|src|action|formaction)=[\"']\s*(?:javascript:|data:text/html)", re.IGNORECASE)
RANDOM_VALUES = re.compile(r'value="\w{64}"|[0-9a-f]{32}')
ROWS_WRITTEN = """
    SELECT * FROM (
        SELECT relname, pg_stat_get_xact_tuples_inserted(oid) AS inserted,
            pg_stat_get_xact_tuples_updated(oid) + pg_stat_get_xact_tuples_deleted(oid) AS changed
        FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    ) AS written WHERE inserted + changed > 0
"""
#: Rows inserted, and rows updated or deleted, by table.
Written = dict[str, tuple[int, int]]


def rows_written() -> Written:
    """Rows written since the transaction began, as PostgreSQL counts them: also those that were rolled back."""
    with connection.cursor() as cursor:
        cursor.execute(ROWS_WRITTEN)
        return {name: (inserted, changed) for name, inserted, changed in cursor}


def rows_written_since(before: Written, now: Written) -> Written:
    new = {name: (*counts, *before.get(name, (0, 0))) for name, counts in now.items() if counts != before.get(name)}
    return {
        name: (inserted - then, changed - until_then) for name, (inserted, changed, then, until_then) in new.items()
    }


@contextmanager
def record_parameters() -> Iterator[set[str]]:
    """The parameters that a view reads in the block, including those that no form shows."""
    names: set[str] = set()

    def recording(look_up: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(query: QueryDict, name: str, *more: Any) -> Any:
            names.add(name)
            return look_up(query, name, *more)

        return recorded

    with pytest.MonkeyPatch.context() as patch:
        for method in ("__getitem__", "__contains__", "get", "getlist"):
            patch.setattr(QueryDict, method, recording(getattr(QueryDict, method)))
        yield names


@dataclass
class Outcome:
    response: HttpResponse
    seconds: float
    errors: list[str]
    #: Tables with new or changed rows; columns of accounts whose value changed; addresses of new mails.
    tables: set[str]
    facts: set[str]
    recipients: list[str]

    @property
    def html(self) -> str:
        is_text = "text/" in self.response.get("Content-Type", "") and not self.response.streaming
        return self.response.content.decode() if is_text else ""

    def violations(self, *values: str) -> list[str]:
        """INP-01, HDR-02, HDR-03: everything that is wrong with an answer to a request with these values."""
        found = list(self.errors)
        if self.response.status_code not in STATUSES:
            found.append(f"status {self.response.status_code}")
        # The headers of HEAD are compared with those of GET.
        if not self.response.streaming and self.response.request["REQUEST_METHOD"] != "HEAD":
            try:
                assert_headers(self.response)
            except (AssertionError, KeyError) as wrong:
                found.append(f"headers: {str(wrong)[:160]}")
        here = f"http://testserver{self.response.request['PATH_INFO']}"
        if not urljoin(here, self.response.get("Location", "/")).startswith("http://testserver/"):
            found.append(f"leads to {self.response['Location'][:80]}")
        found += [f"reflects {one[:40]}" for one in values if re.search(r"[<>\"']", one) and one in self.html]
        if SCRIPT_LINK.search(self.html):
            found.append("a link with a script")
        if COMPUTED in self.html and COMPUTED in RANDOM_VALUES.sub("", self.html):
            found.append("an evaluated template")
        return found


class FuzzedPage:
    def __init__(self, name: str, make: Page) -> None:
        clear_redis()
        self.name, self.language = name, translation.get_language()
        pending_account()  # which no request may touch
        self.browser = Client(raise_request_exception=False)
        self.page_request = make(self.browser)
        self.cookies = {name: morsel.value for name, morsel in self.browser.cookies.items()}
        self.accounts = {row["pk"]: row for row in Account.objects.values("pk", *FACTS)}
        self.written = rows_written()
        self.failures: list[str] = []

    def request(self, method: str, path: str, payload: Payload, **more: Any) -> Outcome:
        """Send it twice when it is slow, since the machine may be busy."""
        outcome = self._send_and_roll_back(method, path, payload, **more)
        if outcome.seconds > LONGEST_SECONDS:
            outcome = self._send_and_roll_back(method, path, payload, **more)
            if outcome.seconds > LONGEST_SECONDS:
                self.add_failures(method, path, payload, f"took {outcome.seconds:.1f} s")
        return outcome

    def add_failures(self, method: str, path: str, payload: Payload, *wrong: str) -> None:
        self.failures += [f"{self.name} · {method} {path[:60]} · {payload.name}: {what}" for what in wrong]

    def assert_it_survived(self) -> None:
        assert not self.failures, "\n".join(["", *dict.fromkeys(self.failures)])

    def _send_and_roll_back(self, method: str, path: str, payload: Payload, **more: Any) -> Outcome:
        clear_redis()
        self.browser.cookies = SimpleCookie(self.cookies)
        with transaction.atomic(), translation.override(self.language):
            outcome = self._send(method, path, payload, **more)
            wrong = outcome.violations(*payload.values)
            if method in SAFE:
                wrong += [f"writes {table}" for table in outcome.tables - {JOURNAL}]
            location = outcome.response.get("Location", "")
            has_markup = any(set("<>{%$") & set(value) and len(value) < 10_000 for value in payload.values)
            if has_markup and location.startswith("/") and ELSEWHERE not in location:
                # An accepted value is shown on the next page.
                wrong += self._send("GET", location, Payload("next page", ())).violations(*payload.values)
            self.add_failures(method, path, payload, *wrong)
            transaction.set_rollback(True)
        return outcome

    def _send(self, method: str, path: str, payload: Payload, **more: Any) -> Outcome:
        address = f"{path}{'&' if '?' in path else '?'}{payload.query}" if payload.query else path
        errors = BufferingHandler(1000)
        errors.setLevel(logging.ERROR)
        logging.getLogger().addHandler(errors)
        begun = time.perf_counter()
        response = self.browser.generic(method, address, payload.body, **{"content_type": payload.content_type, **more})
        # A streamed file is open until it is read to its end.
        deque(response if response.streaming else (), maxlen=0)
        seconds = time.perf_counter() - begun
        logging.getLogger().removeHandler(errors)
        lines = [f"{record.name}: {record.getMessage()[:200]}" for record in errors.buffer]
        if raised := getattr(response, "exc_info", None):
            lines.append(f"{raised[0].__name__}: {str(raised[1])[:200]}")
        now = rows_written()
        written = rows_written_since(self.written, now)
        self.written = now
        mails, _changed = written.get("outbox_message", (0, 0))
        recipients = Message.objects.order_by("-pk").values_list("address", flat=True)[:mails] if mails else []
        accounts = Account.objects.values("pk", *FACTS) if "accounts_account" in written else []
        facts = {fact for row in accounts for fact in row if row[fact] != self.accounts.get(row["pk"], {}).get(fact)}
        return Outcome(response, seconds, lines, set(written) - {ALWAYS_WRITTEN}, facts, list(recipients))
