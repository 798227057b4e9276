"""Rules of forwarding and mailboxes, and what the mail server gets by `manage.py export_redirections` (FWD-05)."""

import csv
import io
from datetime import timedelta
from functools import partial

import pytest
from django.core.management import call_command
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
from mailrouting import export, services
from mailrouting.emails import RedirectionChange, change_of_entry
from mailrouting.models import Mailbox, Redirection
from outbox.enums import Kind
from outbox.models import Message
from tests.accounts.recovery.recovering import in_force
from tests.concurrency import attempted_together
from tests.factories import active_account, pending_account, reloaded
from tests.hr_feed.hr_files import imported, row
from tests.locking import unlock
from tests.mail_delivery import link_in, text_of
from tests.mailrouting.forwarding import (
    ELSEWHERE,
    FURTHER,
    change,
    notified,
    redirection_of,
    verification_mails,
    verify,
)

pytestmark = pytest.mark.django_db

ASKED, IN_FORCE, COPY, STOPPED, GIVEN_UP = RedirectionChange
YESTERDAY = timezone.localdate() - timedelta(days=1)
MAILBOX_ALONE = ("", "TRUE")


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
        assert notified(person) == [IN_FORCE, ASKED, IN_FORCE, ASKED, ASKED]

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
        assert notified(person) == [ASKED, COPY, IN_FORCE, COPY]
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
    for facts in ({"verified_at": timezone.now()}, {"keep_copy": False}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Redirection.objects.update(**facts)
    change(person, FURTHER)
    services.stop_redirection(account=person)
    assert not {ELSEWHERE, FURTHER} & {mail["To"] for mail in mail_delivery.deliver()}
    assert notified(person) == [ASKED, IN_FORCE, STOPPED, ASKED, GIVEN_UP]


class TestQuotas:
    """ENU-05"""

    def test_another_mail_may_be_requested_after_a_minute_until_the_address_is_verified(self, person, time_machine):
        time_machine.move_to(timezone.now(), tick=False)
        change(person)
        with pytest.raises(MailQuotaExceeded) as refused:
            services.resend_verification(account=person)
        assert refused.value.retry_at == timezone.now() + timedelta(minutes=1)
        time_machine.move_to(refused.value.retry_at, tick=False)
        services.resend_verification(account=person)
        assert verification_mails(person) == 2
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


def test_a_locked_account_changes_nothing(person, mail_delivery):
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
    assert notified(person) == [ASKED]
    assert ELSEWHERE not in {mail["To"] for mail in mail_delivery.deliver()}


class TestNotices:
    """FWD-04"""

    def test_an_answer_of_the_wizard_is_notified_once_and_not_before_the_activation(self, person):
        """FWD-03"""
        for account, changes in ((pending_account(), []), (person, [IN_FORCE])):
            redirection = services.choose_redirection(account=account, target=ELSEWHERE, keep_copy=True)
            assert [verify(redirection), verify(redirection)] == [True, False]
            services.decline_redirection(account=account)
            assert notified(account) == changes

    def test_the_mail_says_which_change_and_how_to_stop_it(self, mail_delivery):
        """A subject of its own, both addresses, a link to the page that locks; whether a copy stays, what stops."""
        person, subjects = active_account(), set()
        ours, stop = person.recovery_address, partial(services.stop_redirection, account=person)
        for act, words in (
            (partial(change, person), ELSEWHERE),
            (stop, ELSEWHERE),
            (partial(change, person, ours), "Une copie reste"),
            (partial(change, person, ours, keep_copy=False), "Sans copie"),
            (partial(change, person, FURTHER), f"La redirection vers {ours} est arrêtée."),
            (partial(change, person, ours), ours),
            (stop, ours),
        ):
            act()
            mails = [mail for mail in mail_delivery.deliver()[-3:] if mail["To"] not in (ELSEWHERE, FURTHER)][-2:]
            assert {mail["To"] for mail in mails} == {ours, person.institutional_address}
            assert mails[0]["Subject"] == mails[1]["Subject"]
            assert all(fact in text_of(mails[0]) for fact in (person.login, words)), words
            assert Client().get(link_in(mails[0]), follow=True).status_code == 200
            subjects.add(mails[0]["Subject"])
        assert len(subjects) == len(RedirectionChange)


@pytest.mark.django_db(transaction=True)
def test_concurrent_calls_come_one_after_the_other_and_each_change_is_notified_once():
    """FWD-01, ENU-05, TOK-07, SES-02, HLP-01: changes, requests for the mail, clicks on the link, a lock."""
    for number in range(5):
        person, target = active_account(), f"x{number}@exemple.org"
        attempted_together(*[partial(change, person, target)] * 2)
        assert (verification_mails(person), notified(person)) == (1, [ASKED])
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
            redirection, before = redirection_of(person), notified(person).count(IN_FORCE)
            clicked, _other = attempted_together(partial(verify, redirection), act)
            assert clicked is True or isinstance(clicked, Redirection.DoesNotExist)
            assert notified(person).count(IN_FORCE) - before == (clicked is True)
            assert redirection_of(person).verified_at is None
        attempted_together(
            partial(change, person, person.recovery_address),
            partial(lock_account, account=person, reason=LockReason.PHISHING),
        )
        assert not Redirection.objects.in_force().filter(account=person).exists()


def has_mailbox(person: Account) -> bool:
    return Mailbox.objects.filter(account=person).exists()


def written() -> str:
    output = io.StringIO()
    call_command("export_redirections", stdout=output)
    return output.getvalue()


def exported() -> dict[str, tuple[str, str]]:
    """Where the mail of each mailbox goes, and whether a copy stays."""
    lines = csv.DictReader(io.StringIO(written()), delimiter=";")
    return {line["mail"]: (line["mailForwardingAddress"], line["keepCopy"]) for line in lines}


def forwarding(target: str = ELSEWHERE, *, keep_copy: bool = True, **facts: str) -> Account:
    person = active_account(**facts)
    verify(change(person, target, keep_copy=keep_copy))
    return person


class TestMailboxes:
    def test_a_student_who_becomes_staff_gets_one_once(self):
        """The journal entry has no actor, or the agent who imports; a dry run creates none; the user may forward."""
        person, agent = active_account(category=Category.STUDENT, hr_id="HR1"), active_account()
        imported(row(category="staff"), dry_run=True)
        assert not has_mailbox(person)
        for category in ("staff", "staff", "student", "staff"):
            imported(row(category=category, family_name=f"Durand-{category}"))
            # What was received there still belongs to the user.
            assert has_mailbox(person)
        assert services.create_mailbox(account=person).address == person.institutional_address
        assert person.journal.get(event=Event.MAILBOX_CREATED).actor is None
        change(person, person.recovery_address)
        assert Redirection.objects.in_force().get().account == person
        other = active_account(category=Category.STUDENT, hr_id="HR2")
        imported(row(category="staff", hr_id="HR2", institutional_address=other.institutional_address), actor=agent)
        assert other.journal.get(event=Event.MAILBOX_CREATED).actor == agent

    def test_only_active_members_of_staff_get_one(self):
        """A pending account gets its mailbox at the activation, a departed user after the return."""
        departed = active_account(category=Category.STUDENT, hr_id="HR1", end_date=YESTERDAY)
        for category, end_date in (("student", ""), ("hosted", ""), ("staff", YESTERDAY.isoformat())):
            imported(row(category=category, end_date=end_date))
            assert not has_mailbox(departed), category
        imported(row(category="staff", end_date=""))
        assert has_mailbox(departed)
        pending = pending_account(category=Category.STUDENT, hr_id="HR2")
        imported(row(category="staff", hr_id="HR2", institutional_address=pending.institutional_address))
        assert (reloaded(pending).category, has_mailbox(pending)) == (Category.STAFF, False)
        assert services.create_mailbox(account=pending) == services.create_mailbox(account=pending)
        assert pending.journal.filter(event=Event.MAILBOX_CREATED).count() == 1


class TestExport:
    def test_only_what_is_verified_and_in_force_leaves_the_portal(self, settings):
        """FWD-05, FWD-06, HLP-01: every mailbox is there, the target only where mail may go to it."""
        with_copy, without = forwarding(), forwarding(keep_copy=False)
        stopped, locked, released, departed = (forwarding(keep_copy=False) for _ in range(4))
        services.stop_redirection(account=stopped)
        lock_account(account=locked, reason=LockReason.PHISHING)
        lock_account(account=released, reason=LockReason.PHISHING)
        unlock(released)
        Account.objects.filter(pk=departed.pk).update(end_date=YESTERDAY)
        change(active_account(), keep_copy=False)
        forwarding("ailleurs@refuse.example", keep_copy=False)
        pending, student = pending_account(), active_account(category=Category.STUDENT)
        services.create_mailbox(account=pending)
        services.choose_redirection(account=pending, target=pending.recovery_address, keep_copy=False)
        settings.FORWARDING_DENIED_DOMAINS = ["refuse.example"]
        assert exported() == {
            **dict.fromkeys(Mailbox.objects.values_list("address", flat=True), MAILBOX_ALONE),
            with_copy.login: (ELSEWHERE, "TRUE"),
            without.login: (ELSEWHERE, "FALSE"),
        }
        assert student.login not in exported()
        settings.FORWARDING_ALLOWED = False
        assert set(exported().values()) == {MAILBOX_ALONE}

    def test_a_line_is_what_the_mail_server_needs_and_no_more(self, django_assert_num_queries, monkeypatch):
        """PRV-04: mailboxes are read by batches, in one order."""
        monkeypatch.setattr(export, "BATCH", 2)
        people = [forwarding(keep_copy=False) for _ in range(5)]
        last = {"uid": "zoe", "institutional_address": "zoe.lefevre@univ-exemple.fr"}
        people.append(forwarding("o'brien+filtre@exemple.org", keep_copy=False, **last))
        with django_assert_num_queries(1):
            lines = written().splitlines()
        assert lines[0] == "uid;mail;mailForwardingAddress;keepCopy"
        assert lines[-1] == "zoe;zoe.lefevre@univ-exemple.fr;o'brien+filtre@exemple.org;FALSE"
        assert list(exported()) == sorted(person.login for person in people)
