"""One state of the portal, to which every nasty request comes as if it were the first."""

from typing import Any, NamedTuple

from django.db import transaction
from django.test import Client
from django.utils import translation

from accounts.models import Account
from outbox.models import Message
from tests.factories import pending_account
from tests.fuzz.requests import URLENCODED, Payload
from tests.fuzz.watching import (
    LONGEST_SECONDS,
    Done,
    complaints,
    cookies_of,
    give_cookies,
    is_markup,
    watched,
    written_so_far,
)
from tests.memory import clear_redis
from tests.pages import Page, PageRequest

SAFE = ("GET", "HEAD", "OPTIONS")
FACTS = [field.attname for field in Account._meta.concrete_fields]
#: Each request may note that somebody is still here.
ALWAYS_WRITTEN = {"accounts_session"}
#: What was refused is in the journal, and so is what an agent has opened.
JOURNAL = "journal_journalentry"
#: The page of the provider is no page of ours.
ELSEWHERE = "/fournisseur/"


class Effects(NamedTuple):
    """What one request did to the portal."""

    tables: set[str]
    #: Columns of accounts that have another value than before.
    facts: set[str]
    recipients: list[str]


class FuzzedPage:
    """Made once; what a request does to it is rolled back before the next one."""

    def __init__(self, name: str, make: Page) -> None:
        clear_redis()
        self.name = name
        # A page leaves its language behind, and the next address would be one of it.
        self.language = translation.get_language()
        # Somebody whom nothing of this is about.
        pending_account()
        self.browser = Client()
        self.ask: PageRequest = make(self.browser)
        self.cookies = cookies_of(self.browser)
        self.accounts = {row["pk"]: row for row in Account.objects.values("pk", *FACTS)}
        self.written = written_so_far()
        self.failures: list[str] = []
        self.requests = 0

    def request(self, method: str, path: str, thrown: Payload, **more: Any) -> tuple[Done, Effects]:
        """Send it, note what is wrong with the answer, and forget what it did."""
        done, effects = self._alone(method, path, thrown, **more)
        if done.seconds > LONGEST_SECONDS:
            # The machine may have been busy with something else.
            done, effects = self._alone(method, path, thrown, **more)
            self.note(method, path, thrown, [f"took {done.seconds:.1f} s"] * (done.seconds > LONGEST_SECONDS))
        return done, effects

    def _alone(self, method: str, path: str, thrown: Payload, **more: Any) -> tuple[Done, Effects]:
        clear_redis()
        give_cookies(self.browser, self.cookies)
        with transaction.atomic(), translation.override(self.language):
            done = self._send(method, path, thrown, **more)
            effects = self._effects(done)
            self.note(method, path, thrown, complaints(done, *thrown.payloads))
            if method in SAFE:
                self.note(method, path, thrown, [f"writes {table}" for table in effects.tables - {JOURNAL}])
            if done.response.status_code == 302 and any(is_markup(one) for one in thrown.payloads):
                self._follow(done, method, path, thrown)
            transaction.set_rollback(True)
        return done, effects

    def note(self, method: str, path: str, thrown: Payload, wrong: list[str]) -> None:
        self.failures += [f"{self.name} · {method} {path[:60]} · {thrown.name}: {what}" for what in wrong]

    def told(self) -> str:
        return "\n".join(["", *dict.fromkeys(self.failures)])

    def _send(self, method: str, path: str, thrown: Payload, **more: Any) -> Done:
        self.requests += 1
        address = f"{path}{'&' if '?' in path else '?'}{thrown.query}" if thrown.query else path
        options = {"content_type": thrown.content_type, **more}
        done = watched(self.browser, method, address, thrown.body, before=self.written, **options)
        self.written = done.written_so_far
        return done

    def _effects(self, done: Done) -> Effects:
        """Rows are looked at only where PostgreSQL has seen something written."""
        facts: set[str] = set()
        if "accounts_account" in done.written:
            for row in Account.objects.values("pk", *FACTS):
                before = self.accounts.get(row["pk"], {})
                facts |= {name for name, value in row.items() if before.get(name) != value}
        mails, _changed = done.written.get("outbox_message", (0, 0))
        recipients = Message.objects.order_by("-pk").values_list("address", flat=True)[:mails] if mails else []
        return Effects(set(done.written) - ALWAYS_WRITTEN, facts, list(recipients))

    def _follow(self, done: Done, method: str, path: str, thrown: Payload) -> None:
        """What was taken is shown on the next page."""
        location = done.response["Location"]
        if location.startswith("/") and ELSEWHERE not in location:
            shown = self._send("GET", location, Payload("next page", (), b"", content_type=URLENCODED))
            self.note(method, path, thrown, complaints(shown, *thrown.payloads))
