"""The way from the mail to an active account, page by page."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.enums import Event
from accounts.models import Account
from activation.models import Charter
from outbox.enums import Kind
from outbox.services import queue
from tests.people import A_GOOD_PASSWORD, pending_person
from tests.postman import text_of

pytestmark = pytest.mark.django_db


def mail_activation_link(person: Account) -> None:
    queue(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language=person.language)


def charter_answer() -> dict[str, str]:
    return {"version": Charter.objects.in_force().version, "accepted": "on"}


def walk(client: Client, link: str, *, mailbox: dict[str, str] | None = None):
    """Every step, as a person would answer it; the last answer."""
    client.get(link)
    client.post(reverse("activation"))
    client.post(reverse("activation-charter"), charter_answer())
    client.post(reverse("activation-directory"), {"listed": "yes", "understood": "on"})
    if mailbox is not None:
        client.post(reverse("activation-mailbox"), mailbox)
    return client.post(reverse("activation-password"), {"password": A_GOOD_PASSWORD}, follow=True)


def test_a_member_of_staff_activates_an_account(visitor, postman):
    person = pending_person()
    mail_activation_link(person)

    last = walk(visitor, postman.last_link(), mailbox={})

    assert last.status_code == 200
    assert "Votre compte est activé" in last.content.decode()
    person.refresh_from_db()
    assert person.is_active
    assert person.check_password(A_GOOD_PASSWORD)
    assert person.mailbox.address == person.institutional_address
    assert person.directory_consents.get().listed
    assert person.charter_acceptances.count() == 1
    told = set(person.journal.values_list("event", flat=True))
    assert {Event.CHARTER_ACCEPTED, Event.USER_ACTIVATED, Event.MAILBOX_CREATED, Event.PASSWORD_SET} <= told
    assert "actif" in text_of(postman.last_mail())
    assert A_GOOD_PASSWORD not in str(list(person.journal.values_list("details", flat=True)))
