"""CAS, protocol version 3, with python-cas."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from cas import CASClientV3
from django.conf import settings
from requests import Response, Session
from requests.adapters import HTTPAdapter

from accounts.auth.sso.base import AuthorizationRequest, IdentityNotConfirmed
from accounts.auth.sso.http import TIMEOUTS, provider_request, single_value

#: The name that CAS gives the user, besides attributes.
USER = "user"


class CasProvider:
    """The CAS server at `CAS_URL`."""

    def authorization_request(self, *, return_url: str, state: str) -> AuthorizationRequest:
        """CAS has no state: it goes into the service URL, which the ticket is bound to."""
        service = f"{return_url}?{urlencode({'state': state})}"
        return AuthorizationRequest(_client(service).get_login_url(), {"service": service})

    def identify(self, *, response: Mapping[str, str], secrets: Mapping[str, str]) -> str:
        client = _client(secrets["service"])
        with provider_request(), client.session:
            user, attributes, _granting_ticket = client.verify_ticket(response["ticket"])
        if not user:
            raise IdentityNotConfirmed
        return single_value({**attributes, USER: user}, settings.SIGN_IN_ATTRIBUTE or USER)

    def logout_url(self, *, return_url: str) -> str:
        return str(_client().get_logout_url(return_url))


class TimeoutAdapter(HTTPAdapter):
    """python-cas sets no timeout."""

    def send(self, *args: Any, **options: Any) -> Response:
        return super().send(*args, **{**options, "timeout": TIMEOUTS})


def _client(service: str | None = None) -> CASClientV3:
    return CASClientV3(service_url=service, server_url=f"{settings.CAS_URL.rstrip('/')}/", session=_session())


def _session() -> Session:
    session = Session()
    session.max_redirects = 0
    session.mount("https://", TimeoutAdapter())
    session.mount("http://", TimeoutAdapter())
    session.hooks["response"].append(_raise_for_status)
    return session


def _raise_for_status(response: Response, **_options: object) -> None:
    response.raise_for_status()
