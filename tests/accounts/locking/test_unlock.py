"""Unlocking with a proof, without what an intruder may have set (HLP-02 to HLP-06, ADM-05)."""

from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import Proof, State
from accounts.locking import unlock as unlocking
from accounts.locking.unlock import changes_to_review
from accounts.models import Account, Lock, RecoveryAddressChange
from accounts.passwords.services import change_password
from journal.events import Event
from journal.services import record_event
from mailrouting.services import change_redirection
from outbox.enums import Kind, Status
from tests.accounts.recovery.recovering import change_to, close, link_of, lock, notice_of, recipients, wish
from tests.concurrency import attempted_together
from tests.factories import active_account, pending_account, reloaded
from tests.locking import REPORT, UNLOCK_REASONS, an_agent, locked_account, password_reset_path, unlock
from tests.mail_delivery import link_in, text_of
from tests.signing_in import browser_of, submit_login

pytestmark = pytest.mark.django_db

YESTERDAY = timezone.localdate() - timedelta(days=1)
ELSEWHERE = "ailleurs@exemple.org"


def assert_refused(refusal: type[Exception], person: Account, **changed: object) -> None:
    with pytest.raises(refusal):
        unlock(person, **changed)
    assert reloaded(person).is_locked


class TestIntruder:
    def test_nothing_that_an_intruder_set_survives(self, person):
        """HLP-06, HLP-02: the password, sessions, pending change, forwarding and links from before the lock."""
        intruder, reset, other = browser_of(person), password_reset_path(person), active_account()
        change_redirection(account=person, target=person.recovery_address, keep_copy=False)
        pending, not_me = link_of(wish(person, "intrus@exemple.org")), notice_of(change_to(other))
        for account in (person, other):
            lock(account)
        agent = an_agent()
        unlock(person, agent=agent)
        unlock(other)
        account = Account.objects.with_lock().get(pk=person.pk)
        assert (account.state, account.redirection.target) == (State.TO_REACTIVATE, "")
        assert submit_login(Client(), person).status_code == 200
        assert intruder.get(reverse("account")).status_code == 302
        assert RecoveryAddressChange.objects.get(account=person).cancelled_at is not None
        for link in (pending, reset, not_me):
            assert Client().get(link, follow=True).status_code == 404
        stopped = person.journal.get(event=Event.REDIRECTION_STOPPED)
        assert (stopped.actor, stopped.details["previous"]) == (agent, person.recovery_address)

    def test_each_change_has_to_be_reviewed(self, person):
        """HLP-06, HLP-03, LOG-01: those of the 30 days before the lock, by service or `manage.py release_account`."""
        now, agent = timezone.now(), an_agent()
        for days_ago, address in ((41, "avant@exemple.org"), (29, "pendant@exemple.org")):
            with time_machine.travel(now - timedelta(days=days_ago), tick=False):
                wish(person, address)
        # Many people change their number in the HR system by themselves (HLP-04).
        for fields in (["phone", "employer"], ["employer"]):
            record_event(account=person, event=Event.USER_UPDATED, fields=fields)
        change_redirection(account=person, target=ELSEWHERE, keep_copy=True)
        change_to(person)
        change_password(account=reloaded(person), password="une-phrase-du-bureau-bleu")
        assert changes_to_review(person) == []
        lock(person)
        changes = changes_to_review(person)
        expected = [Event.PASSWORD_CHANGED, Event.RECOVERY_ADDRESS_CHANGED, Event.RECOVERY_CHANGE_REQUESTED]
        expected += [Event.REDIRECTION_CHOSEN, Event.USER_UPDATED, Event.RECOVERY_CHANGE_REQUESTED]
        assert [entry.event for entry in changes] == expected
        for missing in changes:
            with pytest.raises(unlocking.ChangesNotReviewed) as refused:
                unlock(person, reviewed=[entry.pk for entry in changes if entry != missing])
            assert refused.value.entries == [missing]
        with pytest.raises(CommandError, match=rf"{changes[0].pk}  .*Mot de passe changé"):
            release(person.login, agent)
        assert reloaded(person).is_locked
        release(person.login, agent, reviewed=[entry.pk for entry in changes], report="  Carte vue en visio.  ")
        kept, reviewed = Lock.objects.get(), sorted(entry.pk for entry in changes)
        assert (kept.released_by, kept.released_reason, kept.proof) == (agent, "phishing-over", "in-person")
        assert (kept.report, kept.number_called, kept.reviewed) == ("Carte vue en visio.", "", reviewed)
        entry = person.journal.get(event=Event.RELEASED)
        details = {"reason": "phishing-over", "proof": "in-person", "number_called": "", "reviewed": reviewed}
        assert (entry.actor, entry.details) == (agent, details)


def release(login: str, agent: Account, **changed: object) -> None:
    arguments = {"reason": "phishing-over", "proof": "in-person", "report": REPORT, **changed}
    call_command("release_account", login, agent=agent.login, stdout=StringIO(), **arguments)


