"""The claims of the OpenID Connect provider, and its forged tokens."""

import json
from typing import Any

from jwcrypto.common import base64url_decode
from oauth2_provider.oauth2_validators import OAuth2Validator

from tests.accounts.auth.sso.providers.forged_tokens import Claims, identity_token


class Validator(OAuth2Validator):
    oidc_claim_scope = None

    def get_additional_claims(self, request: Any) -> Claims:
        user = request.user
        return {"preferred_username": user.username, "email": user.email, "email_verified": True}

    def get_userinfo_claims(self, request: Any) -> Claims:
        claims = super().get_userinfo_claims(request)
        is_wrong = request.access_token.application.client_id == "userinfo-of-another-subject"
        return {**claims, "sub": "another-subject"} if is_wrong else claims

    def finalize_id_token(self, id_token: Any, token: Any, token_handler: Any, request: Any) -> str:
        right_token = super().finalize_id_token(id_token, token, token_handler, request)
        header, claims = (json.loads(base64url_decode(part)) for part in right_token.split(".")[:2])
        return identity_token(request.client.client_id, header, claims, request.client.jwk_key)
