"""OpenID Connect with Authlib: discovery, authorization code with PKCE, state and nonce."""

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from authlib.integrations.django_client import DjangoOAuth2App, OAuth
from django.conf import settings

from accounts.auth.sso.base import AuthorizationRequest, IdentityNotConfirmed, ProviderUnavailable
from accounts.auth.sso.http import TIMEOUTS, logger, provider_request, single_value

DEFAULT_ATTRIBUTE = "preferred_username"
ADDRESSES, ADDRESS_VERIFIED = ("email", "mail"), "email_verified"
#: Seconds after which the provider's metadata is fetched again; an unknown key is fetched at once.
METADATA_LIFETIME = 60 * 60
#: Asymmetric signatures only. Authlib would accept what the provider lists, "none" included.
SIGNATURES = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]


class OidcProvider:
    """The OpenID Connect provider discovered at `OIDC_ISSUER`."""

    def authorization_request(self, *, return_url: str, state: str) -> AuthorizationRequest:
        with provider_request():
            created = _client().create_authorization_url(return_url, state=state)
        secrets = {"redirect_uri": return_url, "nonce": created["nonce"], "code_verifier": created["code_verifier"]}
        return AuthorizationRequest(created["url"], secrets)

    def identify(self, *, response: Mapping[str, str], secrets: Mapping[str, str]) -> str:
        if "error" in response:
            raise IdentityNotConfirmed
        client, attribute = _client(), settings.SIGN_IN_ATTRIBUTE or DEFAULT_ATTRIBUTE
        needed = {attribute, ADDRESS_VERIFIED} if attribute in ADDRESSES else {attribute}
        with provider_request():
            token = client.fetch_access_token(
                code=response["code"], redirect_uri=secrets["redirect_uri"], code_verifier=secrets["code_verifier"]
            )
            claims = _verified_claims(client, token, secrets["nonce"])
            if not needed <= claims.keys():
                claims |= _userinfo(client, token, claims["sub"])
        # A missing claim is as bad as false: some providers let people type any address and do not say so.
        if ADDRESS_VERIFIED in needed and claims.get(ADDRESS_VERIFIED) is not True:
            logger.warning("The sign-in provider does not say that the address is verified: see SIGN_IN_ATTRIBUTE.")
            raise IdentityNotConfirmed
        return single_value(claims, attribute)

    def logout_url(self, *, return_url: str) -> str:
        """RP-initiated logout; the provider asks the user to confirm."""
        with provider_request():
            client = _client()
            if "end_session_endpoint" not in client.load_server_metadata():
                raise ProviderUnavailable
            created = client.create_logout_url(return_url, client_id=settings.OIDC_CLIENT_ID)
            return str(created["url"])


# Authlib has no types, so mypy sees a base class of type Any (misc).
class DiscoveredApp(DjangoOAuth2App):  # type: ignore[misc]
    server_metadata: dict[str, Any]

    def load_server_metadata(self) -> dict[str, Any]:
        """Raises ProviderUnavailable when the issuer is not that of the settings."""
        if time.time() - self.server_metadata.get("_loaded_at", 0) > METADATA_LIFETIME:
            self.server_metadata = {}
        metadata: dict[str, Any] = super().load_server_metadata()
        if metadata.get("issuer") != settings.OIDC_ISSUER:
            logger.error("The sign-in provider calls itself %r: see OIDC_ISSUER.", metadata.get("issuer"))
            self.server_metadata = {}
            raise ProviderUnavailable
        return {**metadata, "id_token_signing_alg_values_supported": SIGNATURES}


def _client() -> DiscoveredApp:
    return _registered(settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET)


@cache
def _registered(issuer: str, client_id: str, client_secret: str) -> DiscoveredApp:
    app: DiscoveredApp = OAuth().register(
        "university",
        client_cls=DiscoveredApp,
        client_id=client_id,
        client_secret=client_secret,
        server_metadata_url=f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid profile email",
            "code_challenge_method": "S256",
            "default_timeout": TIMEOUTS,
            "max_redirects": 0,
        },
    )
    return app


def _verified_claims(client: DiscoveredApp, token: dict[str, Any], nonce: str) -> dict[str, Any]:
    if "id_token" not in token:
        raise IdentityNotConfirmed
    expected = {
        "iss": {"essential": True, "value": settings.OIDC_ISSUER},
        "aud": {"essential": True, "value": settings.OIDC_CLIENT_ID},
    }
    return dict(client.parse_id_token(token, nonce=nonce, claims_options=expected))


def _userinfo(client: DiscoveredApp, token: dict[str, Any], subject: str) -> dict[str, Any]:
    """Many providers leave names out of the token. The answer must be about the same subject (OpenID Connect 5.3.2)."""
    claims = dict(client.userinfo(token=token))
    if claims.get("sub") != subject:
        raise IdentityNotConfirmed
    return claims
