"""A real LDAP server, emptied of people before each test."""

from collections.abc import Iterator

import ldap3
import pytest

from devtools.ldap.slapd import BIND_DN, BIND_PASSWORD, LEFT_OUT, PEOPLE, Slapd, are_unpacked
from provisioning.targets import synchronise_targets


@pytest.fixture(scope="session")
def slapd() -> Iterator[Slapd]:
    if not are_unpacked():
        pytest.skip(LEFT_OUT)
    with Slapd() as server:
        yield server


@pytest.fixture
def ldap(slapd, settings, db) -> Slapd:
    """The portal is linked to the directory, over TLS."""
    settings.PROVISIONING_LDAP_URL = slapd.tls_url
    settings.PROVISIONING_LDAP_BIND_DN = BIND_DN
    settings.PROVISIONING_LDAP_PASSWORD = BIND_PASSWORD
    settings.PROVISIONING_LDAP_CA_FILE = str(slapd.ca_file)
    settings.PROVISIONING_LDAP_BASE = PEOPLE
    settings.PROVISIONING_CONNECTORS = ["provisioning.connectors.ldap.LdapConnector"]
    with slapd.session() as admin:
        admin.search(PEOPLE, "(objectClass=*)", ldap3.LEVEL)
        for found in admin.response:
            admin.delete(found["dn"])
    synchronise_targets()
    return slapd
