"""The way into the agents' area: password, then a code of the agent's own application, in this very session."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
import time_machine
from django.conf import settings as portal
from django.db import connection, connections
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
from agents.second_factor.services import BACKUP_CODES
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from tests.agents.signed_in import (
    ENOUGH_WAITED,
    an_agent,
    browser_of,
    code_of,
    enrolment_code_for,
    give_code,
    inside,
    with_application,
    wrong_code,
)
from tests.factories import active_account
from tests.fuzz import NEXT

pytestmark = pytest.mark.django_db

HOME = "/admin/"


def is_inside(browser: Client) -> bool:
    return browser.get(HOME).status_code == 200


def events_of(account: Account) -> list[str]:
    return list(account.journal.order_by("pk").values_list("event", flat=True))


def session_key(browser: Client) -> str:
    return browser.cookies[portal.SESSION_COOKIE_NAME].value


class TestWithoutACode:
    def test_somebody_anonymous_signs_in_at_the_portal_first(self, visitor):
        """ADM-01"""
        answer = visitor.get(HOME)
        assert (answer.status_code, answer.url) == (302, f"{reverse('login')}?next={HOME}")

    def test_somebody_who_is_no_agent_is_refused(self):
        """ADM-02"""
        person = active_account()
        browser = browser_of(person)
        for name in ("index", "verification", "enrolment", "application"):
            answer = browser.get(reverse(f"admin:{name}"))
            assert answer.status_code == 403
            assert "réservée aux agents" in answer.content.decode()

    def test_the_portals_password_alone_leads_to_the_code(self):
        """ADM-02: and back to the page that was wanted."""
        agent = an_agent()
        device = with_application(agent)
        browser = browser_of(agent)
        wanted = reverse("admin:accounts")

        assert browser.get(wanted).url == f"{reverse('admin:verification')}?next=%2Fadmin%2Fcomptes%2F"
        assert give_code(browser, code_of(device), next=wanted).url == wanted
        assert browser.get(wanted).status_code == 200

    def test_signing_in_goes_on_to_the_agents_area(self):
        agent = an_agent()
        with_application(agent)
        answer = Client().post(
            reverse("login"), {"login": agent.login, "password": "cheval-agrafe-pile-correct", "next": HOME}
        )
        assert answer.url == HOME

    def test_an_agent_without_an_application_has_to_enrol_one(self):
        """ADM-03"""
        browser = browser_of(an_agent())
        assert browser.get(HOME).url.startswith(reverse("admin:enrolment"))
        assert browser.get(reverse("admin:verification")).url == reverse("admin:enrolment")
        assert browser.get(reverse("admin:application")).url == reverse("admin:enrolment")

    def test_no_page_asks_for_a_password_or_adds_an_account(self):
        """PWD-07, SUP-04: nothing of Django's own admin is there."""
        _agent, browser = inside(Role.RESPONSABLES)
        for path in (
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
        ):
            assert browser.get(f"{HOME}{path}").status_code == 404, path


