"""Step 6: a password that obeys the rules and is stored nowhere but in its hash."""

import logging
import time

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from accounts.passwords.hashers import PortalArgon2PasswordHasher
from activation import services
from tests.activation.wizard.client import (
    PASSWORD,
    answer,
    answered_until,
    begin,
    everything_about,
    everything_stored,
)
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


def fresh(person: Account) -> Account:
    return Account.objects.get(pk=person.pk)


def send(browser: Client, password: str, **again: str):
    return browser.post(reverse(PASSWORD), {"password": password, **again})


def test_the_password_is_nowhere_but_in_its_hash(browser, person, mail_delivery, caplog):
    """PWD-05, PWD-08: Argon2id; not in a session, the journal, the outbox, Redis, a mail, a log or a page."""
    caplog.set_level(logging.DEBUG)
    pages = [send(browser, CANARY[:14]), send(browser, CANARY, password2=CANARY[:-1])]
    pages.append(browser.post(reverse(PASSWORD), {"password": CANARY, "password2": CANARY}, follow=True))
    seen = [page.content.decode() for page in pages] + [str(mail) for mail in mail_delivery.deliver()]
    seen += [caplog.text, everything_stored(), str(dict(browser.session))]
    assert fresh(person).check_password(CANARY)
    assert fresh(person).password.startswith("argon2$argon2id$v=19$m=")
    assert not any(CANARY[:12] in text for text in seen)


def test_a_refused_password_leaves_the_account_as_it_was(browser, person):
    """PWD-02, PWD-06, INP-01: no usable password before the end, and no length is prescribed by the field."""
    before = everything_about(person)
    typed = [
        ("trop-court", {}),
        ("", {}),
        (A_GOOD_PASSWORD, {"password2": ""}),
        (A_GOOD_PASSWORD, {"password2": "x" * 5000}),
    ]
    for password, again in [*typed, (A_GOOD_PASSWORD, {"password2": "\x00" * 20})]:
        page = send(browser, password, **again)
        html = page.content.decode()
        assert (page.status_code, 'type="password"' in html, "maxlength" in html) == (200, True, False)
        assert not any(text in html for text in ("trop-court", A_GOOD_PASSWORD))
    assert everything_about(person) == before
    assert before["account"]["password"].startswith("!")


def test_each_password_of_the_pack_is_refused_or_opens_the_account(browser, person):
    """PWD-03: a refused value leaves no hash."""
    for password, wanted in ((value, wanted) for value, wanted in PASSWORD_PACK if len(value) < 9999):
        activated = send(browser, password).status_code == 302
        if " or " not in wanted:
            assert activated == wanted.startswith(("accept", "64 characters")), password
        assert fresh(person).has_usable_password() == activated, password
        if activated:
            assert (fresh(person).check_password(password), fresh(person).check_password(password[:-1])) == (
                True,
                False,
            )
            answered_until(person := pending_account(), PASSWORD)
            begin(browser, person)


def test_a_password_of_a_million_characters_is_refused_at_once(browser, person, monkeypatch):
    """PWD-02: within half a second, and not hashed; nor is one of 257 characters."""
    monkeypatch.setattr(PortalArgon2PasswordHasher, "encode", lambda *given: pytest.fail("hashed"))
    for length in (257, 900_000):
        begun = time.process_time()
        response = send(browser, "x7Q-" * (length // 4) + "x" * (length % 4))
        assert time.process_time() - begun < 0.5
        assert response.context["form"].errors["password"] == ["Le mot de passe dépasse 256 caractères"]


def test_a_password_made_of_the_users_own_data_is_refused(browser, person):
    """PWD-03: the form hands the validators the account of the session."""
    response = send(browser, "jean.dupont@exemple.fr-2026")
    assert "votre nom ou votre identifiant" in str(response.context["form"].errors["password"])


def test_without_script_the_password_is_typed_twice(browser, person):
    """PWD-04, RGAA 11.13: the second field is in a noscript; two spellings of one password are equal."""
    page = browser.get(reverse(PASSWORD)).content.decode()
    assert 'name="password2"' in page.split("<noscript>")[1].split("</noscript>")[0]
    assert page.count('name="password2"') == 1
    assert f'autocomplete="username" readonly value="{person.login}"' in page
    composed, decomposed = "Éléphant-été-violet ", "E\u0301le\u0301phant-e\u0301te\u0301-violet "
    assert "Les deux saisies sont différentes" in send(browser, composed, password2=composed + "s").content.decode()
    assert send(browser, composed, password2=decomposed)["Location"] == reverse("activation-done")
    assert (fresh(person).check_password(composed), fresh(person).check_password(composed.strip())) == (True, False)


def test_everything_happens_at_the_end_or_nothing(browser, person, monkeypatch):
    """AVL-02: when the mail cannot be queued there is no password, no mailbox and no event either."""
    before = everything_about(person)
    monkeypatch.setattr(services, "queue_email", lambda **given: 1 / 0)
    browser.raise_request_exception = False
    assert answer(browser, PASSWORD).status_code == 500
    assert everything_about(person) == before
    monkeypatch.undo()
    assert answer(browser, PASSWORD).status_code == 302
