"""Where each page registers itself."""

from django.test import Client
from django.urls import reverse

from accounts.models import Account
from agents.roles import Role
from tests.agents.signed_in import signed_in_browser, verified_agent
from tests.pages import Page, PageRequest

AGENT_PAGES: dict[str, Page] = {}
AGENT_REFUSALS: dict[str, Page] = {}


def page(function: Page) -> Page:
    AGENT_PAGES[function.__name__] = function
    return function


def refusal(function: Page) -> Page:
    AGENT_REFUSALS[function.__name__] = function
    return function


def plain_page(name: str, url: str, role: Role = Role.ASSISTANCE) -> None:
    """Register a page that needs no rows."""

    def open_it(browser: Client) -> PageRequest:
        come_in(browser, role)
        return PageRequest(reverse(url))

    AGENT_PAGES[name] = open_it


def signed_in_as(browser: Client, account: Account) -> None:
    browser.cookies = signed_in_browser(account).cookies


def come_in(browser: Client, role: Role = Role.ASSISTANCE) -> Account:
    account, other = verified_agent(role)
    browser.cookies = other.cookies
    return account
