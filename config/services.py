"""PostgreSQL, Redis, mail and single sign-on, from the URLs in the environment."""

import pkgutil
import re
import ssl
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import anymail.backends
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool

from config import env
from config.db_connection import TimeoutConnection
from config.env import refused

SMTP_SCHEMES = {"smtp": {}, "smtp+tls": {"EMAIL_USE_TLS": True}, "smtp+ssl": {"EMAIL_USE_SSL": True}}
DEFAULT_SMTP_PORT = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}
#: The variables that each value of SIGN_IN requires.
SIGN_IN_NEEDS = {
    "portal": (),
    "cas": ("CAS_URL",),
    "oidc": ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"),
}
#: Every wait is bounded, so that a slow server leads to an error page, not to a request that hangs.
DATABASE_OPTIONS = {
    "connect_timeout": 3,
    "tcp_user_timeout": 8_000,
    "keepalives_idle": 30,
    "options": "-c statement_timeout=5s -c lock_timeout=4s -c idle_in_transaction_session_timeout=60s",
}
#: libpq's names of what Django names otherwise.
DJANGO_NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def sign_in(name: str) -> str:
    sign_in = env.choice(name, tuple(SIGN_IN_NEEDS), default="portal")
    env.require(*SIGN_IN_NEEDS[sign_in])
    return sign_in


def database(name: str, *, pool: dict[str, Any] | bool) -> dict[str, Any]:
    """Django's settings for a libpq URI; its parameters, such as sslmode, win over DATABASE_OPTIONS."""
    url = env.text(name)
    expected = "postgres://user:password@host:5432/name, followed by libpq's parameters, such as ?sslmode=verify-full"
    if not re.match(r"postgres(ql)?://", url):
        raise refused(name, expected)
    try:
        parameters = conninfo_to_dict(url)
    except ProgrammingError:
        # Without libpq's message, which may quote the password.
        raise refused(name, expected) from None
    parts = {django: str(parameters.pop(libpq, "")) for libpq, django in DJANGO_NAMES.items()}
    if not parts["NAME"] or not re.fullmatch(r"(\d{1,5}(,\d{1,5})*)?", parts["PORT"]):
        raise refused(name, expected)
    return {
        "ENGINE": "django.db.backends.postgresql",
        **parts,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {**DATABASE_OPTIONS, **parameters, "pool": pool},
    }


def connection_pool(*, size: int, threads: int) -> dict[str, Any] | bool:
    """psycopg pool options for a process with that many threads. Size 0: no pool, and no limit on a silent server.

    One thread in eight never waits for a connection: it answers 503 when too many requests come at once. But as many as
    the pool will hold may wait, since it starts with one connection: the first requests of a few threads were refused.
    """
    if not size:
        return False
    return {
        "min_size": 1,
        "max_size": size,
        "max_waiting": max(size, threads - size - threads // 8),
        "timeout": 3,
        "reconnect_timeout": 3,
        "reconnect_failed": reconnect_again,
        "connection_class": TimeoutConnection,
    }


def reconnect_again(pool: ConnectionPool) -> None:
    """Begin a new series of attempts, since the pauses between those of a long one grow.

    The pool itself begins none while `max_waiting` requests are queued, although they have given up.
    """
    largest = pool.max_size
    pool.resize(0, largest)
    pool.resize(1, largest)


def redis_url(name: str) -> str:
    url = env.text(name)
    if url.startswith("sentinel://"):
        raise refused(name, "redis:// or rediss://; Sentinel is not supported, put a proxy in front of it")
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    options = dict(parse_qsl(parts.query)) if is_valid else {}
    if not is_valid or not re.fullmatch(r"(/\d*)?", parts.path) or options.keys() - {"ssl_ca_certs"}:
        raise refused(name, "redis://:password@host:6379/0 or rediss://…, also with ?ssl_ca_certs=path")
    return url


def celery_broker(url: str) -> tuple[str, dict[str, Any] | None]:
    """URL and TLS options. Celery alone would not verify the certificate of rediss://, as the limits do."""
    address, _, query = url.partition("?")
    if not url.startswith("rediss://"):
        return url, None
    return address, {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, **dict(parse_qsl(query))}


def mail(name: str) -> dict[str, Any]:
    """Django's mail settings.

    `smtp://user:password@host:port`, `smtp+tls://…` (STARTTLS, required), `smtp+ssl://…`, or an anymail provider:
    `anymail+postmark:?server_token=…`, where each parameter is the provider's setting of that name.
    """
    parts = urlsplit(env.text(name))
    if parts.scheme.startswith("anymail+"):
        return anymail_settings(name, parts.scheme.removeprefix("anymail+"), dict(parse_qsl(parts.query)))
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in SMTP_SCHEMES or not parts.hostname or port == 0 or parts.path.strip("/") or parts.query:
        raise refused(
            name,
            "smtp://, smtp+tls:// or smtp+ssl:// followed by user:password@host:port, with special characters of the "
            "password percent-encoded, or anymail+<provider>:?<setting>=<value>",
        )
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or DEFAULT_SMTP_PORT[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        **SMTP_SCHEMES[parts.scheme],
    }


def anymail_settings(name: str, provider: str, options: dict[str, str]) -> dict[str, Any]:
    modules = {module.name for module in pkgutil.iter_modules(anymail.backends.__path__)}
    providers = sorted(modules - {"base", "base_requests", "console", "test"})
    if provider not in providers:
        raise refused(
            name, f"anymail+<provider>:?<setting>=<value>, where the provider is one of {', '.join(providers)}"
        )
    named = {f"{provider}_{option}".upper(): value for option, value in options.items()}
    return {"EMAIL_BACKEND": f"anymail.backends.{provider}.EmailBackend", "ANYMAIL": named}
