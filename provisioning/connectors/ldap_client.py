"""The LDAP client: the only module that imports ldap3, whose last release is old."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import ldap3
from django.conf import settings
from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import compile_filter, parse_filter
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn
from pyasn1.codec.ber.encoder import encode

from provisioning.connector import TargetDown

PORTS = {"ldaps": 636, "ldap+tls": 389, "ldap": 389}
#: Seconds, for the connection and for each answer.
TIMEOUT = 5
PAGE = 500
#: RFC 4528: the write happens only while the filter matches the entry.
ASSERTION = "1.3.6.1.1.12"
#: Changes with each write (OpenLDAP and other servers of that family).
CHANGE_NUMBER = "entryCSN"
REPLACE, ADD = ldap3.MODIFY_REPLACE, ldap3.MODIFY_ADD
Changes = dict[str, list[tuple[str, list[str]]]]


@dataclass(frozen=True, slots=True)
class Entry:
    """Attributes have the names that were asked for."""

    dn: str
    attributes: dict[str, list[str]]
    change_number: str

    def values(self, name: str) -> list[str]:
        return self.attributes.get(name, [])


@dataclass(frozen=True, slots=True)
class Reply:
    code: int
    description: str
    message: str


class LdapClient:
    """One connection. Every method raises TargetDown when the server cannot be reached or does not answer."""

    def __init__(self) -> None:
        url = urlsplit(settings.PROVISIONING_LDAP_URL)
        self._starts_tls = url.scheme == "ldap+tls"
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=settings.PROVISIONING_LDAP_CA_FILE or None)
        server = ldap3.Server(
            url.hostname,
            port=url.port or PORTS[url.scheme],
            use_ssl=url.scheme == "ldaps",
            tls=tls if url.scheme != "ldap" else None,
            get_info=ldap3.NONE,
            connect_timeout=TIMEOUT,
        )
        self.base: str = settings.PROVISIONING_LDAP_BASE
        self._connection = ldap3.Connection(
            server,
            user=settings.PROVISIONING_LDAP_BIND_DN,
            password=settings.PROVISIONING_LDAP_PASSWORD,
            receive_timeout=TIMEOUT,
            auto_referrals=False,
            check_names=False,
        )

    def open(self) -> None:
        """Connect, verify the certificate, then send the password."""
        try:
            with failures_as_target_down():
                self._connection.open()
                if self._starts_tls and not self._connection.start_tls():
                    raise TargetDown(f"StartTLS: {self.reply().description}")
                if not self._connection.bind():
                    raise TargetDown(f"{self.reply().code} {self.reply().description}, of the portal's own account")
        except TargetDown:
            self.close()
            raise

    def close(self) -> None:
        with suppress(LDAPException, OSError):
            self._connection.unbind()
        # After a failure ldap3 leaves it open.
        if self._connection.socket:
            self._connection.socket.close()

    def reply(self) -> Reply:
        result = self._connection.result
        return Reply(result["result"], result["description"], result.get("message") or "")

    def dn(self, uid: str) -> str:
        return f"uid={escape_rdn(uid)},{self.base}"

    def search(self, uids: Sequence[str], attributes: Sequence[str]) -> dict[str, Entry]:
        """Entries by uid."""
        wanted = "".join(f"(uid={escape_filter_chars(uid)})" for uid in uids)
        with failures_as_target_down():
            self._connection.search(self.base, f"(|{wanted})", ldap3.LEVEL, attributes=self._asked(attributes))
            if self.reply().code != 0:
                raise TargetDown(f"{self.reply().code} {self.reply().description}, when reading {self.base}")
            return dict(_entry(found, attributes) for found in self._connection.response if _is_entry(found))

    def walk(self, attributes: Sequence[str]) -> Iterator[dict[str, Entry]]:
        """All entries, in pages."""
        cookie: bytes | None = None
        while cookie != b"":
            with failures_as_target_down():
                self._connection.search(
                    *(self.base, "(uid=*)", ldap3.LEVEL),
                    attributes=self._asked(attributes),
                    paged_size=PAGE,
                    paged_cookie=cookie,
                )
                if self.reply().code != 0:
                    raise TargetDown(f"{self.reply().code} {self.reply().description}, when reading {self.base}")
                page = dict(_entry(found, attributes) for found in self._connection.response if _is_entry(found))
                controls = self._connection.result.get("controls") or {}
                cookie = controls.get("1.2.840.113556.1.4.319", {}).get("value", {}).get("cookie") or b""
            yield page

    def add(self, uid: str, attributes: Mapping[str, list[str]]) -> Reply:
        with failures_as_target_down():
            self._connection.add(self.dn(uid), attributes=dict(attributes))
        return self.reply()

    def modify(self, entry: Entry, changes: Changes) -> Reply:
        with failures_as_target_down():
            self._connection.modify(entry.dn, changes, controls=_unless_changed(entry))
        return self.reply()

    def delete(self, entry: Entry) -> Reply:
        with failures_as_target_down():
            self._connection.delete(entry.dn, controls=_unless_changed(entry))
        return self.reply()

    def compare(self, entry: Entry, attribute: str, value: str) -> Reply:
        with failures_as_target_down():
            self._connection.compare(entry.dn, attribute, value)
        return self.reply()

    def root(self, *attributes: str) -> dict[str, list[str]]:
        """Attributes of the server itself."""
        with failures_as_target_down():
            self._connection.search("", "(objectClass=*)", ldap3.BASE, attributes=list(attributes))
            found = self._connection.response
        return _entry(found[0], attributes)[1].attributes if found else {}

    def subschema(self, dn: str) -> set[str]:
        """Names of the classes and attributes that the server knows, in lower case."""
        with failures_as_target_down():
            self._connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=["objectClasses", "attributeTypes"])
            found = self._connection.response
        definitions = [text for values in found[0]["attributes"].values() for text in values] if found else []
        return {name.lower() for text in definitions for name in _names(text)}

    def policies(self, context: str) -> list[dict[str, list[str]]]:
        """Password policies that the portal's account may read below `context`."""
        names = ["pwdCheckQuality", "pwdSafeModify"]
        with failures_as_target_down():
            self._connection.search(context, "(objectClass=pwdPolicy)", ldap3.SUBTREE, attributes=names)
            found = [one for one in self._connection.response or [] if _is_entry(one)]
        return [_entry(one, names)[1].attributes for one in found]

    def _asked(self, attributes: Sequence[str]) -> list[str]:
        return [*attributes, "uid", CHANGE_NUMBER]


