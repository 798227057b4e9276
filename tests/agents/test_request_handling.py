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
from assistance.business_hours import call_expected_by, late_threshold
from assistance.enums import CallOutcome, Fact, Match, RequestState, StepKind
from assistance.handling import TRIES
from assistance.identity_checks import comparison_of
from assistance.models import AssistanceRequest, RequestStep
from core.retention import apply_rule, retention_rules
from journal.events import Event
from journal.models import JournalEntry
from outbox.models import Message
from privacy.erasure import erase_person
from privacy.export import export_person
from tests.agents.signed_in import an_agent
from tests.assistance.asking import a_request
from tests.factories import active_account

pytestmark = pytest.mark.django_db

LOGIN = "camille.durand@univ-exemple.fr"
BORN, WRONG = date(1984, 2, 29), date(1984, 3, 1)
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
def person() -> Account:
    return active_account(institutional_address=LOGIN, ine="0123456789A")


@pytest.fixture
def request_(person) -> AssistanceRequest:
    return a_request(login=person.login)


@pytest.fixture
def taken(request_, agent) -> AssistanceRequest:
    handling.take_request(request=request_, actor=agent)
    return now(request_)


def now(request: AssistanceRequest) -> AssistanceRequest:
    return AssistanceRequest.objects.get(pk=request.pk)


def steps(request: AssistanceRequest) -> list[tuple[str, str, str]]:
    return list(request.steps.order_by("pk").values_list("kind", "outcome", "note"))


def events(about: Account) -> list[str]:
    """What agents did, as the journal of the account tells it."""
    found = about.journal.exclude(actor=None).exclude(actor=about).order_by("pk")
    return list(found.values_list("event", flat=True))


def answered(request: AssistanceRequest, actor: Account, answer: Any = BORN, fact: Fact = Fact.BIRTH_DATE) -> bool:
    return handling.compare_fact(request=request, actor=actor, fact=fact, answer=answer)


ACTS: dict[str, Callable[[AssistanceRequest, Account], object]] = {
    "hand back": lambda one, actor: handling.release_request(request=one, actor=actor),
    "call": lambda one, actor: handling.record_call(request=one, actor=actor, outcome=CallOutcome.REACHED),
    "compare": answered,
    "attach": lambda one, actor: handling.attach_account(request=one, actor=actor, name=LOGIN),
    "close": lambda one, actor: handling.close_request(request=one, actor=actor, outcome=RequestState.SOLVED),
}
OTHERS: dict[str, Callable[[AssistanceRequest, Account], object]] = {
    "take": lambda one, actor: handling.take_request(request=one, actor=actor),
    "take over": lambda one, actor: handling.take_over(request=one, actor=actor, holder=one.taken_by_id or 0),
    "note": lambda one, actor: handling.add_note(request=one, actor=actor, note=NOTE),
    "reopen": lambda one, actor: handling.reopen_request(request=one, actor=actor),
}


class TestTaking:
    def test_gives_the_request_to_the_agent_and_is_in_the_journal(self, request_, agent, person):
        with time_machine.travel(NOON, tick=False):
            handling.take_request(request=request_, actor=agent)

        held = now(request_)
        assert (held.state, held.taken_by, held.taken_at) == (RequestState.TAKEN, agent, NOON)
        assert steps(held) == [(StepKind.TAKEN, "", "")]
        assert events(person) == [Event.REQUEST_TAKEN]
        assert person.journal.get(event=Event.REQUEST_TAKEN).details == {
            "request": held.pk,
            "reference": held.reference,
        }

    def test_by_a_second_agent_is_refused_with_who_and_when(self, taken, agent, colleague):
        with pytest.raises(handling.AlreadyTaken) as refusal:
            handling.take_request(request=taken, actor=colleague)

        assert (refusal.value.holder, refusal.value.since) == (agent, taken.taken_at)
        assert now(taken).taken_by == agent
        assert len(steps(taken)) == 1

    def test_twice_is_once(self, taken, agent):
        handling.take_request(request=taken, actor=agent)
        assert now(taken).taken_at == taken.taken_at
        assert len(steps(taken)) == 1

    def test_nobody_is_written_to(self, taken, agent):
        """HLP-04: of nothing that agents do with a request."""
        before = Message.objects.count()
        handling.record_call(request=taken, actor=agent, outcome=CallOutcome.NO_ANSWER)
        answered(taken, agent)
        handling.close_request(request=taken, actor=agent, outcome=RequestState.REFUSED, note=NOTE)
        assert Message.objects.count() == before

    def test_a_request_of_nobody_is_taken_too(self, agent):
        unknown = a_request(login="personne@univ-exemple.fr")
        handling.take_request(request=unknown, actor=agent)
        entry = JournalEntry.objects.get(event=Event.REQUEST_TAKEN)
        assert (entry.account, entry.actor, entry.details["request"]) == (None, agent, unknown.pk)


