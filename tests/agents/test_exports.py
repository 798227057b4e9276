"""Lists as CSV files: no formula runs, one role exports, and the journal has each export (ADM-07)."""

import csv
import re
import tracemalloc
from collections.abc import Sequence
from datetime import date, datetime
from html import unescape
from io import StringIO
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from agents.accounts.search import LAST_PAGE, PAGE_SIZE
from agents.exports import csv_export, views
from agents.exports.csv_export import ACCOUNT_COLUMNS, JOURNAL_COLUMNS, REQUEST_COLUMNS, Table, journal_table
from agents.journal.filters import JournalQuery
from agents.roles import Role
from core.csv import FORMULA_STARTS
from core.request_context import RequestContext, use_request_context
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from privacy.erasure import erase_person
from tests.agents.screens import visible_text
from tests.agents.signed_in import an_agent, verified_agent
from tests.assistance.asking import assistance_request
from tests.factories import active_account, pending_account
from tests.fuzz import N
from tests.headers import assert_headers

pytestmark = pytest.mark.django_db

ROLE = Role.RESPONSABLES
WHY = "Demande écrite du RSSI"
MANY_ENTRIES = """
INSERT INTO journal_journalentry (account_id, actor_id, event, at, source, device, request_id, details)
SELECT %s, %s, %s, now(), 'web', 'Firefox (Linux)', '', '{"device": "x"}' FROM generate_series(1, %s)
"""
LISTS = {"journal": "admin:journal", "accounts": "admin:accounts", "requests": "admin:requests"}
FORMULAS = [N[name] for name in ("N21", "N22", "N23", "N24")] + ["+33612345678", "\r=1+1", '"=1+1"', "'@a"]
AWKWARD = ['dit "le Grand"', "a;b", "deux\nlignes", "Ève", "’«\u00a0»"]
AWKWARD += [N[f"N{number}"] for number in (*range(14, 21), 25, 26)]


def export(browser: Client, name: str, reason: str = WHY, **filters: Any) -> HttpResponse:
    answer = browser.post(reverse(f"admin:export-{name}", query=filters), {"reason": reason})
    assert answer.status_code == 200
    return answer


def content_of(answer: HttpResponse) -> bytes:
    assert answer.streaming, "a page, not a file"
    return b"".join(answer.streaming_content)


def rows_of(browser: Client, name: str, **filters: Any) -> list[list[str]]:
    """The rows as a spreadsheet reads them, without the names of the columns."""
    content = content_of(export(browser, name, **filters))
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))[1:]


def exported() -> list[JournalEntry]:
    return list(JournalEntry.objects.filter(event=Event.LIST_EXPORTED).order_by("pk"))


def column(rows: Sequence[Sequence[str]], columns: Sequence[str], name: str) -> list[str]:
    """The cells of a column; no cell of any column is a formula."""
    assert not [cell for row in rows for cell in row if cell.startswith(FORMULA_STARTS)]
    return sorted(row[columns.index(name)] for row in rows)


class TestFormulas:
    """ADM-07, INP-08"""

    def test_none_reaches_a_cell_of_the_accounts_or_requests(self, browser):
        for text in FORMULAS + AWKWARD:
            pending_account(given_name=text, family_name="Essai", institutional_address=f"e{id(text)}@univ-exemple.fr")
        rows = rows_of(browser, "accounts", q="essai")
        assert column(rows, ACCOUNT_COLUMNS, "Prénom") == sorted([f"'{text}" for text in FORMULAS] + AWKWARD)
        agent, request = an_agent(given_name="=cmd"), assistance_request()
        request.state, request.taken_by, request.taken_at = "taken", agent, timezone.now()
        request.save()
        assert column(rows_of(browser, "requests"), REQUEST_COLUMNS, "Agent") == [f"'{agent}"]

    def test_none_reaches_a_cell_of_the_journal(self, browser):
        names = {"given_name": N["N21"], "family_name": "Essai"}
        person = pending_account(institutional_address="ada.essai@univ-exemple.fr", **names)
        with use_request_context(RequestContext("web", "192.0.2.1", N["N24"])):
            for text in FORMULAS + AWKWARD:
                record_event(account=person, actor=person, event=Event.ENROLMENT_CODE_GIVEN, reason=text)
        rows = rows_of(browser, "journal", compte=person.login)
        assert set(column(rows, JOURNAL_COLUMNS, "Personne")) == {f"'{N['N21']} Essai"}
        assert set(column(rows, JOURNAL_COLUMNS, "Appareil")) == {f"'{N['N24']}"}
        facts = sorted(f"Raison\u00a0: {text}" for text in FORMULAS + AWKWARD)
        assert column(rows, JOURNAL_COLUMNS, "Précisions") == facts


