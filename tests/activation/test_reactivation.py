"""After a lock: the mailed link, what is on file, another password (HLP-05, HLP-06). The pages are those of a password
reset, tested in tests/accounts/passwords; the link is one of those of tests/accounts/test_links.py."""

from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Category, LockReason, State
from accounts.links.signed_link import LinkExpired
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from activation.links import activation_link, reactivation_link
from activation.reactivation.services import reactivate
from journal.events import Event
from mailrouting.models import Redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.activation.wizard.client import everything_about
from tests.concurrency import attempted_together
from tests.factories import A_GOOD_PASSWORD, active_account, reloaded
from tests.fuzz import PASSWORD as PASSWORD_PACK
from tests.locking import locked_account, reactivation_path, unlock, unlocked_account
from tests.mail_delivery import link_in, text_of
from tests.mailrouting.forwarding import change
from tests.signing_in import submit_login

pytestmark = pytest.mark.django_db

PAGE, DONE, NEW_LINK = "reactivation", "reactivation-done", "reactivation-new-link"
FORMS = ["forgotten-password", "first-connection"]
NEW_PASSWORD = "une-phrase-du-bureau-bleu"
ROUNDS = 5


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


def read(browser: Client) -> str:
    return browser.get(reverse(PAGE)).content.decode()


def logs_in(person: Account, password: str) -> bool:
    return submit_login(Client(), person, password).status_code == 302


class TestPassword:
    def test_only_the_new_one_opens_the_account_and_both_addresses_are_notified(self, mail_delivery):
        """HLP-05, HLP-06, PWD-06, LOG-01, ENU-07: the link logs no user in, and earlier failures no longer count."""
        person = active_account()
        change(person, person.recovery_address)
        lock(person)
        unlock(person)
        for _ in range(5):
            assert not logs_in(person, A_GOOD_PASSWORD)
        browser = opened(link_in(mail_delivery.last_mail()))
        page = read(browser)
        assert all(text in page for text in (person.recovery_address, "Un blocage supprime la redirection"))
        assert f'href="{reverse("assistance")}">Ce n’est plus la mienne</a>' in page
        assert choose(browser, password2="une autre phrase de passe").status_code == 200
        assert reloaded(person).state == State.TO_REACTIVATE
        assert choose(browser)["Location"] == reverse(DONE)
        assert (browser.get(reverse(DONE)).status_code, browser.get(reverse("account")).status_code) == (200, 302)
        entry = person.journal.latest("pk")
        assert (entry.event, entry.actor) == (Event.USER_REACTIVATED, person)
        assert (logs_in(person, NEW_PASSWORD), logs_in(person, A_GOOD_PASSWORD)) == (True, False)
        assert not Redirection.objects.in_force().filter(account=person).exists()
        notices = mail_delivery.deliver()[-2:]
        assert {mail["To"] for mail in notices} == {person.recovery_address, person.institutional_address}
        assert Client().get(link_in(notices[0]), follow=True).status_code == 200

    def test_obeys_the_rules_of_all_others(self):
        """PWD-01, PWD-03, PWD-08: refused with a reason and never shown again, or accepted."""
        person = unlocked_account(
            institutional_address="jean.dupont@univ-exemple.fr",
            recovery_address="jean.dupont@exemple.fr",
            category=Category.STUDENT,
        )
        browser = opened(reactivation_path(person))
        assert "Redirection" not in read(browser)
        for value in (value for value, wanted in PASSWORD_PACK if wanted.startswith("refuse")):
            answer = choose(browser, value)
            assert answer.status_code in (200, 400), value[:30]
            assert value not in answer.content.decode() or value == person.recovery_address, value[:30]
        assert reloaded(person).state == State.TO_REACTIVATE
        assert choose(browser, "correct horse battery staple").status_code == 302


def lock(person: Account) -> None:
    lock_account(account=person, reason=LockReason.PHISHING)


def lock_and_unlock(person: Account) -> None:
    lock(person)
    unlock(person)


def use_another(person: Account) -> None:
    choose(opened(reactivation_path(person)))


def leave(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))


