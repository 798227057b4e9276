"""Changing a password: the present one is asked for, every other session ends, every address on file is notified."""

import logging
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.forms import BaseForm
from django.test import Client
from django.urls import reverse
from django.views.debug import SafeExceptionReporterFilter
from django.views.generic import View

from accounts.enums import Category, LockReason
from accounts.links.account_links import not_me_link
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from accounts.passwords import services
from accounts.views import login as login_views
from accounts.views.password import NewPasswordView
from activation.wizard.steps import STEPS
from core.forms.fields import PasswordField
from journal.events import Event
from mailrouting.services import change_redirection
from outbox.enums import Kind
from outbox.models import Message
from tests.activation.wizard.client import begun_until, everything_stored
from tests.concurrency import attempted_together, wait_until_blocked
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account, reloaded
from tests.fuzz.routes import routes
from tests.locking import password_reset_path, reactivation_path, unlocked_account
from tests.mail_delivery import link_in
from tests.signing_in import browser_of, is_signed_in, stolen_cookie_of, submit_login

pytestmark = pytest.mark.django_db

PAGE = "account-password"
NEW_PASSWORD = "une-phrase-du-bureau-bleu"
OTHER_PASSWORD = "une-phrase-du-train-orange"
ACCENTED = "Éléphant-été-violet"
WRONG = "pas-le-bon-mot-de-passe"
CANARY = "CANARI-jaune-7f3a-en-cage"
WRONG_PRESENT = "Le mot de passe actuel ne correspond pas"


def change(browser: Client, new: str = NEW_PASSWORD, present: str = A_GOOD_PASSWORD, **more: str):
    return browser.post(reverse(PAGE), {"current_password": present, "password": new, **more})


def signs_in(person: Account, password: str) -> bool:
    return submit_login(Client(), person, password).status_code == 302


def changes_of(person: Account) -> int:
    return person.journal.filter(event=Event.PASSWORD_CHANGED).count()


class TestTheNewOne:
    def test_is_in_force_at_once_and_ends_every_other_session(self, person, browser):
        """PWD-06, SES-05: this browser goes on; posting the form again or reloading changes nothing."""
        others, stranger = [browser_of(person) for _ in range(3)], browser_of(active_account())

        answer = change(browser)
        assert Session.objects.filter(account=person).count() == 1
        pages = [browser.get(answer["Location"]).content.decode() for _ in range(2)]
        again = change(browser)

        assert answer["Location"] == reverse("account")
        assert "Mot de passe changé. Vos autres sessions ont été fermées." in pages[0]
        assert WRONG_PRESENT in again.content.decode()
        assert [is_signed_in(one) for one in (browser, stranger, *others)] == [True, True, False, False, False]
        assert signs_in(person, NEW_PASSWORD)
        assert not signs_in(person, A_GOOD_PASSWORD)
        assert changes_of(person) == 1

    def test_is_the_same_in_both_spellings_of_an_accent(self, person, browser):
        """PWD-04: as the new one and, typed on another keyboard, as the present one; the same is no change."""
        nfc, nfd = (unicodedata.normalize(form, ACCENTED) for form in ("NFC", "NFD"))
        for chosen, typed in ((nfc, nfd), (nfd, nfc)):
            assert change(browser, chosen).status_code == 302
            assert signs_in(person, typed)
            same = change(browser, typed, chosen).content.decode()
            assert "Le nouveau mot de passe doit être différent de l’actuel" in same
            assert change(browser, A_GOOD_PASSWORD, typed).status_code == 302
        assert changes_of(person) == 4

    def test_follows_the_rules_and_is_never_cut(self, person, browser):
        """PWD-01 to PWD-03: the validators know whose password it is; the page does not repeat what was typed."""
        words = "x7Q-mot ouvert-9z lune" * 12
        for refused in (words[:14], words[:257], "motdepassemotdepasse", f"{person.family_name} et le train bleu"):
            answer = change(browser, refused)
            assert answer.context["form"].errors["password"], refused
            assert refused not in answer.content.decode()
        assert change(browser, "x" * 1_000_000).status_code == 400
        assert reloaded(person).check_password(A_GOOD_PASSWORD)
        assert change(browser, words[:15]).status_code == 302
        assert change(browser, words[:256], words[:15]).status_code == 302
        assert not signs_in(person, words[:255])
        assert signs_in(person, words[:256])

    def test_typed_twice_has_to_be_typed_alike(self, browser):
        """Without JavaScript the page has a second field."""
        assert "Les deux saisies sont différentes" in change(browser, password2="autre").content.decode()
        assert change(browser, password2=NEW_PASSWORD).status_code == 302


