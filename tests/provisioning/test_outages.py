"""What is away comes back to what is right: outages, lost rights, a brake on mass withdrawals."""

import signal
import time
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
import trustme
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from devtools.ldap.slapd import PEOPLE
from provisioning.brake import release_held
from provisioning.connectors.ldap import LdapConnector
from provisioning.enums import Urgency
from provisioning.mapping import Value
from provisioning.models import Replica, Target
from provisioning.tasks import compare_all
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.provisioning.writing import replica_of, write

pytestmark = [pytest.mark.django_db, pytest.mark.processes, pytest.mark.xdist_group("ldap")]

YESTERDAY = timezone.localdate() - timedelta(days=1)


def target() -> Target:
    return Target.objects.get(name="ldap")


class TestOutages:
    def test_nothing_is_lost_no_attempt_counts_and_withdrawals_go_first(self, ldap, monkeypatch):
        locked = active_account(uid="locked")
        write()
        ldap.stop()
        try:
            newcomers = [active_account() for _ in range(3)]
            lock_account(account=locked, reason=LockReason.PHISHING)
            activated_then_locked = active_account(uid="both")
            lock_account(account=activated_then_locked, reason=LockReason.PHISHING)
            write()
            assert target().down_since
            assert target().paused_until > timezone.now()
            assert set(Replica.objects.values_list("attempts", flat=True)) == {0}
            write()  # in the pause
            assert target().failures == 1
        finally:
            ldap.start()
        order = []
        writes = LdapConnector.write
        monkeypatch.setattr(
            LdapConnector,
            "write",
            lambda connector, wanted, seen: order.append(wanted.facts.state) or writes(connector, wanted, seen),
        )

        with time_machine.travel(timezone.now() + timedelta(seconds=6)):
            write()

        assert order == ["locked", "locked", "active", "active", "active"]
        assert {replica_of(one).status for one in (locked, activated_then_locked, *newcomers)} == {"done"}
        assert "userPassword" not in ldap.entry("both")
        assert (target().down_since, target().failures) == (None, 0)

    def test_a_server_that_hangs_holds_a_worker_for_some_seconds_only(self, ldap, monkeypatch):
        monkeypatch.setattr("provisioning.connectors.ldap_client.TIMEOUT", 1)
        active_account()
        ldap.process.send_signal(signal.SIGSTOP)
        try:
            begun = time.monotonic()
            write()
            assert time.monotonic() - begun < 5
            assert target().down_since
        finally:
            ldap.process.send_signal(signal.SIGCONT)

    # ldap3 leaves the socket to the garbage collection.
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("setting", ["PROVISIONING_LDAP_CA_FILE", "PROVISIONING_LDAP_URL"])
    def test_a_certificate_of_another_authority_or_name_ends_it_before_the_password_is_sent(
        self, ldap, settings, tmp_path, monkeypatch, setting
    ):
        trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
        wrong = {
            "PROVISIONING_LDAP_CA_FILE": str(tmp_path / "ca.pem"),
            "PROVISIONING_LDAP_URL": f"ldaps://127.0.0.1:{ldap.tls_port}",
        }
        setattr(settings, setting, wrong[setting])
        monkeypatch.setattr("ldap3.Connection.bind", lambda self: pytest.fail("the password was sent"))
        active_account()
        write()
        assert "certificate" in target().answer.lower()

    def test_a_wrong_password_of_the_portal_is_an_outage(self, ldap, settings):
        settings.PROVISIONING_LDAP_PASSWORD = "wrong"
        person = active_account()
        write()
        assert target().answer.startswith("49 invalidCredentials")
        assert replica_of(person).attempts == 0

    def test_start_tls_works_too(self, ldap, settings):
        settings.PROVISIONING_LDAP_URL = ldap.start_tls_url
        active_account(uid="zdurand")
        write()
        assert ldap.accepts("zdurand", A_GOOD_PASSWORD)

    def test_one_worker_at_a_time_writes_to_a_target_until_its_lease_ends(self, ldap):
        person = active_account()
        Target.objects.update(leased_until=timezone.now() + timedelta(seconds=30))
        write()
        assert replica_of(person).status == "waiting"
        Target.objects.update(leased_until=timezone.now())
        write()
        assert replica_of(person).status == "done"


