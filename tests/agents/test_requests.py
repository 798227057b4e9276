"""The queue of requests for assistance and the page of one, as agents use them (ux A1, A2)."""

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

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
from agents.requests.filters import RequestList
from agents.roles import Role
from agents.templatetags.requests import since_when, telephone, waited
from assistance import handling
from assistance.enums import CallOutcome, RequestState, StepKind
from assistance.models import AssistanceRequest, RequestStep
from journal.events import Event
from journal.models import JournalEntry
from tests.agents.signed_in import an_agent, browser_of, inside
from tests.assistance.asking import a_request, asked
from tests.factories import active_account, pending_account
from tests.fuzz import N

pytestmark = pytest.mark.django_db

LOGIN = "camille.durand@univ-exemple.fr"
WRONG = date(1984, 3, 1)
NOTE = "La personne rappelle demain."
#: A Tuesday, 12 h 12 in Paris.
NOON = datetime(2026, 10, 6, 10, 12, tzinfo=UTC)
numbers = iter(range(10_000))


def asked_by(person: Account | None = None, **changed: Any) -> AssistanceRequest:
    """A request from a mailbox of its own."""
    number = next(numbers)
    login = person.login if person else f"personne{number}@univ-exemple.fr"
    return a_request(**{"login": login, "contact_address": f"adresse{number}@exemple.net", **changed})


def text_of(answer: HttpResponse) -> str:
    """What is read on the page."""
    words = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+", " ", unescape(words))


def queue(browser: Client, **asked_for: str) -> list[str]:
    """The references on the page, in their order."""
    answer = browser.get(reverse("admin:requests"), asked_for)
    assert answer.status_code == 200
    return re.findall(r'<th scope="row" class="nw"><a href="[^"]*">(A-\w{5})</a>', answer.content.decode())


def page(browser: Client, request: AssistanceRequest) -> HttpResponse:
    return browser.get(reverse("admin:request", args=[request.reference]))


def act(browser: Client, name: str, request: AssistanceRequest, /, **typed: str) -> HttpResponse:
    return browser.post(reverse(f"admin:request-{name}", args=[request.reference]), typed)


def links_of(html: str) -> set[str]:
    return set(re.findall(r'href="([^"]*)"', html))


def now(request: AssistanceRequest) -> AssistanceRequest:
    return AssistanceRequest.objects.get(pk=request.pk)


@pytest.fixture
def person() -> Account:
    return active_account(given_name="Camille", family_name="Durand", institutional_address=LOGIN, phone="+33467123456")


@pytest.fixture
def request_(person) -> AssistanceRequest:
    return asked_by(person)


@pytest.fixture
def working() -> tuple[Account, Client]:
    return inside(given_name="Lucie", family_name="Martin")


@pytest.fixture
def agent(working) -> Account:
    return working[0]


@pytest.fixture
def browser(working) -> Client:
    return working[1]


@pytest.fixture
def taken(request_, agent) -> AssistanceRequest:
    handling.take_request(request=request_, actor=agent)
    return now(request_)