class TestTheCode:
    def test_lets_the_agent_in_under_a_new_session_key(self):
        """ADM-02, SES-01"""
        agent = an_agent()
        device = with_application(agent)
        browser = browser_of(agent)
        before = session_key(browser)

        assert give_code(browser, code_of(device)).url == HOME
        assert is_inside(browser)
        assert session_key(browser) != before
        assert not Session.objects.filter(session_key=before).exists()
        assert events_of(agent)[-1] == Event.SECOND_FACTOR_GIVEN

    def test_may_be_pasted_with_spaces(self):
        agent = an_agent()
        device = with_application(agent)
        code = code_of(device)
        assert give_code(browser_of(agent), f" {code[:3]}\N{NO-BREAK SPACE}{code[3:]}\n").status_code == 302

    def test_in_one_session_does_not_open_another(self):
        """ADM-02: an OTP from another session."""
        agent, browser = inside()
        other = browser_of(agent)
        assert is_inside(browser)
        assert not is_inside(other)

    def test_of_another_agent_is_refused(self):
        agent = an_agent()
        with_application(agent)
        other = with_application(an_agent())
        assert give_code(browser_of(agent), code_of(other)).status_code == 200

    def test_serves_once(self):
        """ADM-04"""
        agent = an_agent()
        device = with_application(agent)
        code = code_of(device)
        assert give_code(browser_of(agent), code).status_code == 302

        second = give_code(browser_of(agent), code)

        assert second.status_code == 200
        assert "Le code ne correspond pas ou a déjà servi" in second.content.decode()
        assert events_of(agent)[-1] == Event.SECOND_FACTOR_REFUSED

    @pytest.mark.parametrize(("steps", "is_right"), [(-3, False), (-1, True), (0, True), (1, True), (3, False)])
    def test_of_a_clock_that_is_a_little_wrong_is_accepted(self, steps, is_right):
        """ADM-04: one step of 30 seconds, not three."""
        agent = an_agent()
        device = with_application(agent)
        assert (give_code(browser_of(agent), code_of(device, steps=steps)).status_code == 302) == is_right

    def test_after_ten_wrong_ones_the_right_one_has_to_wait(self):
        """ADM-04: each wrong one doubles the wait; one that comes too early is not even looked at."""
        agent = an_agent()
        device = with_application(agent)
        with time_machine.travel(timezone.now(), tick=False) as clock:
            browser = browser_of(agent)
            waits = []
            for _ in range(10):
                give_code(browser, wrong_code(device))
                answer = give_code(browser, code_of(device))
                assert answer.status_code == 429
                waits.append(int(answer["Retry-After"]))
                clock.shift(waits[-1])
                browser.get(reverse("account"))
            assert waits == sorted(waits)
            assert waits[-1] > 500
            clock.shift(-5)
            assert give_code(browser, code_of(device)).status_code == 429
            clock.shift(10)
            assert give_code(browser, code_of(device)).status_code == 302

    def test_a_wait_is_kept_in_the_database_and_not_in_one_session(self):
        """ADM-04"""
        agent = an_agent()
        device = with_application(agent)
        give_code(browser_of(agent), wrong_code(device))
        assert give_code(browser_of(agent), code_of(device)).status_code == 429

    def test_leads_nowhere_but_to_our_own_pages(self):
        """D9: open redirects."""
        for wanted in NEXT:
            agent = an_agent()
            answer = give_code(browser_of(agent), code_of(with_application(agent)), next=wanted)
            assert answer.url.startswith("/"), wanted
            assert not answer.url.startswith(("//", "/\\")), wanted

    @pytest.mark.parametrize("typed", ["１２３４５６", "+12345", "1_2_3_4", "-00001", "0x1f00"])
    def test_only_plain_digits_are_digits(self, typed):
        """`int` is more generous than an application."""
        agent = an_agent()
        with_application(agent)
        assert give_code(browser_of(agent), typed).status_code == 200


class TestSessions:
    def test_end_after_a_quarter_of_an_hour_without_a_request(self):
        """SES-04"""
        with time_machine.travel(timezone.now(), tick=False) as clock:
            _agent, browser = inside()
            clock.shift(timedelta(minutes=14, seconds=59))
            assert is_inside(browser)
            clock.shift(timedelta(minutes=15))
            assert browser.get(HOME).url.startswith(reverse("login"))

    def test_end_after_four_hours_however_busy(self):
        """SES-04"""
        with time_machine.travel(timezone.now(), tick=False) as clock:
            _agent, browser = inside()
            for _ in range(24):
                clock.shift(timedelta(minutes=9, seconds=59))
                assert is_inside(browser)
            clock.shift(timedelta(minutes=1))
            assert browser.get(HOME).url.startswith(reverse("login"))

    def test_without_a_code_last_as_anybodys(self):
        with time_machine.travel(timezone.now(), tick=False) as clock:
            browser = browser_of(active_account())
            clock.shift(timedelta(minutes=20))
            assert browser.get(reverse("account")).status_code == 200

    def test_of_a_locked_agent_end_at_once(self):
        """SES-05"""
        agent, browser = inside()
        lock_account(account=agent, reason=LockReason.PHISHING)
        assert browser.get(HOME).url.startswith(reverse("login"))

    def test_of_an_agent_no_more_open_nothing(self):
        """ADM-05"""
        agent, browser = inside()
        Account.objects.filter(pk=agent.pk).update(is_staff=False)
        assert browser.get(HOME).status_code == 403


