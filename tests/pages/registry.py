"""Where each page registers itself, with the number of queries it may take (savepoints are not counted)."""

from collections.abc import Callable
from typing import NamedTuple

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from tests.activation.wizard.client import Answers, answered_until, begin
from tests.factories import active_account, pending_account
from tests.signing_in import log_in


class PageRequest(NamedTuple):
    """A GET, or a POST when there is data."""

    path: str
    data: Answers | None = None
    status: int = 200

    def send(self, client: Client) -> HttpResponse:
        return client.get(self.path) if self.data is None else client.post(self.path, self.data)


Page = Callable[[Client], PageRequest]
PAGES: dict[str, Page] = {}
#: Pages shown again because an answer was refused.
REFUSALS: dict[str, Page] = {}
#: Answers that are accepted.
ACTIONS: dict[str, Page] = {}
QUERIES: dict[str, int] = {}


def registering(pages: dict[str, Page], budgets: dict[str, int] = QUERIES) -> Callable[[int], Callable[[Page], Page]]:
    def with_budget(queries: int = 0) -> Callable[[Page], Page]:
        def register(function: Page) -> Page:
            pages[function.__name__] = function
            budgets[function.__name__] = queries
            return function

        return register

    return with_budget


page = registering(PAGES)
refusal = registering(REFUSALS)
action = registering(ACTIONS)


def logged_in(client: Client, **facts: object) -> Account:
    account = active_account(**facts)
    log_in(client, account)
    return account


def at_step(client: Client, step: str, **facts: object) -> Account:
    """A pending account in the wizard, with every step before `step` answered."""
    account = pending_account(**facts)
    answered_until(account, step)
    begin(client, account)
    return account


def add(pages: dict[str, Page], name: str, queries: int, make: Page) -> None:
    pages[name], QUERIES[name] = make, queries


def public_page(url: str) -> None:
    add(PAGES, url, 0, lambda client: PageRequest(reverse(url)))


def account_page(name: str, queries: int, url: str, query: str = "") -> None:
    def make(client: Client) -> PageRequest:
        logged_in(client)
        return PageRequest(reverse(url) + query)

    add(PAGES, name, queries, make)


def account_refusal(name: str, queries: int, url: str, data: Answers) -> None:
    def make(client: Client) -> PageRequest:
        logged_in(client)
        return PageRequest(reverse(url), data)

    add(REFUSALS, name, queries, make)


def account_action(name: str, queries: int, url: str, data: Answers, status: int = 302) -> None:
    def make(client: Client) -> PageRequest:
        logged_in(client)
        return PageRequest(reverse(url), data, status)

    add(ACTIONS, name, queries, make)


def step_page(name: str, queries: int, step: str, url: str = "") -> None:
    def make(client: Client) -> PageRequest:
        at_step(client, step)
        return PageRequest(reverse(url or step))

    add(PAGES, name, queries, make)


def step_refusal(name: str, queries: int, step: str, answer: Callable[[], Answers]) -> None:
    def make(client: Client) -> PageRequest:
        at_step(client, step)
        return PageRequest(reverse(step), answer())

    add(REFUSALS, name, queries, make)


def step_action(name: str, queries: int, step: str, answer: Callable[[], Answers]) -> None:
    def make(client: Client) -> PageRequest:
        at_step(client, step)
        return PageRequest(reverse(step), answer(), 302)

    add(ACTIONS, name, queries, make)
