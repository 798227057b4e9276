"""Reads and checks environment variables. A refusal is one line that names the variable and says what is expected.

The file that `NAME_FILE` names is read instead of `NAME`. The services behind the portal are in config/services.py.
"""

import os
import re
from collections.abc import Sequence
from datetime import date
from email.headerregistry import Address
from email.policy import default as email_policy
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import idna
from django.core.exceptions import ImproperlyConfigured

#: What `show_settings` prints: each variable that was read, with the value in force, secrets masked.
IN_FORCE: dict[str, str] = {}
SECRETS = {
    *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "METRICS_KEY", "OIDC_CLIENT_SECRET"),
    *("MAIL_WEBHOOK_SECRET", "SECURITY_API_KEYS", "PROVISIONING_LDAP_PASSWORD", "PROVISIONING_WEBHOOK_SECRET"),
    "PROVISIONING_SCIM_TOKEN",
}
MASK = "********"
SHORTEST_SECRET_KEY = 50
SHORTEST_METRICS_KEY = 32
#: Threads of each web process, unless WEB_THREADS says otherwise.
WEB_THREADS = 64
SECURITY_KEY = re.compile(r"[a-z0-9-]{1,40}:[0-9a-f]{64}")
WEBHOOK_SECRET = re.compile(r"[^\s:]+:[^\s:]{24,}")
BIND_ADDRESS = re.compile(r"(\[[0-9a-f:]+\]|[\w.-]*):\d{1,5}|unix:/\S+")


def refused(name: str, expected: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name} must be {expected}.")


def require(*names: str) -> None:
    """Raise ImproperlyConfigured naming at once every variable that is missing or empty."""
    missing = [name for name in names if not text(name)]
    if missing:
        raise ImproperlyConfigured(f"Set in the environment: {', '.join(missing)} (docs/configuration.md says how).")


def text(name: str, default: str = "") -> str:
    """One line without surrounding spaces; the default when it is missing or empty."""
    value = read_variable(name).strip() or default
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise refused(name, "one line without control characters")
    IN_FORCE[name] = masked(name, value)
    return value


def masked(name: str, value: str) -> str:
    """Without a secret, the password of a URL, or what a mail provider's URL holds."""
    if name in SECRETS:
        return MASK if value else ""
    value = re.sub(r"(://[^:/@]*):.*@", rf"\1:{MASK}@", value)
    return re.sub(r"(?<=[?&])((?:\w*password|\w*token|\w*secret\w*|\w*key\w*)=)[^&]*", rf"\1{MASK}", value)


def read_variable(name: str) -> str:
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return os.environ.get(name, "")
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise refused(f"{name}_FILE", "the path of a readable text file") from error


def listed(name: str) -> list[str]:
    return [part.strip() for part in text(name).split(",") if part.strip()]


def boolean(name: str, *, default: bool) -> bool:
    return choice(name, ("true", "false"), default=str(default).lower()) == "true"


def choice(name: str, choices: Sequence[str], *, default: str) -> str:
    value = text(name, default)
    if value not in choices:
        raise refused(name, f"one of {', '.join(choices)}")
    return value


def number(name: str, *, default: int, least: int = 1, most: int = 36_500) -> int:
    """A whole number; by default of days, up to a century."""
    digits = text(name, str(default))
    if not re.fullmatch(r"[0-9]{1,9}", digits) or not least <= int(digits) <= most:
        raise refused(name, f"a whole number from {least} to {most}")
    return int(digits)


def day(name: str) -> date | None:
    value = text(name)
    try:
        return date.fromisoformat(value) if value else None
    except ValueError as error:
        raise refused(name, "a day, such as 2026-11-30") from error


def attribute(name: str) -> str:
    """The name of an attribute at a sign-in provider."""
    value = text(name)
    if not re.fullmatch(r"[\w.:-]*", value):
        raise refused(name, "the name of an attribute, without spaces")
    return value


def bind_address(name: str, default: str) -> str:
    value = text(name, default)
    if not BIND_ADDRESS.fullmatch(value):
        raise refused(name, "an address and a port, such as 127.0.0.1:8000, or unix:/path")
    return value


def secret_key(name: str) -> str:
    return checked_secret_key(name, text(name))


def secret_keys(name: str) -> list[str]:
    return [checked_secret_key(name, key) for key in listed(name)]


def checked_secret_key(name: str, secret_key: str) -> str:
    if len(secret_key) < SHORTEST_SECRET_KEY or secret_key.startswith("django-insecure"):
        raise ImproperlyConfigured(
            f"{name} must have at least {SHORTEST_SECRET_KEY} random characters. Make one with: "
            "python -c 'import secrets; print(secrets.token_urlsafe(64))'"
        )
    return secret_key


