"""What agents do with requests for assistance: the service."""

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
from tests.concurrency import together
from tests.factories import active_account

pytestmark = pytest.mark.django_db

LOGIN = "camille.durand@univ-exemple.fr"
BORN, WRONG, INE = date(1984, 2, 29), date(1984, 3, 1), "0123456789A"
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
    return taken_by(agent, request_)


def now(request: AssistanceRequest) -> AssistanceRequest:
    return AssistanceRequest.objects.get(pk=request.pk)


def taken_by(agent: Account, request: AssistanceRequest) -> AssistanceRequest:
    handling.take_request(request=request, actor=agent)
    return now(request)


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


def test_a_request_is_taken_once_handed_back_and_taken_by_a_colleague(request_, agent, colleague, owner):
    with time_machine.travel(NOON, tick=False):
        for _ in range(2):
            handling.take_request(request=request_, actor=agent)
    held = now(request_)
    assert (held.state, held.taken_by, held.taken_at) == (RequestState.TAKEN, agent, NOON)
    assert steps(held) == [(StepKind.TAKEN, "", "")]
    details = owner.journal.get(event=Event.REQUEST_TAKEN).details
    assert details == {"request": held.pk, "reference": held.reference}
    with pytest.raises(handling.AlreadyTaken) as refusal:
        handling.take_request(request=held, actor=colleague)
    assert (refusal.value.holder, refusal.value.since, len(steps(held))) == (agent, NOON, 1)

    handling.release_request(request=held, actor=agent)
    free = now(held)
    assert (free.state, free.taken_by, free.taken_at) == (RequestState.NEW, None, None)
    assert taken_by(colleague, free).taken_by == colleague
    assert agents_events(owner) == [Event.REQUEST_TAKEN, Event.REQUEST_HANDED_BACK, Event.REQUEST_TAKEN]


def test_a_request_about_no_account_is_in_the_journal_without_an_account(agent):
    unknown = taken_by(agent, assistance_request(login="personne@univ-exemple.fr"))
    entry = JournalEntry.objects.get(event=Event.REQUEST_TAKEN)
    assert (entry.account, entry.actor, entry.details["request"]) == (None, agent, unknown.pk)


def test_a_request_is_taken_over_only_from_the_agent_on_the_screen(taken, agent, colleague, owner):
    handling.record_call(request=taken, actor=agent, outcome=CallOutcome.NO_ANSWER)
    handling.take_over(request=taken, actor=agent, holder=agent.pk)
    handling.take_over(request=taken, actor=colleague, holder=agent.pk)
    assert (now(taken).taken_by, now(taken).state) == (colleague, RequestState.CALL_TRIED)
    assert RequestStep.objects.get(kind=StepKind.TAKEN_OVER).actor == colleague
    with pytest.raises(handling.AlreadyTaken) as refusal:
        handling.take_over(request=taken, actor=an_agent(), holder=agent.pk)
    assert refusal.value.holder == colleague
    with pytest.raises(handling.RequestNotTaken):
        handling.take_over(request=assistance_request(login=owner.login), actor=colleague, holder=agent.pk)


def test_only_the_agent_who_has_taken_a_request_changes_it(agent, colleague, owner):
    for name, act in HOLDERS_ACTS.items():
        request = assistance_request(login=owner.login)
        with pytest.raises(handling.RequestNotTaken):
            act(request, agent)
        taken = taken_by(agent, request)
        with pytest.raises(handling.AlreadyTaken):
            act(taken, colleague)
        handling.close_request(request=taken, actor=agent, outcome=RequestState.SOLVED)
        with pytest.raises(handling.AlreadyClosed) as closed:
            act(taken, agent)
        assert closed.value.closed_at == now(taken).closed_at, name
        assert [kind for kind, *_ in steps(taken)] == [StepKind.TAKEN, StepKind.SOLVED], name


def test_a_request_about_an_agent_is_for_a_colleague_who_manages_agents(agent, colleague):
    """ADM-05: and never for the agent whose account it is about; no agent's account is attached either."""
    manager = an_agent(Role.RESPONSABLES)
    for account, actor in ((agent, agent), (colleague, agent), (manager, manager)):
        request = assistance_request(login=account.login, contact_address=f"{account.pk}@exemple.net")
        for act in ACTS.values():
            with pytest.raises(PermissionDenied):
                act(request, actor)
        assert steps(request) == []
    theirs = taken_by(manager, assistance_request(login=colleague.login))
    handling.close_request(request=theirs, actor=manager, outcome=RequestState.SOLVED)
    assert now(theirs).state == RequestState.SOLVED
    other = taken_by(agent, assistance_request())
    for account in (agent, colleague):
        with pytest.raises(PermissionDenied):
            handling.attach_account(request=other, actor=agent, name=account.login)


