"""Recovery addresses given by agents: corrections at once, and replacements by two agents (HLP-05, ADM-05)."""

import json
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts import tasks
from accounts.enums import Proof
from accounts.locking.unlock import changes_to_review
from accounts.models import Account, RecoveryAddressChange, RecoveryAddressCorrection
from accounts.recovery import corrections, two_agents
from accounts.recovery.changes import SameAddress, report_unauthorized_change
from accounts.recovery.corrections import apply_due_replacements, apply_replacement
from agents.roles import Role
from agents.staff.services import change_role, withdraw_role
from config.celery import app
from core.email_addresses import InvalidAddress
from core.templatetags.dates import datetime_long
from hr_feed.proposals import dismiss_proposal, waiting_proposal_for
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind, Status
from tests.accounts.recovery import recovering
from tests.accounts.recovery.recovering import GIVEN, a_responsable, approve, approved, cancel, now_of, proposed
from tests.activation.wizard.client import link_to
from tests.agents.signed_in import an_agent
from tests.concurrency import attempted_together
from tests.factories import active_account, events_of, pending_account, reloaded
from tests.locking import REPORT, locked_account, password_reset_path, unlock, unlocked_account
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 10, 10, tzinfo=UTC)
A_DAY = timedelta(hours=24)


@pytest.fixture
def agent() -> Account:
    return a_responsable()


@pytest.fixture
def at_noon(time_machine):
    time_machine.move_to(NOON, tick=False)
    return time_machine


def correct(account: Account, agent: Account, address: str = GIVEN) -> RecoveryAddressCorrection:
    return corrections.correct_at_once(account=account, agent=agent, address=address, reason=recovering.REASON)


class TestCorrection:
    def test_older_links_die_and_the_new_address_gets_one(self, agent, mail_delivery):
        """TOK-07, EML-04, LOG-01, ADM-08: HR cannot propose the old one again; a second correction cancels mails."""
        newcomer = pending_account()
        old, older = newcomer.recovery_address, link_to(newcomer)
        newcomer.messages.create(kind=Kind.NEW_LINK, address=old)
        correction = correct(newcomer, agent)
        assert Client().get(older).status_code == 404
        to_old, to_new = mail_delivery.deliver()
        assert (to_old["To"], to_new["To"]) == (old, GIVEN)
        assert "Cette adresse avait été indiquée" in text_of(to_old)
        assert GIVEN not in text_of(to_old)
        assert Client().get(link_in(to_new), follow=True).status_code == 200
        assert newcomer.messages.get(kind=Kind.NEW_LINK).status == Status.CANCELLED
        [entry] = newcomer.journal.filter(event=Event.RECOVERY_ADDRESS_CORRECTED)
        assert (entry.actor, entry.details) == (agent, {"correction": correction.pk, "reason": recovering.REASON})
        assert (correction.previous_address, correction.proposed_by, correction.applied_at) == (old, agent, entry.at)
        assert reloaded(newcomer).recovery_address_owner_set_at is not None
        for address, waits in ((old, False), ("encore@exemple.net", True)):
            recovering.proposed_by_hr(newcomer, address)
            assert (waiting_proposal_for(newcomer) is not None) == waits
        other = pending_account()
        for address in (GIVEN, other.recovery_address):
            correct(other, agent, address)
        mail_delivery.deliver()
        assert recovering.recipients(person=other, kind=Kind.ACTIVATION, status=Status.SENT) == [other.recovery_address]
        assert recovering.recipients(person=other, kind=Kind.RECOVERY_CORRECTED, status=Status.SENT) == [GIVEN]

    def test_used_or_locked_accounts_and_those_with_a_proposal_are_refused(self, agent):
        """HLP-05"""
        locked = pending_account()
        recovering.lock(locked)
        correction = proposed(locked)
        for account in (active_account(), locked_account(), unlocked_account(), locked):
            with pytest.raises(corrections.NeedsTwoAgents):
                correct(account, agent)
        unlock(locked)
        with pytest.raises(corrections.AlreadyProposed) as refused:
            correct(locked, agent)
        assert refused.value.correction == correction

    def test_agents_need_the_permission_an_active_account_and_another_than_an_agents(self, person, agent):
        """ADM-05, HLP-01, HLP-05: nor does the proposer approve."""
        correction, entry = proposed(active_account(), agent), recovering.proposed_by_hr(person, "rh@exemple.org")
        locked = a_responsable()
        recovering.lock(locked)
        for refused in (an_agent(Role.LECTURE), an_agent(Role.ASSISTANCE), reloaded(locked)):
            for act in (
                lambda: correct(pending_account(), refused),
                lambda: proposed(person, refused),
                lambda: approve(correction, refused),
                lambda: cancel(correction, refused),
                lambda: dismiss_proposal(entry_id=entry.pk, agent=refused, reason=recovering.REASON),
            ):
                with pytest.raises(two_agents.CorrectionNotAllowed):
                    act()
        for account in (agent, an_agent()):
            with pytest.raises(two_agents.CorrectionNotAllowed):
                proposed(account, agent)
        with pytest.raises(two_agents.OwnProposal):
            approve(correction, agent)
        assert now_of(correction).is_open

    def test_the_database_refuses_as_well(self, person):
        """HLP-05"""
        correction, now = proposed(person), timezone.now()
        approval = {"approved_at": now, "effective_at": now + A_DAY}
        approvals = [{"approved_by": correction.proposed_by}, {"effective_at": now}, {"applied_at": now}]
        approvals.append({"applied_at": now + A_DAY, "given_up_at": now})
        others = ({"approved_at": now}, {"note": ""}, {"proof": "birth-date"}, {"proof": Proof.CALL_BACK})
        for wrong in (*({**approval, **facts} for facts in approvals), *others):
            with pytest.raises(IntegrityError), transaction.atomic():
                RecoveryAddressCorrection.objects.filter(pk=correction.pk).update(**wrong)
        with pytest.raises(IntegrityError), transaction.atomic():
            RecoveryAddressCorrection.objects.create(account=person, new_address="b@exemple.net", note=REPORT)


