"""The page of a request for assistance, and what agents do on it."""

import re
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from agents.roles import Role
from assistance import handling
from assistance.enums import RequestState, StepKind
from assistance.models import AssistanceRequest, RequestStep
from journal.events import Event
from journal.models import JournalEntry
from tests.agents.signed_in import an_agent, signed_in_browser, verified_agent
from tests.agents.test_request_queue import NOON, request_from, text_of
from tests.assistance.asking import form_data
from tests.factories import active_account, pending_account
from tests.fuzz import N

pytestmark = pytest.mark.django_db

LOGIN = "camille.durand@univ-exemple.fr"
WRONG = date(1984, 3, 1)
NOTE = "La personne rappelle demain."
ACTS = ("identity", "take", "take-over", "hand-back", "call", "note", "answer", "attach", "close", "reopen")


def page(browser: Client, request: AssistanceRequest) -> HttpResponse:
    return browser.get(reverse("admin:request", args=[request.reference]))


def act(browser: Client, name: str, request: AssistanceRequest, /, **typed: str) -> HttpResponse:
    return browser.post(reverse(f"admin:request-{name}", args=[request.reference]), typed)


def links_of(html: str) -> set[str]:
    return set(re.findall(r'href="([^"]*)"', html))


def now(request: AssistanceRequest) -> AssistanceRequest:
    return AssistanceRequest.objects.get(pk=request.pk)


@pytest.fixture
def owner() -> Account:
    return active_account(given_name="Camille", family_name="Durand", institutional_address=LOGIN, phone="+33467123456")


@pytest.fixture
def request_(owner) -> AssistanceRequest:
    return request_from(owner)


@pytest.fixture
def taken(request_, agent) -> AssistanceRequest:
    handling.take_request(request=request_, actor=agent)
    return now(request_)


class TestPage:
    def test_each_opening_is_in_the_journal_of_the_account(self, agent, browser, owner, request_):
        """LOG-01: after an error and after a refused act too; without an account when there is none."""
        page(browser, request_)
        assert act(browser, "note", request_, note="").status_code == 200
        assert act(browser, "hand-back", request_).status_code == 409
        entries = list(owner.journal.filter(event=Event.REQUEST_OPENED))
        assert [entry.actor for entry in entries] == [agent] * 3
        assert entries[0].details == {"request": request_.pk, "reference": request_.reference}

        unknown = request_from()
        page(browser, unknown)
        entry = JournalEntry.objects.get(event=Event.REQUEST_OPENED, account=None)
        assert (entry.actor, entry.details["request"]) == (agent, unknown.pk)

    def test_is_found_by_its_reference_in_either_case(self, browser, request_):
        assert browser.get(f"/admin/demandes/{request_.reference.lower()}/").status_code == 200
        for reference in ("A-22222", "a", "%00", "A-2222%C3%A9"):
            assert browser.get(f"/admin/demandes/{reference}/").status_code == 404, reference

    def test_text_typed_by_a_visitor_is_escaped_and_never_a_link(self, browser, owner):
        """HLP-08, INP-05"""
        evil = 'Voir http://evil.example <a href="http://evil.example">ici</a> <script>alert(1)</script>\n\nmerci'
        html = page(
            browser, request_from(owner, description=evil, availability="<b>http://evil.example</b>")
        ).content.decode()
        assert "evil.example" in html
        assert not any("evil" in link for link in links_of(html))
        assert "<b>http" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;<br><br>merci" in html
        for hostile in ("<script>alert", "tel:", "mailto:"):
            assert hostile not in html

    def test_shows_everything_an_agent_needs_before_calling(self, browser, owner):
        with time_machine.travel(NOON, tick=False):
            request = request_from(owner, contact_address="une@exemple.net", availability="après 18 h")
        text = text_of(page(browser, request))
        for words in (
            "Mon compte est bloqué depuis lundi.",
            "une@exemple.net",
            "après 18 h",
            "appel promis avant le 6 octobre 2026 à 16 h 15",
            "Actif",
            "Français",
        ):
            assert words in text


