"""Lists as CSV files: no formula runs, only the role that may exports, and the journal has each export (ADM-07)."""

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
from django.http import FileResponse, HttpResponse
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
from tests.agents.signed_in import an_agent, verified_agent
from tests.assistance.asking import assistance_request
from tests.factories import active_account, pending_account
from tests.fuzz import N
from tests.headers import assert_headers

pytestmark = pytest.mark.django_db

BOM = b"\xef\xbb\xbf"
WHY = "Demande écrite du RSSI"
MANY_ENTRIES = """
INSERT INTO journal_journalentry (account_id, actor_id, event, at, source, device, request_id, details)
SELECT %s, %s, %s, now(), 'web', 'Firefox (Linux)', '', '{"device": "x"}' FROM generate_series(1, %s)
"""
LISTS = {"journal": "admin:journal", "accounts": "admin:accounts", "requests": "admin:requests"}
FORMULAS = [N[name] for name in ("N21", "N22", "N23", "N24")] + ["+33612345678", "\r=1+1", '"=1+1"', "'@a"]
AWKWARD = ['dit "le Grand"', "a;b", "deux\nlignes", "Ève", "’«\u00a0»"]
AWKWARD += [N[f"N{number}"] for number in (*range(14, 21), 25, 26)]


def taken(browser: Client, name: str, reason: str = WHY, **filters: Any) -> FileResponse:
    address = reverse(f"admin:export-{name}", query=filters)
    answer = browser.post(address, {"reason": reason})
    assert answer.status_code == 200
    return answer


def file_of(browser: Client, name: str, **filters: Any) -> bytes:
    answer = taken(browser, name, **filters)
    assert answer.streaming, "a page, and no file"
    return b"".join(answer.streaming_content)


def rows_of(browser: Client, name: str, **filters: Any) -> list[list[str]]:
    """The rows as a spreadsheet reads them, without the names of the columns."""
    content = file_of(browser, name, **filters)
    assert content.startswith(BOM)
    return list(csv.reader(StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))[1:]


def exported() -> list[JournalEntry]:
    return list(JournalEntry.objects.filter(event=Event.LIST_EXPORTED).order_by("pk"))


def column(rows: Sequence[Sequence[str]], columns: Sequence[str], name: str) -> list[str]:
    return [row[columns.index(name)] for row in rows]


class TestFormulas:
    """ADM-07, INP-08"""

    def test_none_reaches_a_cell_of_the_accounts(self):
        _agent, browser = verified_agent(Role.RESPONSABLES)
        typed = FORMULAS + AWKWARD
        for text in typed:
            pending_account(given_name=text, family_name="Essai", institutional_address=f"e{id(text)}@univ-exemple.fr")

        rows = [row for row in rows_of(browser, "accounts") if row[0] == "Essai"]

        cells = column(rows, ACCOUNT_COLUMNS, "Prénom")
        assert not [cell for row in rows for cell in row if cell.startswith(FORMULA_STARTS)]
        assert sorted(cells) == sorted([f"'{text}" for text in FORMULAS] + AWKWARD)

    def test_none_reaches_a_cell_of_the_journal(self):
        _agent, browser = verified_agent(Role.RESPONSABLES)
        person = pending_account(
            given_name=N["N21"], institutional_address="ada.essai@univ-exemple.fr", family_name="Essai"
        )
        with use_request_context(RequestContext("web", "192.0.2.1", N["N24"])):
            for text in FORMULAS + AWKWARD:
                record_event(account=person, actor=person, event=Event.ENROLMENT_CODE_GIVEN, reason=text)

        rows = rows_of(browser, "journal", compte=person.login)

        assert not [cell for row in rows for cell in row if cell.startswith(FORMULA_STARTS)]
        assert set(column(rows, JOURNAL_COLUMNS, "Personne")) == {f"'{N['N21']} Essai"}
        assert set(column(rows, JOURNAL_COLUMNS, "Appareil")) == {f"'{N['N24']}"}
        facts = column(rows, JOURNAL_COLUMNS, "Précisions")
        assert sorted(facts) == sorted(f"Raison\u00a0: {text}" for text in FORMULAS + AWKWARD)

    def test_none_reaches_a_cell_of_the_requests(self):
        _agent, browser = verified_agent(Role.RESPONSABLES)
        agent = an_agent(given_name="=cmd")
        assistance_request()
        request = assistance_request(login="autre.personne@univ-exemple.fr", contact_address="autre@exemple.net")
        request.state, request.taken_by, request.taken_at = "taken", agent, timezone.now()
        request.save()

        rows = rows_of(browser, "requests")

        assert f"'{agent}" in column(rows, REQUEST_COLUMNS, "Agent")
        assert len(rows) == 2


