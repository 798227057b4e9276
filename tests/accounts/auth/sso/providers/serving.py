"""A small Django project of its own, on SQLite, in a process of its own: the house of a real provider."""

import sys
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

#: The one person whom every provider knows; the portal's tests give her an account, or none.
USER, PASSWORD, ADDRESS = "cdurand", "mot-de-passe-du-fournisseur", "Camille.Durand@Univ-Exemple.fr"


def settle(module: str, directory: Path, *, applications: list[str], middleware: list[str], **more: Any) -> None:
    """Make the project: `module` is its address book."""
    settings.configure(
        SECRET_KEY="of-a-provider-that-lives-for-one-test-run",
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
    """Pages that the provider leaves to its house, before those of the applications."""
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


def furnish() -> bool:
    """Make the tables and the person; False when they are there since the last start."""
    call_command("migrate", verbosity=0)
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if users.filter(username=USER).exists():
        return False
    users.create_user(USER, ADDRESS, PASSWORD)
    return True


def serve(port: str) -> None:
    """Answer until somebody ends the process."""
    call_command("runserver", f"127.0.0.1:{port}", use_reloader=False, skip_checks=True, use_static_handler=False)


def arguments() -> tuple[str, Path, str]:
    """Port, directory of the database, and the portal's address."""
    _program, port, directory, portal = sys.argv
    return port, Path(directory), portal
