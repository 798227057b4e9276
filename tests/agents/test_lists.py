"""The lists of accounts and of the journal, each list as a CSV file (ADM-07), the page of an account and the dashboard; what
agents open is in the journal."""

import csv
import re
from collections.abc import Sequence
from datetime import date, timedelta
from html import unescape
from io import StringIO
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, Proof
from accounts.locking.lock import lock_as_agent
from accounts.models import Account, Lock
from agents.accounts.search import AccountList, search_accounts
from agents.dashboard import dashboard, weekly_counts
from agents.exports import csv_export, views
from agents.exports.csv_export import ACCOUNT_COLUMNS, JOURNAL_COLUMNS, REQUEST_COLUMNS
from agents.roles import Role
from agents.templatetags.agents import masked
from core.csv import FORMULA_STARTS
from core.request_context import RequestContext, use_request_context
from journal.events import Event
from journal.models import JournalEntry
from journal.services import record_event
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from privacy.erasure import erase_person
from tests.accounts.recovery.recovering import proposed_by_hr
from tests.agents.signed_in import an_agent, verified_agent, visible_text
from tests.assistance.asking import assistance_request
from tests.factories import active_account, pending_account, reloaded
from tests.fuzz import N
from tests.headers import assert_headers
from tests.locking import locked_account, unlock, unlocked_account
from tests.signing_in import log_in

pytestmark = pytest.mark.django_db

ROLE = Role.RESPONSABLES
WHY = "Demande écrite du RSSI"
LISTS = {"journal": "admin:journal", "accounts": "admin:accounts", "requests": "admin:requests"}
FORMULAS = [N[name] for name in ("N21", "N22", "N23", "N24")] + ["+33612345678", "\r=1+1", '"=1+1"', "'@a"]
AWKWARD = ['dit "le Grand"', "a;b", "deux\nlignes", "Ève", "’«\u00a0»"]
AWKWARD += [N[f"N{number}"] for number in (*range(14, 21), 25, 26)]


def journal_page(browser: Client, **asked: Any) -> str:
    return unescape(browser.get(reverse("admin:journal"), asked).content.decode())


def shown(html: str) -> list[str]:
    rows = re.findall(r"<tr>\s*<th scope=\"row\">.*?</tr>", html, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


def export(browser: Client, name: str, reason: str = WHY, **filters: Any) -> HttpResponse:
    answer = browser.post(reverse(f"admin:export-{name}", query=filters), {"reason": reason})
    assert answer.status_code == 200
    return answer


def rows_of(browser: Client, name: str, **filters: Any) -> list[list[str]]:
    """The rows as a spreadsheet reads them, without the names of the columns."""
    content = export(browser, name, **filters).getvalue()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))[1:]


def exported() -> list[JournalEntry]:
    return list(JournalEntry.objects.filter(event=Event.LIST_EXPORTED).order_by("pk"))


def column(rows: Sequence[Sequence[str]], columns: Sequence[str], name: str) -> list[str]:
    """The cells of a column; no cell of any column is a formula."""
    assert not [cell for row in rows for cell in row if cell.startswith(FORMULA_STARTS)]
    return sorted(row[columns.index(name)] for row in rows)


def test_accounts_are_found_by_the_beginnings_of_names_and_identifiers():
    facts = {"given_name": "Zoé", "family_name": "Lefèvre", "uid": "zlefevre", "hr_id": "HR-77/B.k_9"}
    zoe = pending_account(institutional_address="zoe.lefevre+un'deux@univ-exemple.fr", **facts)
    pending_account(given_name="Grace", family_name="O’Connor")
    for query in ("lefevre", "LEFÈVRE", "zoé lef", "zoe.lefevre@univ-exemple.fr", "zlefevr", "HR-77/B.k_9", "deux"):
        assert list(search_accounts(query=query)) == [zoe], query
    assert not search_accounts(query="efevre") | search_accounts(query="lefevre grace")


