"""Locking, one account or hundreds, and releasing after a proof (HLP-01 to HLP-06, ADM-05)."""

import re
import time
from datetime import timedelta

import pytest
import time_machine
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, Proof, State
from accounts.links.links import not_me_link, password_reset_link
from accounts.locking.lock import LockOutcome, accounts_by_name, lock_account, lock_accounts, lock_accounts_by_name
from accounts.locking.unlock import (
    ChangesNotReviewed,
    NoRecoveryAddress,
    NotLocked,
    ReportTooShort,
    UnlockNotAllowed,
    UnlockNotProven,
    UnlockRefused,
    changes_to_review,
)
from accounts.models import Account, Lock, RecoveryAddressChange, Session
from accounts.passwords.services import change_password
from accounts.recovery.changes import report_unauthorized_change
from journal.events import Event
from journal.services import record_event
from mailrouting.models import Redirection
from mailrouting.services import change_redirection
from outbox.enums import Kind, Priority, Status
from outbox.models import Message
from tests.accounts.recovery.recovering import at_once, browser_of, change_to, link_of, wish
from tests.activation.wizard.client import DIRECTORY, answered_until, begin
from tests.factories import A_GOOD_PASSWORD, active_account, pending_account
from tests.fuzz import N
from tests.locking import PROVEN, REPORT, an_agent, fresh, locked_person, release
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db

ELSEWHERE = "ailleurs@exemple.org"
ROUNDS = 5


@pytest.fixture
def person() -> Account:
    return active_account(phone="+33499000000")


def lock(person: Account, **more) -> Lock:
    return lock_account(account=person, reason=LockReason.PHISHING, **more)


def events_of(person: Account) -> list[str]:
    return [entry.event for entry in person.journal.order_by("pk")]


def notices(**facts) -> list[Message]:
    return list(Message.objects.filter(kind=Kind.ACCOUNT_LOCKED, **facts).order_by("pk"))


def reset_link_of(person: Account) -> str:
    account = fresh(person)
    deadline = password_reset_link.deadline(timezone.now())
    token = password_reset_link.token(account, deadline, password_reset_link.subject(account))
    return reverse("password-reset-link", args=[token])


class TestALockIsImmediateAndTotal:
    def test_everything_that_was_open_is_shut_at_once(self, person):
        """HLP-01: a session, a journey, a reset link and a forwarding, all of one moment ago."""
        change_redirection(account=person, target=person.recovery_address, keep_copy=True)
        signed_in, at_reset, at_activation = browser_of(person), Client(), Client()
        reset = reset_link_of(person)
        at_reset.get(reset)
        newcomer = pending_account()
        answered_until(newcomer, DIRECTORY)
        begin(at_activation, newcomer)

        lock_accounts(accounts=[person, newcomer], reason=LockReason.PHISHING)

        assert signed_in.get(reverse("account")).status_code == 302
        assert not Session.objects.filter(account=person).exists()
        assert at_reset.post(reverse("password-reset"), {"password": A_GOOD_PASSWORD}).status_code == 410
        assert Client().get(reset, follow=True).status_code == 410
        assert at_activation.get(reverse(DIRECTORY)).status_code == 410
        assert not Redirection.objects.in_force().filter(account=person).exists()
        refused = Client().post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD})
        assert refused["Location"] == reverse("locked-help")

    def test_reason_author_and_time_are_kept_and_a_second_lock_changes_nothing(self, person):
        """HLP-01"""
        agent = an_agent()
        now = timezone.now()

        first = lock(person, actor=agent, comment="Formulaire piégé du 3 octobre")
        second = lock_account(account=person, reason=LockReason.OTHER)

        assert first == second
        kept = Lock.objects.get(account=person)
        assert (kept.reason, kept.locked_by, kept.comment) == ("phishing", agent, "Formulaire piégé du 3 octobre")
        assert abs(kept.locked_at - now) < timedelta(minutes=1)
        entry = person.journal.get(event=Event.LOCKED)
        assert (entry.actor, entry.details) == (agent, {"reason": "phishing"})
        assert len(notices()) == 1

    def test_somebody_who_left_is_locked_too_and_not_written_to(self):
        """HR may have them come back; the password that leaked must not."""
        gone = active_account(end_date=timezone.localdate() - timedelta(days=1))

        answers = lock_accounts(accounts=[gone], reason=LockReason.PHISHING)

        assert answers == {gone.pk: LockOutcome.CLOSED}
        assert gone.is_locked
        assert notices() == []

    @pytest.mark.django_db(transaction=True)
    def test_two_locks_at_once_are_one_lock_one_entry_and_one_mail(self):
        """HLP-01, TOK-07"""
        for _ in range(ROUNDS):
            person = active_account()
            answered = at_once(*[lambda person=person: lock(person)] * 2)
            assert answered[0] == answered[1]
            assert events_of(person).count(Event.LOCKED) == 1
            assert len(notices(person=person)) == 1

    @pytest.mark.django_db(transaction=True)
    def test_two_lists_in_opposite_order_do_not_wait_for_each_other_for_ever(self):
        """Rows are held in one order, whatever the order of the list."""
        people = [active_account() for _ in range(6)]

        for _ in range(ROUNDS):
            answered = at_once(
                lambda: lock_accounts(accounts=people, reason=LockReason.PHISHING),
                lambda: lock_accounts(accounts=people[::-1], reason=LockReason.OTHER),
            )
            assert all(isinstance(one, dict) for one in answered), answered
        assert Lock.objects.count() == 6