class TestHandingOn:
    def test_back_to_the_queue(self, taken, agent, colleague, person):
        handling.release_request(request=taken, actor=agent)

        free = now(taken)
        assert (free.state, free.taken_by, free.taken_at) == (RequestState.NEW, None, None)
        assert events(person)[-1] == Event.REQUEST_HANDED_BACK
        handling.take_request(request=free, actor=colleague)
        assert now(taken).taken_by == colleague

    def test_over_from_a_colleague_who_is_away(self, taken, agent, colleague):
        handling.record_call(request=taken, actor=agent, outcome=CallOutcome.NO_ANSWER)

        handling.take_over(request=taken, actor=colleague, holder=agent.pk)

        assert (now(taken).taken_by, now(taken).state) == (colleague, RequestState.CALL_TRIED)
        assert RequestStep.objects.get(kind=StepKind.TAKEN_OVER).actor == colleague
        with pytest.raises(handling.AlreadyTaken):
            handling.record_call(request=taken, actor=agent, outcome=CallOutcome.REACHED)

    def test_over_from_somebody_else_than_was_on_the_screen_is_refused(self, taken, agent, colleague):
        third = an_agent()
        handling.take_over(request=taken, actor=third, holder=agent.pk)

        with pytest.raises(handling.AlreadyTaken) as refusal:
            handling.take_over(request=taken, actor=colleague, holder=agent.pk)
        assert refusal.value.holder == third

    def test_over_from_nobody_is_refused(self, request_, agent, colleague):
        with pytest.raises(handling.RequestNotTaken):
            handling.take_over(request=request_, actor=colleague, holder=agent.pk)

    def test_over_from_oneself_changes_nothing(self, taken, agent):
        handling.take_over(request=taken, actor=agent, holder=agent.pk)
        assert len(steps(taken)) == 1


@pytest.mark.parametrize("act", ACTS)
class TestOnlyWhoHoldsIt:
    def test_not_a_colleague(self, act, taken, agent, colleague):
        before = now(taken)
        with pytest.raises(handling.AlreadyTaken) as refusal:
            ACTS[act](taken, colleague)
        assert refusal.value.holder == agent
        assert (now(taken).state, len(steps(taken))) == (before.state, 1)

    def test_not_before_it_is_taken(self, act, request_, agent):
        with pytest.raises(handling.RequestNotTaken):
            ACTS[act](request_, agent)
        assert steps(request_) == []

    def test_not_after_it_is_closed(self, act, taken, agent):
        handling.close_request(request=taken, actor=agent, outcome=RequestState.SOLVED)
        with pytest.raises(handling.AlreadyClosed) as refusal:
            ACTS[act](taken, agent)
        assert refusal.value.closed_at == now(taken).closed_at


@pytest.mark.parametrize("act", [*ACTS, *OTHERS])
class TestAboutAgents:
    def test_nobody_handles_a_request_about_their_own_account(self, act, agent):
        """ADM-05"""
        own = a_request(login=agent.login)
        with pytest.raises(PermissionDenied):
            {**ACTS, **OTHERS}[act](own, agent)
        assert steps(own) == []

    def test_about_a_colleague_s_only_who_manages_agents(self, act, agent, colleague):
        """ADM-05"""
        theirs = a_request(login=colleague.login)
        with pytest.raises(PermissionDenied):
            {**ACTS, **OTHERS}[act](theirs, agent)
        assert steps(theirs) == []


def test_who_manages_agents_helps_a_colleague():
    agent, colleague = an_agent(Role.RESPONSABLES), an_agent(Role.RESPONSABLES)
    theirs = a_request(login=colleague.login)
    handling.take_request(request=theirs, actor=agent)
    handling.close_request(request=theirs, actor=agent, outcome=RequestState.SOLVED)
    assert now(theirs).state == RequestState.SOLVED


