"""Step 6: a password under the rules, kept nowhere but in its hash."""

import logging
import time

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from accounts.passwords.hashers import PortalArgon2PasswordHasher
from activation import services
from journal.events import Event
from outbox.enums import Kind
from outbox.models import Message
from tests.activation.wizard.client import PASSWORD, answer, answered_until, begin, everything_stored
from tests.factories import A_GOOD_PASSWORD, pending_account
from tests.fuzz import PASSWORD as PASSWORD_PACK

pytestmark = pytest.mark.django_db

CANARY = "CANARI-jaune-7f3a-en-cage"


@pytest.fixture
def person() -> Account:
    person = pending_account(
        institutional_address="jean.dupont@univ-exemple.fr", recovery_address="jean.dupont@exemple.fr"
    )
    answered_until(person, PASSWORD)
    return person


@pytest.fixture
def browser(client, person) -> Client:
    begin(client, person)
    return client


def again(person: Account) -> Account:
    return Account.objects.get(pk=person.pk)


def test_the_password_is_nowhere_but_in_its_hash(browser, person, mail_delivery, caplog):
    """PWD-08: not in a session, the journal, the outbox, Redis, a mail, a log or a page."""
    caplog.set_level(logging.DEBUG)
    too_short = browser.post(reverse(PASSWORD), {"password": CANARY[:14]})
    different = browser.post(reverse(PASSWORD), {"password": CANARY, "password2": CANARY[:-1]})
    done = browser.post(reverse(PASSWORD), {"password": CANARY, "password2": CANARY}, follow=True)
    mails = mail_delivery.deliver()

    assert again(person).check_password(CANARY)
    told = [page.content.decode() for page in (too_short, different, done)]
    told += [str(mail) for mail in mails] + [caplog.text, everything_stored(), str(dict(browser.session))]
    assert not any(CANARY[:12] in text for text in told)


def test_a_refused_password_is_not_shown_again_and_nothing_else_is_lost(browser, person):
    """PWD-08, F5: the field comes back empty, the account as it was."""
    for answers in [{"password": "trop-court"}, {"password": ""}, {}, {"password": A_GOOD_PASSWORD, "password2": ""}]:
        page = browser.post(reverse(PASSWORD), answers)

        html = page.content.decode()
        assert page.status_code == 200
        assert "Erreur" in html.split("</title>")[0]
        assert 'type="password"' in html
        assert "trop-court" not in html
        assert A_GOOD_PASSWORD not in html
        assert not again(person).has_usable_password()
        assert again(person).activated_at is None
        assert again(person).directory_consents.count() == 1


def test_the_password_pack(browser, person):
    """PWD-03, F5: refused values leave no hash; accepted ones open the account, whole."""
    for password, wanted in ((value, wanted) for value, wanted in PASSWORD_PACK if len(value) < 9999):
        activated = browser.post(reverse(PASSWORD), {"password": password}).status_code == 302

        if " or " not in wanted:
            assert activated == wanted.startswith(("accept", "64 characters")), password
        assert again(person).has_usable_password() == activated, password
        if activated:
            assert again(person).check_password(password)
            assert not again(person).check_password(password[:-1])
            answered_until(person := pending_account(), PASSWORD)
            begin(browser, person)


