"""The link to choose another password, and its form."""

from datetime import datetime

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.links.account_links import password_reset_link
from accounts.models import Account
from tests.factories import reloaded

PAGE, ANSWER = "forgotten-password", "forgotten-password-answer"
LINK, RESET, DONE, NEW_LINK = "password-reset-link", "password-reset", "password-reset-done", "password-reset-new-link"
NEW_PASSWORD = "une-phrase-du-bureau-bleu"


def link_for(person: Account, built_at: datetime | None = None) -> str:
    account = reloaded(person)
    deadline = password_reset_link.deadline(built_at or timezone.now())
    token = password_reset_link.token(account, deadline, password_reset_link.subject(account))
    return reverse(LINK, args=[token])


def opened(path: str, browser: Client | None = None) -> Client:
    browser = browser or Client()
    answer = browser.get(path)
    assert answer.status_code == 302, answer.status_code
    assert answer["Location"] == reverse(RESET)
    return browser


def choose(browser: Client, password: str = NEW_PASSWORD, **more: str):
    return browser.post(reverse(RESET), {"password": password, **more})