class TestCalls:
    @pytest.mark.parametrize(
        ("outcome", "state"),
        [
            (CallOutcome.REACHED, RequestState.TAKEN),
            (CallOutcome.NO_ANSWER, RequestState.CALL_TRIED),
            (CallOutcome.WRONG_NUMBER, RequestState.CALL_TRIED),
        ],
    )
    def test_say_how_they_ended(self, taken, agent, person, outcome, state):
        handling.record_call(request=taken, actor=agent, outcome=outcome, note=NOTE)

        assert now(taken).state == state
        assert steps(taken)[-1] == (StepKind.CALL, outcome, NOTE)
        assert events(person)[-1] == Event.REQUEST_CALLED
        assert NOTE not in str(person.journal.last().details)

    def test_the_second_that_reaches_the_person_takes_the_request_in_hand_again(self, taken, agent):
        handling.record_call(request=taken, actor=agent, outcome=CallOutcome.NO_ANSWER)
        first = now(taken).called_at
        handling.record_call(request=taken, actor=agent, outcome=CallOutcome.REACHED)
        assert (now(taken).state, now(taken).called_at) == (RequestState.TAKEN, first)

    def test_the_first_keeps_the_promise(self):
        """Late is whoever nobody has called in time, not whoever is not helped yet."""
        with time_machine.travel(NOON, tick=False) as clock:
            agent, request = an_agent(), a_request()
            clock.move_to(call_expected_by(NOON))
            assert not now(request).is_late
            clock.shift(1)
            assert now(request).is_late
            handling.take_request(request=request, actor=agent)
            assert now(request).is_late
            handling.record_call(request=now(request), actor=agent, outcome=CallOutcome.NO_ANSWER)
            assert not now(request).is_late


class TestNotes:
    def test_are_open_to_every_colleague_at_any_time(self, taken, agent, colleague, person):
        handling.add_note(request=taken, actor=colleague, note=NOTE)
        handling.close_request(request=taken, actor=agent, outcome=RequestState.SOLVED)
        handling.add_note(request=now(taken), actor=colleague, note="Tout va bien.")

        assert [note for _kind, _outcome, note in steps(taken)] == ["", NOTE, "", "Tout va bien."]
        assert events(person).count(Event.REQUEST_NOTED) == 2
        assert now(taken).state == RequestState.SOLVED


class TestComparing:
    def test_answers_match_or_no_match_and_keeps_neither_the_answer_nor_the_fact(self, taken, agent, person):
        """Design §9, LOG-02"""
        assert answered(taken, agent, WRONG) is False
        assert answered(taken, agent, BORN) is True
        assert answered(taken, agent, "0123456789A", Fact.INE) is True

        assert steps(taken)[1:] == [
            (StepKind.FACT_MISMATCHED, Fact.BIRTH_DATE, ""),
            (StepKind.FACT_MATCHED, Fact.BIRTH_DATE, ""),
            (StepKind.FACT_MATCHED, Fact.INE, ""),
        ]
        kept = str(list(RequestStep.objects.values())) + str(list(JournalEntry.objects.values()))
        assert "1984" not in kept
        assert "0123456789A" not in kept

    def test_the_journal_and_the_copy_of_the_owner_do_not_say_whether_it_matched(self, taken, agent, person):
        """HLP-04: who reads them may be who asked."""
        answered(taken, agent, WRONG)
        answered(taken, agent, BORN)

        one, other = person.journal.filter(event=Event.FACT_COMPARED)
        assert (one.details, one.actor) == (other.details, other.actor)
        assert "match" not in str(export_person(account=person, actor=person))

    def test_three_wrong_answers_end_the_try_even_for_the_right_one(self, taken, agent):
        """Design §9: three misses end the try."""
        for _ in range(TRIES):
            assert answered(taken, agent, WRONG) is False
        for answer in (WRONG, BORN):
            with pytest.raises(handling.TooManyMismatches):
                answered(taken, agent, answer)
        assert RequestStep.objects.filter(kind=StepKind.FACT_MATCHED).count() == 0
        assert len(steps(taken)) == 1 + TRIES

    def test_the_misses_of_all_requests_about_one_person_count_together(self, agent, colleague, person):
        for number, actor in enumerate((agent, colleague, agent)):
            another = a_request(login=LOGIN, contact_address=f"adresse{number}@exemple.net")
            handling.take_request(request=another, actor=actor)
            answered(another, actor, WRONG)
        last = a_request(login=LOGIN)
        handling.take_request(request=last, actor=colleague)
        with pytest.raises(handling.TooManyMismatches):
            answered(last, colleague)

    def test_misses_follow_the_person_and_not_the_request(self, taken, agent, person):
        """Attaching the request to another account and back opens no new try."""
        other = active_account(institutional_address="camille.durant@univ-exemple.fr", birth_date=date(1990, 1, 1))
        for _ in range(TRIES):
            answered(taken, agent, WRONG)
        handling.attach_account(request=taken, actor=agent, name=other.login)
        assert answered(now(taken), agent, date(1990, 1, 1)) is True
        handling.attach_account(request=now(taken), actor=agent, name=LOGIN)
        with pytest.raises(handling.TooManyMismatches):
            answered(now(taken), agent)

    def test_what_was_typed_into_the_form_is_no_try(self, agent, person):
        for number in range(TRIES):
            a_request(login=LOGIN, birth_date=WRONG, contact_address=f"adresse{number}@exemple.net")
        wrong = a_request(login=LOGIN, birth_date=WRONG)
        handling.take_request(request=wrong, actor=agent)
        assert comparison_of(wrong).match == Match.MISMATCH
        assert answered(wrong, agent) is True

    def test_a_day_later_somebody_may_be_asked_again(self, person):
        with time_machine.travel(NOON, tick=False) as clock:
            agent, request = an_agent(), a_request(login=LOGIN)
            handling.take_request(request=request, actor=agent)
            for _ in range(TRIES):
                answered(request, agent, WRONG)
            clock.shift(timedelta(days=1) - timedelta(seconds=1))
            with pytest.raises(handling.TooManyMismatches):
                answered(request, agent)
            clock.shift(timedelta(seconds=1))
            assert answered(request, agent) is True

    def test_what_hr_does_not_know_is_not_compared_and_is_no_miss(self, agent):
        nobody = a_request(login="personne@univ-exemple.fr")
        stranger = active_account(birth_date=None)
        about_stranger = a_request(login=stranger.login)
        for request in (nobody, about_stranger):
            handling.take_request(request=request, actor=agent)
            for fact, answer in ((Fact.BIRTH_DATE, BORN), (Fact.INE, "0123456789A")):
                with pytest.raises(handling.NothingToCompareWith):
                    answered(request, agent, answer, fact)
        assert not RequestStep.objects.filter(kind=StepKind.FACT_MISMATCHED).exists()