def test_calls_and_notes_are_kept_apart_from_the_journal_and_nothing_is_mailed(taken, agent, colleague, owner):
    """HLP-04"""
    mails = Message.objects.count()
    for outcome, state in (
        (CallOutcome.NO_ANSWER, RequestState.CALL_TRIED),
        (CallOutcome.WRONG_NUMBER, RequestState.CALL_TRIED),
        (CallOutcome.REACHED, RequestState.TAKEN),
    ):
        handling.record_call(request=taken, actor=agent, outcome=outcome, note=NOTE)
        assert (now(taken).state, steps(taken)[-1]) == (state, (StepKind.CALL, outcome, NOTE))
    handling.add_note(request=taken, actor=colleague, note=NOTE)
    handling.close_request(request=taken, actor=agent, outcome=RequestState.REFUSED, note=NOTE)
    handling.add_note(request=now(taken), actor=colleague, note="Tout va bien.")
    assert steps(taken)[-1] == (StepKind.NOTE, "", "Tout va bien.")
    assert now(taken).state == RequestState.REFUSED
    called, noted = [Event.REQUEST_CALLED] * 3, Event.REQUEST_NOTED
    assert agents_events(owner) == [Event.REQUEST_TAKEN, *called, noted, Event.REQUEST_CLOSED, noted]
    assert NOTE not in str(list(owner.journal.values("details")))
    assert Message.objects.count() == mails


def test_a_request_is_late_until_the_first_call():
    with time_machine.travel(NOON, tick=False) as clock:
        agent, request = an_agent(), assistance_request()
        clock.move_to(call_expected_by(NOON))
        assert not now(request).is_late
        clock.shift(1)
        assert taken_by(agent, request).is_late
        handling.record_call(request=now(request), actor=agent, outcome=CallOutcome.NO_ANSWER)
        first_call = now(request).called_at
        clock.shift(1)
        handling.record_call(request=now(request), actor=agent, outcome=CallOutcome.REACHED)
        assert (now(request).is_late, now(request).called_at) == (False, first_call)


class TestComparing:
    def test_neither_the_answer_nor_the_fact_nor_the_match_is_in_journal_or_copy(self, taken, agent, owner):
        """LOG-02, HLP-04: the owner may be the caller."""
        answers = (WRONG, Fact.BIRTH_DATE), (BORN, Fact.BIRTH_DATE), (INE, Fact.INE)
        assert [compare(taken, agent, answer, fact) for answer, fact in answers] == [False, True, True]
        assert steps(taken)[1:] == [
            (StepKind.FACT_MISMATCHED, Fact.BIRTH_DATE, ""),
            (StepKind.FACT_MATCHED, Fact.BIRTH_DATE, ""),
            (StepKind.FACT_MATCHED, Fact.INE, ""),
        ]
        kept = str([*RequestStep.objects.values(), *JournalEntry.objects.values()])
        assert not [fact for fact in ("1984", INE) if fact in kept]
        entries = owner.journal.filter(event=Event.FACT_COMPARED)
        assert len({(str(entry.details), entry.actor_id) for entry in entries}) == 1
        assert "match" not in str(export_person(account=owner, actor=owner))

    def test_three_wrong_answers_refuse_every_other_one_for_a_day(self, owner):
        with time_machine.travel(NOON, tick=False) as clock:
            agent = an_agent()
            request = taken_by(agent, assistance_request(login=LOGIN))
            assert [compare(request, agent, WRONG) for _ in range(MAX_MISMATCHES)] == [False] * MAX_MISMATCHES
            for wait in (timedelta(0), timedelta(days=1) - timedelta(seconds=1)):
                clock.shift(wait)
                with pytest.raises(handling.TooManyMismatches):
                    compare(request, agent)
            assert len(steps(request)) == 1 + MAX_MISMATCHES
            clock.shift(timedelta(seconds=1))
            assert compare(request, agent) is True

    def test_mismatches_count_per_account_over_all_its_requests(self, agent, colleague, owner):
        """Attaching the request to another account and back allows no other answer; facts of the form do not count."""
        other = active_account(institutional_address="camille.durant@univ-exemple.fr", birth_date=date(1990, 1, 1))
        for number, actor in enumerate((agent, colleague, agent)):
            facts = {"birth_date": WRONG, "contact_address": f"adresse{number}@exemple.net"}
            another = taken_by(actor, assistance_request(login=LOGIN, **facts))
            assert comparison_of(another).match == Match.MISMATCH
            compare(another, actor, WRONG)
        last = taken_by(colleague, assistance_request(login=LOGIN))
        with pytest.raises(handling.TooManyMismatches):
            compare(last, colleague)
        handling.attach_account(request=last, actor=colleague, name=other.login)
        assert compare(now(last), colleague, date(1990, 1, 1)) is True
        handling.attach_account(request=now(last), actor=colleague, name=LOGIN)
        with pytest.raises(handling.TooManyMismatches):
            compare(now(last), colleague)

    def test_what_hr_does_not_know_is_no_mismatch(self, agent):
        for login in ("personne@univ-exemple.fr", active_account(birth_date=None).login):
            request = taken_by(agent, assistance_request(login=login))
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