def correct_the_address(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(recovery_address="correcte@exemple.net")


def dispute_the_address(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(recovery_address_disputed_at=timezone.now())


REVOKED_BY = {
    lock: 410,
    lock_and_unlock: 404,
    use_another: 410,
    leave: 404,
    correct_the_address: 404,
    dispute_the_address: 404,
}


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
        assert token not in read(browser)
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
        if revoke is use_another:
            assert f'href="{reverse("login")}"' in page.content.decode()

    def test_is_needed_and_a_refused_one_shows_no_account(self, person):
        """TOK-10"""
        assert (Client().get(reverse(PAGE)).status_code, choose(Client()).status_code) == (404, 404)
        assert Client().post(reverse(NEW_LINK))["Location"] == reverse("first-connection")
        for path in (reactivation_path(person, timezone.now() - timedelta(days=3)), "/reactivation/abc/"):
            page = Client().get(path, follow=True).content.decode()
            assert not any(fact in page for fact in (person.login, person.recovery_address, person.family_name))


class TestAnotherLink:
    def test_the_page_of_an_expired_one_gives_it_with_one_button(self, person, mail_delivery):
        mail_delivery.deliver()
        browser = opened(reactivation_path(person, timezone.now() - timedelta(days=3)))
        page = browser.get(reverse(PAGE))
        assert (page.status_code, f'action="{reverse(NEW_LINK)}"' in page.content.decode()) == (410, True)
        assert browser.post(reverse(NEW_LINK)).status_code == 302
        assert choose(opened(mail_delivery.last_link())).status_code == 302

    def test_a_user_locked_again_learns_it_by_mail_not_from_the_page(self, person, mail_delivery):
        """HLP-02, ENU-01: a reactivation mail that still waited is not sent."""
        path, browser = reactivation_path(person), Client()
        lock(person)
        mail_delivery.deliver()
        assert Message.objects.get(kind=Kind.REACTIVATION).status == Status.CANCELLED
        page = browser.get(path, follow=True).content.decode()
        assert "bloqué" not in page.replace(reverse("locked-help"), "")
        browser.post(reverse(NEW_LINK))
        assert "/reactivation/" not in text_of(mail_delivery.last_mail())
        assert Message.objects.latest("pk").kind == Kind.LOCKED

    @pytest.mark.parametrize("form", FORMS)
    def test_both_forms_send_it_to_the_address_on_file(self, person, mail_delivery, form):
        """HLP-05, TOK-07: three an hour, and none revokes an earlier one."""
        path = reactivation_path(person)
        mail_delivery.deliver()
        for _ in range(5):
            Client().post(reverse(form), {"login": person.login})
        mail_delivery.deliver()
        sent = Message.objects.filter(kind=Kind.REACTIVATION)
        assert [message.address for message in sent] == [person.recovery_address] * 3
        opened(mail_delivery.last_link())
        assert choose(opened(path)).status_code == 302

    @pytest.mark.parametrize("form", FORMS)
    def test_the_forms_unlock_no_account(self, mail_delivery, form):
        """HLP-02: no link, and the account stays locked."""
        person = locked_account()
        Client().post(reverse(form), {"login": person.login})
        mail_delivery.deliver()
        assert reloaded(person).state == State.LOCKED
        assert not Message.objects.filter(kind__in=[Kind.REACTIVATION, Kind.PASSWORD_RESET]).exists()


@pytest.mark.django_db(transaction=True)
def test_two_answers_or_a_lock_at_the_same_instant():
    """TOK-07, HLP-01: one password, one entry, one pair of notices; a lock wins and leaves no session open."""
    for _ in range(ROUNDS):
        person, other = unlocked_account(), unlocked_account()
        payload, another = (
            reactivation_link.read(reactivation_path(each).strip("/").rpartition("/")[2]) for each in (person, other)
        )
        passwords = ("une phrase du bureau bleu", "une phrase du bureau vert")
        answered = attempted_together(
            lambda payload=payload: reactivate(payload=payload, password=passwords[0]),
            lambda payload=payload: reactivate(payload=payload, password=passwords[1]),
        )
        assert sorted(type(one).__name__ for one in answered) == ["Account", "LinkUsed"]
        assert reloaded(person).check_password(passwords[[type(one) for one in answered].index(Account)])
        assert person.journal.filter(event=Event.USER_REACTIVATED).count() == 1
        assert Message.objects.filter(person=person, kind=Kind.PASSWORD_CHANGED).count() == 2
        answer, _locked = attempted_together(
            lambda another=another: reactivate(payload=another, password=NEW_PASSWORD),
            lambda other=other: lock(other),
        )
        assert isinstance(answer, Account | LinkExpired), answer
        assert reloaded(other).state == State.LOCKED
