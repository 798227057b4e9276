"""Changing a password: proven with the present one, in force at once and everywhere, told to every address on file."""

import logging
import re
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.forms import BaseForm
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.views.debug import SafeExceptionReporterFilter
from django.views.generic import View

from accounts.enums import Category, LockReason
from accounts.links.links import not_me_link, password_reset_link
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from accounts.passwords import services
from accounts.views.password import NewPasswordView
from activation.wizard.steps import STEPS
from core.forms.fields import PasswordField
from journal.events import Event
from mailrouting.services import change_redirection
from outbox.enums import Kind
from outbox.models import Message
from tests.accounts.recovery.recovering import at_once, browser_of, fresh, stolen_cookie_of
from tests.activation.wizard.client import begun_until
from tests.activation.wizard.test_concurrency import wait_until_somebody_waits_for_us
from tests.activation.wizard.test_password_step import everything_stored
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import PASSWORD as PASSWORD_PACK
from tests.fuzz.routes import routes
from tests.locking import reactivation_path, released_person
from tests.mail_delivery import link_in

pytestmark = pytest.mark.django_db

PAGE = "account-password"
NEW_PASSWORD = "une-phrase-du-bureau-bleu"
WRONG = "pas-le-bon-mot-de-passe"
CANARY = "CANARI-jaune-7f3a-en-cage"
ROUNDS = 6
#: Of the pack, those that no door may take.
REFUSED = [value for value, wanted in PASSWORD_PACK if wanted.startswith("refuse")]


@pytest.fixture
def person() -> Account:
    return active_account(
        institutional_address="jean.dupont@univ-exemple.fr", recovery_address="jean.dupont@exemple.fr"
    )


@pytest.fixture
def browser(person) -> Client:
    return browser_of(person)


def change(browser: Client, new: str = NEW_PASSWORD, present: str = A_GOOD_PASSWORD, **more: str):
    return browser.post(reverse(PAGE), {"current_password": present, "password": new, **more})


def is_signed_in(browser: Client) -> bool:
    return browser.get(reverse("account")).status_code == 200


def signs_in(person: Account, password: str) -> bool:
    answer = Client().post(reverse("login"), {"login": person.login, "password": password})
    return answer.status_code == 302


