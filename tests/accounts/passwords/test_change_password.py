"""Changing a password: the present one is asked for, every other session ends, every address on file is notified."""

import logging
import os
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import pytest
from django.db import connection, transaction
from django.forms import BaseForm
from django.test import Client
from django.urls import reverse
from django.views.debug import SafeExceptionReporterFilter
from django.views.generic import View

from accounts.links.account_links import not_me_link
from accounts.models import Session
from accounts.passwords import services
from accounts.views import login as login_views
from accounts.views.password import NewPasswordView
from activation.wizard.steps import STEPS
from core.forms.fields import PasswordField
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.accounts.recovery.recovering import lock, report
from tests.activation.wizard.client import everything_stored
from tests.concurrency import wait_until_blocked
from tests.factories import A_GOOD_PASSWORD, active_account, events_of, reloaded
from tests.fuzz.routes import routes
from tests.mail_delivery import link_in
from tests.project import PROJECT
from tests.signing_in import browser_of, is_signed_in, signs_in, submit_login

pytestmark = pytest.mark.django_db

PAGE = "account-password"
NEW_PASSWORD = "une-phrase-du-bureau-bleu"
CANARY = "CANARI-jaune-7f3a-en-cage"
WRONG_PRESENT = "Le mot de passe actuel ne correspond pas"
NEW, CONFIRMED = ("password", "password2"), ("current_password",)
PASSWORD_FIELDS = {"login": ("password",), "account-password": NEW + CONFIRMED}
PASSWORD_FIELDS |= dict.fromkeys(("activation-password", "password-reset", "reactivation"), NEW)
PASSWORD_FIELDS |= dict.fromkeys(("account-recovery", "account-redirection", "account-redirection-stop"), CONFIRMED)
PASSWORD_FIELDS |= dict.fromkeys(("account-data", "account-data-copy"), CONFIRMED)


def change(browser: Client, new: str = NEW_PASSWORD, present: str = A_GOOD_PASSWORD, **more: str):
    return browser.post(reverse(PAGE), {"current_password": present, "password": new, **more})


class TestTheChange:
    def test_is_in_force_at_once_and_ends_every_other_session(self, person, browser):
        """PWD-06, SES-05: this browser goes on; posting the form again changes nothing."""
        others, stranger = [browser_of(person) for _ in range(3)], browser_of(active_account())
        answer = change(browser)
        assert answer["Location"] == reverse("account")
        assert Session.objects.filter(account=person).count() == 1
        page = browser.get(answer["Location"]).content.decode()
        assert "Mot de passe changé. Vos autres sessions ont été fermées." in page
        assert WRONG_PRESENT in change(browser).content.decode()
        assert [is_signed_in(one) for one in (browser, stranger, *others)] == [True, True, False, False, False]
        assert signs_in(person, NEW_PASSWORD)
        assert not signs_in(person, A_GOOD_PASSWORD)
        assert events_of(person).count(Event.PASSWORD_CHANGED) == 1

    def test_follows_the_rules_in_both_spellings_of_an_accent_and_is_typed_twice_alike(self, person, browser):
        """PWD-01 to PWD-04: the same password is no change, typed on another keyboard either."""
        words = "x7Q-mot ouvert-9z lune" * 12
        for refused in (words[:14], words[:257], f"{person.family_name} et le train bleu"):
            assert change(browser, refused).context["form"].errors["password"], refused
        assert "Les deux saisies sont différentes" in change(browser, password2="autre").content.decode()
        page = browser.get("/.well-known/change-password", follow=True).content.decode()
        assert f'value="{person.login}"' in page
        assert "maxlength" not in page
        assert reloaded(person).check_password(A_GOOD_PASSWORD)
        nfc, nfd = (unicodedata.normalize(form, f"é{words[:255]}") for form in ("NFC", "NFD"))
        assert change(browser, nfd, password2=nfd).status_code == 302
        assert signs_in(person, nfc)
        # Spaces of any keyboard are alike; an older hash has them as they were.
        wide = nfc.replace(" ", "\N{NO-BREAK SPACE}")
        assert [signs_in(person, typed) for typed in (wide, nfc.replace(" ", ""))] == [True, False]
        older = active_account(password=wide)
        assert [signs_in(older, typed) for typed in (wide, nfc)] == [True, False]
        assert "doit être différent de l’actuel" in change(browser, wide, nfd).content.decode()
        assert change(browser, A_GOOD_PASSWORD, nfd).status_code == 302

    def test_asks_for_the_present_password_and_counts_a_wrong_one_with_failed_logins(self, person, browser):
        """SES-08, ENU-07: a stolen cookie gives no more guesses; the answer says when to try again."""
        answer = browser.post(reverse(PAGE), {"password": NEW_PASSWORD})
        assert "Saisissez votre mot de passe actuel" in answer.content.decode()
        answers = [change(browser, present="pas-le-bon-mot-de-passe") for _ in range(5)]
        throttled = change(browser)
        assert {WRONG_PRESENT in answer.content.decode() for answer in answers} == {True}
        assert throttled.status_code == 429
        assert 60 < int(throttled["Retry-After"]) <= 121
        assert "Trop d’essais" in throttled.content.decode()
        assert submit_login(Client(), person).status_code == 429
        assert reloaded(person).check_password(A_GOOD_PASSWORD)
        assert events_of(person).count(Event.SIGN_IN_FAILED) == 5
        assert is_signed_in(browser)


