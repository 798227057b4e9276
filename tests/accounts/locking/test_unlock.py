"""Unlocking: by an agent, after a proof, without what an intruder may have set (HLP-02 to HLP-06, ADM-05)."""

from datetime import timedelta

import pytest
import time_machine
from django.db import DatabaseError, IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, Proof, State
from accounts.links.account_links import not_me_link
from accounts.locking.lock import lock_account
from accounts.locking.unlock import (
    ChangesNotReviewed,
    NoRecoveryAddress,
    NotLocked,
    ReportTooShort,
    UnlockNotAllowed,
    UnlockNotProven,
    changes_to_review,
)
from accounts.models import Account, Lock, RecoveryAddressChange
from accounts.passwords.services import change_password
from journal.events import Event
from journal.services import record_event
from mailrouting.models import Redirection
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import at_once, browser_of, change_to, link_of, wish
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.locking import REPORT, UNLOCK_REASONS, an_agent, locked_account, password_reset_path, reloaded, unlock
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db

YESTERDAY = timezone.localdate() - timedelta(days=1)


@pytest.fixture
def person() -> Account:
    return active_account(phone="+33499000000")


def lock(person: Account) -> Lock:
    return lock_account(account=person, reason=LockReason.PHISHING)


def assert_refused(refusal: type[Exception], person: Account, **changed: object) -> None:
    with pytest.raises(refusal):
        unlock(person, **changed)
    assert reloaded(person).is_locked


class TestIntruder:
    def test_nothing_that_an_intruder_set_survives(self, person):
        """HLP-06, HLP-02: the password, sessions, pending change, forwarding and links from before the lock."""
        intruder, reset = browser_of(person), password_reset_path(person)
        change_redirection(account=person, target=person.recovery_address, keep_copy=False)
        pending = link_of(wish(person, "intrus@exemple.org"))
        entry = change_to(active_account(phone=""))
        other = reloaded(entry.account)
        not_me = not_me_link.token(other, not_me_link.deadline(entry.at), entry.pk)
        lock(person)
        lock(other)
        agent = an_agent()

        unlock(person, agent=agent)
        unlock(other)

        account = Account.objects.with_lock().get(pk=person.pk)
        assert account.state == State.TO_REACTIVATE
        assert Client().post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD}).status_code == 200
        assert intruder.get(reverse("account")).status_code == 302
        assert account.redirection.target == ""
        assert RecoveryAddressChange.objects.get(account=person).cancelled_at is not None
        for link in (pending, reset, reverse("not-me-link", args=[not_me])):
            assert Client().get(link, follow=True).status_code == 404
        stopped = person.journal.get(event=Event.REDIRECTION_STOPPED)
        assert (stopped.actor, stopped.details["previous"]) == (agent, person.recovery_address)

    def test_each_change_has_to_be_reviewed(self, person):
        """HLP-06"""
        assert changes_to_review(person) == []
        change_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        change_to(person)
        change_password(account=reloaded(person), password="une-phrase-du-bureau-bleu")
        lock(person)
        changes = changes_to_review(person)
        assert [entry.event for entry in changes] == [
            Event.PASSWORD_CHANGED,
            Event.RECOVERY_ADDRESS_CHANGED,
            Event.RECOVERY_CHANGE_REQUESTED,
            Event.REDIRECTION_CHOSEN,
        ]

        for missing in changes:
            with pytest.raises(ChangesNotReviewed) as refused:
                unlock(person, reviewed=[entry.pk for entry in changes if entry != missing])
            assert refused.value.entries == [missing]
        assert reloaded(person).is_locked
        unlock(person, reviewed=[entry.pk for entry in changes])

    def test_the_review_starts_30_days_before_the_lock_and_includes_numbers_changed_by_hr(self, person):
        """HLP-06, HLP-04: many people change their number in the HR system by themselves."""
        now = timezone.now()
        for days_ago, address in ((41, "avant@exemple.org"), (29, "pendant@exemple.org")):
            with time_machine.travel(now - timedelta(days=days_ago), tick=False):
                wish(person, address)
        with time_machine.travel(now - timedelta(days=5), tick=False):
            for fields in (["phone", "employer"], ["employer"]):
                record_event(account=person, event=Event.USER_UPDATED, fields=fields)
            lock(person)

        assert [entry.details.get("address") or entry.details["fields"] for entry in changes_to_review(person)] == [
            ["phone", "employer"],
            "pendant@exemple.org",
        ]


class TestProof:
    """HLP-03, HLP-04"""

    def test_proof_report_and_review_are_kept(self, person):
        """HLP-03, LOG-01"""
        change_password(account=reloaded(person), password="une-phrase-du-bureau-bleu")
        lock(person)
        agent, reviewed = an_agent(), [entry.pk for entry in changes_to_review(person)]

        unlock(person, agent=agent, report="  Carte vue en visio.  ", proof=Proof.VIDEO)

        kept = Lock.objects.get()
        assert (kept.released_by, kept.released_reason, kept.proof) == (agent, "phishing-over", "video")
        assert (kept.report, kept.number_called, kept.reviewed) == ("Carte vue en visio.", "", reviewed)
        entry = person.journal.get(event=Event.RELEASED)
        assert entry.actor == agent
        assert entry.details == {
            "reason": "phishing-over",
            "proof": "video",
            "number_called": "",
            "reviewed": reviewed,
        }

    def test_a_call_back_goes_to_the_number_that_hr_knows(self, person):
        """HLP-04"""
        lock(person)
        unlock(person, proof=Proof.CALL_BACK)
        assert Lock.objects.get().number_called == "+33499000000"
        assert person.journal.get(event=Event.RELEASED).details["number_called"] == "+33499000000"

        assert_refused(UnlockNotProven, locked_account(phone=""), proof=Proof.CALL_BACK)

    def test_public_knowledge_proves_nothing_and_the_report_has_ten_characters(self, person):
        """HLP-03"""
        lock(person)
        for proof in ("", "birth-date", "ine", "phone", "date de naissance", None):
            assert_refused(UnlockNotProven, person, proof=proof)
        for report in ("", "         ", "neuf cara", " neuf cara\n\t "):
            assert_refused(ReportTooShort, person, report=report)


