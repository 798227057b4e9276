"""Where the states of the agents' pages are declared, with the number of queries each may take."""

from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from django.test import Client

from accounts.models import Account
from agents.roles import Role
from tests.agents.signed_in import verified_agent
from tests.pages import Page
from tests.pages.registry import Arrange, State, declare
from tests.pages.rendering import LoadedPage, render

AGENT_PAGES: dict[str, Page] = {}
AGENT_REFUSALS: dict[str, Page] = {}
#: Three are for the session, the account and the device, then two for the permissions once verified.
AGENT_QUERIES: Counter[str] = Counter()


def declare_inside(pages: dict[str, Page], *states: State) -> None:
    """Their URLs are those of the agents' area."""
    declare(pages, *(state._replace(url=f"admin:{state.url}") for state in states), budgets=AGENT_QUERIES)


@cache
def load_agent_page(name: str) -> LoadedPage:
    return render({**AGENT_PAGES, **AGENT_REFUSALS}[name])


def come_in(browser: Client, role: Role = Role.ASSISTANCE) -> Account:
    account, other = verified_agent(role)
    browser.cookies = other.cookies
    return account


def assisting(
    make: Callable[[Account], Any] = lambda me: None,
    role: Role = Role.ASSISTANCE,
    *,
    about: Callable[[], Any] | None = None,
) -> Arrange:
    """An agent with the role has come in. The page is about what was made then, on behalf of the agent or not."""

    def arrange(browser: Client) -> Any:
        me = come_in(browser, role)
        made = about() if about else make(me)
        return getattr(made, "reference", None) or getattr(made, "pk", made)

    return arrange


managing = partial(assisting, role=Role.RESPONSABLES)
reading = partial(assisting, role=Role.LECTURE)