def test_a_password_of_a_million_characters_is_refused_at_once(browser, person, monkeypatch):
    """PWD-02: with a message, within half a second, and nothing is hashed; nor is one of 257 characters."""
    monkeypatch.setattr(PortalArgon2PasswordHasher, "encode", lambda *given: pytest.fail("hashed"))
    for length in (257, 900_000):
        begun = time.process_time()
        response = browser.post(reverse(PASSWORD), {"password": "x7Q-" * (length // 4) + "x" * (length % 4)})

        assert time.process_time() - begun < 0.5
        assert response.context["form"].errors["password"] == ["Le mot de passe dépasse 256 caractères"]
    assert not again(person).has_usable_password()


def test_a_password_made_of_oneself_is_refused(browser, person):
    """PWD-03: names, login, addresses, birth date and INE of this person."""
    Account.objects.filter(pk=person.pk).update(given_name="Jean", family_name="Dupont", ine="0123456789A")
    for own in ("jean.dupont", "Dupont", "jean.dupont@univ-exemple.fr", "jean.dupont@exemple.fr", "29021984 vélo"):
        response = browser.post(reverse(PASSWORD), {"password": f"{own}-2026"})

        assert response.status_code == 200, own
        assert "votre nom ou votre identifiant" in str(response.context["form"].errors["password"]), own


def test_without_a_script_the_password_is_typed_twice(browser, person):
    """Design §11: the second field stands in a noscript, and counts when it is sent."""
    page = browser.get(reverse(PASSWORD)).content.decode()
    inside = page.split("<noscript>")[1].split("</noscript>")[0]

    different = browser.post(reverse(PASSWORD), {"password": A_GOOD_PASSWORD, "password2": A_GOOD_PASSWORD + "s"})
    same = browser.post(reverse(PASSWORD), {"password": A_GOOD_PASSWORD, "password2": A_GOOD_PASSWORD})

    assert 'name="password2"' in inside
    assert page.count('name="password2"') == 1
    assert "Les deux saisies sont différentes" in different.content.decode()
    assert same["Location"] == reverse("activation-done")


def test_a_hostile_second_field_is_refused_kindly(browser, person):
    """INP-01."""
    for again_typed in ["x" * 5000, "\x00" * 20]:
        response = browser.post(reverse(PASSWORD), {"password": A_GOOD_PASSWORD, "password2": again_typed})

        assert response.status_code == 200
        assert not again(person).has_usable_password()


def test_two_spellings_of_one_password_are_the_same(browser, person):
    """PWD-04: composed and decomposed accents; spaces around it count."""
    composed, decomposed = "Éléphant-été-violet ", "E\u0301le\u0301phant-e\u0301te\u0301-violet "

    response = browser.post(reverse(PASSWORD), {"password": composed, "password2": decomposed})

    assert response.status_code == 302
    assert again(person).check_password(composed)
    assert not again(person).check_password(composed.strip())


def test_before_the_end_there_is_no_usable_password(person):
    """PWD-06."""
    assert not person.has_usable_password()
    assert person.password.startswith("!")
    assert not person.is_active


def test_the_hash_is_argon2id(browser, person):
    """PWD-05."""
    answer(browser, PASSWORD)

    assert again(person).password.startswith("argon2$argon2id$v=19$m=")


def test_the_fields_let_password_managers_do_their_work(browser, person):
    """PWD-02 (no maxlength), RGAA 11.13: the login is there for the password manager."""
    page = browser.get(reverse(PASSWORD)).content.decode()
    field = page.split('name="password"')[0].rsplit("<input", 1)[1] + page.split('name="password"')[1].split(">")[0]

    assert 'autocomplete="new-password"' in field
    assert "maxlength" not in page
    assert f'autocomplete="username" readonly value="{person.login}"' in page


def test_everything_happens_at_the_end_or_nothing(browser, person, monkeypatch):
    """AVL-02: the mail cannot be asked for: no password, no mailbox, no event either."""

    def fail(**kwargs: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(services, "queue_email", fail)
    browser.raise_request_exception = False
    before = person.journal.count()

    assert answer(browser, PASSWORD).status_code == 500

    fresh = again(person)
    assert fresh.activated_at is None
    assert not fresh.has_usable_password()
    assert not hasattr(fresh, "mailbox")
    assert fresh.journal.count() == before
    monkeypatch.undo()
    assert answer(browser, PASSWORD).status_code == 302


def test_the_end_is_told_once_to_the_recovery_address(browser, person, mail_delivery):
    answer(browser, PASSWORD)

    [mail] = mail_delivery.deliver()

    assert mail["To"] == person.recovery_address
    assert Message.objects.get(person=person).kind == Kind.ACCOUNT_ACTIVATED
    assert person.journal.filter(event=Event.USER_ACTIVATED).count() == 1