class TestQueue:
    def test_begins_with_what_has_waited_longest_and_tells_how_much_is_late(self):
        with time_machine.travel(NOON, tick=False) as clock:
            early = asked_by(active_account())
            clock.shift(timedelta(hours=5))
            late = asked_by(active_account())
            # Four working hours after the first, at 8 h 15 the next day, nobody has called.
            clock.move_to(datetime(2026, 10, 7, 6, 30, tzinfo=UTC))
            _agent, browser = inside()

            assert queue(browser) == [early.reference, late.reference]
            text = text_of(browser.get(reverse("admin:requests")))

        assert "2 demandes à traiter, dont 1 en retard (plus de 4 h ouvrées)." in text
        assert text.count("En retard") == 1
        assert "20 h 18" in text

    def test_says_when_nothing_waits(self, browser):
        text = text_of(browser.get(reverse("admin:requests")))
        assert "Aucune demande à traiter." in text

    def test_shows_closed_ones_the_newest_first_and_only_when_asked_for(self, browser, agent):
        done = [asked_by(active_account()) for _ in range(2)]
        for one in done:
            handling.take_request(request=one, actor=agent)
            handling.close_request(request=one, actor=agent, outcome=RequestState.SOLVED)
        waiting = asked_by(active_account())

        assert queue(browser) == [waiting.reference]
        assert queue(browser, etat="solved") == [done[1].reference, done[0].reference]
        assert queue(browser, etat="all") == [waiting.reference, done[1].reference, done[0].reference]

    @pytest.mark.parametrize("state", [*RequestState.values, "mine"])
    def test_shows_one_state(self, browser, agent, state):
        made = {}
        for one in RequestState:
            made[one.value] = request = asked_by(active_account())
            if one != RequestState.NEW:
                handling.take_request(request=request, actor=an_agent())
            if one == RequestState.CALL_TRIED:
                handling.take_over(request=request, actor=agent, holder=now(request).taken_by_id)
                handling.record_call(request=request, actor=agent, outcome=CallOutcome.NO_ANSWER)
                made["mine"] = request
            if one in (RequestState.SOLVED, RequestState.REFUSED, RequestState.DUPLICATE):
                holder = now(request).taken_by
                assert holder is not None
                handling.close_request(request=request, actor=holder, outcome=one)
        assert queue(browser, etat=state) == [made[state].reference]

    def test_shows_one_profile(self, browser):
        staff, student = asked_by(), asked_by(ine="0123456789A")
        assert queue(browser, profil="student") == [student.reference]
        assert queue(browser, profil="staff") == [staff.reference]
        assert queue(browser, profil="autre") == [staff.reference, student.reference]

    @pytest.mark.parametrize("query", ["zoe lamb", "LAMBERT", "Zoé", "zlambert", "zoe.lambert@univ-exemple.fr"])
    def test_finds_by_the_names_of_the_account(self, browser, query):
        zoe = active_account(
            given_name="Zoé",
            family_name="Lambert",
            uid="zlambert",
            institutional_address="zoe.lambert@univ-exemple.fr",
        )
        request = asked_by(zoe)
        asked_by(active_account())
        assert queue(browser, q=query) == [request.reference]

    @pytest.mark.parametrize("query", ["personne.inconnue", "Personne Inconnue", "personne.inconnue@univ-exemple.fr"])
    def test_finds_by_what_was_typed_when_it_is_nobody(self, browser, query):
        request = asked_by(login="personne.inconnue@univ-exemple.fr")
        asked_by()
        assert queue(browser, q=query) == [request.reference]

    def test_finds_by_the_reference_however_it_is_said(self, browser):
        request, _other = asked_by(), asked_by()
        short = request.reference.removeprefix("A-")
        for query in (request.reference, short, f"a {short.lower()}", f"A{short}", f" {request.reference} "):
            assert queue(browser, q=query) == [request.reference]

    def test_a_row_says_who_why_and_where_to_call(self, browser, agent, person):
        request = asked_by(person, reason="recovery-lost", phone="06 12 34 56 78")
        handling.take_request(request=request, actor=agent)
        text = text_of(browser.get(reverse("admin:requests")))
        for words in (
            "Camille Durand",
            "Personnel · 06 12 34 56 78",
            "Je n’ai plus accès",
            "Prise en charge",
            "L. Martin",
        ):
            assert words in text

    @pytest.mark.parametrize("name", [name for name in N if isinstance(N[name], str)])
    def test_of_anything_answers(self, browser, name):
        """ADM-06, INP-01"""
        asked_by()
        filters = dict.fromkeys(("q", "etat", "profil", "personne", "page"), N[name])
        answer = browser.get(reverse("admin:requests"), filters)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.content.decode()

    @pytest.mark.parametrize(
        "query", ["account__password__startswith=argon2", "page=0", "page=99999999", "o=1", "etat='"]
    )
    def test_forged_filters_are_ignored(self, browser, query):
        """ADM-06"""
        request = asked_by()
        answer = browser.get(f"{reverse('admin:requests')}?{query}")
        assert answer.status_code == 200
        assert request.reference in answer.content.decode()

    def test_goes_from_page_to_page_without_counting(self, browser):
        for _ in range(30):
            asked_by()
        with CaptureQueriesContext(connection) as captured:
            first = queue(browser)
        counts = [query["sql"] for query in captured if query["sql"].startswith("SELECT COUNT(")]
        assert len(first) == 25
        assert len(queue(browser, page="2")) == 5
        # How much waits, over the index of what is open.
        assert len(counts) == 1

    def test_lists_are_as_many_for_every_state(self):
        assert {state.value for state in RequestState} < set(RequestList.values)


