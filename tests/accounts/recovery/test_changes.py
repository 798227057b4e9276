"""Change of the recovery address by its owner, the link that confirms it, and « Ce n’était pas moi » (HLP-07)."""

from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.links.signed_link import InvalidLink
from accounts.models import Account, Lock, RecoveryAddressChange
from accounts.passwords.services import change_password
from accounts.recovery import changes
from accounts.services import AccountNotActive
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.models import Redirection
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery import recovering
from tests.accounts.recovery.recovering import NEW, ask, confirm, end_lock, link_of, lock, notice_of, recipients, wish
from tests.concurrency import attempted_together
from tests.factories import active_account, events_of, reloaded
from tests.mail_delivery import link_in, text_of
from tests.signing_in import browser_of, is_signed_in, stolen_cookie_of

pytestmark = pytest.mark.django_db

OTHER = "encore.une@exemple.org"
RESEND, CANCEL = "account-recovery-resend", "account-recovery-cancel"
B, C = "b@exemple.org", "c@exemple.org"


def page(browser: Client) -> str:
    return browser.get(reverse("account-recovery")).content.decode()


def press(browser: Client, name: str) -> str:
    return browser.post(reverse(name), follow=True).content.decode()


class TestConfirmation:
    def test_links_go_to_the_old_address_until_the_new_one_is_confirmed(self, person, browser, mail_delivery):
        """HLP-07: the owner and the old addresses are notified, the journal records both steps."""
        old, new = person.recovery_address, "NOUVELLE@exemple.org"
        answer = browser.post(reverse("account-recovery"), {"address": f" {NEW.upper()} "}, follow=True)
        assert f"Nous venons d’envoyer un e-mail à {new}" in answer.content.decode()
        verification = mail_delivery.last_mail()
        assert verification.envelope.recipients == [new]
        assert recovering.reset_mail_recipients(person, mail_delivery) == [reloaded(person).recovery_address] == [old]
        assert confirm(link_in(verification)).status_code == 200
        assert reloaded(person).recovery_address_owner_set_at is not None
        notices = {mail["To"]: text_of(mail) for mail in mail_delivery.deliver()[2:]}
        assert set(notices) == {old, person.institutional_address}
        assert "Cette adresse-ci ne servira plus." in notices[old]
        assert "Cette adresse-ci" not in notices[person.institutional_address]
        assert recovering.reset_mail_recipients(person, mail_delivery) == [reloaded(person).recovery_address] == [new]
        requested, changed = person.journal.filter(event__startswith="recovery").order_by("pk")
        assert (requested.event, requested.actor) == (Event.RECOVERY_CHANGE_REQUESTED, person)
        assert (changed.event, changed.actor) == (Event.RECOVERY_ADDRESS_CHANGED, None)
        assert changed.details == {"previous": old, "address": new}

    def test_notices_go_to_the_mailbox_if_there_is_one_and_to_the_old_address_unless_missing_or_disputed(self):
        """TOK-10"""
        disputed = active_account(recovery_address_disputed_at=timezone.now())
        student, without = active_account(category="student"), active_account(category="student", recovery_address="")
        for person in (disputed, student, without):
            recovering.change_to(person, f"{person.uid}@exemple.org")
            assert reloaded(person).can_be_mailed
        assert recipients(kind=Kind.RECOVERY_CHANGED) == [disputed.institutional_address, student.recovery_address]


class TestReauthentication:
    def test_a_stolen_cookie_changes_nothing_and_the_typed_address_stays(self, person):
        """SES-08: wrong passwords are limited as on the login page."""
        thief = stolen_cookie_of(person)
        assert 'name="current_password"' in ask(thief).content.decode()
        assert ask(thief, "camille@gmial.com", spelling="kept").status_code == 200
        wrong = [ask(thief, current_password="faux") for _ in range(6)]
        assert [one.status_code for one in wrong] == [200] * 5 + [429]
        assert f'value="{NEW}"' in wrong[-1].content.decode()
        assert not RecoveryAddressChange.objects.exists()


