"""Requests for assistance: the queue, the page of a request, and what agents do on it."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from agents.dashboard import dashboard, pending_requests
from agents.roles import Role
from assistance import handling
from assistance.business_hours import call_expected_by
from assistance.enums import CallOutcome, Fact, RequestState, StepKind
from assistance.models import AssistanceRequest, RequestStep
from journal.events import Event
from journal.models import JournalEntry
from privacy.erasure import erase_person
from privacy.export import export_person
from tests.agents.signed_in import an_agent, verified_agent, visible_text
from tests.assistance.asking import assistance_request, form_data
from tests.concurrency import attempted_together, wait_until_blocked
from tests.factories import active_account
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

#: A Tuesday, 12 h 12 in Paris.
NOON = datetime(2026, 10, 6, 10, 12, tzinfo=UTC)
LOGIN = "camille.durand@univ-exemple.fr"
BORN, WRONG, INE = date(1984, 2, 29), date(1984, 3, 1), "0123456789A"
NOTE = "La personne rappelle demain."
LIST = "/admin/demandes/"
numbers = count()


@pytest.fixture
def owner() -> Account:
    return active_account(family_name="Lefort", institutional_address=LOGIN, phone="+33467123456", ine=INE)


@pytest.fixture
def request_(owner) -> AssistanceRequest:
    return request_from(owner)


def request_from(owner: Account | None = None, **changed: object) -> AssistanceRequest:
    number = next(numbers)
    login = owner.login if owner else f"personne{number}@univ-exemple.fr"
    return assistance_request(**{"login": login, "contact_address": f"adresse{number}@exemple.net", **changed})


def now(request: AssistanceRequest) -> AssistanceRequest:
    return AssistanceRequest.objects.get(pk=request.pk)


def taken_by(agent: Account, request: AssistanceRequest) -> AssistanceRequest:
    handling.take_request(request=request, actor=agent)
    return now(request)


def compare(request: AssistanceRequest, actor: Account, answer: Any = BORN, fact: Fact = Fact.BIRTH_DATE) -> bool:
    return handling.compare_fact(request=request, actor=actor, fact=fact, answer=answer)


def steps(request: AssistanceRequest) -> list[tuple[str, str, str]]:
    return list(request.steps.order_by("pk").values_list("kind", "outcome", "note"))


def page(browser: Client, request: AssistanceRequest) -> HttpResponse:
    return browser.get(reverse("admin:request", args=[request.reference]))


def text(browser: Client, request: AssistanceRequest) -> str:
    return visible_text(page(browser, request))


def act(browser: Client, name: str, request: AssistanceRequest, /, **typed: str) -> HttpResponse:
    return browser.post(reverse(f"admin:request-{name}", args=[request.reference]), typed)


def conflict(answer: HttpResponse) -> str:
    assert answer.status_code == 409
    return visible_text(answer)


def listed(browser: Client, **query: str) -> list[str]:
    html = browser.get(LIST, query).content.decode()
    return re.findall(r'<th scope="row" class="nowrap">\s*<a href="[^"]*">(A-\w{5})</a>', html)


Acts = dict[Callable[..., object], dict[str, Any]]
#: Only the agent who has taken the request may do these.
HOLDERS_ACTS: Acts = {handling.release_request: {}, handling.record_call: {"outcome": CallOutcome.REACHED}}
HOLDERS_ACTS |= {handling.compare_fact: {"fact": Fact.BIRTH_DATE, "answer": BORN}}
HOLDERS_ACTS |= {handling.attach_account: {"name": LOGIN}, handling.close_request: {"outcome": RequestState.SOLVED}}
OTHER_ACTS: Acts = {handling.take_request: {}, handling.take_over: {"holder": 0}, handling.reopen_request: {}}
OTHER_ACTS |= {handling.add_note: {"note": NOTE}}


class TestQueue:
    def test_begins_with_the_oldest_and_says_who_why_and_how_many_are_late(self, owner):
        with time_machine.travel(NOON, tick=False) as clock:
            early = request_from(owner, reason="recovery-lost", phone="06 12 34 56 78")
            clock.shift(timedelta(hours=1))
            late = request_from(active_account())
            clock.move_to(call_expected_by(NOON))
            assert not now(early).is_late
            clock.shift(timedelta(minutes=15))
            agent, browser = verified_agent(given_name="Lea", family_name="Martin")
            assert taken_by(agent, early).is_late
            assert listed(browser) == [early.reference, late.reference]
            shown = visible_text(browser.get(LIST))
            assert (pending_requests().number, pending_requests().late) == (2, 1)
            handling.record_call(request=early, actor=agent, outcome=CallOutcome.NO_ANSWER)
            first_call = now(early).called_at
            clock.shift(1)
            handling.record_call(request=early, actor=agent, outcome=CallOutcome.REACHED)
            assert (now(early).is_late, now(early).called_at, pending_requests().late) == (False, first_call, 0)
        words = ("2 demandes à traiter, dont 1 en retard", "Personnel · 06 12 34 56 78", "4 h 18", "Camille Lefort")
        words += ("Je n’ai plus accès", "L. Martin")
        assert ([one for one in words if one not in shown], shown.count("En retard")) == ([], 1)

    def test_lists_one_state_the_agents_own_or_all_and_finds_by_profile_and_name(self, browser, agent):
        zoe = active_account(given_name="Zoé", family_name="Lambert", uid="zlambert")
        made = {state.value: request_from(active_account()) for state in RequestState if state != RequestState.NEW}
        for state, request in made.items():
            facts = {"state": state, "taken_by": agent if state == "call-tried" else an_agent(), "taken_at": NOON}
            closed_at = NOON if state in ("solved", "refused", "duplicate") else None
            AssistanceRequest.objects.filter(pk=request.pk).update(closed_at=closed_at, **facts)
        made["new"] = known = request_from(zoe, ine=INE)
        for state, request in (made | {"mine": made["call-tried"]}).items():
            assert listed(browser, etat=state) == [request.reference], state
        assert listed(browser) == [made[state].reference for state in ("taken", "call-tried", "new")]
        assert listed(browser, etat="all") == [request.reference for request in made.values()][::-1]
        short = known.reference.removeprefix("A-")
        for query in ("zoe lamb", "zlambert", zoe.login, known.reference, f"a {short.lower()}", f" A{short} "):
            assert listed(browser, q=query) == [known.reference], query
        assert listed(browser, profil="student") == [known.reference]
        unknown = request_from(login="personne.inconnue@univ-exemple.fr")
        assert listed(browser, q="Personne Inconnue") == [unknown.reference]
        for _ in range(26):
            request_from()
        assert [len(listed(browser, page=number)) for number in ("1", "2", "0", "99999999")] == [25, 5, 25, 25]

    def test_the_count_the_list_and_the_export_are_of_the_same_requests(self, owner):
        agent, browser = verified_agent(Role.RESPONSABLES)
        mailbox = {"contact_address": "une@exemple.net"}
        made = [request_from(owner), request_from(owner), request_from(active_account(), **mailbox)]
        made += [request_from(**mailbox), request_from(contact_address="UNE@exemple.net"), request_from(an_agent())]
        for number, closed in enumerate(made):
            still_open = [one.reference for one in made[number:]]
            counted = f"{len(still_open)} demande{'s' if len(still_open) > 1 else ''} à traiter"
            assert counted in visible_text(browser.get(LIST))
            assert pending_requests().number == dashboard().requests.number == len(still_open)
            for filters in ({}, {"profil": "staff"}, {"etat": "new"}, {"q": "lefort"}, {"etat": "all"}):
                rows = browser.post(reverse("admin:export-requests", query=filters), {"reason": NOTE}).getvalue()
                exported = re.findall(r"A-\w{5}", rows.decode())
                assert listed(browser, **filters) == exported, filters
                assert exported == still_open or {"q", "etat"} & filters.keys(), filters
            handling.close_request(request=taken_by(agent, closed), actor=agent, outcome=RequestState.SOLVED)

    def test_the_requests_of_a_person_lead_to_each_other(self, browser, owner):
        """One mailbox is one person, but never one line: an attacker could hide a request behind another."""
        first, second, third = (request_from(owner) for _ in range(3))
        mailbox = {"contact_address": "une@exemple.net"}
        before, anonymous, after = (request_from(one, **mailbox) for one in (active_account(), None, active_account()))
        assert browser.get(LIST).content.decode().count("et 2\u00a0autres demandes") == 6
        assert listed(browser, personne=first.reference) == [third.reference, second.reference, first.reference]
        assert listed(browser, q="lefort") == [first.reference, second.reference, third.reference]
        html = page(browser, anonymous).content.decode()
        assert [one for one in (before, after) if reverse("admin:request", args=[one.reference]) not in html] == []


class TestPage:
    def test_shows_what_an_agent_needs_and_no_link_of_a_visitor_and_its_openings_are_recorded(self, agent, browser):
        """HLP-08, INP-05, LOG-01: after an error and a refusal too; without an account when there is none."""
        evil = 'Voir http://evil.example <a href="http://evil.example">ici</a>\n\nmerci'
        contact = {"contact_address": "une@exemple.net", "availability": "après 18 h"}
        owner = active_account()
        with time_machine.travel(NOON, tick=False):
            request, unknown = request_from(owner, description=evil, **contact), request_from()
        answer = browser.get(f"{LIST}{request.reference.lower()}/")
        html, shown = answer.content.decode(), visible_text(answer)
        assert "&lt;/a&gt;<br><br>merci" in html
        assert not re.search(r'href="[^"]*evil|mailto:|tel:', html)
        expected = (*contact.values(), "appel promis avant le 6 octobre 2026 à 16 h 15", "Actif")
        assert [words for words in expected if words not in shown] == []
        assert act(browser, "note", request, note="").status_code == 200
        conflict(act(browser, "hand-back", request))
        page(browser, unknown)
        opened = JournalEntry.objects.filter(event=Event.REQUEST_OPENED, actor=agent).order_by("pk")
        assert [entry.account for entry in opened] == [owner] * 3 + [None]
        details = [{"request": one.pk, "reference": one.reference} for one in (request, unknown)]
        assert [opened[0].details, opened[3].details] == details

    def test_the_number_known_by_hr_is_the_one_to_call(self, browser, owner, request_):
        """HLP-03, HLP-04: calling the number of the request proves nothing."""
        never_called = request_from(active_account(phone=""))
        for request, words, absent in (
            (request_, "Numéro connu des RH 04 67 12 34 56 Appelez ce numéro.", "Identique"),
            (request_, "Numéro donné dans la demande 06 12 34 56 78 Différent", "Identique"),
            (request_from(owner, phone="+33 4 67 12 34 56"), "04 67 12 34 56 Identique", "Différent"),
            (never_called, "rappeler celui de la demande ne prouve rien", "Appelez ce numéro"),
            (request_from(), "rappeler ce numéro ne prouve rien", "Numéro connu des RH"),
        ):
            shown = text(browser, request)
            assert (words in shown, absent in shown) == (True, False), words

    def test_has_only_the_buttons_that_role_and_state_allow(self, browser, agent, owner, request_):
        """ADM-05"""
        (_reader, reading), (_manager, managing) = (verified_agent(role) for role in (Role.LECTURE, Role.RESPONSABLES))
        assert not re.search("Prendre en charge|Ajouter une note|Bloquer le compte", text(reading, request_))
        for account, words in ((agent, "votre propre compte"), (an_agent(), "le compte d’un agent")):
            about_agent = request_from(account)
            shown = text(browser, about_agent)
            assert (words in shown, "Prendre en charge" in shown) == (True, False)
            assert act(browser, "note", about_agent, note="").status_code == 403
        assert act(managing, "take", about_agent).status_code == 302
        assert "Bloquer le compte" in text(managing, request_)
        assert "Bloquer le compte" not in text(managing, about_agent)


class TestIdentity:
    """HLP-04, PRV-04"""

    def test_match_or_mismatch_is_shown_and_the_values_are_not(self, browser):
        for typed, facts, words in (
            ({"birth_date": BORN}, {}, "Date de naissance Correspond"),
            ({"birth_date": WRONG}, {}, "Date de naissance Ne correspond pas"),
            ({"birth_date": WRONG}, {"birth_date": None}, "Date de naissance inconnu des RH"),
            ({"ine": INE}, {"ine": INE.lower()}, "Numéro INE Correspond"),
            ({"ine": INE}, {"ine": ""}, "Numéro INE inconnu des RH"),
        ):
            shown = text(browser, request_from(active_account(**facts), **typed))
            assert f"{words} Dans la demande : •••" in shown
            assert not re.search("1984|0123456789", shown)

    def test_values_are_shown_once_on_request_and_recorded(self, agent, browser, caplog):
        """LOG-01: sensitive_read; in no title, address or line of the log. ADM-05: to the roles that may."""
        _reader, reading = verified_agent(Role.LECTURE)
        for client, account in ((reading, active_account()), (browser, agent), (browser, an_agent())):
            request = request_from(account)
            assert "Afficher" not in text(client, request)
            assert act(client, "identity", request).status_code == 403
        assert not JournalEntry.objects.filter(event=Event.IDENTITY_READ).exists()
        caplog.set_level("DEBUG")
        student = active_account(ine=INE)
        request = request_from(student, ine="0123456789B")
        html = act(browser, "identity", request).content.decode()
        assert [value for value in (INE, "0123456789B") if value not in html] == []
        assert not re.search(r'<title>[^<]*0123456789|href="[^"]*0123456789', html)
        assert "0123456789" not in str([vars(record) for record in caplog.records if "sql" not in vars(record)])
        assert "0123456789" not in page(browser, request).content.decode()
        entry = student.journal.get(event=Event.IDENTITY_READ)
        assert (entry.actor, entry.details) == (agent, {"request": request.pk, "reference": request.reference})

    def test_an_answer_on_the_telephone_is_no_proof_and_is_kept_nowhere(self, browser, agent, owner, request_):
        """LOG-02: neither the fact nor the match is in the journal or the copy: the owner may be the caller."""
        taken_by(agent, request_)
        for answer in ("", "hier", "31/2/1984", "0/0/0000", "0123456789", "\x00", "9" * 2_000):
            assert act(browser, "answer", request_, answer=answer).status_code == 200, answer
        right, wrong = ("29/2/1984", "29 02 1984", "29.2.1984", "29021984", " 012 345 678 9a"), ["1/3/1984"] * 3
        matched, missed = "la réponse correspond. Ce n’est pas une preuve d’identité.", "la réponse ne correspond pas."
        for answer in (*right, *wrong):
            assert "Comparer une réponse" in text(browser, request_)
            shown = visible_text(browser.get(act(browser, "answer", request_, answer=answer).url))
            assert (matched in shown, missed in shown, answer in shown) == (answer in right, answer in wrong, False)
        why = conflict(act(browser, "answer", request_, answer="29/2/1984"))
        assert "Trois réponses fausses : ne demandez plus rien. Il faut une preuve" in why
        assert "Comparer une réponse" not in text(browser, request_)
        facts = [(StepKind.FACT_MATCHED, fact, "") for fact in [Fact.BIRTH_DATE] * 4 + [Fact.INE]]
        facts += [(StepKind.FACT_MISMATCHED, Fact.BIRTH_DATE, "")] * 3
        assert steps(request_) == [(StepKind.TAKEN, "", ""), *facts]
        kept = str([*RequestStep.objects.values(), *JournalEntry.objects.values()])
        assert not re.search("1984|0123456789", kept)
        entries = owner.journal.filter(event=Event.FACT_COMPARED)
        assert {(str(entry.details), entry.actor) for entry in entries} == {(str(entries[0].details), agent)}
        assert "match" not in str(export_person(account=owner, actor=owner))

    def test_three_wrong_answers_about_an_account_refuse_every_other_one_for_a_day(self, owner):
        """Over all its requests; attaching one to another account and back allows no other answer."""
        other = active_account(birth_date=date(1990, 1, 1))
        with time_machine.travel(NOON, tick=False) as clock:
            agent, colleague = an_agent(), an_agent()
            for actor in (agent, colleague, agent):
                assert compare(taken_by(actor, request_from(owner, birth_date=WRONG)), actor, WRONG) is False
            last = taken_by(colleague, request_from(owner))
            handling.attach_account(request=last, actor=colleague, name=other.login)
            assert compare(now(last), colleague, other.birth_date) is True
            handling.attach_account(request=now(last), actor=colleague, name=LOGIN)
            for wait in (timedelta(0), timedelta(days=1) - timedelta(seconds=1)):
                clock.shift(wait)
                with pytest.raises(handling.TooManyMismatches):
                    compare(now(last), colleague)
            clock.shift(timedelta(seconds=1))
            assert compare(now(last), colleague) is True
            # What HR does not know is no wrong answer.
            for account in (None, active_account(birth_date=None)):
                with pytest.raises(handling.NothingToCompareWith):
                    compare(taken_by(agent, request_from(account)), agent)
        assert RequestStep.objects.filter(kind=StepKind.FACT_MISMATCHED).count() == 3


class TestActions:
    def test_from_taking_to_closing_and_reopening(self, browser, agent, owner, request_):
        """HLP-04: notes are kept apart from the journal."""
        colleague = an_agent()
        for name, typed, words, state in (
            ("take", {}, "Vous avez pris cette demande en charge.", "taken"),
            ("call", {"outcome": "no-answer", "note": "Répondeur."}, "Appel noté.", "call-tried"),
            ("call", {"outcome": "reached", "note": ""}, "Appel noté.", "taken"),
            ("note", {"note": NOTE}, "Note ajoutée.", "taken"),
            ("close", {"outcome": "solved", "note": ""}, "Demande clôturée.", "solved"),
        ):
            done = act(browser, name, request_, **typed)
            assert (done.status_code, done.url) == (302, reverse("admin:request", args=[request_.reference]))
            assert words in visible_text(browser.get(done.url))
            assert (now(request_).state, now(request_).taken_by) == (state, agent)
        timeline = text(browser, request_).split("Suivi", 1)[1]
        lines = ["Résolue", f"Note {NOTE}", "Appel : sans réponse Répondeur.", "Prise en charge", "Demande reçue"]
        assert sorted(lines, key=timeline.index) == lines
        assert timeline.count("L. Martin") == 5
        late = act(browser, "call", request_, outcome="reached", note="Trop tard.")
        assert "Cette demande a été clôturée à" in conflict(late)
        handling.add_note(request=request_, actor=colleague, note=NOTE)
        handling.reopen_request(request=request_, actor=colleague)
        again = now(request_)
        assert (again.state, again.closed_at, again.taken_by) == (RequestState.TAKEN, None, colleague)
        assert act(browser, "reopen", request_).status_code == 409
        found = owner.journal.filter(actor__in=(agent, colleague)).exclude(event=Event.REQUEST_OPENED).order_by("pk")
        called, noted = [Event.REQUEST_CALLED] * 2, Event.REQUEST_NOTED
        ends = [noted, Event.REQUEST_CLOSED, noted, Event.REQUEST_REOPENED]
        assert [entry.event for entry in found] == [Event.REQUEST_TAKEN, *called, *ends]
        details = {"request": request_.pk, "reference": request_.reference}
        assert [entry.details for entry in found] == [details] * len(found)
        assert NOTE not in str(export_person(account=owner, actor=owner))

    def test_an_agent_who_is_too_late_reads_who_was_faster_keeps_the_note_and_may_take_over(self, owner, request_):
        """The refusal moves the note to the form that is still open to every agent."""
        with time_machine.travel(NOON, tick=False):
            colleague, fast = verified_agent(given_name="Omar", family_name="Petit")
            agent, slow = verified_agent()
            for _ in range(2):
                act(fast, "take", request_)
            assert (now(request_).taken_by, now(request_).taken_at) == (colleague, NOON)
            assert steps(request_) == [(StepKind.TAKEN, "", "")]
            answer = act(slow, "take", request_)
            assert "O. Petit a pris cette demande à 12 h 12." in conflict(answer)
            assert f'name="holder" value="{colleague.pk}"' in answer.content.decode()
            answer = act(slow, "close", request_, note=NOTE, outcome="solved")
            assert re.search(rf"<details open>\s*<summary>Ajouter(?s:.*){NOTE}</textarea>", answer.content.decode())
            act(fast, "call", request_, outcome="no-answer", note="")
            for holder in ("", "x", "0", "9" * 30, str(agent.pk)):
                assert act(slow, "take-over", request_, holder=holder).status_code in (200, 409), holder
            assert now(request_).taken_by == colleague
            assert act(slow, "take-over", request_, holder=str(colleague.pk)).status_code == 302
            assert (now(request_).taken_by, now(request_).state) == (agent, RequestState.CALL_TRIED)
            assert RequestStep.objects.get(kind=StepKind.TAKEN_OVER).actor == agent
            assert act(slow, "hand-back", request_).status_code == 302
            conflict(act(fast, "take-over", request_, holder=str(agent.pk)))
        free = now(request_)
        assert (free.state, free.taken_by, free.taken_at) == (RequestState.NEW, None, None)
        assert owner.journal.get(event=Event.REQUEST_HANDED_BACK).actor == agent

    def test_only_the_agent_who_has_taken_a_request_changes_it(self, owner):
        agent, colleague = an_agent(), an_agent()
        free, taken, closed = request_from(owner), *(taken_by(agent, request_from(owner)) for _ in range(2))
        handling.close_request(request=closed, actor=agent, outcome=RequestState.SOLVED)
        for do, facts in HOLDERS_ACTS.items():
            for request, actor, refusal in (
                (free, agent, handling.RequestNotTaken),
                (taken, colleague, handling.AlreadyTaken),
                (closed, agent, handling.AlreadyClosed),
            ):
                with pytest.raises(refusal):
                    do(request=request, actor=actor, **facts)
        assert [len(steps(request)) for request in (free, taken, closed)] == [0, 1, 2]

    def test_a_request_about_an_agent_is_for_a_colleague_who_manages_agents(self):
        """ADM-05: and never for the agent whose account it is about; no agent's account is attached either."""
        manager, agent, colleague = an_agent(Role.RESPONSABLES), an_agent(), an_agent()
        for account, actor in ((agent, agent), (colleague, agent), (manager, manager)):
            request = request_from(account)
            for do, facts in (HOLDERS_ACTS | OTHER_ACTS).items():
                with pytest.raises(PermissionDenied):
                    do(request=request, actor=actor, **facts)
            assert steps(request) == []
        assert taken_by(manager, request_from(colleague)).taken_by == manager
        other = taken_by(agent, request_from())
        for account in (agent, colleague):
            with pytest.raises(PermissionDenied):
                handling.attach_account(request=other, actor=agent, name=account.login)

    def test_invalid_forms_change_nothing(self, browser, agent, request_):
        """ADM-06, INP-01"""
        taken_by(agent, request_)
        closings = ({"outcome": "taken", "note": NOTE}, {"outcome": "refused", "note": "  "})
        for name, typed in (("note", {"note": " "}), ("attach", {"name": "?"}), *(("close", one) for one in closings)):
            assert act(browser, name, request_, **typed).status_code == 200, (name, typed)
            assert (now(request_).state, len(steps(request_))) == (RequestState.TAKEN, 1)

    def test_an_account_is_attached_by_any_of_its_names_and_both_journals_keep_it(self, browser, agent, owner):
        zoe = active_account(uid="zlambert", institutional_address="zoe.lambert@univ-exemple.fr")
        request = request_from(login="camille.durnad@univ-exemple.fr")
        assert "?q=camille.durnad%40univ-exemple.fr" in page(browser, request).content.decode()
        taken_by(agent, request)
        for name in ("zlambert", " ZOE.lambert@univ-exemple.fr ", "zoe.lambert"):
            for one, account in ((name, zoe), (LOGIN, owner)):
                assert act(browser, "attach", request, name=one).status_code == 302
                assert (now(request).account, request.steps.latest("pk").account) == (account, account)
        assert act(browser, "attach", request, name=LOGIN).status_code == 302
        assert steps(request)[1:] == [(StepKind.ATTACHED, "", "")] * 6
        assert f"Rattachée à un compte {LOGIN}" in text(browser, request)
        for event in (Event.REQUEST_ATTACHED, Event.REQUEST_DETACHED):
            assert zoe.journal.filter(event=event, actor=agent).count() == 3
        with pytest.raises(handling.AboutAnotherAccount):
            handling.add_note(request=request, actor=agent, note=NOTE)
        erase_person(account=active_account(institutional_address="parti@univ-exemple.fr"))
        for name in ("", "personne", "a@b", "\x00", "x" * 300, "parti@univ-exemple.fr"):
            with pytest.raises(handling.UnknownAccountName):
                handling.attach_account(request=now(request), actor=agent, name=name)

    @pytest.mark.django_db(transaction=True)
    def test_of_agents_at_once_one_gets_the_request_and_answers_about_one_account_wait(self):
        """HLP-04: over all its requests, so that no fourth wrong answer is compared."""
        owner, absent, agents = active_account(), an_agent(), [an_agent(), an_agent()]
        for _ in range(5):
            for request, do, facts in (
                (request_from(), handling.take_request, {}),
                (taken_by(absent, request_from(owner)), handling.take_over, {"holder": absent.pk}),
            ):
                calls = [{"request": request, "actor": agent, **facts} for agent in agents]
                answers = attempted_together(*(lambda call=call, do=do: do(**call) for call in calls))
                assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyTaken", "NoneType"]
                assert now(request).taken_by == agents[answers.index(None)]
        first, second = (taken_by(absent, request_from(owner)) for _ in range(2))
        with ThreadPoolExecutor(1) as pool, transaction.atomic():
            assert [compare(first, absent, WRONG) for _ in range(3)] == [False] * 3
            late = pool.submit(attempted_together, lambda: compare(second, absent, WRONG))
            wait_until_blocked()
        assert [type(answer) for answer in late.result(30)] == [handling.TooManyMismatches]


def test_the_requester_learns_nothing_of_what_agents_do(browser, owner):
    """HLP-04: in no answer of the portal and by no mail; the history of the account does not say what matched."""
    client = Client()
    sent = client.post(reverse("assistance"), form_data(login=LOGIN, birth_date_month="3", birth_date_day="1"))
    request, before = AssistanceRequest.objects.get(), client.get(sent.url).content
    mails = list(owner.messages.values_list("pk"))
    act(browser, "take", request)
    for answer in ("1/3/1977", "29/2/1984"):
        act(browser, "answer", request, answer=answer)
    act(browser, "close", request, outcome="refused", note=NOTE)
    assert (client.get(sent.url).content, list(owner.messages.values_list("pk"))) == (before, mails)
    history = visible_text(browser_of(owner).get(reverse("account-history")))
    assert ("Réponse comparée à la fiche" in history, "orrespond" in history) == (True, False)