class TestReplacement:
    def test_two_agents_a_day_and_notices(self, agent, at_noon, mail_delivery):
        """HLP-05, HLP-03, HLP-04: the proof is kept; a call back goes to the number of HR."""
        person, approver = active_account(phone="+33467123456"), a_responsable()
        old, mailbox = person.recovery_address, person.institutional_address
        correction = proposed(person, agent, proof=Proof.CALL_BACK)
        assert mail_delivery.deliver() == []
        approve(correction, approver)
        kept = now_of(correction)
        assert (kept.proposed_by, kept.approved_by, kept.note) == (agent, approver, REPORT)
        assert (kept.proof, kept.number_called) == (Proof.CALL_BACK, "+33467123456")
        assert (kept.proposed_at, kept.approved_at, kept.effective_at) == (NOON, NOON, NOON + A_DAY)
        details = person.journal.get(event=Event.RECOVERY_REPLACEMENT_PROPOSED).details
        assert details == {"correction": kept.pk, "proof": "call-back", "number_called": "+33467123456"}
        notices = {mail["To"]: text_of(mail) for mail in mail_delivery.deliver()}
        assert set(notices) == {old, mailbox, GIVEN}
        for address, text in notices.items():
            assert datetime_long(NOON + A_DAY) in text
            assert ("/ce-n-est-pas-moi/" in text) == ("Ce n’est pas vous" in text) == (address != GIVEN)
            assert GIVEN not in text or address == GIVEN
        at_noon.move_to(NOON + A_DAY - timedelta(seconds=1), tick=False)
        assert (apply_due_replacements(), apply_replacement(correction_id=correction.pk)) == (0, False)
        assert recovering.reset_mail_recipients(person, mail_delivery) == [old]
        older = password_reset_path(person)
        at_noon.move_to(NOON + A_DAY, tick=False)
        before = len(mail_delivery.server.messages)
        for _ in range(2):
            tasks.apply_due_replacements()
        to_old, to_mailbox = mail_delivery.deliver()[before:]
        assert (to_old["To"], to_mailbox["To"]) == (old, mailbox)
        assert "Cette adresse-ci ne servira plus." in text_of(to_old)
        assert Client().get(older).status_code == 404
        assert recovering.reset_mail_recipients(person, mail_delivery) == [GIVEN]
        entries = person.journal.filter(event__startswith="recovery").order_by("pk")
        assert list(entries.values_list("actor", flat=True)) == [agent.pk, approver.pk, None]
        assert entries.last().event == Event.RECOVERY_ADDRESS_CHANGED
        app.loader.import_default_modules()
        assert tasks.apply_due_replacements.name in {entry["task"] for entry in app.conf.beat_schedule.values()}

    def test_one_is_open_at_a_time_to_an_external_and_different_address_with_a_proof(self, person, agent, caplog):
        """INP-03, FWD-02, HLP-03, HLP-04, LOG-02: neither journal nor log holds an address."""
        caplog.set_level("DEBUG")
        first = proposed(person)
        with pytest.raises(corrections.AlreadyProposed) as refused:
            proposed(person, agent, address="autre@exemple.org")
        assert refused.value.correction == first
        cancel(first, agent)
        for wrong, refusal in (
            *(({"address": address}, InvalidAddress) for address in ("a@univ-exemple.fr", "a b")),
            ({"address": person.recovery_address}, SameAddress),
            *(({"proof": proof}, corrections.CorrectionNotProven) for proof in (Proof.CALL_BACK, "", "birth-date")),
        ):
            with pytest.raises(refusal):
                proposed(person, agent, **wrong)
        recovering.in_force(person)
        recorded = json.dumps(list(JournalEntry.objects.values_list("details", flat=True))) + caplog.text
        assert not [address for address in (person.recovery_address, GIVEN) if address in recorded]

    def test_any_agent_with_the_permission_cancels_it(self, person, agent, at_noon, mail_delivery):
        """HLP-05: its proposer too; not once it is applied."""
        correction = approved(person)
        cancel(correction, agent)
        at_noon.shift(A_DAY)
        assert (apply_due_replacements(), mail_delivery.deliver()) == (0, [])
        assert reloaded(person).recovery_address == person.recovery_address
        entry = person.journal.get(event=Event.RECOVERY_REPLACEMENT_GIVEN_UP)
        assert (entry.actor, entry.details) == (agent, {"correction": correction.pk, "reason": recovering.REASON})
        own = cancel(proposed(person, agent), agent)
        for act in (lambda: approve(own), lambda: cancel(recovering.in_force(person), agent)):
            with pytest.raises(corrections.NotWaiting):
                act()

    def test_the_old_address_cancels_it_and_takes_it_back_for_seven_days(self, at_noon, mail_delivery):
        """HLP-05, HLP-07: by a POST without login, which locks the account."""
        waiting, applied = approved(active_account()), approved(active_account())
        person, old = waiting.account, waiting.previous_address
        [notice] = [mail for mail in mail_delivery.deliver() if mail["To"] == old]
        assert recovering.report(link_in(notice)).status_code == 302
        assert (now_of(waiting).given_up_at, reloaded(person).is_locked) == (NOON, True)
        at_noon.shift(A_DAY)
        assert apply_due_replacements() == 1
        assert reloaded(person).recovery_address == old
        person, old = applied.account, applied.previous_address
        of_approval, of_effect = [link_in(mail) for mail in mail_delivery.deliver() if mail["To"] == old]
        at_noon.move_to(NOON + A_DAY + timedelta(days=7), tick=False)
        assert (recovering.report(of_approval).status_code, recovering.report(of_effect).status_code) == (410, 302)
        assert (reloaded(person).recovery_address, reloaded(person).is_locked) == (old, True)
        assert now_of(applied).undone_at is not None

    def test_a_report_of_an_earlier_change_restores_the_first_address(self, person):
        """HLP-06, HLP-07"""
        with time_machine.travel(timezone.now() - 2 * A_DAY):
            first = recovering.change_to(person)
        correction = recovering.in_force(reloaded(person))
        report_unauthorized_change(entry=first)
        assert reloaded(person).recovery_address == person.recovery_address
        assert RecoveryAddressChange.objects.get(account=person).undone_at is not None
        assert now_of(correction).undone_at is not None

    def test_an_address_changed_meanwhile_is_not_overwritten_nor_that_of_a_closed_account(self, person, agent, at_noon):
        """HLP-06: a change of the owner's that is still pending is cancelled instead."""
        to_approve, of_closed = proposed(person), proposed(active_account())
        waiting, pending, closing = (approved(active_account()) for _ in range(3))
        recovering.change_to(person)
        recovering.change_to(waiting.account, "a.moi@exemple.org")
        recovering.close(of_closed.account)
        recovering.close(closing.account)
        for act, refusal in (
            (lambda: approve(to_approve), corrections.AddressChangedMeanwhile),
            (lambda: approve(of_closed), corrections.AccountClosed),
            (lambda: proposed(of_closed.account, agent), corrections.AccountClosed),
        ):
            with pytest.raises(refusal):
                act()
        at_noon.shift(A_DAY)
        change = recovering.wish(pending.account, "une.autre@exemple.org")
        assert apply_due_replacements() == 1
        assert reloaded(waiting.account).recovery_address == "a.moi@exemple.org"
        assert [now_of(one).is_open for one in (to_approve, waiting, closing)] == [True, False, False]
        change.refresh_from_db()
        assert change.cancelled_at is not None

    def test_one_is_given_up_when_either_agent_is_an_agent_no_more(self, at_noon):
        """HLP-05, ADM-05: withdrawn, in a lesser role, locked or erased since the approval."""
        withdrawn, lesser, locked, erased = waiting = [approved(active_account()) for _ in range(4)]
        withdraw_role(account=withdrawn.approved_by)
        change_role(account=lesser.proposed_by, role=Role.ASSISTANCE)
        recovering.lock(locked.approved_by)
        RecoveryAddressCorrection.objects.filter(pk=erased.pk).update(proposed_by=None)
        at_noon.shift(A_DAY)
        assert apply_due_replacements() == 0
        assert [reloaded(one.account).recovery_address == one.previous_address for one in waiting] == [True] * 4
        entries = JournalEntry.objects.filter(event=Event.RECOVERY_REPLACEMENT_GIVEN_UP, at=NOON + A_DAY)
        assert [entry.details["reason"] for entry in entries] == [corrections.AN_AGENT_LEFT] * 4

    def test_the_link_of_a_locked_account_goes_to_the_address_on_file_at_the_unlock(self, at_noon):
        """HLP-05, HLP-06: and then to the new one."""
        first, second = locked_account(recovery_address=""), locked_account()
        for person in (first, second):
            approved(person)
        unlock(second)
        assert recovering.recipients(person=second, kind=Kind.REACTIVATION) == [second.recovery_address]
        at_noon.shift(A_DAY)
        assert apply_due_replacements() == 2
        assert recovering.recipients(person=second, kind=Kind.REACTIVATION) == [second.recovery_address, GIVEN]
        assert recovering.recipients(person=first, kind=Kind.REACTIVATION) == []
        assert Event.RECOVERY_ADDRESS_CHANGED in [entry.event for entry in changes_to_review(first)]
        unlock(first)
        assert recovering.recipients(person=first, kind=Kind.REACTIVATION) == [GIVEN]

    def test_one_that_fails_does_not_stop_the_others_and_is_retried(self, at_noon, monkeypatch, caplog):
        """AVL-02"""
        broken, fine = approved(active_account()), approved(active_account())
        at_noon.shift(A_DAY)
        with monkeypatch.context() as patch:
            patch.setattr(corrections, "_mail_link", Mock(side_effect=[OSError, None]))
            assert apply_due_replacements() == 1
        assert (now_of(broken).is_open, now_of(fine).is_open) == (True, False)
        assert reloaded(broken.account).recovery_address == broken.previous_address
        assert GIVEN not in caplog.text
        assert apply_due_replacements() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_proposals_approvals_or_workers_one_acts():
    """AVL-05"""
    for _ in range(2):
        person, agents = active_account(), [a_responsable(), a_responsable()]
        got = attempted_together(*(lambda a=a: proposed(person, a, address=f"a{a.pk}@exemple.org") for a in agents))
        assert sorted(type(one).__name__ for one in got) == ["AlreadyProposed", "RecoveryAddressCorrection"]
        correction = RecoveryAddressCorrection.objects.get(account=person)
        agents = [a_responsable(), a_responsable()]
        got = attempted_together(*(lambda a=a: approve(correction, a) for a in agents))
        assert sorted(type(one).__name__ for one in got) == ["NotWaiting", "RecoveryAddressCorrection"]
        assert len(recovering.recipients(person=person, kind=Kind.RECOVERY_ANNOUNCED)) == 1
        past = timezone.now() - timedelta(seconds=1)
        due = RecoveryAddressCorrection.objects.filter(account=person)
        due.update(approved_at=past - A_DAY, effective_at=past)
        assert sum(attempted_together(apply_due_replacements, apply_due_replacements)) == 1
        assert events_of(person).count(Event.RECOVERY_ADDRESS_CHANGED) == 1
        assert len(recovering.recipients(person=person, kind=Kind.RECOVERY_CHANGED)) == 2