class TestThePresentOne:
    def test_is_asked_for_each_time(self, person, browser):
        """SES-08: an attacker at an unlocked screen does not know it."""
        answer = browser.post(reverse(PAGE), {"password": NEW_PASSWORD})

        assert "Saisissez votre mot de passe actuel" in answer.content.decode()
        assert reloaded(person).check_password(A_GOOD_PASSWORD)

    def test_if_wrong_is_counted_with_failed_logins(self, person, browser):
        """SES-08, ENU-07: a stolen cookie gives no more guesses; the answer says when to try again."""
        answers = [change(browser, present=WRONG) for _ in range(5)]
        throttled = change(browser)

        assert {answer.status_code for answer in answers} == {200}
        assert WRONG_PRESENT in answers[0].content.decode()
        assert throttled.status_code == 429
        assert 60 < int(throttled["Retry-After"]) <= 121
        assert "Trop d’essais" in throttled.content.decode()
        assert submit_login(Client(), person).status_code == 429
        assert reloaded(person).check_password(A_GOOD_PASSWORD)
        assert person.journal.filter(event=Event.SIGN_IN_FAILED).count() == 5
        assert is_signed_in(browser)


class TestTheNotice:
    def test_goes_to_every_address_on_file_and_leads_to_a_lock(self, person, browser, mail_delivery):
        """PWD-06, HLP-07: nothing secret in it, and a link that locks the account in two clicks."""
        change(browser)
        mails = mail_delivery.deliver()

        assert {mail["To"] for mail in mails} == {person.recovery_address, person.login}
        entry = person.journal.get(event=Event.PASSWORD_CHANGED)
        for mail in mails:
            assert not any(secret in str(mail) for secret in (A_GOOD_PASSWORD, NEW_PASSWORD))
            assert not_me_link.open(link_in(mail).split("/")[-2]).subject_id == entry.pk
        owner = Client()
        owner.get(link_in(mails[0]))
        owner.post(reverse("not-me"))
        assert reloaded(person).is_locked
        assert not is_signed_in(browser)

    def test_goes_to_the_recovery_address_alone_without_a_mailbox(self, mail_delivery):
        """PWD-06"""
        student = active_account(category=Category.STUDENT)

        change(browser_of(student))

        assert [mail["To"] for mail in mail_delivery.deliver()] == [student.recovery_address]

    def test_is_in_the_transaction_of_the_change(self, person, browser, monkeypatch):
        """LOG-03, AVL-02: when the notice cannot be queued, the password is the old one and the session goes on."""
        monkeypatch.setattr("accounts.passwords.services.notify_change", raise_disk_full)
        browser.raise_request_exception = False

        assert change(browser).status_code == 500
        assert reloaded(person).check_password(A_GOOD_PASSWORD)
        assert is_signed_in(browser)
        assert changes_of(person) == 0


def raise_disk_full(**kwargs: object) -> None:
    raise OSError("disk full")


class TestWhatStaysSecret:
    def test_is_the_password_everywhere(self, person, browser, mail_delivery, caplog):
        """PWD-08: neither the old one nor the new one in session, journal, outbox, Redis, mail, log or page."""
        caplog.set_level(logging.DEBUG)
        pages = [change(browser, CANARY[:14]), change(browser, CANARY, CANARY), change(browser, CANARY, password2="x")]
        pages += [change(browser, CANARY), change(browser, NEW_PASSWORD, CANARY + "x")]
        mails = mail_delivery.deliver()

        assert reloaded(person).check_password(CANARY)
        texts = [page.content.decode() for page in pages] + [str(mail) for mail in mails]
        texts += [caplog.text, everything_stored(), str(dict(browser.session))]
        assert not any(secret in text for text in texts for secret in (CANARY[:12], A_GOOD_PASSWORD))

    def test_is_the_password_in_the_report_of_an_error(self, monkeypatch, caplog):
        """PWD-08: `sensitive_post_parameters` on every page with a password field."""

        def fail(form: BaseForm) -> None:
            raise RuntimeError("broken")

        pages = browsers_before_a_password()
        assert set(pages) == pages_with_a_password()
        monkeypatch.setattr(BaseForm, "is_valid", fail)
        reporter = SafeExceptionReporterFilter()
        reporter.is_active = lambda request: True
        for name, (browser, fields) in pages.items():
            browser.raise_request_exception = False
            answer = browser.post(reverse(name), {"login": "jean.dupont", **dict.fromkeys(fields, CANARY)})

            cleansed = reporter.get_post_parameters(answer.wsgi_request)
            assert answer.status_code == 500, name
            assert "RuntimeError: broken" in caplog.text
            assert {cleansed[field] for field in fields} == {reporter.cleansed_substitute}, name
            assert CANARY not in answer.content.decode() + caplog.text, name


def pages_with_a_password() -> set[str]:
    def has_password_field(form: type[BaseForm] | None) -> bool:
        return any(isinstance(field, PasswordField) for field in getattr(form, "base_fields", {}).values())

    return {step.url_name for step in STEPS if has_password_field(step.form_class)} | {
        route.name
        for route in routes()
        for view in [getattr(route.pattern.callback, "view_class", View)]
        if issubclass(view, NewPasswordView) or has_password_field(getattr(view, "form_class", None))
    }


