from tests.accounts.auth.sso.providers.browser import at_cas, at_oidc, browser, cas_process, oidc_process

__all__ = ["at_cas", "at_oidc", "browser", "cas_process", "oidc_process"]
