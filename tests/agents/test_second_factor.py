"""The second factor of agents: enrolment, verification once per session, backup codes, changes of the device."""

from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account, Session
from agents.models import BackupCode, EnrolmentCode
from agents.roles import Role
from agents.second_factor import services as second_factor
from journal.events import Event
from journal.models import JournalEntry
from outbox.models import Message
from tests.agents.signed_in import an_agent, code_of, enrol_device, submit_code, verified_agent, wrong_code
from tests.concurrency import attempted_together
from tests.factories import active_account, events_of
from tests.signing_in import browser_of, is_signed_in, submit_login

pytestmark = pytest.mark.django_db

HOME, ENROLMENT, APPLICATION = "/admin/", "/admin/inscription/", "/admin/inscription/application/"


@pytest.fixture
def agent() -> Account:
    return an_agent()


@pytest.fixture
def device(agent) -> TOTPDevice:
    return enrol_device(agent)


@pytest.fixture
def codes(agent) -> list[str]:
    device = second_factor.start_enrolment(account=agent, typed=second_factor.issue_enrolment_code(account=agent))
    done = second_factor.confirm_device(account=agent, device_id=device.pk, typed=code_of(device), keep=None)
    return done.backup_codes


def is_verified(browser: Client) -> bool:
    return browser.get(HOME).status_code == 200


def session_key(browser: Client) -> str:
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def end_throttling() -> None:
    TOTPDevice.objects.update(throttling_failure_count=0)


def enrol(browser: Client, code: str) -> int:
    return browser.post(ENROLMENT, {"code": code}).status_code


class TestWithoutVerification:
    def test_the_password_alone_leads_to_the_code_then_to_the_page_requested(self, agent, device, client):
        """ADM-01, ADM-02, ADM-03: without a device, to the enrolment; others log in first or are refused."""
        assert client.get(HOME).url == f"{reverse('login')}?next={HOME}"
        names, accounts = ("index", "verification", "enrolment", "application"), reverse("admin:accounts")
        browser = browser_of(active_account())
        assert {browser.get(reverse(f"admin:{name}")).status_code for name in names} == {403}
        assert submit_login(client, agent, next=accounts).url == accounts
        assert client.get(accounts).url == f"{reverse('admin:verification')}?next=%2Fadmin%2Fcomptes%2F"
        # A stolen password does not enrol another device either.
        assert client.get(ENROLMENT, follow=True).redirect_chain[-1][0].startswith(reverse("admin:verification"))
        assert submit_code(client, code_of(device), next=accounts).url == accounts
        assert client.get(accounts).status_code == 200
        browser = browser_of(an_agent())
        assert browser.get(HOME).url.startswith(ENROLMENT)
        for name in ("verification", "application"):
            assert browser.get(reverse(f"admin:{name}")).url == ENROLMENT

    def test_no_page_of_the_standard_admin_is_reachable(self):
        """PWD-07, SUP-04: none asks for a password, none adds an account."""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        paths = ["login/", "password_change/", "accounts/account/1/password/", "accounts/account/add/", "auth/group/"]
        paths += ["accounts/account/", "otp_totp/totpdevice/", "jsi18n/", "autocomplete/", "comptes/1/password/"]
        assert {path: browser.get(f"{HOME}{path}").status_code for path in paths} == dict.fromkeys(paths, 404)


