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
from outbox.enums import Kind
from outbox.models import Message
from tests.agents.signed_in import (
    NEXT_CODE_DELAY,
    an_agent,
    code_of,
    enrol_device,
    enrolment_code_for,
    signed_in_browser,
    submit_code,
    verified_agent,
    wrong_code,
)
from tests.concurrency import together
from tests.factories import A_GOOD_PASSWORD, active_account
from tests.fuzz import NEXT

pytestmark = pytest.mark.django_db

HOME, ENROLMENT = "/admin/", "/admin/inscription/"
WRONG_BACKUP_CODE = "k7fq-2m9x-w4tp-bh3z"


def is_verified(browser: Client) -> bool:
    return browser.get(HOME).status_code == 200


def events_of(account: Account) -> list[str]:
    return list(account.journal.order_by("pk").values_list("event", flat=True))


def session_key(browser: Client) -> str:
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def end_throttling() -> None:
    TOTPDevice.objects.update(throttling_failure_count=0)


def enrol(browser: Client, code: str) -> int:
    return browser.post(ENROLMENT, {"code": code}).status_code


def enrolled_backup_codes(agent: Account) -> list[str]:
    device = second_factor.start_enrolment(account=agent, typed=enrolment_code_for(agent))
    done = second_factor.confirm_device(account=agent, device_id=device.pk, typed=code_of(device), keep=None)
    return done.backup_codes


@pytest.fixture
def agent() -> Account:
    return an_agent()


@pytest.fixture
def device(agent) -> TOTPDevice:
    return enrol_device(agent)


class TestWithoutVerification:
    def test_others_log_in_first_or_are_refused(self, client):
        """ADM-01, ADM-02"""
        assert client.get(HOME).url == f"{reverse('login')}?next={HOME}"
        browser = signed_in_browser(active_account())
        for name in ("index", "verification", "enrolment", "application"):
            answer = browser.get(reverse(f"admin:{name}"))
            assert answer.status_code == 403
            assert "réservée aux agents" in answer.content.decode()

    def test_the_password_alone_leads_to_the_code_then_to_the_page_requested(self, agent, device):
        """ADM-02, ADM-03: without a device, to the enrolment."""
        answer = Client().post(reverse("login"), {"login": agent.login, "password": A_GOOD_PASSWORD, "next": HOME})
        assert answer.url == HOME
        browser, accounts = signed_in_browser(agent), reverse("admin:accounts")
        assert browser.get(accounts).url == f"{reverse('admin:verification')}?next=%2Fadmin%2Fcomptes%2F"
        assert submit_code(browser, code_of(device), next=accounts).url == accounts
        assert browser.get(accounts).status_code == 200
        browser = signed_in_browser(an_agent())
        assert browser.get(HOME).url.startswith(ENROLMENT)
        for name in ("verification", "application"):
            assert browser.get(reverse(f"admin:{name}")).url == ENROLMENT

    def test_no_page_of_the_standard_admin_is_reachable(self):
        """PWD-07, SUP-04: none asks for a password, none adds an account."""
        _agent, browser = verified_agent(Role.RESPONSABLES)
        for path in [
            "login/",
            "password_change/",
            "accounts/account/1/password/",
            "accounts/account/add/",
            "accounts/account/",
            "otp_totp/totpdevice/",
            "auth/group/",
            "jsi18n/",
            "autocomplete/",
            "comptes/1/password/",
        ]:
            assert browser.get(f"{HOME}{path}").status_code == 404, path


