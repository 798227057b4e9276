"""Accounts at a real LDAP server."""

import pytest

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from provisioning.apply import write_due
from provisioning.connectors.ldap import LdapConnector
from provisioning.models import Replica
from tests.factories import A_GOOD_PASSWORD, active_account

pytestmark = [pytest.mark.django_db, pytest.mark.processes, pytest.mark.xdist_group("ldap")]


def write() -> None:
    write_due(target_name="ldap", connector=LdapConnector)


def test_an_active_account_has_its_entry_and_the_password_opens_it(ldap):
    person = active_account(
        family_name="Durand-Ünal",
        given_name="Zoé",
        hr_id="HR7",
        uid="zdurand",
        institutional_address="zoe@univ-exemple.fr",
    )

    write()

    entry = ldap.entry("zdurand")
    assert entry.pop("userPassword")[0].startswith("{ARGON2}$argon2id$")
    assert entry == {
        "objectClass": ["inetOrgPerson", "eduPerson", "supannPerson"],
        "uid": ["zdurand"],
        "cn": ["Durand-Unal Zoe"],
        "sn": ["Durand-Ünal"],
        "givenName": ["Zoé"],
        "displayName": ["Zoé Durand-Ünal"],
        "mail": [person.login],
        "supannAliasLogin": [person.login],
        "eduPersonPrincipalName": ["zdurand@univ-exemple.fr"],
        "eduPersonAffiliation": ["employee", "member"],
        "eduPersonPrimaryAffiliation": ["employee"],
        "supannEmpId": ["HR7"],
        "supannListeRouge": ["TRUE"],
        "supannRessourceEtat": ["{COMPTE}A:SupannActif", "{MAIL}A:SupannActif"],
        "supannRefId": [f"{{PORTAIL}}{person.pk}"],
    }
    assert ldap.accepts("zdurand", A_GOOD_PASSWORD)
    replica = Replica.objects.get()
    assert (replica.status, replica.state, replica.applied) == ("done", "active", replica.wanted)


def test_a_lock_closes_the_entry_and_mail_keeps_arriving(ldap):
    person = active_account(uid="zdurand", institutional_address="zoe@univ-exemple.fr")
    write()

    lock_account(account=person, reason=LockReason.PHISHING)
    write()

    entry = ldap.entry("zdurand")
    assert "userPassword" not in entry
    assert set(entry["supannRessourceEtat"]) == {"{COMPTE}S:SupannVerrouille", "{MAIL}A:SupannActif"}
    assert not ldap.accepts("zdurand", A_GOOD_PASSWORD)