class TestContent:
    def test_of_accounts_is_what_is_needed_and_no_more(self):
        """PRV-04"""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        person = active_account(
            given_name="Zoé",
            family_name="Lefèvre",
            ine="0123456789A",
            birth_date=date(1984, 2, 29),
            phone="+33467123456",
            recovery_address="zoe@ailleurs.example",
        )
        lock_account(account=person, reason=LockReason.PHISHING)

        content = file_of(browser, "accounts", q="lefevre").decode("utf-8-sig")
        [row] = rows_of(browser, "accounts", q="lefevre")

        created = f"{timezone.localtime(person.created_at):%Y-%m-%d %H:%M:%S}"
        assert row[:4] == ["Lefèvre", "Zoé", person.login, "Personnel de l’université"]
        assert row[4:7] == ["Bloqué", person.hr_id, created]
        assert datetime.fromisoformat(row[7])
        secret = ("0123456789A", "1984", "67123456", "ailleurs.example", "argon2", "cdurand")
        assert not [text for text in secret if text in content]

    def test_of_accounts_has_all_that_are_found_not_only_those_on_pages(self):
        """Looking through pages ends somewhere; a file that ended there would lie."""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        number = LAST_PAGE * PAGE_SIZE + 3
        Account.objects.bulk_create(
            Account(
                uid=f"essai{one}",
                institutional_address=f"e{one}@univ-exemple.fr",
                given_name="Ada",
                family_name="Essai",
                category="student",
                password="!",
            )
            for one in range(number)
        )
        pending_account()
        rows = rows_of(browser, "accounts", q="essai", etat="pending")
        assert len({row[2] for row in rows}) == len(rows) == number
        assert exported()[0].details["rows"] == number

    def test_of_the_journal_is_what_the_page_shows(self):
        agent, browser = verified_agent(Role.RESPONSABLES)
        person, other = active_account(), active_account()
        with use_request_context(RequestContext("web", "192.0.2.9", "Firefox (Linux)")):
            record_event(
                account=person, actor=person, event=Event.RECOVERY_CHANGE_REQUESTED, address="nouveau@exemple.net"
            )
            record_event(account=other, actor=other, event=Event.RECOVERY_CHANGE_REQUESTED, address="cache@exemple.net")
        filters = {"evenement": Event.RECOVERY_CHANGE_REQUESTED, "compte": person.login, "par": "personne"}

        [row] = rows_of(browser, "journal", **filters)

        assert row[1:] == [
            "Changement d’adresse de secours demandé",
            person.login,
            person.full_name,
            "La personne",
            person.login,
            "Page web",
            "192.0.2.9",
            "Firefox (Linux)",
            "Adresse\u00a0: n•••u@exemple.net",
        ]
        assert datetime.fromisoformat(row[0])
        assert exported()[0].account == person
        assert agent == exported()[0].actor

    def test_of_the_journal_keeps_nothing_of_the_erased(self):
        """PRV-07"""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        person = active_account(family_name="Oubliée", institutional_address="c.partie@univ-exemple.fr")
        record_event(account=person, actor=person, event=Event.RECOVERY_CHANGE_REQUESTED, address="ines@exemple.net")
        erase_person(account=person)

        rows = rows_of(browser, "journal", compte=person.login)

        assert set(column(rows, JOURNAL_COLUMNS, "Personne")) == {person.login}
        assert not [cell for row in rows for cell in row if "Oubliée" in cell or "exemple.net" in cell]

    def test_of_requests_has_nothing_of_what_was_typed(self):
        """PRV-04"""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        request = assistance_request(ine="0123456789A", description="Une histoire")

        content = file_of(browser, "requests").decode("utf-8-sig")
        [row] = rows_of(browser, "requests", etat="new", profil="student")

        asked_at = f"{timezone.localtime(request.asked_at):%Y-%m-%d %H:%M:%S}"
        assert row == [request.reference, "Nouvelle", "Mon compte est bloqué", asked_at, "", "", ""]
        typed = ("0123456789A", "histoire", request.contact_address, request.typed_address, "6 12 34")
        assert not [text for text in typed if text in content]
        assert rows_of(browser, "requests", etat="solved") == []
        assert len(rows_of(browser, "requests", personne=request.reference)) == 1


class TestTheJournalOfExports:
    def test_has_who_took_what_why_and_how_much(self):
        agent, browser = verified_agent(Role.RESPONSABLES)
        for name in ("Ada", "Zoé"):
            active_account(given_name=name, family_name="Essai")

        file_of(browser, "accounts", q="essai", etat="active")

        [entry] = exported()
        assert (entry.actor, entry.account, entry.source) == (agent, None, "web")
        assert entry.details == {
            "what": "Comptes",
            "rows": 2,
            "filters": ["Recherche\u00a0: essai", "État\u00a0: Actifs"],
            "reason": WHY,
        }

    def test_has_it_before_the_first_byte_leaves(self):
        """A browser that goes away in the middle has had some of it."""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        answer = taken(browser, "journal")
        assert len(exported()) == 1
        assert b"".join(answer.streaming_content)

    def test_names_no_address_in_clear(self):
        """LOG-02"""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        person = active_account()
        file_of(browser, "accounts", q="camille@exemple.net")
        file_of(browser, "journal", compte=person.login, du="2026-01-01")
        assert "@exemple.net" in exported()[0].details["filters"][0]
        assert "camille@" not in str(exported()[0].details)
        assert person.login not in str(exported()[1].details)
        assert exported()[1].details["filters"] == ["Du 01/01/2026"]

    def test_has_nothing_when_nothing_left(self):
        """A file that cannot be made."""
        agent = an_agent(Role.RESPONSABLES)

        def fail(row: Any) -> Sequence[str]:
            raise ZeroDivisionError

        table = Table("Comptes", ["Nom"], Account.objects.all(), fail)
        with pytest.raises(ZeroDivisionError):
            csv_export.export(table=table, actor=agent, reason=WHY)
        assert exported() == []

    def test_is_itself_shown_with_its_facts(self):
        _agent, browser = verified_agent(Role.RESPONSABLES)
        file_of(browser, "accounts", q="essai")
        html = unescape(browser.get(reverse("admin:journal"), {"evenement": Event.LIST_EXPORTED}).content.decode())
        text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
        for fact in ("Données exportées par un agent", f"Raison : {WHY}", "Lignes : 0", "Filtres : Recherche : essai"):
            assert fact in text


