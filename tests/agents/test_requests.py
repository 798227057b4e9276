"""Requests for assistance on the agents' pages: the queue, the page of a request, and what agents do on it."""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import count

import pytest
import time_machine
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from agents.dashboard import pending_requests
from agents.roles import Role
from agents.templatetags.requests import since_when, telephone, waited
from assistance import handling
from assistance.enums import CallOutcome, RequestState, StepKind
from assistance.models import AssistanceRequest, RequestStep
from journal.events import Event
from journal.models import JournalEntry
from tests.agents.screens import visible_text
from tests.agents.signed_in import an_agent, signed_in_browser, verified_agent
from tests.assistance.asking import assistance_request, form_data
from tests.factories import active_account, pending_account

pytestmark = pytest.mark.django_db

#: A Tuesday, 12 h 12 in Paris.
NOON = datetime(2026, 10, 6, 10, 12, tzinfo=UTC)
LOGIN = "camille.durand@univ-exemple.fr"
BORN, WRONG = date(1984, 2, 29), date(1984, 3, 1)
NOTE = "La personne rappelle demain."
LIST = "/admin/demandes/"
numbers = count()


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


def request_from(owner: Account | None = None, **changed: object) -> AssistanceRequest:
    """A request from a mailbox of its own."""
    number = next(numbers)
    login = owner.login if owner else f"personne{number}@univ-exemple.fr"
    return assistance_request(**{"login": login, "contact_address": f"adresse{number}@exemple.net", **changed})


def now(request: AssistanceRequest) -> AssistanceRequest:
    return AssistanceRequest.objects.get(pk=request.pk)


def page(browser: Client, request: AssistanceRequest) -> HttpResponse:
    return browser.get(reverse("admin:request", args=[request.reference]))


def text(browser: Client, request: AssistanceRequest) -> str:
    return visible_text(page(browser, request))


def act(browser: Client, name: str, request: AssistanceRequest, /, **typed: str) -> HttpResponse:
    return browser.post(reverse(f"admin:request-{name}", args=[request.reference]), typed)


def listed(browser: Client, **query: str) -> list[str]:
    """The references on the page, in their order."""
    html = browser.get(LIST, query).content.decode()
    return re.findall(r'<th scope="row" class="nowrap">\s*<a href="[^"]*">(A-\w{5})</a>', html)