class TestTheFactOfTheRequest:
    @pytest.mark.parametrize(
        ("typed", "known", "match"),
        [
            ("0123456789A", "0123456789a", Match.MATCH),
            ("0123456789A", "0123456789B", Match.MISMATCH),
            ("0123456789A", "", Match.UNKNOWN),
        ],
    )
    def test_of_a_student(self, typed, known, match):
        student = active_account(category=Category.STUDENT, ine=known)
        assert comparison_of(a_request(login=student.login, ine=typed)).match == match

    @pytest.mark.parametrize(
        ("typed", "known", "match"),
        [(BORN, BORN, Match.MATCH), (BORN, WRONG, Match.MISMATCH), (BORN, None, Match.UNKNOWN)],
    )
    def test_of_staff(self, typed, known, match):
        someone = active_account(birth_date=known)
        assert comparison_of(a_request(login=someone.login, birth_date=typed)).match == match

    def test_that_was_erased_or_never_given(self, request_):
        AssistanceRequest.objects.update(birth_date_typed=None)
        assert comparison_of(now(request_)).match == Match.NOT_GIVEN


class TestAttaching:
    @pytest.mark.parametrize(
        "name", ["zoe.lambert@univ-exemple.fr", "Zoe.Lambert@univ-exemple.fr", "zlambert", "zoe.lambert"]
    )
    def test_by_whatever_the_account_is_called(self, agent, name):
        zoe = active_account(institutional_address="zoe.lambert@univ-exemple.fr", uid="zlambert")
        mistyped = a_request(login="zoe.lamber@univ-exemple.fr")
        handling.take_request(request=mistyped, actor=agent)

        assert handling.attach_account(request=mistyped, actor=agent, name=name) == zoe

        assert now(mistyped).account == zoe
        assert RequestStep.objects.get(kind=StepKind.ATTACHED).account == zoe
        assert events(zoe) == [Event.REQUEST_ATTACHED]

    def test_somebody_else_tells_both_journals(self, taken, agent, person):
        zoe = active_account(given_name="Zoe")
        handling.attach_account(request=taken, actor=agent, name=zoe.login)
        assert events(person)[-1] == Event.REQUEST_DETACHED
        assert events(zoe) == [Event.REQUEST_ATTACHED]

    def test_the_same_account_again_changes_nothing(self, taken, agent):
        handling.attach_account(request=taken, actor=agent, name=LOGIN)
        assert len(steps(taken)) == 1

    @pytest.mark.parametrize("name", ["", "personne", "a@b", "personne@univ-exemple.fr", "\x00", "é", "x" * 300])
    def test_nobody_s_name_is_refused(self, taken, agent, name):
        with pytest.raises(handling.UnknownAccountName):
            handling.attach_account(request=taken, actor=agent, name=name)
        assert len(steps(taken)) == 1

    def test_somebody_who_was_erased_is_nobody(self, taken, agent):
        gone = active_account(institutional_address="parti@univ-exemple.fr")
        erase_person(account=gone)
        with pytest.raises(handling.UnknownAccountName):
            handling.attach_account(request=taken, actor=agent, name="parti@univ-exemple.fr")

    def test_one_s_own_or_a_colleague_s_account_is_refused(self, taken, agent, colleague):
        """ADM-05"""
        for account in (agent, colleague):
            with pytest.raises(PermissionDenied):
                handling.attach_account(request=taken, actor=agent, name=account.login)
        assert now(taken).account_id == taken.account_id


