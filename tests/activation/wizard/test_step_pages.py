"""The page of each step: the charter, the password, where the mail goes, and the verification of another address."""

import logging
import time
from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Account
from accounts.passwords.hashers import PortalArgon2PasswordHasher
from activation import services
from activation.models import Charter
from journal.events import Event
from mailrouting.models import Redirection
from outbox.enums import Status
from outbox.models import Message
from tests.activation.wizard import client as wizard
from tests.activation.wizard.client import CHARTER, DIRECTORY, MAILBOX, PASSWORD, VERIFICATION, answer, forward_to
from tests.factories import A_GOOD_PASSWORD, pending_account, reloaded
from tests.mailrouting.forwarding import ELSEWHERE, redirection_of, verification_mails
from tests.pages import publish_another_charter

pytestmark = pytest.mark.django_db

FIRST, SECOND = "2026-09", "2026-11"
RESEND, STATE = "activation-verification-resend", "activation-verification-state"
CANARY, TYPO, BROKEN = "CANARI-jaune-7f3a-en-cage", "camille@gmial.com", "camille@gmailcom"


@pytest.fixture
def person() -> Account:
    return pending_account(recovery_address="jean.dupont@exemple.fr")


@pytest.fixture
def browser(client, person) -> Client:
    wizard.begin(client, person)
    return client


def text_of(page: HttpResponse) -> str:
    return page.content.decode().replace("\N{NO-BREAK SPACE}", " ")


def read(browser: Client, step: str, query: str = "") -> str:
    return text_of(browser.get(reverse(step) + query))


class TestCharter:
    def test_is_shown_as_a_whole_and_can_be_declined(self, browser):
        html = read(browser, CHARTER)
        assert (html.count("<h3>") >= 12, " checked" in html, "<iframe" in html) == (True, False, False)
        assert f'href="{reverse(CHARTER)}"' in read(browser, "activation-charter-refused")

    def test_needs_a_ticked_box_and_the_version_in_force(self, browser, person):
        """INP-06, PRV-01: only the value that browsers send, the last of two, for the directory too; no draft."""
        Charter.objects.create(version="brouillon", text_fr="?", text_en="?")
        for box in ("true", "1", "On", "yes", "0", "false", "", ["on", "0"]):
            page = answer(browser, CHARTER, {**wizard.charter_answer(), "accepted": box})
            assert "Cochez la case pour accepter la charte" in text_of(page), box
        for version in ("", "brouillon", "2019-01", "x" * 5000, "\x00"):
            page = answer(browser, CHARTER, {"version": version, "accepted": "on"})
            assert (page.status_code, f'value="{FIRST}"' in text_of(page)) == (200, True), version
        assert wizard.accepted_by(person) == []
        answer(browser, CHARTER, {**wizard.charter_answer(), "accepted": ["0", "on"]})
        assert wizard.accepted_by(person) == [FIRST]
        page = answer(browser, DIRECTORY, {"listed": "yes", "understood": "true"})
        assert (page.status_code, person.directory_consents.count()) == (200, 0)

    def test_of_a_later_version_is_shown_before_it_is_accepted(self, browser, person):
        """PRV-01: no user accepts a text that was not on the page, also at the last step; the first proof stays."""
        answer_of_the_old_page = wizard.charter_answer()
        publish_another_charter()
        html = text_of(answer(browser, CHARTER, answer_of_the_old_page))
        assert all(text in html for text in ("La charte a changé pendant votre lecture", f'value="{SECOND}"'))
        assert (" checked" in html, wizard.accepted_by(person)) == (False, [])
        wizard.answered_until(person, PASSWORD)
        publish_another_charter("2026-12")
        assert answer(browser, PASSWORD)["Location"] == reverse(CHARTER)
        assert answer(browser, CHARTER)["Location"] == reverse(PASSWORD)
        assert wizard.accepted_by(person) == [SECOND, "2026-12"]


def test_what_one_user_answers_is_not_on_the_page_of_the_next():
    """HDR-04, PRV-02: an unanswered form is rendered once for all users and keeps nothing of any of them."""
    wrong = {"version": "1999-01", "password": "azerty", "password2": "ytreza", "listed": "yes"}
    # The directory last: reading a page in English changes the language of this thread.
    for step in (CHARTER, PASSWORD, DIRECTORY):
        first, second = Client(), Client()
        for browser in (first, second):
            wizard.begun_until(browser, pending_account(), step)
        pages = (text_of(answer(first, step, wrong)), read(first, step), read(second, step))
        marks = ("checked", "field--err", "1999-01", "azerty")
        assert [any(mark in page for mark in marks) for page in pages] == [True, False, False], step
    answer(first, DIRECTORY, {"listed": "yes", "understood": "on"})
    for _twice in range(2):
        assert ("checked" in read(first, DIRECTORY), "checked" in read(second, DIRECTORY)) == (True, False)
    assert "Oui, afficher" not in second.get(f"/en{reverse(DIRECTORY)}").content.decode()