def browsers_before_a_password() -> dict[str, tuple[Client, tuple[str, ...]]]:
    """For each of these pages, a client that may post to it, and its password fields."""
    person, in_the_wizard, behind_a_link, unlocked = active_account(), Client(), Client(), Client()
    change_redirection(account=person, target=person.recovery_address, keep_copy=True)
    begun_until(in_the_wizard, pending_account(), "activation-password")
    behind_a_link.get(password_reset_path(person))
    unlocked.get(reactivation_path(unlocked_account()))
    new, present = ("password", "password2"), ("current_password",)
    confirmed = ("account-recovery", "account-redirection", "account-redirection-stop", "account-data")
    return {
        "login": (Client(), ("password",)),
        "activation-password": (in_the_wizard, new),
        "password-reset": (behind_a_link, new),
        "reactivation": (unlocked, new),
        "account-password": (browser_of(person), new + present),
        **{name: (stolen_cookie_of(person), present) for name in (*confirmed, "account-data-copy")},
    }


def test_password_managers_find_the_page_and_its_fields(person, browser, client):
    """RGAA 11.13 and the W3C's well-known URL: user name, present and new password in that order; no maxlength."""
    assert browser.get("/.well-known/change-password")["Location"] == reverse(PAGE)
    anonymous = client.get("/.well-known/change-password", follow=True)
    assert (anonymous.status_code, anonymous.request["PATH_INFO"]) == (200, reverse("login"))
    unknown = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200"
    assert browser.get(unknown).status_code == 404

    page = browser.get(reverse(PAGE)).content.decode()
    tokens = re.findall(r'autocomplete="([a-z-]+)"', page)
    assert tokens[:3] == ["username", "current-password", "new-password"]
    assert f'value="{person.login}"' in page
    assert "maxlength" not in page
    at_login = re.findall(r'autocomplete="([a-z-]+)"', anonymous.content.decode())
    assert at_login == ["username", "current-password"]


def test_the_page_needs_a_session_and_a_csrf_token(person, client):
    """ADM-01, SES-07"""
    without_token = Client(enforce_csrf_checks=True)
    without_token.force_login(person)

    assert change(client)["Location"].startswith(reverse("login"))
    assert change(without_token).status_code == 403
    assert reloaded(person).check_password(A_GOOD_PASSWORD)


def test_a_lock_during_the_request_leads_to_the_help_page(person, browser, monkeypatch):
    """HLP-01"""
    change_password = services.change_password

    def lock_first(**given):
        lock_account(account=person, reason=LockReason.PHISHING)
        return change_password(**given)

    monkeypatch.setattr(services, "change_password", lock_first)

    assert change(browser)["Location"] == reverse("locked-help")
    assert reloaded(person).check_password(A_GOOD_PASSWORD)


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    def test_two_tabs_make_one_change(self):
        """TOK-07, SES-08: the second finds the present password wrong; one entry, one pair of notices."""
        for _ in range(4):
            person = active_account()
            tab = browser_of(person)
            other_tab = Client()
            other_tab.cookies = tab.cookies.copy()
            passwords = (NEW_PASSWORD, OTHER_PASSWORD)

            answers = attempted_together(lambda: change(tab, NEW_PASSWORD), lambda: change(other_tab, OTHER_PASSWORD))

            statuses = [answer.status_code for answer in answers]
            assert sorted(statuses) in ([200, 302], [302, 302]), answers
            [chosen] = [password for password in passwords if reloaded(person).check_password(password)]
            assert changes_of(person) == 1
            assert Message.objects.filter(person=person, kind=Kind.PASSWORD_CHANGED).count() == 2
            assert is_signed_in((tab, other_tab)[passwords.index(chosen)])

    def test_a_change_that_waits_for_the_lock_rechecks_the_present_password(self):
        person = active_account()
        browser = browser_of(person)

        with ThreadPoolExecutor(1) as threads:
            with transaction.atomic():
                services.change_password(account=person, password=NEW_PASSWORD)
                sent = threads.submit(lambda: (change(browser, CANARY), connection.close())[0])
                wait_until_blocked()
            answer = sent.result(timeout=10)

        assert WRONG_PRESENT in answer.content.decode()
        assert reloaded(person).check_password(NEW_PASSWORD)
        assert not is_signed_in(browser)

    def test_a_login_with_the_old_password_meanwhile_opens_no_session(self, monkeypatch):
        """SES-05: the password changes between the check and the start of the session."""
        person, browser, start_session = active_account(), Client(), login_views.start_session

        def change_first(request, account, **how):
            services.change_password(account=reloaded(account), password=NEW_PASSWORD)
            start_session(request, account, **how)

        monkeypatch.setattr(login_views, "start_session", change_first)
        submit_login(browser, person)

        assert not is_signed_in(browser)
