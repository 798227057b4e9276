"""Somebody who went on without waiting, and let the verification link expire, asks for another from their account."""

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from mailrouting.services import choose_redirection
from outbox.models import Message
from tests.factories import active_account
from tests.mail_delivery import link_in

pytestmark = pytest.mark.django_db

TARGET = "ailleurs@exemple.org"


@pytest.fixture
def person() -> Account:
    someone = active_account()
    choose_redirection(account=someone, target=TARGET, keep_copy=True)
    return someone


@pytest.fixture
def browser(person: Account) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_another_link_is_mailed_from_the_account_page_and_works(person, browser, mail_delivery):
    """FWD-03: pending blocks nothing, and can be sent again."""
    [first] = mail_delivery.deliver()
    with time_machine.travel(timezone.now() + timedelta(days=3)):
        assert Client().get(link_in(first), follow=True).status_code == 410
        browser.force_login(person)
        assert "Renvoyer l’e-mail de vérification" in browser.get(reverse("account")).content.decode()

        answer = browser.post(reverse("redirection-verification-resend"), follow=True)

        assert "Un nouvel e-mail vient de partir." in answer.content.decode()
        stranger = Client()
        stranger.get(link_in(mail_delivery.last_mail()))
        stranger.post(reverse("redirection"))
    person.redirection.refresh_from_db()
    assert person.redirection.verified_at is not None


def test_asking_at_once_says_from_when_and_mails_nobody(browser):
    """ENU-05"""
    answer = browser.post(reverse("redirection-verification-resend"), follow=True)

    assert "Un e-mail est déjà parti vers cette adresse." in answer.content.decode()
    assert Message.objects.count() == 1


def test_nothing_is_mailed_when_nothing_waits(mail_delivery):
    client = Client()
    client.force_login(active_account())

    answer = client.post(reverse("redirection-verification-resend"), follow=True)

    assert "Aucune adresse n’attend de vérification." in answer.content.decode()
    assert mail_delivery.deliver() == []


def test_it_takes_a_post_of_somebody_signed_in(browser):
    """SES-07, ADM-01"""
    assert browser.get(reverse("redirection-verification-resend")).status_code == 405
    assert Client().post(reverse("redirection-verification-resend")).status_code == 302
    assert Message.objects.count() == 1