class TestPassword:
    @pytest.fixture(autouse=True)
    def at_the_last_step(self, person) -> None:
        wizard.answered_until(person, PASSWORD)

    def test_is_nowhere_but_in_its_hash(self, browser, person, mail_delivery, caplog):
        """PWD-05, PWD-08: Argon2id; not in a session, the journal, the outbox, Redis, a mail, a log or a page."""
        caplog.set_level(logging.DEBUG)
        typed = ({"password": CANARY[:14]}, {"password": CANARY, "password2": CANARY[:-1]}, {"password": CANARY})
        pages = [browser.post(reverse(PASSWORD), answers, follow=True) for answers in typed]
        seen = [page.content.decode() for page in pages] + [str(mail) for mail in mail_delivery.deliver()]
        seen += [caplog.text, wizard.everything_stored(), str(dict(browser.session))]
        assert reloaded(person).check_password(CANARY)
        assert reloaded(person).password.startswith("argon2$argon2id$v=19$m=")
        assert not any(CANARY[:12] in text for text in seen)

    def test_that_is_refused_leaves_the_account_as_it_was(self, browser, person, monkeypatch):
        """PWD-02, PWD-03, PWD-06, INP-01: the validators know the account; a million characters are not hashed."""
        before = wizard.everything_about(person)
        monkeypatch.setattr(PortalArgon2PasswordHasher, "encode", lambda *given: pytest.fail("hashed"))
        too_long = "Le mot de passe dépasse 256 caractères"
        for password, again, error in (
            ("trop-court", {}, ""),
            (f"{person.login}-2026", {}, "votre nom ou votre identifiant"),
            (A_GOOD_PASSWORD, {"password2": ""}, "Les deux saisies sont différentes"),
            (A_GOOD_PASSWORD, {"password2": "\x00" * 20}, ""),
            ("x7Q-" * 64 + "x", {}, too_long),
            ("x7Q-" * 225_000, {}, too_long),
        ):
            begun = time.process_time()
            html = text_of(answer(browser, PASSWORD, {"password": password, **again}))
            assert time.process_time() - begun < 0.5
            assert ('type="password"' in html, "maxlength" in html, error in html) == (True, False, True), password[:30]
            assert not any(text in html for text in ("trop-court", A_GOOD_PASSWORD))
        assert wizard.everything_about(person) == before
        assert before["account"]["password"].startswith("!")

    def test_is_typed_twice_without_script(self, browser, person):
        """PWD-04, RGAA 11.13: the second field is in a noscript."""
        page = read(browser, PASSWORD)
        assert 'name="password2"' in page.split("<noscript>")[1].split("</noscript>")[0]
        assert page.count('name="password2"') == 1
        assert f'autocomplete="username" readonly value="{person.login}"' in page
        twice = dict.fromkeys(("password", "password2"), f"{A_GOOD_PASSWORD} ")
        assert answer(browser, PASSWORD, twice)["Location"] == reverse("activation-done")
        assert reloaded(person).check_password(f"{A_GOOD_PASSWORD} ")

    def test_comes_with_everything_or_nothing(self, browser, person, monkeypatch):
        """AVL-02: when the mail cannot be queued there is no password, no mailbox and no event either."""
        before = wizard.everything_about(person)
        monkeypatch.setattr(services, "queue_email", lambda **given: 1 / 0)
        browser.raise_request_exception = False
        assert answer(browser, PASSWORD).status_code == 500
        assert wizard.everything_about(person) == before
        monkeypatch.undo()
        assert answer(browser, PASSWORD).status_code == 302


