"""The provider of the settings."""

from django.conf import settings

from accounts.auth.sso.base import Provider

PORTAL = "portal"


def is_enabled() -> bool:
    return bool(settings.SIGN_IN != PORTAL)


def get_provider() -> Provider:
    """Imports the provider's library on demand: most universities need neither."""
    if settings.SIGN_IN == "cas":
        from accounts.auth.sso.cas import CasProvider

        return CasProvider()
    from accounts.auth.sso.oidc import OidcProvider

    return OidcProvider()
