"""From the mail to an active account, page by page."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category
from accounts.models import Account
from journal.events import Event
from outbox.enums import Kind
from outbox.services import queue_email
from tests.activation.wizard.client import (
    CHARTER,
    DIRECTORY,
    MAILBOX,
    PASSWORD,
    VERIFICATION,
    answer,
    begin,
    begun_until,
    forward_to,
    link_to,
)
from tests.factories import A_GOOD_PASSWORD, pending_account
from tests.mail_delivery import text_of

pytestmark = pytest.mark.django_db

DONE = "activation-done"


def mail_activation_link(person: Account) -> None:
    queue_email(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language=person.language)


def test_a_member_of_staff_activates_an_account(client, mail_delivery):
    """PWD-06: the password opens the account, and activating does not log in."""
    person = pending_account()
    mail_activation_link(person)
    client.get(mail_delivery.last_link())
    client.post(reverse("activation"))
    answer(client, CHARTER)
    answer(client, DIRECTORY, {"listed": "yes", "understood": "on"})
    answer(client, MAILBOX)
    last = client.post(reverse(PASSWORD), {"password": A_GOOD_PASSWORD}, follow=True)
    assert (last.status_code, "Votre compte est activé" in last.content.decode()) == (200, True)
    person.refresh_from_db()
    assert (person.is_active, person.check_password(A_GOOD_PASSWORD)) == (True, True)
    assert person.mailbox.address == person.institutional_address
    assert person.directory_consents.get().listed
    assert person.charter_acceptances.count() == 1
    events = set(person.journal.values_list("event", flat=True))
    assert {Event.CHARTER_ACCEPTED, Event.USER_ACTIVATED, Event.MAILBOX_CREATED, Event.PASSWORD_SET} <= events
    mail = mail_delivery.last_mail()
    assert (mail["To"], "actif" in text_of(mail)) == (person.recovery_address, True)
    assert client.get(reverse("account")).status_code == 302
    assert "_auth_user_id" not in client.session


def test_accounts_without_a_mailbox_skip_its_steps_and_get_none(client):
    for category in [Category.HOSTED, Category.STUDENT]:
        person = pending_account(category=category)
        begin(client, person)
        answer(client, CHARTER)
        redirected = [answer(client, DIRECTORY), *(client.get(reverse(step)) for step in (MAILBOX, VERIFICATION))]
        redirected.append(answer(client, MAILBOX, forward_to("ailleurs@exemple.net")))
        assert {response["Location"] for response in redirected} == {reverse(PASSWORD)}
        assert "sans objet" in client.get(reverse(PASSWORD)).content.decode()
        answer(client, PASSWORD)
        person = Account.objects.get(pk=person.pk)
        assert (person.is_active, hasattr(person, "mailbox"), hasattr(person, "redirection")) == (True, False, False)


def test_the_first_page_says_whose_account_it_is_and_until_when_the_link_is_valid(client):
    person = pending_account(given_name="Zoé", family_name="Le Gall")
    page = client.get(link_to(person), follow=True).content.decode()
    page = page.replace("\N{NO-BREAK SPACE}", " ").replace("&nbsp;", " ")
    facts = ("Zoé Le Gall", person.institutional_address, person.recovery_address, "23 h 59")
    assert [fact for fact in facts if fact not in page] == []
    assert "24 heures" not in page


def test_the_same_link_resumes_where_the_user_stopped(client):
    """Answers belong to the account; the button of the first page to a browser."""
    person = pending_account()
    begun_until(client, person, MAILBOX)
    phone = Client()
    assert "Reprenons à l’étape 4" in phone.get(link_to(person), follow=True).content.decode()
    assert phone.post(reverse("activation"))["Location"] == reverse(MAILBOX)
    assert client.get(link_to(person), follow=True).redirect_chain[-1] == (reverse(MAILBOX), 302)


def test_after_the_end_only_the_last_page_can_be_read_for_a_quarter_of_an_hour(client, time_machine):
    begun_until(client, pending_account(), PASSWORD)
    answer(client, PASSWORD)
    assert "Votre compte est activé" in client.get(reverse(DONE)).content.decode()
    assert client.get(reverse("activation"))["Location"] == reverse(DONE)
    back = client.get(reverse(DIRECTORY))
    assert (back.status_code, "Votre compte est déjà actif" in back.content.decode()) == (410, True)
    assert reverse("login") in back.content.decode()
    time_machine.move_to(timezone.now() + timedelta(minutes=16))
    assert client.get(reverse(DONE))["Location"] == reverse("login")


def test_a_wrong_recipient_stops_the_mails_by_a_button(client, mail_delivery):
    """TOK-06, TOK-07: opening the page changes nothing; the button revokes the link."""
    person = pending_account()
    link = link_to(person)
    client.get(link)
    assert client.get(reverse("activation-not-me")).status_code == 200
    person.refresh_from_db()
    assert person.recovery_address_disputed_at is None
    assert client.post(reverse("activation-not-me")).status_code == 200
    person.refresh_from_db()
    assert person.recovery_address_disputed_at is not None
    assert person.journal.filter(event=Event.RECOVERY_ADDRESS_DISPUTED).count() == 1
    assert client.get(link).status_code == 404
    mail_activation_link(person)
    assert mail_delivery.deliver() == []
