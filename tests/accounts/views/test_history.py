"""The history of an account: everything that happened, in plain words, to its owner alone."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.history import SIGN_IN_EVENTS, Topic, history
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.templatetags.accounts import author, detail
from core.request_context import RequestContext, use_request_context
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import change_to, confirm, link_of, notice_of, report, wish
from tests.factories import active_account
from tests.fuzz import COMPUTED, EMAIL, N
from tests.locking import UNLOCK_REASONS
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
BY_LINK = "Lien reçu par e-mail"


def history_page(browser: Client, **query: object) -> str:
    answer = browser.get(reverse("account-history"), query)
    assert answer.status_code == 200
    return answer.content.decode()


def rows(html: str) -> list[str]:
    """The text of each line of the table, its cells separated by « | »."""
    body = html.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        " | ".join(
            " ".join(unescape(re.sub(r"<[^>]+>", " ", cell)).split())
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL)
        )
        for line in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]


def record(person: Account, event: Event = Event.SIGNED_IN, **details: Any) -> JournalEntry:
    return record_event(account=person, actor=person, event=event, **details)


def record_many(person: Account, number: int) -> None:
    start = timezone.now() - timedelta(days=1)
    JournalEntry.objects.bulk_create(
        JournalEntry(account=person, actor=person, event=Event.SIGNED_IN, at=start - timedelta(seconds=n), source="web")
        for n in range(number)
    )


class TestAnEntry:
    def test_says_what_happened_when_by_whom_and_on_which_device(self):
        """LOG-01"""
        with time_machine.travel(datetime(2026, 11, 23, 13, 40, tzinfo=UTC)):
            browser = browser_of(active_account())
            browser.defaults["HTTP_USER_AGENT"] = FIREFOX
            browser.post(reverse("account-language"), {"language": "en"})
            browser.post(reverse("account-language"), {"language": "fr"})
            [first, *_others] = rows(history_page(browser))

        assert first.startswith("Langue choisie | 23 nov. 2026, 14 h 40 | Vous | Firefox")

    def test_keeps_the_client_of_the_request(self, person):
        """LOG-01"""
        with use_request_context(RequestContext("web", client_address="203.0.113.9", device="Firefox", request_id="x")):
            entry = record(person)

        assert (entry.client_address, entry.device) == ("203.0.113.9", "Firefox")

    def test_names_its_author(self, person):
        """« Vous » is a session of the account, not a link or a typed login."""
        agent = active_account(is_staff=True)
        for event, actor, source, shown in (
            (Event.SIGNED_IN, person, "web", "Vous"),
            (Event.LOCKED, agent, "web", "DSIN"),
            (Event.USER_UPDATED, None, "command", "Automatique"),
            (Event.SIGN_IN_FAILED, None, "web", "Inconnu"),
            (Event.LINK_REQUESTED, None, "worker", "Inconnu"),
            (Event.RECOVERY_ADDRESS_CHANGED, None, "web", BY_LINK),
            (Event.CHANGE_DISOWNED, None, "web", BY_LINK),
            (Event.PASSWORD_RESET, person, "web", BY_LINK),
        ):
            assert author(JournalEntry(account=person, actor=actor, event=event, source=source)) == shown, event

    def test_shows_its_details(self, person):
        for details, shown in (
            ({}, ""),
            ({"address": "a@exemple.org"}, "a@exemple.org"),
            ({"previous": "a@exemple.org", "address": "b@exemple.org"}, "a@exemple.org → b@exemple.org"),
            ({"previous": "", "address": "b@exemple.org"}, "aucune → b@exemple.org"),
            ({"previous": "a@exemple.org", "target": "a@exemple.org", "keep_copy": True}, "a@exemple.org"),
            ({"previous": "", "target": "b@exemple.org"}, "aucune → b@exemple.org"),
            ({"previous": "a@exemple.org", "previous_proven": True}, "a@exemple.org"),
            ({"old": "a@exemple.org", "new": "b@exemple.org"}, "a@exemple.org → b@exemple.org"),
            ({"proposed": "b@exemple.org"}, "b@exemple.org"),
            ({"fields": ["family_name", "phone", "gone"]}, "nom, téléphone connu des RH, gone"),
            ({"version": "2026-09"}, "2026-09"),
            ({"device": "Firefox (Linux)"}, "Firefox (Linux)"),
            ({"entry": 12, "changed": "recovery_address_changed"}, ""),
            ({"sessions": 3}, ""),
        ):
            assert detail(JournalEntry(account=person, event=Event.SIGNED_IN, details=details)) == shown, details

    def test_is_text_whatever_was_stored(self, person, browser):
        """INP-01: values stored before a rule was made stricter, and details of an unexpected shape."""
        values = [value for value in N.values() if isinstance(value, str) and ("<" in value or "{" in value)]
        values += [address for address, _wanted in EMAIL if "\x00" not in address]
        for value in values:
            for key in ("address", "previous", "target", "version", "proposed", "fields"):
                record(person, Event.CHARTER_ACCEPTED, **{key: [value] if key == "fields" else value})
            JournalEntry.objects.create(account=person, event=Event.SIGNED_IN, source="web", device=value[:100])
            Message.objects.create(kind=Kind.ACTIVATION, person=person, address=value[:254])
        for details in ("texte", 3, {"address": {"a": 1}}, {"fields": "nom"}, {"fields": None}):
            JournalEntry.objects.create(account=person, event=Event.SIGNED_IN, source="web", details=details)

        total = len(history(account=person, topic=Topic.ALL))
        for number in range(1, total // 20 + 2):
            html = history_page(browser, page=number)
            for markup in ("<script>alert", "<img src=x", "<svg/onload", COMPUTED):
                assert markup not in html


class TestThePage:
    def test_has_words_for_every_event(self, person, browser):
        for event in Event:
            record(person, event)
        html = "".join(history_page(browser, page=number) for number in range(1, 6))

        for event in Event:
            assert str(event.label) in unescape(html)
            assert f">{event.value}<" not in html

    def test_tells_the_steps_of_a_reported_change(self, person):
        """HLP-07: each step says who."""
        change = wish(person)
        confirm(link_of(change))
        report(notice_of(person.journal.get(event=Event.RECOVERY_ADDRESS_CHANGED)))
        person.locks.update(released_at=timezone.now(), **UNLOCK_REASONS)

        lines = [line.split(" | ") for line in rows(history_page(browser_of(person), sujet="changements"))]

        assert [(line[0], line[2]) for line in lines[:5]] == [
            ("Compte bloqué", BY_LINK),
            (f"Ancienne adresse de secours rétablie {person.recovery_address}", BY_LINK),
            ("Signalement : « ce n’était pas moi »", BY_LINK),
            (f"Adresse de secours changée {person.recovery_address} → {change.new_address}", BY_LINK),
            (f"Changement d’adresse de secours demandé {change.new_address}", "Vous"),
        ]

    def test_shows_the_status_of_each_mail(self, person, browser):
        wish(person)
        for status in Status:
            Message.objects.update(status=status, leased_until=timezone.now())

            [mail] = rows(history_page(browser, sujet="e-mails"))

            subject = "E-mail : Vérification de l’adresse de secours nouvelle@exemple.org"
            assert mail.startswith(f"{subject} · {status.label} | "), status
            assert "Automatique" in mail

    def test_orders_events_and_mails_by_date(self, person):
        with time_machine.travel(timezone.now() + timedelta(minutes=1)) as clock:
            browser = browser_of(person)
            clock.shift(60)
            wish(person)
            clock.shift(60)
            browser.post(reverse("account-language"), {"language": "en"})
            browser.post(reverse("account-language"), {"language": "fr"})
            lines = [line.split(" | ")[0] for line in rows(history_page(browser))]

        assert lines[0].startswith("Langue choisie")
        assert any(line.startswith("E-mail") for line in lines[2:4])
        assert lines[4].startswith("Connexion")

    def test_filters_by_topic(self, person, browser):
        assert "Aucun évènement sur cette période." in history_page(browser, sujet="e-mails")
        for event in Event:
            record(person, event)
        wish(person)
        count = {topic: len(history(account=person, topic=topic)) for topic in Topic}
        logins = {line.entry.event for line in history(account=person, topic=Topic.SIGN_INS)[:100]}

        assert logins == set(SIGN_IN_EVENTS)
        assert count[Topic.ALL] == count[Topic.SIGN_INS] + count[Topic.CHANGES] + count[Topic.MAILS]
        assert len(rows(history_page(browser, sujet="connexions"))) == min(20, count[Topic.SIGN_INS])
        changes = rows(history_page(browser, sujet="changements"))
        assert not any(line.startswith(("Connexion |", "E-mail :")) for line in changes)
        assert all(line.startswith("E-mail") for line in rows(history_page(browser, sujet="e-mails")))
        for unknown in ("nimporte", "", "CONNEXIONS"):
            html = history_page(browser, sujet=unknown)
            assert re.search(r'<a href="/compte/historique/"\s+aria-current="page">\s*Tout\s*</a>', html), unknown

    def test_has_twenty_entries_and_keeps_the_topic_from_page_to_page(self, person, browser):
        record_many(person, 44)
        pages = [history_page(browser, page=number) for number in (1, 2, 3)]

        found = history(account=person, topic=Topic.ALL)
        total = len(found)
        assert [len(rows(page)) for page in pages] == [20, 20, total - 40]
        assert "Page 2 sur 3" in pages[1]
        assert 'rel="prev"' in pages[1]
        assert 'rel="next"' in pages[1]
        assert len({line.entry.pk for start in (0, 20, 40) for line in found[start : start + 20]}) == total
        assert "?sujet=connexions&amp;page=2" in history_page(browser, sujet="connexions")
        for page, shown in (("0", 3), ("-1", 3), ("9" * 30, 3), ("abc", 1), ("", 1), ("1.5", 1), ("\x00", 1), ("²", 1)):
            assert f"Page {shown} sur 3" in history_page(browser, page=page), page

    def test_shows_nothing_of_another_account(self, person, browser):
        """ADM-01: an agent's own history does not hold what they did to other accounts either."""
        stranger, agent = active_account(recovery_address="autre@exemple.net"), active_account(is_staff=True)
        change_to(stranger, "secret@exemple.org")
        lock_account(account=stranger, reason=LockReason.PHISHING, actor=agent)

        for topic in Topic:
            html = history_page(browser, sujet=topic.value, account=stranger.pk, person=stranger.pk)
            assert "secret@exemple.org" not in html
            assert "Compte bloqué" not in html
        assert "Compte bloqué" not in history_page(browser_of(agent))

    def test_costs_the_same_queries_for_ten_thousand_entries_and_many_agents(self, person, browser):
        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                html = history_page(browser)
            assert not any(agent.full_name in html for agent in agents)
            return len(captured)

        agents: list[Account] = []
        wish(person)
        history_page(browser)
        few = queries()
        record_many(person, 10_000)
        agents = [active_account(is_staff=True) for _ in range(5)]
        for agent in agents:
            record_event(account=person, actor=agent, event=Event.LOCKED)

        assert queries() == few <= 6
