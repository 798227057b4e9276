"""Reads and checks environment variables. Every refusal is one line that names the variable, before anything starts."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import environ
import idna
from django.core.exceptions import ImproperlyConfigured

from config.db_connection import TimeoutConnection

env = environ.Env()

SHORTEST_SECRET_KEY = 50
SHORTEST_METRICS_KEY = 32
SMTP_SCHEMES = {"smtp": {}, "smtp+tls": {"EMAIL_USE_TLS": True}, "smtp+ssl": {"EMAIL_USE_SSL": True}}
DEFAULT_SMTP_PORT = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}
#: The variables that each value of SIGN_IN requires.
SIGN_IN_NEEDS = {
    "portal": (),
    "cas": ("CAS_URL",),
    "oidc": ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET"),
}
#: Threads of each web process, unless WEB_THREADS says otherwise.
WEB_THREADS = 64
SECURITY_KEY = re.compile(r"[a-z0-9-]{1,40}:[0-9a-f]{64}")


def env_days(name: str, *, default: int, least: int = 1) -> int:
    return checked_days(name, env.int(name, default=default), least=least)


def env_domains(name: str, *, default: Any = environ.Env.NOTSET) -> list[str]:
    return checked_domains(name, env.list(name, default=default))


def env_provider_url(name: str, *, default: str, debug: bool) -> str:
    return checked_provider_url(name, env.str(name, default=default), debug=debug)


def require(environment: Mapping[str, str], *names: str) -> None:
    """Raise ImproperlyConfigured naming at once every variable that is missing or empty."""
    missing = [name for name in names if not environment.get(name, "").strip()]
    if missing:
        raise ImproperlyConfigured(f"Set in the environment: {', '.join(missing)} (docs/configuration.md says how).")


def checked_secret_key(secret_key: str) -> str:
    if len(secret_key) < SHORTEST_SECRET_KEY or secret_key.startswith("django-insecure"):
        raise ImproperlyConfigured(
            f"SECRET_KEY must have at least {SHORTEST_SECRET_KEY} random characters. Make one with: "
            "python -c 'import secrets; print(secrets.token_urlsafe(64))'"
        )
    return secret_key


def checked_metrics_key(key: str) -> str:
    """METRICS_KEY; empty closes the page."""
    if key and len(key) < SHORTEST_METRICS_KEY:
        raise ImproperlyConfigured(
            f"METRICS_KEY must have at least {SHORTEST_METRICS_KEY} random characters; leave it out to close the page."
        )
    return key


def checked_log_format(name: str) -> str:
    if name not in ("json", "text"):
        raise ImproperlyConfigured("LOG_FORMAT must be json or text.")
    return name


def checked_portal_url(portal_url: str, *, debug: bool) -> str:
    """PORTAL_URL without its final slash; https unless DEBUG is on, since every mailed link starts with it."""
    parts = urlsplit(portal_url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise ImproperlyConfigured(
            "PORTAL_URL must be the portal's address, for example https://compte.univ-exemple.fr"
        )
    if parts.scheme == "http" and not debug:
        raise ImproperlyConfigured("PORTAL_URL must start with https:// (plain http is accepted with DEBUG=true only).")
    return portal_url.rstrip("/")


def checked_hosts(hosts: list[str]) -> list[str]:
    """Exact host names only: with a wildcard a client can choose the host."""
    loose = [host for host in hosts if host == "*" or host.startswith(".")]
    if loose or not hosts:
        raise ImproperlyConfigured("ALLOWED_HOSTS must list exact host names, without '*' or a leading dot.")
    return hosts


def checked_days(name: str, days: int, *, least: int = 1) -> int:
    """A number of days, or of times, that is not less than `least`: a typing error must not delete data."""
    if days < least:
        raise ImproperlyConfigured(f"{name} must be at least {least}.")
    return days


def checked_sign_in(environment: Mapping[str, str], sign_in: str) -> str:
    if sign_in not in SIGN_IN_NEEDS:
        raise ImproperlyConfigured(f"SIGN_IN must be one of: {', '.join(SIGN_IN_NEEDS)}.")
    require(environment, *SIGN_IN_NEEDS[sign_in])
    return sign_in


def checked_provider_url(name: str, url: str, *, debug: bool) -> str:
    """The URL of a sign-in provider, or ""; https unless DEBUG is on, since the portal trusts its answers."""
    parts = urlsplit(url)
    schemes = ("https", "http") if debug else ("https",)
    if url and (parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment):
        raise ImproperlyConfigured(
            f"{name} must be the https:// address of the provider (plain http is accepted with DEBUG=true only)."
        )
    return url


def checked_domains(name: str, domains: list[str]) -> list[str]:
    """Domain names as lower-case punycode, the form in which addresses are compared; subdomains are included.

    Refuses "*", "@", a leading dot or a URL, which would match nothing without a warning.
    """
    try:
        return [
            idna.encode(domain.strip().removesuffix("."), uts46=True, std3_rules=True).decode() for domain in domains
        ]
    except idna.IDNAError as error:
        raise ImproperlyConfigured(f"{name} must list domain names such as exemple.org ({error}).") from error


def checked_security_keys(names_and_digests: list[str]) -> list[tuple[str, str]]:
    """SECURITY_API_KEYS as pairs of a system's name and the SHA-256 of its key; a name may have several, to rotate.

    The error does not quote the value: it may be a key that was put here by mistake.
    """
    pairs = [tuple(pair.strip().split(":")) for pair in names_and_digests]
    digests = [pair[1] for pair in pairs if len(pair) == 2 and SECURITY_KEY.fullmatch(":".join(pair))]
    if len(set(digests)) < len(pairs):
        raise ImproperlyConfigured(
            "SECURITY_API_KEYS must list name:digest, where the name has up to 40 of a-z, 0-9 and -, and the digest is "
            "the SHA-256 of a key in 64 hexadecimal digits, no key twice (docs/operations.md says how to make one)."
        )
    return [(pair[0], pair[1]) for pair in pairs]


def connection_pool(*, size: int, threads: int) -> dict[str, Any] | bool:
    """psycopg pool options for a process with that many threads. Size 0: no pool, and no limit on a silent server.

    One thread in eight never waits for a connection: it answers 503 when too many requests come at once. Reconnection
    stops after some seconds, and starts again with the next request: longer attempts pause longer between tries.
    """
    if not size:
        return False
    return {
        "min_size": 1,
        "max_size": size,
        "max_waiting": max(1, threads - size - threads // 8),
        "timeout": 3,
        "reconnect_timeout": 3,
        "connection_class": TimeoutConnection,
    }


def mail_settings(email_url: str) -> dict[str, Any]:
    """Django's mail settings for EMAIL_URL.

    `smtp://user:password@host:port`, `smtp+tls://…` (STARTTLS, required), `smtp+ssl://…`, or an anymail provider:
    `anymail+postmark:?server_token=…`, where each parameter is the provider's setting of that name.
    """
    parts = urlsplit(email_url)
    if parts.scheme.startswith("anymail+"):
        return _anymail_settings(parts.scheme.removeprefix("anymail+"), dict(parse_qsl(parts.query)))
    if parts.scheme not in SMTP_SCHEMES or not parts.hostname:
        raise ImproperlyConfigured(
            "EMAIL_URL must be smtp://, smtp+tls:// or smtp+ssl:// followed by user:password@host:port, "
            "or anymail+<provider>:?<setting>=<value>"
        )
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or DEFAULT_SMTP_PORT[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        **SMTP_SCHEMES[parts.scheme],
    }


def _anymail_settings(provider: str, options: dict[str, str]) -> dict[str, Any]:
    named = {f"{provider}_{option}".upper(): value for option, value in options.items()}
    return {"EMAIL_BACKEND": f"anymail.backends.{provider}.EmailBackend", "ANYMAIL": named}
