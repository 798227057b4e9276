"""Agents who act on one request at the same instant, on a real PostgreSQL: every race has one outcome."""

from collections.abc import Callable
from datetime import date

import pytest

from accounts.models import Account
from assistance import handling
from assistance.enums import Fact, RequestState, StepKind
from assistance.handling import MAX_MISMATCHES
from assistance.models import AssistanceRequest, RequestStep
from journal.events import Event
from journal.models import JournalEntry
from tests.agents.signed_in import an_agent
from tests.assistance.asking import assistance_request
from tests.concurrency import together
from tests.factories import active_account

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 5
WRONG = date(1984, 3, 1)


def refusal_of(act: Callable[..., object], **facts: object) -> str:
    """The name of the refusal; empty when the act was done."""
    try:
        act(**facts)
    except handling.RequestActionRefused as refusal:
        return type(refusal).__name__
    return ""


def request_taken_by(agent: Account, owner: Account, number: int = 0) -> AssistanceRequest:
    request = assistance_request(login=owner.login, contact_address=f"adresse{number}@exemple.net")
    handling.take_request(request=request, actor=agent)
    return AssistanceRequest.objects.get(pk=request.pk)


def test_of_two_agents_who_take_or_take_over_a_request_one_gets_it():
    for _ in range(ROUNDS):
        absent, agents = an_agent(), (an_agent(), an_agent())
        free, held = assistance_request(), request_taken_by(absent, active_account())
        for request, act, facts, kind in (
            (free, handling.take_request, {}, StepKind.TAKEN),
            (held, handling.take_over, {"holder": absent.pk}, StepKind.TAKEN_OVER),
        ):
            answers = together(
                *(
                    lambda agent=agent, request=request, act=act, facts=facts: refusal_of(
                        act, request=request, actor=agent, **facts
                    )
                    for agent in agents
                )
            )
            assert sorted(answers) == ["", "AlreadyTaken"]
            request.refresh_from_db()
            assert request.taken_by == agents[answers.index("")]
            assert request.steps.filter(kind=kind).count() == 1


def test_simultaneous_wrong_answers_are_never_more_than_three():
    """Over several requests, by several agents."""
    for _ in range(ROUNDS):
        owner, agents = active_account(), [an_agent() for _ in range(3)]
        requests = [request_taken_by(agent, owner, number) for number, agent in enumerate(agents)]
        tries = [(agent, request) for agent, request in zip(agents, requests, strict=True) for _ in range(2)]

        answers = together(
            *(
                lambda agent=agent, request=request: refusal_of(
                    handling.compare_fact, request=request, actor=agent, fact=Fact.BIRTH_DATE, answer=WRONG
                )
                for agent, request in tries
            )
        )

        assert sorted(answers) == [*[""] * MAX_MISMATCHES, *["TooManyMismatches"] * (len(tries) - MAX_MISMATCHES)]
        assert RequestStep.objects.filter(account=owner, kind=StepKind.FACT_MISMATCHED).count() == MAX_MISMATCHES
        assert JournalEntry.objects.filter(account=owner, event=Event.FACT_COMPARED).count() == MAX_MISMATCHES


def test_closing_while_a_colleague_takes_over_has_one_outcome():
    for _ in range(ROUNDS):
        agent, colleague = an_agent(), an_agent()
        request = request_taken_by(agent, active_account())

        answers = together(
            lambda: refusal_of(handling.close_request, request=request, actor=agent, outcome=RequestState.SOLVED),
            lambda: refusal_of(handling.take_over, request=request, actor=colleague, holder=agent.pk),
        )

        request.refresh_from_db()
        assert answers in (["", "AlreadyClosed"], ["AlreadyTaken", ""])
        assert (request.taken_by == colleague) == request.is_open