class TestQueue:
    def test_begins_with_the_oldest_and_says_who_why_and_how_many_are_late(self, owner):
        with time_machine.travel(NOON, tick=False) as clock:
            early = request_from(owner, reason="recovery-lost", phone="06 12 34 56 78")
            clock.shift(timedelta(hours=5))
            late = request_from(active_account())
            # Four working hours after the first, at 8 h 15 the next day, it has had no call.
            clock.move_to(datetime(2026, 10, 7, 6, 30, tzinfo=UTC))
            agent, browser = verified_agent(given_name="Lea", family_name="Martin")
            handling.take_request(request=early, actor=agent)
            assert listed(browser) == [early.reference, late.reference]
            shown = visible_text(browser.get(LIST))
            assert (pending_requests().number, pending_requests().late) == (2, 1)
            assert "1 en retard" in visible_text(browser.get(reverse("admin:index")))
        assert shown.count("En retard") == 1
        for words in (
            "2 demandes à traiter, dont 1 en retard (plus de 4 h ouvrées).",
            "20 h 18",
            "Camille Durand",
            "Personnel · 06 12 34 56 78",
            "Je n’ai plus accès",
            "Prise en charge",
            "L. Martin",
        ):
            assert words in shown

    def test_lists_one_state_the_agents_own_or_all(self, browser, agent):
        assert "Aucune demande à traiter." in visible_text(browser.get(LIST))
        made = {}
        for state in RequestState:
            made[state.value] = request = request_from(active_account())
            if state != RequestState.NEW:
                handling.take_request(request=request, actor=an_agent())
            request.refresh_from_db()
            if state == RequestState.CALL_TRIED:
                handling.take_over(request=request, actor=agent, holder=request.taken_by_id)
                handling.record_call(request=request, actor=agent, outcome=CallOutcome.NO_ANSWER)
                made["mine"] = request
            if state in (RequestState.SOLVED, RequestState.REFUSED, RequestState.DUPLICATE):
                handling.close_request(request=request, actor=request.taken_by, outcome=state)
        assert {state: listed(browser, etat=state) for state in made} == {
            state: [request.reference] for state, request in made.items()
        }
        assert listed(browser, etat="all") == [made[state.value].reference for state in RequestState][::-1]

    def test_finds_by_profile_account_typed_address_and_reference(self, browser):
        names = {"given_name": "Zoé", "family_name": "Lambert", "uid": "zlambert"}
        zoe = active_account(institutional_address="zoe.lambert@univ-exemple.fr", **names)
        known = request_from(zoe)
        unknown = request_from(login="personne.inconnue@univ-exemple.fr", ine="0123456789A")
        short = known.reference.removeprefix("A-")
        for request, queries in (
            (known, ("zoe lamb", "LAMBERT", "Zoé", "zlambert", "zoe.lambert@univ-exemple.fr")),
            (unknown, ("personne.inconnue", "Personne Inconnue", "personne.inconnue@univ-exemple.fr")),
            (known, (known.reference, short, f"a {short.lower()}", f"A{short}", f" {known.reference} ")),
        ):
            for query in queries:
                assert listed(browser, q=query) == [request.reference], query
        assert (listed(browser, profil="staff"), listed(browser, profil="student")) == (
            [known.reference],
            [unknown.reference],
        )
        for ignored in ({"profil": "autre"}, {"page": "0"}, {"page": "99999999"}, {"etat": "'"}):
            assert known.reference in visible_text(browser.get(LIST, ignored)), ignored

    def test_pages_are_not_counted(self, browser):
        for _ in range(30):
            request_from()
        with CaptureQueriesContext(connection) as captured:
            assert len(listed(browser)) == 25
        # The number of open requests, over their index.
        assert len([query for query in captured if query["sql"].startswith("SELECT COUNT(")]) == 1
        assert len(listed(browser, page="2")) == 5

    def test_several_requests_of_one_person_are_one_line(self, browser, agent, owner):
        first, second, third = (request_from(owner) for _ in range(3))
        other = request_from(active_account(family_name="Autre"))
        assert listed(browser) == [first.reference, other.reference]
        html = browser.get(LIST).content.decode()
        assert "et 2\u00a0autres demandes" in html
        assert f"?personne={first.reference}" in html
        assert listed(browser, personne=first.reference) == [third.reference, second.reference, first.reference]
        assert listed(browser, q="durand") == [first.reference, second.reference, third.reference]
        handling.take_request(request=first, actor=agent)
        handling.close_request(request=first, actor=agent, outcome=RequestState.DUPLICATE)
        assert listed(browser) == [second.reference, other.reference]

    def test_one_mailbox_joins_requests_without_an_account_only(self, browser):
        """An attacker could hide a request behind another by naming the same mailbox."""
        first, second = (request_from(contact_address=address) for address in ("une@exemple.net", "UNE@exemple.net"))
        assert listed(browser) == [first.reference]
        assert listed(browser, personne=first.reference) == [second.reference, first.reference]
        about_accounts = [request_from(active_account(), contact_address="une@exemple.net") for _ in range(3)]
        assert listed(browser) == [one.reference for one in (first, *about_accounts)]
        html = page(browser, second).content.decode()
        for other in (first, *about_accounts):
            assert reverse("admin:request", args=[other.reference]) in html


def test_durations_moments_and_numbers_are_formatted():
    durations = {
        timedelta(minutes=-5): "0 h 00",
        timedelta(minutes=25): "0 h 25",
        timedelta(hours=5, minutes=12): "5 h 12",
        timedelta(days=1, hours=4): "1 j 4 h",
        timedelta(days=3, hours=20): "3 j",
    }
    with time_machine.travel(NOON, tick=False):
        assert {ago: waited(NOON - ago).replace("\u00a0", " ") for ago in durations} == durations
        assert since_when(NOON) == "à 12\u00a0h\u00a012"
        assert since_when(NOON - timedelta(days=1)) == "le 5\u00a0octobre 2026 à 12\u00a0h\u00a012"
    phones = {"+33612345678": "06 12 34 56 78", "+34612345678": "+34612345678", "": ""}
    assert {number: telephone(number).replace("\u00a0", " ") for number in phones} == phones