class TestPermission:
    """ADM-05, ADM-07"""

    def test_agents_without_it_have_neither_button_nor_file(self):
        for role, name in product((Role.LECTURE, Role.ASSISTANCE), LISTS):
            _agent, browser = verified_agent(role)
            address = reverse(f"admin:export-{name}")
            assert address not in browser.get(reverse(LISTS[name])).content.decode()
            for ask in (browser.get, browser.post):
                assert ask(address, {"reason": WHY}).status_code == 403
        assert exported() == []

    def test_responsables_have_both_with_the_filters_of_the_list(self):
        _agent, browser = verified_agent(Role.RESPONSABLES)
        for name, url in LISTS.items():
            page = unescape(browser.get(reverse(url), {"etat": "new", "page": "2", "avant": "1-1"}).content.decode())
            [link] = re.findall(rf'href="({reverse(f"admin:export-{name}")}[^"]*)"', page)
            assert "etat=new" in link
            shown = unescape(browser.get(link).content.decode())
            assert "Exporter en CSV" in shown
            assert f'href="{reverse(url)}?' in shown

    def test_nothing_leaves_by_reading_from_elsewhere_or_without_a_reason(self):
        """ADM-06, SES-07"""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = browser.cookies
        for name in LISTS:
            address = reverse(f"admin:export-{name}")
            for ask in (browser.get, browser.head):
                assert "Content-Disposition" not in ask(address, {"reason": WHY})
            assert strict.post(address, {"reason": WHY}).status_code == 403
            for reason in ("", "court", "x" * 501, "\x00" * 20):
                answer = taken(browser, name, reason=reason)
                assert not answer.streaming
                assert "Content-Disposition" not in answer
        assert exported() == []


class TestAnswers:
    def test_have_the_headers_of_every_answer_and_a_plain_name(self):
        """HDR-02 to HDR-04"""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        for name in LISTS:
            answer = taken(browser, name)
            content = b"".join(answer.streaming_content)
            assert_headers(HttpResponse(content, headers=dict(answer.headers)))
            assert answer["Content-Type"] == "text/csv; charset=utf-8"
            assert int(answer["Content-Length"]) == len(content)
            assert re.fullmatch(r'attachment; filename="[a-z]+-\d{4}-\d\d-\d\d\.csv"', answer["Content-Disposition"])

    def test_a_wrong_filter_leads_back_to_the_list_and_a_forged_one_is_ignored(self):
        """ADM-06"""
        _agent, browser = verified_agent(Role.RESPONSABLES)
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
                    assert browser.get(answer.url).status_code == 200
            forged = "password__startswith=argon2&etat=%00&profil=%00&o=1&etat=x"
            assert browser.get(f"{reverse(f'admin:export-{name}')}?{forged}").status_code == 200
        assert exported() == []

    def test_a_list_that_is_too_long_is_refused_before_it_is_made(self, monkeypatch):
        _agent, browser = verified_agent(Role.RESPONSABLES)
        for name in ("Ada", "Inès", "Paul", "Zoé"):
            pending_account(given_name=name, family_name="Essai")
        for module in (csv_export, views):
            monkeypatch.setattr(module, "MAX_ROWS", 3)

        page = browser.get(reverse("admin:export-accounts"), {"q": "essai"}).content.decode()
        answer = taken(browser, "accounts", q="essai")

        for html in (page, answer.content.decode()):
            assert "plus de 3\u00a0lignes" in html
            assert "Exporter en CSV</button>" not in html
        assert exported() == []
        assert len(rows_of(browser, "accounts", q="essai", etat="locked")) == 0

    def test_memory_stays_flat(self):
        """Rows are read and written some at a time."""
        agent = an_agent(Role.RESPONSABLES)
        peaks = []
        for event, rows in ((Event.SIGNED_OUT, 4_000), (Event.SIGNED_IN, 16_000)):
            with connection.cursor() as cursor:
                cursor.execute(MANY_ENTRIES, [agent.pk, agent.pk, event, rows])
            tracemalloc.start()
            csv_export.export(table=journal_table(JournalQuery(about=event).entries()), actor=agent, reason=WHY).close()
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert [entry.details["rows"] for entry in exported()] == [4_000, 16_000]
        assert peaks[1] < 1.3 * peaks[0]
