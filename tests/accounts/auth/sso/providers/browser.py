"""Real providers as processes, and a browser that follows redirects between them and the portal.

Fixtures for a conftest.py to import: `at_cas` and `at_oidc` configure the portal for that provider; `browser`.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from subprocess import Popen
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests
from django.http import HttpResponse
from django.test import Client

from devtools.processes import LOOPBACK, free_port, start, stop
from tests.accounts.auth.sso.providers.oidc import SECRET
from tests.accounts.auth.sso.providers.project import PASSWORD, USER
from tests.stack import PROJECT, wait_until

PORTAL = "http://127.0.0.1:8000"
MOST_REDIRECTS = 12


class ProviderProcess:
    """A provider at `url`; it can be killed, frozen, and started again with its database."""

    def __init__(self, module: str, page: str, directory: Path, *, portal: str = PORTAL) -> None:
        self.module, self.directory, self.portal = module, directory, portal
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._page = f"{self.url}{page}"
        self._process: Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.directory / "provider.log"

    def start(self) -> None:
        """Start it unless it runs, and wait until it answers."""
        if self._process is None or self._process.poll() is not None:
            command = (sys.executable, "-m", self.module, str(self.port), str(self.directory), self.portal)
            with self.log.open("wb") as log:
                self._process = start(command, cwd=PROJECT, stdout=log, stderr=log)
        wait_until(self._answers, self.log)

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def freeze(self) -> None:
        """Accept connections and never answer."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            stop(self._process, signal.SIGTERM, patience=5)

    def _answers(self) -> bool:
        with suppress(requests.RequestException):
            return requests.get(self._page, timeout=2).ok
        return False


class Form(HTMLParser):
    """The fields of the only form of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "input" and given.get("name") and given.get("type") not in {"submit", "checkbox"}:
            self.fields[given["name"]] = given.get("value") or ""


class Browser:
    """The portal through Django's test client, the provider over HTTP, each with its cookies.

    `forms_filled` counts the provider's forms; `visited` holds every address, `answer` the last response.
    """

    def __init__(self) -> None:
        self.portal = Client()
        self.outside = requests.Session()
        self.forms_filled = 0
        self.visited: list[str] = []

    def open(self, address: str) -> HttpResponse | requests.Response:
        """Follow redirects to the last answer, of the portal or of the provider."""
        for _ in range(MOST_REDIRECTS):
            self.visited.append(address)
            answer = self._get(address)
            if answer.status_code not in {301, 302, 303}:
                self.answer = answer
                return answer
            address = urljoin(address, answer.headers["Location"])
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
        fields = {**Form(page.text).fields, **(given or {"username": USER, "password": PASSWORD})}
        answer = self.outside.post(page.url, fields, allow_redirects=False, timeout=20)
        assert answer.status_code == 302, answer.text
        return urljoin(page.url, answer.headers["Location"])

    def return_address(self, address: str = f"{PORTAL}/connexion/") -> str:
        """Sign in at the provider and stop before the portal: the address with the ticket or the code."""
        answer = self.open(address)
        assert isinstance(answer, requests.Response)
        address = self.fill_in(answer)
        for _ in range(MOST_REDIRECTS):
            if address.startswith(PORTAL):
                return address
            address = urljoin(address, self._get(address).headers["Location"])
        raise AssertionError(address)

    @property
    def is_signed_in(self) -> bool:
        return "_auth_user_id" in self.portal.session

    @property
    def last_page(self) -> str:
        return urlsplit(self.visited[-1]).path

    def _get(self, address: str) -> HttpResponse | requests.Response:
        if address.startswith(PORTAL):
            parts = urlsplit(address)
            return self.portal.get(parts.path, query_params=parse_qs(parts.query, keep_blank_values=True))
        return self.outside.get(address, allow_redirects=False, timeout=20)


@pytest.fixture
def browser() -> Iterator[Browser]:
    one = Browser()
    yield one
    one.outside.close()


@pytest.fixture(scope="session")
def cas_process() -> Iterator[ProviderProcess]:
    yield from run_provider("tests.accounts.auth.sso.providers.cas", "/cas/login")


@pytest.fixture(scope="session")
def oidc_process() -> Iterator[ProviderProcess]:
    yield from run_provider("tests.accounts.auth.sso.providers.oidc", "/entrer/")


def run_provider(module: str, page: str, *, portal: str = PORTAL) -> Iterator[ProviderProcess]:
    with tempfile.TemporaryDirectory(prefix="portal-provider-") as directory:
        provider = ProviderProcess(module, page, Path(directory), portal=portal)
        try:
            provider.start()
            yield provider
        finally:
            provider.close()


@pytest.fixture
def at_cas(settings, cas_process: ProviderProcess) -> ProviderProcess:
    """Start it again if the last test has killed it."""
    cas_process.start()
    settings.PORTAL_URL = PORTAL
    settings.SIGN_IN, settings.SIGN_IN_ATTRIBUTE = "cas", ""
    settings.CAS_URL = f"{cas_process.url}/cas"
    return cas_process


@pytest.fixture
def at_oidc(settings, oidc_process: ProviderProcess) -> ProviderProcess:
    """Start it again if the last test has killed it."""
    oidc_process.start()
    settings.PORTAL_URL = PORTAL
    settings.SIGN_IN, settings.SIGN_IN_ATTRIBUTE = "oidc", ""
    settings.OIDC_ISSUER = f"{oidc_process.url}/oidc"
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = "portal", SECRET
    return oidc_process