class failures_as_target_down:  # noqa: N801 - a context manager that reads as a sentence
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, LDAPException | OSError):
            # ldap3 quotes a whole certificate.
            raise TargetDown(f"{type(error).__name__}: {str(error).partition('{')[0]}"[:300]) from error


def _unless_changed(entry: Entry) -> list[tuple[str, bool, bytes]] | None:
    """The control that refuses the write (122) when the entry has changed since it was read."""
    if not entry.change_number:
        return None
    node = parse_filter(f"({CHANGE_NUMBER}={entry.change_number})", None, False, False, None, False)
    return [(ASSERTION, True, encode(compile_filter(node.elements[0])))]


def _is_entry(found: dict[str, object]) -> bool:
    return found["type"] == "searchResEntry"


def _entry(found: dict[str, object], attributes: Sequence[str]) -> tuple[str, Entry]:
    raw = found["raw_attributes"]
    assert isinstance(raw, Mapping)
    values = {name.lower(): [value.decode(errors="replace") for value in given] for name, given in raw.items()}
    named = {name: values.get(name.lower(), []) for name in attributes}
    uid, number = (values.get(name, [""]) for name in ("uid", CHANGE_NUMBER.lower()))
    return (uid or [""])[0], Entry(str(found["dn"]), named, (number or [""])[0])


def _names(definition: str) -> list[str]:
    """Of « ( 2.5.4.3 NAME ( 'cn' 'commonName' ) … »"""
    after = definition.partition("NAME")[2].lstrip(" (")
    return after.split(")")[0].split("DESC")[0].replace("'", " ").split() if "'" in after else []