class TestJournal:
    def test_filtered_by_an_account_shows_its_entries_alone_and_is_itself_recorded(self, agent, browser):
        person, other = locked_account(), active_account()
        for account in (person, other):
            record_event(account=account, actor=account, event=Event.SIGNED_IN)
        journal_page(browser)
        assert not JournalEntry.objects.filter(event=Event.JOURNAL_READ).exists()
        [signed_in] = shown(journal_page(browser, evenement="connexions", compte=person.login.upper()))
        changes = shown(journal_page(browser, evenement="changements", compte=person.login))
        assert signed_in.startswith("Connexion")
        assert not [line for line in changes if line.startswith("Connexion") or person.full_name not in line]
        read = JournalEntry.objects.filter(event=Event.JOURNAL_READ).values_list("actor", "account").distinct()
        assert list(read) == [(agent.pk, person.pk)]

    def test_masks_addresses_leaves_out_unknown_details_and_shows_nothing_of_the_erased(self, browser):
        person = active_account(family_name="Oubliée", institutional_address="c.partie@univ-exemple.fr")
        names = ("old", "new", "previous", "address", "proposed", "target", "unknown")
        details = {name: f"ici.{name}@exemple.net" for name in names}
        with use_request_context(RequestContext("web", "192.0.2.66", "Firefox (Linux)")):
            record_event(account=person, event=Event.RECOVERY_ADDRESS_CORRECTED, **details)
        html = journal_page(browser, compte=person.login)
        assert [address for address in details.values() if address in html] == []
        assert ("i•••d@exemple.net" in html, "i•••n@exemple.net" in html) == (True, False)
        assert "Lien reçu par e-mail Page web 192.0.2.66 Firefox (Linux)" in " ".join(shown(html))
        erase_person(account=person)
        lines = " ".join(shown(journal_page(browser, compte=person.login)))
        assert person.login in lines
        assert not [gone for gone in ("Oubliée", "192.0.2.66", "Firefox", "exemple.net") if gone in lines]


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
        person = pending_account(given_name=N["N21"], institutional_address="ada.essai@univ-exemple.fr")
        with use_request_context(RequestContext("web", "192.0.2.1", N["N24"])):
            for text in FORMULAS + AWKWARD:
                record_event(account=person, actor=person, event=Event.ENROLMENT_CODE_GIVEN, reason=text)
        rows = rows_of(browser, "journal", compte=person.login)
        assert set(column(rows, JOURNAL_COLUMNS, "Personne")) == {f"'{person.full_name}"}
        assert set(column(rows, JOURNAL_COLUMNS, "Appareil")) == {f"'{N['N24']}"}
        facts = sorted(f"Raison\u00a0: {text}" for text in FORMULAS + AWKWARD)
        assert column(rows, JOURNAL_COLUMNS, "Précisions") == facts


def test_exports_hold_what_is_needed_and_no_more(browser):
    """PRV-04, PRV-07"""
    secret = {"ine": "0123456789A", "birth_date": date(1984, 2, 29), "phone": "+33467123456"}
    names = {"family_name": "Lefèvre", "institutional_address": "c.partie@univ-exemple.fr"}
    person = locked_account(recovery_address="zoe@ailleurs.example", **names, **secret)
    [account] = rows_of(browser, "accounts", q="lefevre", etat="locked")
    assert account[:6] == ["Lefèvre", "Camille", person.login, "Personnel de l’université", "Bloqué", person.hr_id]
    request = assistance_request(ine="0123456789A", description="Une histoire")
    [row] = rows_of(browser, "requests", etat="new", profil="student")
    assert row[:3] + row[4:] == [request.reference, "Nouvelle", "Mon compte est bloqué", "", "", ""]
    event = Event.RECOVERY_CHANGE_REQUESTED
    with use_request_context(RequestContext("web", "192.0.2.9", "Firefox (Linux)")):
        for one in (person, active_account()):
            record_event(account=one, actor=one, event=event, address="nouveau@exemple.net")
    [entry] = rows_of(browser, "journal", evenement=event, compte=person.login, par="personne")
    facts = ["Page web", "192.0.2.9", "Firefox (Linux)", "Adresse\u00a0: n•••u@exemple.net"]
    assert entry[2:] == [person.login, person.full_name, "La personne", person.login, *facts]
    hidden = ("0123456789A", "1984", "67123456", "ailleurs.example", "argon2", "cdurand", "histoire", "nouveau@")
    assert not [text for text in hidden if text in str([account, row, entry])]
    erase_person(account=person)
    rows = rows_of(browser, "journal", compte=person.login)
    assert set(column(rows, JOURNAL_COLUMNS, "Personne")) == {person.login}
    assert not [text for text in ("Lefèvre", "192.0.2.9", "exemple.net") if text in str(rows)]