class TestContent:
    def test_of_accounts_is_what_is_needed_and_no_more(self, browser):
        """PRV-04"""
        secret = {"ine": "0123456789A", "birth_date": date(1984, 2, 29), "phone": "+33467123456"}
        names = {"given_name": "Zoé", "family_name": "Lefèvre", "recovery_address": "zoe@ailleurs.example"}
        person = active_account(**names, **secret)
        lock_account(account=person, reason=LockReason.PHISHING)
        [row] = rows_of(browser, "accounts", q="lefevre")
        created = f"{timezone.localtime(person.created_at):%Y-%m-%d %H:%M:%S}"
        assert row[:4] == ["Lefèvre", "Zoé", person.login, "Personnel de l’université"]
        assert row[4:7] == ["Bloqué", person.hr_id, created]
        assert datetime.fromisoformat(row[7])
        hidden = ("0123456789A", "1984", "67123456", "ailleurs.example", "argon2", "cdurand")
        assert not [text for text in hidden if text in str(row)]

    def test_of_accounts_goes_on_after_the_last_page_of_the_list(self, browser):
        number = LAST_PAGE * PAGE_SIZE + 3
        facts = {"given_name": "Ada", "family_name": "Essai", "category": "student", "password": "!"}
        Account.objects.bulk_create(
            Account(uid=f"essai{one}", institutional_address=f"e{one}@univ-exemple.fr", **facts)
            for one in range(number)
        )
        pending_account()
        rows = rows_of(browser, "accounts", q="essai", etat="pending")
        assert len({row[2] for row in rows}) == len(rows) == exported()[0].details["rows"] == number

    def test_of_the_journal_is_what_the_page_shows_and_nothing_of_the_erased(self, agent, browser):
        """PRV-07"""
        address = "c.partie@univ-exemple.fr"
        person, other = active_account(family_name="Oubliée", institutional_address=address), active_account()
        event = Event.RECOVERY_CHANGE_REQUESTED
        with use_request_context(RequestContext("web", "192.0.2.9", "Firefox (Linux)")):
            for account in (person, other):
                record_event(account=account, actor=account, event=event, address="nouveau@exemple.net")
        [row] = rows_of(browser, "journal", evenement=event, compte=person.login, par="personne")
        who = [person.login, person.full_name, "La personne", person.login]
        where = ["Page web", "192.0.2.9", "Firefox (Linux)", "Adresse\u00a0: n•••u@exemple.net"]
        assert row[1:] == ["Changement d’adresse de secours demandé", *who, *where]
        assert datetime.fromisoformat(row[0])
        assert (exported()[0].account, exported()[0].actor) == (person, agent)
        erase_person(account=person)
        rows = rows_of(browser, "journal", compte=person.login)
        assert set(column(rows, JOURNAL_COLUMNS, "Personne")) == {person.login}
        assert "Oubliée" not in str(rows)
        assert "exemple.net" not in str(rows)

    def test_of_requests_has_nothing_of_what_was_typed(self, browser):
        """PRV-04"""
        request = assistance_request(ine="0123456789A", description="Une histoire")
        [row] = rows_of(browser, "requests", etat="new", profil="student")
        asked_at = f"{timezone.localtime(request.asked_at):%Y-%m-%d %H:%M:%S}"
        assert row == [request.reference, "Nouvelle", "Mon compte est bloqué", asked_at, "", "", ""]
        counts = [len(rows_of(browser, "requests", **query)) for query in ({"etat": "solved"}, {"personne": row[0]})]
        assert counts == [0, 1]


