"""Readers of the services to which accounts are carried (docs/provisioning.md)."""

import base64
import binascii
import re
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from config import env
from config.env import refused
from provisioning.mapping import SUPANN, InvalidMapping, Mapping, load_mapping

LDAP_SCHEMES = ("ldaps", "ldap+tls", "ldap")
LDAP_NEEDS = ("PROVISIONING_LDAP_BIND_DN", "PROVISIONING_LDAP_PASSWORD", "PROVISIONING_LDAP_BASE")
DN = re.compile(r"[\w-]+=[^,=]+(,[\w-]+=[^,=]+)*")
DOTTED_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
#: RFC 6750.
BEARER_TOKEN = re.compile(r"[\w.~+/-]+=*", re.ASCII)
#: In bytes, as Standard Webhooks ask for.
WEBHOOK_SECRET_LENGTHS = range(24, 65)


CONNECTORS = {
    "ldap": "provisioning.connectors.ldap.LdapConnector",
    "webhook": "provisioning.connectors.webhook.WebhookConnector",
    "scim": "provisioning.connectors.scim.ScimConnector",
}


def connectors(*, own: str, **urls: str) -> list[str]:
    """Dotted paths of the connectors whose service has a URL, and of the university's own one."""
    return [*(CONNECTORS[name] for name, url in urls.items() if url), *([own] if own else [])]


def ldap_url(name: str, *, parallelism: int) -> str:
    """Empty when accounts are not written to a directory. Without encryption only on this machine.

    `parallelism` is that of the hashes of passwords: OpenLDAP checks none but those of 1.
    """
    url = env.text(name)
    expected = "ldaps://host or ldap+tls://host (ldap:// to this machine only)"
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in LDAP_SCHEMES and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        raise refused(name, expected) from None
    is_bare = parts.path in ("", "/") and not parts.query and not parts.fragment
    if not is_valid or not is_bare or (parts.scheme == "ldap" and not is_loopback(parts.hostname or "")):
        raise refused(name, expected)
    env.require(*LDAP_NEEDS)
    if parallelism != 1:
        raise refused("ARGON2_PARALLELISM", "1 with PROVISIONING_LDAP_URL: OpenLDAP checks no other hash")
    return url.rstrip("/")


def distinguished_name(name: str) -> str:
    value = env.text(name)
    if value and not DN.fullmatch(value):
        raise refused(name, "a distinguished name, such as ou=people,dc=univ-exemple,dc=fr")
    return value


def readable_file(name: str) -> str:
    path = env.text(name)
    if path and not Path(path).is_file():
        raise refused(name, "the path of a file")
    return path


def ldap_mapping(name: str) -> Mapping:
    try:
        return load_mapping(Path(env.text(name) or SUPANN))
    except InvalidMapping as error:
        raise refused(name, f"the path of a mapping: {error}") from error


def service_url(name: str, needs: str) -> str:
    """https, or plain http on this machine; `needs` names the variable of its secret."""
    url = env.text(name)
    if not url:
        return ""
    is_local = is_loopback(urlsplit(url).hostname or "") if env.is_web_address(url, debug=True) else False
    if not env.is_web_address(url, debug=is_local) or urlsplit(url).fragment:
        raise refused(name, "an address that starts with https:// (plain http to this machine only)")
    env.require(needs)
    return url


def scim_url(name: str, needs: str) -> str:
    """Where /Users is, without a slash at the end."""
    url = service_url(name, needs)
    if urlsplit(url).query:
        raise refused(name, "an address without a query, such as https://scim.univ-exemple.fr/v2")
    return url.rstrip("/")


def bearer_token(name: str) -> str:
    token = env.text(name)
    if token and not BEARER_TOKEN.fullmatch(token):
        raise refused(name, "a bearer token: letters, digits and - . _ ~ + / with = at the end")
    return token


def webhook_secret(name: str) -> str:
    secret = env.text(name)
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if secret and not (secret.startswith("whsec_") and len(key) in WEBHOOK_SECRET_LENGTHS):
        raise refused(name, "whsec_ and 24 to 64 random bytes in base64")
    return secret


def connector_path(name: str) -> str:
    path = env.text(name)
    if path and not DOTTED_PATH.fullmatch(path):
        raise refused(name, "the dotted path of a class, such as university.zimbra.ZimbraConnector")
    return path


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