class TestTelephones:
    def test_the_number_known_by_hr_is_the_one_to_call(self, browser, owner, request_):
        """HLP-03, HLP-04: calling the number of the request proves nothing."""
        text = text_of(page(browser, request_))
        assert "Numéro connu des RH 04 67 12 34 56 C’est celui à appeler." in text
        assert "Numéro donné dans la demande 06 12 34 56 78 Différent" in text

        text = text_of(page(browser, request_from(owner, phone="+33 4 67 12 34 56")))
        assert "04 67 12 34 56 Identique" in text
        assert "Différent" not in text

        text = text_of(page(browser, request_from(active_account(phone=""))))
        assert "rappeler celui de la demande ne prouve rien" in text
        assert "C’est celui à appeler" not in text

        text = text_of(page(browser, request_from()))
        assert "rappeler ce numéro ne prouve rien" in text
        assert "Numéro connu des RH" not in text


class TestIdentity:
    def test_match_or_mismatch_is_shown_and_the_values_are_not(self, browser):
        """HLP-04"""
        for typed, known, words in (
            (date(1984, 2, 29), date(1984, 2, 29), "concorde"),
            (WRONG, date(1984, 2, 29), "ne concorde pas"),
            (WRONG, None, "inconnu des RH"),
        ):
            text = text_of(page(browser, request_from(active_account(birth_date=known), birth_date=typed)))
            assert f"Date de naissance {words} Dans la demande : •••" in text
            assert "Ils ne prouvent pas l’identité." in text
            assert "1984" not in text
        AssistanceRequest.objects.update(birth_date_typed=None)
        text = text_of(page(browser, AssistanceRequest.objects.latest("pk")))
        assert "non fourni" in text
        assert "Afficher" not in text

    def test_values_are_shown_once_on_request_and_recorded(self, agent, browser, caplog):
        """LOG-01: sensitive_read. PRV-04: in no title, address or line of the log."""
        caplog.set_level("DEBUG")
        student = active_account(category=Category.STUDENT, ine="0123456789A")
        request = request_from(student, ine="0123456789B")
        assert "0123456789" not in page(browser, request).content.decode()

        answer = act(browser, "identity", request)
        html = answer.content.decode()

        assert answer.status_code == 200, "shown in answer to the button, at no address of its own"
        assert "0123456789A" in html
        assert "0123456789B" in html
        title = re.search(r"<title>(.*?)</title>", html, re.DOTALL)
        assert title
        assert "0123456789" not in f"{title[1]} {links_of(html)}"
        assert "0123456789" not in str([vars(record) for record in caplog.records if "sql" not in vars(record)])
        assert "0123456789" not in page(browser, request).content.decode()
        entry = student.journal.get(event=Event.IDENTITY_READ)
        assert (entry.actor, entry.details["request"]) == (agent, request.pk)
        assert "0123456789" not in str(entry.details)

    def test_values_are_refused_to_the_reading_role_and_for_accounts_of_agents(self, browser, agent):
        """ADM-05"""
        _reader, reading = verified_agent(Role.LECTURE)
        for client, account in ((reading, active_account()), (browser, agent), (browser, an_agent())):
            request = request_from(account)
            assert "Afficher" not in text_of(page(client, request))
            assert act(client, "identity", request).status_code == 403
        assert not JournalEntry.objects.filter(event=Event.IDENTITY_READ).exists()


