"""« Ce n’était pas moi »: the notice of a change locks the account and takes the change back (HLP-07)."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason
from accounts.links.base import InvalidLink
from accounts.links.links import not_me_link, password_reset_link
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
from tests.fuzz import TOKEN
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


def events_of(person: Account) -> list[str]:
    return [entry.event for entry in person.journal.order_by("pk")]


def release(person: Account) -> None:
    """An agent has looked at it and released the lock."""
    Lock.objects.filter(account=person, released_at=None).update(released_at=timezone.now(), **PROVEN)


def who_gets_a_new_password(person: Account, postman) -> list[str]:
    before = len(postman.deliver())
    Client().post(reverse("forgotten-password"), {"login": person.login})
    return [mail["To"] for mail in postman.deliver()[before:]]


class TestTheWholeWay:
    def test_the_old_address_takes_itself_back_and_locks_the_account(self, person, postman):
        """HLP-07: by POST, in a browser where nobody is signed in; sessions end, the redirection is suspended."""
        change_redirection(account=person, target=person.recovery_address, keep_copy=True)
        intruder = browser_of(person)
        change_to(person, B)
        wish(person, C)
        notice = next(
            mail
            for mail in postman.deliver()
            if mail["To"] == person.recovery_address and "adresse de secours" in mail["Subject"]
        )
        reader = Client()

        assert reader.get(link_in(notice), follow=True).status_code == 200
        assert fresh(person).recovery_address == B
        assert not fresh(person).is_locked
        answer = reader.post(reverse("not-me"), follow=True)

        assert "Le compte est bloqué" in answer.content.decode()
        assert fresh(person).recovery_address == person.recovery_address
        assert Lock.objects.get().reason == LockReason.SUSPICIOUS_ACTIVITY
        assert intruder.get(reverse("account")).status_code == 302
        assert not Session.objects.filter(account=person).exists()
        assert not Redirection.objects.in_force().exists()
        assert not RecoveryAddressChange.objects.waiting().exists()
        assert RecoveryAddressChange.objects.get(new_address=B).undone_at is not None
        assert events_of(person)[-4:] == [
            Event.CHANGE_DISOWNED,
            Event.RECOVERY_CHANGE_CANCELLED,
            Event.RECOVERY_ADDRESS_RESTORED,
            Event.LOCKED,
        ]

    def test_nobody_gets_a_link_that_sets_a_password_until_the_lock_is_released(self, person, postman):
        """HLP-02: then the address that was put back, alone."""
        entry = change_to(person, B)
        report(notice_of(entry))

        assert who_gets_a_new_password(person, postman) == []
        release(person)
        assert who_gets_a_new_password(person, postman) == [person.recovery_address]

    def test_the_mailbox_reports_as_well(self, postman):
        """PWD-06: somebody without a recovery address is told there."""
        person = active_account(recovery_address="")
        change_to(person, B)
        postman.deliver()
        [notice] = [mail for mail in postman.server.messages if mail["To"] == person.institutional_address]

        assert report(link_in(notice)).status_code == 302
        assert fresh(person).recovery_address == ""
        assert fresh(person).is_locked

    def test_the_notice_of_a_password_locks_and_undoes_the_addresses_confirmed_since(self, person):
        """HLP-07: whoever took the password took the rest with it."""
        entry = change_the_password(person)
        change_to(person, B)
        change_to(person, C)

        report(notice_of(entry))

        assert fresh(person).recovery_address == person.recovery_address
        assert fresh(person).is_locked
        assert RecoveryAddressChange.objects.filter(undone_at__isnull=True).count() == 0

    def test_the_notice_of_a_new_forgotten_password_does_too(self, person):
        deadline = password_reset_link.deadline(timezone.now())
        token = password_reset_link.token(person, deadline, password_reset_link.subject(person))
        reset_password(claims=password_reset_link.read(token), password=ANOTHER_PASSWORD)
        report(notice_of(person.journal.get(event=Event.PASSWORD_RESET)))

        assert fresh(person).is_locked

    def test_an_address_confirmed_before_the_reported_change_stays(self, person):
        """What its owner did earlier is the owner's."""
        change_to(person, B)
        report(notice_of(change_the_password(person)))

        assert fresh(person).recovery_address == B

    def test_a_link_mailed_to_the_address_that_waited_is_dead(self, person):
        """HLP-06"""
        entry = change_to(person, B)
        link = link_of(wish(person, C))
        report(notice_of(entry))
        release(person)

        assert confirm(link).status_code == 404
        assert fresh(person).recovery_address == person.recovery_address