class TestTheNotice:
    @pytest.mark.parametrize("reason", LockReason)
    @pytest.mark.parametrize("language", ["fr", "en"])
    def test_says_what_happened_when_why_and_where_to_go(self, postman, language, reason):
        """HLP-01, ux E9: with the reason in the person's own words."""
        person = active_account(language=language)
        lock_account(account=person, reason=reason)

        [mail] = postman.deliver()
        text = text_of(mail).replace("\N{NO-BREAK SPACE}", " ")

        assert mail["To"] == person.recovery_address
        assert person.login in text
        assert reverse("assistance") in text
        if language == "fr":
            assert mail["Subject"] == "Votre compte informatique est bloqué"
            assert f"Raison : {reason.label}.".replace("\N{NO-BREAK SPACE}", " ") in text
            assert str(timezone.localdate().year) in text

    def test_holds_no_link_that_sets_anything_and_no_word_of_an_agent(self, person, postman):
        """HLP-02: whoever reads it cannot open the account; what agents write is theirs."""
        lock(person, actor=an_agent(family_name="Lagente"), comment="Vu avec le RSSI")

        [mail] = postman.deliver()

        for part in mail.iter_parts():
            assert "Lagente" not in part.get_content()
            assert "RSSI" not in part.get_content()
            assert not re.search(r"[A-Za-z0-9_-]{60}", part.get_content())

    def test_goes_to_the_recovery_address_alone(self, person, postman):
        """Whoever has the password may read the university mailbox: the intruder is not told."""
        lock(person)

        assert [mail["To"] for mail in postman.deliver()] == [person.recovery_address]

    @pytest.mark.parametrize(
        "facts", [{"recovery_address": ""}, {"recovery_address_disputed_at": timezone.now()}], ids=["none", "disputed"]
    )
    def test_goes_nowhere_when_nobody_can_be_written_to(self, facts):
        lock(active_account(**facts))

        assert notices() == []

    def test_is_not_sent_once_the_lock_is_released(self, person, postman):
        lock(person)
        release(person)

        postman.deliver()

        assert [notice.status for notice in notices()] == [Status.CANCELLED]

    def test_after_not_me_goes_to_the_address_that_was_put_back(self, person, postman):
        """HLP-07: not to the one of whoever had changed it."""
        own = person.recovery_address
        entry = change_to(person)
        postman.deliver()

        report_unauthorized_change(entry=entry)

        assert [notice.address for notice in notices()] == [own]


