"""Linked services: what agents see, ask and confirm."""

import re
from unittest.mock import patch

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils import timezone

from agents.roles import Role
from journal.events import Event
from journal.models import JournalEntry
from provisioning.connector import TargetDown
from provisioning.decisions import HasChanged, confirm_closings, write_again
from provisioning.enums import Status, Urgency
from provisioning.linked_services import Access, linked_services
from provisioning.models import Replica, Target
from provisioning.tasks import compare_account
from tests.agents.pages.service_states import (
    REFUSED_VALUE,
    SUSPENDED,
    closings_are_held,
    some_replicas,
    suspended_account,
)
from tests.agents.signed_in import an_agent, follow, verified_agent, visible_text
from tests.factories import active_account
from tests.provisioning.linked import replica_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("linked")]

ROLE = Role.RESPONSABLES
WHY = "Vu avec les ressources humaines."


def page_of(name: str, *args: object) -> str:
    return reverse(f"admin:{name}", args=args)


def test_people_read_what_is_true_now():
    """What is refused says no detail; a service that is down, or a wait of more than a minute, promises no minute."""
    account, now = active_account(), timezone.now()
    minute_ago = now - timezone.timedelta(minutes=2)
    assert linked_services(account).access is Access.SOON
    for status, facts, access in (
        (Status.DONE, {}, Access.OPEN),
        (Status.DONE, {"wanted": 2}, Access.AT_DSIN),
        (Status.DONE, {"state": "to-reactivate"}, Access.SOON),
        (Status.WAITING, {"marked_at": now}, Access.SOON),
        (Status.WAITING, {"marked_at": minute_ago}, Access.LATE),
        (Status.REFUSED, {"answer": REFUSED_VALUE}, Access.AT_DSIN),
        (Status.CONFLICT, {}, Access.AT_DSIN),
        (Status.HELD, {}, Access.AT_DSIN),
    ):
        replica_of(account, status, **facts)
        assert linked_services(account).access is access, (status, facts)
    replica_of(account, Status.WAITING, marked_at=now)
    Target.objects.update(down_since=now)
    shown = linked_services(account)
    assert (shown.access, [str(one.name) for one in shown.services]) == (Access.LATE, ["ENT", "Messagerie", "Moodle"])
    student = active_account(category="student")
    assert [one.name for one in linked_services(student).services] == ["ENT", "Moodle"]


def test_an_agent_writes_an_account_again_and_sees_the_answer_in_words(browser):
    account = active_account()
    before = replica_of(account, Status.REFUSED, answer=REFUSED_VALUE, attempts=3)
    shown = visible_text(browser.get(page_of("account", account.pk)))
    assert "L’annuaire refuse une des valeurs." in shown
    done = follow(browser, browser.post(page_of("account-service-write", account.pk, "ldap")))
    assert "L’écriture est demandée." in visible_text(done)
    after = Replica.objects.get(pk=before.pk)
    assert (after.status, after.wanted, after.attempts, after.urgency) == (Status.WAITING, 2, 0, Urgency.PERSON)
    assert account.journal.get(event=Event.SERVICE_WRITE_REQUESTED).details == {"service": "ldap"}
    replica_of(account, Status.HELD)
    refused = follow(browser, browser.post(page_of("account-service-write", account.pk, "ldap")))
    assert "rien n’a été demandé" in visible_text(refused)
    assert browser.post(page_of("account-service-write", account.pk, "scim")).status_code == 404
    with pytest.raises(PermissionDenied):
        write_again(account=an_agent(), agent=an_agent(), target_name="ldap")


def test_a_worker_compares_by_names_and_says_when_the_service_cannot_be_read(browser):
    account = active_account()
    replica = replica_of(account, Status.DONE)
    follow(browser, browser.post(page_of("account-service-compare", account.pk, "ldap")))
    for found, words in (
        ({"return_value": iter([])}, "Rien ne diffère"),
        ({"side_effect": TargetDown("away")}, "Le service n’a pas pu être lu"),
    ):
        with patch("provisioning.comparison.differences_of", **found):
            compare_account(replica.pk)
        assert words in visible_text(browser.get(page_of("account", account.pk)))


def test_only_a_responsable_lifts_a_suspension_that_the_directory_alone_knows(browser):
    account = suspended_account()
    page = page_of("account-service-open", account.pk, "ldap")
    _agent, assisting = verified_agent(Role.ASSISTANCE)
    shown = visible_text(assisting.get(page_of("account", account.pk)))
    assert "Un responsable peut confirmer" in shown
    assert page not in assisting.get(page_of("account", account.pk)).content.decode()
    assert page in browser.get(page_of("account", account.pk)).content.decode()
    assert browser.post(page, {"reason": "court"}).status_code == 200
    assert not Replica.objects.get(account=account).is_confirmed
    follow(browser, browser.post(page, {"reason": WHY}))
    replica = Replica.objects.get(account=account)
    assert (replica.status, replica.is_confirmed) == (Status.WAITING, True)
    assert account.journal.get(event=Event.SERVICE_OPENING_CONFIRMED).details == {"service": "ldap", "reason": WHY}
    replica_of(account, Status.CONFLICT, answer="uid=cdurand is of another origin", is_confirmed=False)
    assert "ne suspend pas, ou plus" in visible_text(follow(browser, browser.get(page)))
    follow(browser, browser.post(page, {"reason": WHY}))
    assert not Replica.objects.get(account=account).is_confirmed


def test_held_closings_are_written_as_the_responsable_read_them(agent, browser):
    """Their number is part of the word: a later one is read first."""
    closings_are_held()
    page = page_of("service-closings", "ldap")
    assert "Confirmer la fermeture de 30 comptes" in visible_text(browser.get(page))
    answer = browser.post(page, {"reason": WHY, "number": "29"})
    assert "Le nombre de comptes a changé entre-temps." in visible_text(answer)
    assert re.search(r"name=\"number\"[^>]* value=\"30\"", answer.content.decode())
    assert not Replica.objects.filter(is_confirmed=True).exists()
    follow(browser, browser.post(page, {"reason": WHY, "number": "30"}))
    assert Replica.objects.filter(status=Status.WAITING, is_confirmed=True).count() == 30
    entry = JournalEntry.objects.get(event=Event.SERVICE_CLOSINGS_CONFIRMED)
    assert (entry.actor, entry.details) == (agent, {"service": "ldap", "number": 30, "reason": WHY})
    with pytest.raises(HasChanged):
        confirm_closings(target_name="ldap", number=30, agent=agent, reason=WHY)


def test_the_list_by_status_and_the_page_of_the_services(browser):
    some_replicas()
    replica_of(active_account(given_name="Paul"), Status.REFUSED, answer=REFUSED_VALUE)
    listed = visible_text(browser.get(page_of("service", "ldap"), {"etat": "refused"}))
    assert "Paul Durand" in listed
    assert SUSPENDED not in listed
    assert SUSPENDED in visible_text(browser.get(page_of("service", "ldap")))
    shown = visible_text(browser.get(page_of("services")))
    for words in ("En panne", "Le service ne répond pas", "Accès à retirer : 1", "2 écarts"):
        assert words in shown
