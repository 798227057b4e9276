"""The CAS protocol, version 3, spoken by python-cas."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from cas import CASClientV3
from django.conf import settings
from requests import Response, Session
from requests.adapters import HTTPAdapter

from accounts.auth.sso.http import WAITS, given_name, provider_request
from accounts.auth.sso.providers import Departure, IdentityNotConfirmed

#: What CAS itself calls the person, where no attribute is named.
USER = "user"


class CasProvider:
    """A CAS server, at `CAS_URL`."""

    def departure(self, *, return_url: str, state: str) -> Departure:
        """CAS knows no state: it is part of the service, which the ticket is good for alone."""
        service = f"{return_url}?{urlencode({'state': state})}"
        return Departure(_client(service).get_login_url(), {"service": service})

    def name_of_visitor(self, *, answer: Mapping[str, str], secrets: Mapping[str, str]) -> str:
        """Ask CAS whose ticket that is; it answers once."""
        client = _client(secrets["service"])
        with provider_request(), client.session:
            user, attributes, _granting_ticket = client.verify_ticket(answer["ticket"])
        if not user:
            raise IdentityNotConfirmed
        return given_name({**attributes, USER: user}, settings.SIGN_IN_ATTRIBUTE or USER)

    def sign_out_url(self, *, return_url: str) -> str:
        """The page of CAS that ends its session."""
        return str(_client().get_logout_url(return_url))


class TimeoutAdapter(HTTPAdapter):
    """Connections that wait no longer than `WAITS`."""

    def send(self, *args: Any, **options: Any) -> Response:
        """Send a request; python-cas would wait for ever."""
        return super().send(*args, **{**options, "timeout": WAITS})


def _client(service: str | None = None) -> CASClientV3:
    return CASClientV3(service_url=service, server_url=f"{settings.CAS_URL.rstrip('/')}/", session=_session())


def _session() -> Session:
    session = Session()
    session.max_redirects = 0
    session.mount("https://", TimeoutAdapter())
    session.mount("http://", TimeoutAdapter())
    session.hooks["response"].append(_refuse_errors)
    return session


def _refuse_errors(response: Response, **_options: object) -> None:
    response.raise_for_status()