class TestOnePersonWhoAsksAgain:
    def test_is_one_line_with_a_way_to_the_others(self, browser, person):
        first, second, third = (asked_by(person) for _ in range(3))
        other = asked_by(active_account())

        assert queue(browser) == [first.reference, other.reference]
        html = browser.get(reverse("admin:requests")).content.decode()
        assert "et 2\u00a0autres demandes" in html
        assert f"?personne={first.reference}" in html
        assert queue(browser, personne=first.reference) == [third.reference, second.reference, first.reference]

    def test_is_known_by_the_mailbox_when_the_account_is_nobody_s(self, browser):
        first = asked_by(contact_address="une@exemple.net")
        second = asked_by(contact_address="UNE@exemple.net")
        assert queue(browser) == [first.reference]
        assert queue(browser, personne=first.reference) == [second.reference, first.reference]

    def test_hides_nobody_s_request_behind_that_of_another(self, browser):
        """One mailbox for many accounts: each account keeps its line, and says that there are others."""
        about = [active_account() for _ in range(3)]
        requests = [asked_by(one, contact_address="meme@exemple.net") for one in about]
        mistyped = asked_by(contact_address="meme@exemple.net")
        assert queue(browser) == [one.reference for one in (*requests, mistyped)]
        assert "et 3\u00a0autres demandes" in browser.get(reverse("admin:requests")).content.decode()

    def test_has_a_line_again_when_the_first_is_closed(self, browser, agent, person):
        first, second = asked_by(person), asked_by(person)
        handling.take_request(request=first, actor=agent)
        handling.close_request(request=first, actor=agent, outcome=RequestState.DUPLICATE)
        assert queue(browser) == [second.reference]
        assert "autre demande" not in browser.get(reverse("admin:requests")).content.decode()

    def test_whoever_is_looked_for_is_shown_whole(self, browser, person):
        requests = [asked_by(person) for _ in range(2)]
        assert queue(browser, q="durand") == [one.reference for one in requests]

    def test_the_page_of_one_names_the_others(self, browser, person):
        first, second = asked_by(person), asked_by(contact_address="une@exemple.net")
        third = asked_by(person, contact_address="une@exemple.net")
        html = page(browser, third).content.decode()
        for other in (first, second):
            assert reverse("admin:request", args=[other.reference]) in html