class TestClosing:
    @pytest.mark.parametrize("outcome", [RequestState.SOLVED, RequestState.REFUSED, RequestState.DUPLICATE])
    def test_says_how(self, taken, agent, person, outcome):
        handling.close_request(request=taken, actor=agent, outcome=outcome, note=NOTE)

        closed = now(taken)
        assert (closed.state, closed.is_open, closed.taken_by) == (outcome, False, agent)
        assert steps(closed)[-1] == (outcome.value, "", NOTE)
        assert events(person)[-1] == Event.REQUEST_CLOSED
        assert not AssistanceRequest.objects.open().exists()

    def test_too_early_is_undone_by_any_colleague(self, taken, agent, colleague, person):
        handling.close_request(request=taken, actor=agent, outcome=RequestState.SOLVED)
        handling.reopen_request(request=now(taken), actor=colleague)

        again = now(taken)
        assert (again.state, again.closed_at, again.taken_by) == (RequestState.TAKEN, None, colleague)
        assert events(person)[-1] == Event.REQUEST_REOPENED
        with pytest.raises(handling.StillOpen):
            handling.reopen_request(request=again, actor=agent)


class TestKeeping:
    def test_steps_go_with_their_request(self, taken, agent):
        """PRV-05"""
        handling.close_request(request=taken, actor=agent, outcome=RequestState.SOLVED, note=NOTE)
        kind = next(kind for kind in retention_rules() if kind.name == "assistance-requests")
        assert apply_rule(kind, now=timezone.now() + timedelta(days=364)) == 0
        assert apply_rule(kind, now=timezone.now() + timedelta(days=366)) == 1
        assert not RequestStep.objects.exists()

    def test_an_open_request_is_kept_however_old(self, taken):
        assert (
            sum(
                apply_rule(kind, now=timezone.now() + timedelta(days=4_000))
                for kind in retention_rules()
                if "assist" in kind.name
            )
            == 0
        )

    def test_steps_go_with_the_person(self, taken, agent, person):
        """PRV-07"""
        handling.add_note(request=taken, actor=agent, note=NOTE)
        erase_person(account=person)
        assert not RequestStep.objects.exists()

    def test_the_copy_of_the_person_holds_nothing_that_agents_wrote(self, taken, agent, person):
        """HLP-04, PRV-07: nobody has shown who asked."""
        handling.add_note(request=taken, actor=agent, note=NOTE)
        answered(taken, agent, WRONG)
        assert NOTE not in str(export_person(account=person, actor=person))


class TestLate:
    @pytest.mark.parametrize(
        "moment",
        [NOON, NOON + timedelta(hours=7), datetime(2026, 10, 4, 10, tzinfo=UTC), datetime(2027, 5, 17, 9, tzinfo=UTC)],
    )
    def test_is_told_of_many_as_of_one(self, moment):
        """On a working day, at night, on a Sunday, after a long weekend: to the second."""
        last = late_threshold(moment)
        assert call_expected_by(last) < moment
        assert call_expected_by(last + timedelta(seconds=1)) >= moment

    def test_uses_the_index_of_what_is_open(self):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {AssistanceRequest.objects.open().oldest_first().query}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "assistance_request_open" in plan
