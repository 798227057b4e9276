"""Where the states of the pages are declared, with the number of queries each may take (savepoints are not counted)."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from tests.activation.wizard.client import Answers


class PageRequest(NamedTuple):
    """A GET, or a POST when there is data."""

    path: str
    data: Answers | None = None
    status: int = 200

    def send(self, client: Client) -> HttpResponse:
        return client.get(self.path) if self.data is None else client.post(self.path, self.data)


Page = Callable[[Client], PageRequest]
#: What happened before the request. It returns the argument of the URL, a whole request or nothing of interest.
Arrange = Callable[[Client], Any]
Act = Callable[[Account], Any]

PAGES: dict[str, Page] = {}
#: Pages shown again because an answer was refused.
REFUSALS: dict[str, Page] = {}
#: Answers that are accepted.
ACTIONS: dict[str, Page] = {}
QUERIES: Counter[str] = Counter()


class State(NamedTuple):
    name: str
    queries: int
    arrange: Arrange
    #: The name of the URL, with its query; « {} » in the query is what `arrange` returned.
    url: str = ""
    data: Answers | Callable[[], Answers] | None = None
    status: int = 200

    def make(self, client: Client) -> PageRequest:
        argument = self.arrange(client)
        if isinstance(argument, PageRequest):
            return argument
        name, mark, query = self.url.partition("?")
        is_in_path = isinstance(argument, str | int) and "{}" not in query
        path = reverse(name, args=[argument] if is_in_path else None) + mark + query.format(argument)
        return PageRequest(path, self.data() if callable(self.data) else self.data, self.status)


def declare(pages: dict[str, Page], *states: State, budgets: Counter[str] = QUERIES) -> None:
    for state in states:
        pages[state.name], budgets[state.name] = state.make, state.queries