class TestPage:
    def test_each_opening_is_in_the_journal(self, agent, browser, owner, request_):
        """LOG-01: after an error and a refusal too; without an account when there is none."""
        assert browser.get(f"{LIST}{request_.reference.lower()}/").status_code == 200
        assert act(browser, "note", request_, note="").status_code == 200
        assert act(browser, "hand-back", request_).status_code == 409
        entries = list(owner.journal.filter(event=Event.REQUEST_OPENED))
        assert [entry.actor for entry in entries] == [agent] * 3
        assert entries[0].details == {"request": request_.pk, "reference": request_.reference}
        unknown = request_from()
        page(browser, unknown)
        entry = JournalEntry.objects.get(event=Event.REQUEST_OPENED, account=None)
        assert (entry.actor, entry.details["request"]) == (agent, unknown.pk)
        assert browser.get(f"{LIST}A-22222/").status_code == 404

    def test_shows_what_an_agent_needs_before_calling_and_no_link_of_a_visitor(self, browser, owner):
        """HLP-08, INP-05"""
        evil = 'Voir http://evil.example <a href="http://evil.example">ici</a>\n\nmerci'
        with time_machine.travel(NOON, tick=False):
            request = request_from(
                owner, description=evil, availability="après 18 h", contact_address="une@exemple.net"
            )
        html = page(browser, request).content.decode()
        assert "&lt;/a&gt;<br><br>merci" in html
        assert not re.search(r'href="[^"]*evil|mailto:|tel:', html)
        for words in ("une@exemple.net", "après 18 h", "appel promis avant le 6 octobre 2026 à 16 h 15", "Actif"):
            assert words in text(browser, request)

    def test_the_number_known_by_hr_is_the_one_to_call(self, browser, owner, request_):
        """HLP-03, HLP-04: calling the number of the request proves nothing."""
        for request, words, absent in (
            (request_, "Numéro connu des RH 04 67 12 34 56 C’est celui à appeler.", "Identique"),
            (request_, "Numéro donné dans la demande 06 12 34 56 78 Différent", "Identique"),
            (request_from(owner, phone="+33 4 67 12 34 56"), "04 67 12 34 56 Identique", "Différent"),
            (request_from(active_account(phone="")), "rappeler celui de la demande ne prouve rien", "celui à appeler"),
            (request_from(), "rappeler ce numéro ne prouve rien", "Numéro connu des RH"),
        ):
            assert words in text(browser, request)
            assert absent not in text(browser, request)

    def test_has_only_the_buttons_that_role_and_state_allow(self, browser, agent, owner, request_):
        """ADM-05"""
        _reader, reading = verified_agent(Role.LECTURE)
        for words in ("Prendre en charge", "Ajouter une note", "Bloquer le compte"):
            assert words not in text(reading, request_)
        _manager, managing = verified_agent(Role.RESPONSABLES)
        for account, words in ((agent, "votre propre compte"), (an_agent(), "le compte d’un agent")):
            about_agent = request_from(account)
            assert words in text(browser, about_agent)
            assert "Prendre en charge" not in text(browser, about_agent)
            assert act(browser, "take", about_agent).status_code == 403
        assert act(managing, "take", about_agent).status_code == 302
        assert "Bloquer le compte" not in text(managing, about_agent)

        labels = ("Débloquer le compte", "Renvoyer le lien", "Corriger l’adresse", "Bloquer le compte")

        def offered(browser: Client, account: Account = owner) -> set[str]:
            AssistanceRequest.objects.filter(pk=request_.pk).update(account=account)
            shown = text(browser, request_)
            return {label for label in labels if label in shown}

        assert offered(browser) == {"Bloquer le compte"}
        assert offered(managing) == {"Bloquer le compte", "Corriger l’adresse"}
        lock_account(account=owner, reason=LockReason.PHISHING)
        assert offered(browser) == {"Débloquer le compte"}
        assert offered(managing) == {"Débloquer le compte", "Corriger l’adresse"}
        assert offered(browser, pending_account()) == {"Renvoyer le lien", "Bloquer le compte"}
        closed = active_account(end_date=timezone.localdate() - timedelta(days=1))
        assert offered(managing, closed) == {"Bloquer le compte"}


