"""Rules of forwarding: which address is verified, what is in force, who is notified, what concurrent calls leave."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.recovery.mail_quota import MAILS_OF_A_PERSON_PER_HOUR, MailQuotaExceeded
from accounts.services import AccountNotActive
from core.email_addresses import InvalidAddress
from journal.events import Event
from mailrouting import services
from mailrouting.emails import RedirectionChange, change_of_entry
from mailrouting.models import Redirection
from outbox.enums import Kind
from outbox.models import Message
from tests.accounts.recovery.recovering import in_force
from tests.concurrency import attempted_together
from tests.factories import active_account, pending_account, reloaded
from tests.mail_delivery import link_in, text_of
from tests.mailrouting.forwarding import (
    ELSEWHERE,
    FURTHER,
    change,
    notified_changes,
    redirection_of,
    verification_mails,
    verify,
)

pytestmark = pytest.mark.django_db

ASKED, IN_FORCE, COPY, STOPPED, GIVEN_UP = RedirectionChange


@pytest.fixture
def person() -> Account:
    return active_account()


class TestVerification:
    """FWD-01"""

    def test_the_recovery_address_is_in_force_at_once_and_any_other_waits_for_its_reader(self, person):
        change(person, person.recovery_address)
        assert Redirection.objects.in_force().get() == redirection_of(person)
        assert verification_mails(person) == 0
        verify(change(person))
        assert change(person, FURTHER).is_waiting
        assert list(Redirection.objects.in_force()) == []
        entry = person.journal.filter(event=Event.REDIRECTION_CHOSEN).latest("pk")
        facts = {"target": FURTHER, "keep_copy": True, "proven": False, "previous": ELSEWHERE, "previous_proven": True}
        assert entry.details == facts
        assert change(person).is_waiting
        assert verification_mails(person) == 3
        assert notified_changes(person) == [IN_FORCE, ASKED, IN_FORCE, ASKED, ASKED]

    def test_only_a_recovery_address_that_its_owner_has_proven_needs_no_click(self, person):
        """Not one in dispute, nor one that agents have given since the activation."""
        disputed = active_account(recovery_address_disputed_at=timezone.now())
        assert change(disputed, disputed.recovery_address).is_waiting
        notices = Message.objects.filter(person=disputed, kind=Kind.REDIRECTION_CHANGED)
        assert notices.get().address == disputed.institutional_address
        assert change(person, in_force(person).new_address).is_waiting
        moved = active_account()
        change(moved)
        Account.objects.filter(pk=moved.pk).update(recovery_address=ELSEWHERE)
        assert not change(reloaded(moved)).is_waiting
        assert change_of_entry(moved.journal.latest("pk")) == IN_FORCE

    def test_another_copy_needs_no_other_click_and_the_same_choice_again_changes_nothing(self, person):
        """FWD-04: verified or still waiting."""
        change(person)
        assert change(person, keep_copy=False).is_waiting
        verify(redirection_of(person))
        verified_at = redirection_of(person).verified_at
        again = [change(person).chosen_at for _ in range(2)]
        assert (again[0], redirection_of(person).verified_at) == (again[1], verified_at)
        assert redirection_of(person).keep_copy
        assert verification_mails(person) == 1
        assert notified_changes(person) == [ASKED, COPY, IN_FORCE, COPY]
        assert person.journal.filter(event=Event.REDIRECTION_CHOSEN).count() == 3

    def test_addresses_of_the_university_and_of_the_portal_are_refused(self, person, settings):
        """FWD-02, FWD-06: the portal does not write to itself; and none is accepted while forwarding is off."""
        settings.DEFAULT_FROM_EMAIL = "DSIN <compte@ailleurs.exemple>"
        portal = ("compte@ailleurs.exemple", "COMPTE@Ailleurs.exemple")
        for target in ("x@univ-exemple.fr", "x@mail.univ-exemple.fr", "x@UNIV-EXEMPLE.FR", *portal):
            with pytest.raises(InvalidAddress):
                change(person, target)
        settings.FORWARDING_ALLOWED = False
        with pytest.raises(services.ForwardingNotAllowed):
            change(person)
        assert not redirection_of(person).is_wanted

    def test_postponing_is_recorded_once_and_the_database_refuses_a_verified_or_uncopied_nowhere(self, person):
        """FWD-03"""
        change(person)
        services.postpone_verification(account=person)
        first = redirection_of(person).postponed_at
        services.postpone_verification(account=person)
        assert redirection_of(person).postponed_at == first is not None
        services.decline_redirection(account=person)
        for facts in ({"verified_at": timezone.now()}, {"keep_copy": False}):
            with pytest.raises(IntegrityError), transaction.atomic():
                Redirection.objects.update(**facts)


def test_stopping_is_recorded_and_notified_once_and_cancels_a_pending_address(person, mail_delivery):
    """FWD-03, FWD-04: it gets no mail."""
    verify(change(person))
    for _ in range(2):
        services.stop_redirection(account=person)
    stopped = redirection_of(person)
    assert (stopped.target, stopped.keep_copy, stopped.verified_at) == ("", True, None)
    entry = person.journal.get(event=Event.REDIRECTION_STOPPED)
    assert entry.details == {"previous": ELSEWHERE, "previous_proven": True, "keep_copy": True}
    assert entry.actor == person
    change(person, FURTHER)
    services.stop_redirection(account=person)
    assert not {ELSEWHERE, FURTHER} & {mail["To"] for mail in mail_delivery.deliver()}
    assert notified_changes(person) == [ASKED, IN_FORCE, STOPPED, ASKED, GIVEN_UP]


class TestQuotas:
    """ENU-05"""

    def test_another_mail_may_be_requested_after_a_minute_three_an_hour(self, person, time_machine):
        now = timezone.now()
        time_machine.move_to(now, tick=False)
        change(person)
        with pytest.raises(MailQuotaExceeded) as refused:
            services.resend_verification(account=person)
        for at in (refused.value.retry_at, now + timedelta(minutes=3)):
            time_machine.move_to(at, tick=False)
            services.resend_verification(account=person)
        time_machine.move_to(now + timedelta(minutes=5), tick=False)
        with pytest.raises(MailQuotaExceeded) as refused:
            services.resend_verification(account=person)
        assert refused.value.retry_at - timezone.now() > timedelta(minutes=50)
        time_machine.move_to(refused.value.retry_at, tick=False)
        services.resend_verification(account=person)
        assert verification_mails(person) == 4
        verify(redirection_of(person))
        with pytest.raises(Redirection.DoesNotExist):
            services.resend_verification(account=person)

    def test_neither_many_accounts_nor_many_addresses_are_a_way_around(self, person, time_machine):
        """Three mails to an address however it is spelt; a few from an account, also to an earlier address again."""
        for spelling in (ELSEWHERE, "Ailleurs@exemple.org", "AILLEURS@EXEMPLE.ORG", "aILLEURS@exemple.org", ELSEWHERE):
            change(active_account(), spelling)
        assert Message.objects.filter(kind=Kind.REDIRECTION_VERIFICATION).count() == 3
        start = timezone.now()
        for number in [*range(MAILS_OF_A_PERSON_PER_HOUR + 2), 0]:
            time_machine.move_to(timezone.now() + timedelta(minutes=2), tick=False)
            change(person, f"inconnu{number}@exemple.org")
        assert verification_mails(person) == MAILS_OF_A_PERSON_PER_HOUR
        with pytest.raises(MailQuotaExceeded) as refused:
            services.resend_verification(account=person)
        assert refused.value.retry_at > start + timedelta(hours=1)
        time_machine.move_to(refused.value.retry_at, tick=False)
        services.resend_verification(account=person)
        assert verification_mails(person) == MAILS_OF_A_PERSON_PER_HOUR + 1


def test_a_locked_account_changes_nothing(person):
    """HLP-01: the services refuse even when a request was under way."""
    redirection = change(person)
    lock_account(account=person, reason=LockReason.PHISHING)
    for act in (
        partial(change, person, FURTHER),
        partial(services.stop_redirection, account=person),
        partial(services.resend_verification, account=person),
        partial(verify, redirection),
    ):
        with pytest.raises(AccountNotActive):
            act()
    assert (redirection_of(person).target, redirection_of(person).is_waiting) == (ELSEWHERE, True)
    assert notified_changes(person) == [ASKED]


class TestNotices:
    """FWD-04"""

    def test_an_answer_of_the_wizard_is_notified_once_and_not_before_the_activation(self, person):
        """FWD-03"""
        for account, notified in ((pending_account(), []), (person, [IN_FORCE])):
            redirection = services.choose_redirection(account=account, target=ELSEWHERE, keep_copy=True)
            assert [verify(redirection), verify(redirection)] == [True, False]
            services.decline_redirection(account=account)
            assert notified_changes(account) == notified

    def test_the_mail_says_which_change_and_how_to_stop_it(self, mail_delivery):
        """A subject of its own, both addresses, a link to the page that locks; whether a copy stays, what stops."""
        subjects = set()
        for language in ("fr", "en"):
            person = active_account(language=language)
            for act, target in (
                (partial(change, person), ELSEWHERE),
                (partial(services.stop_redirection, account=person), ELSEWHERE),
                (partial(change, person, person.recovery_address), person.recovery_address),
                (partial(change, person, person.recovery_address, keep_copy=False), person.recovery_address),
                (partial(services.stop_redirection, account=person), person.recovery_address),
            ):
                act()
                mails = [mail for mail in mail_delivery.deliver()[-3:] if mail["To"] != ELSEWHERE][-2:]
                assert {mail["To"] for mail in mails} == {person.recovery_address, person.institutional_address}
                assert mails[0]["Subject"] == mails[1]["Subject"]
                assert all(fact in text_of(mails[0]) for fact in (person.login, target))
                assert Client().get(link_in(mails[0]), follow=True).status_code == 200
                subjects.add(mails[0]["Subject"])
        assert len(subjects) == 2 * len(RedirectionChange)

    def test_the_mail_says_whether_a_copy_is_kept_and_what_is_stopped(self, person, mail_delivery):
        for keep_copy, said in ((True, "Une copie reste"), (False, "Sans copie")):
            change(person, person.recovery_address, keep_copy=keep_copy)
            assert said in text_of(mail_delivery.last_mail())
        change(person, FURTHER)
        [notice] = [mail for mail in mail_delivery.deliver()[-3:] if mail["To"] == person.recovery_address]
        assert f"La redirection vers {person.recovery_address} est arrêtée." in text_of(notice)


@pytest.mark.django_db(transaction=True)
def test_concurrent_calls_come_one_after_the_other_and_each_change_is_notified_once():
    """FWD-01, ENU-05, TOK-07, SES-02, HLP-01: a double click is one change, two requests for the mail send one,
    a click on the link verifies once and never what was replaced or stopped, a lock leaves nothing in force."""
    for number in range(5):
        person, target = active_account(), f"x{number}@exemple.org"
        attempted_together(*[partial(change, person, target)] * 2)
        assert (verification_mails(person), notified_changes(person)) == (1, [ASKED])
        Message.objects.filter(person=person, kind=Kind.REDIRECTION_VERIFICATION).delete()
        attempted_together(*[partial(services.resend_verification, account=person)] * 2)
        assert verification_mails(person) == 1
        assert sorted(attempted_together(*[partial(verify, redirection_of(person))] * 2)) == [False, True]
        attempted_together(partial(change, person), partial(change, person, FURTHER))
        last = person.journal.filter(event=Event.REDIRECTION_CHOSEN).latest("pk")
        assert redirection_of(person).target == last.details["target"] != last.details["previous"]
        for act in (
            partial(change, person, f"y{number}@exemple.org"),
            partial(services.stop_redirection, account=person),
        ):
            redirection, before = redirection_of(person), notified_changes(person).count(IN_FORCE)
            clicked, _other = attempted_together(partial(verify, redirection), act)
            assert clicked is True or isinstance(clicked, Redirection.DoesNotExist)
            assert notified_changes(person).count(IN_FORCE) - before == (clicked is True)
            assert redirection_of(person).verified_at is None
        attempted_together(
            partial(change, person, person.recovery_address),
            partial(lock_account, account=person, reason=LockReason.PHISHING),
        )
        assert not Redirection.objects.in_force().filter(account=person).exists()
