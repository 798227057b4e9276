"""Where each page registers itself, with the number of queries it may take."""

from functools import cache

from django.test import Client
from django.urls import reverse

from accounts.models import Account
from agents.roles import Role
from tests.agents.signed_in import signed_in_browser, verified_agent
from tests.pages import Page, PageRequest
from tests.pages.registry import registering
from tests.pages.rendering import LoadedPage, render

AGENT_PAGES: dict[str, Page] = {}
#: Pages shown again because an answer was refused.
AGENT_REFUSALS: dict[str, Page] = {}
AGENT_QUERIES: dict[str, int] = {}
#: Queries for the session, the account and the device, then two for the permissions once verified.
OUTSIDE, INSIDE = 3, 5

page = registering(AGENT_PAGES, AGENT_QUERIES)
refusal = registering(AGENT_REFUSALS, AGENT_QUERIES)


def plain_page(name: str, queries: int, url: str, role: Role = Role.ASSISTANCE) -> None:
    """Register a page that needs no rows."""

    def open_it(browser: Client) -> PageRequest:
        come_in(browser, role)
        return PageRequest(reverse(url))

    AGENT_PAGES[name], AGENT_QUERIES[name] = open_it, queries


@cache
def load_agent_page(name: str) -> LoadedPage:
    return render({**AGENT_PAGES, **AGENT_REFUSALS}[name])


def signed_in_as(browser: Client, account: Account) -> None:
    browser.cookies = signed_in_browser(account).cookies


def come_in(browser: Client, role: Role = Role.ASSISTANCE) -> Account:
    account, other = verified_agent(role)
    browser.cookies = other.cookies
    return account