def test_a_request_is_attached_by_any_name_of_the_account_and_is_in_both_journals(taken, agent, owner):
    zoe = active_account(given_name="Zoe", uid="zlambert", institutional_address="zoe.lambert@univ-exemple.fr")
    handling.attach_account(request=taken, actor=agent, name=LOGIN)
    assert len(steps(taken)) == 1
    for name in ("zlambert", " ZOE.lambert@univ-exemple.fr ", "zoe.lambert"):
        handling.attach_account(request=now(taken), actor=agent, name=LOGIN)
        assert handling.attach_account(request=now(taken), actor=agent, name=name) == zoe
        assert now(taken).account == zoe
    assert agents_events(owner)[-1] == Event.REQUEST_DETACHED
    assert agents_events(zoe)[0] == Event.REQUEST_ATTACHED
    assert taken.steps.filter(kind=StepKind.ATTACHED).latest("pk").account == zoe

    erase_person(account=active_account(institutional_address="parti@univ-exemple.fr"))
    for name in ("", "personne", "a@b", "personne@univ-exemple.fr", "\x00", "é", "x" * 300, "parti@univ-exemple.fr"):
        with pytest.raises(handling.UnknownAccountName):
            handling.attach_account(request=now(taken), actor=agent, name=name)


def test_a_closed_request_is_reopened_by_any_colleague(agent, colleague, owner):
    for outcome in (RequestState.SOLVED, RequestState.REFUSED, RequestState.DUPLICATE):
        request = taken_by(agent, assistance_request(login=owner.login))
        handling.close_request(request=request, actor=agent, outcome=outcome, note=NOTE)
        closed = now(request)
        assert (closed.state, closed.is_open, closed.taken_by) == (outcome, False, agent)
        assert steps(closed)[-1] == (outcome.value, "", NOTE)
        assert not AssistanceRequest.objects.open().exists()
        handling.reopen_request(request=closed, actor=colleague)
        again = now(request)
        assert (again.state, again.closed_at, again.taken_by) == (RequestState.TAKEN, None, colleague)
        with pytest.raises(handling.StillOpen):
            handling.reopen_request(request=again, actor=agent)
        handling.close_request(request=again, actor=colleague, outcome=outcome)
    assert agents_events(owner)[-3:] == [Event.REQUEST_CLOSED, Event.REQUEST_REOPENED, Event.REQUEST_CLOSED]


def test_steps_go_with_their_request_or_account_and_are_not_in_its_copy(taken, agent, owner):
    """HLP-04, PRV-05, PRV-07: the author of the request is unproven."""
    handling.close_request(request=taken, actor=agent, outcome=RequestState.SOLVED, note=NOTE)
    assert NOTE not in str(export_person(account=owner, actor=owner))
    rule = next(rule for rule in retention_rules() if rule.name == "assistance-requests")
    counts = [apply_rule(rule, now=timezone.now() + timedelta(days=days)) for days in (364, 366)]
    assert (counts, RequestStep.objects.count()) == ([0, 1], 0)
    taken_by(agent, assistance_request(login=owner.login))
    erase_person(account=owner)
    assert not RequestStep.objects.exists()


def test_the_queue_uses_the_index_of_open_requests():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    assert "assistance_request_open" in AssistanceRequest.objects.open().oldest_first().explain()


def refusal_of(act: Callable[..., object], **facts: object) -> str:
    """The name of the refusal; empty when the act was done."""
    try:
        act(**facts)
    except handling.RequestActionRefused as refusal:
        return type(refusal).__name__
    return ""


@pytest.mark.django_db(transaction=True)
def test_of_two_agents_who_take_or_take_over_a_request_one_gets_it():
    for _ in range(5):
        absent, agents = an_agent(), (an_agent(), an_agent())
        held = taken_by(absent, assistance_request(login=active_account().login))
        for request, act, facts in (
            (assistance_request(), handling.take_request, {}),
            (held, handling.take_over, {"holder": absent.pk}),
        ):
            calls = [{"request": request, "actor": agent, **facts} for agent in agents]
            answers = together(*(lambda call=call, act=act: refusal_of(act, **call) for call in calls))
            assert sorted(answers) == ["", "AlreadyTaken"]
            request.refresh_from_db()
            assert request.taken_by == agents[answers.index("")]


@pytest.mark.django_db(transaction=True)
def test_simultaneous_wrong_answers_are_never_more_than_three():
    """Over several requests, by several agents."""
    for _ in range(5):
        owner, agents = active_account(), [an_agent() for _ in range(3)]
        requests = [
            taken_by(agent, assistance_request(login=owner.login, contact_address=f"adresse{number}@exemple.net"))
            for number, agent in enumerate(agents)
        ]
        calls = [{"request": one, "actor": agent} for one, agent in zip(requests, agents, strict=True)] * 2
        fact = {"fact": Fact.BIRTH_DATE, "answer": WRONG}
        answers = together(*(lambda call=call: refusal_of(handling.compare_fact, **call, **fact) for call in calls))
        assert sorted(answers) == ["", "", "", *["TooManyMismatches"] * 3]
        assert RequestStep.objects.filter(account=owner, kind=StepKind.FACT_MISMATCHED).count() == MAX_MISMATCHES