class TestCode:
    def test_verifies_this_session_under_a_new_key(self, agent, device):
        """ADM-02, SES-01: a code given in one session verifies no other."""
        browser, other = signed_in_browser(agent), signed_in_browser(agent)
        before, code = session_key(browser), code_of(device)
        assert submit_code(browser, f" {code[:3]}\N{NO-BREAK SPACE}{code[3:]}\n").url == HOME
        assert (is_verified(browser), is_verified(other)) == (True, False)
        assert session_key(browser) != before
        assert not Session.objects.filter(session_key=before).exists()
        assert Event.SECOND_FACTOR_GIVEN in events_of(agent)

    def test_is_accepted_once_and_for_its_own_device_only(self, agent, device):
        """ADM-04"""
        # `int` accepts more than an authenticator shows.
        for typed in (code_of(enrol_device(an_agent())), "１２３４５６", "+12345", "1_2_3_4", "0x1f00"):
            assert submit_code(signed_in_browser(agent), typed).status_code == 200, typed
            end_throttling()
        code = code_of(device)
        first, second = (submit_code(signed_in_browser(agent), code) for _ in range(2))
        assert (first.status_code, second.status_code) == (302, 200)
        assert "Le code ne correspond pas ou a déjà servi" in second.content.decode()
        assert events_of(agent)[-1] == Event.SECOND_FACTOR_REFUSED

    def test_may_be_one_step_of_30_seconds_early_or_late(self):
        """ADM-04: one step, not three."""
        answers = {}
        for steps in (-3, -1, 0, 1, 3):
            agent = an_agent()
            code = code_of(enrol_device(agent), steps=steps)
            answers[steps] = submit_code(signed_in_browser(agent), code).status_code
        assert answers == {-3: 200, -1: 302, 0: 302, 1: 302, 3: 200}

    def test_each_wrong_one_doubles_the_wait_of_the_next(self, agent, device):
        """ADM-04: the wait is kept in the database, not in a session; a code that comes too early is not checked."""
        with time_machine.travel(timezone.now(), tick=False) as clock:
            browser = signed_in_browser(agent)
            waits = []
            for _ in range(10):
                submit_code(browser, wrong_code(device))
                answer = submit_code(signed_in_browser(agent), code_of(device))
                assert answer.status_code == 429
                waits.append(int(answer["Retry-After"]))
                clock.shift(waits[-1])
                browser.get(reverse("account"))
            assert waits == sorted(waits)
            assert waits[-1] > 500
            clock.shift(-5)
            assert submit_code(browser, code_of(device)).status_code == 429
            clock.shift(10)
            assert submit_code(browser, code_of(device)).status_code == 302

    def test_redirects_to_pages_of_the_portal_only(self):
        """INP-08"""
        for wanted in NEXT:
            agent = an_agent()
            answer = submit_code(signed_in_browser(agent), code_of(enrol_device(agent)), next=wanted)
            assert answer.url.startswith("/"), wanted
            assert not answer.url.startswith(("//", "/\\")), wanted


class TestSessions:
    def test_end_after_15_minutes_without_a_request_and_after_4_hours(self):
        """SES-04: unverified sessions last as any other."""
        with time_machine.travel(timezone.now(), tick=False) as clock:
            _agent, idle = verified_agent()
            unverified = signed_in_browser(active_account())
            clock.shift(timedelta(minutes=14, seconds=59))
            assert is_verified(idle)
            clock.shift(timedelta(minutes=15))
            assert idle.get(HOME).url.startswith(reverse("login"))
            assert unverified.get(reverse("account")).status_code == 200
            _agent, busy = verified_agent()
            for _ in range(24):
                clock.shift(timedelta(minutes=9, seconds=59))
                assert is_verified(busy)
            clock.shift(timedelta(minutes=1))
            assert busy.get(HOME).url.startswith(reverse("login"))

    def test_of_a_locked_or_former_agent_open_nothing(self):
        """SES-05, ADM-05"""
        locked, browser = verified_agent()
        lock_account(account=locked, reason=LockReason.PHISHING)
        assert browser.get(HOME).url.startswith(reverse("login"))
        former, browser = verified_agent()
        Account.objects.filter(pk=former.pk).update(is_staff=False)
        assert browser.get(HOME).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_a_code_sent_twice_at_the_same_time_is_accepted_once():
    """ADM-04"""
    agent = an_agent()

    def is_accepted(code: str) -> bool:
        try:
            second_factor.verify(account=agent, typed=code)
        except (second_factor.CodeRefused, second_factor.CodeThrottled):
            return False
        return True

    for code in enrolled_backup_codes(agent)[:5]:
        outcomes = together(*[lambda code=code: is_accepted(code)] * 2)
        assert sorted(outcomes) == [False, True]
        end_throttling()


