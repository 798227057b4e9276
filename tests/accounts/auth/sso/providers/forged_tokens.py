"""Wrong or forged identity tokens: the provider sends one kind to each client id in BY_CLIENT_ID."""

import json
import time
from collections.abc import Callable
from typing import Any

from jwcrypto.common import base64url_encode
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT

Claims = dict[str, Any]
Header = dict[str, str]


def without(claims: Claims, name: str) -> Claims:
    return {key: value for key, value in claims.items() if key != name}


def sign(header: Header, claims: Claims, key: JWK) -> str:
    token = JWT(header=header, claims=claims)
    token.make_signed_token(key)
    return token.serialize()


def sign_with_another_key(header: Header, claims: Claims, key: JWK) -> str:
    return sign(header, claims, JWK.generate(kty="RSA", size=2048))


def sign_with_the_public_key_as_secret(header: Header, claims: Claims, key: JWK) -> str:
    secret = JWK(kty="oct", k=base64url_encode(key.export_to_pem()))
    return sign({**header, "alg": "HS256"}, claims, secret)


def sign_with_alg_none(header: Header, claims: Claims, key: JWK) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join([*(base64url_encode(json.dumps(part)) for part in parts), ""])


#: What happens to the claims before they are signed.
CLAIMS: dict[str, Callable[[Claims], Claims]] = {
    "expired": lambda claims: {**claims, "iat": time.time() - 7200, "exp": time.time() - 3600},
    "for-another-client": lambda claims: {**claims, "aud": "another-client"},
    "for-another-client-by-us": lambda claims: {**claims, "aud": "another-client", "azp": "for-another-client-by-us"},
    "of-another-issuer": lambda claims: {**claims, "iss": "https://idp.example"},
    "of-another-attempt": lambda claims: {**claims, "nonce": "of-another-attempt"},
    "without-nonce": lambda claims: without(claims, "nonce"),
    "without-expiry": lambda claims: without(claims, "exp"),
    "names-in-userinfo": lambda claims: without(claims, "preferred_username"),
    "userinfo-of-another-subject": lambda claims: without(claims, "preferred_username"),
    "address-not-verified": lambda claims: {**claims, "email_verified": False},
}
SIGNATURES: dict[str, Callable[[Header, Claims, JWK], str]] = {
    "signed-with-another-key": sign_with_another_key,
    "signed-with-the-public-key": sign_with_the_public_key_as_secret,
    "signed-with-alg-none": sign_with_alg_none,
}
BY_CLIENT_ID = {**CLAIMS, **SIGNATURES}


def identity_token(client_id: str, header: Header, claims: Claims, key: JWK) -> str:
    """The token that this client gets; a right one for a client id that is not in BY_CLIENT_ID."""
    if client_id in CLAIMS:
        claims = CLAIMS[client_id](claims)
    return SIGNATURES.get(client_id, sign)(header, claims, key)