class TestPage:
    def test_each_opening_is_in_the_journal_of_the_account(self, person, request_):
        """Design §9, LOG-01"""
        agent, browser = inside(Role.LECTURE)
        for _ in range(2):
            page(browser, request_)
        entries = list(person.journal.filter(event=Event.REQUEST_OPENED))
        assert [entry.actor for entry in entries] == [agent, agent]
        assert entries[0].details == {"request": request_.pk, "reference": request_.reference}

    def test_that_is_shown_after_a_mistake_is_in_the_journal_too(self, browser, agent, person, request_):
        """Design §9: there is no way round it."""
        assert act(browser, "note", request_, note="").status_code == 200
        assert act(browser, "hand-back", request_).status_code == 409
        assert person.journal.filter(event=Event.REQUEST_OPENED, actor=agent).count() == 2

    def test_of_nobody_s_account_is_in_the_journal_of_nobody(self, agent, browser):
        request = asked_by()
        page(browser, request)
        entry = JournalEntry.objects.get(event=Event.REQUEST_OPENED)
        assert (entry.account, entry.actor, entry.details["request"]) == (None, agent, request.pk)

    @pytest.mark.parametrize("reference", ["A-22222", "a", "%00", "A-2222%C3%A9"])
    def test_that_is_not_there_is_not_found(self, browser, reference):
        assert browser.get(f"/admin/demandes/{reference}/").status_code == 404

    def test_is_found_in_small_letters_too(self, browser, request_):
        assert browser.get(f"/admin/demandes/{request_.reference.lower()}/").status_code == 200

    def test_what_was_written_is_text_and_nothing_in_it_can_be_clicked(self, browser, person):
        """HLP-08, INP-05"""
        evil = 'Voir http://evil.example <a href="http://evil.example">ici</a> <script>alert(1)</script>\n\nmerci'
        request = asked_by(person, description=evil, availability="<b>http://evil.example</b>")

        html = page(browser, request).content.decode()

        assert "evil.example" in html
        assert not any("evil" in link for link in links_of(html))
        assert "<script>alert" not in html
        assert "<b>http" not in html
        assert "&lt;script&gt;alert(1)&lt;/script&gt;<br><br>merci" in html
        assert "tel:" not in html
        assert "mailto:" not in html

    def test_tells_everything_an_agent_needs_before_calling(self, browser, person):
        with time_machine.travel(NOON, tick=False):
            request = asked_by(person, contact_address="une@exemple.net", availability="après 18 h")
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
    def test_both_numbers_are_shown_and_the_difference_is_told(self, browser, request_):
        """HLP-04"""
        text = text_of(page(browser, request_))
        assert "Numéro connu des RH 04 67 12 34 56 C’est celui à appeler." in text
        assert "Numéro donné dans la demande 06 12 34 56 78 Différent" in text

    def test_the_same_number_is_told_to_be_the_same(self, browser, person):
        text = text_of(page(browser, asked_by(person, phone="+33 4 67 12 34 56")))
        assert "04 67 12 34 56 Identique" in text
        assert "Différent" not in text

    def test_without_a_number_of_hr_a_call_back_proves_nothing(self, browser):
        """HLP-03, HLP-04"""
        text = text_of(page(browser, asked_by(active_account(phone=""))))
        assert "rappeler celui de la demande ne prouve rien" in text
        assert "C’est celui à appeler" not in text

    def test_without_an_account_neither(self, browser):
        text = text_of(page(browser, asked_by()))
        assert "rappeler ce numéro ne prouve rien" in text
        assert "Numéro connu des RH" not in text


class TestIdentity:
    @pytest.mark.parametrize(
        ("typed", "known", "said"),
        [
            (date(1984, 2, 29), date(1984, 2, 29), "concorde"),
            (WRONG, date(1984, 2, 29), "ne concorde pas"),
            (WRONG, None, "inconnu des RH"),
        ],
    )
    def test_match_or_mismatch_is_told_and_the_values_are_not(self, browser, typed, known, said):
        """HLP-04, design §9"""
        someone = active_account(birth_date=known)
        text = text_of(page(browser, asked_by(someone, birth_date=typed)))
        assert f"Date de naissance {said} Dans la demande : •••" in text
        assert "Ils ne prouvent pas l’identité." in text
        assert "1984" not in text

    def test_what_was_erased_is_not_there_to_compare(self, browser, request_):
        AssistanceRequest.objects.update(birth_date_typed=None)
        text = text_of(page(browser, request_))
        assert "non fourni" in text
        assert "Afficher" not in text

    def test_is_shown_once_to_whoever_asks_and_noted(self, agent, browser, caplog):
        """LOG-01: sensitive_read. PRV-04: in no title, address or line of the log."""
        caplog.set_level("DEBUG")
        student = active_account(category=Category.STUDENT, ine="0123456789A")
        request = asked_by(student, ine="0123456789B")
        assert "0123456789" not in page(browser, request).content.decode()

        answer = act(browser, "identity", request)
        shown = text_of(answer)

        assert "0123456789A" in shown
        assert "0123456789B" in shown
        title = re.search(r"<title>(.*?)</title>", answer.content.decode(), re.DOTALL)
        assert title
        assert "0123456789" not in f"{title[1]} {links_of(answer.content.decode())}"
        assert answer.status_code == 200, "shown in answer to the button, at no address of its own"
        assert "0123456789" not in str([vars(record) for record in caplog.records if "sql" not in vars(record)])
        assert "0123456789" not in page(browser, request).content.decode()
        entry = student.journal.get(event=Event.IDENTITY_READ)
        assert (entry.actor, entry.details["request"]) == (agent, request.pk)
        assert "0123456789" not in str(entry.details)

    def test_is_not_for_who_only_reads_nor_of_agents(self, browser, agent):
        """ADM-05"""
        _reader, reading = inside(Role.LECTURE)
        request = asked_by(active_account())
        assert "Afficher" not in text_of(page(reading, request))
        assert act(reading, "identity", request).status_code == 403
        for account in (agent, an_agent()):
            about = asked_by(account)
            assert "Afficher" not in text_of(page(browser, about))
            assert act(browser, "identity", about).status_code == 403
        assert not JournalEntry.objects.filter(event=Event.IDENTITY_READ).exists()