class TestCode:
    def test_verifies_this_session_under_a_new_key(self, agent, device):
        """ADM-02, INP-08, SES-01: a code given in one session verifies no other."""
        browser, other = browser_of(agent), browser_of(agent)
        before, code = session_key(browser), code_of(device)
        typed = f" {code[:3]}\N{NO-BREAK SPACE}{code[3:]}\n"
        assert submit_code(browser, typed, next="//evil.example/").url == HOME
        assert (is_verified(browser), is_verified(other)) == (True, False)
        assert not Session.objects.filter(session_key=before).exists()
        assert Event.SECOND_FACTOR_GIVEN in events_of(agent)
        assert "Le code ne correspond pas ou a déjà servi" in submit_code(other, code).content.decode()
        assert events_of(agent)[-1] == Event.SECOND_FACTOR_REFUSED

    def test_is_of_its_own_device_and_at_most_30_seconds_early_or_late(self, agent, device):
        """ADM-04: one step, not three."""
        # `int` accepts more than an authenticator shows.
        for typed in (code_of(enrol_device(an_agent())), "１２３４５６", "+12345", "1_2_3_4"):
            assert submit_code(browser_of(agent), typed).status_code == 200, typed
            end_throttling()
        for steps, expected in {-3: 200, -1: 302, 1: 302, 3: 200}.items():
            other = an_agent()
            code = code_of(enrol_device(other), steps=steps)
            assert submit_code(browser_of(other), code).status_code == expected, steps

    def test_each_wrong_one_doubles_the_wait_of_the_next(self, agent, device):
        """ADM-04: kept in the database; a code that comes too early is not checked. Two typing errors wait for nothing."""
        with time_machine.travel(timezone.now(), tick=False) as clock:
            slips, waits = [submit_code(browser_of(agent), wrong_code(device)) for _ in range(2)], []
            assert [slip.status_code for slip in slips] == [200, 200]
            for _ in range(6):
                submit_code(browser_of(agent), wrong_code(device))
                waits.append(int(submit_code(browser_of(agent), code_of(device))["Retry-After"]))
                clock.shift(waits[-1])
            assert (waits, waits[-1] > 100) == (sorted(waits), True)
            for shift, expected in ((-5, 429), (10, 302)):
                clock.shift(shift)
                assert submit_code(browser_of(agent), code_of(device)).status_code == expected


def test_sessions_end_after_15_idle_minutes_after_4_hours_at_a_lock_and_with_the_role():
    """SES-04, SES-05, ADM-05: unverified sessions last as any other."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        _agent, idle = verified_agent()
        unverified = browser_of(active_account())
        clock.shift(timedelta(minutes=14, seconds=59))
        assert is_verified(idle)
        clock.shift(timedelta(minutes=15))
        assert idle.get(HOME).url.startswith(reverse("login"))
        assert is_signed_in(unverified)
        _agent, busy = verified_agent()
        for _ in range(24):
            clock.shift(timedelta(minutes=9, seconds=59))
            assert is_verified(busy)
        clock.shift(timedelta(minutes=1))
        assert busy.get(HOME).url.startswith(reverse("login"))
    (locked, first), (former, second) = verified_agent(), verified_agent()
    lock_account(account=locked, reason=LockReason.PHISHING)
    Account.objects.filter(pk=former.pk).update(is_staff=False)
    assert first.get(HOME).url.startswith(reverse("login"))
    assert second.get(HOME).status_code == 403


def test_backup_codes_are_ten_hashed_accepted_once_and_renewed(agent, codes):
    """ADM-03, ADM-04: no dump holds a usable one, and wrong ones are throttled like any code."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT json_agg(t)::text FROM agents_backupcode t")
        dump = cursor.fetchone()[0]
    assert [code for code in codes if code in dump or code.replace("-", "")[4:] in dump] == []
    assert all(row.digest.startswith("argon2$") for row in BackupCode.objects.all())
    browser, renewal = browser_of(agent), reverse("admin:backup-codes")
    assert submit_code(browser, codes[3].upper().replace("-", " ")).status_code == 302
    assert "9 sur 10" in browser.get(HOME).content.decode()
    assert Event.BACKUP_CODE_USED in events_of(agent)
    assert [submit_code(browser_of(agent), codes[3]).status_code for _ in range(3)] == [200] * 3
    assert submit_code(browser_of(agent), codes[0]).status_code == 429
    assert BackupCode.objects.unused().count() == 9
    Message.objects.all().delete()
    end_throttling()
    browser.post(renewal, {"code": codes[3]})
    assert not Message.objects.exists()
    end_throttling()
    assert codes[2] not in browser.post(renewal, {"code": codes[1]}).content.decode()
    assert BackupCode.objects.unused().count() == 10
    addresses = set(Message.objects.values_list("address", flat=True))
    assert addresses == {agent.recovery_address, agent.institutional_address}
    assert submit_code(browser_of(agent), codes[2]).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_code_sent_twice_at_the_same_time_is_accepted_once(agent, codes):
    """ADM-04"""
    for code in codes[:5]:
        answers = attempted_together(*[lambda code=code: second_factor.verify(account=agent, typed=code)] * 2)
        assert [type(answer) for answer in answers].count(TOTPDevice) == 1
        end_throttling()