class TestIdentity:
    """HLP-04, PRV-04"""

    def test_match_or_mismatch_is_shown_and_the_values_are_not(self, browser):
        for typed, known, words in (
            (BORN, BORN, "concorde"),
            (WRONG, BORN, "ne concorde pas"),
            (WRONG, None, "inconnu des RH"),
        ):
            shown = text(browser, request_from(active_account(birth_date=known), birth_date=typed))
            assert f"Date de naissance {words} Dans la demande : •••" in shown
            assert "1984" not in shown
        AssistanceRequest.objects.update(birth_date_typed=None)
        shown = text(browser, AssistanceRequest.objects.latest("pk"))
        assert "non fourni" in shown
        assert "Afficher" not in shown

    def test_values_are_shown_once_on_request_and_recorded(self, agent, browser, caplog):
        """LOG-01: sensitive_read; in no title, address or line of the log."""
        caplog.set_level("DEBUG")
        student = active_account(category=Category.STUDENT, ine="0123456789A")
        request = request_from(student, ine="0123456789B")
        assert "0123456789" not in page(browser, request).content.decode()
        answer = act(browser, "identity", request)
        html = answer.content.decode()
        assert answer.status_code == 200, "shown in answer to the button, at no address of its own"
        assert "0123456789A" in html
        assert "0123456789B" in html
        assert not re.search(r'<title>[^<]*0123456789|href="[^"]*0123456789', html)
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
            assert "Afficher" not in text(client, request)
            assert act(client, "identity", request).status_code == 403
        assert not JournalEntry.objects.filter(event=Event.IDENTITY_READ).exists()

    def test_a_right_answer_on_the_telephone_is_no_proof(self, browser, agent):
        request = request_from(active_account(ine="0123456789A"))
        handling.take_request(request=request, actor=agent)
        for answer in ("", "hier", "31/2/1984", "0/0/0000", "0123456789", "\x00", "9" * 2_000):
            assert act(browser, "answer", request, answer=answer).status_code == 200, answer
        assert not RequestStep.objects.exclude(kind=StepKind.TAKEN).exists()
        for answer in ("29/2/1984", "29 02 1984", "29.2.1984", "29021984", "0123456789a", " 012 345 678 9A"):
            shown = visible_text(browser.get(act(browser, "answer", request, answer=answer).url))
            assert "la réponse concorde. Ce n’est pas une preuve d’identité." in shown
            assert answer not in shown

    def test_three_wrong_answers_remove_the_form_and_are_kept_nowhere(self, browser, taken):
        for _ in range(3):
            assert "Comparer une réponse" in text(browser, taken)
            shown = visible_text(browser.get(act(browser, "answer", taken, answer="1/3/1977").url))
            assert "Date de naissance : la réponse ne concorde pas." in shown
            assert "1977" not in shown
        assert "1977" not in str([*RequestStep.objects.values(), *JournalEntry.objects.values()])
        assert "Trois réponses fausses : ne demandez plus rien. Il faut une preuve" in text(browser, taken)
        assert "Comparer une réponse" not in text(browser, taken)
        refused = act(browser, "answer", taken, answer="29/2/1984")
        assert refused.status_code == 409
        assert "Trois réponses fausses" in visible_text(refused)


