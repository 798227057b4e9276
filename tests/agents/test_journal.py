"""The journal as agents read it: filters, pages, the words of its entries."""

import ast
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import pairwise
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from agents.journal import filters
from agents.journal.filters import PAGE_SIZE, Author, JournalQuery, PageCursor, newest
from agents.journal.formatting import FACTS, author_of, facts_of
from agents.roles import Role
from agents.staff.services import withdraw_role
from core.request_context import RequestContext, use_request_context
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from privacy.erasure import erase_person
from tests.agents.signed_in import an_agent
from tests.factories import active_account, pending_account

pytestmark = pytest.mark.django_db

ROLE = Role.LECTURE
NOON = datetime(2026, 3, 10, 11, 0, tzinfo=UTC)
#: A year of one account, analysed.
MANY_ENTRIES = """
INSERT INTO journal_journalentry (account_id, event, at, source, device, request_id, details)
SELECT %s, 'authn_login_success', %s::timestamptz + number * interval '1 hour', 'web', '', '', '{}'
FROM generate_series(1, 5000) number;
ANALYZE journal_journalentry
"""
#: Keys that name a row, or repeat another.
NOT_SHOWN = {
    "charter",
    "correction",
    "entry",
    "fingerprint",
    "previous_proven",
    "proposal",
    "proven",
    "request",
    "sha256",
}