def test_an_export_is_in_the_journal_before_its_first_byte_leaves(agent, browser, monkeypatch):
    """LOG-02: who took what, why and how much; no address in clear. A list that is too long is refused."""
    for name in ("Ada", "Zoé"):
        active_account(given_name=name, family_name="Essai")
    answer = export(browser, "accounts", q="essai", etat="active")
    [entry] = exported()
    assert (entry.actor, entry.account, entry.source) == (agent, None, "web")
    filters = ["Recherche\u00a0: essai", "État\u00a0: Actifs"]
    assert entry.details == {"what": "Comptes", "rows": 2, "filters": filters, "reason": WHY}
    assert answer.getvalue()
    text = visible_text(browser.get(reverse("admin:journal"), {"evenement": Event.LIST_EXPORTED}))
    assert missing(("Données exportées par un agent", f"Raison : {WHY}", "Lignes : 2", "Recherche : essai"), text) == []
    person = active_account()
    rows_of(browser, "accounts", q="camille@exemple.net")
    rows_of(browser, "journal", compte=person.login, du="2026-01-01")
    _taken, searched, read = exported()
    assert searched.details["filters"] == ["Recherche\u00a0: c•••e@exemple.net"]
    assert (read.account, read.details["filters"]) == (person, ["Du 01/01/2026"])
    for module in (csv_export, views):
        monkeypatch.setattr(module, "MAX_ROWS", 1)
    html = export(browser, "accounts", q="essai").content.decode()
    assert ("plus de 1\u00a0ligne" in html, "Exporter en CSV</button>" in html, len(exported())) == (True, False, 3)


class TestPermission:
    """ADM-05, ADM-07; who may: tests/agents/test_roles.py."""

    def test_responsables_export_with_the_filters_of_the_list_and_a_reason(self, browser):
        """HDR-02 to HDR-04: a file has the headers of every answer, and a plain name. ADM-06: no wrong filter."""
        for count, (name, url) in enumerate(LISTS.items()):
            page = unescape(browser.get(reverse(url), {"etat": "new", "page": "2", "avant": "1-1"}).content.decode())
            [link] = re.findall(rf'href="({reverse(f"admin:export-{name}")}[^"]*)"', page)
            assert "etat=new" in link
            wrong = "compte=%00" if name == "journal" else "q=a%00b"
            refused = browser.post(f"{reverse(f'admin:export-{name}')}?{wrong}", {"reason": WHY})
            assert refused.url == f"{reverse(url)}?{wrong}"
            for reason in ("", "court", "x" * 501, "\x00" * 20):
                assert not export(browser, name, reason).streaming
            assert len(exported()) == count
            answer = export(browser, name)
            content = answer.getvalue()
            assert_headers(HttpResponse(content, headers=dict(answer.headers)))
            facts = ("text/csv; charset=utf-8", str(len(content)))
            assert (answer["Content-Type"], answer["Content-Length"]) == facts
            assert re.fullmatch(r'attachment; filename="[a-z]+-\d{4}-\d\d-\d\d\.csv"', answer["Content-Disposition"])


def page(browser: Client, person: Account, **query: str) -> HttpResponse:
    return browser.get(reverse("admin:account", args=[person.pk]), query)


def mail_to(person: Account, kind: Kind = Kind.ACTIVATION, **facts: object) -> Message:
    return Message.objects.create(kind=kind, person=person, address=person.recovery_address, **facts)


