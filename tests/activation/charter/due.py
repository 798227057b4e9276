"""A user who has to accept a new charter after login."""

from urllib.parse import urlencode

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from tests.factories import A_GOOD_PASSWORD
from tests.pages import publish_another_charter

FIRST, SECOND = "2026-09", "2026-11"
PAGE, ACCOUNT = "account-charter", "account"


def signs_in(browser: Client, person: Account, *, then: str = "") -> HttpResponse:
    address = f"{reverse('login')}?{urlencode({'next': then})}" if then else reverse("login")
    return browser.post(address, {"login": person.login, "password": A_GOOD_PASSWORD})


def signed_in(person: Account) -> Client:
    browser = Client()
    assert signs_in(browser, person).status_code == 302
    return browser


def stopped(person: Account) -> Client:
    """A browser in which the person has signed in after another charter was published."""
    publish_another_charter()
    return signed_in(person)


def accepts(browser: Client, *, version: str = SECOND, after: str = "") -> HttpResponse:
    address = f"{reverse(PAGE)}?{urlencode({'next': after})}" if after else reverse(PAGE)
    return browser.post(address, {"version": version, "accepted": "on"})


def before(address: str) -> str:
    return f"{reverse(PAGE)}?{urlencode({'next': address})}"


def accepted_by(person: Account) -> list[str]:
    return list(person.charter_acceptances.order_by("accepted_at").values_list("charter__version", flat=True))