class TestTheNewOne:
    def test_works_at_once_and_the_old_one_no_more(self, person, browser):
        """PWD-06: this browser goes on, and a page of its own says what to do next."""
        answer = change(browser)

        assert answer["Location"] == reverse("account")
        page = browser.get(answer["Location"]).content.decode()
        assert "Mot de passe changé. Vos autres sessions ont été fermées." in page
        assert signs_in(person, NEW_PASSWORD)
        assert not signs_in(person, A_GOOD_PASSWORD)
        assert person.journal.filter(event=Event.PASSWORD_CHANGED).count() == 1

    def test_ends_every_other_session_and_keeps_this_one(self, person, browser):
        """SES-05: three other devices; their next request is anonymous, and no row of theirs is left."""
        others = [browser_of(person) for _ in range(3)]

        change(browser)

        assert is_signed_in(browser)
        assert not any(map(is_signed_in, others))
        assert Session.objects.filter(account=person).count() == 1

    def test_leaves_the_sessions_of_others_alone(self, browser):
        other = browser_of(active_account())

        change(browser)

        assert is_signed_in(other)

    def test_going_back_and_reloading_changes_nothing_twice(self, person, browser):
        """PRG: the answer to the form is a redirect, and the page that it leads to is read only."""
        answer = change(browser)
        browser.get(answer["Location"])
        browser.get(reverse(PAGE))
        browser.get(answer["Location"])

        assert person.journal.filter(event=Event.PASSWORD_CHANGED).count() == 1

    def test_sent_a_second_time_finds_the_old_password_wrong(self, person, browser):
        change(browser)

        again = change(browser)

        assert "Le mot de passe actuel ne correspond pas" in again.content.decode()
        assert person.journal.filter(event=Event.PASSWORD_CHANGED).count() == 1

    @pytest.mark.parametrize(("chosen", "typed"), [("NFC", "NFD"), ("NFD", "NFC")])
    def test_is_the_same_in_both_spellings_of_an_accent(self, person, browser, chosen, typed):
        """PWD-04: as the new one and, typed on another keyboard, as the present one."""
        accented = "Éléphant-été-violet"
        change(browser, unicodedata.normalize(chosen, accented))

        assert signs_in(person, unicodedata.normalize(typed, accented))
        answer = change(browser, NEW_PASSWORD, unicodedata.normalize(typed, accented))
        assert answer.status_code == 302

    @pytest.mark.parametrize(
        ("length", "status"),
        [(14, 200), (15, 302), (64, 302), (256, 302), (257, 200), (900_000, 200), (1_000_000, 400)],
    )
    def test_may_be_long_but_not_endless(self, person, browser, length, status):
        """PWD-01, PWD-02: never cut; what is too long is refused before any slow work."""
        words = "x7Q-mot ouvert-9z lune"
        long = (words * (length // len(words) + 1))[:length]
        before = fresh(person).password

        answer = change(browser, long)

        assert answer.status_code == status
        assert (fresh(person).password == before) == (status != 302)
        if status == 302:
            assert not signs_in(person, long[:-1])
            assert signs_in(person, long)

    def test_follows_every_rule(self, person, browser):
        """PWD-03: the whole pack, in the change as in the wizard; the page says why, and never what was typed."""
        before = fresh(person).password
        for value in REFUSED:
            page = change(browser, value).content.decode()

            assert fresh(person).password == before, value[:30]
            assert value not in page or value in person.login, value[:30]

    def test_is_nothing_about_the_person(self, person, browser):
        """PWD-03: the validators know whose password it is."""
        facts = {"given_name": "Jean", "family_name": "Dupont", "uid": "jdupont77", "ine": "0123456789A"}
        Account.objects.filter(pk=person.pk).update(**facts)
        personal = ["jean.dupont@univ-exemple.fr", "jean.dupont@exemple.fr", "dupont et le train bleu"]
        personal += ["le train du 29/02/1984", "0123456789a train bleu", "jdupont77 train bleu"]
        for one in personal:
            refused = change(browser, one).context["form"].errors["password"]

            assert refused == ["Le mot de passe ne doit pas contenir votre nom ou votre identifiant"], one
        assert fresh(person).check_password(A_GOOD_PASSWORD)

    @pytest.mark.parametrize("spelling", ["NFC", "NFD"])
    def test_is_another_one(self, person, spelling):
        """Asked for after somebody may have seen the old one: the same is no change."""
        accented = "Éléphant-été-violet"
        person.set_password(accented)
        person.save()
        browser = Client()
        browser.post(reverse("login"), {"login": person.login, "password": accented})

        answer = change(browser, unicodedata.normalize(spelling, accented), accented)

        assert "Le nouveau mot de passe doit être différent de l’actuel" in answer.content.decode()
        assert not person.journal.filter(event=Event.PASSWORD_CHANGED).exists()

    def test_typed_twice_has_to_be_typed_alike(self, person, browser):
        """Without JavaScript the page has a second field."""
        assert "Les deux saisies sont différentes" in change(browser, password2="autre").content.decode()
        assert change(browser, password2=NEW_PASSWORD).status_code == 302


class TestThePresentOne:
    def test_is_asked_for_each_time(self, person, browser):
        """SES-08: somebody at an unlocked screen does not know it."""
        answer = browser.post(reverse(PAGE), {"password": NEW_PASSWORD})

        assert "Saisissez votre mot de passe actuel" in answer.content.decode()
        assert fresh(person).check_password(A_GOOD_PASSWORD)

    def test_wrong_changes_nothing_and_is_counted_with_the_sign_in(self, person, browser):
        """SES-08, ENU-07: whoever has only the cookie cannot guess on; a known answer says from when to try again."""
        answers = [change(browser, present=WRONG) for _ in range(5)]
        slowed = change(browser)

        assert {answer.status_code for answer in answers} == {200}
        assert "Le mot de passe actuel ne correspond pas" in answers[0].content.decode()
        assert slowed.status_code == 429
        assert 60 < int(slowed["Retry-After"]) <= 121
        assert "Trop d’essais" in slowed.content.decode()
        assert not signs_in(person, A_GOOD_PASSWORD)
        assert fresh(person).check_password(A_GOOD_PASSWORD)
        assert person.journal.filter(event=Event.SIGN_IN_FAILED).count() == 5
        assert is_signed_in(browser)

    def test_failures_at_the_sign_in_slow_it_too(self, person, browser):
        """ENU-07"""
        for _ in range(5):
            assert not signs_in(person, WRONG)

        assert change(browser).status_code == 429


class TestTheNotice:
    def test_goes_to_every_address_on_file(self, person, browser, mail_delivery):
        """PWD-06: the recovery address and the university mailbox; nothing secret, and a way to say it was not me."""
        change(browser)
        mails = mail_delivery.deliver()

        assert {mail["To"] for mail in mails} == {person.recovery_address, person.login}
        entry = person.journal.get(event=Event.PASSWORD_CHANGED)
        for mail in mails:
            assert A_GOOD_PASSWORD not in str(mail)
            assert NEW_PASSWORD not in str(mail)
            assert not_me_link.open(link_in(mail).split("/")[-2]).subject_id == entry.pk

    def test_goes_to_the_recovery_address_alone_where_there_is_no_mailbox(self, mail_delivery):
        """PWD-06"""
        student = active_account(category=Category.STUDENT)

        change(browser_of(student))

        assert [mail["To"] for mail in mail_delivery.deliver()] == [student.recovery_address]

    def test_leads_to_a_lock_in_two_clicks(self, person, browser, mail_delivery):
        """HLP-07: whoever had the password changed by somebody else stops them."""
        change(browser)
        link = link_in(mail_delivery.deliver()[0])
        owner = Client()
        owner.get(link)

        owner.post(reverse("not-me"))

        assert fresh(person).is_locked
        assert not is_signed_in(browser)

    def test_is_in_the_same_transaction(self, person, browser, monkeypatch):
        """LOG-03, AVL-02: when the notice cannot be asked for, the password is the old one and the sessions go on."""

        def full(**kwargs: object) -> None:
            raise OSError("disk full")

        monkeypatch.setattr("accounts.passwords.services.notify_change", full)
        browser.raise_request_exception = False

        assert change(browser).status_code == 500
        assert fresh(person).check_password(A_GOOD_PASSWORD)
        assert is_signed_in(browser)
        assert not person.journal.filter(event=Event.PASSWORD_CHANGED).exists()


class TestWhatStaysSecret:
    def test_is_the_password_wherever_one_looks(self, person, browser, mail_delivery, caplog):
        """PWD-08: neither the old one nor the new one in session, journal, outbox, Redis, mail, log or page."""
        caplog.set_level(logging.DEBUG)
        pages = [change(browser, CANARY[:14]), change(browser, CANARY, CANARY), change(browser, CANARY, password2="x")]
        pages += [change(browser, CANARY), change(browser, NEW_PASSWORD, CANARY + "x")]
        mails = mail_delivery.deliver()

        assert fresh(person).check_password(CANARY)
        told = [page.content.decode() for page in pages] + [str(mail) for mail in mails]
        told += [caplog.text, everything_stored(), str(dict(browser.session))]
        assert not any(CANARY[:12] in text for text in told)
        assert not any(A_GOOD_PASSWORD in text for text in told)

    def test_is_the_password_in_the_report_of_an_error(self, monkeypatch, caplog):
        """PWD-08: wherever one is typed, whatever breaks there (`sensitive_post_parameters`)."""

        def fail(form: BaseForm) -> None:
            raise RuntimeError("broken")

        pages = browsers_before_a_password()
        assert set(pages) == pages_with_a_password()
        monkeypatch.setattr(BaseForm, "is_valid", fail)
        shown = SafeExceptionReporterFilter()
        shown.is_active = lambda request: True
        for name, (browser, fields) in pages.items():
            browser.raise_request_exception = False
            answer = browser.post(reverse(name), {"login": "jean.dupont", **dict.fromkeys(fields, CANARY)})

            cleansed = shown.get_post_parameters(answer.wsgi_request)
            assert answer.status_code == 500, name
            assert "RuntimeError: broken" in caplog.text
            assert {cleansed[field] for field in fields} == {shown.cleansed_substitute}, name
            assert CANARY not in answer.content.decode() + caplog.text, name


def pages_with_a_password() -> set[str]:
    """The names of the pages on which somebody types one."""
    return {step.url_name for step in STEPS if asks_for_a_password(step.form_class)} | {
        route.name
        for route in routes()
        for view in [getattr(route.pattern.callback, "view_class", View)]
        if issubclass(view, NewPasswordView) or asks_for_a_password(getattr(view, "form_class", None))
    }


def asks_for_a_password(form: type[BaseForm] | None) -> bool:
    return any(isinstance(field, PasswordField) for field in getattr(form, "base_fields", {}).values())


def browsers_before_a_password() -> dict[str, tuple[Client, tuple[str, ...]]]:
    """Somebody in front of each of these pages, and the fields that they fill in there."""
    person, pending, behind_a_link, released = active_account(), pending_account(), Client(), Client()
    change_redirection(account=person, target=person.recovery_address, keep_copy=True)
    begun_until(in_the_wizard := Client(), pending, "activation-password")
    deadline, subject = password_reset_link.deadline(timezone.now()), password_reset_link.subject(person)
    behind_a_link.get(reverse("password-reset-link", args=[password_reset_link.token(person, deadline, subject)]))
    released.get(reactivation_path(released_person()))
    new, present = ("password", "password2"), ("current_password",)
    confirmed = ("account-recovery", "account-redirection", "account-redirection-stop", "account-data")
    return {
        "login": (Client(), ("password",)),
        "activation-password": (in_the_wizard, new),
        "password-reset": (behind_a_link, new),
        "reactivation": (released, new),
        "account-password": (browser_of(person), new + present),
        **{name: (stolen_cookie_of(person), present) for name in (*confirmed, "account-data-copy")},
    }


class TestPasswordManagers:
    def test_find_the_page(self, browser):
        """Peers 22: the W3C's well-known address leads there, for somebody anonymous past the sign-in."""
        asked = browser.get("/.well-known/change-password")
        anonymous = Client().get("/.well-known/change-password", follow=True)

        assert asked.status_code == 302
        assert asked["Location"] == reverse(PAGE)
        assert anonymous.status_code == 200
        assert anonymous.request["PATH_INFO"] == reverse("login")
        assert (
            browser.get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200").status_code
            == 404
        )

    def test_see_whose_password_it_is_and_which_field_is_which(self, person, browser):
        """Peers 22, RGAA 11.13: a user name, the present one, the new one, in that order; nothing cuts a paste."""
        page = browser.get(reverse(PAGE)).content.decode()

        tokens = re.findall(r'autocomplete="([a-z-]+)"', page)
        assert tokens[:3] == ["username", "current-password", "new-password"]
        assert f'value="{person.login}"' in page
        assert "maxlength" not in page

    def test_see_them_at_the_sign_in_too(self, client):
        page = client.get(reverse("login")).content.decode()

        assert re.findall(r'autocomplete="([a-z-]+)"', page) == ["username", "current-password"]


def test_the_page_asks_who_one_is(client):
    """ADM-01: and takes a POST of ours only (SES-07)."""
    assert change(client)["Location"].startswith(reverse("login"))
    person = active_account()
    from_elsewhere = Client(enforce_csrf_checks=True)
    from_elsewhere.force_login(person)

    assert change(from_elsewhere).status_code == 403
    assert fresh(person).check_password(A_GOOD_PASSWORD)


def test_a_lock_that_comes_during_the_request_leads_to_the_help(person, browser, monkeypatch):
    """HLP-01"""
    real = services.change_password

    def locked_first(**given):
        lock_account(account=person, reason=LockReason.PHISHING)
        return real(**given)

    monkeypatch.setattr(services, "change_password", locked_first)

    assert change(browser)["Location"] == reverse("locked-help")
    assert fresh(person).check_password(A_GOOD_PASSWORD)


@pytest.mark.django_db(transaction=True)
class TestAtTheSameInstant:
    def test_two_tabs_make_one_change(self):
        """TOK-07, SES-08: the other one is told that the present password is wrong by now; one entry, one set of
        notices, and the browser is still signed in.
        """
        for _ in range(ROUNDS):
            person = active_account()
            tab = browser_of(person)
            other_tab = Client()
            other_tab.cookies = tab.cookies.copy()
            words = ("une-phrase-du-bureau-bleu", "une-phrase-du-train-orange")

            answers = at_once(lambda: change(tab, words[0]), lambda: change(other_tab, words[1]))

            statuses = [answer.status_code for answer in answers]
            assert sorted(statuses) in ([200, 302], [302, 302]), answers
            won = [word for word in words if fresh(person).check_password(word)]
            assert len(won) == 1
            assert person.journal.filter(event=Event.PASSWORD_CHANGED).count() == 1
            assert Message.objects.filter(person=person, kind=Kind.PASSWORD_CHANGED).count() == 2
            assert is_signed_in((tab, other_tab)[words.index(won[0])])

    def test_the_slower_one_knew_a_password_that_is_no_longer_the_present_one(self):
        """It has been proven and is waiting for the account when the other change is saved."""
        person = active_account()
        browser = browser_of(person)

        with ThreadPoolExecutor(1) as threads:
            with transaction.atomic():
                services.change_password(account=person, password=NEW_PASSWORD)
                sent = threads.submit(lambda: (change(browser, CANARY), connection.close())[0])
                wait_until_somebody_waits_for_us()
            answer = sent.result(timeout=10)

        assert "Le mot de passe actuel ne correspond pas" in answer.content.decode()
        assert fresh(person).check_password(NEW_PASSWORD)
        assert not is_signed_in(browser)

    def test_somebody_who_signs_in_with_the_old_one_meanwhile_is_not_signed_in(self, monkeypatch):
        """SES-05: the password was right when it was checked, and another one is in force when the session begins."""
        person = active_account()
        from accounts.views import login as view

        begin = view.begin_session

        def changed_first(request, account, **how):
            services.change_password(account=fresh(account), password=NEW_PASSWORD)
            begin(request, account, **how)

        monkeypatch.setattr(view, "begin_session", changed_first)
        browser = Client()
        browser.post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})

        assert not is_signed_in(browser)