def erased_account() -> Account:
    person = active_account()
    erase_person(account=person)
    return reloaded(person)


def missing(words: Sequence[str], shown: str) -> list[str]:
    return [each for each in words if each not in shown]


class TestAnAccount:
    def test_shows_the_facts_without_addresses_and_its_opening_is_in_the_journal(self, agent, browser):
        """HLP-03, PRV-04: neither addresses nor the answers to identity questions are on the screen."""
        person = active_account(hr_id="RH-4711", ine="0123456789A", recovery_address="camille.durand@exemple.net")
        log_in(Client(), person)
        change_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        proposed_by_hr(person, "chez.les.rh@exemple.org")
        mail_to(person, status=Status.BOUNCED, answer="550 <camille.durand@exemple.net> unknown")
        answer = page(browser, person)
        facts = ("Fichier RH, numéro RH-4711", "Charte 2026-09, acceptée le", "1 session ouverte", "c•••d@exemple.net")
        facts += ("Redirection vers a•••s@exemple.org , pas encore vérifiée", "Ne figure pas dans l’annuaire public")
        facts += ("Proposée par les RH c•••h@exemple.org", "Refusé par la messagerie du destinataire : 550")
        assert missing(facts, visible_text(answer)) == []
        hidden = (person.recovery_address, "chez.les.rh", "ailleurs@", "0123456789A", "1984")
        assert missing(hidden, answer.content.decode()) == list(hidden)
        assert person.journal.get(event=Event.ACCOUNT_OPENED).actor == agent
        erased = "Les données personnelles de ce compte ont été effacées le"
        assert erased in visible_text(page(browser, erased_account()))

    def test_the_recovery_address_is_masked_until_the_agent_asks_for_it(self, agent, browser):
        """LOG-01: sensitive_read."""
        person = active_account()
        shown, hidden = browser.post(reverse("admin:account-address", args=[person.pk])), page(browser, person)
        assert [person.recovery_address in one.content.decode() for one in (shown, hidden)] == [True, False]
        assert person.journal.get(event=Event.RECOVERY_ADDRESS_READ).actor == agent
        assert [masked(one) for one in ("camille@exemple.net", "ab@exemple.net")] == [
            "c•••e@exemple.net",
            "•••@exemple.net",
        ]

    def test_has_the_buttons_that_fit_the_role_and_the_state(self):
        """ADM-05: what cannot be done has no button, and the button leads to its page."""
        lock, release, correct = "Bloquer le compte", "Débloquer le compte", "Corriger l’adresse de secours"
        resend, resend_after_unlock = "Renvoyer le lien d’activation", "Renvoyer le lien de réactivation"
        browsers = {role: verified_agent(role)[1] for role in Role}
        manager, browsers[Role.RESPONSABLES] = verified_agent(Role.RESPONSABLES)
        left = active_account(end_date=timezone.localdate() - timedelta(days=1))
        for person, buttons_of in (
            (active_account(), {Role.ASSISTANCE: {lock}, Role.RESPONSABLES: {lock, correct}}),
            (pending_account(), {Role.ASSISTANCE: {lock, resend}}),
            (unlocked_account(), {Role.ASSISTANCE: {lock, resend_after_unlock}}),
            (locked_account(), {Role.ASSISTANCE: {release}, Role.RESPONSABLES: {release, correct}}),
            (left, {Role.RESPONSABLES: {lock}}),
            *((one, {Role.RESPONSABLES: set()}) for one in (erased_account(), an_agent(), manager)),
        ):
            for role, buttons in {Role.LECTURE: set(), **buttons_of}.items():
                html = page(browsers[role], person).content.decode()
                shown = dict(re.findall(r'<a\s+class="btn [^"]*"\s+href="([^"]+)"\s*>\s*([^<]+?)\s*</a>', html))
                assert set(shown.values()) == buttons, (person.state, role)
                assert all(browsers[role].get(path).status_code == 200 for path in shown)

    def test_shows_its_mails_its_requests_and_how_earlier_locks_ended(self, agent, browser):
        person = locked_account(phone="+33467123456")
        for status in (Status.QUEUED, Status.SENT, Status.DELIVERED, Status.REFUSED):
            mail_to(person, Kind.NEW_LINK, status=status, answer="554 <x@y> spam")
        request = assistance_request(login=person.login)
        girard = an_agent(family_name="Girard")
        unlock(person, agent=girard, proof=Proof.CALL_BACK, report="Rappelée au bureau.", reviewed=[])
        lock_as_agent(account=person, agent=agent, reason=LockReason.OTHER, comment="Encore lui")
        Message.objects.filter(person=person).exclude(kind=Kind.NEW_LINK).update(created_at="2020-01-01T00:00Z")
        answer = page(browser, person, demande="A-2345B")
        call = "Rappel au numéro connu des RH : 04 67 12 34 56 Camille Girard Rappelée au bureau."
        words = ("En attente", "Envoyé", "Remis", "Refusé à l’envoi : 554", "Commentaire : Encore lui", call)
        words += ("Agent Lea Martin", "Automatique", "Identité vérifiée par : Rappel au numéro connu des RH")
        assert missing(words, visible_text(answer)) == []
        release = f"{reverse('admin:account-release', args=[person.pk])}?demande=A-2345B"
        links = [f'href="{url}"' for url in (reverse("admin:request", args=[request.reference]), release)]
        assert missing(["x@y", *links], answer.content.decode()) == ["x@y"]

    def test_has_a_timeline_by_topic_that_leaves_out_openings_by_agents(self, browser):
        """Each opening is kept; twenty of them would hide what was done."""
        person = active_account()
        log_in(Client(), person)
        mail_to(person, Kind.PASSWORD_RESET)
        for _ in range(25):
            page(browser, person)
        words = ("Connexion ", "Charte informatique", "Mot de passe oublié", "Fiche du compte consultée par un agent")
        signed_in, charter, mailed, opened = words
        shown = {"connexions": {signed_in}, "changements": {charter}, "e-mails": {mailed}, "agents": {opened}}
        for topic, expected in {**shown, "": {signed_in, charter, mailed}}.items():
            timeline = visible_text(page(browser, person, sujet=topic)).partition("Historique du compte")[2]
            assert {word for word in words if word in timeline.partition("Appareil")[2]} == expected, topic
        assert opened in visible_text(page(browser, person, sujet="tout"))


