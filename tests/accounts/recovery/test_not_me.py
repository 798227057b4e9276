"""« Ce n’était pas moi » (HLP-07)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.models import Account, Lock, RecoveryAddressChange, Session
from accounts.passwords.services import change_password
from accounts.recovery.changes import report_unauthorized_change
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.models import Redirection
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery import recovering
from tests.accounts.recovery.recovering import change_to, end_lock, link_of, lock, notice_of, report
from tests.concurrency import attempted_together
from tests.factories import active_account, events_of, reloaded
from tests.mail_delivery import link_in, text_of
from tests.signing_in import browser_of

pytestmark = pytest.mark.django_db

B, C = "b@exemple.org", "c@exemple.org"
ANOTHER_PASSWORD = "une autre phrase de passe"


def change_the_password(person: Account) -> JournalEntry:
    change_password(account=reloaded(person), password=ANOTHER_PASSWORD)
    return person.journal.filter(event=Event.PASSWORD_CHANGED).latest("pk")


class TestReport:
    def test_the_old_address_restores_itself_and_locks_the_account(self, person, mail_delivery):
        """HLP-07, HLP-02, TOK-06, TOK-09, TOK-10: by a POST without login, on pages without a name; no mail can set a
        password before the unlock."""
        old = person.recovery_address
        change_redirection(account=person, target=old, keep_copy=True)
        intruder, reader = browser_of(person), Client()
        change_to(person, B)
        pending = link_of(recovering.wish(person, C))
        [notice] = [m for m in mail_delivery.deliver() if m["To"] == old and "adresse de secours" in m["Subject"]]
        opened = reader.get(link_in(notice))
        assert (opened["Location"], opened["Referrer-Policy"]) == (reverse("not-me"), "no-referrer")
        shown = reader.get(reverse("not-me")).content.decode()
        assert "Adresse de secours changée" in shown
        assert (reloaded(person).recovery_address, reloaded(person).is_locked) == (B, False)
        done = reader.post(reverse("not-me"), follow=True).content.decode()
        assert "Le compte est bloqué" in done
        assert not [
            secret for secret in ("Camille", "Durand", person.login, person.uid, old, B) if secret in shown + done
        ]
        assert reloaded(person).recovery_address == old
        assert Lock.objects.get().reason == LockReason.SUSPICIOUS_ACTIVITY
        assert intruder.get(reverse("account")).status_code == 302
        assert not Session.objects.filter(account=person).exists()
        assert not Redirection.objects.in_force().exists()
        assert RecoveryAddressChange.objects.get(new_address=B).undone_at is not None
        assert events_of(person)[-4:] == [
            Event.CHANGE_DISOWNED,
            Event.RECOVERY_CHANGE_CANCELLED,
            Event.RECOVERY_ADDRESS_RESTORED,
            Event.LOCKED,
        ]
        assert recovering.reset_mail_recipients(person, mail_delivery) == []
        end_lock(person)
        assert recovering.reset_mail_recipients(person, mail_delivery) == [old]
        assert recovering.confirm(pending).status_code == 404

    def test_notices_of_a_password_and_to_the_mailbox_do_so_too(self, person, mail_delivery):
        """HLP-07: the addresses confirmed since the change of the password are undone, those before it stay."""
        change_to(person, B)
        entry = change_the_password(person)
        change_to(person, C)
        change_to(person, "d@exemple.org")
        report(notice_of(entry))
        assert (reloaded(person).recovery_address, reloaded(person).is_locked) == (B, True)
        assert RecoveryAddressChange.objects.filter(undone_at__isnull=True).count() == 1
        without = active_account(recovery_address="")
        change_to(without, B)
        [notice] = [mail for mail in mail_delivery.deliver() if mail["To"] == without.institutional_address]
        report(link_in(notice))
        assert (reloaded(without).recovery_address, reloaded(without).is_locked) == ("", True)

    def test_each_report_restores_an_earlier_address_whatever_the_order(self):
        """HLP-07: B is the intruder's; the link sent to A opens although the account is locked already."""
        for second in (C, None):
            person = active_account()
            first = notice_of(change_to(person, B))
            last = notice_of(change_to(person, second or person.recovery_address))
            report(last)
            assert reloaded(person).recovery_address == B
            for link in (first, last):
                report(link)
                assert reloaded(person).recovery_address == person.recovery_address
            assert (person.locks.count(), events_of(person).count(Event.CHANGE_DISOWNED)) == (1, 2)

    def test_it_is_idempotent_and_dead_after_the_unlock(self, person):
        """HLP-02: the agent's decision stands; a change after it can be reported."""
        link = notice_of(change_to(person, B))
        report(link)
        entries = person.journal.count()
        again = report(link)
        assert again.status_code == Client().get(link, follow=True).status_code == 410
        assert "Le compte est bloqué" in again.content.decode()
        assert (person.journal.count(), Lock.objects.count()) == (entries, 1)
        end_lock(person)
        again = report(link)
        assert again.status_code == 404
        assert "la DSIN s’est occupée du compte depuis" in again.content.decode()
        assert (reloaded(person).is_locked, person.journal.count()) == (False, entries)
        assert report(notice_of(change_to(person, C))).status_code == 302
        assert (reloaded(person).recovery_address, reloaded(person).is_locked) == (person.recovery_address, True)

    def test_the_address_is_restored_under_an_agents_lock_and_no_more_after_it(self, person):
        """HLP-06, HLP-02: the mail of the unlock must not go to the intruder."""
        link, other = notice_of(change_to(person, B)), active_account()
        entry = change_to(other, C)
        dead = notice_of(entry)
        for account in (person, other):
            lock(account)
        end_lock(other)
        assert (report(link).status_code, report(dead).status_code) == (302, 404)
        report_unauthorized_change(entry=entry)
        assert (reloaded(person).recovery_address, reloaded(other).recovery_address) == (person.recovery_address, C)
        assert (person.locks.get().reason, reloaded(other).is_locked) == (LockReason.PHISHING, False)


class TestLink:
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
            assert "Possible jusqu’au mercredi 28 octobre 2026 à 13 h 40 (heure de Paris)." in text
            clock.move_to(start + timedelta(days=7, seconds=1), tick=False)
            late = report(link_in(mail))
            assert (late.status_code, reloaded(person).is_locked) == (410, False)
            assert "Il servait pendant 7 jours" in late.content.decode()
            clock.move_to(start + timedelta(days=7), tick=False)
            assert report(link_in(mail)).status_code == 302

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
        assert [report(link).status_code for link in links] == [302, 404, 404]


@pytest.mark.django_db(transaction=True)
def test_reports_a_lock_and_the_next_change_at_once():
    """TOK-07, HLP-07: one lock with the old address, whatever comes first."""
    for number in range(4):
        person = active_account()
        entry = change_to(person, f"b{number}@exemple.org")
        link = link_of(recovering.wish(person, f"c{number}@exemple.org"))
        reports = [lambda: report_unauthorized_change(entry=entry)] * 2
        also = [lambda: lock(person)], [lambda: recovering.confirm(link)]
        results = attempted_together(*reports, *also[number % 2])
        assert not [one for one in results if isinstance(one, Exception)]
        for event in (Event.CHANGE_DISOWNED, Event.RECOVERY_ADDRESS_RESTORED, Event.LOCKED):
            assert events_of(person).count(event) == 1
        assert (reloaded(person).recovery_address, person.locks.count()) == (person.recovery_address, 1)
        assert not RecoveryAddressChange.objects.waiting().filter(account=person).exists()
