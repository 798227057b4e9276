"""Requests for assistance."""

from datetime import timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.models import Account, Lock
from agents.roles import Role
from assistance.enums import CallOutcome, RequestState
from assistance.handling import close_request, record_call, take_request
from assistance.models import AssistanceRequest
from tests.agents.pages.registry import INSIDE, come_in, page, refusal
from tests.agents.signed_in import an_agent
from tests.assistance.asking import assistance_request
from tests.factories import active_account, pending_account
from tests.pages import PageRequest


def a_taken_request(agent: Account, **changed: Any) -> AssistanceRequest:
    taken = assistance_request(**changed)
    take_request(request=taken, actor=agent)
    return taken


@page(INSIDE + 2)
def requests(browser: Client) -> PageRequest:
    agent = come_in(browser)
    person = active_account(phone="+33467123456")
    for number in range(3):
        assistance_request(login=person.login, contact_address=f"adresse{number}@exemple.net")
    assistance_request(login="personne@univ-exemple.fr", ine="0123456789A", contact_address="un@exemple.net")
    late = assistance_request(login=pending_account().login, contact_address="deux@exemple.net")
    AssistanceRequest.objects.filter(pk=late.pk).update(asked_at=timezone.now() - timedelta(days=10))
    tried = a_taken_request(agent, login=active_account().login, reason="recovery-lost")
    record_call(request=tried, actor=agent, outcome=CallOutcome.NO_ANSWER)
    return PageRequest(reverse("admin:requests"))


@page(INSIDE + 3)
def requests_of_one_person(browser: Client) -> PageRequest:
    come_in(browser, Role.LECTURE)
    first, _second = assistance_request(), assistance_request()
    return PageRequest(f"{reverse('admin:requests')}?personne={first.reference}")


@page(INSIDE + 7)
def request(browser: Client) -> PageRequest:
    come_in(browser)
    person = active_account(phone="+33467123456")
    Lock.objects.create(account=person, reason=LockReason.PHISHING)
    assistance_request(login=person.login)
    return PageRequest(reverse("admin:request", args=[assistance_request(login=person.login).reference]))


@page(INSIDE + 7)
def request_in_hand(browser: Client) -> PageRequest:
    agent = come_in(browser, Role.RESPONSABLES)
    taken = a_taken_request(agent, login=active_account(birth_date=None).login)
    record_call(request=taken, actor=agent, outcome=CallOutcome.NO_ANSWER, note="Répondeur.\nRappeler demain.")
    return PageRequest(reverse("admin:request", args=[taken.reference]))


@page(INSIDE + 10)
def request_that_a_colleague_has_taken_meanwhile(browser: Client) -> PageRequest:
    come_in(browser)
    taken = a_taken_request(an_agent())
    return PageRequest(
        reverse("admin:request-call", args=[taken.reference]), {"outcome": "reached", "note": "Tout est dit."}, 409
    )


@page(INSIDE + 8)
def request_with_its_identity(browser: Client) -> PageRequest:
    come_in(browser)
    return PageRequest(
        reverse("admin:request-identity", args=[assistance_request(login=active_account().login).reference]), {}
    )


@page(INSIDE + 7)
def request_closed(browser: Client) -> PageRequest:
    agent = come_in(browser)
    done = a_taken_request(agent, login=active_account().login)
    close_request(request=done, actor=agent, outcome=RequestState.REFUSED, note="Numéro faux, personne ne répond.")
    return PageRequest(reverse("admin:request", args=[done.reference]))


@refusal(INSIDE + 7)
def request_closed_without_a_reason(browser: Client) -> PageRequest:
    agent = come_in(browser)
    taken = a_taken_request(agent, login=active_account().login)
    return PageRequest(reverse("admin:request-close", args=[taken.reference]), {"outcome": "refused", "note": ""})
