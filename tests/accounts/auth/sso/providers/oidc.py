"""A real OpenID Connect provider (django-oauth-toolkit): python -m tests.accounts.auth.sso.providers.oidc PORT DIRECTORY PORTAL

Each start makes another key. Some clients get forged tokens: `tests.accounts.auth.sso.providers.forged_tokens`.
"""

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.accounts.auth.sso.providers.project import arguments, configure, migrate, serve, templates

ASKS_FOR_CONSENT = "asks-for-consent"
SECRET = "secret-of-the-portal"
LOGIN = "<form method='post'>{% csrf_token %}{{ form }}<button>Sign in</button></form>"


def new_key() -> str:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def make_clients(portal: str) -> None:
    from oauth2_provider.models import Application

    from tests.accounts.auth.sso.providers.forged_tokens import BY_CLIENT_ID

    for name in ("portal", ASKS_FOR_CONSENT, *BY_CLIENT_ID):
        Application.objects.create(
            client_id=name,
            client_secret=SECRET,
            hash_client_secret=False,
            client_type="confidential",
            authorization_grant_type="authorization-code",
            algorithm="RS256",
            skip_authorization=name != ASKS_FOR_CONSENT,
            redirect_uris=f"{portal}/connexion/retour/",
            post_logout_redirect_uris=f"{portal}/",
        )


if __name__ == "__main__":
    port, directory, portal = arguments()
    configure(
        "tests.accounts.auth.sso.providers.oidc_urls",
        directory,
        applications=["oauth2_provider"],
        middleware=[],
        LOGIN_URL="/entrer/",
        TEMPLATES=templates(**{"registration/login.html": LOGIN}),
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": new_key(),
            "OAUTH2_VALIDATOR_CLASS": "tests.accounts.auth.sso.providers.oidc_validator.Validator",
            "SCOPES": {"openid": "identity", "profile": "name", "email": "address"},
        },
    )
    if migrate():
        make_clients(portal)
    serve(port)