class TestRequest:
    def test_the_form_and_the_service_refuse_what_the_policy_refuses(self, person, browser):
        """FWD-02, INP-03, INP-06: another spelling of the present address does not help; a probable typo is asked about."""
        with pytest.raises(changes.SameAddress):
            changes.request_recovery_change(account=person, address=person.recovery_address)
        for address, sentence in {
            "pas une adresse": "Erreur",
            "camille@labo.univ-exemple.fr": "L’adresse de secours doit être une adresse extérieure à l’université",
            person.recovery_address.replace("exemple.net", "EXEMPLE.NET"): "C’est déjà votre adresse de secours",
            "camille@gmial.com": "Avez-vous voulu écrire camille@gmail.com\N{NO-BREAK SPACE}?",
            "camille@gmail,com": "Utiliser camille@gmail.com",
        }.items():
            assert sentence in ask(browser, address).content.decode(), address
        assert ask(browser, "camille@gmail,com", spelling="kept").status_code == 200
        assert not RecoveryAddressChange.objects.exists()
        for spelling, address in (("corrected", "camille@gmail.com"), ("kept", "camille@gmial.com")):
            ask(browser, "camille@gmial.com", spelling=spelling)
            assert RecoveryAddressChange.objects.waiting().get(account=person).new_address == address
        ask(browser, account=str(active_account().pk), is_staff="1", confirmed_at="2026-01-01")
        change = RecoveryAddressChange.objects.waiting().get()
        assert (change.account, change.confirmed_at, reloaded(person).is_staff) == (person, None, False)

    def test_another_address_or_a_cancellation_kills_the_link_for_good(self, person, browser, mail_delivery):
        """HLP-07, ADM-01: even when it is open; requesting the first address again does not revive its link."""
        ask(browser)
        first, elsewhere = link_in(mail_delivery.last_mail()), Client()
        assert "est à confirmer" in page(browser)
        elsewhere.get(first)
        ask(browser, OTHER)
        assert confirm(first).status_code == 404
        stranger = browser_of(active_account())
        press(stranger, CANCEL)
        assert "Aucune adresse n’attend de vérification." in press(stranger, RESEND)
        assert RecoveryAddressChange.objects.waiting().exists()
        for _ in range(2):
            assert "Votre adresse de secours reste inchangée." in press(browser, CANCEL)
        entries = person.journal.filter(event=Event.RECOVERY_CHANGE_CANCELLED)
        assert list(entries.values_list("actor", flat=True)) == [person.pk] * 2
        assert "est à confirmer" not in page(browser)
        assert elsewhere.post(reverse("recovery-address")).status_code == 404
        assert confirm(link_in(mail_delivery.last_mail())).status_code == 404
        ask(browser)
        assert confirm(first).status_code == 404
        assert reloaded(person).recovery_address == person.recovery_address
        assert confirm(link_in(mail_delivery.last_mail())).status_code == 200
        assert reloaded(person).recovery_address == NEW


class TestMailQuota:
    def test_another_mail_waits_a_minute_and_the_page_says_until_when(self, person):
        """ENU-05: it is one change; every mailed link works."""
        with time_machine.travel(datetime(2026, 6, 10, 8, 0, 30, tzinfo=UTC), tick=False) as clock:
            browser = browser_of(person)
            ask(browser)
            first = link_of(RecoveryAddressChange.objects.get())
            said = press(browser, RESEND)
            assert "Vous pourrez en demander un autre à 10\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}02." in said
            assert ask(browser).status_code == 200
            clock.shift(60)
            assert "Nous venons d’envoyer un nouvel e-mail." in press(browser, RESEND)
            assert recipients(kind=Kind.RECOVERY_VERIFICATION) == [NEW] * 2
            assert RecoveryAddressChange.objects.count() == 1
            assert confirm(first).status_code == 200

    def test_an_address_mailed_three_times_is_refused_and_the_pending_change_goes_on(self, person, browser):
        """ENU-05: what was typed stays."""
        for _ in range(3):
            wish(active_account(), OTHER)
        ask(browser)
        answer = ask(browser, OTHER)
        assert (answer.status_code, f'value="{OTHER}"' in answer.content.decode()) == (200, True)
        assert RecoveryAddressChange.objects.waiting().get(account=person).new_address == NEW