class TestMail:
    def test_it_goes_to_the_address_on_file_alone(self, person, mail_delivery):
        """HLP-05"""
        lock(person)
        mail_delivery.deliver()

        unlock(person)

        mail = mail_delivery.last_mail()
        assert [message.address for message in Message.objects.filter(kind=Kind.REACTIVATION)] == [mail["To"]]
        assert mail["To"] == person.recovery_address
        assert mail["Subject"] == "Votre compte informatique est débloqué"
        assert link_in(mail).startswith("/reactivation/")
        assert REPORT not in text_of(mail)

    def test_a_pending_account_gets_the_activation_link(self, mail_delivery):
        person = pending_account()
        lock(person)
        unlock(person)

        assert link_in(mail_delivery.last_mail()).startswith("/activation/")
        assert reloaded(person).state == State.PENDING

    def test_without_a_valid_address_the_unlock_is_refused(self):
        """HLP-05"""
        for facts in ({"recovery_address": ""}, {"recovery_address_disputed_at": timezone.now()}):
            assert_refused(NoRecoveryAddress, locked_account(**facts))


class TestWhoMayUnlock:
    def test_only_active_agents_and_neither_themselves_nor_each_other(self, person):
        """ADM-05, HLP-06: a refusal changes nothing."""
        change_redirection(account=person, target="ailleurs@exemple.org", keep_copy=True)
        lock(person)
        before = (Account.objects.values().get(pk=person.pk), person.journal.count(), Message.objects.count())
        agent = locked_account(is_staff=True)
        for locked, by in (
            (person, active_account()),
            (person, agent),
            (person, an_agent(end_date=YESTERDAY)),
            (agent, agent),
            (agent, an_agent()),
        ):
            assert_refused(UnlockNotAllowed, locked, agent=by)
        assert Redirection.objects.get(account=person).target == "ailleurs@exemple.org"
        mails = Message.objects.exclude(person=agent).count()
        assert (Account.objects.values().get(pk=person.pk), person.journal.count(), mails) == before

    def test_an_account_that_is_not_locked_or_closed_is_refused(self):
        closed = locked_account()
        Account.objects.filter(pk=closed.pk).update(end_date=YESTERDAY)
        for account in (active_account(), pending_account(), closed):
            with pytest.raises(NotLocked):
                unlock(account, reviewed=[])


class TestDatabase:
    """HLP-03"""

    def test_it_refuses_an_unlock_without_a_valid_proof(self):
        """HLP-03, HLP-04"""
        person = locked_account()
        wrong = [UNLOCK_REASONS | {missing: ""} for missing in UNLOCK_REASONS]
        wrong += [UNLOCK_REASONS | {"proof": proof} for proof in ("birth-date", "phone")]
        for facts in wrong:
            with pytest.raises(IntegrityError, match="lock_released_with_proof"), transaction.atomic():
                person.locks.update(released_at=timezone.now(), **facts)
        with pytest.raises(IntegrityError, match="lock_called_back_at_a_number"), transaction.atomic():
            person.locks.update(released_at=timezone.now(), **(UNLOCK_REASONS | {"proof": Proof.CALL_BACK}))

    def test_an_unlock_cannot_be_edited(self):
        """HLP-03"""
        person = locked_account()
        unlock(person)

        for change in (
            {"report": "Autre."},
            {"proof": Proof.VIDEO},
            {"released_at": None},
            {"number_called": "+33611"},
        ):
            with pytest.raises(DatabaseError, match="stays as it is"), transaction.atomic():
                person.locks.update(**change)
        with pytest.raises(DatabaseError, match="stays as it is"), transaction.atomic():
            person.locks.all().delete()


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    def test_of_two_agents_one_unlocks(self):
        """HLP-03: one unlock, one entry, one mail."""
        for _ in range(4):
            person, agents = locked_account(), [an_agent(), an_agent()]

            results = at_once(*[lambda agent=agent: unlock(person, agent=agent) for agent in agents])

            assert sorted(type(one).__name__ for one in results) == ["Lock", "NotLocked"]
            assert person.journal.filter(event=Event.RELEASED).count() == 1
            assert Message.objects.filter(person=person, kind=Kind.REACTIVATION).count() == 1

    def test_a_lock_during_an_unlock_is_not_lost(self, mail_delivery):
        """HLP-01: no link to a locked account is sent."""
        for _ in range(4):
            person, agent = locked_account(), an_agent()

            at_once(lambda: unlock(person, agent=agent), lambda: lock(person))

            locks = person.locks.count()
            assert reloaded(person).is_locked == (locks == 2)
            assert person.journal.filter(event=Event.LOCKED).count() == locks
            mail_delivery.deliver()
            links = Message.objects.filter(person=person, kind=Kind.REACTIVATION, status=Status.SENT)
            assert links.exists() == (locks == 1)