class TestComparingOnTheTelephone:
    @pytest.mark.parametrize(
        "answer", ["29/2/1984", "29 02 1984", "29.2.1984", "29021984", "0123456789a", " 012 345 678 9A"]
    )
    def test_a_right_answer_is_no_proof(self, browser, agent, answer):
        someone = active_account(ine="0123456789A")
        request = asked_by(someone)
        handling.take_request(request=request, actor=agent)

        done = act(browser, "answer", request, answer=answer)

        assert done.status_code == 302
        text = text_of(browser.get(done.url))
        assert "la réponse concorde. Ce n’est pas une preuve d’identité." in text
        assert answer not in text

    def test_a_wrong_one_is_told_and_kept_nowhere(self, browser, taken):
        done = act(browser, "answer", taken, answer="1/3/1977")
        html = browser.get(done.url).content.decode()
        assert "Date de naissance\u00a0: la réponse ne concorde pas." in unescape(html)
        assert "1977" not in html
        assert "1977" not in str([*RequestStep.objects.values(), *JournalEntry.objects.values()])

    @pytest.mark.parametrize("answer", ["", "hier", "31/2/1984", "0/0/0000", "0123456789", "\x00", "9" * 2_000])
    def test_what_is_no_fact_is_no_try(self, browser, taken, answer):
        assert act(browser, "answer", taken, answer=answer).status_code == 200
        assert not RequestStep.objects.exclude(kind=StepKind.TAKEN).exists()

    def test_three_wrong_ones_end_it_on_the_page_too(self, browser, taken):
        """Design §9"""
        for _ in range(3):
            assert "Comparer une réponse" in text_of(page(browser, taken))
            act(browser, "answer", taken, answer="1/3/1977")

        text = text_of(page(browser, taken))
        assert "Trois réponses fausses : ne demandez plus rien. Il faut une preuve" in text
        assert "Comparer une réponse" not in text
        refused = act(browser, "answer", taken, answer="29/2/1984")
        assert refused.status_code == 409
        assert "Trois réponses fausses" in text_of(refused)
        assert not RequestStep.objects.filter(kind=StepKind.FACT_MATCHED).exists()


