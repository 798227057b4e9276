"""Forwarding: what is proven, what is in force, and the link that proves an address."""

from collections.abc import Iterator
from datetime import timedelta
from threading import Barrier, Thread

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.recovery.mail_quota import MAILS_OF_A_PERSON_PER_HOUR, MailQuotaExceeded
from core.email_addresses import InvalidAddress
from journal.events import Event
from mailrouting import views
from mailrouting.links import redirection_link
from mailrouting.models import Mailbox, Redirection
from mailrouting.services import (
    ForwardingNotAllowed,
    choose_redirection,
    create_mailbox,
    decline_redirection,
    postpone_verification,
    resend_verification,
    verify_redirection,
)
from outbox.enums import Kind
from outbox.models import Message
from tests.factories import active_account, pending_account

pytestmark = pytest.mark.django_db

ELSEWHERE = "ailleurs@exemple.org"


@pytest.fixture(autouse=True)
def activate_french() -> Iterator[None]:
    with translation.override("fr"):
        yield


@pytest.fixture
def person() -> Account:
    return active_account()


def choose(person: Account, target: str = ELSEWHERE, *, keep_copy: bool = True) -> Redirection:
    return choose_redirection(account=person, target=target, keep_copy=keep_copy)


def link_of(redirection: Redirection) -> str:
    person = redirection.account
    token = redirection_link.token(person, redirection_link.deadline(timezone.now()), redirection.pk)
    return reverse("redirection-link", args=[token])


def mails_to(address: str) -> int:
    return Message.objects.filter(kind=Kind.REDIRECTION_VERIFICATION, address=address).count()


class TestProof:
    def test_the_recovery_address_is_proven_already(self, person):
        """FWD-01: in force at once, nobody is mailed."""
        redirection = choose(person, person.recovery_address)
        assert redirection.verified_at is not None
        assert not Message.objects.exists()

    def test_any_other_address_waits_for_its_reader(self, person):
        """FWD-01"""
        assert choose(person).is_waiting
        assert mails_to(ELSEWHERE) == 1
        assert list(Redirection.objects.in_force()) == []

    def test_choosing_the_same_again_changes_nothing_and_mails_nobody(self, person):
        """A double click, a page sent again."""
        first = choose(person)
        entries = person.journal.count()
        again = choose(person)
        assert again.chosen_at == first.chosen_at
        assert mails_to(ELSEWHERE) == 1
        assert person.journal.count() == entries

    def test_a_proven_address_stays_proven_when_only_the_copy_changes(self, person):
        """FWD-04"""
        redirection = choose(person)
        verify_redirection(redirection_id=redirection.pk, target=ELSEWHERE)
        changed = choose(person, keep_copy=False)
        assert changed.verified_at is not None
        assert changed.keep_copy is False
        assert mails_to(ELSEWHERE) == 1

    def test_coming_back_to_a_proven_address_proves_it_again(self, person):
        """FWD-01: it may have changed hands meanwhile."""
        redirection = choose(person)
        verify_redirection(redirection_id=redirection.pk, target=ELSEWHERE)
        choose(person, "encore@exemple.org")
        assert choose(person).is_waiting
        assert mails_to(ELSEWHERE) == 2

    def test_declining_ends_it(self, person):
        redirection = choose(person)
        verify_redirection(redirection_id=redirection.pk, target=ELSEWHERE)
        declined = decline_redirection(account=person)
        assert (declined.target, declined.keep_copy, declined.verified_at) == ("", True, None)
        assert list(Redirection.objects.in_force()) == []

    @pytest.mark.parametrize("target", ["x@univ-exemple.fr", "x@mail.univ-exemple.fr", "x@UNIV-EXEMPLE.FR"])
    def test_the_university_does_not_forward_to_itself(self, person, target):
        """FWD-02"""
        with pytest.raises(InvalidAddress):
            choose(person, target)
        assert not Redirection.objects.exclude(target="").exists()

    def test_a_university_that_allows_no_forwarding_gets_none(self, person, settings):
        """FWD-06: not even what was in force before."""
        redirection = choose(person, person.recovery_address)
        settings.FORWARDING_ALLOWED = False
        assert list(Redirection.objects.in_force()) == []
        with pytest.raises(ForwardingNotAllowed):
            choose(person)
        redirection.refresh_from_db()
        assert redirection.target == person.recovery_address


