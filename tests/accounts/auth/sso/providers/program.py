"""A real provider for one run, with one user and a key of its own: `… program cas|oidc PORT DIRECTORY PORTAL`."""

import re
import sys
import time
from pathlib import Path
from typing import Any

import django
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.management import call_command
from django.urls import include, path

USER, PASSWORD, ADDRESS = "cdurand", "mot-de-passe-du-fournisseur", "Camille.Durand@Univ-Exemple.fr"
SECRET = "secret-of-the-portal"
LOGIN = "<form method='post'>{% csrf_token %}{{ form }}<button>Sign in</button></form>"
PAGES = {"cas": "cas/login", "oidc": "entrer/"}
#: Clients that get wrong identity tokens: what replaces a claim (None leaves it out), and how the token is signed.
WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"iat": time.time() - 7200, "exp": time.time() - 3600},
    "for-another-client": {"aud": "another-client"},
    "for-another-client-by-us": {"aud": "another-client", "azp": "for-another-client-by-us"},
    "of-another-issuer": {"iss": "https://idp.example"},
    "of-another-attempt": {"nonce": "of-another-attempt"},
    "without-nonce": {"nonce": None},
    "without-expiry": {"exp": None},
    "names-in-userinfo": {"preferred_username": None},
    "userinfo-of-another-subject": {"preferred_username": None},
    "address-not-verified": {"email_verified": False},
    "address-verified-in-userinfo": {"email_verified": None},
    "address-not-said-to-be-verified": {"email_verified": None},
}
FORGED_TOKENS = (*WRONG_CLAIMS, "signed-with-another-key", "signed-with-the-public-key", "signed-with-alg-none")


def configure(directory: str, application: str, **more: Any) -> bool:
    """Also create the tables and the user; False when they exist since the last start."""
    used = auth, sessions, messages = "django.contrib.auth", "django.contrib.sessions", "django.contrib.messages"
    login = ("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN})
    processors = (f"{auth}.context_processors.auth", f"{messages}.context_processors.messages")
    options = {
        "loaders": [login, "django.template.loaders.app_directories.Loader"],
        "context_processors": ["django.template.context_processors.request", *processors],
    }
    settings.configure(
        SECRET_KEY="of-a-provider-for-one-test-run",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF="__main__",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(directory, "provider.sqlite3")}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.staticfiles", *used, application],
        MIDDLEWARE=[
            f"{sessions}.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            f"{auth}.middleware.AuthenticationMiddleware",
            f"{messages}.middleware.MessageMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": options}],
        # Cookies know no ports: the portal of the browser tests is on the same host.
        SESSION_COOKIE_NAME="provider_session",
        CSRF_COOKIE_NAME="provider_csrf",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        STATIC_URL="/static/",
        **more,
    )
    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User

    if User.objects.exists():
        return False
    User.objects.create_user(USER, ADDRESS, PASSWORD)
    return True


def cas(directory: str, portal: str) -> list[Any]:
    if configure(directory, "cas_server", CAS_NEW_VERSION_HTML_WARNING=False, CAS_NEW_VERSION_EMAIL_WARNING=False):
        from cas_server.models import ReplaceAttributName, ServicePattern

        pattern = ServicePattern.objects.create(name="portal", pattern=f"^{re.escape(portal)}/connexion/retour/")
        ReplaceAttributName.objects.create(name="email", replace="mail", service_pattern=pattern)
    return [path("cas/", include("cas_server.urls", namespace="cas_server"))]


def oidc(directory: str, portal: str) -> list[Any]:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    options = {
        "OIDC_ENABLED": True,
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "OAUTH2_VALIDATOR_CLASS": "tests.accounts.auth.sso.providers.oidc_validator.Validator",
        "SCOPES": {"openid": "identity", "profile": "name", "email": "address"},
    }
    if configure(directory, "oauth2_provider", LOGIN_URL="/entrer/", OAUTH2_PROVIDER=options):
        from oauth2_provider.models import Application

        client = {"client_secret": SECRET, "hash_client_secret": False, "client_type": "confidential"}
        client |= {"authorization_grant_type": "authorization-code", "algorithm": "RS256", "skip_authorization": True}
        client |= {"redirect_uris": f"{portal}/connexion/retour/", "post_logout_redirect_uris": f"{portal}/"}
        for name in ("portal", *FORGED_TOKENS):
            Application.objects.create(client_id=name, **client)
    from django.contrib.auth.views import LoginView

    oauth = include("oauth2_provider.urls", namespace="oauth2_provider")
    return [path("entrer/", LoginView.as_view()), path("oidc/", oauth)]


if __name__ == "__main__":
    _program, name, port, directory, portal = sys.argv
    urlpatterns = {"cas": cas, "oidc": oidc}[name](directory, portal)
    call_command("runserver", f"127.0.0.1:{port}", use_reloader=False, skip_checks=True, use_static_handler=False)
