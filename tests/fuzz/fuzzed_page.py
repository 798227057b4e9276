"""A page to which hostile requests are sent, each in a transaction that is rolled back."""

from typing import Any, NamedTuple

from django.db import transaction
from django.test import Client
from django.utils import translation

from accounts.models import Account
from outbox.models import Message
from tests.factories import pending_account
from tests.fuzz.observers import (
    LONGEST_SECONDS,
    Outcome,
    cookies_of,
    is_markup,
    observe,
    rows_written,
    set_cookies,
    violations,
)
from tests.fuzz.requests import URLENCODED, Payload
from tests.memory import clear_redis
from tests.pages import Page, PageRequest

SAFE = ("GET", "HEAD", "OPTIONS")
FACTS = [field.attname for field in Account._meta.concrete_fields]
#: The middleware updates last_seen_at.
ALWAYS_WRITTEN = {"accounts_session"}
#: Refusals and pages opened by agents are recorded.
JOURNAL = "journal_journalentry"
#: The page of the identity provider.
ELSEWHERE = "/fournisseur/"


class Effects(NamedTuple):
    tables: set[str]
    #: Columns of accounts whose value changed.
    facts: set[str]
    recipients: list[str]


class FuzzedPage:
    def __init__(self, name: str, make: Page) -> None:
        clear_redis()
        self.name = name
        self.language = translation.get_language()
        # An account that no request may touch.
        pending_account()
        self.browser = Client()
        self.page_request: PageRequest = make(self.browser)
        self.cookies = cookies_of(self.browser)
        self.accounts = {row["pk"]: row for row in Account.objects.values("pk", *FACTS)}
        self.written = rows_written()
        self.failures: list[str] = []
        self.requests = 0

    def request(self, method: str, path: str, payload: Payload, **more: Any) -> tuple[Outcome, Effects]:
        """Send it twice when it is slow, since the machine may be busy."""
        outcome, effects = self._send_and_roll_back(method, path, payload, **more)
        if outcome.seconds > LONGEST_SECONDS:
            outcome, effects = self._send_and_roll_back(method, path, payload, **more)
            self.add_failures(
                method, path, payload, [f"took {outcome.seconds:.1f} s"] * (outcome.seconds > LONGEST_SECONDS)
            )
        return outcome, effects

    def _send_and_roll_back(self, method: str, path: str, payload: Payload, **more: Any) -> tuple[Outcome, Effects]:
        clear_redis()
        set_cookies(self.browser, self.cookies)
        with transaction.atomic(), translation.override(self.language):
            outcome = self._send(method, path, payload, **more)
            effects = self._effects(outcome)
            self.add_failures(method, path, payload, violations(outcome, *payload.values))
            if method in SAFE:
                self.add_failures(method, path, payload, [f"writes {table}" for table in effects.tables - {JOURNAL}])
            if outcome.response.status_code == 302 and any(is_markup(one) for one in payload.values):
                self._follow(outcome, method, path, payload)
            transaction.set_rollback(True)
        return outcome, effects

    def add_failures(self, method: str, path: str, payload: Payload, wrong: list[str]) -> None:
        self.failures += [f"{self.name} · {method} {path[:60]} · {payload.name}: {what}" for what in wrong]

    def report(self) -> str:
        return "\n".join(["", *dict.fromkeys(self.failures)])

    def _send(self, method: str, path: str, payload: Payload, **more: Any) -> Outcome:
        self.requests += 1
        address = f"{path}{'&' if '?' in path else '?'}{payload.query}" if payload.query else path
        options = {"content_type": payload.content_type, **more}
        outcome = observe(self.browser, method, address, payload.body, before=self.written, **options)
        self.written = outcome.rows_written
        return outcome

    def _effects(self, outcome: Outcome) -> Effects:
        facts: set[str] = set()
        if "accounts_account" in outcome.written:
            for row in Account.objects.values("pk", *FACTS):
                before = self.accounts.get(row["pk"], {})
                facts |= {name for name, value in row.items() if before.get(name) != value}
        mails, _changed = outcome.written.get("outbox_message", (0, 0))
        recipients = Message.objects.order_by("-pk").values_list("address", flat=True)[:mails] if mails else []
        return Effects(set(outcome.written) - ALWAYS_WRITTEN, facts, list(recipients))

    def _follow(self, outcome: Outcome, method: str, path: str, payload: Payload) -> None:
        """An accepted value is shown on the next page."""
        location = outcome.response["Location"]
        if location.startswith("/") and ELSEWHERE not in location:
            shown = self._send("GET", location, Payload("next page", (), b"", content_type=URLENCODED))
            self.add_failures(method, path, payload, violations(shown, *payload.values))