class TestBackupCodes:
    def enrolled(self, account: Account) -> list[str]:
        code = enrolment_code_for(account)
        device = second_factor.begin_enrolment(account=account, typed=code)
        done = second_factor.finish_enrolment(account=account, device_id=device.pk, typed=code_of(device), keep=None)
        return done.backup_codes

    def test_are_ten_and_each_serves_once(self):
        """ADM-04"""
        agent = an_agent()
        codes = self.enrolled(agent)
        assert len(set(codes)) == BACKUP_CODES == 10

        assert give_code(browser_of(agent), codes[3].upper().replace("-", " ")).status_code == 302
        again = give_code(browser_of(agent), codes[3])

        assert again.status_code == 200
        assert BackupCode.objects.unused().count() == 9
        assert Event.BACKUP_CODE_USED in events_of(agent)

    def test_how_many_are_left_is_told(self):
        agent = an_agent()
        browser = browser_of(agent)
        codes = self.enrolled(agent)
        browser = browser_of(agent)
        give_code(browser, codes[0])
        assert "9 sur 10" in browser.get(HOME).content.decode()

    def test_cannot_be_read_from_the_database(self):
        """ADM-04: no dump holds a usable one."""
        agent = an_agent()
        codes = self.enrolled(agent)
        with connection.cursor() as cursor:
            cursor.execute("SELECT json_agg(t)::text FROM agents_backupcode t")
            dump = cursor.fetchone()[0]
        for code in codes:
            assert code not in dump
            assert code.replace("-", "") not in dump
            assert code.replace("-", "")[4:] not in dump
        assert all(row.digest.startswith("argon2$") for row in BackupCode.objects.all())

    def test_wrong_ones_are_slowed_down_like_any_code(self):
        agent = an_agent()
        codes = self.enrolled(agent)
        wrong = f"{codes[0][:5]}2222-2222-2222"
        give_code(browser_of(agent), wrong)
        assert give_code(browser_of(agent), codes[0]).status_code == 429

    def test_are_renewed_with_a_present_code_and_told(self):
        """ADM-03"""
        agent = an_agent()
        codes = self.enrolled(agent)
        browser = browser_of(agent)
        give_code(browser, codes[0])
        Message.objects.all().delete()

        refused = browser.post(reverse("admin:backup-codes"), {"code": codes[0]})
        assert refused.status_code == 200
        TOTPDevice.objects.update(throttling_failure_count=0)
        page = browser.post(reverse("admin:backup-codes"), {"code": codes[1]}).content.decode()

        assert codes[2] not in page
        assert BackupCode.objects.unused().count() == 10
        assert set(Message.objects.values_list("address", flat=True)) == {
            agent.recovery_address,
            agent.institutional_address,
        }
        TOTPDevice.objects.update(throttling_failure_count=0)
        assert give_code(browser_of(agent), codes[2]).status_code == 200


