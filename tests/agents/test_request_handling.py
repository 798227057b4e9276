"""What agents do with requests for assistance, and in which order things may be done."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone

from accounts.enums import Category
from accounts.models import Account
from agents.roles import Role
from assistance import handling
from assistance.business_hours import call_expected_by
from assistance.enums import CallOutcome, Fact, Match, RequestState, StepKind
from assistance.handling import MAX_MISMATCHES
from assistance.identity_checks import comparison_of
from assistance.models import AssistanceRequest, RequestStep
from core.retention import apply_rule, retention_rules
from journal.events import Event
from journal.models import JournalEntry
from outbox.models import Message
from privacy.erasure import erase_person
from privacy.export import export_person
from tests.agents.signed_in import an_agent
from tests.assistance.asking import assistance_request
from tests.factories import active_account

pytestmark = pytest.mark.django_db

LOGIN = "camille.durand@univ-exemple.fr"
BORN, WRONG = date(1984, 2, 29), date(1984, 3, 1)
INE = "0123456789A"
NOTE = "La personne rappelle demain, après son cours."
#: A Tuesday at work.
NOON = datetime(2026, 10, 6, 10, tzinfo=UTC)


@pytest.fixture
def agent() -> Account:
    return an_agent(given_name="Lucie", family_name="Martin")


@pytest.fixture
def colleague() -> Account:
    return an_agent(given_name="Omar", family_name="Petit")


@pytest.fixture
def owner() -> Account:
    return active_account(institutional_address=LOGIN, ine=INE)


@pytest.fixture
def request_(owner) -> AssistanceRequest:
    return assistance_request(login=owner.login)


@pytest.fixture
def taken(request_, agent) -> AssistanceRequest:
    handling.take_request(request=request_, actor=agent)
    return now(request_)


def now(request: AssistanceRequest) -> AssistanceRequest:
    return AssistanceRequest.objects.get(pk=request.pk)


def steps(request: AssistanceRequest) -> list[tuple[str, str, str]]:
    return list(request.steps.order_by("pk").values_list("kind", "outcome", "note"))


def agents_events(account: Account) -> list[str]:
    found = account.journal.exclude(actor=None).exclude(actor=account).order_by("pk")
    return list(found.values_list("event", flat=True))


def compare(request: AssistanceRequest, actor: Account, answer: Any = BORN, fact: Fact = Fact.BIRTH_DATE) -> bool:
    return handling.compare_fact(request=request, actor=actor, fact=fact, answer=answer)


Act = Callable[[AssistanceRequest, Account], object]
#: Only the agent who has taken the request may do these.
HOLDERS_ACTS: dict[str, Act] = {
    "hand back": lambda one, actor: handling.release_request(request=one, actor=actor),
    "call": lambda one, actor: handling.record_call(request=one, actor=actor, outcome=CallOutcome.REACHED),
    "compare": compare,
    "attach": lambda one, actor: handling.attach_account(request=one, actor=actor, name=LOGIN),
    "close": lambda one, actor: handling.close_request(request=one, actor=actor, outcome=RequestState.SOLVED),
}
ACTS: dict[str, Act] = HOLDERS_ACTS | {
    "take": lambda one, actor: handling.take_request(request=one, actor=actor),
    "take over": lambda one, actor: handling.take_over(request=one, actor=actor, holder=one.taken_by_id or 0),
    "note": lambda one, actor: handling.add_note(request=one, actor=actor, note=NOTE),
    "reopen": lambda one, actor: handling.reopen_request(request=one, actor=actor),
}


class TestTaking:
    def test_gives_the_request_to_the_agent_once_and_is_in_the_journal(self, request_, agent, owner):
        with time_machine.travel(NOON, tick=False):
            handling.take_request(request=request_, actor=agent)
        handling.take_request(request=request_, actor=agent)

        held = now(request_)
        assert (held.state, held.taken_by, held.taken_at) == (RequestState.TAKEN, agent, NOON)
        assert steps(held) == [(StepKind.TAKEN, "", "")]
        assert agents_events(owner) == [Event.REQUEST_TAKEN]
        details = owner.journal.get(event=Event.REQUEST_TAKEN).details
        assert details == {"request": held.pk, "reference": held.reference}

    def test_by_a_second_agent_is_refused_with_who_and_when(self, taken, agent, colleague):
        with pytest.raises(handling.AlreadyTaken) as refusal:
            handling.take_request(request=taken, actor=colleague)
        assert (refusal.value.holder, refusal.value.since) == (agent, taken.taken_at)
        assert now(taken).taken_by == agent
        assert len(steps(taken)) == 1

    def test_a_request_about_no_account_is_taken_too(self, agent):
        unknown = assistance_request(login="personne@univ-exemple.fr")
        handling.take_request(request=unknown, actor=agent)
        entry = JournalEntry.objects.get(event=Event.REQUEST_TAKEN)
        assert (entry.account, entry.actor, entry.details["request"]) == (None, agent, unknown.pk)

    def test_back_to_the_queue(self, taken, agent, colleague, owner):
        handling.release_request(request=taken, actor=agent)
        free = now(taken)
        assert (free.state, free.taken_by, free.taken_at) == (RequestState.NEW, None, None)
        assert agents_events(owner)[-1] == Event.REQUEST_HANDED_BACK
        handling.take_request(request=free, actor=colleague)
        assert now(taken).taken_by == colleague

    def test_over_from_a_colleague_who_is_away(self, taken, agent, colleague):
        handling.record_call(request=taken, actor=agent, outcome=CallOutcome.NO_ANSWER)
        handling.take_over(request=taken, actor=agent, holder=agent.pk)
        handling.take_over(request=taken, actor=colleague, holder=agent.pk)

        assert (now(taken).taken_by, now(taken).state) == (colleague, RequestState.CALL_TRIED)
        assert RequestStep.objects.get(kind=StepKind.TAKEN_OVER).actor == colleague
        with pytest.raises(handling.AlreadyTaken):
            handling.record_call(request=taken, actor=agent, outcome=CallOutcome.REACHED)

    def test_over_from_an_agent_who_was_not_on_the_screen_is_refused(self, request_, agent, colleague):
        with pytest.raises(handling.RequestNotTaken):
            handling.take_over(request=request_, actor=colleague, holder=agent.pk)
        third = an_agent()
        handling.take_request(request=request_, actor=third)
        with pytest.raises(handling.AlreadyTaken) as refusal:
            handling.take_over(request=request_, actor=colleague, holder=agent.pk)
        assert refusal.value.holder == third


class TestPermission:
    def test_only_the_agent_who_has_taken_a_request_changes_it(self, agent, colleague, owner):
        for name, act in HOLDERS_ACTS.items():
            request = assistance_request(login=owner.login)
            with pytest.raises(handling.RequestNotTaken):
                act(request, agent)
            handling.take_request(request=request, actor=agent)
            taken = now(request)
            with pytest.raises(handling.AlreadyTaken) as refusal:
                act(taken, colleague)
            assert refusal.value.holder == agent, name
            handling.close_request(request=taken, actor=agent, outcome=RequestState.SOLVED)
            with pytest.raises(handling.AlreadyClosed) as closed:
                act(taken, agent)
            assert closed.value.closed_at == now(taken).closed_at, name
            assert [kind for kind, *_ in steps(taken)] == [StepKind.TAKEN, StepKind.SOLVED], name

    def test_a_request_about_an_agent_is_for_a_colleague_who_manages_agents(self, agent, colleague):
        """ADM-05: and never for the agent whose account it is about."""
        manager = an_agent(Role.RESPONSABLES)
        for account, actor in ((agent, agent), (colleague, agent), (manager, manager)):
            request = assistance_request(login=account.login, contact_address=f"{account.pk}@exemple.net")
            for act in ACTS.values():
                with pytest.raises(PermissionDenied):
                    act(request, actor)
            assert steps(request) == []
        theirs = assistance_request(login=colleague.login)
        handling.take_request(request=theirs, actor=manager)
        handling.close_request(request=theirs, actor=manager, outcome=RequestState.SOLVED)
        assert now(theirs).state == RequestState.SOLVED

    def test_the_person_gets_no_mail(self, taken, agent):
        """HLP-04: of nothing that agents do with a request."""
        before = Message.objects.count()
        handling.record_call(request=taken, actor=agent, outcome=CallOutcome.NO_ANSWER)
        compare(taken, agent)
        handling.close_request(request=taken, actor=agent, outcome=RequestState.REFUSED, note=NOTE)
        assert Message.objects.count() == before


class TestCallsAndNotes:
    def test_a_call_says_how_it_ended(self, taken, agent, owner):
        for outcome, state in (
            (CallOutcome.NO_ANSWER, RequestState.CALL_TRIED),
            (CallOutcome.WRONG_NUMBER, RequestState.CALL_TRIED),
            (CallOutcome.REACHED, RequestState.TAKEN),
        ):
            handling.record_call(request=taken, actor=agent, outcome=outcome, note=NOTE)
            assert now(taken).state == state
            assert steps(taken)[-1] == (StepKind.CALL, outcome, NOTE)
            assert agents_events(owner)[-1] == Event.REQUEST_CALLED
        assert NOTE not in str(list(owner.journal.values("details")))

    def test_a_request_is_late_until_the_first_call(self):
        with time_machine.travel(NOON, tick=False) as clock:
            agent, request = an_agent(), assistance_request()
            clock.move_to(call_expected_by(NOON))
            assert not now(request).is_late
            clock.shift(1)
            assert now(request).is_late
            handling.take_request(request=request, actor=agent)
            assert now(request).is_late
            handling.record_call(request=now(request), actor=agent, outcome=CallOutcome.NO_ANSWER)
            first_call = now(request).called_at
            clock.shift(1)
            handling.record_call(request=now(request), actor=agent, outcome=CallOutcome.REACHED)
            assert not now(request).is_late
            assert now(request).called_at == first_call

    def test_notes_are_open_to_every_colleague_at_any_time(self, taken, agent, colleague, owner):
        handling.add_note(request=taken, actor=colleague, note=NOTE)
        handling.close_request(request=taken, actor=agent, outcome=RequestState.SOLVED)
        handling.add_note(request=now(taken), actor=colleague, note="Tout va bien.")
        assert [note for _kind, _outcome, note in steps(taken)] == ["", NOTE, "", "Tout va bien."]
        assert agents_events(owner).count(Event.REQUEST_NOTED) == 2
        assert now(taken).state == RequestState.SOLVED


class TestComparing:
    def test_says_whether_the_answer_matches_and_keeps_neither_the_answer_nor_the_fact(self, taken, agent, owner):
        """LOG-02, HLP-04: the journal and the copy of the owner, who may be the caller, do not say what matched."""
        assert compare(taken, agent, WRONG) is False
        assert compare(taken, agent, BORN) is True
        assert compare(taken, agent, INE, Fact.INE) is True

        assert steps(taken)[1:] == [
            (StepKind.FACT_MISMATCHED, Fact.BIRTH_DATE, ""),
            (StepKind.FACT_MATCHED, Fact.BIRTH_DATE, ""),
            (StepKind.FACT_MATCHED, Fact.INE, ""),
        ]
        kept = str(list(RequestStep.objects.values())) + str(list(JournalEntry.objects.values()))
        assert "1984" not in kept
        assert INE not in kept
        entries = owner.journal.filter(event=Event.FACT_COMPARED)
        assert len({(str(entry.details), entry.actor_id) for entry in entries}) == 1
        assert "match" not in str(export_person(account=owner, actor=owner))

    def test_three_wrong_answers_refuse_every_other_one_for_a_day(self, owner):
        with time_machine.travel(NOON, tick=False) as clock:
            agent, request = an_agent(), assistance_request(login=LOGIN)
            handling.take_request(request=request, actor=agent)
            for _ in range(MAX_MISMATCHES):
                assert compare(request, agent, WRONG) is False
            for answer in (WRONG, BORN):
                with pytest.raises(handling.TooManyMismatches):
                    compare(request, agent, answer)
            assert len(steps(request)) == 1 + MAX_MISMATCHES
            clock.shift(timedelta(days=1) - timedelta(seconds=1))
            with pytest.raises(handling.TooManyMismatches):
                compare(request, agent)
            clock.shift(timedelta(seconds=1))
            assert compare(request, agent) is True

    def test_mismatches_count_per_account_over_all_its_requests(self, agent, colleague, owner):
        """Attaching the request to another account and back gives no new try; what was typed into forms is no try."""
        other = active_account(institutional_address="camille.durant@univ-exemple.fr", birth_date=date(1990, 1, 1))
        for number, actor in enumerate((agent, colleague, agent)):
            another = assistance_request(login=LOGIN, birth_date=WRONG, contact_address=f"adresse{number}@exemple.net")
            handling.take_request(request=another, actor=actor)
            assert comparison_of(another).match == Match.MISMATCH
            compare(another, actor, WRONG)
        last = assistance_request(login=LOGIN)
        handling.take_request(request=last, actor=colleague)
        with pytest.raises(handling.TooManyMismatches):
            compare(last, colleague)
        handling.attach_account(request=last, actor=colleague, name=other.login)
        assert compare(now(last), colleague, date(1990, 1, 1)) is True
        handling.attach_account(request=now(last), actor=colleague, name=LOGIN)
        with pytest.raises(handling.TooManyMismatches):
            compare(now(last), colleague)

    def test_what_hr_does_not_know_is_not_compared_and_is_no_mismatch(self, agent):
        without_facts = active_account(birth_date=None)
        for login in ("personne@univ-exemple.fr", without_facts.login):
            request = assistance_request(login=login)
            handling.take_request(request=request, actor=agent)
            for fact, answer in ((Fact.BIRTH_DATE, BORN), (Fact.INE, INE)):
                with pytest.raises(handling.NothingToCompareWith):
                    compare(request, agent, answer, fact)
        assert not RequestStep.objects.filter(kind=StepKind.FACT_MISMATCHED).exists()

    def test_the_fact_of_the_request_is_compared_with_the_account(self):
        for facts, typed, match in (
            ({"category": Category.STUDENT, "ine": "0123456789a"}, {"ine": INE}, Match.MATCH),
            ({"category": Category.STUDENT, "ine": "0123456789B"}, {"ine": INE}, Match.MISMATCH),
            ({"category": Category.STUDENT, "ine": ""}, {"ine": INE}, Match.UNKNOWN),
            ({"birth_date": BORN}, {"birth_date": BORN}, Match.MATCH),
            ({"birth_date": WRONG}, {"birth_date": BORN}, Match.MISMATCH),
            ({"birth_date": None}, {"birth_date": BORN}, Match.UNKNOWN),
            ({"birth_date": BORN}, {"birth_date": None}, Match.NOT_GIVEN),
        ):
            request = assistance_request(login=active_account(**facts).login, **typed)
            assert comparison_of(request).match == match, (facts, typed)


class TestAttaching:
    def test_by_each_name_of_the_account(self, agent):
        zoe = active_account(institutional_address="zoe.lambert@univ-exemple.fr", uid="zlambert")
        names = ("zoe.lambert@univ-exemple.fr", "Zoe.Lambert@univ-exemple.fr", "zlambert", "zoe.lambert")
        for name in names:
            mistyped = assistance_request(login="zoe.lamber@univ-exemple.fr")
            handling.take_request(request=mistyped, actor=agent)
            assert handling.attach_account(request=mistyped, actor=agent, name=name) == zoe
            assert now(mistyped).account == zoe
            assert mistyped.steps.get(kind=StepKind.ATTACHED).account == zoe
        assert agents_events(zoe) == [Event.REQUEST_ATTACHED] * len(names)

    def test_to_another_account_is_in_both_journals_and_to_the_same_one_changes_nothing(self, taken, agent, owner):
        handling.attach_account(request=taken, actor=agent, name=LOGIN)
        assert len(steps(taken)) == 1
        zoe = active_account(given_name="Zoe")
        handling.attach_account(request=taken, actor=agent, name=zoe.login)
        assert agents_events(owner)[-1] == Event.REQUEST_DETACHED
        assert agents_events(zoe) == [Event.REQUEST_ATTACHED]

    def test_unknown_and_erased_names_are_refused(self, taken, agent):
        erase_person(account=active_account(institutional_address="parti@univ-exemple.fr"))
        unknown = ("", "personne", "a@b", "personne@univ-exemple.fr", "\x00", "é", "x" * 300)
        for name in (*unknown, "parti@univ-exemple.fr"):
            with pytest.raises(handling.UnknownAccountName):
                handling.attach_account(request=taken, actor=agent, name=name)
        assert len(steps(taken)) == 1

    def test_the_account_of_an_agent_is_refused(self, taken, agent, colleague):
        """ADM-05"""
        for account in (agent, colleague):
            with pytest.raises(PermissionDenied):
                handling.attach_account(request=taken, actor=agent, name=account.login)
        assert now(taken).account_id == taken.account_id


class TestClosing:
    def test_says_how_and_can_be_undone_by_any_colleague(self, agent, colleague, owner):
        for outcome in (RequestState.SOLVED, RequestState.REFUSED, RequestState.DUPLICATE):
            request = assistance_request(login=owner.login)
            handling.take_request(request=request, actor=agent)
            handling.close_request(request=request, actor=agent, outcome=outcome, note=NOTE)
            closed = now(request)
            assert (closed.state, closed.is_open, closed.taken_by) == (outcome, False, agent)
            assert steps(closed)[-1] == (outcome.value, "", NOTE)
            assert agents_events(owner)[-1] == Event.REQUEST_CLOSED
            assert not AssistanceRequest.objects.open().exists()

            handling.reopen_request(request=closed, actor=colleague)
            again = now(request)
            assert (again.state, again.closed_at, again.taken_by) == (RequestState.TAKEN, None, colleague)
            assert agents_events(owner)[-1] == Event.REQUEST_REOPENED
            with pytest.raises(handling.StillOpen):
                handling.reopen_request(request=again, actor=agent)
            handling.close_request(request=again, actor=colleague, outcome=outcome)


class TestRetention:
    def test_steps_are_deleted_with_their_request(self, taken, agent):
        """PRV-05"""
        handling.close_request(request=taken, actor=agent, outcome=RequestState.SOLVED, note=NOTE)
        rule = next(rule for rule in retention_rules() if rule.name == "assistance-requests")
        assert apply_rule(rule, now=timezone.now() + timedelta(days=364)) == 0
        assert apply_rule(rule, now=timezone.now() + timedelta(days=366)) == 1
        assert not RequestStep.objects.exists()

    def test_steps_are_erased_with_the_account_and_are_not_in_its_copy(self, taken, agent, owner):
        """HLP-04, PRV-07: the author of the request is unproven."""
        handling.add_note(request=taken, actor=agent, note=NOTE)
        assert NOTE not in str(export_person(account=owner, actor=owner))
        erase_person(account=owner)
        assert not RequestStep.objects.exists()


def test_the_queue_uses_the_index_of_open_requests():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {AssistanceRequest.objects.open().oldest_first().query}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "assistance_request_open" in plan
