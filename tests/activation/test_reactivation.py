"""After a lock: the mailed link, what is on file, another password (HLP-05, HLP-06). The pages and the service are those of
a password reset, tested in tests/accounts/passwords; the link is one of those of tests/accounts/test_links.py."""

from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, State
from accounts.models import Account, Session
from activation.links import activation_link, reactivation_link
from journal.events import Event
from mailrouting.models import Redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.activation import states
from tests.activation.wizard.client import everything_about
from tests.factories import A_GOOD_PASSWORD, active_account, reloaded
from tests.locking import locked_account, reactivation_path, unlock, unlocked_account
from tests.mail_delivery import link_in, text_of
from tests.mailrouting.forwarding import change
from tests.signing_in import submit_login

pytestmark = pytest.mark.django_db

PAGE, DONE, NEW_LINK = "reactivation", "reactivation-done", "reactivation-new-link"
FORMS = ("forgotten-password", "first-connection")
NEW_PASSWORD = "une-phrase-du-bureau-bleu"


@pytest.fixture
def person() -> Account:
    return unlocked_account()


def opened(path: str) -> Client:
    browser = Client()
    answer = browser.get(path)
    assert (answer.status_code, answer["Location"]) == (302, reverse(PAGE))
    return browser


def choose(browser: Client, password: str = NEW_PASSWORD, **more: str) -> HttpResponse:
    return browser.post(reverse(PAGE), {"password": password, **more})


def lock_and_unlock(person: Account) -> None:
    unlock(states.lock(person))


def use_another(person: Account) -> None:
    choose(opened(reactivation_path(person)))


REVOKED_BY = {
    states.lock: 410,
    lock_and_unlock: 404,
    use_another: 410,
    states.leave: 404,
    states.correct_the_address: 404,
    states.dispute_the_address: 404,
}


def test_only_the_new_password_opens_the_account_and_both_addresses_are_notified(mail_delivery):
    """HLP-05, HLP-06, PWD-03, PWD-06, LOG-01, ENU-07: the link logs no user in, and earlier failures no longer count."""
    person = active_account()
    change(person, person.recovery_address)
    lock_and_unlock(person)
    for _ in range(5):
        assert submit_login(Client(), person).status_code == 200
    browser = opened(link_in(mail_delivery.last_mail()))
    page = browser.get(reverse(PAGE)).content.decode()
    assert all(text in page for text in (person.recovery_address, "Un blocage supprime la redirection"))
    assert f'href="{reverse("assistance")}">Ce n’est plus la mienne</a>' in page
    for refused, more in ((person.login, {}), (NEW_PASSWORD, {"password2": "une autre phrase de passe"})):
        assert choose(browser, refused, **more).status_code == 200
    assert reloaded(person).state == State.TO_REACTIVATE
    assert choose(browser)["Location"] == reverse(DONE)
    assert (browser.get(reverse(DONE)).status_code, browser.get(reverse("account")).status_code) == (200, 302)
    entry = person.journal.latest("pk")
    assert (entry.event, entry.actor) == (Event.USER_REACTIVATED, person)
    logins = [submit_login(Client(), person, password).status_code for password in (NEW_PASSWORD, A_GOOD_PASSWORD)]
    assert logins == [302, 200]
    assert not Redirection.objects.in_force().filter(account=person).exists()
    notices = mail_delivery.deliver()[-2:]
    assert {mail["To"] for mail in notices} == {person.recovery_address, person.institutional_address}
    assert Client().get(link_in(notices[0]), follow=True).status_code == 200
    student = unlocked_account(category=Category.STUDENT)
    assert "Redirection" not in opened(reactivation_path(student)).get(reverse(PAGE)).content.decode()


class TestLink:
    def test_opening_it_changes_nothing_and_its_secret_stays_nowhere(self, person):
        """TOK-01, TOK-03, TOK-06, TOK-09"""
        path, before = reactivation_path(person), everything_about(person)
        token = path.strip("/").rpartition("/")[2]
        for method in ("get", "head", "options"):
            getattr(Client(), method)(path, follow=True)
        browser = opened(path)
        answer = browser.get(path)
        assert (answer["Referrer-Policy"], "no-store" in answer["Cache-Control"]) == ("no-referrer", True)
        assert token not in browser.get(reverse(PAGE)).content.decode()
        assert not any(token in repr(session.get_decoded()) for session in Session.objects.all())
        assert everything_about(person) == before
        assert reactivation_link.deadline(timezone.now()) == activation_link.deadline(timezone.now())

    @pytest.mark.parametrize(("revoke", "status"), REVOKED_BY.items())
    def test_is_revoked_before_and_after_it_was_opened(self, person, revoke, status):
        """TOK-07, HLP-01, HLP-02: a revoked link sets no password."""
        path = reactivation_path(person)
        browser = opened(path)
        revoke(person)
        before = reloaded(person).password
        assert choose(browser).status_code == status
        page = Client().get(path, follow=True)
        assert page.status_code == status
        assert reloaded(person).password == before
        assert revoke != use_another or f'href="{reverse("login")}"' in page.content.decode()

    def test_is_needed_and_an_expired_one_shows_no_account_and_gives_another(self, person, mail_delivery):
        """TOK-10"""
        mail_delivery.deliver()
        assert (Client().get(reverse(PAGE)).status_code, choose(Client()).status_code) == (404, 404)
        assert Client().post(reverse(NEW_LINK))["Location"] == reverse("first-connection")
        browser = opened(reactivation_path(person, timezone.now() - timedelta(days=3)))
        page = browser.get(reverse(PAGE))
        html = page.content.decode()
        assert (page.status_code, f'action="{reverse(NEW_LINK)}"' in html) == (410, True)
        assert not any(fact in html for fact in (person.login, person.recovery_address, person.family_name))
        assert browser.post(reverse(NEW_LINK)).status_code == 302
        assert choose(opened(mail_delivery.last_link())).status_code == 302


class TestAnotherLink:
    def test_a_user_locked_again_learns_it_by_mail_not_from_the_page(self, person, mail_delivery):
        """HLP-02, ENU-01: a reactivation mail that still waited is not sent."""
        path, browser = reactivation_path(person), Client()
        states.lock(person)
        mail_delivery.deliver()
        assert Message.objects.get(kind=Kind.REACTIVATION).status == Status.CANCELLED
        page = browser.get(path, follow=True).content.decode()
        assert "bloqué" not in page.replace(reverse("locked-help"), "")
        browser.post(reverse(NEW_LINK))
        assert "/reactivation/" not in text_of(mail_delivery.last_mail())
        assert Message.objects.latest("pk").kind == Kind.LOCKED

    def test_both_forms_send_it_to_the_address_on_file(self, person, mail_delivery):
        """HLP-05, TOK-07: three an hour, and none revokes an earlier one."""
        path = reactivation_path(person)
        for form in FORMS * 3:
            Client().post(reverse(form), {"login": person.login})
            mail_delivery.deliver()
        sent = Message.objects.filter(kind=Kind.REACTIVATION)
        assert [message.address for message in sent] == [person.recovery_address] * 3
        opened(mail_delivery.last_link())
        assert choose(opened(path)).status_code == 302

    def test_the_forms_unlock_no_account(self, mail_delivery):
        """HLP-02: no link, and the account stays locked."""
        for form in FORMS:
            person = locked_account()
            Client().post(reverse(form), {"login": person.login})
            mail_delivery.deliver()
            assert reloaded(person).state == State.LOCKED
        assert not Message.objects.filter(kind__in=[Kind.REACTIVATION, Kind.PASSWORD_RESET]).exists()