def metrics_key(name: str) -> str:
    """Empty closes the page."""
    key = text(name)
    if key and len(key) < SHORTEST_METRICS_KEY:
        raise refused(name, f"at least {SHORTEST_METRICS_KEY} random characters, or left out to close the page")
    return key


def webhook_secrets(name: str) -> list[str]:
    secrets = listed(name)
    if not all(map(WEBHOOK_SECRET.fullmatch, secrets)):
        raise refused(name, "user:password, where the password has at least 24 random characters and no colon")
    return secrets


def security_keys(name: str) -> list[tuple[str, str]]:
    """Pairs of a system's name and the SHA-256 of its key; a name may have several, to rotate.

    The error does not quote the value: it may be a key that was put here by mistake.
    """
    pairs = listed(name)
    digests = {pair.partition(":")[2] for pair in pairs if SECURITY_KEY.fullmatch(pair)}
    if len(digests) < len(pairs):
        raise ImproperlyConfigured(
            f"{name} must list name:digest, where the name has up to 40 of a-z, 0-9 and -, and the digest is "
            "the SHA-256 of a key in 64 hexadecimal digits, no key twice (docs/operations.md says how to make one)."
        )
    return [(system, digest) for system, _, digest in (pair.partition(":") for pair in pairs)]


def portal_url(name: str, *, debug: bool) -> str:
    """Without its final slash; https unless DEBUG is on, since every mailed link starts with it."""
    url = text(name)
    if not is_web_address(url, debug=True) or urlsplit(url).query or urlsplit(url).fragment:
        raise refused(name, "the portal's address, for example https://compte.univ-exemple.fr")
    if not is_web_address(url, debug=debug):
        raise refused(name, "an address that starts with https:// (plain http is accepted with DEBUG=true only)")
    return url.rstrip("/")


def provider_url(name: str, *, debug: bool) -> str:
    """The URL of a sign-in provider, or ""; https unless DEBUG is on, since the portal trusts its answers."""
    url = text(name)
    if url and (not is_web_address(url, debug=debug) or urlsplit(url).query or urlsplit(url).fragment):
        raise refused(name, "the https:// address of the provider (plain http is accepted with DEBUG=true only)")
    return url


def web_address(name: str, default: str) -> str:
    """The address of another site of the university, which pages and mails link to; "" without a default."""
    url = text(name, default)
    if url and not is_web_address(url, debug=True):
        raise refused(name, "an address that starts with https:// or http://")
    return url


def is_web_address(url: str, *, debug: bool) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    schemes = ("https", "http") if debug else ("https",)
    return parts.scheme in schemes and bool(parts.hostname) and port != 0 and not re.search(r"[\s\"'<>\\]", url)


def hosts(name: str) -> list[str]:
    """Exact host names only: with a wildcard a client can choose the host."""
    hosts = listed(name)
    if not hosts or not all(re.fullmatch(r"[\w-]+(\.[\w-]+)*|\[[0-9a-f:]+\]", host) for host in hosts):
        raise refused(name, "a list of exact host names, without '*', a leading dot, a scheme or a port")
    return hosts


def networks(name: str) -> list[str]:
    """Separated by commas or, as Caddy has them, by spaces."""
    networks = text(name).replace(",", " ").split()
    try:
        return [str(ip_network(network, strict=False)) for network in networks]
    except ValueError as error:
        raise refused(name, "a list of IP addresses or networks, such as 10.0.0.1 or 10.0.0.0/8") from error


def domains(name: str) -> list[str]:
    """Domain names as lower-case punycode, the form in which addresses are compared; subdomains are included.

    Refuses "*", "@", a leading dot or a URL, which would match nothing without a warning.
    """
    try:
        return [idna.encode(domain.removesuffix("."), uts46=True, std3_rules=True).decode() for domain in listed(name)]
    except idna.IDNAError as error:
        raise refused(name, f"a list of domain names such as exemple.org ({error})") from error


def mail_address(name: str, default: str) -> str:
    address = text(name, default)
    if not is_mailbox(address) or " " in address or "<" in address:
        raise refused(name, "an e-mail address, such as nom@univ-exemple.fr")
    return address


def sender(name: str, *, display_name: str, address: str) -> str:
    """A From header of one mailbox; the display name is quoted where it has to be."""
    sender = text(name) or str(Address(display_name=display_name, addr_spec=address))
    if not is_mailbox(sender):
        raise refused(
            name, 'an e-mail address with or without a name, such as "DSIN, Exemple" <compte@univ-exemple.fr>'
        )
    return sender


def is_mailbox(value: str) -> bool:
    """Whether a From header may be this, with one address whose domain has a dot."""
    try:
        header = email_policy.header_factory("From", value)
        [mailbox] = header.addresses
    except ValueError:
        return False
    return not header.defects and "." in mailbox.domain and bool(mailbox.username)
