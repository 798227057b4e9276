"""The queue of requests for assistance: its order, its filters, its search, one line a person."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import time_machine
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from agents.dashboard import pending_requests
from agents.requests.filters import RequestList
from agents.templatetags.requests import since_when, telephone, waited
from assistance import handling
from assistance.enums import CallOutcome, RequestState
from assistance.models import AssistanceRequest
from tests.agents.signed_in import an_agent, verified_agent
from tests.assistance.asking import assistance_request
from tests.factories import active_account
from tests.fuzz import N

pytestmark = pytest.mark.django_db

#: A Tuesday, 12 h 12 in Paris.
NOON = datetime(2026, 10, 6, 10, 12, tzinfo=UTC)
numbers = iter(range(10_000))


def request_from(owner: Account | None = None, **changed: str) -> AssistanceRequest:
    """A request from a mailbox of its own."""
    number = next(numbers)
    login = owner.login if owner else f"personne{number}@univ-exemple.fr"
    return assistance_request(**{"login": login, "contact_address": f"adresse{number}@exemple.net", **changed})


def text_of(answer: HttpResponse) -> str:
    """The words of the page."""
    words = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+", " ", unescape(words))


def references(browser: Client, **query: str) -> list[str]:
    """The references on the page, in their order."""
    answer = browser.get(reverse("admin:requests"), query)
    assert answer.status_code == 200
    return re.findall(r'<th scope="row" class="nowrap">\s*<a href="[^"]*">(A-\w{5})</a>', answer.content.decode())


class TestQueue:
    def test_begins_with_the_oldest_and_says_how_many_are_late(self):
        with time_machine.travel(NOON, tick=False) as clock:
            early = request_from(active_account())
            clock.shift(timedelta(hours=5))
            late = request_from(active_account())
            # Four working hours after the first, at 8 h 15 the next day, it has had no call.
            clock.move_to(datetime(2026, 10, 7, 6, 30, tzinfo=UTC))
            _agent, browser = verified_agent()

            assert references(browser) == [early.reference, late.reference]
            text = text_of(browser.get(reverse("admin:requests")))

        assert "2 demandes à traiter, dont 1 en retard (plus de 4 h ouvrées)." in text
        assert text.count("En retard") == 1
        assert "20 h 18" in text

    def test_says_when_it_is_empty(self, browser):
        assert "Aucune demande à traiter." in text_of(browser.get(reverse("admin:requests")))

    def test_lists_one_state_the_agent_s_own_or_all(self, browser, agent):
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
        assert {state: references(browser, etat=state) for state in made} == {
            state: [request.reference] for state, request in made.items()
        }
        newest_first = [made[state.value].reference for state in RequestState][::-1]
        assert references(browser, etat="all") == newest_first
        assert {*made} < {*RequestList.values}

    def test_lists_one_profile(self, browser):
        staff, student = request_from(), request_from(ine="0123456789A")
        assert references(browser, profil="student") == [student.reference]
        assert references(browser, profil="staff") == [staff.reference]
        assert references(browser, profil="autre") == [staff.reference, student.reference]

    def test_finds_by_account_by_typed_address_and_by_reference(self, browser):
        zoe = active_account(
            given_name="Zoé",
            family_name="Lambert",
            uid="zlambert",
            institutional_address="zoe.lambert@univ-exemple.fr",
        )
        known, unknown = request_from(zoe), request_from(login="personne.inconnue@univ-exemple.fr")
        request_from(active_account())
        short = known.reference.removeprefix("A-")
        for request, queries in (
            (known, ("zoe lamb", "LAMBERT", "Zoé", "zlambert", "zoe.lambert@univ-exemple.fr")),
            (unknown, ("personne.inconnue", "Personne Inconnue", "personne.inconnue@univ-exemple.fr")),
            (known, (known.reference, short, f"a {short.lower()}", f"A{short}", f" {known.reference} ")),
        ):
            for query in queries:
                assert references(browser, q=query) == [request.reference], query

    def test_a_row_says_who_why_and_which_number_to_call(self, browser, agent):
        owner = active_account(given_name="Camille", family_name="Durand")
        request = request_from(owner, reason="recovery-lost", phone="06 12 34 56 78")
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

    def test_hostile_and_forged_filters_are_ignored(self, browser):
        """ADM-06, INP-01"""
        request = request_from()
        for value in (value for value in N.values() if isinstance(value, str)):
            filters = dict.fromkeys(("q", "etat", "profil", "personne", "page"), value)
            answer = browser.get(reverse("admin:requests"), filters)
            assert answer.status_code == 200, value
            assert "<script>alert" not in answer.content.decode()
        for query in ("account__password__startswith=argon2", "page=0", "page=99999999", "o=1", "etat='"):
            answer = browser.get(f"{reverse('admin:requests')}?{query}")
            assert answer.status_code == 200, query
            assert request.reference in answer.content.decode()

    def test_pages_are_not_counted(self, browser):
        for _ in range(30):
            request_from()
        with CaptureQueriesContext(connection) as captured:
            first = references(browser)
        counts = [query["sql"] for query in captured if query["sql"].startswith("SELECT COUNT(")]
        assert len(first) == 25
        assert len(references(browser, page="2")) == 5
        # The number of open requests, over their index.
        assert len(counts) == 1

    def test_open_and_late_requests_are_counted_on_the_first_page(self, browser):
        with time_machine.travel(timezone.now() - timedelta(days=10)):
            request_from()
        request_from()
        pending = pending_requests()
        assert (pending.number, pending.late) == (2, 1)
        html = browser.get(reverse("admin:index")).content.decode()
        assert "1 en retard" in html
        assert f'href="{reverse("admin:requests")}"' in html


class TestSeveralRequestsOfOnePerson:
    def test_are_one_line_with_a_link_to_the_others(self, browser, agent):
        owner = active_account(given_name="Camille", family_name="Durand")
        first, second, third = (request_from(owner) for _ in range(3))
        other = request_from(active_account(family_name="Autre"))

        assert references(browser) == [first.reference, other.reference]
        html = browser.get(reverse("admin:requests")).content.decode()
        assert "et 2\u00a0autres demandes" in html
        assert f"?personne={first.reference}" in html
        assert references(browser, personne=first.reference) == [third.reference, second.reference, first.reference]
        assert references(browser, q="durand") == [first.reference, second.reference, third.reference]

        handling.take_request(request=first, actor=agent)
        handling.close_request(request=first, actor=agent, outcome=RequestState.DUPLICATE)
        assert references(browser) == [second.reference, other.reference]

    def test_are_recognised_by_the_mailbox_when_there_is_no_account(self, browser):
        first = request_from(contact_address="une@exemple.net")
        second = request_from(contact_address="UNE@exemple.net")
        assert references(browser) == [first.reference]
        assert references(browser, personne=first.reference) == [second.reference, first.reference]

    def test_requests_about_several_accounts_are_never_one_line(self, browser):
        """An attacker could hide a request behind another by naming the same mailbox."""
        requests = [request_from(active_account(), contact_address="meme@exemple.net") for _ in range(3)]
        mistyped = request_from(contact_address="meme@exemple.net")
        assert references(browser) == [one.reference for one in (*requests, mistyped)]
        assert "et 3\u00a0autres demandes" in browser.get(reverse("admin:requests")).content.decode()

    def test_the_page_of_one_links_to_the_others(self, browser):
        owner = active_account()
        first, second = request_from(owner), request_from(contact_address="une@exemple.net")
        third = request_from(owner, contact_address="une@exemple.net")
        html = browser.get(reverse("admin:request", args=[third.reference])).content.decode()
        for other in (first, second):
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
    numbers = {"+33612345678": "06 12 34 56 78", "+34612345678": "+34612345678", "": ""}
    assert {number: telephone(number).replace("\u00a0", " ") for number in numbers} == numbers