class TestLink:
    def test_it_works_once_on_another_device_without_login_and_shows_only_the_address(self, person):
        """HLP-07, FWD-01, TOK-06, TOK-10: a signed-in user there stays signed in."""
        link, other, elsewhere = link_of(wish(person)), active_account(), Client()
        asked = elsewhere.get(link, follow=True).content.decode()
        assert reloaded(person).recovery_address == person.recovery_address
        done = elsewhere.post(reverse("recovery-address")).content.decode()
        assert NEW in asked
        secrets = (person.given_name, person.family_name, person.login, person.uid, person.recovery_address)
        assert not [secret for secret in secrets if secret in asked + done]
        assert not is_signed_in(elsewhere)
        assert confirm(link).status_code == 410
        assert events_of(person).count(Event.RECOVERY_ADDRESS_CHANGED) == 1
        browser = browser_of(other)
        assert confirm(link_of(wish(person, OTHER)), browser).status_code == 200
        assert is_signed_in(browser)
        assert reloaded(other).recovery_address == other.recovery_address

    def test_what_kills_the_link_and_cancels_the_mail(self, mail_delivery):
        """TOK-07, HLP-01, HLP-02: a lock does so even once it is released."""
        for kill, answer, status in (
            (lock, 410, Status.CANCELLED),
            (lambda person: change_password(account=person, password="une autre phrase"), 404, Status.CANCELLED),
            (recovering.close, 404, Status.CANCELLED),
            (lambda person: changes.set_recovery_address(person, "corrigee@exemple.net"), 404, Status.SENT),
        ):
            person = active_account()
            change = wish(person, f"{person.uid}@exemple.org")
            link, fingerprint = link_of(change), recovering.fingerprint_of(change)
            kill(person)
            before = reloaded(person).recovery_address
            assert confirm(link).status_code == answer
            with pytest.raises((AccountNotActive, InvalidLink)):
                changes.confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint)
            mail_delivery.deliver()
            assert person.messages.get(kind=Kind.RECOVERY_VERIFICATION).status == status, answer
            end_lock(person)
            assert (confirm(link).status_code, reloaded(person).recovery_address) == (404, before)

    def test_no_act_is_possible_while_locked(self, person, monkeypatch):
        """HLP-07, HLP-01"""
        change = wish(person)
        fingerprint = recovering.fingerprint_of(change)
        lock(person)
        for act in (
            lambda: changes.request_recovery_change(account=person, address=OTHER),
            lambda: changes.resend_recovery_verification(account=person),
            lambda: changes.cancel_recovery_change(account=person),
            lambda: changes.confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint),
        ):
            with pytest.raises(AccountNotActive):
                act()
        end_lock(person)
        browser = browser_of(person)
        # A lock that comes after the session was read.
        monkeypatch.setattr(changes, "lock_active_account", Mock(side_effect=AccountNotActive))
        for name in ("account-recovery", RESEND, CANCEL):
            assert browser.post(reverse(name), {"address": OTHER}).status_code == 302
        assert RecoveryAddressChange.objects.get().new_address == NEW


@pytest.mark.django_db(transaction=True)
def test_concurrent_clicks_confirm_once_and_concurrent_requests_leave_one():
    """TOK-07: one change, one entry, one set of notices."""
    for _ in range(3):
        person = active_account()
        addresses = [f"{name}.{person.uid}@exemple.org" for name in ("une", "autre")]
        requests = attempted_together(*(lambda address=address: wish(person, address) for address in addresses))
        assert [type(one) for one in requests] == [RecoveryAddressChange] * 2
        change = RecoveryAddressChange.objects.waiting().get(account=person)
        fingerprint = recovering.fingerprint_of(change)
        click = [lambda: changes.confirm_recovery_change(change_id=change.pk, fingerprint=fingerprint)]
        results = attempted_together(*click * 3)
        assert sorted(type(one).__name__ for one in results) == ["LinkUsed", "LinkUsed", "RecoveryAddressChange"]
        assert events_of(person).count(Event.RECOVERY_ADDRESS_CHANGED) == 1
        assert len(recipients(kind=Kind.RECOVERY_CHANGED, person=person)) == 2


