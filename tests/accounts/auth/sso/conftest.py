"""Everything here has real providers in front of the portal, and goes to them as a browser does."""

from tests.accounts.auth.sso.providers.running import at_cas, at_oidc, browser, cas_process, oidc_process

__all__ = ["at_cas", "at_oidc", "browser", "cas_process", "oidc_process"]
