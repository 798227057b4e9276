"""Replacement of a recovery address by two agents (HLP-05)."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import tasks
from accounts.enums import Proof, State
from accounts.links.account_links import password_reset_link
from accounts.links.signed_link import InvalidLink
from accounts.locking.unlock import changes_to_review
from accounts.models import Account, RecoveryAddressChange, RecoveryAddressCorrection
from accounts.recovery import corrections
from accounts.recovery.changes import SameAddress, report_unauthorized_change
from accounts.recovery.corrections import (
    AccountClosed,
    AddressChangedMeanwhile,
    AlreadyProposed,
    CorrectionNotProven,
    NotWaiting,
    apply_due_replacements,
    apply_replacement,
)
from config.celery import app
from core.email_addresses import InvalidAddress
from core.templatetags.dates import datetime_long
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import (
    GIVEN,
    REASON,
    REPORT,
    a_responsable,
    approve,
    approved,
    cancel,
    change_to,
    close,
    in_force,
    now_of,
    proposed,
    report,
    reset_mail_recipients,
    wish,
)
from tests.concurrency import attempted_together
from tests.factories import active_account, events_of, reloaded
from tests.locking import locked_account, unlock
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 10, 10, tzinfo=UTC)
A_DAY = timedelta(hours=24)


@pytest.fixture
def agent() -> Account:
    return a_responsable()


@pytest.fixture
def at_noon(time_machine):
    """The clock stands still."""
    time_machine.move_to(NOON, tick=False)
    return time_machine


def make_due(correction: RecoveryAddressCorrection) -> None:
    past = timezone.now() - timedelta(seconds=1)
    RecoveryAddressCorrection.objects.filter(pk=correction.pk).update(approved_at=past - A_DAY, effective_at=past)


def due(person: Account) -> RecoveryAddressCorrection:
    """Approved more than a day ago."""
    correction = approved(person)
    make_due(correction)
    return now_of(correction)


class TestReplacement:
    """HLP-05"""

    def test_two_agents_a_day_and_notices(self, person, at_noon, mail_delivery):
        """HLP-05"""
        proposer, approver = a_responsable(), a_responsable()
        old, mailbox = person.recovery_address, person.institutional_address

        correction = proposed(person, proposer)
        assert mail_delivery.deliver() == []
        assert reset_mail_recipients(person, mail_delivery) == [old]

        approve(correction, approver)
        notices = {mail["To"]: text_of(mail) for mail in mail_delivery.deliver()[1:]}
        assert set(notices) == {old, mailbox, GIVEN}
        for address, text in notices.items():
            assert datetime_long(NOON + A_DAY) in text
            assert ("Ce n’est pas vous" in text) == (address != GIVEN)
            assert GIVEN not in text or address == GIVEN
        assert "/ce-n-est-pas-moi/" not in notices[GIVEN]

        at_noon.move_to(NOON + A_DAY - timedelta(seconds=1), tick=False)
        assert apply_due_replacements() == 0
        assert reset_mail_recipients(person, mail_delivery) == [old]
        older = password_reset_link.token(
            reloaded(person), timezone.now() + timedelta(minutes=30), password_reset_link.subject(person)
        )

        at_noon.move_to(NOON + A_DAY, tick=False)
        before = len(mail_delivery.server.messages)
        tasks.apply_due_replacements()

        notices = {mail["To"]: text_of(mail) for mail in mail_delivery.deliver()[before:]}
        assert set(notices) == {old, mailbox}
        assert "Cette adresse-ci ne servira plus." in notices[old]
        with pytest.raises(InvalidLink):
            password_reset_link.open(older)
        assert reset_mail_recipients(person, mail_delivery) == [GIVEN]
        entries = person.journal.filter(event__startswith="recovery").order_by("pk")
        assert list(entries.values_list("event", "actor")) == [
            (Event.RECOVERY_REPLACEMENT_PROPOSED, proposer.pk),
            (Event.RECOVERY_REPLACEMENT_APPROVED, approver.pk),
            (Event.RECOVERY_ADDRESS_CHANGED, None),
        ]

    def test_the_proof_is_kept_and_a_call_back_goes_to_the_number_of_hr(self, at_noon, agent):
        """HLP-03, HLP-04"""
        person, approver = active_account(phone="+33467123456"), a_responsable()
        correction = proposed(person, agent, proof=Proof.CALL_BACK)
        approve(correction, approver)
        kept = now_of(correction)
        assert (kept.proposed_by, kept.approved_by, kept.note) == (agent, approver, REPORT)
        assert (kept.proof, kept.number_called) == (Proof.CALL_BACK, "+33467123456")
        assert (kept.proposed_at, kept.approved_at, kept.effective_at) == (NOON, NOON, NOON + A_DAY)
        assert person.journal.get(event=Event.RECOVERY_REPLACEMENT_PROPOSED).details == {
            "correction": correction.pk,
            "proof": "call-back",
            "number_called": "+33467123456",
        }
        for proof in (Proof.CALL_BACK, "", "birth-date", "ine"):
            with pytest.raises(CorrectionNotProven):
                proposed(active_account(phone=""), agent, proof=proof)

    def test_one_is_open_at_a_time_to_an_external_and_different_address(self, person, agent, caplog):
        """INP-03, FWD-02, LOG-02: neither journal nor log holds an address."""
        with caplog.at_level("DEBUG"):
            first = proposed(person)
            with pytest.raises(AlreadyProposed) as refused:
                proposed(person, agent, address="autre@exemple.org")
            assert refused.value.correction == first
            cancel(first, agent)
            for address in ("a@univ-exemple.fr", "a b"):
                with pytest.raises(InvalidAddress):
                    proposed(person, agent, address=address)
            with pytest.raises(SameAddress):
                proposed(person, agent, address=person.recovery_address)
            in_force(person)
        recorded = json.dumps(list(JournalEntry.objects.values_list("details", flat=True))) + caplog.text
        assert not [address for address in (person.recovery_address, GIVEN) if address in recorded]


class TestBeforeItIsEffective:
    def test_any_agent_with_the_permission_cancels_it(self, person, agent, at_noon, mail_delivery):
        """HLP-05: its proposer too; not once it is applied."""
        correction = approved(person)
        cancel(correction, agent)
        at_noon.shift(A_DAY)
        assert apply_due_replacements() == 0
        assert reloaded(person).recovery_address == person.recovery_address
        entry = person.journal.get(event=Event.RECOVERY_REPLACEMENT_GIVEN_UP)
        assert (entry.actor, entry.details) == (agent, {"correction": correction.pk, "reason": REASON})
        assert mail_delivery.deliver() == []
        assert set(person.messages.values_list("status", flat=True)) == {Status.CANCELLED}
        own = cancel(proposed(person, agent), agent)
        for act in (lambda: approve(own), lambda: cancel(in_force(person), agent)):
            with pytest.raises(NotWaiting):
                act()

    def test_the_old_address_cancels_it_and_locks_the_account(self, person, at_noon, mail_delivery):
        """HLP-05: by a POST without login."""
        correction, old, reader = approved(person), person.recovery_address, Client()
        [notice] = [mail for mail in mail_delivery.deliver() if mail["To"] == old]
        shown = reader.get(link_in(notice), follow=True).content.decode()
        assert "Remplacement de l’adresse de secours approuvé" in shown
        assert now_of(correction).is_open
        assert reader.post(reverse("not-me")).status_code == 302
        assert (now_of(correction).given_up_at, reloaded(person).is_locked) == (NOON, True)
        at_noon.shift(A_DAY)
        assert apply_due_replacements() == 0
        assert reloaded(person).recovery_address == old

    def test_both_notices_take_it_back_for_seven_days(self, person, at_noon, mail_delivery):
        """HLP-07"""
        old, correction = person.recovery_address, approved(person)
        mail_delivery.deliver()
        at_noon.shift(A_DAY)
        apply_due_replacements()
        of_approval, of_effect = [link_in(mail) for mail in mail_delivery.deliver() if mail["To"] == old]

        at_noon.move_to(NOON + timedelta(days=7, seconds=1), tick=False)
        assert report(of_approval).status_code == 410
        at_noon.move_to(NOON + A_DAY + timedelta(days=7, seconds=1), tick=False)
        assert report(of_effect).status_code == 410
        at_noon.move_to(NOON + A_DAY + timedelta(days=7), tick=False)
        assert report(of_effect).status_code == 302

        assert reloaded(person).recovery_address == old
        assert reloaded(person).is_locked
        assert now_of(correction).undone_at is not None
        events = events_of(person)
        assert events.index(Event.RECOVERY_ADDRESS_CHANGED) < events.index(Event.RECOVERY_ADDRESS_RESTORED)

    def test_a_report_of_another_change_stops_it_and_restores_the_first_address(self, person, at_noon):
        """HLP-06, HLP-07"""
        entry = change_to(active_account())
        pending = approved(reloaded(entry.account))
        report_unauthorized_change(entry=entry)
        assert not now_of(pending).is_open
        first = change_to(person)
        at_noon.shift(timedelta(minutes=1))
        approved(reloaded(person))
        at_noon.shift(A_DAY)
        assert apply_due_replacements() == 1
        report_unauthorized_change(entry=first)
        assert reloaded(person).recovery_address == person.recovery_address
        assert RecoveryAddressChange.objects.get(account=person).undone_at is not None
        assert RecoveryAddressCorrection.objects.get(account=person).undone_at is not None

    def test_an_address_that_its_owner_changed_meanwhile_is_not_overwritten(self, person, at_noon):
        """HLP-06: a change that is still pending is cancelled instead."""
        to_approve, waiting, pending = proposed(person), approved(active_account()), approved(active_account())
        change_to(person)
        with pytest.raises(AddressChangedMeanwhile):
            approve(to_approve)
        change_to(waiting.account, "a.moi@exemple.org")
        at_noon.shift(A_DAY)
        change = wish(pending.account, "une.autre@exemple.org")
        assert apply_due_replacements() == 1
        assert reloaded(waiting.account).recovery_address == "a.moi@exemple.org"
        assert now_of(waiting).given_up_at is not None
        assert now_of(to_approve).is_open
        change.refresh_from_db()
        assert change.cancelled_at is not None

    def test_a_closed_account_keeps_its_address(self, person, agent, at_noon):
        correction, waits = proposed(active_account()), approved(person)
        close(correction.account)
        close(person)
        for act in (lambda: approve(correction), lambda: proposed(correction.account, agent)):
            with pytest.raises(AccountClosed):
                act()
        at_noon.shift(A_DAY)
        assert apply_due_replacements() == 0
        assert not now_of(waits).is_open


class TestLockedAccount:
    def test_the_link_goes_to_the_address_on_file_at_the_unlock_and_then_to_the_new_one(self, at_noon, mail_delivery):
        """HLP-05, HLP-06"""
        first, second = locked_account(recovery_address=""), locked_account()
        for person in (first, second):
            approved(person)
        unlock(second)
        links = second.messages.filter(kind=Kind.REACTIVATION).order_by("pk")
        assert list(links.values_list("address", flat=True)) == [second.recovery_address]
        at_noon.shift(A_DAY)
        assert apply_due_replacements() == 2
        assert list(links.values_list("address", flat=True)) == [second.recovery_address, GIVEN]
        assert reloaded(first).state == State.LOCKED
        assert not first.messages.filter(kind=Kind.REACTIVATION).exists()
        assert Event.RECOVERY_ADDRESS_CHANGED in [entry.event for entry in changes_to_review(first)]
        unlock(first)
        assert Message.objects.get(kind=Kind.REACTIVATION, person=first).address == GIVEN
        assert Client().get(link_in(mail_delivery.last_mail()), follow=True).status_code == 200


class TestTask:
    def test_it_is_scheduled_idempotent_and_never_early(self, person, at_noon):
        """AVL-02"""
        app.loader.import_default_modules()
        schedule = {entry["task"]: entry["schedule"] for entry in app.conf.beat_schedule.values()}
        assert schedule[tasks.apply_due_replacements.name] == timedelta(minutes=1)
        assert not apply_replacement(correction_id=proposed(active_account()).pk)
        assert not apply_replacement(correction_id=approved(person).pk)
        at_noon.shift(timedelta(days=9))
        assert (apply_due_replacements(), apply_due_replacements()) == (1, 0)
        assert events_of(person).count(Event.RECOVERY_ADDRESS_CHANGED) == 1
        assert person.messages.filter(kind=Kind.RECOVERY_CHANGED).count() == 2

    def test_one_that_fails_does_not_stop_the_others_and_is_retried(self, at_noon, monkeypatch, caplog):
        """AVL-02"""
        broken, fine = approved(active_account()), approved(active_account())
        at_noon.shift(A_DAY)
        set_recovery_address = corrections.set_recovery_address

        def fail(account: Account, address: str) -> None:
            set_recovery_address(account, address)
            if account.pk == broken.account_id:
                raise OSError

        with monkeypatch.context() as patch:
            patch.setattr(corrections, "set_recovery_address", fail)
            assert apply_due_replacements() == 1
        assert (now_of(broken).is_open, now_of(fine).is_open) == (True, False)
        assert reloaded(broken.account).recovery_address == broken.previous_address
        assert GIVEN not in caplog.text
        assert apply_due_replacements() == 1


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    """The lock of the account's row decides which act comes first."""

    def test_of_two_proposals_approvals_or_workers_one_acts(self):
        """AVL-05"""
        for _ in range(3):
            person, agents = active_account(), [a_responsable(), a_responsable()]
            got = attempted_together(*(lambda a=a: proposed(person, a, address=f"a{a.pk}@exemple.org") for a in agents))
            assert sorted(type(one).__name__ for one in got) == ["AlreadyProposed", "RecoveryAddressCorrection"]
            correction = RecoveryAddressCorrection.objects.get(account=person)
            agents = [a_responsable(), a_responsable()]
            got = attempted_together(*(lambda a=a: approve(correction, a) for a in agents))
            assert sorted(type(one).__name__ for one in got) == ["NotWaiting", "RecoveryAddressCorrection"]
            assert person.messages.filter(kind=Kind.RECOVERY_ANNOUNCED).count() == 1
            assert events_of(person).count(Event.RECOVERY_REPLACEMENT_APPROVED) == 1
            make_due(correction)
            assert sum(attempted_together(apply_due_replacements, apply_due_replacements)) == 1
            assert events_of(person).count(Event.RECOVERY_ADDRESS_CHANGED) == 1
            assert person.messages.filter(kind=Kind.RECOVERY_CHANGED).count() == 2

    def test_a_cancellation_meets_the_approval_or_the_task_and_an_objection_the_task(self):
        """HLP-07: an objection always restores the old address and locks the account."""
        for _ in range(3):
            person, agents = active_account(), [a_responsable(), a_responsable()]
            correction = proposed(person)
            approval, cancelled = attempted_together(
                lambda: approve(correction, agents[0]), lambda: cancel(correction, agents[1])
            )
            assert isinstance(cancelled, RecoveryAddressCorrection)
            assert isinstance(approval, RecoveryAddressCorrection | NotWaiting)
            assert not now_of(correction).is_open

            correction = due(person)
            was_applied, cancelled = attempted_together(
                lambda: apply_replacement(correction_id=correction.pk), lambda: cancel(correction, agents[1])
            )
            assert was_applied is isinstance(cancelled, NotWaiting)
            assert reloaded(person).recovery_address == (GIVEN if was_applied else person.recovery_address)

            person = active_account()
            correction = due(person)
            entry = person.journal.get(event=Event.RECOVERY_REPLACEMENT_APPROVED)
            attempted_together(
                lambda: apply_replacement(correction_id=correction.pk), lambda: report_unauthorized_change(entry=entry)
            )
            assert (reloaded(person).recovery_address, reloaded(person).is_locked) == (person.recovery_address, True)
