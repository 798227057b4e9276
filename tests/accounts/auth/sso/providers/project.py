"""The Django project of a provider: settings, SQLite database and server, in a process of its own."""

import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

#: The only user of every provider.
USER, PASSWORD, ADDRESS = "cdurand", "mot-de-passe-du-fournisseur", "Camille.Durand@Univ-Exemple.fr"


def configure(module: str, directory: Path, *, applications: list[str], middleware: list[str], **more: Any) -> None:
    """`module` holds the URLs."""
    settings.configure(
        SECRET_KEY="of-a-provider-for-one-test-run",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=module,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": directory / "provider.sqlite3"}},
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "django.contrib.staticfiles",
            *applications,
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.locale.LocaleMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            *middleware,
        ],
        # Cookies know no ports: the portal of the browser tests is on the same host.
        SESSION_COOKIE_NAME="provider_session",
        CSRF_COOKIE_NAME="provider_csrf",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        STATIC_URL="/static/",
        USE_TZ=True,
        **more,
    )
    django.setup()


def templates(**pages: str) -> list[dict[str, Any]]:
    """`pages` come before the templates of the applications."""
    loaders = [
        ("django.template.loaders.locmem.Loader", pages),
        "django.template.loaders.app_directories.Loader",
    ]
    processors = [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]
    return [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": loaders, "context_processors": processors},
        }
    ]


def migrate() -> bool:
    """Create the tables and the user; False when they exist since the last start."""
    call_command("migrate", verbosity=0)
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if users.filter(username=USER).exists():
        return False
    users.create_user(USER, ADDRESS, PASSWORD)
    return True


def serve(port: str) -> None:
    call_command("runserver", f"127.0.0.1:{port}", use_reloader=False, skip_checks=True, use_static_handler=False)


def arguments() -> tuple[str, Path, str]:
    """Port, directory of the database, address of the portal."""
    _program, port, directory, portal = sys.argv
    return port, Path(directory), portal