class TestMailbox:
    @pytest.fixture(autouse=True)
    def at_the_fourth_step(self, person) -> None:
        wizard.answered_until(person, MAILBOX)

    def test_offers_the_recovery_address_and_a_copy_and_chooses_nothing(self, browser, person):
        """FWD-04: an empty form is a no; what is not wanted is not checked; the choice is shown again."""
        form = browser.get(reverse(MAILBOX)).context["form"]
        assert form.initial == {"forward": False, "target": person.recovery_address, "keep_copy": True}
        for typed in ({}, {"target": "n'importe quoi"}):
            assert answer(browser, MAILBOX, typed)["Location"] == reverse(PASSWORD)
        assert (redirection_of(person).is_wanted, redirection_of(person).keep_copy) == (False, True)
        assert person.journal.filter(event=Event.REDIRECTION_DECLINED).count() == 1
        for keep_copy in (True, False):
            answer(browser, MAILBOX, forward_to(ELSEWHERE, keep_copy=keep_copy))
            assert redirection_of(person).keep_copy is keep_copy
            form = browser.get(reverse(MAILBOX)).context["form"]
            assert form.initial == {"forward": True, "target": ELSEWHERE, "keep_copy": keep_copy}

    def test_asks_to_confirm_any_address_but_the_recovery_address(self, browser, person):
        """FWD-01: that one is verified by the link of the activation; another case, dot or tag is another address."""
        for spelling in (person.recovery_address, " jean.dupont@EXEMPLE.FR "):
            assert answer(browser, MAILBOX, forward_to(spelling))["Location"] == reverse(PASSWORD)
            assert (redirection_of(person).is_waiting, verification_mails(person)) == (False, 0)
            assert browser.get(reverse(VERIFICATION))["Location"] == reverse(PASSWORD)
        others = ("Jean.dupont@exemple.fr", "jeandupont@exemple.fr", "jean.dupont+fac@exemple.fr", ELSEWHERE)
        for mails, target in enumerate(others, start=1):
            assert answer(browser, MAILBOX, forward_to(target))["Location"] == reverse(VERIFICATION)
            assert (redirection_of(person).is_waiting, verification_mails(person)) == (True, mails)
        assert not Redirection.objects.in_force().exists()

    def test_refuses_the_university_and_asks_about_a_typo(self, browser, person, settings):
        """FWD-02, FWD-06: an address that cannot work can only be corrected. Where forwarding is off the step informs."""
        assert "ou décochez la redirection" in text_of(answer(browser, MAILBOX, forward_to("  ")))
        assert answer(browser, MAILBOX, forward_to("x@univ-exemple.fr")).context["form"].errors["target"]
        for typed, spellings in ((TYPO, 2), (BROKEN, 1)):
            page = text_of(answer(browser, MAILBOX, forward_to(typed)))
            assert "Avez-vous voulu écrire camille@gmail.com ?" in page
            assert (page.count('name="spelling"'), f'value="{typed}"' in page) == (spellings, True)
        assert answer(browser, MAILBOX, {**forward_to(BROKEN), "spelling": "kept"}).status_code == 200
        assert not Redirection.objects.filter(account=person).exists()
        corrected = (BROKEN, "corrected", "camille@gmail.com")
        for typed, spelling, target in (corrected, (TYPO, "kept", TYPO), (ELSEWHERE, "corrected", ELSEWHERE)):
            response = answer(browser, MAILBOX, {**forward_to(typed), "spelling": spelling})
            assert (response["Location"], redirection_of(person).target) == (reverse(VERIFICATION), target)
        settings.FORWARDING_ALLOWED = False
        page = read(browser, MAILBOX)
        assert ('name="target"' in page, "n’est pas autorisée" in page) == (False, True)
        assert answer(browser, MAILBOX, forward_to(TYPO))["Location"] == reverse(PASSWORD)
        assert not redirection_of(person).is_wanted

    @pytest.mark.parametrize("waits", [True, False])
    def test_waits_for_the_link_opened_on_another_device_or_goes_on(self, browser, person, mail_delivery, waits):
        """FWD-01, FWD-03: no link needs the session that asked for it, and its pages show nothing of the account."""
        answer(browser, MAILBOX, forward_to(ELSEWHERE))
        link, page = mail_delivery.last_link(), read(browser, VERIFICATION)
        assert mail_delivery.last_mail()["To"] == ELSEWHERE
        assert [text for text in (ELSEWHERE, "23 h 59", "Dernier envoi à") if text not in page] == []
        assert "n’est pas encore vérifiée" in read(browser, VERIFICATION, "?verifie=")
        assert browser.get(reverse(STATE)).json() == {"verified": False}
        if not waits:
            assert answer(browser, VERIFICATION)["Location"] == reverse(PASSWORD)
            answer(browser, PASSWORD)
            assert "En attente de vérification" in read(browser, "activation-done")
            assert (reloaded(person).is_active, Redirection.objects.in_force().exists()) == (True, False)
        phone = Client()
        assert "Confirmer cette adresse" in text_of(phone.get(link, follow=True))
        confirmed = phone.post(reverse("redirection"))
        assert confirmed.status_code == 200
        assert not any(fact in text_of(confirmed) for fact in (person.full_name, person.login))
        if waits:
            assert browser.get(reverse(STATE)).json() == {"verified": True}
            assert "Adresse vérifiée" in read(browser, VERIFICATION)
            assert browser.get(reverse(VERIFICATION) + "?verifie=")["Location"] == reverse(PASSWORD)
            assert answer(browser, PASSWORD)["Location"] == reverse("activation-done")
        assert Redirection.objects.in_force().get().target == ELSEWHERE

    def test_reports_a_mail_that_bounced_and_sends_another_within_the_quota(self, browser, person, time_machine):
        """ENU-05: the page says so, or from when; without a pending address nothing is sent."""
        assert browser.post(reverse(RESEND))["Location"] == reverse(MAILBOX)
        assert browser.get(reverse(STATE)).json() == {"verified": False}
        start = timezone.now()
        time_machine.move_to(start, tick=False)
        answer(browser, MAILBOX, forward_to(ELSEWHERE))
        assert "n’a pas pu être remis" not in read(browser, VERIFICATION)
        for status in (Status.BOUNCED, Status.REFUSED, Status.GIVEN_UP):
            Message.objects.filter(person=person).update(status=status)
            assert "n’a pas pu être remis" in read(browser, VERIFICATION), status
        for minutes, words in ((0.5, "Vous pourrez en demander un autre à"), (1.5, "Nous venons d’envoyer un nouvel")):
            time_machine.move_to(start + timedelta(minutes=minutes), tick=False)
            assert words in browser.post(reverse(RESEND), follow=True).content.decode()
        assert verification_mails(person) == 2
