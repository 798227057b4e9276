"""The language of somebody's pages and mails: kept on the account, used from then on (peers 20)."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.models import Account
from journal.events import Event
from tests.accounts.recovery.recovering import browser_of, fresh, wish
from tests.factories import A_GOOD_PASSWORD, active_account

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Account:
    return active_account()


@pytest.fixture
def browser(person) -> Client:
    return browser_of(person)


def choose(browser: Client, language: str) -> tuple[str, str]:
    """Where one lands, and what is said there."""
    answer = browser.post(reverse("account-language"), {"language": language}, follow=True)
    [(destination, _status)] = answer.redirect_chain
    return destination, answer.content.decode()


def sign_in(person: Account, **more: str) -> str:
    with translation.override("en" if more.get("next", "").startswith("/en/") else "fr"):
        answer = Client().post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD, **more})
    return str(answer["Location"])


def test_the_next_page_is_in_the_new_language_and_back_again(person, browser):
    destination, page = choose(browser, "en")
    assert destination == "/en/compte/"
    assert '<html lang="en">' in page
    assert fresh(person).language == "en"

    with translation.override("en"):
        destination, page = choose(browser, "fr")
    assert destination == "/compte/"
    assert '<html lang="fr">' in page
    assert "Nos pages et nos e-mails seront en français." in page
    assert fresh(person).language == "fr"


@pytest.mark.parametrize(
    ("language", "following", "destination"),
    [
        ("en", "", "/en/compte/"),
        ("en", "/compte/historique/", "/en/compte/historique/"),
        ("en", "/compte/historique/?sujet=e-mails&page=2", "/en/compte/historique/?sujet=e-mails&page=2"),
        ("fr", "/en/compte/donnees/", "/compte/donnees/"),
        ("fr", "https://evil.example/", "/compte/"),
    ],
)
def test_the_next_sign_in_goes_on_in_it(person, language, following, destination):
    """Peers 20: also when a page was asked for before."""
    Account.objects.filter(pk=person.pk).update(language=language)

    assert sign_in(person, next=following) == destination


def test_mails_asked_for_from_then_on_are_in_it(person, browser, mail_delivery):
    """Peers 20"""
    choose(browser, "en")
    wish(person)

    assert mail_delivery.last_mail()["Content-Language"] == "en"


def test_it_is_in_the_journal_and_the_same_again_is_no_event(person, browser):
    choose(browser, "en")
    with translation.override("en"):
        choose(browser, "en")

    [entry] = person.journal.filter(event=Event.LANGUAGE_CHOSEN)
    assert (entry.actor, entry.details) == (person, {"language": "en"})


def test_reading_a_page_in_another_language_changes_nothing(person, browser):
    """SES-07: a GET never does; the link at the top is for this time only."""
    browser.get("/en/compte/")
    browser.get("/en/compte/langue/")
    browser.get(reverse("account-language"), {"language": "en"})

    assert fresh(person).language == "fr"
    assert "checked" in browser.get(reverse("account-language")).content.decode().partition('value="fr"')[2][:80]


@pytest.mark.parametrize("value", ["", "de", "EN", "en ", "fr\x00"])
def test_any_other_answer_is_refused(person, browser, value):
    """§17: N pack."""
    answer = browser.post(reverse("account-language"), {"language": value})

    assert answer.status_code in (200, 400)
    assert fresh(person).language == "fr"
    assert not person.journal.filter(event=Event.LANGUAGE_CHOSEN).exists()


def test_it_takes_our_own_form_of_somebody_signed_in(person):
    """SES-07, ADM-01"""
    guarded = Client(enforce_csrf_checks=True)
    guarded.force_login(person)
    assert guarded.post(reverse("account-language"), {"language": "en"}).status_code == 403
    assert Client().post(reverse("account-language"), {"language": "en"}).status_code == 302
    assert fresh(person).language == "fr"


def test_only_ones_own_language_changes(person, browser):
    """ADM-01: IDOR."""
    stranger = active_account()
    browser.post(reverse("account-language"), {"language": "en", "account": stranger.pk, "login": stranger.login})

    assert (fresh(person).language, fresh(stranger).language) == ("en", "fr")