class TestActing:
    def test_from_taking_to_closing(self, browser, agent, request_):
        for name, typed, said in (
            ("take", {}, "Vous avez pris cette demande en charge."),
            ("call", {"outcome": "no-answer", "note": "Répondeur."}, "Appel noté."),
            ("note", {"note": NOTE}, "Note ajoutée."),
            ("close", {"outcome": "solved", "note": ""}, "Demande close."),
        ):
            done = act(browser, name, request_, **typed)
            assert (done.status_code, done.url) == (302, reverse("admin:request", args=[request_.reference]))
            assert said in text_of(browser.get(done.url))

        story = text_of(page(browser, request_))
        story = story[story.index("Suivi") :]
        told = [
            "Résolue",
            "Note La personne rappelle demain.",
            "Appel : sans réponse Répondeur.",
            "Prise en charge",
            "Demande reçue",
        ]
        assert sorted(told, key=story.index) == told
        assert story.count("L. Martin") == 4

    def test_the_second_who_takes_it_is_told_who_was_faster(self, request_):
        """ux §11.3"""
        with time_machine.travel(NOON, tick=False):
            _first, fast = inside(given_name="Lucie", family_name="Martin")
            _second, slow = inside()
            act(fast, "take", request_)
            answer = act(slow, "take", request_)
        assert answer.status_code == 409
        assert "L. Martin a pris cette demande à 12 h 12." in text_of(answer)
        assert "Reprendre cette demande" in text_of(answer)

    @pytest.mark.parametrize(
        ("name", "typed"),
        [("call", {"outcome": "reached"}), ("close", {"outcome": "solved"})],
    )
    def test_what_was_written_meanwhile_is_not_lost(self, browser, taken, name, typed):
        colleague = an_agent(given_name="Omar", family_name="Petit")
        handling.take_over(request=taken, actor=colleague, holder=taken.taken_by_id)

        answer = act(browser, name, taken, note=NOTE, **typed)

        html = answer.content.decode()
        assert answer.status_code == 409
        assert re.search(r"O. Petit a pris cette demande à \d+ h", text_of(answer))
        assert f">\n{NOTE}</textarea>" in html
        assert "<details open><summary>Ajouter une note" in html
        assert act(browser, "note", taken, note=NOTE).status_code == 302
        assert taken.steps.get(kind=StepKind.NOTE).note == NOTE

    def test_a_mistake_in_a_form_that_a_colleague_has_overtaken_is_shown_with_the_form(self, browser, taken):
        """Nothing typed is lost, and the error leads to its field."""
        handling.take_over(request=taken, actor=an_agent(), holder=taken.taken_by_id)
        html = act(browser, "call", taken, note=NOTE).content.decode()
        assert f">\n{NOTE}</textarea>" in html
        assert 'href="#call_outcome_0"' in html
        assert 'id="call_outcome_0"' in html
        assert 'id="close_outcome_0"' not in html

    def test_a_colleague_s_request_is_taken_over_and_handed_back(self, browser, agent, request_):
        colleague = an_agent()
        handling.take_request(request=request_, actor=colleague)
        assert f'name="holder" value="{colleague.pk}"' in page(browser, request_).content.decode()

        assert act(browser, "take-over", request_, holder=str(colleague.pk)).status_code == 302
        assert now(request_).taken_by == agent
        assert act(browser, "hand-back", request_).status_code == 302
        assert now(request_).state == RequestState.NEW

    @pytest.mark.parametrize("holder", ["", "x", "0", "-1", "9" * 30])
    def test_taken_over_from_nobody_in_particular_is_not_taken_over(self, browser, request_, holder):
        colleague = an_agent()
        handling.take_request(request=request_, actor=colleague)
        assert act(browser, "take-over", request_, holder=holder).status_code in (200, 409)
        assert now(request_).taken_by == colleague

    def test_a_closed_request_says_so_and_is_reopened(self, browser, agent, taken):
        handling.close_request(request=taken, actor=agent, outcome=RequestState.SOLVED)
        answer = act(browser, "call", taken, outcome="reached", note=NOTE)
        assert answer.status_code == 409
        assert "Cette demande a été close à" in text_of(answer)
        assert NOTE in answer.content.decode()
        assert act(browser, "reopen", taken).status_code == 302
        assert now(taken).state == RequestState.TAKEN
        assert act(browser, "reopen", taken).status_code == 409

    def test_without_help_there_is_a_reason(self, browser, taken):
        answer = act(browser, "close", taken, outcome="refused", note="  ")
        assert answer.status_code == 200
        assert "Écrivez pourquoi la demande reste sans suite" in text_of(answer)
        assert now(taken).is_open
        assert act(browser, "close", taken, outcome="refused", note="Faux numéro, trois essais.").status_code == 302

    @pytest.mark.parametrize(
        ("name", "typed"),
        [
            ("call", {"outcome": "appelé"}),
            ("call", {}),
            ("note", {"note": " "}),
            ("note", {"note": "x" * 2_001}),
            ("close", {"outcome": "new"}),
            ("close", {"outcome": "taken", "note": NOTE}),
            ("attach", {"name": "introuvable"}),
            ("attach", {"name": "a\x00b"}),
        ],
    )
    def test_what_cannot_be_changes_nothing(self, browser, taken, name, typed):
        """ADM-06, INP-01"""
        answer = act(browser, name, taken, **typed)
        assert answer.status_code == 200
        assert "<title>Erreur" in answer.content.decode()
        assert (now(taken).state, taken.steps.count()) == (RequestState.TAKEN, 1)

    @pytest.mark.parametrize("name", [name for name in N if isinstance(N[name], str)])
    def test_whatever_an_agent_writes_is_text(self, browser, taken, name):
        """INP-01, INP-05"""
        for form, typed in (
            ("note", {"note": N[name]}),
            ("attach", {"name": N[name]}),
            ("answer", {"answer": N[name]}),
        ):
            assert act(browser, form, taken, **typed).status_code in (200, 302)
        html = page(browser, taken).content.decode()
        assert "<script>alert" not in html
        assert "<img src=x" not in html

    def test_hidden_fields_change_nothing(self, browser, taken):
        """ADM-06"""
        forged = {
            "state": "solved",
            "taken_by": "1",
            "closed_at": "2026-01-01",
            "phone": "+33600000000",
            "account": "1",
        }
        act(browser, "note", taken, note=NOTE, **forged)
        assert list(AssistanceRequest.objects.values()) == [
            {**AssistanceRequest.objects.values().get(pk=taken.pk), "state": "taken", "phone": taken.phone}
        ]
        assert now(taken).taken_by_id == taken.taken_by_id

    @pytest.mark.parametrize(
        "name", ["identity", "take", "take-over", "hand-back", "call", "note", "answer", "attach", "close", "reopen"]
    )
    def test_opening_the_address_of_a_button_does_nothing(self, browser, request_, name):
        """ADM-06: GET acts on nothing; a form from elsewhere is refused."""
        answer = browser.get(reverse(f"admin:request-{name}", args=[request_.reference]))
        assert (answer.status_code, answer.url) == (302, reverse("admin:request", args=[request_.reference]))
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = browser.cookies
        assert act(strict, name, request_).status_code == 403
        assert (now(request_).state, request_.steps.count()) == (RequestState.NEW, 0)

    def test_who_only_reads_sees_no_button(self, request_):
        """ADM-05: absent, not greyed."""
        _reader, reading = inside(Role.LECTURE)
        html = page(reading, request_).content.decode()
        assert "/admin/demandes/" in html
        assert "Prendre en charge" not in html
        assert "Ajouter une note" not in html
        assert "Bloquer le compte" not in html

    def test_one_s_own_request_is_for_a_colleague(self, browser, agent):
        """ADM-05"""
        own = asked_by(agent)
        text = text_of(page(browser, own))
        assert "votre propre compte" in text
        assert "Prendre en charge" not in text
        for name in ("take", "note", "call"):
            assert act(browser, name, own).status_code == 403
        assert now(own).state == RequestState.NEW

    def test_a_colleague_s_request_is_for_who_manages_agents(self, browser):
        """ADM-05"""
        theirs = asked_by(an_agent())
        assert "le compte d’un agent" in text_of(page(browser, theirs))
        assert act(browser, "take", theirs).status_code == 403
        _responsible, above = inside(Role.RESPONSABLES)
        assert act(above, "take", theirs).status_code == 302
        text = text_of(page(above, theirs))
        assert "Noter un appel" in text
        assert "Bloquer le compte" not in text


