"""What the portal wants of a provider, whichever protocol it speaks."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from django.conf import settings

PORTAL = "portal"


class IdentityNotConfirmed(Exception):
    """The provider, asked by us, does not confirm who came back: cancelled, made up, used before, too old, forged."""


class ProviderUnavailable(Exception):
    """The provider does not answer, or not as agreed: nobody's fault who wants to sign in."""


class Departure(NamedTuple):
    """Where to send the visitor, and what to remember until they are back, besides the state."""

    url: str
    secrets: dict[str, str]


class Provider(Protocol):
    """A CAS or an OpenID Connect provider."""

    def departure(self, *, return_url: str, state: str) -> Departure:
        """Send a visitor there, to come back to `return_url` with `state` in the query. Raises ProviderUnavailable."""

    def name_of_visitor(self, *, answer: Mapping[str, str], secrets: Mapping[str, str]) -> str:
        """Who came back with this query, in the words of the provider. Raises NotVouchedFor, ProviderUnavailable."""

    def sign_out_url(self, *, return_url: str) -> str:
        """Where the provider's own session is closed. Raises ProviderUnavailable."""


def is_on() -> bool:
    """Whether people sign in at the university's provider first."""
    return bool(settings.SIGN_IN != PORTAL)


def provider() -> Provider:
    """The provider of the settings. Its library is loaded here and nowhere else: most portals need neither."""
    if settings.SIGN_IN == "cas":
        from accounts.auth.sso.cas import CasProvider

        return CasProvider()
    from accounts.auth.sso.oidc import OidcProvider

    return OidcProvider()
