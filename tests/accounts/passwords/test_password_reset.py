"""The link to choose another password: for one hour and one use, revoked by any other change."""

import logging
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, State
from accounts.links.account_links import not_me_link
from accounts.locking.lock import lock_account
from accounts.models import Account, Lock, Session
from activation.first_connection.services import answer_link_request
from activation.models import LinkRequest
from core.rate_limits import FAILED_SIGN_INS_PER_LOGIN
from journal.events import Event
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.passwords.reset_link import (
    ANSWER,
    DONE,
    LINK,
    NEW_LINK,
    NEW_PASSWORD,
    PAGE,
    RESET,
    choose,
    link_for,
    opened,
)
from tests.accounts.recovery.recovering import change_to
from tests.activation.wizard.client import csrf_of, everything_stored
from tests.concurrency import attempted_together, wait_until_blocked
from tests.factories import A_GOOD_PASSWORD, active_account, reloaded
from tests.locking import UNLOCK_REASONS
from tests.mail_delivery import link_in, text_of
from tests.signing_in import browser_of, is_signed_in, submit_login

pytestmark = pytest.mark.django_db

CANARY = "CANARI-jaune-7f3a-en-cage"
HOUR = timedelta(hours=1)


def signs_in(person: Account, password: str, **where: str) -> bool:
    return submit_login(Client(**where), person, password).status_code == 302


def resets_of(person: Account) -> int:
    return person.journal.filter(event=Event.PASSWORD_RESET).count()