class TestBackupCodes:
    @pytest.fixture
    def codes(self, agent) -> list[str]:
        return enrolled_backup_codes(agent)

    def test_are_ten_hashed_and_each_is_accepted_once(self, agent, codes):
        """ADM-04: no dump holds a usable one, and wrong ones are throttled like any code."""
        assert len(set(codes)) == 10
        with connection.cursor() as cursor:
            cursor.execute("SELECT json_agg(t)::text FROM agents_backupcode t")
            dump = cursor.fetchone()[0]
        assert [code for code in codes if code in dump or code.replace("-", "")[4:] in dump] == []
        assert all(row.digest.startswith("argon2$") for row in BackupCode.objects.all())
        browser = signed_in_browser(agent)
        assert submit_code(browser, codes[3].upper().replace("-", " ")).status_code == 302
        assert "9 sur 10" in browser.get(HOME).content.decode()
        assert Event.BACKUP_CODE_USED in events_of(agent)
        assert submit_code(signed_in_browser(agent), codes[3]).status_code == 200
        assert submit_code(signed_in_browser(agent), codes[0]).status_code == 429
        assert BackupCode.objects.unused().count() == 9

    def test_are_renewed_with_an_unused_code_and_every_address_is_notified(self, agent, codes):
        """ADM-03, ADM-04"""
        browser = signed_in_browser(agent)
        submit_code(browser, codes[0])
        Message.objects.all().delete()
        assert browser.post(reverse("admin:backup-codes"), {"code": codes[0]}).status_code == 200
        assert not Message.objects.exists()
        end_throttling()
        page = browser.post(reverse("admin:backup-codes"), {"code": codes[1]}).content.decode()
        assert codes[2] not in page
        assert BackupCode.objects.unused().count() == 10
        addresses = set(Message.objects.values_list("address", flat=True))
        assert addresses == {agent.recovery_address, agent.institutional_address}
        end_throttling()
        assert submit_code(signed_in_browser(agent), codes[2]).status_code == 200


class TestEnrolment:
    """ADM-03"""

    def test_with_an_enrolment_code_then_a_first_code_of_the_device(self, agent, mail_delivery):
        """Every address is notified, without a secret."""
        code = enrolment_code_for(agent)
        assert EnrolmentCode.objects.get().digest.startswith("argon2$")
        assert code not in str(list(JournalEntry.objects.values()))
        browser = signed_in_browser(agent)
        before = session_key(browser)
        assert browser.post(ENROLMENT, {"code": code}).url == reverse("admin:application")
        device = TOTPDevice.objects.get(user=agent)
        assert not is_verified(browser)
        assert "<svg" in browser.get(reverse("admin:application")).content.decode()
        page = browser.post(reverse("admin:application"), {"code": code_of(device)})
        assert page["Cache-Control"].count("no-store") == 1
        assert is_verified(browser)
        assert session_key(browser) != before
        assert not EnrolmentCode.objects.exists()
        assert Event.SECOND_FACTOR_ENROLLED in events_of(agent)
        mails = mail_delivery.deliver()
        assert {mail["To"] for mail in mails} == {agent.recovery_address, agent.institutional_address}
        assert device.key not in str(mails)

    def test_wrong_foreign_replaced_and_expired_codes_enrol_nothing_and_are_throttled(self, agent):
        """A stolen password enrols nothing."""
        foreign, replaced, code = (enrolment_code_for(account) for account in (an_agent(), agent, agent))
        with time_machine.travel(timezone.now() + timedelta(hours=24)):
            assert enrol(signed_in_browser(agent), code) == 200
        browser = signed_in_browser(agent)
        assert {enrol(browser, typed) for typed in ("", "x" * 100_000, foreign, replaced)} == {200}
        assert events_of(agent).count(Event.ENROLMENT_CODE_REFUSED) == 4
        assert enrol(browser, WRONG_BACKUP_CODE) == 200
        assert enrol(browser, code) == 429
        assert not TOTPDevice.objects.exists()

    def test_fails_when_the_code_expires_before_the_device_is_confirmed(self, agent):
        with time_machine.travel(timezone.now(), tick=False) as clock:
            code = enrolment_code_for(agent)
            clock.shift(timedelta(hours=23, minutes=59))
            browser = signed_in_browser(agent)
            enrol(browser, code)
            clock.shift(timedelta(minutes=2))
            answer = browser.post(reverse("admin:application"), {"code": code_of(TOTPDevice.objects.get())})
        assert answer.url == ENROLMENT
        assert not TOTPDevice.objects.filter(confirmed=True).exists()

    def test_in_two_sessions_with_one_code_makes_one_device(self, agent):
        """ADM-04: the secret is shown to the session that gave the code only."""
        code = enrolment_code_for(agent)
        first, second = signed_in_browser(agent), signed_in_browser(agent)
        enrol(first, code)
        assert signed_in_browser(agent).get(reverse("admin:application")).url == ENROLMENT
        enrol(second, code)
        device = TOTPDevice.objects.get(user=agent)
        confirm = {"code": code_of(device)}
        answers = [browser.post(reverse("admin:application"), confirm).status_code for browser in (first, second)]
        assert answers == [302, 200]
        assert enrol(signed_in_browser(agent), code) == 302
        assert TOTPDevice.objects.count() == 1