class TestBrake:
    @pytest.fixture
    def people(self, ldap) -> list[Account]:
        people = [active_account() for _ in range(22)]
        write()
        return people

    def test_many_closings_are_held_until_an_agent_confirms_and_others_go_on(self, ldap, people):
        Account.objects.filter(pk__in=[one.pk for one in people[:21]]).update(end_date=YESTERDAY)
        lock_account(account=people[21], reason=LockReason.PHISHING)
        write()
        assert Replica.objects.filter(status="held").count() == 21
        assert ldap.accepts(people[0].uid, A_GOOD_PASSWORD)
        assert not ldap.accepts(people[21].uid, A_GOOD_PASSWORD)

        assert release_held(target_name="ldap") == 21
        write()
        assert set(Replica.objects.values_list("status", flat=True)) == {"done"}
        assert not ldap.accepts(people[0].uid, A_GOOD_PASSWORD)

    def test_closings_in_small_lots_within_an_hour_count_together(self, ldap, people):
        for lot in (people[:11], people[11:]):
            Account.objects.filter(pk__in=[one.pk for one in lot]).update(end_date=YESTERDAY)
            write()
        assert Replica.objects.filter(status="held").count() == 11

    def test_a_file_that_takes_the_end_back_lets_them_go(self, ldap, people):
        Account.objects.update(end_date=YESTERDAY)
        write()
        Account.objects.update(end_date=None)
        write()
        assert set(Replica.objects.values_list("status", flat=True)) == {"done"}

    def test_hundreds_of_locks_are_not_held(self, ldap, people):

        for one in people:
            lock_account(account=one, reason=LockReason.PHISHING)
        write()
        assert not any(ldap.accepts(one.uid, A_GOOD_PASSWORD) for one in people)


class TestTheDailyComparison:
    def test_an_end_at_midnight_is_written_and_what_differs_is_counted(self, ldap):
        person = active_account(uid="zdurand", end_date=timezone.localdate())
        write()
        with ldap.session() as admin:
            admin.modify(f"uid=zdurand,{PEOPLE}", {"displayName": [("MODIFY_REPLACE", ["Mallory"])]})

        with time_machine.travel(timezone.now() + timedelta(days=1)):
            compare_all()
            assert (replica_of(person).status, replica_of(person).urgency) == ("waiting", Urgency.WITHDRAWAL)
            assert target().drift == 1
            write()
            assert not ldap.accepts("zdurand", A_GOOD_PASSWORD)
            compare_all()
            assert (replica_of(person).status, target().drift) == ("done", 0)

    def test_a_changed_mapping_is_written_again_and_a_directory_that_is_down_is_no_drift(self, ldap, settings):
        person = active_account(uid="zdurand")
        write()
        Target.objects.update(drift=3)
        mapping, always = settings.PROVISIONING_LDAP_MAPPING, Value("x", frozenset(), frozenset())
        settings.PROVISIONING_LDAP_MAPPING = replace(
            mapping, attributes={**mapping.attributes, "description": (always,)}
        )
        settings.PROVISIONING_LDAP_PASSWORD = "wrong"
        compare_all()
        assert (replica_of(person).status, target().drift) == ("waiting", 3)


class TestRights:
    def test_an_account_without_rights_is_an_outage_after_three_refusals(self, ldap, settings):
        settings.PROVISIONING_LDAP_BIND_DN = "uid=dovecot,ou=services,dc=univ-exemple,dc=fr"
        settings.PROVISIONING_LDAP_PASSWORD = "dovecot-secret"
        people = [active_account() for _ in range(4)]
        write()
        assert target().answer.startswith("50 insufficientAccessRights")
        assert sorted(replica_of(one).attempts for one in people) == [0, 0, 1, 1]

    def test_a_base_that_does_not_exist_is_an_outage(self, ldap, settings):
        settings.PROVISIONING_LDAP_BASE = "ou=absent,dc=univ-exemple,dc=fr"
        person = active_account()
        write()
        assert target().down_since
        assert replica_of(person).attempts == 0
