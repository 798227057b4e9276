"""The language of an account: its pages, its mails, its next login."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.models import Account
from journal.events import Event
from tests.accounts.recovery.recovering import wish
from tests.factories import reloaded
from tests.signing_in import submit_login

pytestmark = pytest.mark.django_db


def choose(browser: Client, language: str, **more: object) -> tuple[str, str]:
    """The path of the next page, and its content."""
    answer = browser.post(reverse("account-language"), {"language": language, **more}, follow=True)
    [(destination, _status)] = answer.redirect_chain
    return destination, answer.content.decode()


def test_pages_and_mails_follow_the_choice(person, browser, mail_delivery):
    """The same choice again writes nothing to the journal."""
    destination, page = choose(browser, "en")
    wish(person)
    assert destination == "/en/compte/"
    assert '<html lang="en">' in page
    assert reloaded(person).language == "en"
    assert mail_delivery.last_mail()["Content-Language"] == "en"

    with translation.override("en"):
        choose(browser, "en")
        [entry] = person.journal.filter(event=Event.LANGUAGE_CHOSEN)
        assert (entry.actor, entry.details) == (person, {"language": "en"})
        destination, page = choose(browser, "fr")
    assert destination == "/compte/"
    assert '<html lang="fr">' in page
    assert "Nos pages et nos e-mails seront en français." in page
    assert reloaded(person).language == "fr"


def test_the_next_login_goes_on_in_the_language_of_the_account(person):
    for language, requested, destination in (
        ("en", "", "/en/compte/"),
        ("en", "/compte/historique/", "/en/compte/historique/"),
        ("en", "/compte/historique/?sujet=e-mails&page=2", "/en/compte/historique/?sujet=e-mails&page=2"),
        ("fr", "/en/compte/donnees/", "/compte/donnees/"),
        ("fr", "https://evil.example/", "/compte/"),
    ):
        Account.objects.filter(pk=person.pk).update(language=language)
        with translation.override("en" if requested.startswith("/en/") else "fr"):
            assert submit_login(Client(), person, next=requested)["Location"] == destination, requested


def test_a_get_and_an_invalid_choice_change_nothing(person, browser):
    """SES-07, INP-01: the link at the top of a page is for that page only."""
    browser.get("/en/compte/")
    browser.get(reverse("account-language"), {"language": "en"})
    for value in ("", "de", "EN", "en ", "fr\x00"):
        assert browser.post(reverse("account-language"), {"language": value}).status_code in (200, 400), value

    assert reloaded(person).language == "fr"
    assert not person.journal.filter(event=Event.LANGUAGE_CHOSEN).exists()
    assert "checked" in browser.get(reverse("account-language")).content.decode().partition('value="fr"')[2][:80]


def test_the_form_needs_a_session_and_a_csrf_token(person, client):
    """SES-07, ADM-01"""
    without_token = Client(enforce_csrf_checks=True)
    without_token.force_login(person)
    assert without_token.post(reverse("account-language"), {"language": "en"}).status_code == 403
    assert client.post(reverse("account-language"), {"language": "en"}).status_code == 302
    assert reloaded(person).language == "fr"