class TestChanges:
    """ADM-03"""

    def test_another_device_replaces_the_first_when_it_is_confirmed_and_can_be_removed(self):
        """SES-05"""
        agent, browser = verified_agent()
        old, other = TOTPDevice.objects.get(user=agent), signed_in_browser(agent)
        with time_machine.travel(timezone.now() + NEXT_CODE_DELAY):
            browser.post(reverse("admin:device-replacement"), {"code": code_of(old)})
            new = TOTPDevice.objects.get(user=agent, confirmed=False)
            assert is_verified(browser)
            browser.post(reverse("admin:application"), {"code": code_of(new)})
            assert is_verified(browser)
            assert other.get(reverse("account")).status_code == 302
        assert list(TOTPDevice.objects.filter(user=agent)) == [new]
        assert Message.objects.filter(kind=Kind.SECOND_FACTOR_CHANGED).count() == 2
        with time_machine.travel(timezone.now() + NEXT_CODE_DELAY * 2):
            answer = browser.post(reverse("admin:device-removal"), {"code": code_of(new)})
            assert answer.url == reverse("account")
            assert browser.get(HOME).url.startswith(ENROLMENT)
        assert not TOTPDevice.objects.exists()
        assert Event.SECOND_FACTOR_REMOVED in events_of(agent)
        assert Message.objects.filter(kind=Kind.SECOND_FACTOR_CHANGED).count() == 4

    def test_a_stolen_session_changes_nothing_without_a_code_and_reads_no_secret(self):
        """ADM-04"""
        agent, browser = verified_agent()
        device = TOTPDevice.objects.get(user=agent)
        for name in ("device", "device-replacement", "backup-codes", "device-removal"):
            page = browser.get(reverse(f"admin:{name}")).content.decode()
            assert not [secret for secret in (device.key, "otpauth", "<svg width") if secret in page]
            if name != "device":
                answer = browser.post(reverse(f"admin:{name}"), {"code": wrong_code(device)})
                assert answer.status_code in (200, 429)
        assert TOTPDevice.objects.get(user=agent) == device
        assert not BackupCode.objects.exists()
        copy = browser.post(reverse("account-data-copy")).content.decode()
        assert "totpdevice" in copy
        assert device.key not in copy

    def test_a_password_reset_leaves_the_device_and_opens_nothing_without_it(self, agent, device, mail_delivery):
        """An attacker who reads the mailbox may request the link."""
        attacker, password = Client(), "un-tout-autre-mot-de-passe"
        attacker.post(reverse("forgotten-password"), {"login": agent.login})
        attacker.get(mail_delivery.last_link(), follow=True)
        attacker.post(reverse("password-reset"), {"password": password})
        attacker.post(reverse("login"), {"login": agent.login, "password": password})
        assert attacker.get(reverse("account")).status_code == 200
        for page in (HOME, ENROLMENT):
            chain = attacker.get(page, follow=True).redirect_chain
            assert chain[-1][0].startswith(reverse("admin:verification"))
        assert list(TOTPDevice.objects.filter(user=agent, confirmed=True)) == [device]
