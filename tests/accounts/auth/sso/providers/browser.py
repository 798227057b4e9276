"""Providers as processes, and a browser that follows redirects between them and the portal."""

import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import requests
from django.http import HttpResponse
from django.test import Client

from devtools.processes import LOOPBACK, free_port, start, stop
from tests.accounts.auth.sso.providers.program import PAGES, PASSWORD, USER
from tests.project import PROJECT
from tests.stack import wait_until

PORTAL = "http://127.0.0.1:8000"
PROGRAM = "tests.accounts.auth.sso.providers.program"


class ProviderProcess:
    """A provider at `url`; it can be killed, frozen, and started again with its database."""

    def __init__(self, name: str, directory: str, portal: str, variables: dict[str, str]) -> None:
        port = free_port()
        self.url = f"http://{LOOPBACK}:{port}"
        self._page, self._log = f"{self.url}/{PAGES[name]}", Path(directory, "provider.log")
        self._environment = {**os.environ, **variables}
        self._command = (sys.executable, "-m", PROGRAM, name, str(port), directory, portal)

    def start(self) -> None:
        with self._log.open("wb") as log:
            self.process = start(self._command, cwd=PROJECT, env=self._environment, stdout=log, stderr=log)
        wait_until(self._answers, self._log)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Accept connections and never answer."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(self._page, timeout=2).ok
        return False


@contextmanager
def run_provider(name: str, portal: str = PORTAL, **variables: str) -> Iterator[ProviderProcess]:
    with tempfile.TemporaryDirectory(prefix="portal-provider-") as directory:
        provider = ProviderProcess(name, directory, portal, variables)
        try:
            provider.start()
            yield provider
        finally:
            stop(provider.process, signal.SIGTERM, patience=5)


def fields_of(html: str) -> dict[str, str]:
    inputs = (dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*>", html))
    filled = (one for one in inputs if "name" in one and one.get("type") not in ("submit", "checkbox"))
    return {one["name"]: unescape(one.get("value", "")) for one in filled}


class Browser:
    """The portal through Django's test client, the provider over HTTP, each with its cookies."""

    def __init__(self) -> None:
        self.portal, self.outside = Client(), requests.Session()
        self.forms_filled = 0
        self.visited: list[str] = []

    def open(self, address: str) -> HttpResponse | requests.Response:
        """Follow redirects to the last answer, of the portal or of the provider."""
        for _ in range(12):
            self.visited.append(address)
            self.answer = self._get(address)
            if self.answer.status_code not in (301, 302, 303):
                return self.answer
            address = urljoin(address, self.answer.headers["Location"])
        raise AssertionError(f"redirect loop: {self.visited}")

    def sign_in(self, address: str = f"{PORTAL}/connexion/") -> HttpResponse:
        """Open a page of the portal, and fill in the provider's form if it shows one."""
        answer = self.open(address)
        if isinstance(answer, requests.Response):
            answer = self.open(self.fill_in(answer))
        assert isinstance(answer, HttpResponse), answer.text
        return answer

    def fill_in(self, page: requests.Response, **given: str) -> str:
        """Post the provider's form; the address it redirects to."""
        self.forms_filled += 1
        fields = fields_of(page.text) | (given or {"username": USER, "password": PASSWORD})
        answer = self.outside.post(page.url, fields, allow_redirects=False, timeout=20)
        assert answer.status_code == 302, answer.text
        return urljoin(page.url, answer.headers["Location"])

    def return_address(self, address: str = f"{PORTAL}/connexion/") -> str:
        """Sign in at the provider and stop before the portal: the address with the ticket or the code."""
        address = self.fill_in(self.open(address))
        while not address.startswith(PORTAL):
            address = urljoin(address, self._get(address).headers["Location"])
        return address

    @property
    def is_signed_in(self) -> bool:
        return "_auth_user_id" in self.portal.session

    def _get(self, address: str) -> HttpResponse | requests.Response:
        if address.startswith(PORTAL):
            parts = urlsplit(address)
            return self.portal.get(parts.path, query_params=parse_qs(parts.query, keep_blank_values=True))
        return self.outside.get(address, allow_redirects=False, timeout=20)
