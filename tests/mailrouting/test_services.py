"""Rules of forwarding: which address is verified, what is in force, who is notified, what concurrent calls leave."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.enums import Category, LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.recovery.mail_quota import MAILS_OF_A_PERSON_PER_HOUR, MailQuotaExceeded
from accounts.services import AccountNotActive
from core.email_addresses import InvalidAddress
from journal.events import Event
from mailrouting.emails import RedirectionChange, change_of_entry
from mailrouting.models import Mailbox, Redirection
from mailrouting.services import (
    ForwardingNotAllowed,
    choose_redirection,
    create_mailbox,
    decline_redirection,
    postpone_verification,
    resend_verification,
    stop_redirection,
    verify_redirection,
)
from outbox.enums import Kind
from outbox.models import Message
from tests.accounts.recovery.correcting import in_force
from tests.concurrency import attempted_together
from tests.factories import active_account, pending_account
from tests.mail_delivery import html_of, link_in, text_of
from tests.mailrouting.forwarding import (
    ELSEWHERE,
    FURTHER,
    change,
    change_and_verify,
    notices,
    notified_changes,
    redirection_of,
    verification_mails,
)

pytestmark = pytest.mark.django_db

ASKED, IN_FORCE, COPY, STOPPED, GIVEN_UP = RedirectionChange


@pytest.fixture
def person() -> Account:
    return active_account()


class TestVerification:
    def test_the_recovery_address_is_in_force_at_once(self, person):
        """FWD-01"""
        change(person, person.recovery_address)
        assert Redirection.objects.in_force().get() == redirection_of(person)
        assert verification_mails(person) == 0
        assert notified_changes(person) == [IN_FORCE]

    def test_any_other_address_waits_for_its_reader(self, person):
        """FWD-01: also when it replaces one in force."""
        change_and_verify(person)
        assert change(person, FURTHER).is_waiting
        assert list(Redirection.objects.in_force()) == []
        entry = person.journal.filter(event=Event.REDIRECTION_CHOSEN).latest("pk")
        assert entry.details == {
            "target": FURTHER,
            "keep_copy": True,
            "proven": False,
            "previous": ELSEWHERE,
            "previous_proven": True,
        }
        assert change(person).is_waiting
        assert verification_mails(person) == 3
        assert notified_changes(person) == [ASKED, IN_FORCE, ASKED, ASKED]

    def test_a_recovery_address_that_its_owner_has_not_proven_verifies_nothing(self, person):
        """FWD-01: disputed, or given by agents since the activation."""
        disputed = active_account(recovery_address_disputed_at=timezone.now())
        assert change(disputed, disputed.recovery_address).is_waiting
        assert [notice.address for notice in notices(disputed)] == [disputed.institutional_address]
        assert change(person, in_force(person).new_address).is_waiting

    def test_an_address_that_became_the_recovery_address_needs_no_click(self, person):
        """FWD-01"""
        change(person)
        Account.objects.filter(pk=person.pk).update(recovery_address=ELSEWHERE)
        assert not change(Account.objects.get(pk=person.pk)).is_waiting
        assert change_of_entry(person.journal.latest("pk")) == IN_FORCE

    def test_the_copy_is_changed_without_another_verification(self, person):
        """FWD-04: verified or still waiting."""
        change(person)
        assert change(person, keep_copy=False).is_waiting
        verify_redirection(redirection_id=redirection_of(person).pk, target=ELSEWHERE)
        verified_at = redirection_of(person).verified_at
        assert change(person).verified_at == verified_at
        assert redirection_of(person).keep_copy
        assert verification_mails(person) == 1
        assert notified_changes(person) == [ASKED, COPY, IN_FORCE, COPY]

    def test_the_same_choice_again_changes_nothing(self, person):
        for act in (choose_redirection, change_and_return):
            first = act(account=person, target=ELSEWHERE, keep_copy=True)
            entries = person.journal.count()
            assert act(account=person, target=ELSEWHERE, keep_copy=True).chosen_at == first.chosen_at
            assert (verification_mails(person), person.journal.count()) == (1, entries)

    def test_addresses_of_the_university_and_of_the_portal_are_refused(self, person, settings):
        """FWD-02: the portal does not write to itself."""
        settings.DEFAULT_FROM_EMAIL = "DSIN <compte@ailleurs.exemple>"
        portal = ("compte@ailleurs.exemple", "COMPTE@Ailleurs.exemple")
        for target in ("x@univ-exemple.fr", "x@mail.univ-exemple.fr", "x@UNIV-EXEMPLE.FR", *portal):
            with pytest.raises(InvalidAddress):
                change(person, target)
        assert not redirection_of(person).is_wanted

    def test_forwarding_switched_off_refuses_and_suspends(self, person, settings):
        """FWD-06"""
        change(person, person.recovery_address)
        settings.FORWARDING_ALLOWED = False
        assert list(Redirection.objects.in_force()) == []
        with pytest.raises(ForwardingNotAllowed):
            change(person)
        assert redirection_of(person).target == person.recovery_address

    def test_only_a_verified_address_of_an_active_account_is_in_force(self, person):
        """FWD-05"""
        change(person, person.recovery_address)
        change(active_account())
        locked, departed, pending = active_account(), active_account(), pending_account()
        for other in (locked, departed, pending):
            choose_redirection(account=other, target=other.recovery_address, keep_copy=True)
        lock_account(account=locked, reason=LockReason.PHISHING)
        Account.objects.filter(pk=departed.pk).update(end_date=timezone.localdate() - timedelta(days=1))
        assert [redirection.account for redirection in Redirection.objects.in_force()] == [person]

    def test_the_database_refuses_an_empty_target_that_is_verified_or_has_no_copy(self, person):
        decline_redirection(account=person)
        for facts in ({"verified_at": timezone.now()}, {"keep_copy": False}):
            with pytest.raises(IntegrityError), transaction.atomic():
                Redirection.objects.update(**facts)

    def test_postponing_is_recorded_once(self, person):
        """FWD-03"""
        change(person)
        postpone_verification(account=person)
        first = redirection_of(person).postponed_at
        postpone_verification(account=person)
        assert redirection_of(person).postponed_at == first is not None


def change_and_return(**choice: object) -> Redirection:
    return change(choice["account"], choice["target"])


class TestStopping:
    def test_stopping_is_recorded_and_notified_once(self, person):
        """FWD-04"""
        change_and_verify(person)
        for _ in range(2):
            stop_redirection(account=person)
        stopped = redirection_of(person)
        assert (stopped.target, stopped.keep_copy, stopped.verified_at) == ("", True, None)
        entry = person.journal.get(event=Event.REDIRECTION_STOPPED)
        assert entry.details == {"previous": ELSEWHERE, "previous_proven": True, "keep_copy": True}
        assert entry.actor == person
        assert notified_changes(person) == [ASKED, IN_FORCE, STOPPED]

    def test_a_pending_address_is_cancelled_and_gets_no_mail(self, person, mail_delivery):
        """FWD-03"""
        change(person)
        stop_redirection(account=person)
        assert ELSEWHERE not in {mail["To"] for mail in mail_delivery.deliver()}
        assert notified_changes(person) == [ASKED, GIVEN_UP]


class TestQuotas:
    def test_another_mail_may_be_requested_after_a_minute_three_an_hour(self, person, time_machine):
        """ENU-05"""
        now = timezone.now()
        time_machine.move_to(now, tick=False)
        change(person)
        with pytest.raises(MailQuotaExceeded) as refused:
            resend_verification(account=person)
        time_machine.move_to(refused.value.retry_at, tick=False)
        resend_verification(account=person)
        time_machine.move_to(now + timedelta(minutes=3), tick=False)
        resend_verification(account=person)
        time_machine.move_to(now + timedelta(minutes=5), tick=False)
        with pytest.raises(MailQuotaExceeded) as refused:
            resend_verification(account=person)
        assert refused.value.retry_at - timezone.now() > timedelta(minutes=50)
        time_machine.move_to(refused.value.retry_at, tick=False)
        resend_verification(account=person)
        assert verification_mails(person) == 4

    def test_many_accounts_aiming_at_one_address_send_it_three_mails(self):
        """ENU-05: however it is spelt."""
        for spelling in (ELSEWHERE, "Ailleurs@exemple.org", "AILLEURS@EXEMPLE.ORG", "aILLEURS@exemple.org", ELSEWHERE):
            change(active_account(), spelling)
        assert Message.objects.filter(kind=Kind.REDIRECTION_VERIFICATION).count() == 3

    def test_one_account_that_names_many_addresses_mails_few_of_them(self, person, time_machine):
        """ENU-05: requesting again and coming back to an earlier address are no way around it."""
        start = timezone.now()
        for number in range(MAILS_OF_A_PERSON_PER_HOUR + 2):
            time_machine.move_to(start + timedelta(minutes=2 * number), tick=False)
            change(person, f"inconnu{number}@exemple.org")
        assert verification_mails(person) == MAILS_OF_A_PERSON_PER_HOUR
        with pytest.raises(MailQuotaExceeded) as refused:
            resend_verification(account=person)
        change(person, "inconnu0@exemple.org")
        assert verification_mails(person) == MAILS_OF_A_PERSON_PER_HOUR
        time_machine.move_to(refused.value.retry_at, tick=False)
        resend_verification(account=person)
        assert verification_mails(person) == MAILS_OF_A_PERSON_PER_HOUR + 1

    def test_nothing_is_resent_for_a_verified_address(self, person):
        change(person, person.recovery_address)
        with pytest.raises(Redirection.DoesNotExist):
            resend_verification(account=person)


def test_a_locked_account_changes_nothing(person):
    """HLP-01: the services refuse even when a request was under way."""
    redirection = change(person)
    lock_account(account=person, reason=LockReason.PHISHING)
    for act in (
        lambda: change(person, FURTHER),
        lambda: stop_redirection(account=person),
        lambda: resend_verification(account=person),
        lambda: verify_redirection(redirection_id=redirection.pk, target=ELSEWHERE),
    ):
        with pytest.raises(AccountNotActive):
            act()
    assert redirection_of(person).target == ELSEWHERE
    assert redirection_of(person).is_waiting
    assert notified_changes(person) == [ASKED]


def test_a_mailbox_is_created_once():
    person = pending_account(category=Category.STAFF)
    assert create_mailbox(account=person) == create_mailbox(account=person)
    assert Mailbox.objects.get().address == person.institutional_address
    assert person.journal.filter(event=Event.MAILBOX_CREATED).count() == 1


class TestNotices:
    def test_nothing_is_notified_before_the_activation(self):
        """FWD-04"""
        person = pending_account()
        redirection = choose_redirection(account=person, target=ELSEWHERE, keep_copy=True)
        verify_redirection(redirection_id=redirection.pk, target=ELSEWHERE)
        decline_redirection(account=person)
        assert notices(person) == []

    def test_an_address_of_the_wizard_verified_later_is_notified_once(self, person):
        """FWD-03, FWD-04"""
        redirection = choose_redirection(account=person, target=ELSEWHERE, keep_copy=True)
        for done_now in (True, False):
            assert verify_redirection(redirection_id=redirection.pk, target=ELSEWHERE) is done_now
        assert notified_changes(person) == [IN_FORCE]

    def test_the_mail_says_which_change_and_how_to_stop_it(self, mail_delivery):
        """FWD-04, EML-04: a subject of its own, both parts, both addresses, a button to the page that locks."""
        subjects = set()
        for language in ("fr", "en"):
            for happened in RedirectionChange:
                mail_delivery.deliver()
                person = active_account(language=language)
                make_change(happened, person)
                mails = mail_delivery.deliver()[-2:]
                assert {mail["To"] for mail in mails} == {person.recovery_address, person.institutional_address}
                assert mails[0]["Subject"] == mails[1]["Subject"]
                assert 10 < len(mails[0]["Subject"]) <= 60
                for part in (text_of(mails[0]), html_of(mails[0])):
                    assert person.login in part
                    assert ELSEWHERE in part
                assert Client().get(link_in(mails[0]), follow=True).status_code == 200
                subjects.add(mails[0]["Subject"])
        assert len(subjects) == 2 * len(RedirectionChange)

    def test_the_mail_says_whether_a_copy_is_kept_and_what_is_stopped(self, mail_delivery):
        """FWD-04"""
        for keep_copy, said in ((True, "Une copie reste"), (False, "Sans copie")):
            person = active_account()
            change(person, person.recovery_address, keep_copy=keep_copy)
            assert said in text_of(mail_delivery.last_mail())
        person = active_account()
        change_and_verify(person)
        mail_delivery.deliver()
        change(person, FURTHER)
        notice = next(mail for mail in reversed(mail_delivery.deliver()) if mail["To"] == person.recovery_address)
        assert f"La redirection vers {ELSEWHERE} est arrêtée." in text_of(notice)


def make_change(happened: RedirectionChange, person: Account) -> None:
    change(person)
    if happened in (IN_FORCE, COPY, STOPPED):
        change_and_verify(person)
    if happened is COPY:
        change(person, keep_copy=False)
    if happened in (STOPPED, GIVEN_UP):
        stop_redirection(account=person)
    last = notices(person)[-1].subject_id
    Message.objects.filter(person=person).exclude(subject_id=last, kind=Kind.REDIRECTION_CHANGED).delete()


@pytest.mark.django_db(transaction=True)
class TestConcurrently:
    """FWD-01, SES-02: the later call sees what the earlier one has committed; each change is notified once."""

    def test_two_choices_end_in_the_one_recorded_last(self):
        """ENU-05: a double click is one change, and two requests for the mail send one."""
        for number in range(5):
            person, target = active_account(), f"x{number}@exemple.org"
            attempted_together(*[lambda person=person, target=target: change(person, target)] * 2)
            assert (verification_mails(person), notified_changes(person)) == (1, [ASKED])
            Message.objects.filter(person=person, kind=Kind.REDIRECTION_VERIFICATION).delete()
            attempted_together(*[lambda person=person: resend_verification(account=person)] * 2)
            assert verification_mails(person) == 1
            attempted_together(lambda person=person: change(person), lambda person=person: change(person, FURTHER))
            last = person.journal.filter(event=Event.REDIRECTION_CHOSEN).latest("pk")
            assert redirection_of(person).target == last.details["target"] != last.details["previous"]
            assert notified_changes(person) == [ASKED] * 3

    def test_a_click_on_the_link_verifies_once_and_never_what_was_replaced_or_stopped(self):
        """TOK-07"""
        for number in range(5):
            person = active_account()
            for target, act in (
                (f"x{number}@exemple.org", None),
                (f"y{number}@exemple.org", lambda person=person: change(person, f"{person.pk}@exemple.org")),
                (f"z{number}@exemple.org", lambda person=person: stop_redirection(account=person)),
            ):
                change(person, target)
                before, pk = notified_changes(person).count(IN_FORCE), redirection_of(person).pk
                click = lambda pk=pk, target=target: verify_redirection(redirection_id=pk, target=target)  # noqa: E731
                clicked, other = attempted_together(click, act or click)
                done = clicked is True or (act is None and other is True)
                assert notified_changes(person).count(IN_FORCE) - before == done
                if act is None:
                    assert sorted((clicked, other)) == [False, True]
                else:
                    assert clicked is True or isinstance(clicked, Redirection.DoesNotExist)
                    assert redirection_of(person).verified_at is None
            assert not redirection_of(person).is_wanted

    def test_a_lock_and_a_change_leave_nothing_in_force(self):
        """HLP-01"""
        for _ in range(5):
            person = active_account()
            attempted_together(
                lambda person=person: change(person, person.recovery_address),
                lambda person=person: lock_account(account=person, reason=LockReason.PHISHING),
            )
            assert not Redirection.objects.in_force().filter(account=person).exists()
            assert len(notified_changes(person)) == redirection_of(person).is_wanted
