"""Lets the OpenID Connect provider say who somebody is, and tell each client its lie."""

import json
from typing import Any

from jwcrypto.common import base64url_decode
from oauth2_provider.oauth2_validators import OAuth2Validator

from tests.accounts.auth.sso.providers import lies


class Validator(OAuth2Validator):
    """Says who somebody is, and tells each client its lie."""

    oidc_claim_scope = None

    def get_additional_claims(self, request: Any) -> lies.Claims:
        user = request.user
        return {"preferred_username": user.username, "email": user.email, "email_verified": True}

    def get_userinfo_claims(self, request: Any) -> lies.Claims:
        claims = super().get_userinfo_claims(request)
        is_wrong = request.access_token.application.client_id == "userinfo-of-somebody-else"
        return {**claims, "sub": "somebody-else"} if is_wrong else claims

    def finalize_id_token(self, id_token: Any, token: Any, token_handler: Any, request: Any) -> str:
        honest_token = super().finalize_id_token(id_token, token, token_handler, request)
        header, claims = (json.loads(base64url_decode(part)) for part in honest_token.split(".")[:2])
        lie = lies.LIES.get(request.client.client_id, lies.honest)
        if lie in lies.SIGNATURES:
            return lie(header, claims, request.client.jwk_key)
        return lies.as_it_should(header, lie(claims), request.client.jwk_key)
