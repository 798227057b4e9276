"""« Ce n’était pas moi »: the link of a notice locks the account and restores the recovery address (HLP-07)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.links.account_links import not_me_link, password_reset_link
from accounts.links.signed_link import InvalidLink
from accounts.locking.lock import lock_account
from accounts.models import Account, Lock, RecoveryAddressChange, Session
from accounts.passwords.services import change_password, reset_password
from accounts.recovery.changes import report_unauthorized_change
from activation.links import activation_link
from journal.events import Event
from journal.models import JournalEntry
from mailrouting.models import Redirection
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import (
    at_once,
    browser_of,
    change_to,
    confirm,
    fresh,
    link_of,
    notice_of,
    report,
    wish,
)
from tests.factories import active_account
from tests.locking import PROVEN
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db

B, C = "b@exemple.org", "c@exemple.org"
ANOTHER_PASSWORD = "une autre phrase de passe"


@pytest.fixture
def person() -> Account:
    return active_account(given_name="Camille", family_name="Durand")


def change_the_password(person: Account) -> JournalEntry:
    change_password(account=fresh(person), password=ANOTHER_PASSWORD)
    return person.journal.filter(event=Event.PASSWORD_CHANGED).latest("pk")


def lock(person: Account, reason: LockReason = LockReason.PHISHING) -> None:
    lock_account(account=person, reason=reason)


def unlock(person: Account) -> None:
    Lock.objects.filter(account=person, released_at=None).update(released_at=timezone.now(), **PROVEN)


def close(person: Account) -> None:
    Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))


def count(person: Account, event: Event) -> int:
    return person.journal.filter(event=event).count()


def reset_mail_recipients(person: Account, mail_delivery) -> list[str]:
    before = len(mail_delivery.deliver())
    Client().post(reverse("forgotten-password"), {"login": person.login})
    return [mail["To"] for mail in mail_delivery.deliver()[before:]]


class TestReport:
    def test_the_old_address_restores_itself_and_locks_the_account(self, person, mail_delivery):
        """HLP-07, HLP-02: by a POST without login; no mail can set a password before the unlock."""
        old = person.recovery_address
        change_redirection(account=person, target=old, keep_copy=True)
        intruder = browser_of(person)
        change_to(person, B)
        pending = link_of(wish(person, C))
        [notice] = [m for m in mail_delivery.deliver() if m["To"] == old and "adresse de secours" in m["Subject"]]
        reader = Client()

        assert reader.get(link_in(notice), follow=True).status_code == 200
        assert (fresh(person).recovery_address, fresh(person).is_locked) == (B, False)
        answer = reader.post(reverse("not-me"), follow=True)

        assert "Le compte est bloqué" in answer.content.decode()
        assert fresh(person).recovery_address == old
        assert Lock.objects.get().reason == LockReason.SUSPICIOUS_ACTIVITY
        assert intruder.get(reverse("account")).status_code == 302
        assert not Session.objects.filter(account=person).exists()
        assert not Redirection.objects.in_force().exists()
        assert not RecoveryAddressChange.objects.waiting().exists()
        assert RecoveryAddressChange.objects.get(new_address=B).undone_at is not None
        assert [entry.event for entry in person.journal.order_by("pk")][-4:] == [
            Event.CHANGE_DISOWNED,
            Event.RECOVERY_CHANGE_CANCELLED,
            Event.RECOVERY_ADDRESS_RESTORED,
            Event.LOCKED,
        ]
        assert reset_mail_recipients(person, mail_delivery) == []
        unlock(person)
        assert reset_mail_recipients(person, mail_delivery) == [old]
        assert confirm(pending).status_code == 404

    def test_the_mailbox_reports_when_there_was_no_recovery_address(self, mail_delivery):
        """PWD-06"""
        person = active_account(recovery_address="")
        change_to(person, B)
        [notice] = [mail for mail in mail_delivery.deliver() if mail["To"] == person.institutional_address]

        assert report(link_in(notice)).status_code == 302
        assert fresh(person).recovery_address == ""
        assert fresh(person).is_locked

    def test_the_notice_of_a_password_undoes_the_addresses_confirmed_since(self, person):
        """HLP-07: those confirmed before stay."""
        change_to(person, B)
        entry = change_the_password(person)
        change_to(person, C)
        change_to(person, "d@exemple.org")

        report(notice_of(entry))

        assert fresh(person).recovery_address == B
        assert fresh(person).is_locked
        assert RecoveryAddressChange.objects.filter(undone_at__isnull=True).count() == 1

    def test_the_notice_of_a_password_reset_locks_too(self, person):
        deadline = password_reset_link.deadline(timezone.now())
        token = password_reset_link.token(person, deadline, password_reset_link.subject(person))
        reset_password(payload=password_reset_link.read(token), password=ANOTHER_PASSWORD)
        report(notice_of(person.journal.get(event=Event.PASSWORD_RESET)))

        assert fresh(person).is_locked


class TestSeveralChanges:
    def test_a_report_of_the_second_change_does_not_block_the_owners_report_of_the_first(self, person):
        """HLP-07: B is the intruder's; the link sent to A opens although the account is locked already."""
        first, last = change_to(person, B), change_to(person, C)
        first_link, last_link = notice_of(first), notice_of(last)
        report(last_link)
        assert fresh(person).recovery_address == B

        assert report(first_link).status_code == 302

        assert fresh(person).recovery_address == person.recovery_address
        assert (Lock.objects.count(), count(person, Event.CHANGE_DISOWNED)) == (1, 2)
        report(last_link)
        assert fresh(person).recovery_address == person.recovery_address

    def test_a_report_of_the_first_change_wins_over_the_second(self, person):
        first, last = change_to(person, B), change_to(person, C)
        report(notice_of(first))
        report(notice_of(last))

        assert fresh(person).recovery_address == person.recovery_address

    def test_a_change_back_and_forth_is_undone_step_by_step(self, person):
        last_link, first_link = map(
            notice_of, reversed([change_to(person, B), change_to(person, person.recovery_address)])
        )
        report(last_link)
        assert fresh(person).recovery_address == B
        report(first_link)
        assert fresh(person).recovery_address == person.recovery_address

    def test_a_change_after_the_unlock_can_be_reported(self, person):
        report(notice_of(change_to(person, B)))
        unlock(person)
        assert report(notice_of(change_to(person, C))).status_code == 302

        assert fresh(person).recovery_address == person.recovery_address
        assert fresh(person).is_locked
        assert count(person, Event.RECOVERY_ADDRESS_RESTORED) == 2