class TestInForce:
    def test_only_a_verified_address_of_an_active_person_leaves_the_portal(self, person):
        """FWD-05"""
        choose(person, person.recovery_address)
        waiting, locked, gone, not_yet = active_account(), active_account(), active_account(), pending_account()
        choose(waiting)
        for other in (locked, gone, not_yet):
            choose(other, other.recovery_address)
        lock_account(account=locked, reason=LockReason.PHISHING)
        Account.objects.filter(pk=gone.pk).update(end_date=timezone.localdate() - timedelta(days=1))
        assert [redirection.account for redirection in Redirection.objects.in_force()] == [person]

    def test_the_database_refuses_a_verified_nothing(self, person):
        decline_redirection(account=person)
        with pytest.raises(IntegrityError), transaction.atomic():
            Redirection.objects.update(verified_at=timezone.now())
        with pytest.raises(IntegrityError), transaction.atomic():
            Redirection.objects.update(keep_copy=False)


class TestAgain:
    def test_another_mail_may_be_asked_for_after_a_minute_three_an_hour(self, person):
        """ENU-05"""
        with time_machine.travel(timezone.now(), tick=False) as clock:
            choose(person)
            with pytest.raises(MailQuotaExceeded) as refused:
                resend_verification(account=person)
            clock.move_to(refused.value.retry_at)
            resend_verification(account=person)
            clock.shift(timedelta(minutes=1))
            resend_verification(account=person)
            clock.shift(timedelta(minutes=1))
            with pytest.raises(MailQuotaExceeded) as refused:
                resend_verification(account=person)
            assert refused.value.retry_at - timezone.now() > timedelta(minutes=50)
            clock.move_to(refused.value.retry_at)
            resend_verification(account=person)
        assert mails_to(ELSEWHERE) == 4

    def test_many_people_aiming_at_one_address_send_it_three_mails(self):
        """ENU-05: a stranger's mailbox cannot be filled through us, however it is spelt."""
        for spelling in (ELSEWHERE, "Ailleurs@exemple.org", "AILLEURS@EXEMPLE.ORG", "aILLEURS@exemple.org", ELSEWHERE):
            choose(active_account(), spelling)
        assert Message.objects.filter(kind=Kind.REDIRECTION_VERIFICATION).count() == 3

    def test_one_person_who_names_one_address_after_the_other_bothers_few_strangers(self, person):
        """ENU-05: per person, wherever the mails go; asking again and coming back a minute later are no way around it."""
        with time_machine.travel(timezone.now(), tick=False) as clock:
            for number in range(MAILS_OF_A_PERSON_PER_HOUR + 2):
                choose(person, f"inconnu{number}@exemple.org")
                clock.shift(timedelta(minutes=2))
            sent = Message.objects.filter(kind=Kind.REDIRECTION_VERIFICATION)
            assert sent.count() == MAILS_OF_A_PERSON_PER_HOUR
            with pytest.raises(MailQuotaExceeded) as refused:
                resend_verification(account=person)
            choose(person, "inconnu0@exemple.org")
            assert sent.count() == MAILS_OF_A_PERSON_PER_HOUR
            clock.move_to(refused.value.retry_at)
            resend_verification(account=person)
        assert sent.count() == MAILS_OF_A_PERSON_PER_HOUR + 1

    def test_nothing_is_sent_again_for_an_address_that_does_not_wait(self, person):
        choose(person, person.recovery_address)
        with pytest.raises(Redirection.DoesNotExist):
            resend_verification(account=person)

    def test_going_on_without_waiting_is_noted_once(self, person):
        """FWD-03"""
        choose(person)
        postpone_verification(account=person)
        first = Redirection.objects.get(account=person).postponed_at
        postpone_verification(account=person)
        assert Redirection.objects.get(account=person).postponed_at == first is not None