def page_of(browser: Client, query: str = "", **asked: Any) -> str:
    answer = browser.get(reverse("admin:journal") + query, asked or None)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def shown(html: str) -> list[str]:
    """The entries of a page, each as its text."""
    rows = re.findall(r"<tr>\s*<th scope=\"row\">.*?</tr>", html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


def entry_of(event: Event, at: datetime = NOON, **facts: Any) -> JournalEntry:
    """As `record` writes them, at another time."""
    return JournalEntry.objects.create(event=event, at=at, **{"source": "web", **facts})


def found(**wanted: Any) -> list[JournalEntry]:
    return list(JournalQuery(**wanted).entries())


class TestFilters:
    def test_by_author(self):
        agent, person = an_agent(), pending_account()
        by_agent = entry_of(Event.ACCOUNT_OPENED, account=person, actor=agent)
        without_account = entry_of(Event.CHARTER_PUBLISHED, actor=agent)
        by_owner = entry_of(Event.SIGNED_IN, account=person, actor=person)
        by_worker = entry_of(Event.MAILBOX_CREATED, account=person, source="worker")
        by_system = entry_of(Event.LOCKED, account=person, details={"system": "SOC"})
        by_link = entry_of(Event.LINK_REQUESTED, account=person)
        mine = {by_agent, without_account, by_owner, by_worker, by_system, by_link}
        for author, entries in {
            Author.AGENTS: {by_agent, without_account},
            Author.OWNER: {by_owner},
            Author.SYSTEM: {by_worker, by_system},
            Author.UNKNOWN: {by_link},
            Author.ANYBODY: mine,
        }.items():
            assert set(found(by=author)) & mine == entries
            labels = {author_of(entry) for entry in entries}
            assert author in (Author.AGENTS, Author.ANYBODY) or labels == {author.label}
        assert set(found(by=agent)) & mine == {by_agent, without_account}
        assert {author_of(by_agent), author_of(without_account)} == {f"Agent {agent}"}

    def test_by_event_topic_and_account_which_is_in_the_journal(self, agent, browser):
        person, other = active_account(), active_account()
        for account in (person, other):
            record_event(account=account, actor=account, event=Event.SIGNED_IN)
        page_of(browser)
        assert not JournalEntry.objects.filter(event=Event.JOURNAL_READ).exists()
        lock_account(account=person, reason=LockReason.PHISHING)
        login = person.login.partition("@")[0].upper()
        [locked] = shown(page_of(browser, evenement=Event.LOCKED, compte=login))
        [signed_in] = shown(page_of(browser, evenement="connexions", compte=login))
        changes = shown(page_of(browser, evenement="changements", compte=login))
        assert locked.startswith("Compte bloqué")
        assert str(LockReason.PHISHING.label) in locked
        assert signed_in.startswith("Connexion")
        assert changes
        assert not [line for line in changes if line.startswith("Connexion") or person.full_name not in line]
        read = JournalEntry.objects.filter(event=Event.JOURNAL_READ).values_list("actor", "account").distinct()
        assert list(read) == [(agent.pk, person.pk)]
        today = timezone.localdate().isoformat()
        asked = {"par": agent.pk, "evenement": Event.JOURNAL_READ, "compte": login, "du": today, "au": today}
        assert all(f"Agent {agent}" in line for line in shown(page_of(browser, **asked)))

    def test_by_days_which_begin_and_end_in_paris(self, browser):
        first, last = datetime(2026, 3, 9, 23, 0, tzinfo=UTC), datetime(2026, 3, 10, 22, 59, 59, 999_999, tzinfo=UTC)
        inside = [entry_of(Event.SIGNED_IN, at=at) for at in (first, NOON, last)]
        for at in (first - timedelta(microseconds=1), last + timedelta(microseconds=1)):
            entry_of(Event.SIGNED_IN, at=at)
        assert found(since=NOON.date(), until=NOON.date()) == inside[::-1]
        assert len(shown(page_of(browser, du="2026-03-10", au="10/03/2026"))) == 3

    def test_by_an_agent_who_has_left(self, browser):
        former, manager = an_agent(given_name="Zoé"), an_agent(Role.RESPONSABLES)
        withdraw_role(account=former, actor=manager, reason="A changé de service.")
        record_event(account=active_account(), actor=former, event=Event.ACCOUNT_OPENED)
        html = page_of(browser, par=former.pk)
        assert f'<option value="{former.pk}" selected>{former}</option>' in html
        assert "Agent Zoé" in shown(html)[0]

    def test_wrong_ones_are_explained_and_forged_ones_never_fail(self, browser):
        """ADM-06; any text in a filter: tests/fuzz/test_fields.py."""
        html = page_of(browser, du="31/02/2026", au="2026-99-99", compte="personne.ici", par="0", evenement="autre")
        for words in (
            "Écrivez la date du début",
            "Écrivez la date de la fin",
            "Aucun compte n’a cet identifiant",
            "Choisissez un évènement de la liste",
            "Choisissez un auteur de la liste",
        ):
            assert words in html
        assert shown(html) == []
        assert "La fin est avant le début" in page_of(browser, du="2026-03-11", au="2026-03-10")
        assert "Vérifiez l’année" in page_of(browser, du="9999-12-31")
        for query in [
            "du=99999999999999999999-01-01",
            "password__startswith=argon2",
            "par=99999999999999999999999999",
            "par=-1",
            "avant=9999999999999999-999999999999999999",
            "avant=99999999999999999999-1",
            "avant=0-0",
            "apres=0-0",
            "avant=-1--1",
            "avant=٣-٣",
            "apres=9999999999999999-1",
            "evenement=authn_login_lock&evenement=x",
            "compte=a&compte=b&du=&du=x",
        ]:
            page_of(browser, f"?{query}")


class TestPages:
    def walk(self, browser: Client, link: str, html: str) -> tuple[list[list[str]], str]:
        """The pages that a link leads through, the first one included, and the HTML of the last."""
        pages = [shown(html)]
        while (following := re.search(rf'href="(\?[^"]*)">{link}<', html)) and len(pages) < 9:
            html = page_of(browser, following[1])
            pages.append(shown(html))
        return pages, html

    @pytest.mark.parametrize("step", [timedelta(0), timedelta(microseconds=1)])
    def test_every_entry_is_on_exactly_one_page(self, browser, step):
        """However many are of the same instant, as an HR feed writes them, and those that come meanwhile."""
        names = [f"v{number}" for number in range(2 * PAGE_SIZE + 7)]
        for number, name in enumerate(names):
            entry_of(Event.CHARTER_PUBLISHED, at=NOON + number * step, details={"version": name})
        first = page_of(browser, evenement=Event.CHARTER_PUBLISHED)
        older, last = self.walk(browser, "Plus anciens", first)
        newer, last = self.walk(browser, "Plus récents", last)
        assert [re.search(r"v\d+", line)[0] for page in older for line in page] == names[::-1]
        assert [len(page) for page in older] == [PAGE_SIZE, PAGE_SIZE, 7]
        assert newer[-1] == older[0]
        assert "Plus récents" not in last
        assert all(set(one) != set(other) for one, other in pairwise(newer))
        entry_of(Event.CHARTER_PUBLISHED, at=NOON + timedelta(days=1), details={"version": "autre"})
        assert self.walk(browser, "Plus anciens", first)[0] == older

    def test_a_cursor_is_read_as_it_was_written(self):
        cursor = PageCursor(datetime(2026, 3, 10, 22, 59, 59, 999_999, tzinfo=UTC), 12)
        assert PageCursor.read(str(cursor)) == cursor
        for text in ("", "1", "1-", "a-b", "1-2-3", " 1-2", "1-2\n", "-1-2", "1" * 17 + "-1", "1-" + "1" * 19):
            assert PageCursor.read(text) is None
        entry = entry_of(Event.SIGNED_IN)
        entries = JournalQuery(about=Event.SIGNED_IN).entries()
        assert filters.before(PageCursor(entry.at, 0), entries) == newest(entries)


class TestEntries:
    def test_addresses_are_masked_and_unknown_details_left_out(self, browser):
        person = active_account()
        names = ("old", "new", "previous", "address", "proposed", "target", "unknown")
        details = {name: f"ici.{name}@exemple.net" for name in names}
        record_event(account=person, event=Event.RECOVERY_ADDRESS_CORRECTED, **details)
        html = page_of(browser, compte=person.login)
        assert f'href="{reverse("admin:account", args=[person.pk])}"' in html
        assert not [address for address in details.values() if address in html]
        assert "i•••d@exemple.net" in html
        assert "i•••n@exemple.net" not in html
        empty = JournalEntry(
            event=Event.RECOVERY_CHANGE_REQUESTED, details={"previous": "", "failed": [], "role": None}
        )
        assert facts_of(empty, {}) == []

    def test_without_an_account_of_an_erased_one_and_of_an_unknown_event(self, browser):
        person = active_account(family_name="Oubliée", institutional_address="c.partie@univ-exemple.fr")
        with use_request_context(RequestContext("web", "192.0.2.66", "Firefox (Linux)")):
            record_event(account=person, actor=person, event=Event.RECOVERY_CHANGE_REQUESTED, address="a@exemple.net")
        erase_person(account=person)
        record_event(account=None, event=Event.DATA_PURGED, gone={"journal": 3, "sessions": 0}, failed=[])
        [purged] = shown(page_of(browser, evenement=Event.DATA_PURGED))
        lines = shown(page_of(browser, compte=person.login))
        [requested] = [line for line in lines if line.startswith("Changement d’adresse")]
        assert "Lignes effacées : journal 3" in purged.replace("\xa0", " ")
        assert "Automatique Ligne de commande" in purged
        assert person.login in requested
        assert not [gone for gone in ("Oubliée", "192.0.2.66", "Firefox", "exemple.net") if gone in requested]
        JournalEntry.objects.create(event="of_another_time", source="elsewhere", details={"reason": ["x"]})
        assert "of_another_time" in page_of(browser)

    def test_name_the_source_the_address_and_the_device(self, browser):
        person = pending_account()
        with use_request_context(RequestContext("web", "2001:db8::7", "Safari (iOS)")):
            record_event(account=person, event=Event.LINK_REQUESTED)
        [line] = [one for one in shown(page_of(browser, compte=person.login)) if one.startswith("Nouveau lien")]
        assert "Lien reçu par e-mail ou inconnu Page web 2001:db8::7 Safari (iOS)" in line

    def test_have_a_label_for_each_of_their_details(self):
        keys = set()
        for app in ("accounts", "directory", "mailrouting", "activation", "assistance", "agents", "hr_feed", "privacy"):
            for path in (settings.BASE_DIR / app).rglob("*.py"):
                keys |= keys_recorded_in(path.read_text())
        assert keys - set(FACTS) - NOT_SHOWN == set()
        assert len(keys) > 20


def keys_recorded_in(source: str) -> set[str]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    recording = {"record_event", "record_events", "record"}
    found = [call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", "")) in recording]
    named = {keyword.arg for call in found for keyword in call.keywords if keyword.arg}
    return named - {"account", "accounts", "actor", "event"}


def test_a_page_costs_the_same_queries_whatever_the_length_and_counts_nothing(browser):
    """LOG-03: millions of entries."""
    person = active_account()
    counts = []
    for number in (3, 3 * PAGE_SIZE):
        facts = {"account": person, "actor": person, "event": Event.SIGNED_IN, "source": "web"}
        JournalEntry.objects.bulk_create(JournalEntry(**facts) for _ in range(number))
        with CaptureQueriesContext(connection) as captured:
            page_of(browser, evenement=Event.SIGNED_IN)
        assert not [query for query in captured if "COUNT(" in query["sql"] and "journal_journalentry" in query["sql"]]
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_each_filter_has_its_index():
    """LOG-03"""
    account = pending_account()
    with connection.cursor() as cursor:
        cursor.execute(MANY_ENTRIES, [pending_account().pk, NOON])
    for wanted, index in (
        ({}, "journal_newest"),
        ({"since": NOON.date(), "until": NOON.date()}, "journal_newest"),
        ({"about": Event.LOCKED}, "journal_event"),
        ({"by": account}, "journal_actor"),
        ({"account": account}, "journal_account_at"),
    ):
        plan = JournalQuery(**wanted).entries()[: PAGE_SIZE + 1].explain()
        assert index in plan, plan