class TestEnrolment:
    def test_by_a_code_then_the_first_code_of_the_application(self, postman):
        """ADM-03"""
        agent = an_agent()
        code = enrolment_code_for(agent)
        browser = browser_of(agent)
        before = session_key(browser)

        assert browser.post(reverse("admin:enrolment"), {"code": code}).url == reverse("admin:application")
        device = TOTPDevice.objects.get(user=agent)
        assert not is_inside(browser)
        assert "<svg" in browser.get(reverse("admin:application")).content.decode()
        page = browser.post(reverse("admin:application"), {"code": code_of(device)})

        assert page.status_code == 200
        assert page["Cache-Control"].count("no-store") == 1
        assert is_inside(browser)
        assert session_key(browser) != before
        assert not EnrolmentCode.objects.exists()
        assert events_of(agent)[-1] == Event.SECOND_FACTOR_ENROLLED
        mails = postman.deliver()
        assert {mail["To"] for mail in mails} == {agent.recovery_address, agent.institutional_address}
        assert device.key not in str(mails)

    def test_needs_the_code_whatever_the_password(self):
        """ADM-03: a stolen password enrols nothing."""
        agent = an_agent()
        browser = browser_of(agent)
        for typed in ("", "000000", "k7fq-2m9x-w4tp-bh3z", "x" * 100_000):
            answer = browser.post(reverse("admin:enrolment"), {"code": typed})
            assert answer.status_code == 200
        assert not TOTPDevice.objects.exists()
        assert events_of(agent).count(Event.ENROLMENT_CODE_REFUSED) == 3

    def test_codes_of_others_expired_or_replaced_enrol_nothing(self):
        """ADM-03"""
        agent, other = an_agent(), an_agent()
        of_other = enrolment_code_for(other)
        older = enrolment_code_for(agent)
        newer = enrolment_code_for(agent)
        browser = browser_of(agent)
        assert browser.post(reverse("admin:enrolment"), {"code": of_other}).status_code == 200
        assert browser.post(reverse("admin:enrolment"), {"code": older}).status_code == 200
        with time_machine.travel(timezone.now() + timedelta(hours=24)):
            assert browser_of(agent).post(reverse("admin:enrolment"), {"code": newer}).status_code == 200
        assert not TOTPDevice.objects.exists()

    def test_is_lost_when_the_code_is_over_meanwhile(self):
        agent = an_agent()
        now = timezone.now()
        with time_machine.travel(now, tick=False) as clock:
            code = enrolment_code_for(agent)
            clock.shift(timedelta(hours=23, minutes=59))
            browser = browser_of(agent)
            browser.post(reverse("admin:enrolment"), {"code": code})
            clock.shift(timedelta(minutes=2))
            device = TOTPDevice.objects.get()
            answer = browser.post(reverse("admin:application"), {"code": code_of(device)})
        assert answer.url == reverse("admin:enrolment")
        assert not TOTPDevice.objects.filter(confirmed=True).exists()

    def test_a_code_serves_once(self):
        """ADM-03: two sessions with the same code make one application."""
        agent = an_agent()
        code = enrolment_code_for(agent)
        first, second = browser_of(agent), browser_of(agent)
        first.post(reverse("admin:enrolment"), {"code": code})
        second.post(reverse("admin:enrolment"), {"code": code})
        device = TOTPDevice.objects.get(user=agent)

        assert first.post(reverse("admin:application"), {"code": code_of(device)}).status_code == 302
        assert second.post(reverse("admin:application"), {"code": code_of(device)}).status_code == 200
        assert TOTPDevice.objects.count() == 1
        third = browser_of(agent)
        assert third.post(reverse("admin:enrolment"), {"code": code}).status_code == 302
        assert TOTPDevice.objects.count() == 1

    def test_after_five_wrong_codes_there_is_a_wait(self):
        agent = an_agent()
        code = enrolment_code_for(agent)
        browser = browser_of(agent)
        for _ in range(5):
            browser.post(reverse("admin:enrolment"), {"code": "k7fq-2m9x-w4tp-bh3z"})
        assert browser.post(reverse("admin:enrolment"), {"code": code}).status_code == 429

    def test_the_qr_code_is_shown_to_the_session_that_gave_the_code_only(self):
        """ADM-04: the seed is hidden."""
        agent = an_agent()
        code = enrolment_code_for(agent)
        browser_of(agent).post(reverse("admin:enrolment"), {"code": code})
        assert browser_of(agent).get(reverse("admin:application")).url == reverse("admin:enrolment")

    def test_afterwards_no_page_shows_the_seed(self):
        """ADM-04"""
        agent, browser = inside()
        device = TOTPDevice.objects.get(user=agent)
        for name in ("device", "device-replacement", "backup-codes", "device-removal"):
            page = browser.get(reverse(f"admin:{name}")).content.decode()
            assert device.key not in page
            assert "otpauth" not in page
            assert "<svg width" not in page

    def test_the_code_is_not_in_the_database(self):
        agent = an_agent()
        code = enrolment_code_for(agent)
        assert EnrolmentCode.objects.get().digest.startswith("argon2$")
        assert code not in str(list(JournalEntry.objects.values()))