def change_the_password(person: Account) -> JournalEntry:
    change_password(account=reloaded(person), password="une autre phrase de passe")
    return person.journal.filter(event=Event.PASSWORD_CHANGED).latest("pk")


class TestReport:
    def test_the_old_address_restores_itself_and_locks_the_account(self, person, mail_delivery):
        """HLP-07, HLP-02, TOK-06, TOK-10: by a POST without login."""
        old = person.recovery_address
        change_redirection(account=person, target=old, keep_copy=True)
        intruder, reader = browser_of(person), Client()
        recovering.change_to(person, B)
        wish(person, C)
        [notice] = [m for m in mail_delivery.deliver() if m["To"] == old and "adresse de secours" in m["Subject"]]
        shown = reader.get(link_in(notice), follow=True).content.decode()
        assert "Adresse de secours changée" in shown
        assert (reloaded(person).recovery_address, reloaded(person).is_locked) == (B, False)
        done = reader.post(reverse("not-me"), follow=True).content.decode()
        assert "Le compte est bloqué" in done
        secrets = ("Camille", "Durand", person.login, person.uid, old, B)
        assert not [secret for secret in secrets if secret in shown + done]
        assert reloaded(person).recovery_address == old
        assert Lock.objects.get().reason == LockReason.SUSPICIOUS_ACTIVITY
        assert not is_signed_in(intruder)
        assert not Redirection.objects.in_force().exists()
        assert RecoveryAddressChange.objects.get(new_address=B).undone_at is not None
        undone = [Event.CHANGE_DISOWNED, Event.RECOVERY_CHANGE_CANCELLED, Event.RECOVERY_ADDRESS_RESTORED]
        assert events_of(person)[-4:] == [*undone, Event.LOCKED]
        [told] = [mail for mail in mail_delivery.deliver() if mail["To"] == B and "n’est plus" in mail["Subject"]]
        assert "quelqu’un a signalé" in text_of(told)
        assert old not in text_of(told)

    def test_the_notice_of_a_password_undoes_the_addresses_confirmed_since_and_no_earlier_one(self, person):
        """HLP-07"""
        recovering.change_to(person, B)
        entry = change_the_password(person)
        for address in (C, "d@exemple.org"):
            recovering.change_to(person, address)
        recovering.report(notice_of(entry))
        assert (reloaded(person).recovery_address, reloaded(person).is_locked) == (B, True)
        assert RecoveryAddressChange.objects.get(undone_at__isnull=True).new_address == B

    def test_each_report_restores_an_earlier_address_whatever_the_order(self):
        """HLP-07: B is the intruder's; the link sent to A opens although the account is locked already."""
        for second in (C, None):
            person = active_account()
            first = notice_of(recovering.change_to(person, B))
            last = notice_of(recovering.change_to(person, second or person.recovery_address))
            recovering.report(last)
            assert reloaded(person).recovery_address == B
            for link in (first, last):
                recovering.report(link)
                assert reloaded(person).recovery_address == person.recovery_address
            assert (person.locks.count(), events_of(person).count(Event.CHANGE_DISOWNED)) == (1, 2)

    def test_it_is_idempotent_and_dead_after_the_unlock(self, person):
        """HLP-02: the agent's decision stands; a change after it can be reported."""
        link = notice_of(recovering.change_to(person, B))
        recovering.report(link)
        entries = person.journal.count()
        assert recovering.report(link).status_code == Client().get(link, follow=True).status_code == 410
        assert (person.journal.count(), Lock.objects.count()) == (entries, 1)
        end_lock(person)
        again = recovering.report(link)
        assert again.status_code == 404
        assert "la DSIN s’est occupée du compte depuis" in again.content.decode()
        assert (reloaded(person).is_locked, person.journal.count()) == (False, entries)
        assert recovering.report(notice_of(recovering.change_to(person, C))).status_code == 302
        assert (reloaded(person).recovery_address, reloaded(person).is_locked) == (person.recovery_address, True)

    def test_the_address_is_restored_under_an_agents_lock_and_no_more_after_it(self, person):
        """HLP-06, HLP-02: the mail of the unlock must not go to the intruder."""
        link, other = notice_of(recovering.change_to(person, B)), active_account()
        entry = recovering.change_to(other, C)
        dead = notice_of(entry)
        for account in (person, other):
            lock(account)
        end_lock(other)
        assert (recovering.report(link).status_code, recovering.report(dead).status_code) == (302, 404)
        changes.report_unauthorized_change(entry=entry)
        assert (reloaded(person).recovery_address, reloaded(other).recovery_address) == (person.recovery_address, C)
        assert (person.locks.get().reason, reloaded(other).is_locked) == (LockReason.PHISHING, False)


