"""The claims of the OpenID Connect provider, and the wrong or forged identity tokens of some clients."""

import json
from typing import Any

from jwcrypto.common import base64url_decode, base64url_encode
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT
from oauth2_provider.oauth2_validators import OAuth2Validator

from tests.accounts.auth.sso.providers.program import WRONG_CLAIMS


class Validator(OAuth2Validator):
    oidc_claim_scope = None

    def get_additional_claims(self, request: Any) -> dict[str, Any]:
        user = request.user
        return {"preferred_username": user.username, "email": user.email, "email_verified": True}

    def get_userinfo_claims(self, request: Any) -> dict[str, Any]:
        client, claims = request.access_token.application.client_id, super().get_userinfo_claims(request)
        if client == "address-not-said-to-be-verified":
            del claims["email_verified"]
        return claims | ({"sub": "another-subject"} if client == "userinfo-of-another-subject" else {})

    def finalize_id_token(self, id_token: Any, token: Any, token_handler: Any, request: Any) -> str:
        right_token = super().finalize_id_token(id_token, token, token_handler, request)
        header, claims = (json.loads(base64url_decode(part)) for part in right_token.split(".")[:2])
        client, key = request.client.client_id, request.client.jwk_key
        claims |= WRONG_CLAIMS.get(client, {})
        claims = {name: value for name, value in claims.items() if value is not None}
        if client == "signed-with-alg-none":
            parts = ({"alg": "none", "typ": "JWT"}, claims)
            return ".".join([*(base64url_encode(json.dumps(part)) for part in parts), ""])
        if client == "signed-with-the-public-key":
            header["alg"], key = "HS256", JWK(kty="oct", k=base64url_encode(key.export_to_pem()))
        if client == "signed-with-another-key":
            key = JWK.generate(kty="RSA", size=2048)
        forged = JWT(header=header, claims=claims)
        forged.make_signed_token(key)
        return forged.serialize()
