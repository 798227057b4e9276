"""Agents who click at the same instant, on a real PostgreSQL: every race has one outcome."""

from datetime import date

import pytest

from accounts.models import Account
from assistance import handling
from assistance.enums import Fact, RequestState, StepKind
from assistance.handling import TRIES
from assistance.models import AssistanceRequest, RequestStep
from journal.events import Event
from journal.models import JournalEntry
from tests.activation.wizard.test_concurrency import together
from tests.agents.signed_in import an_agent
from tests.assistance.asking import a_request
from tests.factories import active_account

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 5
WRONG = date(1984, 3, 1)


def tried(act, *args, **kwargs) -> str:
    """The name of the refusal; empty when it was done."""
    try:
        act(*args, **kwargs)
    except handling.RequestActionRefused as refusal:
        return type(refusal).__name__
    return ""


def taken_by(agent: Account, person: Account, number: int = 0) -> AssistanceRequest:
    request = a_request(login=person.login, contact_address=f"adresse{number}@exemple.net")
    handling.take_request(request=request, actor=agent)
    return AssistanceRequest.objects.get(pk=request.pk)


def test_two_agents_who_take_a_request_at_the_same_instant_do_not_both_get_it():
    for _ in range(ROUNDS):
        request, agents = a_request(), (an_agent(), an_agent())

        answers = together(
            *(lambda agent=agent: tried(handling.take_request, request=request, actor=agent) for agent in agents)
        )

        assert sorted(answers) == ["", "AlreadyTaken"]
        request.refresh_from_db()
        assert request.taken_by == agents[answers.index("")]
        assert request.steps.count() == 1


def test_two_agents_who_take_over_at_the_same_instant_do_not_both_get_it():
    for _ in range(ROUNDS):
        away, person = an_agent(), active_account()
        request, agents = taken_by(away, person), (an_agent(), an_agent())

        answers = together(
            *(
                lambda agent=agent: tried(handling.take_over, request=request, actor=agent, holder=away.pk)
                for agent in agents
            )
        )

        assert sorted(answers) == ["", "AlreadyTaken"]
        assert request.steps.filter(kind=StepKind.TAKEN_OVER).count() == 1


def test_wrong_answers_at_the_same_instant_are_never_more_than_three():
    """Design §9: over several requests, by several agents."""
    for _ in range(ROUNDS):
        person, agents = active_account(), [an_agent() for _ in range(3)]
        requests = [taken_by(agent, person, number) for number, agent in enumerate(agents)]
        tries = [(agent, request) for agent, request in zip(agents, requests, strict=True) for _ in range(2)]

        answers = together(
            *(
                lambda agent=agent, request=request: tried(
                    handling.compare_fact, request=request, actor=agent, fact=Fact.BIRTH_DATE, answer=WRONG
                )
                for agent, request in tries
            )
        )

        assert sorted(answers) == [*[""] * TRIES, *["TooManyMismatches"] * (len(tries) - TRIES)]
        assert RequestStep.objects.misses(person).count() == TRIES
        assert JournalEntry.objects.filter(account=person, event=Event.FACT_COMPARED).count() == TRIES


def test_closing_while_a_colleague_takes_over_has_one_outcome():
    for _ in range(ROUNDS):
        agent, colleague, person = an_agent(), an_agent(), active_account()
        request = taken_by(agent, person)

        answers = together(
            lambda: tried(handling.close_request, request=request, actor=agent, outcome=RequestState.SOLVED),
            lambda: tried(handling.take_over, request=request, actor=colleague, holder=agent.pk),
        )

        request.refresh_from_db()
        assert answers in (["", "AlreadyClosed"], ["AlreadyTaken", ""])
        assert (request.taken_by == colleague) == request.is_open
