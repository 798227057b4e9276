"""The way from the mail to an active account, page by page."""

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
    link_to,
)
from tests.factories import A_GOOD_PASSWORD, pending_account
from tests.mail_delivery import text_of

pytestmark = pytest.mark.django_db

WITHOUT_MAILBOX = [Category.HOSTED, Category.STUDENT]


def mail_activation_link(person: Account) -> None:
    queue_email(kind=Kind.ACTIVATION, person=person, address=person.recovery_address, language=person.language)


def test_a_member_of_staff_activates_an_account(client, mail_delivery):
    person = pending_account()
    mail_activation_link(person)

    client.get(mail_delivery.last_link())
    client.post(reverse("activation"))
    answer(client, CHARTER)
    answer(client, DIRECTORY, {"listed": "yes", "understood": "on"})
    answer(client, MAILBOX)
    last = client.post(reverse(PASSWORD), {"password": A_GOOD_PASSWORD}, follow=True)

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
    assert "actif" in text_of(mail_delivery.last_mail())
    assert A_GOOD_PASSWORD not in str(list(person.journal.values_list("details", flat=True)))


def test_people_without_a_mailbox_are_not_asked_about_one(client):
    """Only the university's own staff gets a mailbox (design §5)."""
    for category in WITHOUT_MAILBOX:
        person = pending_account(category=category)
        begin(client, person)
        answer(client, CHARTER)

        after_directory = answer(client, DIRECTORY)
        mailbox = client.get(reverse(MAILBOX))
        verification = client.get(reverse(VERIFICATION))
        password = client.get(reverse(PASSWORD))

        for redirected in (after_directory, mailbox, verification):
            assert redirected["Location"] == reverse(PASSWORD)
        assert "sans objet" in password.content.decode()


def test_people_without_a_mailbox_get_none(client):
    for category in WITHOUT_MAILBOX:
        person = pending_account(category=category)
        begun_until(client, person, MAILBOX)

        answer(client, MAILBOX, {"forward": "on", "target": "quelqu.un@exemple.net"})
        answer(client, PASSWORD)

        person = Account.objects.get(pk=person.pk)
        assert person.is_active
        assert not hasattr(person, "mailbox")
        assert not hasattr(person, "redirection")


def test_the_first_page_says_who_what_and_until_when(client):
    person = pending_account(
        given_name="Zoé", family_name="Le Gall", institutional_address="zoe.legall@univ-exemple.fr"
    )

    page = client.get(link_to(person), follow=True).content.decode()

    for told in ("Zoé Le Gall", "zoe.legall@univ-exemple.fr", person.recovery_address, "23 h 59"):
        assert told in page.replace("\N{NO-BREAK SPACE}", " ").replace("&nbsp;", " ")
    assert "24 heures" not in page


def test_the_same_link_on_another_device_resumes_where_the_person_stopped(client):
    """Design §5: answers are facts of the account, not of a browser."""
    person = pending_account()
    begun_until(client, person, MAILBOX)
    phone = Client()

    welcome = phone.get(link_to(person), follow=True).content.decode()
    resumed = phone.post(reverse("activation"))

    assert "Reprenons à l’étape 4" in welcome
    assert resumed["Location"] == reverse(MAILBOX)


def test_opening_the_link_again_in_the_same_browser_goes_straight_on(client):
    person = pending_account()
    begun_until(client, person, DIRECTORY)

    response = client.get(link_to(person), follow=True)

    assert response.redirect_chain[-1] == (reverse(DIRECTORY), 302)


def test_the_last_page_can_be_read_again_but_not_for_ever(client, time_machine):
    """A phone reloads the page it had put aside; the next person at the desk sees nothing."""
    person = pending_account()
    begun_until(client, person, PASSWORD)
    answer(client, PASSWORD)

    again = client.get(reverse("activation-done"))
    from_the_start = client.get(reverse("activation"))
    time_machine.move_to(timezone.now() + timedelta(minutes=16))
    later = client.get(reverse("activation-done"))

    assert "Votre compte est activé" in again.content.decode()
    assert from_the_start["Location"] == reverse("activation-done")
    assert later["Location"] == reverse("login")


def test_going_back_from_the_last_page_finds_that_it_is_over(client):
    """The back button of the browser: no form that could do anything, and where to go now."""
    person = pending_account()
    begun_until(client, person, PASSWORD)
    answer(client, PASSWORD)

    back = client.get(reverse(DIRECTORY))

    assert back.status_code == 410
    assert "Votre compte est déjà actif" in back.content.decode()
    assert reverse("login") in back.content.decode()


def test_activating_signs_nobody_in(client):
    """D11, design §4: the end of the journey is « Se connecter »."""
    person = pending_account()
    begun_until(client, person, PASSWORD)

    answer(client, PASSWORD)

    assert client.get(reverse("account")).status_code == 302
    assert "_auth_user_id" not in client.session


def test_refusing_the_charter_loses_nothing(client):
    person = pending_account()
    begin(client, person)

    page = client.get(reverse("activation-charter-refused"))

    assert page.status_code == 200
    assert reverse(CHARTER) in page.content.decode()
    assert client.get(reverse(CHARTER)).status_code == 200


def test_whoever_says_it_is_not_me_stops_the_mails(client, mail_delivery):
    """TOK-06, TOK-07: a page with a button first; then the link is dead and nothing goes to that address any more."""
    person = pending_account()
    link = link_to(person)
    client.get(link)

    shown = client.get(reverse("activation-not-me"))
    person.refresh_from_db()
    assert shown.status_code == 200
    assert person.recovery_address_disputed_at is None
    done = client.post(reverse("activation-not-me"))

    person.refresh_from_db()
    assert done.status_code == 200
    assert person.recovery_address_disputed_at is not None
    assert person.journal.filter(event=Event.RECOVERY_ADDRESS_DISPUTED).count() == 1
    assert client.get(link).status_code == 404
    mail_activation_link(person)
    assert mail_delivery.deliver() == []