class TestComparingOnTheTelephone:
    def test_a_right_answer_is_no_proof(self, browser, agent):
        request = request_from(active_account(ine="0123456789A"))
        handling.take_request(request=request, actor=agent)
        for answer in ("29/2/1984", "29 02 1984", "29.2.1984", "29021984", "0123456789a", " 012 345 678 9A"):
            done = act(browser, "answer", request, answer=answer)
            assert done.status_code == 302, answer
            text = text_of(browser.get(done.url))
            assert "la réponse concorde. Ce n’est pas une preuve d’identité." in text
            assert answer not in text

    def test_text_that_is_no_fact_is_no_try(self, browser, taken):
        for answer in ("", "hier", "31/2/1984", "0/0/0000", "0123456789", "\x00", "9" * 2_000):
            assert act(browser, "answer", taken, answer=answer).status_code == 200, answer
        assert not RequestStep.objects.exclude(kind=StepKind.TAKEN).exists()

    def test_three_wrong_answers_remove_the_form_and_are_kept_nowhere(self, browser, taken):
        for _ in range(3):
            assert "Comparer une réponse" in text_of(page(browser, taken))
            done = act(browser, "answer", taken, answer="1/3/1977")
            html = browser.get(done.url).content.decode()
            assert "Date de naissance\u00a0: la réponse ne concorde pas." in unescape(html)
            assert "1977" not in html
        assert "1977" not in str([*RequestStep.objects.values(), *JournalEntry.objects.values()])

        text = text_of(page(browser, taken))
        assert "Trois réponses fausses : ne demandez plus rien. Il faut une preuve" in text
        assert "Comparer une réponse" not in text
        refused = act(browser, "answer", taken, answer="29/2/1984")
        assert refused.status_code == 409
        assert "Trois réponses fausses" in text_of(refused)
        assert not RequestStep.objects.filter(kind=StepKind.FACT_MATCHED).exists()


