"""Entries that the portal did not make, and what the server refuses."""

import pytest

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Lock
from devtools.ldap.slapd import PEOPLE
from provisioning.connectors.ldap import LdapConnector
from provisioning.models import Replica
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.provisioning.writing import replica_of, write

pytestmark = [pytest.mark.django_db, pytest.mark.processes, pytest.mark.xdist_group("ldap")]

DN = f"uid=zdurand,{PEOPLE}"


def made_elsewhere(ldap, **attributes: str | list[str]) -> dict[str, list[str]]:
    """An entry `zdurand` of another system."""
    with ldap.session() as admin:
        classes = ["inetOrgPerson", "eduPerson", "supannPerson"]
        admin.add(DN, classes, {"cn": "Zoé", "sn": "Durand", **attributes})
    return ldap.entry("zdurand")


class TestAdoption:
    def test_an_entry_with_the_same_hr_key_is_adopted_and_keeps_what_is_not_mapped(self, ldap):
        made_elsewhere(
            ldap,
            supannEmpId="HR7",
            telephoneNumber="+33 4 67 00 00 00",
            supannRefId=["{APOGEE}99"],
            supannRessourceEtat=["{WIFI}A:SupannActif", "{COMPTE}A:SupannAnticipe"],
        )

        person = active_account(uid="zdurand", hr_id="HR7")
        write()

        entry = ldap.entry("zdurand")
        assert entry["telephoneNumber"] == ["+33 4 67 00 00 00"]
        assert set(entry["supannRefId"]) == {"{APOGEE}99", f"{{PORTAIL}}{person.pk}"}
        own = {"{COMPTE}A:SupannActif", "{MAIL}A:SupannActif"}
        assert set(entry["supannRessourceEtat"]) == {"{WIFI}A:SupannActif", *own}
        assert ldap.accepts("zdurand", A_GOOD_PASSWORD)

    @pytest.mark.parametrize(
        "attributes",
        [
            {"mail": "une.autre@univ-exemple.fr", "supannEmpId": "HR8"},
            {},
            {"supannRefId": ["{PORTAIL}999999"], "supannEmpId": "HR7"},
        ],
        ids=["another person", "nothing in common", "of another account"],
    )
    def test_an_entry_of_another_person_is_left_alone_and_an_agent_decides(self, ldap, attributes):
        before = made_elsewhere(ldap, **attributes)
        person = active_account(uid="zdurand", hr_id="HR7")

        write()

        assert ldap.entry("zdurand") == before
        assert (replica_of(person).status, replica_of(person).state) == ("conflict", "")

    def test_a_suspension_that_the_portal_does_not_know_is_not_lifted_before_an_agent_says_so(self, ldap):
        """After a restored backup, locks made since stand in the directory only."""
        person = active_account(uid="zdurand")
        write()
        lock_account(account=person, reason=LockReason.PHISHING)
        write()
        # What an older dump holds.
        Replica.objects.update(state="active")
        Lock.objects.all().delete()

        write()

        assert replica_of(person).status == "conflict"
        assert not ldap.accepts("zdurand", A_GOOD_PASSWORD)

        Replica.objects.update(status="waiting", is_confirmed=True)
        write()
        assert ldap.accepts("zdurand", A_GOOD_PASSWORD)


class TestRefusals:
    def test_what_the_schema_refuses_holds_up_no_other_and_is_tried_again_when_it_is_corrected(self, ldap):
        refused = active_account(uid="zdurand", institutional_address="zoé@univ-exemple.fr")
        other = active_account(uid="autre")

        write()

        assert replica_of(other).status == "done"
        row = replica_of(refused)
        assert (row.status, row.answer) == ("refused", "21 invalidAttributeSyntax: mail: value #0 invalid per syntax")
        assert "zdurand" not in ldap.entry("zdurand").get("uid", [])

        refused.institutional_address = "zoe@univ-exemple.fr"
        refused.save()
        write()
        assert replica_of(refused).status == "done"

    def test_no_hash_stands_in_a_row_or_an_answer(self, ldap, caplog):
        person = active_account(uid="zdurand", institutional_address="zoé@univ-exemple.fr")
        write()
        written = repr(Replica.objects.values().get()) + caplog.text
        assert person.password.partition("$")[2] not in written
        assert "ARGON2" not in written


class TestAStoppedWorker:
    def test_it_cannot_undo_a_lock_with_what_it_has_read_before(self, ldap, monkeypatch):
        """The lease has passed to another worker, which has locked the account; then the first one wakes."""
        person = active_account(uid="zdurand")
        write()
        person.refresh_from_db()
        person.set_password("girafe-tambour-lune-verte")
        person.save()
        writes = LdapConnector.write

        def stopped(connector, wanted, seen):
            monkeypatch.setattr(LdapConnector, "write", writes)
            lock_account(account=person, reason=LockReason.PHISHING)
            Replica.objects.get().target.__class__.objects.update(lease=None, leased_until=None)
            write()
            return writes(connector, wanted, seen)

        monkeypatch.setattr(LdapConnector, "write", stopped)
        write()

        assert "userPassword" not in ldap.entry("zdurand")
        assert "{COMPTE}S:SupannVerrouille" in ldap.entry("zdurand")["supannRessourceEtat"]

    def test_one_that_was_killed_before_it_noted_its_write_costs_a_repetition(self, ldap, monkeypatch):
        person = active_account(uid="zdurand")

        def killed(written):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("provisioning.apply.note_written", killed)
            with pytest.raises(KeyboardInterrupt):
                write()
        before = ldap.entry("zdurand")
        assert (before["uid"], replica_of(person).status) == (["zdurand"], "waiting")

        write()

        assert (ldap.entry("zdurand"), replica_of(person).status) == (before, "done")