class TestTheNotice:
    def test_goes_to_every_address_on_file_and_leads_to_a_lock(self, person, browser, mail_delivery):
        """PWD-06, HLP-07: the link in it locks the account in two clicks."""
        change(browser)
        mails = mail_delivery.deliver()
        assert {mail["To"] for mail in mails} == {person.recovery_address, person.login}
        entry = person.journal.get(event=Event.PASSWORD_CHANGED)
        for mail in mails:
            assert not_me_link.open(link_in(mail).split("/")[-2]).subject_id == entry.pk
        report(link_in(mails[0]))
        assert reloaded(person).is_locked
        assert not is_signed_in(browser)

    def test_is_in_the_transaction_of_the_change(self, person, browser, monkeypatch):
        """LOG-03, AVL-02: when the notice cannot be queued, the password is the old one and the session goes on."""
        monkeypatch.setattr(services, "notify_change", None)
        browser.raise_request_exception = False
        assert change(browser).status_code == 500
        assert reloaded(person).check_password(A_GOOD_PASSWORD)
        assert is_signed_in(browser)
        assert Event.PASSWORD_CHANGED not in events_of(person)


class TestWhatStaysSecret:
    def test_is_the_password_everywhere(self, person, browser, mail_delivery, caplog):
        """PWD-08: neither the old one nor the new one in session, journal, outbox, Redis, mail, log or page."""
        caplog.set_level(logging.DEBUG)
        pages = [change(browser, CANARY[:14]), change(browser, CANARY, CANARY), change(browser, CANARY, password2="x")]
        pages += [change(browser, CANARY), change(browser, NEW_PASSWORD, CANARY + "x")]
        assert reloaded(person).check_password(CANARY)
        texts = [page.content.decode() for page in pages] + [str(mail) for mail in mail_delivery.deliver()]
        texts += [caplog.text, everything_stored(), str(dict(browser.session))]
        assert not any(secret in text for text in texts for secret in (CANARY[:12], A_GOOD_PASSWORD))

    def test_is_the_password_in_the_report_of_an_error(self, person, browser, monkeypatch, caplog):
        """PWD-08: `sensitive_post_parameters` on every page with a password field, before its view decides anything."""
        assert set(PASSWORD_FIELDS) == pages_with_a_password()
        browser.raise_request_exception = False
        monkeypatch.setattr(BaseForm, "is_valid", Mock(side_effect=RuntimeError("broken")))
        reporter = SafeExceptionReporterFilter()
        reporter.is_active = lambda request: True
        for name, fields in PASSWORD_FIELDS.items():
            answer = browser.post(reverse(name), {"login": person.login, **dict.fromkeys(fields, CANARY)})
            cleansed = reporter.get_post_parameters(answer.wsgi_request)
            assert {cleansed[field] for field in fields} == {reporter.cleansed_substitute}, name
            assert CANARY not in answer.content.decode() + caplog.text, name
        assert "RuntimeError: broken" in caplog.text


def pages_with_a_password() -> set[str]:
    def has_password_field(form: type[BaseForm] | None) -> bool:
        return any(isinstance(field, PasswordField) for field in getattr(form, "base_fields", {}).values())

    found = {step.url_name for step in STEPS if has_password_field(step.form_class)}
    for route in routes():
        view = getattr(route.pattern.callback, "view_class", View)
        if issubclass(view, NewPasswordView) or has_password_field(getattr(view, "form_class", None)):
            found.add(route.name)
    return found


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    def test_a_change_that_waits_for_the_lock_rechecks_the_present_password_and_the_lock(self):
        """TOK-07, SES-08, HLP-01: one entry, one pair of notices."""
        for meanwhile, changes in (
            (lambda person: services.change_password(account=person, password=NEW_PASSWORD), 1),
            (lock, 0),
        ):
            person = active_account()
            browser = browser_of(person)
            with ThreadPoolExecutor(1) as threads:
                with transaction.atomic():
                    meanwhile(reloaded(person))
                    sent = threads.submit(lambda: (change(browser, CANARY), connection.close())[0])
                    wait_until_blocked()
                answer = sent.result(timeout=10)
            assert WRONG_PRESENT in answer.content.decode() if changes else answer["Location"] == reverse("locked-help")
            assert reloaded(person).check_password(NEW_PASSWORD if changes else A_GOOD_PASSWORD)
            assert events_of(person).count(Event.PASSWORD_CHANGED) == changes
            assert Message.objects.filter(person=person, kind=Kind.PASSWORD_CHANGED).count() == 2 * changes
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


@pytest.mark.processes
def test_a_hash_of_production_is_strong_and_made_within_a_second():
    """PWD-05: OWASP's 46 MiB, one pass, by default; tests use the cheapest. CPU time, so that other processes do not count."""
    make = "make_password('une-phrase-du-bureau-bleu'), time.process_time() - began"
    setup = "import django, time; django.setup(); from django.contrib.auth.hashers import make_password"
    line = [sys.executable, "-c", f"{setup}; began = time.process_time(); print({make})"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARGON2")}
    done = subprocess.run(line, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    hashed, seconds = done.stdout.split()
    assert hashed.startswith("argon2$argon2id$v=19$m=47104,t=1,p=1$")
    assert float(seconds) < 1.0