class TestActions:
    def test_from_taking_to_closing_and_reopening(self, browser, request_):
        for name, typed, words in (
            ("take", {}, "Vous avez pris cette demande en charge."),
            ("call", {"outcome": "no-answer", "note": "Répondeur."}, "Appel noté."),
            ("note", {"note": NOTE}, "Note ajoutée."),
            ("close", {"outcome": "solved", "note": ""}, "Demande close."),
        ):
            done = act(browser, name, request_, **typed)
            assert (done.status_code, done.url) == (302, reverse("admin:request", args=[request_.reference]))
            assert words in visible_text(browser.get(done.url))
        timeline = text(browser, request_).split("Suivi", 1)[1]
        lines = [
            "Résolue",
            "Note La personne rappelle demain.",
            "Appel : sans réponse Répondeur.",
            "Prise en charge",
            "Demande reçue",
        ]
        assert sorted(lines, key=timeline.index) == lines
        assert timeline.count("L. Martin") == 4
        late = act(browser, "call", request_, outcome="reached", note="Trop tard.")
        assert late.status_code == 409
        assert "Cette demande a été close à" in visible_text(late)
        assert "Trop tard." in late.content.decode()
        assert [act(browser, "reopen", request_).status_code for _ in range(2)] == [302, 409]

    def test_an_agent_who_is_too_late_reads_who_was_faster_and_keeps_the_note(self, browser, request_):
        """The refusal moves the note to the form that is still open to every agent."""
        with time_machine.travel(NOON, tick=False):
            colleague, fast = verified_agent(given_name="Omar", family_name="Petit")
            _slow, slow = verified_agent()
            act(fast, "take", request_)
            answer = act(slow, "take", request_)
        assert answer.status_code == 409
        assert "O. Petit a pris cette demande à 12 h 12." in visible_text(answer)
        assert "Reprendre cette demande" in visible_text(answer)
        for name, outcome in (("call", "reached"), ("close", "solved")):
            answer = act(browser, name, request_, note=NOTE, outcome=outcome)
            assert answer.status_code == 409
            assert f">\n{NOTE}</textarea>" in answer.content.decode()
            assert re.search(r"<details open>\s*<summary>Ajouter une note", answer.content.decode())
        assert act(browser, "note", request_, note=NOTE).status_code == 302
        assert now(request_).taken_by == colleague

    def test_a_colleagues_request_is_taken_over_and_handed_back(self, browser, agent, request_):
        colleague = an_agent()
        handling.take_request(request=request_, actor=colleague)
        assert f'name="holder" value="{colleague.pk}"' in page(browser, request_).content.decode()
        for holder in ("", "x", "0", "9" * 30):
            assert act(browser, "take-over", request_, holder=holder).status_code in (200, 409), holder
        assert now(request_).taken_by == colleague
        assert act(browser, "take-over", request_, holder=str(colleague.pk)).status_code == 302
        assert now(request_).taken_by == agent
        assert act(browser, "hand-back", request_).status_code == 302
        assert now(request_).state == RequestState.NEW

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
        ):
            answer = act(browser, name, taken, **typed)
            assert answer.status_code == 200, (name, typed)
            assert (now(taken).state, taken.steps.count()) == (RequestState.TAKEN, 1)
        html = act(browser, "call", taken, note=NOTE).content.decode()
        for words in (f">\n{NOTE}</textarea>", 'href="#call_outcome_0"', 'id="call_outcome_0"'):
            assert words in html
        refused = act(browser, "close", taken, outcome="refused", note="  ")
        assert "Écrivez pourquoi la demande reste sans suite" in visible_text(refused)

    def test_an_account_is_attached_when_its_address_was_mistyped(self, browser, owner):
        request = request_from(login="camille.durnad@univ-exemple.fr")
        html = page(browser, request).content.decode()
        assert f"{reverse('admin:accounts')}?q=camille.durnad%40univ-exemple.fr" in html
        assert "Rattacher" not in html
        act(browser, "take", request)
        assert act(browser, "attach", request, name=an_agent().login).status_code == 403
        assert act(browser, "attach", request, name=LOGIN).status_code == 302
        assert now(request).account == owner
        assert f"Rattachée à un compte {LOGIN}" in text(browser, request)


def test_the_requester_learns_nothing_of_what_agents_do(browser, owner):
    """HLP-04: in no answer of the portal and by no mail; the history of the account does not say what matched."""
    client = Client()
    sent = client.post(reverse("assistance"), form_data(login=LOGIN, birth_date_month="3", birth_date_day="1"))
    before = client.get(sent.url).content
    request = AssistanceRequest.objects.get()
    mails = list(owner.messages.values_list("pk"))
    act(browser, "take", request)
    for answer in ("1/3/1977", "29/2/1984"):
        act(browser, "answer", request, answer=answer)
    act(browser, "close", request, outcome="refused", note=NOTE)
    assert client.get(sent.url).content == before
    assert list(owner.messages.values_list("pk")) == mails
    for path in (f"/assistance/{request.reference}/", f"/assistance/?reference={request.reference}"):
        answer = client.get(path).content.decode()
        assert not [words for words in ("concorde", "Sans suite", NOTE, "Date de naissance :") if words in answer]
    history = visible_text(signed_in_browser(owner).get(reverse("account-history")))
    assert "Réponse comparée à la fiche" in history
    assert "concorde" not in history