class TestChanges:
    def test_another_telephone_takes_over_when_it_works(self):
        """ADM-03"""
        agent, browser = inside()
        old = TOTPDevice.objects.get(user=agent)
        other = browser_of(agent)
        with time_machine.travel(timezone.now() + ENOUGH_WAITED):
            browser.post(reverse("admin:device-replacement"), {"code": code_of(old)})
            new = TOTPDevice.objects.get(user=agent, confirmed=False)
            assert is_inside(browser)
            browser.post(reverse("admin:application"), {"code": code_of(new)})
            assert is_inside(browser)
            assert other.get(reverse("account")).status_code == 302
        assert list(TOTPDevice.objects.filter(user=agent)) == [new]
        assert Message.objects.filter(kind=Kind.SECOND_FACTOR_CHANGED).count() == 2

    def test_a_stolen_session_changes_nothing_without_a_code(self):
        """ADM-03: the code it came in with has served."""
        agent, browser = inside()
        device = TOTPDevice.objects.get(user=agent)
        for name in ("device-replacement", "backup-codes", "device-removal"):
            answer = browser.post(reverse(f"admin:{name}"), {"code": wrong_code(device)})
            assert answer.status_code in (200, 429)
        assert TOTPDevice.objects.get(user=agent) == device
        assert not BackupCode.objects.exists()

    def test_removing_ends_the_visit_and_the_next_needs_a_code(self):
        agent, browser = inside()
        device = TOTPDevice.objects.get(user=agent)
        with time_machine.travel(timezone.now() + ENOUGH_WAITED):
            answer = browser.post(reverse("admin:device-removal"), {"code": code_of(device)})
            assert answer.url == reverse("account")
            assert browser.get(HOME).url.startswith(reverse("admin:enrolment"))
        assert not TOTPDevice.objects.exists()
        assert Event.SECOND_FACTOR_REMOVED in events_of(agent)
        assert Message.objects.filter(kind=Kind.SECOND_FACTOR_CHANGED).count() == 2

    def test_a_new_password_leaves_the_application_and_opens_nothing_without_it(self, postman):
        """ADM-03: chosen by the link of « Mot de passe oublié », which whoever reads the mailbox may ask for."""
        agent = an_agent()
        device = with_application(agent)
        thief = Client()
        thief.post(reverse("forgotten-password"), {"login": agent.login})
        thief.get(postman.last_link(), follow=True)
        thief.post(reverse("password-reset"), {"password": "un-tout-autre-mot-de-passe"})
        thief.post(reverse("login"), {"login": agent.login, "password": "un-tout-autre-mot-de-passe"})

        assert thief.get(reverse("account")).status_code == 200
        assert thief.get(HOME).url.startswith(reverse("admin:verification"))
        enrolling = thief.get(reverse("admin:enrolment"), follow=True)
        assert enrolling.redirect_chain[-1][0].startswith(reverse("admin:verification"))
        assert list(TOTPDevice.objects.filter(user=agent, confirmed=True)) == [device]

    def test_the_copy_of_ones_data_holds_no_seed(self):
        """PRV-07"""
        agent, browser = inside()
        copy = browser.post(reverse("account-data-copy")).content.decode()
        assert "totpdevice" in copy
        assert TOTPDevice.objects.get(user=agent).key not in copy


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_time_one_comes_in():
    """ADM-04: sent in parallel."""
    agent = an_agent()
    device = with_application(agent)
    code, together = code_of(device), Barrier(2)
    outcomes: list[str] = []

    def tries() -> None:
        together.wait()
        try:
            second_factor.verify(account=agent, typed=code)
            outcomes.append("in")
        except (second_factor.CodeRefused, second_factor.TooManyCodes):
            outcomes.append("out")
        finally:
            connections.close_all()

    threads = [Thread(target=tries) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["in", "out"]