class TestReportLink:
    def test_it_is_valid_for_seven_days_from_the_change_however_late_its_mail_is_sent(self, person, mail_delivery):
        """HLP-07, EML-04: of 24 hours, also when clocks change."""
        start = datetime(2026, 10, 21, 12, 40, tzinfo=UTC)
        with time_machine.travel(start, tick=False) as clock:
            Account.objects.filter(pk=person.pk).update(password_changed_at=timezone.now())
            change_the_password(person)
            clock.shift(timedelta(days=2))
            mail = mail_delivery.last_mail()
            text = text_of(mail).replace("\N{NO-BREAK SPACE}", " ")
            assert "21 octobre 2026 à 14 h 40" in text
            assert "Vous pouvez le faire jusqu’au mercredi 28 octobre 2026 à 13 h 40 (heure de Paris)." in text
            clock.move_to(start + timedelta(days=7, seconds=1), tick=False)
            late = recovering.report(link_in(mail))
            assert (late.status_code, reloaded(person).is_locked) == (410, False)
            clock.move_to(start + timedelta(days=7), tick=False)
            assert recovering.report(link_in(mail)).status_code == 302

    def test_it_is_mailed_while_locked_but_not_after_an_unlock_nor_for_a_closed_account(self, person, mail_delivery):
        """HLP-02"""
        unlocked, closed = active_account(), active_account()
        links = [notice_of(change_the_password(account)) for account in (person, unlocked, closed)]
        for account in (person, unlocked):
            lock(account)
        end_lock(unlocked)
        recovering.close(closed)
        assert len(mail_delivery.deliver()) == 3
        notices = Message.objects.filter(kind=Kind.PASSWORD_CHANGED)
        assert set(notices.filter(person=person).values_list("status", flat=True)) == {Status.SENT}
        assert set(notices.exclude(person=person).values_list("status", flat=True)) == {Status.CANCELLED}
        assert [recovering.report(link).status_code for link in links] == [302, 404, 404]


@pytest.mark.django_db(transaction=True)
def test_reports_a_lock_and_the_next_change_at_once():
    """TOK-07, HLP-07: one lock with the old address, whatever comes first."""
    for number in range(4):
        person = active_account()
        entry = recovering.change_to(person, f"b{number}@exemple.org")
        link = link_of(wish(person, f"c{number}@exemple.org"))
        reports = [lambda: changes.report_unauthorized_change(entry=entry)] * 2
        also = [lambda: lock(person)], [lambda: confirm(link)]
        results = attempted_together(*reports, *also[number % 2])
        assert not [one for one in results if isinstance(one, Exception)]
        for event in (Event.CHANGE_DISOWNED, Event.RECOVERY_ADDRESS_RESTORED, Event.LOCKED):
            assert events_of(person).count(event) == 1
        assert (reloaded(person).recovery_address, person.locks.count()) == (person.recovery_address, 1)
        assert not RecoveryAddressChange.objects.waiting().filter(account=person).exists()
