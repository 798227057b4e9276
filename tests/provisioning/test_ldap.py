"""Accounts at a real LDAP server, through real life: what their entries say, and whom the passwords let in."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, Lock
from accounts.passwords.services import change_password, set_password
from directory.services import change_directory_consent
from journal.events import Event
from mailrouting.models import Redirection
from mailrouting.services import stop_redirection
from privacy.erasure import erase_person
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.hr_feed.hr_files import imported, row
from tests.provisioning.writing import replica_of, write

pytestmark = [pytest.mark.django_db, pytest.mark.processes, pytest.mark.xdist_group("ldap")]

ANOTHER_PASSWORD = "girafe-tambour-lune-verte"
LOCKED = {"{COMPTE}S:SupannVerrouille", "{MAIL}A:SupannActif"}
YESTERDAY = timezone.localdate() - timedelta(days=1)


def person_in(ldap, **facts) -> Account:
    """An active account with its entry, `zdurand`."""
    person = active_account(**{"uid": "zdurand", "institutional_address": "zoe@univ-exemple.fr", **facts})
    write()
    assert ldap.accepts("zdurand", A_GOOD_PASSWORD)
    return person


def states(ldap) -> set[str]:
    return set(ldap.entry("zdurand")["supannRessourceEtat"])


class TestEntries:
    def test_an_active_account_has_its_entry_and_the_password_opens_it(self, ldap):
        person = person_in(ldap, family_name="Weiß-Ünal", given_name="Zoé", hr_id="HR7")

        entry = ldap.entry("zdurand")

        assert entry.pop("userPassword")[0].startswith("{ARGON2}$argon2id$")
        assert entry == {
            "objectClass": ["inetOrgPerson", "eduPerson", "supannPerson"],
            "uid": ["zdurand"],
            "cn": ["Weiss-Unal Zoe"],
            "sn": ["Weiß-Ünal"],
            "givenName": ["Zoé"],
            "displayName": ["Zoé Weiß-Ünal"],
            "mail": ["zoe@univ-exemple.fr"],
            "supannAliasLogin": ["zoe@univ-exemple.fr"],
            "eduPersonPrincipalName": ["zdurand@univ-exemple.fr"],
            "eduPersonAffiliation": ["employee", "member"],
            "eduPersonPrimaryAffiliation": ["employee"],
            "supannEmpId": ["HR7"],
            "supannListeRouge": ["TRUE"],
            "supannRessourceEtat": ["{COMPTE}A:SupannActif", "{MAIL}A:SupannActif"],
            "supannRefId": [f"{{PORTAIL}}{person.pk}"],
        }
        replica = replica_of(person)
        assert (replica.status, replica.state, replica.applied) == ("done", "active", replica.wanted)

    def test_a_pending_account_has_none(self, ldap):
        pending_account(uid="zdurand")
        write()
        assert ldap.entry("zdurand") == {}

    def test_hosted_people_are_affiliates_without_a_mailbox(self, ldap):
        person_in(ldap, category=Category.HOSTED, hr_id="CNRS1")
        entry = ldap.entry("zdurand")
        assert (entry["eduPersonAffiliation"], states(ldap)) == (["affiliate"], {"{COMPTE}A:SupannActif"})
        assert not entry.keys() & {"supannEmpId", "supannEtuId", "mailForwardingAddress"}

    def test_where_another_system_makes_entries_an_absent_one_waits(self, ldap, settings):
        settings.PROVISIONING_LDAP_CREATE = False
        person = active_account(uid="zdurand")
        write()
        assert ldap.entry("zdurand") == {}
        assert (replica_of(person).status, replica_of(person).attempts) == ("waiting", 1)


class TestRealLife:
    def test_a_new_password_replaces_the_old_one(self, ldap):
        person = person_in(ldap)
        change_password(account=person, password=ANOTHER_PASSWORD)
        write()
        assert ldap.accepts("zdurand", ANOTHER_PASSWORD)
        assert not ldap.accepts("zdurand", A_GOOD_PASSWORD)

    def test_a_lock_closes_the_entry_and_leaves_the_mailbox_and_the_release_opens_nothing(self, ldap):
        person = person_in(ldap)

        lock_account(account=person, reason=LockReason.PHISHING)
        write()
        assert (states(ldap), "userPassword" in ldap.entry("zdurand")) == (LOCKED, False)

        person.set_unusable_password()
        person.save()
        Lock.objects.update(
            released_at=timezone.now(), released_reason="other", proof="in-person", report="Vue à l’accueil."
        )
        write()
        assert states(ldap) == {"{COMPTE}S:SupannVerrouTechnique", "{MAIL}A:SupannActif"}
        assert "userPassword" not in ldap.entry("zdurand")

        set_password(account=person, password=ANOTHER_PASSWORD, event=Event.USER_REACTIVATED)
        write()
        assert states(ldap) == {"{COMPTE}A:SupannActif", "{MAIL}A:SupannActif"}
        assert ldap.accepts("zdurand", ANOTHER_PASSWORD)
        assert not ldap.accepts("zdurand", A_GOOD_PASSWORD)

    def test_forwarding_follows_what_is_in_force(self, ldap, settings):
        person = person_in(ldap)
        Redirection.objects.update(target="ailleurs@exemple.org", keep_copy=True)
        write()
        assert "mailForwardingAddress" not in ldap.entry("zdurand"), "not verified yet"

        Redirection.objects.update(verified_at=timezone.now())
        write()
        assert ldap.entry("zdurand")["mailForwardingAddress"] == ["ailleurs@exemple.org", person.login]

        Redirection.objects.update(keep_copy=False)
        write()
        assert ldap.entry("zdurand")["mailForwardingAddress"] == ["ailleurs@exemple.org"]

        stop_redirection(account=person)
        write()
        assert "mailForwardingAddress" not in ldap.entry("zdurand")

    def test_the_directory_choice_is_the_red_list(self, ldap):
        person = person_in(ldap)
        for listed, red in ((True, "FALSE"), (False, "TRUE")):
            change_directory_consent(account=person, listed=listed, wording="?")
            write()
            assert ldap.entry("zdurand")["supannListeRouge"] == [red]

    def test_an_hr_file_changes_names_and_closes_and_erasure_removes(self, ldap):
        person_in(ldap, hr_id="HR1", category=Category.STAFF)
        known = row(family_name="Martin", given_name="Zoé")

        imported(known)
        write()
        assert ldap.entry("zdurand")["displayName"] == ["Zoé Martin"]

        imported({**known, "end_date": YESTERDAY.isoformat()})
        write()
        assert states(ldap) == {"{COMPTE}I:SupannExpire", "{MAIL}I:SupannExpire"}
        assert not ldap.accepts("zdurand", A_GOOD_PASSWORD)

        erase_person(account=Account.objects.get(hr_id="HR1"))
        write()
        assert ldap.entry("zdurand") == {}

    def test_erasure_may_leave_an_empty_entry(self, ldap, settings):
        settings.PROVISIONING_LDAP_ON_ERASE = "empty"
        person = person_in(ldap)
        erase_person(account=person)
        write()
        assert ldap.entry("zdurand") == {
            "objectClass": ["inetOrgPerson", "eduPerson", "supannPerson"],
            "uid": ["zdurand"],
            "cn": ["zdurand"],
            "sn": ["zdurand"],
            "supannRessourceEtat": ["{COMPTE}I:SupannSupprCompte"],
            "supannRefId": [f"{{PORTAIL}}{person.pk}"],
        }
