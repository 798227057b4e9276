"""The link that verifies a forwarding address, and its pages."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from journal.events import Event
from mailrouting import views
from mailrouting.services import stop_redirection, verify_redirection
from tests.factories import active_account
from tests.locking import UNLOCK_REASONS
from tests.mailrouting.forwarding import ELSEWHERE, FURTHER, change, link_of, redirection_of

pytestmark = pytest.mark.django_db

PAGE = "redirection"


@pytest.fixture
def person() -> Account:
    return active_account()


def test_only_the_button_verifies_and_the_pages_show_nothing_of_the_account(person):
    """TOK-06, FWD-01: scanners may open the link; the mailbox may belong to another person."""
    link = link_of(change(person))
    for _ in range(20):
        Client().get(link, follow=True)
        Client().head(link, follow=True)
        Client().options(link)
    assert redirection_of(person).is_waiting

    browser = Client()
    shown = browser.get(link, follow=True).content.decode()
    done = browser.post(reverse(PAGE)).content.decode()

    assert ELSEWHERE in shown
    assert "Adresse vérifiée" in done
    assert not redirection_of(person).is_waiting
    assert browser.get(reverse("account")).status_code == 302
    private = (person.family_name, person.given_name, person.login, person.uid, person.recovery_address)
    assert not any(fact in shown + done for fact in private)


def test_a_second_click_says_that_it_is_done(person):
    link = link_of(change(person))
    browser = Client()
    browser.get(link)
    for words in ("Adresse vérifiée", "déjà vérifiée", "déjà vérifiée"):
        assert words in browser.post(reverse(PAGE)).content.decode()
    assert "déjà vérifiée" in Client().get(link, follow=True).content.decode()
    assert person.journal.filter(event=Event.REDIRECTION_VERIFIED).count() == 1


def choose_another(person: Account) -> None:
    change(person, FURTHER)


def stop(person: Account) -> None:
    stop_redirection(account=person)


def lock(person: Account) -> None:
    lock_account(account=person, reason=LockReason.PHISHING)


def lock_and_release(person: Account) -> None:
    lock(person)
    person.locks.update(released_at=timezone.now(), **UNLOCK_REASONS)


def leave(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))


def test_what_revokes_the_link():
    """FWD-01, TOK-07, HLP-01: before it is opened, and while its page is open."""
    for event in (choose_another, stop, lock, lock_and_release, leave):
        person = active_account()
        link = link_of(change(person))
        opened = Client()
        opened.get(link)

        event(person)

        assert opened.post(reverse(PAGE)).status_code in {404, 410}, event
        assert Client().get(link, follow=True).status_code in {404, 410}, event
        assert redirection_of(person).verified_at is None, event


def test_another_address_chosen_between_check_and_act_is_not_verified(person, monkeypatch):
    """TOK-07"""
    browser = Client()
    browser.get(link_of(change(person)))

    def choose_another_first(**asked: object) -> bool:
        choose_another(person)
        return verify_redirection(**asked)

    monkeypatch.setattr(views, "verify_redirection", choose_another_first)
    assert browser.post(reverse(PAGE)).status_code == 404
    assert redirection_of(person).verified_at is None


def test_an_expired_link_says_so_without_the_address(person, time_machine):
    """TOK-03: also when it was opened in time and the button pressed too late."""
    link = link_of(change(person))
    browser = Client()
    browser.get(link)
    time_machine.move_to(timezone.now() + timedelta(days=3))
    page = Client().get(link, follow=True)
    assert page.status_code == 410
    assert ELSEWHERE not in page.content.decode()
    # The session has expired as well.
    assert browser.post(reverse(PAGE)).status_code in {404, 410}
    assert redirection_of(person).verified_at is None


def test_without_a_link_no_address_is_verified():
    for method in ("get", "post", "head"):
        assert getattr(Client(), method)(reverse(PAGE)).status_code == 404