class TestSeveralChanges:
    def test_the_first_notice_puts_the_first_address_back(self, person):
        first, _last = change_to(person, B), change_to(person, C)
        report(notice_of(first))

        assert fresh(person).recovery_address == person.recovery_address

    def test_the_last_notice_puts_back_what_was_there_before_the_last_change(self, person):
        _first, last = change_to(person, B), change_to(person, C)
        report(notice_of(last))

        assert fresh(person).recovery_address == B

    def test_an_intruder_who_reports_the_second_change_does_not_silence_the_owner(self, person):
        """HLP-07: B is the intruder's; the notice to A opens although the account is locked already."""
        first, last = change_to(person, B), change_to(person, C)
        first_link = notice_of(first)
        report(notice_of(last))
        assert fresh(person).recovery_address == B

        assert report(first_link).status_code == 302

        assert fresh(person).recovery_address == person.recovery_address
        assert Lock.objects.count() == 1
        assert events_of(person).count(Event.CHANGE_DISOWNED) == 2

    def test_reporting_the_second_after_the_first_puts_nothing_forward_again(self, person):
        first, last = change_to(person, B), change_to(person, C)
        report(notice_of(first))
        report(notice_of(last))

        assert fresh(person).recovery_address == person.recovery_address

    def test_a_change_reported_and_released_is_not_undone_twice(self, person):
        report(notice_of(change_to(person, B)))
        release(person)
        second = change_to(person, C)
        report(notice_of(second))

        assert fresh(person).recovery_address == person.recovery_address
        assert events_of(person).count(Event.RECOVERY_ADDRESS_RESTORED) == 2

    def test_there_and_back_again(self, person):
        """A to B to A: the last notice restores B, the first one A."""
        first, last = change_to(person, B), change_to(person, person.recovery_address)
        last_link, first_link = notice_of(last), notice_of(first)
        report(last_link)
        assert fresh(person).recovery_address == B
        report(first_link)
        assert fresh(person).recovery_address == person.recovery_address


class TestReportingAgain:
    def test_twice_is_once(self, person):
        link = notice_of(change_to(person, B))
        browser = Client()
        report(link, browser)
        before = events_of(person)

        again = report(link)

        assert again.status_code == 410
        assert "Le compte est bloqué" in again.content.decode()
        assert Client().get(link, follow=True).status_code == 410
        assert events_of(person) == before
        assert Lock.objects.count() == 1

    def test_after_the_release_it_does_nothing_and_says_so(self, person):
        """HLP-02: an agent has settled it; neither the report nor the lock comes back."""
        link = notice_of(change_to(person, B))
        report(link)
        release(person)

        again = report(link)

        assert again.status_code == 404
        assert "la DSIN s’est occupée du compte depuis" in again.content.decode()
        assert not fresh(person).is_locked
        assert events_of(person).count(Event.CHANGE_DISOWNED) == 1

    def test_a_notice_of_before_a_lock_that_an_agent_has_released_is_dead_too(self, person):
        """HLP-02: a link issued before the lock stays dead after the unlock."""
        link = notice_of(change_to(person, B))
        lock_account(account=person, reason=LockReason.PHISHING)
        release(person)

        assert report(link).status_code == 404
        assert fresh(person).recovery_address == B

    def test_while_an_agent_has_locked_the_account_the_address_still_comes_back(self, person):
        """HLP-06: the mail of the unlock must not go to the intruder."""
        link = notice_of(change_to(person, B))
        lock_account(account=person, reason=LockReason.PHISHING)

        assert report(link).status_code == 302
        assert fresh(person).recovery_address == person.recovery_address
        assert Lock.objects.get().reason == LockReason.PHISHING

    def test_a_change_of_after_the_release_can_be_reported(self, person):
        lock_account(account=person, reason=LockReason.PHISHING)
        release(person)

        assert report(notice_of(change_to(person, B))).status_code == 302
        assert fresh(person).is_locked

    def test_used_says_blocked_only_while_it_is(self, person):
        """Reported, released, locked anew by an agent: the page is right again."""
        link = notice_of(change_to(person, B))
        report(link)
        release(person)
        lock_account(account=person, reason=LockReason.OTHER)

        assert report(link).status_code == 410