class TestTheAccount:
    def test_is_found_again_when_its_address_was_mistyped(self, browser, agent, person):
        request = asked_by(login="camille.durnad@univ-exemple.fr")
        html = page(browser, request).content.decode()
        assert f"{reverse('admin:accounts')}?q=camille.durnad%40univ-exemple.fr" in html
        assert "Rattacher" not in html
        act(browser, "take", request)

        assert act(browser, "attach", request, name=LOGIN).status_code == 302

        assert now(request).account == person
        text = text_of(page(browser, request))
        assert f"Rattachée à un compte {LOGIN}" in text
        assert "Numéro connu des RH 04 67 12 34 56" in text

    def test_of_an_agent_is_attached_by_nobody(self, browser, taken, agent):
        """ADM-05"""
        for account in (agent, an_agent()):
            assert act(browser, "attach", taken, name=account.login).status_code == 403
        assert now(taken).account_id == taken.account_id

    def test_leads_to_what_its_state_and_the_role_allow(self, person, request_):
        """ADM-05: the buttons that somebody cannot use are absent."""
        _agent, assisting = inside()
        _other, responsible = inside(Role.RESPONSABLES)

        def offered(browser: Client) -> set[str]:
            text = text_of(page(browser, request_))
            words = ("Débloquer le compte", "Renvoyer le lien", "Corriger l’adresse", "Bloquer le compte")
            return {one for one in words if one in text}

        assert offered(assisting) == {"Bloquer le compte"}
        assert offered(responsible) == {"Bloquer le compte", "Corriger l’adresse"}
        lock_account(account=person, reason=LockReason.PHISHING)
        assert offered(assisting) == {"Débloquer le compte"}
        assert offered(responsible) == {"Débloquer le compte", "Corriger l’adresse"}
        AssistanceRequest.objects.filter(pk=request_.pk).update(account=pending_account())
        assert offered(assisting) == {"Renvoyer le lien", "Bloquer le compte"}
        gone = active_account(end_date=timezone.localdate() - timedelta(days=1))
        AssistanceRequest.objects.filter(pk=request_.pk).update(account=gone)
        assert offered(responsible) == {"Bloquer le compte"}

    def test_its_lock_and_release_are_among_the_steps(self, browser, person, request_):
        lock_account(account=person, reason=LockReason.PHISHING)
        story = text_of(page(browser, request_))
        assert "Compte bloqué" in story[story.index("Suivi") :]


