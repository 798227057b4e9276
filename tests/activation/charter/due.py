"""A user who has to accept a new charter after login."""

from urllib.parse import urlencode

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from tests.pages import publish_another_charter
from tests.signing_in import submit_login

FIRST, SECOND = "2026-09", "2026-11"
PAGE, ACCOUNT, REFUSED = "account-charter", "account", "account-charter-refused"


def charter_before(address: str) -> str:
    return f"{reverse(PAGE)}?{urlencode({'next': address})}"


def logged_in(person: Account) -> Client:
    """By the login page, which looks for a charter to accept."""
    browser = Client()
    assert submit_login(browser, person).status_code == 302
    return browser


def stopped(person: Account) -> Client:
    """Logged in after another charter was published."""
    publish_another_charter()
    return logged_in(person)


def accept(browser: Client, *, version: str = SECOND, after: str = "") -> HttpResponse:
    address = charter_before(after) if after else reverse(PAGE)
    return browser.post(address, {"version": version, "accepted": "on"})


def accepted_by(person: Account) -> list[str]:
    return list(person.charter_acceptances.order_by("accepted_at").values_list("charter__version", flat=True))


def read(browser: Client, name: str = PAGE, *args: str) -> str:
    return browser.get(reverse(name, args=args)).content.decode()