class TestActing:
    def test_from_taking_to_closing(self, browser, request_):
        for name, typed, words in (
            ("take", {}, "Vous avez pris cette demande en charge."),
            ("call", {"outcome": "no-answer", "note": "Répondeur."}, "Appel noté."),
            ("note", {"note": NOTE}, "Note ajoutée."),
            ("close", {"outcome": "solved", "note": ""}, "Demande close."),
        ):
            done = act(browser, name, request_, **typed)
            assert (done.status_code, done.url) == (302, reverse("admin:request", args=[request_.reference]))
            assert words in text_of(browser.get(done.url))

        timeline = text_of(page(browser, request_)).split("Suivi", 1)[1]
        lines = [
            "Résolue",
            "Note La personne rappelle demain.",
            "Appel : sans réponse Répondeur.",
            "Prise en charge",
            "Demande reçue",
        ]
        assert sorted(lines, key=timeline.index) == lines
        assert timeline.count("L. Martin") == 4

    def test_the_second_agent_who_takes_it_reads_who_was_faster(self, request_):
        with time_machine.travel(NOON, tick=False):
            _first, fast = verified_agent(given_name="Lucie", family_name="Martin")
            _second, slow = verified_agent()
            act(fast, "take", request_)
            answer = act(slow, "take", request_)
        assert answer.status_code == 409
        assert "L. Martin a pris cette demande à 12 h 12." in text_of(answer)
        assert "Reprendre cette demande" in text_of(answer)

    def test_a_note_is_not_lost_when_a_colleague_was_faster(self, browser, taken):
        """The refusal moves it to the form that is still open to every agent; an error leads to its field."""
        colleague = an_agent(given_name="Omar", family_name="Petit")
        handling.take_over(request=taken, actor=colleague, holder=taken.taken_by_id)
        for name, outcome in (("call", "reached"), ("close", "solved")):
            answer = act(browser, name, taken, note=NOTE, outcome=outcome)
            html = answer.content.decode()
            assert answer.status_code == 409
            assert re.search(r"O. Petit a pris cette demande à \d+ h", text_of(answer))
            assert f">\n{NOTE}</textarea>" in html
            assert re.search(r"<details open>\s*<summary>Ajouter une note", html)
        assert act(browser, "note", taken, note=NOTE).status_code == 302
        assert taken.steps.get(kind=StepKind.NOTE).note == NOTE

        html = act(browser, "call", taken, note=NOTE).content.decode()
        assert f">\n{NOTE}</textarea>" in html
        assert 'href="#call_outcome_0"' in html
        assert 'id="call_outcome_0"' in html
        assert 'id="close_outcome_0"' not in html

    def test_a_colleague_s_request_is_taken_over_and_handed_back(self, browser, agent, request_):
        colleague = an_agent()
        handling.take_request(request=request_, actor=colleague)
        assert f'name="holder" value="{colleague.pk}"' in page(browser, request_).content.decode()
        for holder in ("", "x", "0", "-1", "9" * 30):
            assert act(browser, "take-over", request_, holder=holder).status_code in (200, 409), holder
            assert now(request_).taken_by == colleague

        assert act(browser, "take-over", request_, holder=str(colleague.pk)).status_code == 302
        assert now(request_).taken_by == agent
        assert act(browser, "hand-back", request_).status_code == 302
        assert now(request_).state == RequestState.NEW

    def test_a_closed_request_says_so_and_is_reopened(self, browser, agent, taken):
        handling.close_request(request=taken, actor=agent, outcome=RequestState.SOLVED)
        answer = act(browser, "call", taken, outcome="reached", note=NOTE)
        assert answer.status_code == 409
        assert "Cette demande a été close à" in text_of(answer)
        assert NOTE in answer.content.decode()
        assert act(browser, "reopen", taken).status_code == 302
        assert now(taken).state == RequestState.TAKEN
        assert act(browser, "reopen", taken).status_code == 409

    def test_invalid_forms_change_nothing(self, browser, taken):
        """ADM-06, INP-01"""
        for name, typed in (
            ("call", {"outcome": "appelé"}),
            ("call", {}),
            ("note", {"note": " "}),
            ("note", {"note": "x" * 2_001}),
            ("close", {"outcome": "new"}),
            ("close", {"outcome": "taken", "note": NOTE}),
            ("close", {"outcome": "refused", "note": "  "}),
            ("attach", {"name": "introuvable"}),
            ("attach", {"name": "a\x00b"}),
        ):
            answer = act(browser, name, taken, **typed)
            assert answer.status_code == 200, (name, typed)
            assert re.search(r"<title>\s*Erreur", answer.content.decode())
            assert (now(taken).state, taken.steps.count()) == (RequestState.TAKEN, 1)
        text = text_of(act(browser, "close", taken, outcome="refused", note="  "))
        assert "Écrivez pourquoi la demande reste sans suite" in text
        assert act(browser, "close", taken, outcome="refused", note="Faux numéro, trois essais.").status_code == 302

    def test_hostile_values_are_shown_as_text(self, browser, taken):
        """INP-01, INP-05"""
        for value in (value for value in N.values() if isinstance(value, str)):
            for name, field in (("note", "note"), ("attach", "name"), ("answer", "answer")):
                assert act(browser, name, taken, **{field: value}).status_code in (200, 302, 409), value
        html = page(browser, taken).content.decode()
        assert "<script>alert" not in html
        assert "<img src=x" not in html

    def test_forged_fields_get_requests_and_forms_from_elsewhere_change_nothing(self, browser, taken):
        """ADM-06"""
        before = AssistanceRequest.objects.values().get()
        forged = {"state": "solved", "taken_by": "1", "closed_at": "2026-01-01", "phone": "+33600000000"}
        act(browser, "note", taken, note=NOTE, account="1", **forged)
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = browser.cookies
        for name in ACTS:
            answer = browser.get(reverse(f"admin:request-{name}", args=[taken.reference]))
            assert (answer.status_code, answer.url) == (302, reverse("admin:request", args=[taken.reference]))
            assert act(strict, name, taken).status_code == 403
        assert AssistanceRequest.objects.values().get() == before
        assert taken.steps.count() == 2

    def test_buttons_that_the_agent_cannot_use_are_absent(self, browser, agent, request_):
        """ADM-05: for the reading role, and on the request of an agent unless the agent manages agents."""
        _reader, reading = verified_agent(Role.LECTURE)
        html = page(reading, request_).content.decode()
        assert "/admin/demandes/" in html
        for words in ("Prendre en charge", "Ajouter une note", "Bloquer le compte"):
            assert words not in html

        for account, words in ((agent, "votre propre compte"), (an_agent(), "le compte d’un agent")):
            request = request_from(account)
            text = text_of(page(browser, request))
            assert words in text
            assert "Prendre en charge" not in text
            for name in ("take", "note", "call"):
                assert act(browser, name, request).status_code == 403
            assert now(request).state == RequestState.NEW
        _manager, managing = verified_agent(Role.RESPONSABLES)
        assert act(managing, "take", request).status_code == 302
        text = text_of(page(managing, request))
        assert "Noter un appel" in text
        assert "Bloquer le compte" not in text


