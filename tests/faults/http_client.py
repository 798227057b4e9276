"""An HTTP client that keeps cookies and sends forms, for the portal as it runs."""

import re
import time

import pytest
import requests

from activation.models import Charter
from tests.factories import A_GOOD_PASSWORD
from tests.stack import Stack

FIRST_CONNECTION = "/premiere-connexion/"


class PortalClient(requests.Session):
    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.stack = stack
        self.headers.update({"Origin": stack.url, "Connection": "close"})

    def read(self, path: str) -> str:
        return self.get(f"{self.stack.url}{path}", timeout=20).text

    def fill_in(self, path: str, **answers: str) -> str:
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.read(path))
        assert token, path
        form = {"csrfmiddlewaretoken": token[1], **answers}
        return self.post(f"{self.stack.url}{path}", form, timeout=20).text

    def request_link(self, login: str) -> tuple[str, float]:
        """The page without the login and the tokens, and the seconds that the form took."""
        self.read(FIRST_CONNECTION)
        began = time.monotonic()
        page = self.fill_in(FIRST_CONNECTION, login=login)
        seconds = time.monotonic() - began
        for changing in (re.escape(login), r'value="\w{64}"', r"[0-9a-f]{32}"):
            page = re.sub(changing, "…", page)
        return page, seconds

    def activate(self, link: str) -> float:
        """Open the link and answer every step; the seconds of the slowest, its form and the page after it."""
        self.read(link)
        seconds = []
        for path, answers in (
            ("/activation/", {}),
            ("/activation/charte/", {"version": Charter.objects.in_force().version, "accepted": "on"}),
            ("/activation/annuaire/", {"listed": "yes", "understood": "on"}),
            ("/activation/messagerie/", {}),
            ("/activation/mot-de-passe/", {"password": A_GOOD_PASSWORD}),
        ):
            began = time.monotonic()
            self.fill_in(path, **answers)
            seconds.append(time.monotonic() - began)
        return max(seconds)


@pytest.fixture
def client(stack: Stack) -> PortalClient:
    return PortalClient(stack)