class TestAList:
    def test_each_name_is_answered_in_the_order_given(self):
        person, locked, gone = (
            active_account(),
            locked_person(),
            active_account(end_date=timezone.localdate() - timedelta(days=1)),
        )
        names = [person.login.upper(), locked.uid, "nobody", gone.uid, f" {person.uid} "]

        answers = lock_accounts_by_name(
            names=names, reason=LockReason.FRAUDULENT_SITE, system="siem", comment="Vague 12"
        )

        assert answers == [
            (names[0], LockOutcome.LOCKED),
            (names[1], LockOutcome.ALREADY_LOCKED),
            (names[2], LockOutcome.UNKNOWN),
            (names[3], LockOutcome.CLOSED),
            (names[4], LockOutcome.LOCKED),
        ]
        kept = Lock.objects.get(account=person)
        assert (kept.locked_by, kept.locked_by_system, kept.comment) == (None, "siem", "Vague 12")
        assert person.journal.get(event=Event.LOCKED).details == {"reason": "fraudulent-site", "system": "siem"}
        assert Lock.objects.get(account=locked).reason == LockReason.PHISHING

    def test_five_hundred_are_locked_in_seconds_with_as_many_statements_as_two(self):
        """HLP-01: a phishing wave."""

        def statements(people: list[Account]) -> int:
            with CaptureQueriesContext(connection) as captured:
                lock_accounts_by_name(names=[person.login for person in people], reason=LockReason.PHISHING)
            return len(captured)

        few, many = [active_account() for _ in range(2)], [pending_account() for _ in range(500)]
        of_few = statements(few)
        began = time.monotonic()

        assert statements(many) == of_few <= 12
        assert time.monotonic() - began < 10
        assert Lock.objects.open().count() == 502
        assert Message.objects.filter(kind=Kind.ACCOUNT_LOCKED, priority=Priority.URGENT).count() == 502

    def test_a_hostile_name_is_nobodys(self):
        """INP-01: no account, no error."""
        active_account()

        for value in [*N.values(), "", " ", "@", "a@", "%", "*"]:
            assert accounts_by_name([value if isinstance(value, str) else value.decode()]) == {}

    def test_a_long_list_is_locked_in_parts(self, monkeypatch):
        """A list that was broken off is sent again: what is done stays done."""
        monkeypatch.setattr("accounts.locking.lock.BATCH", 2)
        people = [active_account() for _ in range(5)]

        answers = lock_accounts_by_name(names=[person.uid for person in people], reason=LockReason.PHISHING)

        assert {answer for _name, answer in answers} == {LockOutcome.LOCKED}
        assert Lock.objects.count() == 5


