"""`manage.py provision`: what differs is named, by attribute and never by value; what is wrong is said before it hurts."""

import csv

import pytest
from django.core.management import CommandError, call_command

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from devtools.ldap.slapd import PEOPLE
from privacy.erasure import erase_person
from provisioning.models import Replica, Target
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.provisioning.writing import write

pytestmark = [pytest.mark.django_db, pytest.mark.processes, pytest.mark.xdist_group("ldap")]


@pytest.fixture
def person(ldap):
    person = active_account(uid="zdurand")
    write()
    return person


def provision(capsys, *arguments: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    capsys.readouterr()
    try:
        call_command("provision", *arguments)
    except CommandError as error:
        return error.returncode, capsys.readouterr().out + str(error)
    return 0, capsys.readouterr().out


def by_hand(ldap, **attributes: list[str]) -> None:
    with ldap.session() as admin:
        admin.modify(f"uid=zdurand,{PEOPLE}", {name: [("MODIFY_REPLACE", one)] for name, one in attributes.items()})


class TestCheck:
    def test_all_is_right_also_with_pending_people_and_other_entries(self, ldap, person, capsys):
        pending_account(uid="plater")
        with ldap.session() as admin:
            admin.add(f"uid=autre,{PEOPLE}", "inetOrgPerson", {"cn": "A", "sn": "A"})
        assert provision(capsys, "--check") == (0, "")

    def test_what_was_edited_by_hand_is_named_and_repaired(self, ldap, person, capsys, tmp_path):
        by_hand(ldap, displayName=["Mallory"], userPassword=["autre"], telephoneNumber=["1"])

        code, printed = provision(capsys, "--check", "--report", str(tmp_path / "report.csv"))
        assert (code, "ldap: zdurand: displayName, userPassword" in printed) == (1, True)
        assert "Mallory" not in printed
        rows = list(csv.reader((tmp_path / "report.csv").read_text().splitlines()))
        assert rows[1] == ["ldap", "zdurand", "displayName userPassword"]
        assert ldap.entry("zdurand")["displayName"] == ["Mallory"], "nothing changes without --repair"

        assert provision(capsys, "--check", "--repair")[0] == 0
        assert provision(capsys, "--check")[0] == 0
        assert ldap.accepts("zdurand", A_GOOD_PASSWORD)
        assert ldap.entry("zdurand")["telephoneNumber"] == ["1"]

    def test_an_entry_that_was_deleted_a_password_that_came_back_and_an_orphan(self, ldap, person, capsys):
        with ldap.session() as admin:
            admin.delete(f"uid=zdurand,{PEOPLE}")
            orphan = {"cn": "A", "sn": "A", "supannRefId": "{PORTAIL}0"}
            admin.add(f"uid=orphelin,{PEOPLE}", ["inetOrgPerson", "supannPerson"], orphan)
        code, printed = provision(capsys, "--check")
        assert (code, "zdurand: no entry" in printed, "orphelin: an entry without an account" in printed) == (1, 1, 1)

        assert provision(capsys, "--check", "--repair")[0] == 1, "an orphan is reported, never deleted"
        assert ldap.entry("orphelin")

        lock_account(account=person, reason=LockReason.PHISHING)
        write()
        by_hand(ldap, userPassword=["autre"])
        assert "zdurand: userPassword" in provision(capsys, "--check")[1]

    def test_a_row_that_is_refused_is_named(self, ldap, person, capsys):
        Replica.objects.update(status="refused", answer="21")
        assert provision(capsys, "--check") == (1, "ldap: zdurand: refused 21\n1 differ.")

    def test_not_to_be_able_to_look_has_a_code_of_its_own(self, ldap, person, capsys, settings):
        settings.PROVISIONING_LDAP_PASSWORD = "wrong"
        assert provision(capsys, "--check")[0] == 2


class TestWriting:
    def test_an_account_is_written_again_by_login(self, ldap, person, capsys):
        by_hand(ldap, displayName=["Mallory"])
        code, printed = provision(capsys, "--account", person.login, "--dry-run")
        assert (code, printed) == (0, "ldap: zdurand: displayName\n")
        assert provision(capsys, "--account", person.login)[0] == 0
        assert ldap.entry("zdurand")["displayName"] == [person.full_name]

    def test_all_writes_what_was_never_carried(self, ldap, person, capsys):
        by_hand(ldap, displayName=["Mallory"])
        Target.objects.all().delete()
        assert provision(capsys, "--all") == (0, "ldap: 0 left to write.\n")
        assert ldap.entry("zdurand")["displayName"] == [person.full_name]

    def test_mistakes_have_a_sentence(self, ldap, capsys, settings):
        assert provision(capsys, "--account", "inconnu")[1] == "No account is called inconnu."
        assert provision(capsys, "--repair")[1] == "--repair and --report go with --check."
        settings.PROVISIONING_CONNECTORS = []
        assert provision(capsys)[1] == "No service is linked (docs/provisioning.md)."


def test_probe_passes_where_all_is_right_and_names_what_is_not(ldap, person, capsys, settings):
    code, printed = provision(capsys, "--probe")
    assert (code, "WRONG" in printed) == (0, False)
    assert "cannot read passwords" in printed

    settings.PROVISIONING_LDAP_BIND_DN = "cn=admin,dc=univ-exemple,dc=fr"
    settings.PROVISIONING_LDAP_PASSWORD = ldap.password
    code, printed = provision(capsys, "--probe")
    assert code == 1
    assert "WRONG   The portal's account cannot read passwords." in printed


@pytest.mark.parametrize(("name", "value"), [("pwdCheckQuality", "2"), ("pwdSafeModify", "TRUE")])
def test_probe_names_a_policy_that_refuses_hashes(ldap, capsys, name, value):
    policy = "cn=default,ou=services,dc=univ-exemple,dc=fr"
    with ldap.session() as admin:
        assert admin.modify(policy, {name: [("MODIFY_REPLACE", [value])]}), admin.result
        code, printed = provision(capsys, "--probe")
        admin.modify(policy, {name: [("MODIFY_REPLACE", [])]})
    assert (code, "WRONG   The password policy takes hashes" in printed) == (1, True)


def test_entries_that_an_agent_has_to_look_at_are_named(ldap, person, capsys):
    _other, gone = active_account(uid="autre"), active_account(uid="parti")
    write()
    by_hand(ldap, supannRefId=["{PORTAIL}0"], supannEmpId=[])
    with ldap.session() as admin:
        suspended = {"supannRessourceEtat": [("MODIFY_REPLACE", ["{COMPTE}S:SupannVerrouille"])]}
        admin.modify(f"uid=autre,{PEOPLE}", suspended)
    erase_person(account=gone)
    Replica.objects.filter(account=gone).update(status="done")

    printed = provision(capsys, "--check")[1]

    assert "zdurand: an entry of another origin" in printed
    assert "autre: is suspended in the directory, and not by the portal" in printed
    assert "parti: an entry, though erased" in printed