def test_the_dashboard_counts_what_waits_and_each_count_leads_to_its_list(browser, settings):
    today = timezone.localtime().replace(hour=23, minute=59, second=59)
    late = pending_account(created_at=timezone.now() - timedelta(days=15))
    locked, bounced, ending = active_account(), active_account(), pending_account()
    Lock.objects.create(account=locked, reason=LockReason.PHISHING)
    for _ in range(2):
        mail_to(bounced, Kind.PASSWORD_RESET, status=Status.BOUNCED)
        mail_to(ending, status=Status.SENT, deadline=today)
    mail_to(pending_account(), status=Status.BOUNCED, created_at=timezone.now() - timedelta(days=8))
    # Neither a link of yesterday nor one of an active account expires today.
    mail_to(active_account(), deadline=today)
    mail_to(pending_account(), deadline=today - timedelta(days=1))
    waits = dashboard()
    assert (waits.locked, waits.undelivered, waits.links_expiring_today, waits.not_activated) == (1, 1, 1, 1)
    lists = ("LOCKED", locked), ("MAIL_CAME_BACK", bounced), ("LINK_ENDS_TODAY", ending), ("NEVER_ACTIVATED", late)
    for among, person in lists:
        assert list(search_accounts(query="", among=AccountList[among])) == [person]
    settings.NOT_ACTIVATED_AFTER_DAYS = 16
    assert dashboard().not_activated == 0
    assert "depuis plus de 16 jours" in browser.get(reverse("admin:index")).content.decode()
    assert (Event.SIGNED_IN, 1) in weekly_counts()
