"""« Mot de passe oublié »: one answer for every login, and a link for one hour and one use, by mail."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.links.account_links import not_me_link
from accounts.models import Account, Session
from accounts.passwords.services import change_password
from activation.first_connection.services import answer_link_request
from activation.models import LinkRequest
from core.rate_limits import FAILED_SIGN_INS_PER_LOGIN
from journal.events import Event
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import change_to
from tests.activation import states
from tests.activation.wizard.client import csrf_of
from tests.concurrency import wait_until_blocked
from tests.factories import A_GOOD_PASSWORD, active_account, events_of, pending_account, reloaded
from tests.locking import password_reset_path
from tests.mail_delivery import link_in, text_of
from tests.normalised import normalised_answer
from tests.signing_in import browser_of, is_signed_in, signs_in

pytestmark = pytest.mark.django_db

PAGE, ANSWER = "forgotten-password", "forgotten-password-answer"
RESET, DONE, NEW_LINK = "password-reset", "password-reset-done", "password-reset-new-link"
NEW_PASSWORD = "une-phrase-du-bureau-bleu"
CANARY = "CANARI-jaune-7f3a-en-cage"


def opened(path: str, browser: Client | None = None) -> Client:
    browser = browser or Client()
    assert browser.get(path)["Location"] == reverse(RESET)
    return browser


def choose(browser: Client, password: str = NEW_PASSWORD, **more: str):
    return browser.post(reverse(RESET), {"password": password, **more})


class TestRequest:
    def test_gets_one_same_answer_for_every_login_and_mails_the_link_that_suits_the_state(self, mail_delivery):
        """ENU-01, HLP-02"""
        mailed = {states.pending: Kind.NEW_LINK, states.sharing_a_recovery_address: Kind.NEW_LINK}
        mailed |= {states.active: Kind.PASSWORD_RESET, states.to_reactivate: Kind.REACTIVATION}
        mailed |= dict.fromkeys((states.locked, states.locked_before_activation), Kind.LOCKED)
        answers = set()
        for make in states.EVERY_STATE:
            person, browser = make(), Client()
            Message.objects.all().delete()
            answers.add(normalised_answer(browser.post(reverse(PAGE), {"login": person.login})))
            answers.add(normalised_answer(browser.get(reverse(ANSWER)), person.login))
            mail_delivery.deliver()
            mails = Message.objects.filter(person_id=person.pk).values_list("kind", "address")
            assert list(mails) == ([(mailed[make], person.recovery_address)] if make in mailed else []), make
        assert sorted(answer.status for answer in answers) == [200, 302]

    def test_four_times_in_an_hour_mails_three_links_that_all_work(self, mail_delivery):
        """ENU-05, TOK-07: in any spelling, and none revokes another; activation links share the count."""
        active_account(given_name="Jean", family_name="Dupont")
        for spelling in ("jean.dupont@univ-exemple.fr", "jean.dupont", "JEAN.DUPONT", " Jean.Dupont@Univ-Exemple.FR "):
            Client().post(reverse(PAGE), {"login": spelling})
            mails = mail_delivery.deliver()
        assert len(mails) == 3
        assert choose(opened(link_in(mails[0]))).status_code == 302
        mail_delivery.deliver().clear()
        newcomer = pending_account()
        for name in (PAGE, "first-connection") * 4:
            Client().post(reverse(name), {"login": newcomer.login})
        assert len(mail_delivery.deliver()) == 3


class TestTheLink:
    def test_leads_to_a_new_password(self, client, mail_delivery, time_machine):
        """TOK-05, SES-01: until the hour in the mail, on the night that has it twice; not for a planted session key."""
        time_machine.move_to(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), tick=False)
        person = active_account()
        client.post(reverse(PAGE), {"login": person.login})
        attacker, mail = Client(), mail_delivery.last_mail()
        attacker.cookies["sessionid"] = client.cookies["sessionid"].value
        assert "25 octobre 2026 à 2 h 30" in text_of(mail).replace("\N{NO-BREAK SPACE}", " ")
        assert f'value="{person.login}"' in opened(link_in(mail), client).get(reverse(RESET)).content.decode()
        assert choose(attacker).status_code == 404
        assert choose(client)["Location"] == reverse(DONE)
        assert "Votre mot de passe est changé" in client.get(reverse(DONE)).content.decode()
        assert signs_in(person, NEW_PASSWORD)
        assert not signs_in(person, A_GOOD_PASSWORD)

    def test_is_good_for_one_hour_of_absolute_time(self, time_machine):
        """TOK-05: 59 min 59 s is in time and 60 min 1 s is not, on the nights when clocks change too."""
        for night in ("2026-07-01T12:00:00.999999Z", "2026-03-29T00:30Z", "2026-10-25T00:30Z"):
            built_at = datetime.fromisoformat(night)
            time_machine.move_to(built_at - timedelta(days=1), tick=False)
            person, too_late = active_account(), Client()
            time_machine.move_to(built_at, tick=False)
            path = password_reset_path(person)
            time_machine.move_to(built_at + timedelta(minutes=59, seconds=59), tick=False)
            in_time = opened(path)
            assert in_time.get(reverse(RESET)).status_code == 200, built_at
            time_machine.move_to(built_at + timedelta(minutes=60, seconds=1), tick=False)
            too_late.get(path)
            assert too_late.get(reverse(RESET)).status_code == 410, built_at
            # The form was open in time and posted too late.
            assert choose(in_time).status_code == 410, built_at
            assert reloaded(person).check_password(A_GOOD_PASSWORD)

    def test_expired_or_used_shows_no_name_and_mails_another(self, person, mail_delivery):
        """TOK-07, TOK-10: to the address on file, without typing; asking twice is allowed and ends no session."""
        browser, anonymous = browser_of(person), Client()
        assert browser.post(reverse(NEW_LINK))["Location"] == reverse(PAGE)
        browser.get(password_reset_path(person, timezone.now() - timedelta(hours=2)))
        pages = [browser.get(reverse(RESET))]
        assert "Ce lien n’est plus valable" in pages[0].content.decode()
        assert [browser.post(reverse(NEW_LINK))["Location"] for _ in range(2)] == [reverse(ANSWER)] * 2
        assert is_signed_in(browser)
        mails = mail_delivery.deliver()
        assert [mail["To"] for mail in mails] == [person.recovery_address] * 2
        anonymous.get(link_in(mails[0]))
        choose(anonymous)
        pages += [choose(anonymous, CANARY), anonymous.get(reverse(RESET))]
        for page in pages:
            html = page.content.decode()
            assert page.status_code == 410
            assert page is pages[0] or ("Ce lien a déjà servi" in html and reverse("login") in html)
            assert not any(fact in html for fact in (person.login, person.given_name, person.recovery_address))
        assert reloaded(person).check_password(NEW_PASSWORD)
        assert events_of(person).count(Event.PASSWORD_RESET) == 1


def change_the_password(person: Account) -> None:
    change_password(account=reloaded(person), password=NEW_PASSWORD)


class TestRevocation:
    def test_before_the_link_is_opened_and_while_its_form_is_open(self):
        """TOK-07: each of these changes refuses the link at both moments."""
        for change, status in (
            (change_the_password, 410),
            (lambda person: choose(opened(password_reset_path(person))), 410),
            (change_to, 404),
            (states.lock, 410),
            (states.lock_and_release, 404),
            (states.leave, 404),
            (lambda person: states.changed(person, password="!"), 404),
        ):
            person, late = active_account(), Client()
            path = password_reset_path(person)
            in_use = opened(path)
            change(person)
            password = reloaded(person).password
            late.get(path)
            answers = [choose(late), choose(in_use), in_use.get(reverse(RESET))]
            assert [answer.status_code for answer in answers] == [status] * 3, change
            assert reloaded(person).password == password, change

    def test_of_a_mail_that_was_not_sent_before_a_lock_or_another_address(self, mail_delivery):
        """HLP-02, HLP-07"""
        for change in (states.lock, lambda person: states.changed(person, recovery_address="autre@exemple.org")):
            person = active_account()
            Client().post(reverse(PAGE), {"login": person.login})
            answer_link_request(request_id=LinkRequest.objects.get(login=person.login).pk)
            change(person)
            mail_delivery.deliver()
            assert Message.objects.get(person=person, kind=Kind.PASSWORD_RESET).status == Status.CANCELLED


class TestANewPassword:
    def test_ends_every_session_of_the_account_and_opens_none(self, person, mail_delivery):
        """PWD-06, SES-05: the account's sessions end, in this browser too; another account's goes on."""
        devices, other_account = [browser_of(person), browser_of(person)], browser_of(active_account())
        choose(opened(password_reset_path(person), other_account))
        assert not Session.objects.filter(account=person).exists()
        assert not any(map(is_signed_in, devices))
        assert is_signed_in(other_account)
        mails = mail_delivery.deliver()
        assert {mail["To"] for mail in mails} == {person.recovery_address, person.login}
        entry = person.journal.get(event=Event.PASSWORD_RESET)
        for mail in mails:
            assert not_me_link.open(link_in(mail).split("/")[-2]).subject_id == entry.pk

    def test_resets_the_failures_counted_against_the_account(self, person, monkeypatch):
        """ENU-07: of this client and of all; not when the password could not be saved."""
        here = "198.51.100.20"
        for _ in range(5):
            signs_in(person, "pas-le-bon", REMOTE_ADDR=here)
        for _ in range(100):
            FAILED_SIGN_INS_PER_LOGIN.count(person.login)
        with monkeypatch.context() as patch:
            patch.setattr("accounts.passwords.services.notify_change", None)
            failing = Client(REMOTE_ADDR=here, raise_request_exception=False)
            assert choose(opened(password_reset_path(person), failing)).status_code == 500
        assert not signs_in(person, A_GOOD_PASSWORD, REMOTE_ADDR=here)
        assert not FAILED_SIGN_INS_PER_LOGIN.count(person.login)
        choose(opened(password_reset_path(person), Client(REMOTE_ADDR=here)))
        assert FAILED_SIGN_INS_PER_LOGIN.count(person.login)
        assert signs_in(person, NEW_PASSWORD, REMOTE_ADDR=here)

    def test_follows_the_rules_of_the_form_that_changes_one(self, person):
        """PWD-01 to PWD-04"""
        browser = opened(password_reset_path(person))
        for refused in (NEW_PASSWORD[:14], f"{person.family_name} et le train bleu"):
            assert choose(browser, refused).context["form"].errors["password"], refused
        assert choose(browser, password2="autre").status_code == 200
        assert reloaded(person).check_password(A_GOOD_PASSWORD)

    def test_needs_the_csrf_token_of_a_form_shown_for_the_same_account(self, person):
        """SES-03, SES-07: the token changes with the account behind the link, not with a newer link of the same one."""
        browser, other = Client(enforce_csrf_checks=True), active_account()
        newer = password_reset_path(person, timezone.now() - timedelta(minutes=1))
        for next_link, status in ((password_reset_path(other), 403), (newer, 302)):
            browser.get(password_reset_path(person))
            token = csrf_of(browser.get(reverse(RESET)).content.decode())
            browser.get(next_link)
            assert choose(browser).status_code == 403
            assert choose(browser, csrfmiddlewaretoken=token).status_code == status
        assert reloaded(other).check_password(A_GOOD_PASSWORD)
        assert reloaded(person).check_password(NEW_PASSWORD)


@pytest.mark.django_db(transaction=True)
def test_a_post_that_waits_for_the_lock_rechecks_the_link():
    """TOK-07: the link was good when the form was sent, and is used or revoked before the row is free."""
    for change in (change_the_password, change_to, states.lock, states.leave):
        person = active_account()
        browser = opened(password_reset_path(person))
        with ThreadPoolExecutor(1) as threads:
            with transaction.atomic():
                Account.objects.select_for_update(of=("self",)).get(pk=person.pk)
                sent = threads.submit(lambda browser=browser: (choose(browser, CANARY), connection.close())[0])
                wait_until_blocked()
                change(person)
            answer = sent.result(timeout=10)
        assert answer.status_code in (404, 410), change
        assert not reloaded(person).check_password(CANARY), change