class TestTheLink:
    def test_scanners_change_nothing(self, person):
        """TOK-06"""
        link = notice_of(change_to(person, B))
        for agent in ("BingPreview", "Mimecast", "Safe Links", ""):
            scanner = Client(headers={"user-agent": agent})
            for _ in range(5):
                scanner.get(link, follow=True)
            scanner.head(link, follow=True)
            scanner.options(link)

        assert fresh(person).recovery_address == B
        assert not fresh(person).is_locked
        assert report(link).status_code == 302

    @pytest.mark.parametrize("changed_at", ["2026-06-10 08:00:00", "2026-03-25 08:00:00", "2026-10-21 08:00:00"])
    def test_it_is_good_for_seven_days(self, person, changed_at):
        """HLP-07: of absolute time, also over the nights when clocks change; the mail prints the same minute."""
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

    def test_the_deadline_counts_from_the_change_however_late_the_mail_leaves(self, person, postman):
        """D8, EML-04"""
        start = timezone.now() - timedelta(days=2)
        with time_machine.travel(start, tick=False):
            Account.objects.filter(pk=person.pk).update(password_changed_at=timezone.now())
            entry = change_to(person, B)
        Message.objects.filter(kind=Kind.RECOVERY_VERIFICATION).delete()
        postman.deliver()

        deadlines = set(Message.objects.filter(kind=Kind.RECOVERY_CHANGED).values_list("deadline", flat=True))
        assert deadlines == {entry.at + timedelta(days=7)}

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
            for told in ("Camille", "Durand", person.login, person.uid, person.recovery_address, B):
                assert told not in html

    def test_it_needs_our_own_form(self, person):
        """SES-07"""
        browser = Client(enforce_csrf_checks=True)
        browser.get(notice_of(change_to(person, B)))

        assert browser.post(reverse("not-me")).status_code == 403
        assert not fresh(person).is_locked

    def test_a_closed_account_has_nothing_to_report(self, person):
        link = notice_of(change_to(person, B))
        Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))

        assert report(link).status_code == 404
        assert fresh(person).recovery_address == B

    def test_a_token_of_another_purpose_account_or_entry_opens_nothing(self, person):
        """TOK-02"""
        entry = change_to(person, B)
        deadline = not_me_link.deadline(entry.at)
        tokens = [
            activation_link.token(person, activation_link.deadline(timezone.now()), entry.pk),
            not_me_link.token(person, deadline + timedelta(days=1), entry.pk),
        ]
        for token in tokens:
            assert report(reverse("not-me-link", args=[token])).status_code == 404
        for account, entry_id in ((active_account(), entry.pk), (person, entry.pk + 1000)):
            with pytest.raises(InvalidLink):
                not_me_link.token(account, deadline, entry_id)
        assert not Lock.objects.exists()

    @pytest.mark.parametrize("token", TOKEN)
    def test_nothing_in_its_place_is_an_error_of_ours(self, person, token):
        """§17: TOKEN pack"""
        valid = notice_of(change_to(person, B)).strip("/").rpartition("/")[2]
        answer = Client().get(f"/ce-n-est-pas-moi/{token.replace('VALID', valid)}/", follow=True)

        assert answer.status_code in (200, 404)
        assert not Lock.objects.exists()

    def test_the_page_opened_by_itself_says_what_to_check(self):
        assert Client().get(reverse("not-me")).status_code == 404
        assert Client().post(reverse("not-me")).status_code == 404


class TestTheNotice:
    def test_it_is_sent_although_the_account_is_locked_and_its_link_opens(self, person, postman):
        """What it says happened."""
        change_the_password(person)
        lock_account(account=person, reason=LockReason.PHISHING)
        [notice, _twin, _of_the_lock] = postman.deliver()

        assert report(link_in(notice)).status_code == 302

    def test_it_is_not_sent_when_an_agent_has_settled_it(self, person, postman):
        """HLP-02: built after the release, its link would be good."""
        change_the_password(person)
        lock_account(account=person, reason=LockReason.PHISHING)
        release(person)

        assert postman.deliver() == []
        assert set(Message.objects.values_list("status", flat=True)) == {Status.CANCELLED}

    def test_it_is_not_sent_to_somebody_who_has_left(self, person, postman):
        change_the_password(person)
        Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))

        assert postman.deliver() == []

    def test_it_says_what_the_button_does_and_until_when(self, person, postman):
        """EML-04"""
        with time_machine.travel(datetime(2026, 10, 21, 12, 40, tzinfo=UTC), tick=False):
            Account.objects.filter(pk=person.pk).update(password_changed_at=timezone.now())
            change_the_password(person)
            text = text_of(postman.last_mail()).replace("\N{NO-BREAK SPACE}", " ")

        assert "21 octobre 2026 à 14 h 40" in text
        assert "Possible jusqu’au mercredi 28 octobre 2026 à 13 h 40 (heure de Paris)." in text


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_two_reports_are_one(self):
        """TOK-07"""
        for round_ in range(5):
            person = active_account()
            entry = change_to(person, f"b{round_}@exemple.org")

            got = at_once(*[lambda entry=entry: report_unauthorized_change(entry=entry)] * 3)

            assert not [one for one in got if isinstance(one, Exception)]
            assert events_of(person).count(Event.CHANGE_DISOWNED) == 1
            assert events_of(person).count(Event.RECOVERY_ADDRESS_RESTORED) == 1
            assert events_of(person).count(Event.LOCKED) == 1
            assert Lock.objects.filter(account=person).count() == 1

    def test_a_report_and_the_next_change(self):
        """HLP-07: whichever comes first, the account ends locked with its old address."""
        for round_ in range(5):
            person = active_account()
            entry = change_to(person, f"b{round_}@exemple.org")
            link = link_of(wish(person, f"c{round_}@exemple.org"))

            at_once(lambda entry=entry: report_unauthorized_change(entry=entry), lambda link=link: confirm(link))

            assert fresh(person).recovery_address == person.recovery_address
            assert fresh(person).is_locked
            assert not RecoveryAddressChange.objects.waiting().filter(account=person).exists()

    def test_a_report_and_the_lock_of_an_agent(self):
        for round_ in range(5):
            person = active_account()
            entry = change_to(person, f"b{round_}@exemple.org")

            got = at_once(
                lambda entry=entry: report_unauthorized_change(entry=entry),
                lambda person=person: lock_account(account=person, reason=LockReason.PHISHING),
            )

            assert not [one for one in got if isinstance(one, Exception)]
            assert Lock.objects.filter(account=person).count() == 1
            assert fresh(person).recovery_address == person.recovery_address
