"""The interface of a provider, whichever protocol it speaks."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class IdentityNotConfirmed(Exception):
    """The provider does not confirm this identity: cancelled, forged, replayed or expired."""


class ProviderUnavailable(Exception):
    """The provider does not answer, or is not configured as agreed."""


class AuthorizationRequest(NamedTuple):
    """The provider's URL to redirect to, and the secrets, besides the state, that its response is checked with."""

    url: str
    secrets: dict[str, str]


class Provider(Protocol):
    def authorization_request(self, *, return_url: str, state: str) -> AuthorizationRequest:
        """The provider will redirect to `return_url` with `state` in the query. Raises ProviderUnavailable."""

    def identify(self, *, response: Mapping[str, str], secrets: Mapping[str, str]) -> str:
        """The value of SIGN_IN_ATTRIBUTE for the query `response` of the provider.

        Raises IdentityNotConfirmed, ProviderUnavailable.
        """

    def logout_url(self, *, return_url: str) -> str:
        """Where the provider's own session is closed. Raises ProviderUnavailable."""
