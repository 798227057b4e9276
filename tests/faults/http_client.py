"""Somebody at the portal as it runs."""

import http.cookiejar
import re
import time
import urllib.parse
import urllib.request

import pytest

from tests.stack import Stack

FIRST_CONNECTION = "/premiere-connexion/"


class Visitor:
    """A browser without its window."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)

    def get(self, path: str) -> str:
        with self.opener.open(self.stack.url + path, timeout=20) as response:
            return response.read().decode()

    def post(self, path: str, **answers: str) -> str:
        """Fill in the form of the page and send it; the page one lands on."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(path))
        assert token
        form = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1], **answers}).encode()
        request = urllib.request.Request(self.stack.url + path, form, {"Referer": self.stack.url + path})
        with self.opener.open(request, timeout=20) as response:
            return response.read().decode()

    def asks_for_a_link(self, login: str) -> tuple[str, float]:
        """The page without what was typed and what changes each time, and the seconds its form took to be answered."""
        self.get(FIRST_CONNECTION)
        began = time.monotonic()
        page = self.post(FIRST_CONNECTION, login=login)
        seconds = time.monotonic() - began
        for changing in (re.escape(login), r'value="\w{64}"', r"[0-9a-f]{32}"):
            page = re.sub(changing, "…", page)
        return page, seconds


@pytest.fixture
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack)
