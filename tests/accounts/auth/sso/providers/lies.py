"""What an OpenID Connect provider may get wrong, or a forger write: each to the client of that name."""

import json
import time
from collections.abc import Callable
from typing import Any

from jwcrypto.common import base64url_encode
from jwcrypto.jwk import JWK
from jwcrypto.jwt import JWT

Claims = dict[str, Any]


def expired(claims: Claims) -> Claims:
    return {**claims, "iat": time.time() - 7200, "exp": time.time() - 3600}


def for_another_client(claims: Claims) -> Claims:
    return {**claims, "aud": "another-client"}


def for_another_client_by_us(claims: Claims) -> Claims:
    return {**claims, "aud": "another-client", "azp": "for-another-client-by-us"}


def of_another_issuer(claims: Claims) -> Claims:
    return {**claims, "iss": "https://idp.example"}


def of_another_visit(claims: Claims) -> Claims:
    return {**claims, "nonce": "of-another-visit"}


def of_no_visit(claims: Claims) -> Claims:
    return without(claims, "nonce")


def never_expiring(claims: Claims) -> Claims:
    return without(claims, "exp")


def names_in_userinfo(claims: Claims) -> Claims:
    return without(claims, "preferred_username")


def userinfo_of_somebody_else(claims: Claims) -> Claims:
    return without(claims, "preferred_username")


def address_not_verified(claims: Claims) -> Claims:
    return {**claims, "email_verified": False}


def honest(claims: Claims) -> Claims:
    return claims


def without(claims: Claims, name: str) -> Claims:
    return {key: value for key, value in claims.items() if key != name}


def sign(header: dict[str, str], claims: Claims, key: JWK) -> str:
    token = JWT(header=header, claims=claims)
    token.make_signed_token(key)
    return token.serialize()


def as_it_should(header: dict[str, str], claims: Claims, key: JWK) -> str:
    return sign(header, claims, key)


def with_another_key(header: dict[str, str], claims: Claims, key: JWK) -> str:
    return sign(header, claims, JWK.generate(kty="RSA", size=2048))


def with_the_public_key_as_secret(header: dict[str, str], claims: Claims, key: JWK) -> str:
    secret = JWK(kty="oct", k=base64url_encode(key.export_to_pem()))
    return sign({**header, "alg": "HS256"}, claims, secret)


def without_a_signature(header: dict[str, str], claims: Claims, key: JWK) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join([*(base64url_encode(json.dumps(part)) for part in parts), ""])


CLAIMS: tuple[Callable[[Claims], Claims], ...] = (
    expired,
    for_another_client,
    for_another_client_by_us,
    of_another_issuer,
    of_another_visit,
    of_no_visit,
    never_expiring,
    names_in_userinfo,
    userinfo_of_somebody_else,
    address_not_verified,
)
SIGNATURES: tuple[Callable[[dict[str, str], Claims, JWK], str], ...] = (
    with_another_key,
    with_the_public_key_as_secret,
    without_a_signature,
)


def name_of(lie: Callable[..., Any]) -> str:
    return lie.__name__.replace("_", "-")


LIES = {name_of(lie): lie for lie in (*CLAIMS, *SIGNATURES)}