class TestRelease:
    def test_the_whole_story_of_an_intruder(self, person, postman):
        """HLP-06: nothing that somebody else had set survives."""
        intruder = browser_of(person)
        change_redirection(account=person, target=person.recovery_address, keep_copy=False)
        change = wish(person, "intrus@exemple.org")
        not_yet_confirmed = link_of(change)
        lock(person)
        agent = an_agent()

        release(person, agent=agent)

        account = Account.objects.with_lock().get(pk=person.pk)
        assert account.state == State.TO_REACTIVATE
        assert not account.check_password(A_GOOD_PASSWORD)
        assert Client().post(reverse("login"), {"login": person.login, "password": A_GOOD_PASSWORD}).status_code == 200
        assert intruder.get(reverse("account")).status_code == 302
        assert account.redirection.target == ""
        assert RecoveryAddressChange.objects.get().cancelled_at is not None
        assert Client().get(not_yet_confirmed).status_code == 404
        stopped = person.journal.get(event=Event.REDIRECTION_STOPPED)
        assert (stopped.actor, stopped.details["previous"]) == (agent, person.recovery_address)

    def test_what_the_agent_did_is_kept(self, person):
        """HLP-03, LOG-01: who, when, which proof, what was ticked."""
        change_password(account=fresh(person), password="une-phrase-du-bureau-bleu")
        lock(person)
        agent, ticked = an_agent(), [entry.pk for entry in changes_to_review(person)]

        release(person, agent=agent, report="  Carte vue en visio.  ", proof=Proof.VIDEO)

        kept = Lock.objects.get()
        assert (kept.released_by, kept.released_reason, kept.proof) == (agent, "phishing-over", "video")
        assert (kept.report, kept.number_called, kept.reviewed) == ("Carte vue en visio.", "", ticked)
        entry = person.journal.get(event=Event.RELEASED)
        assert entry.actor == agent
        assert entry.details == {
            "reason": "phishing-over",
            "proof": "video",
            "number_called": "",
            "reviewed": ticked,
        }

    def test_a_call_back_goes_to_the_number_that_hr_knows(self, person):
        """HLP-04"""
        lock(person)
        release(person, proof=Proof.CALL_BACK)

        assert Lock.objects.get().number_called == "+33499000000"
        assert person.journal.get(event=Event.RELEASED).details["number_called"] == "+33499000000"

    def test_without_a_number_of_hr_there_is_no_call_back(self):
        """HLP-04"""
        person = locked_person(phone="")

        with pytest.raises(UnlockNotProven):
            release(person, proof=Proof.CALL_BACK)
        assert fresh(person).is_locked

    @pytest.mark.parametrize("proof", ["", "birth-date", "ine", "phone", "date de naissance", None])
    def test_what_anybody_can_know_proves_nothing(self, person, proof):
        """HLP-03"""
        lock(person)

        with pytest.raises(UnlockNotProven):
            release(person, proof=proof)
        assert fresh(person).is_locked

    @pytest.mark.parametrize("report", ["", "         ", "neuf cara", " neuf cara\n\t "])
    def test_ten_characters_of_report_are_asked_for(self, person, report):
        """HLP-03"""
        lock(person)

        with pytest.raises(ReportTooShort):
            release(person, report=report)
        assert fresh(person).is_locked

    def test_every_change_has_to_be_ticked(self, person):
        """HLP-06"""
        change_redirection(account=person, target=ELSEWHERE, keep_copy=True)
        change_to(person)
        change_password(account=fresh(person), password="une-phrase-du-bureau-bleu")
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
                release(person, reviewed=[entry.pk for entry in changes if entry != missing])
            assert refused.value.entries == [missing]
        assert fresh(person).is_locked
        release(person, reviewed=[entry.pk for entry in changes])

    def test_thirty_days_count_back_from_the_lock_not_from_the_release(self, person):
        """HLP-06: whoever calls after a month does not find the list empty."""
        now = timezone.now()
        for days_ago, address in ((41, "avant@exemple.org"), (29, "pendant@exemple.org")):
            with time_machine.travel(now - timedelta(days=days_ago), tick=False):
                wish(person, address)
        with time_machine.travel(now - timedelta(days=5), tick=False):
            lock(person)

        assert [entry.details["address"] for entry in changes_to_review(person)] == ["pendant@exemple.org"]

    def test_a_number_that_came_with_the_hr_file_is_reviewed_before_it_is_called(self, person):
        """HLP-04: an intruder changes it in the HR system, waits for the next import, and answers the call back."""
        for fields in (["phone", "employer"], ["employer"]):
            record_event(account=person, event=Event.USER_UPDATED, fields=fields)
        lock(person)

        assert [entry.details["fields"] for entry in changes_to_review(person)] == [["phone", "employer"]]

    def test_there_is_nothing_to_review_without_a_lock(self, person):
        wish(person)

        assert changes_to_review(person) == []

    def test_a_link_from_before_the_lock_stays_dead(self, person):
        """HLP-02"""
        reset = reset_link_of(person)
        lock(person)
        release(person)

        assert Client().get(reset, follow=True).status_code == 404

    def test_not_me_of_a_change_before_the_release_is_settled(self, person):
        """HLP-02: it neither locks again nor opens anything."""
        entry = change_to(person)
        token = not_me_link.token(fresh(person), not_me_link.deadline(entry.at), entry.pk)
        lock(person)
        release(person)

        assert Client().get(reverse("not-me-link", args=[token])).status_code == 404

    def test_the_mail_goes_to_the_address_on_file_alone(self, person, postman):
        """HLP-05, ux E10: with the link, in the person's language."""
        lock(person)
        postman.deliver()

        release(person)

        mail = postman.last_mail()
        assert [message.address for message in Message.objects.filter(kind=Kind.REACTIVATION)] == [mail["To"]]
        assert mail["To"] == person.recovery_address
        assert mail["Subject"] == "Votre compte informatique est débloqué"
        assert link_in(mail).startswith("/reactivation/")
        assert REPORT not in text_of(mail)

    def test_somebody_who_never_activated_gets_the_activation_link(self, postman):
        person = pending_account()
        lock(person)
        release(person)

        mail = postman.last_mail()

        assert fresh(person).state == State.PENDING
        assert link_in(mail).startswith("/activation/")

    @pytest.mark.parametrize(
        "facts", [{"recovery_address": ""}, {"recovery_address_disputed_at": timezone.now()}], ids=["none", "disputed"]
    )
    def test_is_refused_when_the_link_could_go_nowhere(self, facts):
        """HLP-05: nobody is left with an account that nothing opens."""
        person = locked_person(**facts)

        with pytest.raises(NoRecoveryAddress):
            release(person)
        assert fresh(person).is_locked

    @pytest.mark.parametrize("make", [active_account, pending_account])
    def test_of_an_account_that_is_not_locked_is_refused(self, make):
        with pytest.raises(NotLocked):
            release(make(), reviewed=[])

    def test_of_somebody_who_left_is_refused(self):
        person = locked_person()
        Account.objects.filter(pk=person.pk).update(end_date=timezone.localdate() - timedelta(days=1))

        with pytest.raises(NotLocked):
            release(person)

    def test_a_refused_release_changes_nothing(self, person):
        """HLP-06: and asks for no mail."""
        change_redirection(account=person, target=ELSEWHERE, keep_copy=True)
        lock(person)
        before = (Account.objects.values().get(pk=person.pk), events_of(person), Message.objects.count())

        with pytest.raises(UnlockRefused):
            release(person, agent=active_account())

        assert (Account.objects.values().get(pk=person.pk), events_of(person), Message.objects.count()) == before
        assert Redirection.objects.get(account=person).target == ELSEWHERE