class TestAccount:
    def test_is_attached_when_its_address_was_mistyped(self, browser, owner):
        request = request_from(login="camille.durnad@univ-exemple.fr")
        html = page(browser, request).content.decode()
        assert f"{reverse('admin:accounts')}?q=camille.durnad%40univ-exemple.fr" in html
        assert "Rattacher" not in html
        act(browser, "take", request)

        assert act(browser, "attach", request, name=LOGIN).status_code == 302
        assert now(request).account == owner
        text = text_of(page(browser, request))
        assert f"Rattachée à un compte {LOGIN}" in text
        assert "Numéro connu des RH 04 67 12 34 56" in text

    def test_of_an_agent_cannot_be_attached(self, browser, taken, agent):
        """ADM-05"""
        for account in (agent, an_agent()):
            assert act(browser, "attach", taken, name=account.login).status_code == 403
        assert now(taken).account_id == taken.account_id

    def test_has_the_buttons_that_its_state_and_the_role_allow(self, browser, owner, request_):
        """ADM-05"""
        _manager, managing = verified_agent(Role.RESPONSABLES)
        labels = ("Débloquer le compte", "Renvoyer le lien", "Corriger l’adresse", "Bloquer le compte")

        def offered(browser: Client, account: Account | None = None) -> set[str]:
            if account:
                AssistanceRequest.objects.filter(pk=request_.pk).update(account=account)
            text = text_of(page(browser, request_))
            return {label for label in labels if label in text}

        assert offered(browser) == {"Bloquer le compte"}
        assert offered(managing) == {"Bloquer le compte", "Corriger l’adresse"}
        lock_account(account=owner, reason=LockReason.PHISHING)
        assert offered(browser) == {"Débloquer le compte"}
        assert offered(managing) == {"Débloquer le compte", "Corriger l’adresse"}
        assert "Compte bloqué" in text_of(page(browser, request_)).split("Suivi", 1)[1]
        assert offered(browser, pending_account()) == {"Renvoyer le lien", "Bloquer le compte"}
        closed = active_account(end_date=timezone.localdate() - timedelta(days=1))
        assert offered(managing, closed) == {"Bloquer le compte"}


class TestRequester:
    def test_learns_nothing_of_what_agents_do(self, browser, owner):
        """HLP-04: in no answer of the portal and by no mail; the history of the account does not say what matched."""
        asking = Client()
        sent = asking.post(reverse("assistance"), form_data(login=LOGIN, birth_date_month="3", birth_date_day="1"))
        before = asking.get(sent.url).content
        request = AssistanceRequest.objects.get()
        mails = list(owner.messages.values_list("pk"))

        acts: list[tuple[str, dict[str, Any]]] = [
            ("take", {}),
            ("answer", {"answer": "1/3/1977"}),
            ("answer", {"answer": "29/2/1984"}),
            ("close", {"outcome": "refused", "note": NOTE}),
        ]
        for name, typed in acts:
            act(browser, name, request, **typed)

        assert asking.get(sent.url).content == before
        assert list(owner.messages.values_list("pk")) == mails
        for path in (
            f"/assistance/{request.reference}/",
            f"/assistance/?reference={request.reference}",
            f"/admin/demandes/{request.reference}/",
        ):
            answer = asking.get(path).content.decode()
            for words in ("concorde", "Sans suite", NOTE, "Date de naissance :"):
                assert words not in answer
        text = text_of(signed_in_browser(owner).get(reverse("account-history")))
        assert "Réponse comparée à la fiche" in text
        assert "concorde" not in text