class TestReportingAgain:
    def test_it_is_idempotent_and_dead_after_the_unlock(self, person):
        """HLP-02: the agent's decision stands."""
        link = notice_of(change_to(person, B))
        report(link)
        entries = person.journal.count()

        again = report(link)
        assert again.status_code == Client().get(link, follow=True).status_code == 410
        assert "Le compte est bloqué" in again.content.decode()
        assert (person.journal.count(), Lock.objects.count()) == (entries, 1)

        unlock(person)
        again = report(link)
        assert again.status_code == 404
        assert "la DSIN s’est occupée du compte depuis" in again.content.decode()
        assert not fresh(person).is_locked
        assert count(person, Event.CHANGE_DISOWNED) == 1

        lock(person, LockReason.OTHER)
        assert report(link).status_code == 410

    def test_while_an_agent_has_locked_the_account_the_address_is_still_restored(self, person):
        """HLP-06: the mail of the unlock must not go to the intruder."""
        link = notice_of(change_to(person, B))
        lock(person)

        assert report(link).status_code == 302
        assert fresh(person).recovery_address == person.recovery_address
        assert Lock.objects.get().reason == LockReason.PHISHING

    def test_the_link_of_a_change_before_an_unlock_is_dead(self, person):
        """HLP-02"""
        link = notice_of(change_to(person, B))
        lock(person)
        unlock(person)

        assert report(link).status_code == 404
        assert fresh(person).recovery_address == B


