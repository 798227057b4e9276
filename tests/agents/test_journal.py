"""The journal as agents look through it: who did what to whom, the newest first, whatever is asked for."""

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
from tests.agents.signed_in import an_agent, verified_agent
from tests.factories import active_account, pending_account
from tests.fuzz import N

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 10, 11, 0, tzinfo=UTC)
#: A year of one account, analysed.
MANY_ENTRIES = """
INSERT INTO journal_journalentry (account_id, event, at, source, device, request_id, details)
SELECT %s, 'authn_login_success', %s::timestamptz + number * interval '1 hour', 'web', '', '', '{}'
FROM generate_series(1, 5000) number;
ANALYZE journal_journalentry
"""
#: Keys that name a row, or say again what another says.
NOT_FOR_THE_EYES = {
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


def page_of(browser: Client, **asked: Any) -> str:
    answer = browser.get(reverse("admin:journal"), asked)
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

        expected = {
            Author.AGENTS: {by_agent, without_account},
            Author.OWNER: {by_owner},
            Author.SYSTEM: {by_worker, by_system},
            Author.UNKNOWN: {by_link},
            Author.ANYBODY: mine,
        }
        for author, entries in expected.items():
            assert set(found(by=author)) & mine == entries
            labels = {author_of(entry) for entry in entries}
            assert author in (Author.AGENTS, Author.ANYBODY) or labels == {author.label}
        assert set(found(by=agent)) & mine == {by_agent, without_account}
        assert {author_of(by_agent), author_of(without_account)} == {f"Agent {agent}"}

    def test_by_event_and_by_topic(self):
        _agent, browser = verified_agent(Role.LECTURE)
        person = active_account()
        record_event(account=person, actor=person, event=Event.SIGNED_IN)
        lock_account(account=person, reason=LockReason.PHISHING)

        [locked] = shown(page_of(browser, evenement=Event.LOCKED, compte=person.login))
        [signed_in] = shown(page_of(browser, evenement="connexions", compte=person.login))
        changes = shown(page_of(browser, evenement="changements", compte=person.login))
        assert locked.startswith("Compte bloqué")
        assert str(LockReason.PHISHING.label) in locked
        assert signed_in.startswith("Connexion")
        assert changes
        assert not [line for line in changes if line.startswith("Connexion")]

    def test_by_days_which_begin_and_end_in_paris(self):
        first, last = datetime(2026, 3, 9, 23, 0, tzinfo=UTC), datetime(2026, 3, 10, 22, 59, 59, 999_999, tzinfo=UTC)
        inside_it = [entry_of(Event.SIGNED_IN, at=at) for at in (first, NOON, last)]
        outside = [first - timedelta(microseconds=1), last + timedelta(microseconds=1)]
        for at in outside:
            entry_of(Event.SIGNED_IN, at=at)
        day = NOON.date()
        assert found(since=day, until=day) == inside_it[::-1]
        _agent, browser = verified_agent(Role.LECTURE)
        assert len(shown(page_of(browser, du="2026-03-10", au="10/03/2026"))) == 3

    def test_by_account_and_that_is_in_the_journal(self):
        agent, browser = verified_agent(Role.LECTURE)
        person, other = active_account(), active_account()
        record_event(account=other, actor=other, event=Event.SIGNED_IN)

        lines = shown(page_of(browser, compte=person.login.partition("@")[0].upper()))

        read = person.journal.get(event=Event.JOURNAL_READ)
        assert read.actor == agent
        assert all(person.full_name in line for line in lines)
        assert not other.journal.filter(event=Event.JOURNAL_READ).exists()

    def test_looking_at_all_is_not_kept(self):
        _agent, browser = verified_agent(Role.LECTURE)
        page_of(browser)
        assert not JournalEntry.objects.filter(event=Event.JOURNAL_READ).exists()

    def test_together(self):
        agent, browser = verified_agent(Role.LECTURE)
        person = active_account()
        for actor in (agent, person):
            record_event(account=person, actor=actor, event=Event.ACCOUNT_OPENED)
        today = timezone.localdate().isoformat()
        asked = {"par": agent.pk, "evenement": Event.ACCOUNT_OPENED, "compte": person.login, "du": today, "au": today}
        [line] = shown(page_of(browser, **asked))
        assert f"Agent {agent}" in line

    def test_agents_can_be_chosen_after_they_have_left(self):
        _agent, browser = verified_agent(Role.LECTURE)
        former, responsable = an_agent(given_name="Zoé"), an_agent(Role.RESPONSABLES)
        withdraw_role(account=former, actor=responsable, reason="A changé de service.")
        record_event(account=active_account(), actor=former, event=Event.ACCOUNT_OPENED)

        html = page_of(browser, par=former.pk)

        assert f'<option value="{former.pk}" selected>{former}</option>' in html
        assert "Agent Zoé" in shown(html)[0]
        assert active_account(given_name="Inès").full_name not in page_of(browser).partition("</form>")[0]


class TestHostileFilters:
    """ADM-06"""

    def test_forged_addresses_never_fail(self):
        """Any text in a filter: tests/fuzz/test_fields.py."""
        _agent, browser = verified_agent(Role.LECTURE)
        forged = """
            q=%00 compte=%00 evenement=%00 du=9999-99-99 du=9999-12-31 au=9999-12-31 du=0001-01-01
            du=99999999999999999999-01-01 password__startswith=argon2 account__password__startswith=argon2
            par=99999999999999999999999999 par=-1 o=1.2.3 avant=9999999999999999-999999999999999999
            avant=99999999999999999999-1 avant=0-0 apres=0-0 avant=-1--1 avant=٣-٣ apres=9999999999999999-1
            evenement=authn_login_lock&evenement=x compte=a&compte=b&du=&du=x du=2026-03-11&au=2026-03-10
        """
        for query in forged.split():
            assert browser.get(f"{reverse('admin:journal')}?{query}").status_code == 200, query

    def test_what_is_wrong_is_said_and_nothing_is_shown(self):
        _agent, browser = verified_agent(Role.LECTURE)
        html = page_of(browser, du="31/02/2026", au="2026-99-99", compte="personne.ici", par="0", evenement="autre")
        assert "Écrivez la date du début" in html
        assert "Écrivez la date de la fin" in html
        assert "Aucun compte n’a cet identifiant" in html
        assert "Choisissez un évènement de la liste" in html
        assert "Choisissez un auteur de la liste" in html
        assert shown(html) == []
        assert "La fin est avant le début" in page_of(browser, du="2026-03-11", au="2026-03-10")
        assert "Vérifiez l’année" in page_of(browser, du="9999-12-31")

    def test_only_readers_of_the_right_methods(self):
        """ADM-06: the journal cannot be written to."""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        assert browser.post(reverse("admin:journal"), {"event": "x"}).status_code == 405


class TestPages:
    def walk(self, browser: Client, link: str, html: str, **asked: Any) -> list[list[str]]:
        """The pages that a link leads through, the first one included."""
        pages = [shown(html)]
        while (following := re.search(rf'href="(\?[^"]*)">{link}<', html)) and len(pages) < 9:
            html = unescape(browser.get(reverse("admin:journal") + following[1]).content.decode())
            pages.append(shown(html))
        self.last = html
        return pages

    @pytest.mark.parametrize("at_once", [True, False])
    def test_every_entry_is_on_one_page_and_on_one_only(self, at_once):
        """However many are of the same instant: an HR feed writes thousands of them."""
        _agent, browser = verified_agent(Role.LECTURE)
        step = timedelta(0) if at_once else timedelta(microseconds=1)
        names = [f"v{number}" for number in range(2 * PAGE_SIZE + 7)]
        for number, name in enumerate(names):
            entry_of(Event.CHARTER_PUBLISHED, at=NOON + number * step, details={"version": name})

        first = page_of(browser, evenement=Event.CHARTER_PUBLISHED)
        older = self.walk(browser, "Plus anciens", first)
        newer = self.walk(browser, "Plus récents", self.last)

        versions = [re.search(r"v\d+", line)[0] for page in older for line in page]
        assert versions == names[::-1]
        assert [len(page) for page in older] == [PAGE_SIZE, PAGE_SIZE, 7]
        assert newer[-1] == older[0]
        assert "Plus récents" not in self.last
        assert all(set(one) != set(other) for one, other in pairwise(newer))

    def test_an_entry_that_comes_meanwhile_moves_nothing(self):
        _agent, browser = verified_agent(Role.LECTURE)
        for number in range(PAGE_SIZE + 1):
            entry_of(Event.CHARTER_PUBLISHED, at=NOON + timedelta(seconds=number), details={"version": f"v{number}"})
        [link] = re.findall(r'href="(\?[^"]*)">Plus anciens<', page_of(browser, evenement=Event.CHARTER_PUBLISHED))
        entry_of(Event.CHARTER_PUBLISHED, at=NOON + timedelta(days=1), details={"version": "autre"})

        [line] = shown(unescape(browser.get(reverse("admin:journal") + link).content.decode()))

        assert "v0" in line

    def test_a_mark_is_read_as_it_was_written(self):
        mark = PageCursor(datetime(2026, 3, 10, 22, 59, 59, 999_999, tzinfo=UTC), 12)
        assert PageCursor.read(str(mark)) == mark
        for text in ("", "1", "1-", "a-b", "1-2-3", " 1-2", "1-2\n", "-1-2", "1" * 17 + "-1", "1-" + "1" * 19):
            assert PageCursor.read(text) is None

    def test_a_page_behind_the_last_entry_is_the_first_page(self):
        entry = entry_of(Event.SIGNED_IN)
        entries = JournalQuery(about=Event.SIGNED_IN).entries()
        assert filters.before(PageCursor(entry.at, 0), entries) == newest(entries)


class TestEntries:
    def test_addresses_are_masked(self):
        """What is masked on other pages is masked here."""
        _agent, browser = verified_agent(Role.LECTURE)
        person = active_account()
        details = {
            "old": "vieux@exemple.net",
            "new": "nouveau@exemple.net",
            "previous": "avant@exemple.net",
            "address": "autre@exemple.net",
            "proposed": "proposee@exemple.net",
            "target": "cible@exemple.net",
            "unknown": "cache@exemple.net",
        }
        record_event(account=person, event=Event.RECOVERY_ADDRESS_CORRECTED, **details)
        html = page_of(browser, compte=person.login)
        assert not [address for address in details.values() if address in html]
        assert "v•••x@exemple.net" in html
        assert "cache" not in html

    def test_without_an_account_and_of_an_erased_one(self):
        _agent, browser = verified_agent(Role.LECTURE)
        person = active_account(family_name="Oubliée", institutional_address="c.partie@univ-exemple.fr")
        with use_request_context(RequestContext("web", "192.0.2.66", "Firefox (Linux)")):
            record_event(
                account=person, actor=person, event=Event.RECOVERY_CHANGE_REQUESTED, address="ines@exemple.net"
            )
        erase_person(account=person)
        record_event(account=None, event=Event.DATA_PURGED, gone={"journal": 3, "sessions": 0}, failed=[])

        [purged] = shown(page_of(browser, evenement=Event.DATA_PURGED))
        html = page_of(browser, compte=person.login)
        [requested] = [line for line in shown(html) if line.startswith("Changement d’adresse")]

        assert "Lignes effacées : journal 3" in purged.replace("\xa0", " ")
        assert "Automatique Ligne de commande" in purged
        assert person.login in requested
        assert not [gone for gone in ("Oubliée", "192.0.2.66", "Firefox", "exemple.net") if gone in requested]

    def test_of_a_person_lead_to_the_account(self):
        _agent, browser = verified_agent(Role.LECTURE)
        person = active_account()
        html = page_of(browser, compte=person.login)
        assert f'href="{reverse("admin:account", args=[person.pk])}"' in html

    def test_say_where_it_was_done(self):
        _agent, browser = verified_agent(Role.LECTURE)
        person = pending_account()
        with use_request_context(RequestContext("web", "2001:db8::7", "Safari (iOS)")):
            record_event(account=person, event=Event.LINK_REQUESTED)
        [line] = [one for one in shown(page_of(browser, compte=person.login)) if one.startswith("Nouveau lien")]
        assert "Lien reçu par e-mail ou inconnu Page web 2001:db8::7 Safari (iOS)" in line

    def test_of_an_event_that_is_no_more_are_shown_all_the_same(self):
        _agent, browser = verified_agent(Role.LECTURE)
        JournalEntry.objects.create(event="of_another_time", source="elsewhere", details={"reason": ["x"]})
        assert "of_another_time" in page_of(browser)

    def test_show_hostile_reasons_as_text(self):
        """INP-05"""
        _agent, browser = verified_agent(Role.LECTURE)
        person = pending_account()
        for name in ("N09", "N10", "N11", "N14"):
            record_event(account=person, event=Event.ENROLMENT_CODE_GIVEN, reason=N[name])
            raw = browser.get(reverse("admin:journal"), {"compte": person.login}).content.decode()
            assert N[name] not in raw or name == "N14"
            assert N[name] in unescape(raw)

    def test_have_a_label_for_each_of_their_details(self):
        """No raw JSON."""
        keys = set()
        for app in ("accounts", "directory", "mailrouting", "activation", "assistance", "agents", "hr_feed", "privacy"):
            for path in (settings.BASE_DIR / app).rglob("*.py"):
                keys |= keys_recorded_in(path.read_text())
        assert keys - set(FACTS) - NOT_FOR_THE_EYES == set()
        assert len(keys) > 20

    def test_leave_out_what_says_nothing(self):
        entry = JournalEntry(
            event=Event.RECOVERY_CHANGE_REQUESTED, details={"previous": "", "failed": [], "role": None}
        )
        assert facts_of(entry, {}) == []


def keys_recorded_in(source: str) -> set[str]:
    """The names of the details that calls of `record` and its likes write out."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    recording = [call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", "")) in RECORDING]
    named = {keyword.arg for call in recording for keyword in call.keywords if keyword.arg}
    return named - {"account", "accounts", "actor", "event"}


RECORDING = {"record_event", "record_events", "record"}


class TestScale:
    """LOG-03: millions of entries."""

    def test_a_page_asks_the_same_of_the_database_however_much_there_is(self):
        _agent, browser = verified_agent(Role.LECTURE)
        person = active_account()
        counts = []
        for number in (3, 3 * PAGE_SIZE):
            JournalEntry.objects.bulk_create(
                JournalEntry(account=person, actor=person, event=Event.SIGNED_IN, source="web") for _ in range(number)
            )
            with CaptureQueriesContext(connection) as captured:
                page_of(browser, evenement=Event.SIGNED_IN)
            assert not [query for query in captured if "COUNT(" in query["sql"] and "accounts_journal" in query["sql"]]
            counts.append(len(captured))
        assert counts[0] == counts[1]

    def test_each_filter_has_its_index(self):
        account = pending_account()
        with connection.cursor() as cursor:
            cursor.execute(MANY_ENTRIES, [pending_account().pk, NOON])
        index_of = [
            ({}, "journal_newest"),
            ({"since": NOON.date(), "until": NOON.date()}, "journal_newest"),
            ({"about": Event.LOCKED}, "journal_event"),
            ({"by": account}, "journal_actor"),
            ({"account": account}, "journal_account_at"),
        ]
        for wanted, index in index_of:
            sql, parameters = JournalQuery(**wanted).entries()[: PAGE_SIZE + 1].query.sql_with_params()
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {sql}", parameters)
                plan = "\n".join(row[0] for row in cursor.fetchall())
            assert index in plan, plan