class TestTheLink:
    def test_leads_to_a_new_password(self, client, person, mail_delivery):
        """The whole way; another device may open the mail."""
        client.post(reverse(PAGE), {"login": person.login})
        browser = opened(mail_delivery.last_link())
        page = browser.get(reverse(RESET)).content.decode()

        answer = choose(browser)

        assert answer["Location"] == reverse(DONE)
        assert "Votre mot de passe est changé" in browser.get(answer["Location"]).content.decode()
        assert re.findall(r'autocomplete="([a-z-]+)"', page)[:2] == ["username", "new-password"]
        assert f'value="{person.login}"' in page
        assert "maxlength" not in page
        assert signs_in(person, NEW_PASSWORD)
        assert not signs_in(person, A_GOOD_PASSWORD)
        assert resets_of(person) == 1

    def test_is_good_for_one_hour_of_absolute_time(self, time_machine):
        """TOK-05: 59 min 59 s is in time and 60 min 1 s is not, on the nights when clocks change too."""
        for built_at in (
            datetime(2026, 7, 1, 12, 0, 0, 999_999, tzinfo=UTC),
            datetime(2026, 3, 29, 0, 30, tzinfo=UTC),
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            datetime(2026, 12, 31, 22, 30, tzinfo=UTC),
            datetime(2026, 12, 31, 23, 30, tzinfo=UTC),
        ):
            time_machine.move_to(built_at - timedelta(days=1), tick=False)
            person = active_account()
            time_machine.move_to(built_at, tick=False)
            path = link_for(person)

            time_machine.move_to(built_at + timedelta(minutes=59, seconds=59), tick=False)
            in_time = opened(path)
            assert in_time.get(reverse(RESET)).status_code == 200, built_at
            time_machine.move_to(built_at + timedelta(minutes=60, seconds=1), tick=False)
            too_late = Client()
            too_late.get(path)
            assert too_late.get(reverse(RESET)).status_code == 410, built_at
            # The form was open in time and posted too late.
            assert choose(in_time).status_code == 410, built_at
            assert reloaded(person).check_password(A_GOOD_PASSWORD)

    def test_is_mailed_with_its_deadline(self, client, mail_delivery, time_machine):
        """TOK-05: the hour in the mail is the one that is enforced, on the night that has two of them."""
        time_machine.move_to(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), tick=False)
        client.post(reverse(PAGE), {"login": active_account().login})

        mail = text_of(mail_delivery.last_mail()).replace("\N{NO-BREAK SPACE}", " ")

        assert "25 octobre 2026" in mail
        assert "2 h 30" in mail

    def test_leaves_the_address_bar_and_begins_a_session_with_another_key(self, client, person):
        """TOK-09, SES-01: the token is neither in a page nor stored; a key planted beforehand is worthless."""
        client.post(reverse(PAGE), {"login": person.login})
        attacker = Client()
        attacker.cookies["sessionid"] = client.cookies["sessionid"].value
        path = link_for(person)
        token = path.split("/")[-2]

        answer = client.get(path)

        assert answer["Referrer-Policy"] == "no-referrer"
        assert token not in answer["Location"]
        assert token not in client.get(reverse(RESET)).content.decode()
        assert token not in str(dict(client.session))
        assert token not in everything_stored()
        assert choose(attacker).status_code == 404

    def test_opened_by_scanners_changes_nothing(self, person):
        """TOK-06: GET, HEAD and OPTIONS of the link and of the page behind it."""

        def rows() -> list[object]:
            account = Account.objects.filter(pk=person.pk).values().get()
            return [account, list(person.journal.values()), list(Message.objects.filter(person=person).values())]

        path, before = link_for(person), rows()
        for _ in range(5):
            scanner = Client(headers={"User-Agent": "BingPreview/1.0b"})
            scanner.get(path, follow=True)
            scanner.head(path)
            scanner.head(reverse(RESET))
            scanner.options(path)

        assert rows() == before
        assert choose(opened(path)).status_code == 302

    def test_expired_or_used_shows_no_name_and_mails_another(self, person, mail_delivery):
        """TOK-07, TOK-10: to the address on file, without typing; asking twice is allowed and ends no session."""
        browser = browser_of(person)
        browser.get(link_for(person, timezone.now() - 2 * HOUR))
        expired = browser.get(reverse(RESET))
        answers = [browser.post(reverse(NEW_LINK)) for _ in range(2)]
        assert is_signed_in(browser)
        mails = mail_delivery.deliver()
        path = link_in(mails[0])
        in_use = opened(path)
        choose(in_use)
        again = choose(in_use, CANARY)
        reopened = Client()
        reopened.get(path)
        used = reopened.get(reverse(RESET))

        assert [answer["Location"] for answer in answers] == [reverse(ANSWER)] * 2
        assert {mail["To"] for mail in mails} == {person.recovery_address}
        assert [page.status_code for page in (expired, again, used)] == [410, 410, 410]
        assert "Ce lien n’est plus valable" in expired.content.decode()
        for page in (again, used):
            assert "Ce lien a déjà servi" in page.content.decode()
            assert reverse("login") in page.content.decode()
        for page in (expired, used):
            main = page.content.decode()
            assert not any(fact in main for fact in (person.login, person.given_name, person.recovery_address))
        assert reloaded(person).check_password(NEW_PASSWORD)
        assert resets_of(person) == 1

    def test_is_not_asked_again_without_an_expired_one(self, client, mail_delivery):
        assert client.post(reverse(NEW_LINK))["Location"] == reverse(PAGE)
        assert client.get(reverse(NEW_LINK)).status_code == 405
        assert mail_delivery.deliver() == []

    def test_changes_its_own_account_alone(self, person):
        """TOK-02: and two halves of two good links are no link."""
        other = active_account()
        one, two = (link_for(account).split("/")[-2] for account in (person, other))

        assert Client().get(reverse(LINK, args=[one[:54] + two[54:]])).status_code == 404
        choose(opened(link_for(other)), is_staff="1", account=str(person.pk), recovery_address="a@evil.example")
        assert reloaded(person).check_password(A_GOOD_PASSWORD)
        changed = reloaded(other)
        assert changed.check_password(NEW_PASSWORD)
        assert (changed.is_staff, changed.recovery_address) == (False, other.recovery_address)


def change_the_password(person: Account) -> None:
    form = {"current_password": A_GOOD_PASSWORD, "password": NEW_PASSWORD}
    browser_of(person).post(reverse("account-password"), form)


def use_another_link(person: Account) -> None:
    choose(opened(link_for(person)))


def change_the_recovery_address(person: Account) -> None:
    change_to(person)


