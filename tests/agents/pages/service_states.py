"""The pages about linked services."""

from datetime import timedelta

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from provisioning.enums import SUSPENDED_ELSEWHERE, Status, Urgency
from provisioning.models import Target
from tests.agents.pages.registry import AGENT_PAGES, AGENT_REFUSALS, assisting, declare_inside, managing
from tests.factories import active_account
from tests.pages.registry import Arrange, PageRequest, State
from tests.provisioning.linked import LDAP, WEBHOOK, link, replica_of

REFUSED_VALUE = "19 constraintViolation: mail: no user modification allowed"
SUSPENDED = f"uid=cdurand,ou=people,dc=univ-exemple,dc=fr {SUSPENDED_ELSEWHERE}"


def linked(arrange: Arrange) -> Arrange:
    """The settings link a directory and a webhook."""

    def link_and_arrange(browser: Client) -> object:
        link(LDAP, WEBHOOK)
        return arrange(browser)

    return link_and_arrange


def some_replicas(me: object = None) -> None:
    """One in each status; the directory does not answer."""
    for status in Status:
        answer = {Status.REFUSED: REFUSED_VALUE, Status.CONFLICT: SUSPENDED}.get(status, "")
        replica_of(active_account(), status, answer=answer, urgency=Urgency.WITHDRAWAL)
    now = timezone.now()
    away = {"down_since": now, "paused_until": now + timedelta(minutes=1), "answer": "LDAPSocketOpenError: timed out"}
    Target.objects.filter(name="ldap").update(compared_at=now, drift=2, **away)


def closings_are_held(me: object = None) -> str:
    for _ in range(30):
        replica_of(active_account(end_date=timezone.localdate() - timedelta(days=1)), Status.HELD)
    return "ldap"


def account_with_replicas() -> object:
    account = active_account()
    some_replicas()
    facts = {"checked_at": timezone.now(), "differences": ["mail", "userPassword"], "answer": SUSPENDED}
    replica_of(account, Status.CONFLICT, applied_at=timezone.now(), **facts)
    replica_of(account, Status.DONE, "webhook")
    return account


def suspended_account() -> Account:
    link()
    account = active_account()
    replica_of(account, Status.CONFLICT, answer=SUSPENDED)
    return account


def opening(me: object) -> PageRequest:
    return PageRequest(reverse("admin:account-service-open", args=[suspended_account().pk, "ldap"]))


declare_inside(
    AGENT_PAGES,
    State("services", 7, linked(managing(some_replicas)), "services"),
    State("services_without_any", 5, assisting(), "services"),
    State("services_with_held_closings", 7, linked(assisting(lambda me: closings_are_held() and None)), "services"),
    State("service_accounts", 6, linked(assisting(lambda me: some_replicas() or "ldap")), "service"),
    State("service_held", 6, linked(assisting(closings_are_held)), "service?etat=held&page=2"),
    State("service_closings", 8, linked(managing(closings_are_held)), "service-closings"),
    State("account_service_opening", 9, linked(managing(opening))),
    State("account_with_services", 20, linked(managing(about=account_with_replicas)), "account"),
)
declare_inside(
    AGENT_REFUSALS,
    State(
        "service_closings_without_a_reason",
        8,
        linked(managing(closings_are_held)),
        "service-closings",
        {"number": "30"},
    ),
)