class TestTheJournalOfExports:
    def test_has_who_took_what_why_and_how_much_before_the_first_byte_leaves(self, agent, browser):
        """LOG-02: no address in clear."""
        for name in ("Ada", "Zoé"):
            active_account(given_name=name, family_name="Essai")
        answer = export(browser, "accounts", q="essai", etat="active")
        [entry] = exported()
        assert (entry.actor, entry.account, entry.source) == (agent, None, "web")
        filters = ["Recherche\u00a0: essai", "État\u00a0: Actifs"]
        assert entry.details == {"what": "Comptes", "rows": 2, "filters": filters, "reason": WHY}
        assert content_of(answer)
        text = visible_text(browser.get(reverse("admin:journal"), {"evenement": Event.LIST_EXPORTED}))
        for fact in ("Données exportées par un agent", f"Raison : {WHY}", "Lignes : 2", "Recherche : essai"):
            assert fact in text
        person = active_account()
        rows_of(browser, "accounts", q="camille@exemple.net")
        rows_of(browser, "journal", compte=person.login, du="2026-01-01")
        searched, read = (entry.details["filters"] for entry in exported()[1:])
        assert "@exemple.net" in searched[0]
        assert "camille@" not in searched[0]
        assert read == ["Du 01/01/2026"]

    def test_has_nothing_when_the_file_cannot_be_made(self, agent):
        def fail(row: Any) -> Sequence[str]:
            raise ZeroDivisionError

        table = Table("Comptes", ["Nom"], Account.objects.all(), fail)
        with pytest.raises(ZeroDivisionError):
            csv_export.export(table=table, actor=agent, reason=WHY)
        assert exported() == []


class TestPermission:
    """ADM-05, ADM-07"""

    def test_agents_without_it_have_neither_button_nor_file(self):
        for role, name in product((Role.LECTURE, Role.ASSISTANCE), LISTS):
            _agent, browser = verified_agent(role)
            address = reverse(f"admin:export-{name}")
            assert address not in browser.get(reverse(LISTS[name])).content.decode()
            assert [ask(address, {"reason": WHY}).status_code for ask in (browser.get, browser.post)] == [403, 403]
        assert exported() == []

    def test_responsables_export_with_the_filters_of_the_list_and_a_reason(self, browser):
        """HDR-02 to HDR-04: a file has the headers of every answer, and a plain name."""
        for count, (name, url) in enumerate(LISTS.items()):
            page = unescape(browser.get(reverse(url), {"etat": "new", "page": "2", "avant": "1-1"}).content.decode())
            [link] = re.findall(rf'href="({reverse(f"admin:export-{name}")}[^"]*)"', page)
            assert "etat=new" in link
            assert f'href="{reverse(url)}?' in unescape(browser.get(link).content.decode())
            for reason in ("", "court", "x" * 501, "\x00" * 20):
                assert not export(browser, name, reason).streaming
            assert len(exported()) == count
            answer = export(browser, name)
            content = content_of(answer)
            assert_headers(HttpResponse(content, headers=dict(answer.headers)))
            assert answer["Content-Type"] == "text/csv; charset=utf-8"
            assert int(answer["Content-Length"]) == len(content)
            assert re.fullmatch(r'attachment; filename="[a-z]+-\d{4}-\d\d-\d\d\.csv"', answer["Content-Disposition"])


def test_a_wrong_filter_leads_back_to_the_list(browser):
    """ADM-06"""
    wrong = {
        "journal": ("du=9999-99-99", "compte=%00", "par=99999999999999999999"),
        "accounts": ("q=a%00b",),
        "requests": ("q=a%00b", "personne=%00"),
    }
    for name, queries in wrong.items():
        for query in queries:
            address = f"{reverse(f'admin:export-{name}')}?{query}"
            for answer in (browser.get(address), browser.post(address, {"reason": WHY})):
                assert answer.url == f"{reverse(LISTS[name])}?{query}"
    assert exported() == []


def test_a_list_that_is_too_long_is_refused_before_it_is_made(browser, monkeypatch):
    for name in ("Ada", "Inès", "Paul", "Zoé"):
        pending_account(given_name=name, family_name="Essai")
    for module in (csv_export, views):
        monkeypatch.setattr(module, "MAX_ROWS", 3)
    pages = browser.get(reverse("admin:export-accounts"), {"q": "essai"}), export(browser, "accounts", q="essai")
    for html in (page.content.decode() for page in pages):
        assert "plus de 3\u00a0lignes" in html
        assert "Exporter en CSV</button>" not in html
    assert exported() == []


def test_memory_stays_flat(agent):
    peaks = []
    for event, rows in ((Event.SIGNED_OUT, 4_000), (Event.SIGNED_IN, 16_000)):
        with connection.cursor() as cursor:
            cursor.execute(MANY_ENTRIES, [agent.pk, agent.pk, event, rows])
        tracemalloc.start()
        csv_export.export(table=journal_table(JournalQuery(about=event).entries()), actor=agent, reason=WHY).close()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert exported()[1].details["rows"] >= 16_000
    assert peaks[1] < 1.3 * peaks[0]