class TestLink:
    def test_the_button_confirms_and_nothing_else_does(self, person):
        """TOK-06, FWD-01: scanners open it as often as they like."""
        redirection = choose(person)
        link = link_of(redirection)
        for _ in range(20):
            Client().get(link, follow=True)
            Client().head(link, follow=True)
            Client().options(link)
        redirection.refresh_from_db()
        assert redirection.verified_at is None
        browser = Client()
        page = browser.get(link, follow=True)
        assert ELSEWHERE in page.content.decode()
        done = browser.post(reverse("redirection"))
        assert "Adresse vérifiée" in done.content.decode()
        redirection.refresh_from_db()
        assert redirection.verified_at is not None
        assert person.journal.filter(event=Event.REDIRECTION_VERIFIED).count() == 1

    def test_its_pages_show_nothing_of_the_account(self, person):
        """FWD-01: the mailbox may be somebody else's."""
        browser = Client()
        shown = browser.get(link_of(choose(person)), follow=True).content.decode()
        shown += browser.post(reverse("redirection")).content.decode()
        private = (person.family_name, person.given_name, person.login, person.uid, person.recovery_address)
        assert not any(fact in shown for fact in private)

    def test_it_signs_nobody_in(self, person):
        """Design §4"""
        browser = Client()
        browser.get(link_of(choose(person)), follow=True)
        browser.post(reverse("redirection"))
        assert browser.get(reverse("account")).status_code == 302

    def test_a_second_click_is_told_that_it_is_done(self, person):
        link = link_of(choose(person))
        browser = Client()
        browser.get(link)
        for words in ("Adresse vérifiée", "déjà vérifiée", "déjà vérifiée"):
            assert words in browser.post(reverse("redirection")).content.decode()
        assert "déjà vérifiée" in Client().get(link, follow=True).content.decode()
        assert person.journal.filter(event=Event.REDIRECTION_VERIFIED).count() == 1

    def test_another_address_chosen_while_the_page_is_open_is_not_confirmed(self, person):
        """FWD-01, TOK-07"""
        browser = Client()
        browser.get(link_of(choose(person)), follow=True)
        choose(person, "encore@exemple.org")
        assert browser.post(reverse("redirection")).status_code == 404
        assert Redirection.objects.get(account=person).verified_at is None

    def test_another_address_chosen_at_that_very_moment_is_not_confirmed(self, person, monkeypatch):
        """TOK-07: between the check of the link and the act."""
        browser = Client()
        browser.get(link_of(choose(person)), follow=True)

        def first_another_is_chosen(**asked: object) -> bool:
            choose(person, "encore@exemple.org")
            return verify_redirection(**asked)

        monkeypatch.setattr(views, "verify_redirection", first_another_is_chosen)
        assert browser.post(reverse("redirection")).status_code == 404
        assert Redirection.objects.get(account=person).verified_at is None

    def test_it_expires_on_the_page_too(self, person):
        """TOK-03: opened in time, pressed too late."""
        browser = Client()
        browser.get(link_of(choose(person)))
        with time_machine.travel(timezone.now() + timedelta(days=3)):
            answer = browser.post(reverse("redirection"))
        # The session is over by then as well.
        assert answer.status_code in {404, 410}
        assert Redirection.objects.get(account=person).verified_at is None

    def test_an_expired_link_says_when_and_not_whose(self, person):
        redirection = choose(person)
        link = link_of(redirection)
        with time_machine.travel(timezone.now() + timedelta(days=3)):
            page = Client().get(link, follow=True)
        assert page.status_code == 410
        assert ELSEWHERE not in page.content.decode()

    @pytest.mark.parametrize("locked", [True, False])
    def test_a_locked_or_departed_person_confirms_nothing(self, person, locked):
        """HLP-01"""
        link = link_of(choose(person))
        if locked:
            lock_account(account=person, reason=LockReason.PHISHING)
        else:
            Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))
        browser = Client()
        assert browser.get(link, follow=True).status_code in {404, 410}
        assert browser.post(reverse("redirection")).status_code in {404, 410}
        assert Redirection.objects.get(account=person).verified_at is None

    @pytest.mark.parametrize("method", ["get", "post", "head"])
    def test_the_page_opened_by_itself_says_what_to_check(self, method):
        assert getattr(Client(), method)(reverse("redirection")).status_code == 404

    @pytest.mark.parametrize("method", ["put", "delete", "patch", "trace"])
    def test_other_methods_confirm_nothing(self, person, method):
        """HDR-05"""
        browser = Client()
        browser.get(link_of(choose(person)))
        assert getattr(browser, method)(reverse("redirection")).status_code == 405
        assert Redirection.objects.get(account=person).verified_at is None


class TestMailbox:
    def test_it_is_opened_once(self):
        person = pending_account(category=Category.STAFF)
        assert create_mailbox(account=person) == create_mailbox(account=person)
        assert Mailbox.objects.get().address == person.institutional_address
        assert person.journal.filter(event=Event.MAILBOX_CREATED).count() == 1


@pytest.mark.django_db(transaction=True)
class TestTogether:
    def test_two_clicks_at_the_same_moment_confirm_once(self):
        """TOK-07: twenty rounds."""
        for _ in range(20):
            redirection = choose(active_account(), f"x{Redirection.objects.count()}@exemple.org")
            answers = at_the_same_time(
                lambda redirection=redirection: verify_redirection(
                    redirection_id=redirection.pk, target=redirection.target
                )
            )
            assert sorted(answers) == [False, True]
            assert redirection.account.journal.filter(event=Event.REDIRECTION_VERIFIED).count() == 1

    def test_two_choices_at_the_same_moment_end_in_one(self):
        """SES-02: two tabs, two devices."""
        person = pending_account()
        targets = iter([ELSEWHERE, "encore@exemple.org"])
        chosen = at_the_same_time(lambda: choose(person, next(targets)).target)
        assert sorted(chosen) == sorted([ELSEWHERE, "encore@exemple.org"])
        assert Redirection.objects.filter(account=person).count() == 1


def at_the_same_time(act) -> list[object]:
    """What two threads got that did it at the same moment."""
    begin, got = Barrier(2), []

    def work() -> None:
        begin.wait(20)
        try:
            got.append(act())
        finally:
            connection.close()

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got
