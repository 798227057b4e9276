"""OpenID Connect, spoken by Authlib: discovery, authorization code with PKCE, state and nonce."""

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

from authlib.integrations.django_client import DjangoOAuth2App, OAuth
from django.conf import settings

from accounts.auth.sso.http import WAITS, given_name, logger, provider_request
from accounts.auth.sso.providers import Departure, IdentityNotConfirmed, ProviderUnavailable

DEFAULT_ATTRIBUTE = "preferred_username"
#: Seconds after which the provider is asked again for its addresses and keys; a new key is asked for at once.
DISCOVERY_LASTS = 60 * 60
#: Signatures by a key that only the provider has. Authlib would take what the provider lists, "none" included.
SIGNATURES = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]


class OidcProvider:
    """An OpenID Connect provider, found from `OIDC_ISSUER`."""

    def departure(self, *, return_url: str, state: str) -> Departure:
        """Ask for the identity alone, with a nonce and a code verifier made for this visit."""
        with provider_request():
            begun = _client().create_authorization_url(return_url, state=state)
        secrets = {"redirect_uri": return_url, "nonce": begun["nonce"], "code_verifier": begun["code_verifier"]}
        return Departure(begun["url"], secrets)

    def name_of_visitor(self, *, answer: Mapping[str, str], secrets: Mapping[str, str]) -> str:
        """Exchange the code, check the signed token, read the claim."""
        if "error" in answer:
            raise IdentityNotConfirmed
        client, attribute = _client(), settings.SIGN_IN_ATTRIBUTE or DEFAULT_ATTRIBUTE
        with provider_request():
            token = client.fetch_access_token(
                code=answer["code"], redirect_uri=secrets["redirect_uri"], code_verifier=secrets["code_verifier"]
            )
            claims = _checked_claims(client, token, secrets["nonce"])
            if attribute not in claims:
                claims |= _claims_elsewhere(client, token, claims["sub"])
        if attribute == "email" and claims.get("email_verified") is False:
            raise IdentityNotConfirmed
        return given_name(claims, attribute)

    def sign_out_url(self, *, return_url: str) -> str:
        """The page of the provider that ends its session, if it has one; it will ask for a confirmation."""
        with provider_request():
            client = _client()
            if "end_session_endpoint" not in client.load_server_metadata():
                raise ProviderUnavailable
            leaving = client.create_logout_url(return_url, client_id=settings.OIDC_CLIENT_ID)
            return str(leaving["url"])


class DiscoveredApp(DjangoOAuth2App):  # type: ignore[misc]
    """What the provider says of itself: not for ever, and only when it is the one we were told of."""

    server_metadata: dict[str, Any]

    def load_server_metadata(self) -> dict[str, Any]:
        """Its addresses and keys. Raises ProviderUnavailable when it calls itself something else."""
        if time.time() - self.server_metadata.get("_loaded_at", 0) > DISCOVERY_LASTS:
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
            "default_timeout": WAITS,
            "max_redirects": 0,
        },
    )
    return app


def _checked_claims(client: DiscoveredApp, token: dict[str, Any], nonce: str) -> dict[str, Any]:
    """The claims of the identity token: signed, in time, from this provider, for us, for this visit."""
    if "id_token" not in token:
        raise IdentityNotConfirmed
    expected = {
        "iss": {"essential": True, "value": settings.OIDC_ISSUER},
        "aud": {"essential": True, "value": settings.OIDC_CLIENT_ID},
    }
    return dict(client.parse_id_token(token, nonce=nonce, claims_options=expected))


def _claims_elsewhere(client: DiscoveredApp, token: dict[str, Any], subject: str) -> dict[str, Any]:
    """Many providers keep names out of the token. What they say of somebody else is not believed."""
    claims = dict(client.userinfo(token=token))
    if claims.get("sub") != subject:
        raise IdentityNotConfirmed
    return claims