class TestProof:
    def test_a_call_back_goes_to_the_number_that_hr_knows(self):
        """HLP-03, HLP-04: public knowledge proves nothing, and the report has ten characters."""
        person = locked_account(phone="+33499000000")
        assert_refused(unlocking.UnlockNotProven, locked_account(phone=""), proof=Proof.CALL_BACK)
        for proof in ("", "birth-date", "ine", "phone", None):
            assert_refused(unlocking.UnlockNotProven, person, proof=proof)
        for report in ("", "         ", " neuf cara\n\t "):
            assert_refused(unlocking.ReportTooShort, person, report=report)
        with pytest.raises(CommandError, match="10 caractères"):
            release(person.login, an_agent(), report="vu")
        with pytest.raises(CommandError, match="Aucun compte"):
            release("personne", an_agent())
        unlock(person, proof=Proof.CALL_BACK, report="dix caract")
        recorded = person.journal.get(event=Event.RELEASED).details["number_called"]
        assert person.locks.get().number_called == recorded == "+33499000000"

    def test_the_mail_goes_to_the_address_on_file_alone(self, person, mail_delivery):
        """HLP-05: a pending account gets the activation link; without a valid address the unlock is refused."""
        newcomer = pending_account()
        for account, prefix in ((person, "/reactivation/"), (newcomer, "/activation/")):
            lock(account)
            before = len(mail_delivery.deliver())
            unlock(account)
            [mail] = mail_delivery.deliver()[before:]
            assert mail["To"] == account.recovery_address
            assert link_in(mail).startswith(prefix)
            assert REPORT not in text_of(mail)
        assert reloaded(newcomer).state == State.PENDING
        for facts in ({"recovery_address": ""}, {"recovery_address_disputed_at": timezone.now()}):
            assert_refused(unlocking.NoRecoveryAddress, locked_account(**facts))

    def test_only_active_agents_unlock_neither_themselves_nor_each_other_and_only_a_locked_account(self, person):
        """ADM-05, HLP-06"""
        lock(person)
        agent = locked_account(is_staff=True)
        tried = [(person, active_account()), (person, agent), (person, an_agent(end_date=YESTERDAY))]
        for locked, by in (*tried, (agent, agent), (agent, an_agent())):
            assert_refused(unlocking.UnlockNotAllowed, locked, agent=by)
        with pytest.raises(CommandError, match="Seul un agent"):
            release(person.login, active_account())
        assert not recipients(kind=Kind.REACTIVATION)
        closed = locked_account()
        close(closed)
        for account in (active_account(), pending_account(), closed):
            with pytest.raises(unlocking.NotLocked):
                unlock(account, reviewed=[])

    def test_the_database_refuses_an_unlock_without_a_valid_proof_and_any_edit_of_one(self):
        """HLP-03, HLP-04"""
        person, now = locked_account(), timezone.now()
        wrong = [{missing: ""} for missing in UNLOCK_REASONS] + [{"proof": "birth-date"}, {"proof": "phone"}]
        refused = [("lock_released_with_proof", facts) for facts in wrong]
        for match, facts in (*refused, ("lock_called_back_at_a_number", {"proof": Proof.CALL_BACK})):
            with pytest.raises(DatabaseError, match=match), transaction.atomic():
                person.locks.update(released_at=now, **UNLOCK_REASONS | facts)
        unlock(person)
        edits = {"report": "Autre.", "proof": Proof.VIDEO, "released_at": None, "number_called": "+33611"}
        for column, value in edits.items():
            with pytest.raises(DatabaseError, match="stays as it is"), transaction.atomic():
                person.locks.update(**{column: value})
        with pytest.raises(DatabaseError, match="stays as it is"), transaction.atomic():
            person.locks.all().delete()


@pytest.mark.django_db(transaction=True)
def test_of_two_agents_one_unlocks_and_a_lock_meanwhile_is_not_lost(mail_delivery):
    """HLP-01, HLP-03: one unlock, one entry, one mail; no link to a locked account is sent."""
    for _ in range(3):
        person, agents = locked_account(), [an_agent(), an_agent()]
        results = attempted_together(*[lambda agent=agent: unlock(person, agent=agent) for agent in agents])
        assert sorted(type(one).__name__ for one in results) == ["Lock", "NotLocked"]
        assert person.journal.filter(event=Event.RELEASED).count() == 1
        assert len(recipients(person=person, kind=Kind.REACTIVATION)) == 1
        person = locked_account()
        attempted_together(lambda: unlock(person, agent=agents[0]), lambda: lock(person))
        locks = person.locks.count()
        assert reloaded(person).is_locked == (locks == 2)
        mail_delivery.deliver()
        assert len(recipients(person=person, kind=Kind.REACTIVATION, status=Status.SENT)) == (locks == 1)