class TestEnrolment:
    """ADM-03"""

    def test_with_an_enrolment_code_then_a_first_code_of_the_device(self, agent, mail_delivery):
        code = second_factor.issue_enrolment_code(account=agent)
        assert EnrolmentCode.objects.get().digest.startswith("argon2$")
        assert code not in str(list(JournalEntry.objects.values()))
        browser = browser_of(agent)
        before = session_key(browser)
        assert browser.post(ENROLMENT, {"code": code}).url == APPLICATION
        device = TOTPDevice.objects.get(user=agent)
        assert not is_verified(browser)
        assert "<svg" in browser.get(APPLICATION).content.decode()
        browser.post(APPLICATION, {"code": code_of(device)})
        assert (is_verified(browser), session_key(browser) != before) == (True, True)
        assert not EnrolmentCode.objects.exists()
        assert Event.SECOND_FACTOR_ENROLLED in events_of(agent)
        mails = mail_delivery.deliver()
        assert {mail["To"] for mail in mails} == {agent.recovery_address, agent.institutional_address}
        assert device.key not in str(mails)

    def test_wrong_foreign_replaced_and_expired_codes_enrol_nothing_and_are_throttled(self, agent):
        foreign, replaced, code = [
            second_factor.issue_enrolment_code(account=one) for one in (an_agent(), agent, agent)
        ]
        with time_machine.travel(timezone.now() + timedelta(hours=24)):
            assert enrol(browser_of(agent), code) == 200
        browser = browser_of(agent)
        assert [enrol(browser, typed) for typed in ("", "x" * 100_000, foreign, replaced, "k7fq-2m9x")] == [200] * 5
        assert events_of(agent).count(Event.ENROLMENT_CODE_REFUSED) == 5
        assert enrol(browser, code) == 429
        assert not TOTPDevice.objects.exists()

    def test_in_two_sessions_with_one_code_makes_one_device_before_the_code_expires(self, agent):
        """ADM-04: the secret is shown to the session that gave the code only."""
        with time_machine.travel(timezone.now(), tick=False) as clock:
            code = second_factor.issue_enrolment_code(account=agent)
            clock.shift(timedelta(hours=23, minutes=59))
            first, second = browser_of(agent), browser_of(agent)
            enrol(first, code)
            assert browser_of(agent).get(APPLICATION).url == ENROLMENT
            enrol(second, code)
            device = TOTPDevice.objects.get(user=agent)
            clock.shift(timedelta(minutes=2))
            assert second.post(APPLICATION, {"code": code_of(device)}).url == ENROLMENT
            assert not TOTPDevice.objects.filter(confirmed=True).exists()
            clock.shift(-timedelta(minutes=2))
            confirm = {"code": code_of(device)}
            assert [browser.post(APPLICATION, confirm).status_code for browser in (first, second)] == [302, 200]
            assert enrol(browser_of(agent), code) == 302
        assert TOTPDevice.objects.count() == 1


class TestChanges:
    """ADM-03"""

    def test_another_device_replaces_the_first_when_it_is_confirmed_and_can_be_removed(self):
        """SES-05"""
        agent, browser = verified_agent()
        old, other = TOTPDevice.objects.get(user=agent), browser_of(agent)
        with time_machine.travel(timezone.now() + timedelta(minutes=2)):
            browser.post(reverse("admin:device-replacement"), {"code": code_of(old)})
            new = TOTPDevice.objects.get(user=agent, confirmed=False)
            assert is_verified(browser)
            browser.post(APPLICATION, {"code": code_of(new)})
            assert (is_verified(browser), is_signed_in(other)) == (True, False)
        assert (list(TOTPDevice.objects.filter(user=agent)), Message.objects.count()) == ([new], 2)
        with time_machine.travel(timezone.now() + timedelta(minutes=4)):
            answer = browser.post(reverse("admin:device-removal"), {"code": code_of(new)})
            assert answer.url == reverse("account")
            assert browser.get(HOME).url.startswith(ENROLMENT)
        assert (TOTPDevice.objects.exists(), Message.objects.count()) == (False, 4)
        assert Event.SECOND_FACTOR_REMOVED in events_of(agent)

    def test_a_stolen_session_changes_nothing_without_a_code_and_reads_no_secret(self):
        """ADM-04"""
        agent, browser = verified_agent()
        device = TOTPDevice.objects.get(user=agent)
        for name in ("device", "device-replacement", "backup-codes", "device-removal"):
            page = browser.get(reverse(f"admin:{name}")).content.decode()
            assert not [secret for secret in (device.key, "otpauth", "<svg width") if secret in page]
            browser.post(reverse(f"admin:{name}"), {"code": wrong_code(device)})
        assert (TOTPDevice.objects.get(user=agent), BackupCode.objects.exists()) == (device, False)
        assert device.key not in browser.post(reverse("account-data-copy")).content.decode()