def lock(person: Account) -> None:
    lock_account(account=person, reason=LockReason.PHISHING)


def lock_and_unlock_without_losing_the_password(person: Account) -> None:
    lock(person)
    Lock.objects.update(released_at=timezone.now(), **UNLOCK_REASONS)


def leave(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))


def lose_the_password(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(password="!")
    assert reloaded(person).state == State.TO_REACTIVATE


class TestRevocation:
    def test_before_the_link_is_opened_and_while_its_form_is_open(self):
        """TOK-07: each of these changes refuses the link at both moments."""
        for change, status in (
            (change_the_password, 410),
            (use_another_link, 410),
            (change_the_recovery_address, 404),
            (lock, 410),
            (lock_and_unlock_without_losing_the_password, 404),
            (leave, 404),
            (lose_the_password, 404),
        ):
            person = active_account()
            path, late = link_for(person), Client()
            in_use = opened(path)
            change(person)
            password = reloaded(person).password

            late.get(path)
            answers = [choose(late), choose(in_use), in_use.get(reverse(RESET))]

            assert [answer.status_code for answer in answers] == [status] * 3, change
            assert reloaded(person).password == password, change

    def test_of_a_mail_that_was_not_sent_before_the_lock(self, client, person, mail_delivery):
        """HLP-02: the mail is cancelled; only the notice of the lock arrives."""
        client.post(reverse(PAGE), {"login": person.login})
        assert answer_link_request(request_id=LinkRequest.objects.get().pk).kind == Kind.PASSWORD_RESET
        lock(person)

        mails = mail_delivery.deliver()

        assert Message.objects.get(kind=Kind.PASSWORD_RESET).status == Status.CANCELLED
        assert not any("/reinitialisation/" in text_of(mail) for mail in mails)

    def test_is_not_caused_by_another_request(self, client, person, mail_delivery):
        """TOK-07: anybody can make one."""
        path = link_for(person)
        for _ in range(5):
            client.post(reverse(PAGE), {"login": person.login})
        mail_delivery.deliver()

        assert choose(opened(path)).status_code == 302


class TestANewPassword:
    def test_ends_every_session_of_the_account_and_opens_none(self, person, mail_delivery):
        """PWD-06, SES-05: the account's sessions end, in this browser too; another account's goes on."""
        devices, other_account = [browser_of(person), browser_of(person)], browser_of(active_account())
        choose(opened(link_for(person), other_account))

        assert not Session.objects.filter(account=person).exists()
        assert not any(map(is_signed_in, devices))
        assert is_signed_in(other_account)
        assert other_account.get(reverse(DONE)).status_code == 200
        mails = mail_delivery.deliver()
        assert {mail["To"] for mail in mails} == {person.recovery_address, person.login}
        entry = person.journal.get(event=Event.PASSWORD_RESET)
        for mail in mails:
            assert NEW_PASSWORD not in str(mail)
            assert not_me_link.open(link_in(mail).split("/")[-2]).subject_id == entry.pk

    def test_resets_the_failures_counted_against_the_account(self, person):
        """ENU-07: of this client and of all; not when the password could not be saved."""
        client = {"REMOTE_ADDR": "198.51.100.20"}
        for _ in range(5):
            signs_in(person, "pas-le-bon", **client)
        for _ in range(100):
            FAILED_SIGN_INS_PER_LOGIN.count(person.login)
        assert not signs_in(person, A_GOOD_PASSWORD, **client)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("accounts.passwords.services.notify_change", raise_disk_full)
            assert choose(opened(link_for(person), Client(raise_request_exception=False))).status_code == 500
        assert not FAILED_SIGN_INS_PER_LOGIN.count(person.login)
        assert reloaded(person).check_password(A_GOOD_PASSWORD)

        choose(opened(link_for(person), Client(**client)))
        for address in ("198.51.100.20", "203.0.113.20", "203.0.113.21"):
            assert signs_in(person, NEW_PASSWORD, REMOTE_ADDR=address), address

    def test_follows_the_rules_and_is_never_cut(self, person):
        """PWD-01 to PWD-04: the form of the change of password; the page does not repeat what was typed."""
        browser, words = opened(link_for(person)), "x7Q-mot ouvert-9z lune" * 12
        for refused in (words[:14], words[:257], "motdepassemotdepasse", f"{person.family_name} et le train bleu"):
            answer = choose(browser, refused)
            assert answer.status_code == 200
            assert answer.context["form"].errors["password"], refused
            assert refused not in answer.content.decode()
        assert choose(browser, unicodedata.normalize("NFD", "é" + words[:255])).status_code == 302
        assert signs_in(person, unicodedata.normalize("NFC", "é" + words[:255]))

    def test_is_stored_as_a_hash_only(self, person, mail_delivery, caplog):
        """PWD-08"""
        caplog.set_level(logging.DEBUG)
        browser = opened(link_for(person))
        pages = [choose(browser, CANARY[:14]), choose(browser, CANARY, password2="x"), choose(browser, CANARY)]
        mails = mail_delivery.deliver()

        assert reloaded(person).check_password(CANARY)
        texts = [page.content.decode() for page in pages] + [str(mail) for mail in mails]
        texts += [caplog.text, everything_stored(), str(dict(browser.session))]
        assert not any(CANARY[:12] in text for text in texts)

    def test_needs_the_csrf_token_of_a_form_shown_for_the_same_account(self, person):
        """SES-03, SES-07: the token changes with the account behind the link, not with a newer link of the same one."""
        browser, other = Client(enforce_csrf_checks=True), active_account()
        browser.get(link_for(person))
        for name in (PAGE, RESET, NEW_LINK):
            assert browser.post(reverse(name), {"password": NEW_PASSWORD}).status_code == 403, name
        token = csrf_of(browser.get(reverse(RESET)).content.decode())

        browser.get(link_for(other))
        for_the_other = choose(browser, csrfmiddlewaretoken=token)
        browser.get(link_for(person))
        token = csrf_of(browser.get(reverse(RESET)).content.decode())
        browser.get(link_for(person, timezone.now() - timedelta(minutes=1)))
        for_the_person = choose(browser, csrfmiddlewaretoken=token)

        assert for_the_other.status_code == 403
        assert reloaded(other).check_password(A_GOOD_PASSWORD)
        assert for_the_person.status_code == 302
        assert reloaded(person).check_password(NEW_PASSWORD)
        assert not LinkRequest.objects.exists()


def raise_disk_full(**kwargs: object) -> None:
    raise OSError("disk full")


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    def test_two_posts_of_one_link_make_one_change(self):
        """TOK-07: from two browsers or as a double click of one session, the other gets 410."""
        passwords = (NEW_PASSWORD, "une-phrase-du-train-orange")
        for number in range(6):
            person = active_account()
            path = link_for(person)
            first, second = opened(path), opened(path)
            if number % 2:
                second.cookies = first.cookies.copy()

            answers = attempted_together(
                lambda browser=first: choose(browser, passwords[0]),
                lambda browser=second: choose(browser, passwords[1]),
            )

            statuses = [answer.status_code for answer in answers]
            assert sorted(statuses) == [302, 410]
            assert reloaded(person).check_password(passwords[statuses.index(302)])
            assert resets_of(person) == 1
            assert Message.objects.filter(person=person, kind=Kind.PASSWORD_CHANGED).count() == 2

    def test_a_post_that_waits_for_the_lock_rechecks_the_link(self):
        """TOK-07: the link was good when the form was sent, and is revoked before the row is free."""
        for change in (lock, change_the_recovery_address, leave):
            person = active_account()
            browser = opened(link_for(person))

            with ThreadPoolExecutor(1) as threads:
                with transaction.atomic():
                    Account.objects.select_for_update(of=("self",)).get(pk=person.pk)
                    sent = threads.submit(lambda browser=browser: (choose(browser), connection.close())[0])
                    wait_until_blocked()
                    change(person)
                answer = sent.result(timeout=10)

            assert answer.status_code in (404, 410), change
            assert reloaded(person).check_password(A_GOOD_PASSWORD), change