class TestLink:
    def test_scanners_change_nothing_and_a_post_needs_the_csrf_token(self, person):
        """TOK-06, SES-07"""
        link = notice_of(change_to(person, B))
        for agent in ("BingPreview", "Mimecast", ""):
            scanner = Client(headers={"user-agent": agent})
            scanner.get(link, follow=True)
            scanner.head(link, follow=True)
            scanner.options(link)
        guarded = Client(enforce_csrf_checks=True)
        guarded.get(link)
        assert guarded.post(reverse("not-me")).status_code == 403

        assert fresh(person).recovery_address == B
        assert not fresh(person).is_locked
        assert report(link).status_code == 302

    @pytest.mark.parametrize("changed_at", ["2026-06-10 08:00:00", "2026-03-25 08:00:00", "2026-10-21 08:00:00"])
    def test_it_is_valid_for_seven_days(self, person, changed_at):
        """HLP-07: of 24 hours, also when clocks change."""
        start = datetime.fromisoformat(f"{changed_at}Z")
        with time_machine.travel(start, tick=False) as clock:
            Account.objects.filter(pk=person.pk).update(password_changed_at=timezone.now())
            link = notice_of(change_to(person, B))
            clock.move_to(start + timedelta(days=7, seconds=1), tick=False)
            late = report(link)
            assert late.status_code == 410
            assert "Il servait pendant 7 jours" in late.content.decode()
            assert not fresh(person).is_locked
            clock.move_to(start + timedelta(days=7), tick=False)
            assert report(link).status_code == 302
            assert fresh(person).is_locked

    def test_its_pages_show_no_name_nor_address(self, person):
        """TOK-09, TOK-10"""
        browser = Client()
        answer = browser.get(notice_of(change_to(person, B)))
        assert (answer.status_code, answer["Location"]) == (302, reverse("not-me"))
        assert answer["Referrer-Policy"] == "no-referrer"
        shown = browser.get(reverse("not-me")).content.decode()
        done = browser.post(reverse("not-me"), follow=True).content.decode()

        assert "Adresse de secours changée" in shown
        for html in (shown, done):
            for secret in ("Camille", "Durand", person.login, person.uid, person.recovery_address, B):
                assert secret not in html

    def test_a_token_of_another_purpose_account_or_entry_opens_nothing(self, person):
        """TOK-02"""
        entry = change_to(person, B)
        link, deadline = notice_of(entry), not_me_link.deadline(entry.at)
        for token in (
            activation_link.token(person, activation_link.deadline(timezone.now()), entry.pk),
            not_me_link.token(person, deadline + timedelta(days=1), entry.pk),
            f"{not_me_link.token(person, deadline, entry.pk)}x",
        ):
            assert report(reverse("not-me-link", args=[token])).status_code == 404
        for account, entry_id in ((active_account(), entry.pk), (person, entry.pk + 1000)):
            with pytest.raises(InvalidLink):
                not_me_link.token(account, deadline, entry_id)
        assert Client().get(reverse("not-me")).status_code == Client().post(reverse("not-me")).status_code == 404
        close(person)
        assert report(link).status_code == 404
        assert fresh(person).recovery_address == B
        assert not Lock.objects.exists()


class TestNotice:
    def test_it_is_sent_although_the_account_is_locked(self, person, mail_delivery):
        change_the_password(person)
        lock(person)
        [notice, _copy, _of_the_lock] = mail_delivery.deliver()

        assert report(link_in(notice)).status_code == 302

    def test_it_is_not_sent_after_an_unlock_nor_for_a_closed_account(self, person, mail_delivery):
        """HLP-02: its link would be valid."""
        change_the_password(person)
        lock(person)
        unlock(person)
        closed = active_account()
        change_the_password(closed)
        close(closed)

        assert mail_delivery.deliver() == []
        assert set(Message.objects.values_list("status", flat=True)) == {Status.CANCELLED}

    def test_its_deadline_counts_from_the_change_however_late_it_is_sent(self, person, mail_delivery):
        """EML-04"""
        with time_machine.travel(datetime(2026, 10, 21, 12, 40, tzinfo=UTC), tick=False) as clock:
            Account.objects.filter(pk=person.pk).update(password_changed_at=timezone.now())
            entry = change_the_password(person)
            clock.shift(timedelta(days=2))
            text = text_of(mail_delivery.last_mail()).replace("\N{NO-BREAK SPACE}", " ")

        assert "21 octobre 2026 à 14 h 40" in text
        assert "Possible jusqu’au mercredi 28 octobre 2026 à 13 h 40 (heure de Paris)." in text
        deadlines = Message.objects.filter(kind=Kind.PASSWORD_CHANGED).values_list("deadline", flat=True)
        assert set(deadlines) == {entry.at + timedelta(days=7)}


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    def test_two_reports_or_a_report_and_a_lock_are_one_lock(self):
        """TOK-07"""
        for number in range(4):
            person = active_account()
            entry = change_to(person, f"b{number}@exemple.org")

            results = at_once(
                lambda: report_unauthorized_change(entry=entry),
                lambda: report_unauthorized_change(entry=entry),
                *([lambda: lock(person)] if number % 2 else []),
            )

            assert not [one for one in results if isinstance(one, Exception)]
            for event in (Event.CHANGE_DISOWNED, Event.RECOVERY_ADDRESS_RESTORED, Event.LOCKED):
                assert count(person, event) == 1
            assert Lock.objects.filter(account=person).count() == 1
            assert fresh(person).recovery_address == person.recovery_address

    def test_a_report_and_the_next_change(self):
        """HLP-07: either way the account is locked with its old address."""
        for number in range(4):
            person = active_account()
            entry = change_to(person, f"b{number}@exemple.org")
            link = link_of(wish(person, f"c{number}@exemple.org"))

            at_once(lambda: report_unauthorized_change(entry=entry), lambda: confirm(link))

            assert fresh(person).recovery_address == person.recovery_address
            assert fresh(person).is_locked
            assert not RecoveryAddressChange.objects.waiting().filter(account=person).exists()