class TestTheRequester:
    def test_learns_nothing_of_what_agents_do(self, browser, person):
        """HLP-04: in no answer of the portal and by no mail."""
        asking = Client()
        sent = asking.post(reverse("assistance"), asked(login=LOGIN, birth_date_month="3", birth_date_day="1"))
        before = asking.get(sent.url).content
        request = AssistanceRequest.objects.get()
        mails = list(person.messages.values_list("pk"))

        act(browser, "take", request)
        act(browser, "answer", request, answer="1/3/1977")
        act(browser, "answer", request, answer="29/2/1984")
        act(browser, "close", request, outcome="refused", note=NOTE)

        assert asking.get(sent.url).content == before
        assert list(person.messages.values_list("pk")) == mails
        for path in (
            f"/assistance/{request.reference}/",
            f"/assistance/?reference={request.reference}",
            f"/admin/demandes/{request.reference}/",
        ):
            answer = asking.get(path)
            for word in ("concorde", "Sans suite", NOTE, "Date de naissance :"):
                assert word not in answer.content.decode()

    def test_who_owns_the_account_reads_that_something_was_compared_and_not_what_came_of_it(
        self, browser, taken, person
    ):
        """HLP-04: the history is the owner's, and the owner may be who asked."""
        act(browser, "answer", taken, answer="1/3/1977")
        text = text_of(browser_of(person).get(reverse("account-history")))
        assert "Réponse comparée à la fiche" in text
        assert "concorde" not in text


class TestWhatWaits:
    def test_is_counted_on_the_first_page(self, browser):
        with time_machine.travel(timezone.now() - timedelta(days=10)):
            asked_by()
        asked_by()
        waiting = pending_requests()
        assert (waiting.number, waiting.late) == (2, 1)
        html = browser.get(reverse("admin:index")).content.decode()
        assert "1 en retard" in html
        assert f'href="{reverse("admin:requests")}"' in html


class TestWords:
    @pytest.mark.parametrize(
        ("ago", "said"),
        [
            (timedelta(minutes=-5), "0 h 00"),
            (timedelta(minutes=25), "0 h 25"),
            (timedelta(hours=5, minutes=12), "5 h 12"),
            (timedelta(days=1, hours=4), "1 j 4 h"),
            (timedelta(days=3, hours=20), "3 j"),
        ],
    )
    def test_of_a_wait(self, ago, said):
        with time_machine.travel(NOON, tick=False):
            assert waited(NOON - ago).replace("\u00a0", " ") == said

    def test_of_a_moment(self):
        with time_machine.travel(NOON, tick=False):
            assert since_when(NOON) == "à 12\u00a0h\u00a012"
            assert since_when(NOON - timedelta(days=1)) == "le 5\u00a0octobre 2026 à 12\u00a0h\u00a012"

    @pytest.mark.parametrize(
        ("number", "said"), [("+33612345678", "06 12 34 56 78"), ("+34612345678", "+34612345678"), ("", "")]
    )
    def test_of_a_telephone(self, number, said):
        assert telephone(number).replace("\u00a0", " ") == said