class TestWhoMayRelease:
    def refused(self, person: Account, agent: Account) -> None:
        with pytest.raises(UnlockNotAllowed):
            release(person, agent=agent)
        assert fresh(person).is_locked

    def test_nobody_but_agents(self):
        """ADM-05"""
        self.refused(locked_person(), active_account())

    def test_no_agent_who_is_locked_or_has_left(self):
        """ADM-05"""
        self.refused(locked_person(), locked_person(is_staff=True))
        self.refused(locked_person(), an_agent(end_date=timezone.localdate() - timedelta(days=1)))

    def test_not_oneself(self):
        """ADM-05"""
        agent = locked_person(is_staff=True)
        self.refused(agent, agent)

    def test_not_another_agent(self):
        """ADM-05"""
        self.refused(locked_person(is_staff=True), an_agent())


class TestTheDatabase:
    @pytest.mark.parametrize("missing", PROVEN)
    def test_refuses_a_release_without_a_proof(self, missing):
        """HLP-03: whatever the code does."""
        person = locked_person()

        with pytest.raises(IntegrityError, match="lock_released_with_proof"), transaction.atomic():
            person.locks.update(released_at=timezone.now(), **(PROVEN | {missing: ""}))

    @pytest.mark.parametrize("proof", ["birth-date", "phone"])
    def test_refuses_a_proof_that_is_none(self, proof):
        """HLP-03"""
        person = locked_person()

        with pytest.raises(IntegrityError, match="lock_released_with_proof"), transaction.atomic():
            person.locks.update(released_at=timezone.now(), **(PROVEN | {"proof": proof}))

    def test_refuses_a_call_back_without_its_number(self):
        """HLP-04"""
        person = locked_person()

        with pytest.raises(IntegrityError, match="lock_called_back_at_a_number"), transaction.atomic():
            person.locks.update(released_at=timezone.now(), **(PROVEN | {"proof": Proof.CALL_BACK}))

    @pytest.mark.parametrize(
        "change",
        [{"report": "Tout autre chose."}, {"proof": Proof.VIDEO}, {"released_at": None}, {"number_called": "+33611"}],
        ids=lambda change: next(iter(change)),
    )
    def test_keeps_what_was_done_as_it_was(self, change):
        """HLP-03: method, agent, time and number cannot be edited."""
        person = locked_person()
        release(person)

        with pytest.raises(DatabaseError, match="stays as it is"), transaction.atomic():
            person.locks.update(**change)
        with pytest.raises(DatabaseError, match="stays as it is"), transaction.atomic():
            person.locks.all().delete()


class TestAtTheSameTime:
    pytestmark = pytest.mark.django_db(transaction=True)

    def test_of_two_agents_one_releases(self):
        """HLP-03: one release, one entry, one mail."""
        for _ in range(ROUNDS):
            person, agents = locked_person(), [an_agent(), an_agent()]

            answered = at_once(*[lambda agent=agent: release(person, agent=agent) for agent in agents])

            assert sorted(type(one).__name__ for one in answered) == ["Lock", "NotLocked"]
            assert events_of(person).count(Event.RELEASED) == 1
            assert Message.objects.filter(person=person, kind=Kind.REACTIVATION).count() == 1

    def test_a_lock_that_meets_a_release_is_not_lost(self, postman):
        """HLP-01: locked before, it is the same lock; after, another one. No link leaves that opens a locked account."""
        for _ in range(ROUNDS):
            person, agent = locked_person(), an_agent()

            at_once(lambda person=person, agent=agent: release(person, agent=agent), lambda person=person: lock(person))

            locks = person.locks.count()
            assert fresh(person).is_locked == (locks == 2)
            assert events_of(person).count(Event.LOCKED) == locks
            postman.deliver()
            links = Message.objects.filter(person=person, kind=Kind.REACTIVATION, status=Status.SENT)
            assert links.exists() == (locks == 1)
