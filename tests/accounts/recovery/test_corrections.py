"""Recovery addresses that agents give: a slip at once, a replacement by two of them and after a day (HLP-05)."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.enums import LockReason, Proof, State
from accounts.links.base import InvalidLink
from accounts.links.links import not_me_link, password_reset_link
from accounts.locking.lock import lock_account
from accounts.locking.unlock import changes_to_review
from accounts.models import Account, RecoveryAddressChange, RecoveryAddressCorrection
from accounts.recovery import corrections as recovery_corrections
from accounts.recovery.changes import SameAddress, report_unauthorized_change
from accounts.recovery.corrections import (
    AccountClosed,
    AddressChangedMeanwhile,
    AlreadyProposed,
    CorrectionNotAllowed,
    CorrectionNotProven,
    CorrectionRefused,
    NeedsTwoAgents,
    NotWaiting,
    OwnProposal,
    apply_due_replacements,
    apply_replacement,
    approve_replacement,
    cancel_replacement,
    correct_at_once,
    propose_replacement,
)
from accounts.tasks import apply_due_replacements as beat
from activation.links import activation_link
from agents.roles import Role
from agents.staff.services import change_role, grant_role
from config.celery import app
from core.email_addresses import InvalidAddress
from core.templatetags.dates import datetime_long
from hr_feed.proposals import ProposalAlreadyHandled, dismiss_proposal, waiting_proposal_for, waiting_proposals
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind, Status
from outbox.models import Message
from tests.accounts.recovery.correcting import (
    GIVEN,
    REPORT,
    a_responsable,
    approved,
    in_force,
    proposed,
    proposed_by_hr,
)
from tests.accounts.recovery.recovering import at_once, change_to, fresh, report, wish
from tests.agents.signed_in import an_agent, with_application
from tests.factories import active_account, pending_account
from tests.fuzz import EMAIL
from tests.hr_feed.hr_files import imported, row
from tests.locking import locked_person, release, released_person
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 10, 10, tzinfo=UTC)
A_DAY = timedelta(hours=24)
REASON = "Faute de frappe dans le fichier RH."


@pytest.fixture
def person() -> Account:
    return active_account(given_name="Camille", family_name="Durand")


@pytest.fixture
def newcomer() -> Account:
    return pending_account()


@pytest.fixture
def agent() -> Account:
    return a_responsable()


@pytest.fixture
def at_noon(time_machine):
    """A clock that stands still, in summer, far from midnight."""
    time_machine.move_to(NOON, tick=False)
    return time_machine


def correct(account: Account, agent: Account, address: str = GIVEN) -> RecoveryAddressCorrection:
    return correct_at_once(account=account, agent=agent, address=address, reason=REASON)


def propose(account: Account, agent: Account, address: str = GIVEN, proof: str = Proof.IN_PERSON, note: str = REPORT):
    return propose_replacement(account=account, agent=agent, address=address, proof=proof, note=note)


def now_of(correction: RecoveryAddressCorrection) -> RecoveryAddressCorrection:
    return RecoveryAddressCorrection.objects.get(pk=correction.pk)


def mails(account: Account) -> set[tuple[str, str]]:
    return set(account.messages.values_list("kind", "address"))


def events_of(account: Account) -> list[str]:
    return list(account.journal.filter(event__startswith="recovery").order_by("pk").values_list("event", flat=True))


def who_gets_a_new_password(account: Account, postman) -> list[str]:
    before = len(postman.deliver())
    Client().post(reverse("forgotten-password"), {"login": account.login})
    return [mail["To"] for mail in postman.deliver()[before:]]


def leave(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(end_date=timezone.localdate() - timedelta(days=1))


class TestASlip:
    """Nobody has ever used the account: design §9."""

    def test_older_links_die_at_once_and_the_new_address_gets_one(self, newcomer, agent, postman):
        """TOK-07"""
        older = activation_link.token(newcomer, activation_link.deadline(timezone.now()))

        correct(newcomer, agent)

        with pytest.raises(InvalidLink):
            activation_link.open(older)
        old, new = postman.deliver()
        assert (old["To"], new["To"]) == (newcomer.recovery_address, GIVEN)
        assert "Cette adresse avait été indiquée" in text_of(old)
        assert GIVEN not in text_of(old)
        assert Client().get(link_in(new), follow=True).status_code == 200
        assert fresh(newcomer).recovery_address == GIVEN

    def test_it_is_in_the_journal_by_whom_and_why_without_an_address(self, newcomer, agent):
        """LOG-01"""
        correction = correct(newcomer, agent)

        [entry] = newcomer.journal.filter(event=Event.RECOVERY_ADDRESS_CORRECTED)
        assert entry.actor == agent
        assert entry.details == {"correction": correction.pk, "reason": REASON}
        kept = now_of(correction)
        assert (kept.previous_address, kept.new_address) == (newcomer.recovery_address, GIVEN)
        assert (kept.proposed_by, kept.applied_at, kept.proof) == (agent, entry.at, "")

    def test_a_dispute_is_over_and_the_stranger_is_not_written_to_again(self, agent):
        """TOK-10: « ce n’est pas moi »."""
        newcomer = pending_account(recovery_address_disputed_at=timezone.now())

        correct(newcomer, agent)

        assert fresh(newcomer).can_be_mailed
        assert mails(newcomer) == {(Kind.ACTIVATION, GIVEN)}

    def test_somebody_without_an_address_gets_one(self, agent):
        newcomer = pending_account(recovery_address="")
        correct(newcomer, agent)
        assert mails(newcomer) == {(Kind.ACTIVATION, GIVEN)}

    def test_a_mail_that_waits_for_the_old_address_is_not_sent_any_more(self, newcomer, agent, postman):
        """EML-04"""
        newcomer.messages.create(kind=Kind.NEW_LINK, address=newcomer.recovery_address)
        correct(newcomer, agent)
        postman.deliver()
        assert newcomer.messages.get(kind=Kind.NEW_LINK).status == Status.CANCELLED

    def test_it_can_be_corrected_again(self, newcomer, agent, postman):
        """And the notice about the first slip is pointless once that address serves again."""
        old = newcomer.recovery_address
        correct(newcomer, agent)
        correct(newcomer, agent, old)
        assert fresh(newcomer).recovery_address == old
        postman.deliver()
        sent = newcomer.messages.filter(status=Status.SENT)
        assert set(sent.values_list("kind", "address")) == {(Kind.ACTIVATION, old), (Kind.RECOVERY_CORRECTED, GIVEN)}

    def test_the_next_hr_file_does_not_bring_the_slip_back_nor_propose_it(self, agent):
        """ADM-08: it still has the slip."""
        imported(row(hr_id="HR-1", recovery_address="slip@exemple.net"))
        newcomer = Account.objects.get(hr_id="HR-1")
        correct(newcomer, agent)

        for _ in range(2):
            imported(row(hr_id="HR-1", recovery_address="slip@exemple.net"))

        assert fresh(newcomer).recovery_address == GIVEN
        assert newcomer.messages.filter(kind=Kind.ACTIVATION, address="slip@exemple.net").count() == 1
        assert not waiting_proposals().exists()
        imported(row(hr_id="HR-1", recovery_address="encore@exemple.net"))
        assert waiting_proposal_for(newcomer).proposed == "encore@exemple.net"

    @pytest.mark.parametrize(
        "make",
        [active_account, locked_person, released_person, lambda: lock_of(pending_account())],
        ids=["active", "locked", "to reactivate", "locked before the activation"],
    )
    def test_one_agent_is_not_enough_for_anybody_else(self, make, agent):
        """HLP-05: a lock tells to be careful, as it does to the HR feed."""
        account = make()
        before = mails(account)
        with pytest.raises(NeedsTwoAgents):
            correct(account, agent)
        assert fresh(account).recovery_address == account.recovery_address
        assert mails(account) == before

    def test_somebody_who_has_left_has_no_use_for_one(self, newcomer, agent):
        leave(newcomer)
        with pytest.raises(AccountClosed):
            correct(newcomer, agent)

    def test_the_same_address_is_no_correction(self, newcomer, agent):
        with pytest.raises(SameAddress):
            correct(newcomer, agent, newcomer.recovery_address.replace("exemple", "EXEMPLE"))

    def test_not_behind_the_back_of_two_agents(self, agent):
        """One open correction an account: proposed while it was locked, released since."""
        newcomer = lock_of(pending_account())
        correction = proposed(newcomer)
        release(newcomer)
        with pytest.raises(AlreadyProposed) as refused:
            correct(newcomer, agent)
        assert refused.value.correction == correction


def lock_of(account: Account) -> Account:
    lock_account(account=account, reason=LockReason.OTHER)
    return fresh(account)


class TestAReplacement:
    """HLP-05 from end to end."""

    def test_two_agents_a_day_and_everybody_told(self, person, at_noon, postman):
        proposer, approver = a_responsable(), a_responsable()
        old, mailbox = person.recovery_address, person.institutional_address

        correction = proposed(person, proposer)
        assert postman.deliver() == []
        assert who_gets_a_new_password(person, postman) == [old]

        approve_replacement(correction_id=correction.pk, agent=approver)
        told = {mail["To"]: mail for mail in postman.deliver()[1:]}
        assert set(told) == {old, mailbox, GIVEN}
        for mail in told.values():
            assert datetime_long(NOON + A_DAY) in text_of(mail)
        assert "Ce n’est pas vous" in text_of(told[old])
        assert "Ce n’est pas vous" in text_of(told[mailbox])
        assert "/ce-n-est-pas-moi/" not in text_of(told[GIVEN])
        assert GIVEN not in text_of(told[old]) + text_of(told[mailbox])

        at_noon.move_to(NOON + A_DAY - timedelta(seconds=1), tick=False)
        assert apply_due_replacements() == 0
        assert who_gets_a_new_password(person, postman) == [old]
        older = password_reset_link.token(
            fresh(person), timezone.now() + timedelta(minutes=30), password_reset_link.subject(person)
        )

        at_noon.move_to(NOON + A_DAY, tick=False)
        beat()

        before = len(postman.server.messages)
        told = {mail["To"]: mail for mail in postman.deliver()[before:]}
        assert set(told) == {old, mailbox}
        assert "Cette adresse-ci ne servira plus." in text_of(told[old])
        with pytest.raises(InvalidLink):
            password_reset_link.open(older)
        assert who_gets_a_new_password(person, postman) == [GIVEN]
        entries = person.journal.filter(event__startswith="recovery").order_by("pk")
        assert list(entries.values_list("event", "actor")) == [
            (Event.RECOVERY_REPLACEMENT_PROPOSED, proposer.pk),
            (Event.RECOVERY_REPLACEMENT_APPROVED, approver.pk),
            (Event.RECOVERY_ADDRESS_CHANGED, None),
        ]

    def test_neither_journal_nor_log_holds_an_address(self, person, caplog):
        """LOG-02"""
        old = person.recovery_address
        with caplog.at_level("DEBUG"):
            cancel_replacement(correction_id=approved(person).pk, agent=a_responsable(), reason=REASON)
            in_force(person)
        told = json.dumps(list(JournalEntry.objects.values_list("details", flat=True)))
        for address in (old, GIVEN):
            assert address not in told
            assert address not in caplog.text

    def test_what_the_agents_did_is_kept(self, at_noon):
        """HLP-03, HLP-04: the number is that of HR."""
        person, proposer, approver = active_account(phone="+33467123456"), a_responsable(), a_responsable()
        correction = propose(person, proposer, proof=Proof.CALL_BACK)
        approve_replacement(correction_id=correction.pk, agent=approver)

        kept = now_of(correction)
        assert (kept.proposed_by, kept.approved_by, kept.note) == (proposer, approver, REPORT)
        assert (kept.proof, kept.number_called) == (Proof.CALL_BACK, "+33467123456")
        assert (kept.proposed_at, kept.approved_at, kept.effective_at) == (NOON, NOON, NOON + A_DAY)
        assert person.journal.get(event=Event.RECOVERY_REPLACEMENT_PROPOSED).details == {
            "correction": correction.pk,
            "proof": "call-back",
            "number_called": "+33467123456",
        }

    @pytest.mark.parametrize("day", ["2026-03-28", "2026-10-24"])
    def test_a_day_is_as_long_when_clocks_change(self, person, time_machine, day):
        start = datetime.fromisoformat(f"{day}T10:00:00Z")
        time_machine.move_to(start, tick=False)
        correction = approved(person)
        assert now_of(correction).effective_at == start + A_DAY
        time_machine.move_to(start + A_DAY, tick=False)
        assert apply_due_replacements() == 1

    def test_a_call_back_needs_a_number_and_every_proof_is_of_the_list(self, person, agent):
        """HLP-03, HLP-04"""
        for proof in (Proof.CALL_BACK, "", "birth-date", "ine"):
            with pytest.raises(CorrectionNotProven):
                propose(person, agent, proof=proof)
        assert not RecoveryAddressCorrection.objects.exists()

    @pytest.mark.parametrize("value", [value for value, _policy in EMAIL if isinstance(value, str)])
    def test_no_address_that_the_person_could_not_choose(self, person, agent, value, settings):
        """INP-03, FWD-02: the EMAIL pack."""
        settings.UNIVERSITY_DOMAINS = ["univ-x.fr"]
        try:
            propose(person, agent, address=value)
        except InvalidAddress:
            assert not RecoveryAddressCorrection.objects.exists()
            return
        stored = RecoveryAddressCorrection.objects.get().new_address
        assert stored.isascii()
        assert stored.isprintable()
        assert stored.count("@") == 1
        assert not stored.endswith("univ-x.fr")

    def test_of_the_address_that_is_there_is_none(self, person, agent):
        with pytest.raises(SameAddress):
            propose(person, agent, address=person.recovery_address)


class TestWhoMay:
    def test_whoever_proposed_does_not_approve(self, person, agent):
        """HLP-05"""
        correction = proposed(person, agent)
        with pytest.raises(OwnProposal):
            approve_replacement(correction_id=correction.pk, agent=agent)
        assert now_of(correction).approved_at is None
        assert mails(person) == set()

    def test_not_even_in_another_role_meanwhile(self, person, agent):
        """HLP-05"""
        correction = proposed(person, agent)
        with_application(a_responsable())
        change_role(account=agent, role=Role.ASSISTANCE)
        with pytest.raises(CorrectionNotAllowed):
            approve_replacement(correction_id=correction.pk, agent=fresh(agent))
        change_role(account=agent, role=Role.RESPONSABLES)
        with pytest.raises(OwnProposal):
            approve_replacement(correction_id=correction.pk, agent=fresh(agent))
        assert now_of(correction).approved_at is None

    def test_the_database_refuses_as_well(self, person):
        """HLP-05: whoever writes to it."""
        correction, now = proposed(person), timezone.now()
        approval = {"approved_at": now, "effective_at": now + A_DAY}
        row = RecoveryAddressCorrection.objects.filter(pk=correction.pk)
        for wrong in (
            {**approval, "approved_by": correction.proposed_by},
            {"approved_at": now},
            {"effective_at": now},
            {**approval, "effective_at": now},
            {"applied_at": now},
            {**approval, "applied_at": now},
            {"undone_at": now},
            {"note": ""},
            {"proof": "birth-date"},
            {"proof": Proof.CALL_BACK},
            {**approval, "applied_at": now + A_DAY, "given_up_at": now},
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                row.update(**wrong)
        with pytest.raises(IntegrityError), transaction.atomic():
            RecoveryAddressCorrection.objects.create(account=person, new_address="b@exemple.net", note=REPORT)

    @pytest.mark.parametrize("role", [Role.LECTURE, Role.ASSISTANCE])
    def test_agents_without_the_permission_do_nothing(self, person, newcomer, role):
        """ADM-05"""
        agent, correction = an_agent(role), proposed(active_account())
        entry = proposed_by_hr(person, "rh@exemple.org")
        for act in (
            lambda: correct(newcomer, agent),
            lambda: propose(person, agent),
            lambda: approve_replacement(correction_id=correction.pk, agent=agent),
            lambda: cancel_replacement(correction_id=correction.pk, agent=agent, reason=REASON),
            lambda: dismiss_proposal(entry_id=entry.pk, agent=agent, reason=REASON),
        ):
            with pytest.raises(CorrectionNotAllowed):
                act()
        assert now_of(correction).is_open

    def test_nobody_corrects_their_own_address_or_another_agents(self, agent):
        """ADM-05"""
        for account in (agent, an_agent(), a_responsable()):
            with pytest.raises(CorrectionNotAllowed):
                propose(account, agent)

    def test_an_agent_who_is_locked_does_nothing(self, person, agent):
        """HLP-01"""
        lock_account(account=agent, reason=LockReason.OTHER)
        with pytest.raises(CorrectionNotAllowed):
            propose(person, fresh(agent))

    def test_nobody_approves_the_replacement_of_their_own_address(self, person):
        """ADM-05: somebody who has become a Responsable meanwhile."""
        correction = proposed(person)
        grant_role(account=person, role=Role.RESPONSABLES)
        with pytest.raises(CorrectionNotAllowed):
            approve_replacement(correction_id=correction.pk, agent=fresh(person))


class TestUntilThen:
    def test_any_agent_who_may_correct_cancels_it(self, person, at_noon, postman):
        """HLP-05"""
        correction, other = approved(person), a_responsable()
        cancel_replacement(correction_id=correction.pk, agent=other, reason=REASON)

        at_noon.shift(A_DAY)
        assert apply_due_replacements() == 0
        assert fresh(person).recovery_address == person.recovery_address
        entry = person.journal.get(event=Event.RECOVERY_REPLACEMENT_GIVEN_UP)
        assert (entry.actor, entry.details) == (other, {"correction": correction.pk, "reason": REASON})
        assert postman.deliver() == []
        assert set(person.messages.values_list("status", flat=True)) == {Status.CANCELLED}

    def test_whoever_proposed_may_take_it_back(self, person, agent):
        correction = proposed(person, agent)
        cancel_replacement(correction_id=correction.pk, agent=agent, reason=REASON)
        with pytest.raises(NotWaiting):
            approve_replacement(correction_id=correction.pk, agent=a_responsable())

    def test_once_in_force_there_is_nothing_to_cancel(self, person):
        correction = in_force(person)
        with pytest.raises(NotWaiting):
            cancel_replacement(correction_id=correction.pk, agent=a_responsable(), reason=REASON)
        assert fresh(person).recovery_address == GIVEN

    def test_the_old_address_cancels_it_and_locks_the_account(self, person, at_noon, postman):
        """HLP-05: « ce n’était pas moi », by POST, in a browser where nobody is signed in."""
        correction, old = approved(person), person.recovery_address
        [notice] = [mail for mail in postman.deliver() if mail["To"] == old]
        reader = Client()
        shown = reader.get(link_in(notice), follow=True).content.decode()
        assert "Remplacement de l’adresse de secours approuvé" in shown
        assert now_of(correction).is_open

        assert reader.post(reverse("not-me")).status_code == 302

        assert now_of(correction).given_up_at == NOON
        assert fresh(person).is_locked
        at_noon.shift(A_DAY)
        assert apply_due_replacements() == 0
        assert fresh(person).recovery_address == old

    def test_the_same_link_takes_it_back_afterwards(self, person, at_noon, postman):
        """HLP-07: seven days from the approval, the notice of the effect seven days from then."""
        old = person.recovery_address
        correction = approved(person)
        [notice] = [mail for mail in postman.deliver() if mail["To"] == old]
        at_noon.shift(A_DAY)
        apply_due_replacements()

        assert report(link_in(notice)).status_code == 302

        assert fresh(person).recovery_address == old
        assert fresh(person).is_locked
        assert now_of(correction).undone_at is not None
        assert events_of(person)[-2:] == [Event.RECOVERY_ADDRESS_CHANGED, Event.RECOVERY_ADDRESS_RESTORED]

    def test_the_notice_of_the_effect_takes_it_back_for_seven_days(self, person, at_noon, postman):
        """HLP-07"""
        old = person.recovery_address
        approved(person)
        at_noon.shift(A_DAY)
        apply_due_replacements()
        notices = [mail for mail in postman.deliver() if mail["To"] == old]
        link = link_in(notices[-1])
        at_noon.move_to(NOON + A_DAY + timedelta(days=7, seconds=1), tick=False)
        assert report(link).status_code == 410
        at_noon.move_to(NOON + A_DAY + timedelta(days=7), tick=False)
        assert report(link).status_code == 302
        assert fresh(person).recovery_address == old

    def test_whoever_objects_to_another_change_stops_it_too(self, person):
        """HLP-06: nothing waits on an account that somebody else may have."""
        entry = change_to(person)
        correction = approved(fresh(person))
        report_unauthorized_change(entry=entry)
        assert not now_of(correction).is_open

    def test_of_several_changes_the_first_address_comes_back(self, person, at_noon):
        """HLP-07: the person's own, then the agents'."""
        first = change_to(person)
        at_noon.shift(timedelta(minutes=1))
        approved(fresh(person))
        at_noon.shift(A_DAY)
        apply_due_replacements()
        assert fresh(person).recovery_address == GIVEN

        report_unauthorized_change(entry=first)

        assert fresh(person).recovery_address == person.recovery_address
        assert RecoveryAddressChange.objects.get().undone_at is not None
        assert RecoveryAddressCorrection.objects.get().undone_at is not None

    def test_an_address_that_is_disputed_or_missing_is_not_told(self):
        """TOK-10: the mailbox is."""
        for facts in ({"recovery_address": ""}, {"recovery_address_disputed_at": timezone.now()}):
            person = active_account(**facts)
            approved(person)
            assert mails(person) == {
                (Kind.RECOVERY_REPLACEMENT, person.institutional_address),
                (Kind.RECOVERY_ANNOUNCED, GIVEN),
            }

    def test_one_at_a_time(self, person, agent):
        first = proposed(person)
        with pytest.raises(AlreadyProposed) as refused:
            propose(person, agent, address="autre@exemple.org")
        assert refused.value.correction == first
        cancel_replacement(correction_id=first.pk, agent=agent, reason=REASON)
        assert propose(person, agent, address="autre@exemple.org").is_open

    def test_an_address_that_the_person_has_changed_meanwhile_is_not_overwritten(self, person, at_noon):
        """Whoever reads the newer one was told nothing."""
        to_approve, waiting = proposed(person), approved(active_account())
        change_to(person)
        with pytest.raises(AddressChangedMeanwhile):
            approve_replacement(correction_id=to_approve.pk, agent=a_responsable())
        change_to(waiting.account, "a.moi@exemple.org")
        at_noon.shift(A_DAY)

        assert apply_due_replacements() == 0

        assert fresh(waiting.account).recovery_address == "a.moi@exemple.org"
        assert now_of(waiting).given_up_at is not None
        assert now_of(to_approve).is_open

    def test_a_wish_of_the_person_is_given_up_when_it_comes_into_force(self, person, at_noon):
        """HLP-06"""
        approved(person)
        at_noon.shift(A_DAY)
        change = wish(person, "une.autre@exemple.org")
        apply_due_replacements()
        change.refresh_from_db()
        assert change.cancelled_at is not None

    def test_somebody_who_has_left_keeps_what_is_there(self, person, at_noon):
        correction, waits = proposed(active_account()), approved(person)
        for account in (correction.account, person):
            leave(account)
        with pytest.raises(AccountClosed):
            approve_replacement(correction_id=correction.pk, agent=a_responsable())
        with pytest.raises(AccountClosed):
            propose(correction.account, a_responsable())
        at_noon.shift(A_DAY)
        assert apply_due_replacements() == 0
        assert not now_of(waits).is_open

    def test_what_is_pointless_is_not_mailed(self, person, postman):
        """EML-04: cancelled before the worker came."""
        correction = approved(person)
        report_unauthorized_change(entry=person.journal.get(event=Event.RECOVERY_REPLACEMENT_APPROVED))
        postman.deliver()
        assert not now_of(correction).is_open
        about = (Kind.RECOVERY_REPLACEMENT, Kind.RECOVERY_ANNOUNCED)
        assert set(person.messages.filter(kind__in=about).values_list("status", flat=True)) == {Status.CANCELLED}


class TestOfALockedAccount:
    def test_the_link_of_the_release_goes_to_the_new_address_once_it_is_in_force(self, at_noon, postman):
        """HLP-05: the old one is dead, or somebody else's."""
        person = locked_person(recovery_address="")
        approved(person)
        at_noon.shift(A_DAY)
        apply_due_replacements()
        assert fresh(person).state == State.LOCKED
        assert not person.messages.filter(kind=Kind.REACTIVATION).exists()

        release(person)

        assert Message.objects.get(kind=Kind.REACTIVATION).address == GIVEN
        [link] = [mail for mail in postman.deliver() if mail["To"] == GIVEN and "débloqué" in mail["Subject"]]
        assert Client().get(link_in(link), follow=True).status_code == 200

    def test_released_while_it_waits_the_link_goes_to_the_address_on_file_then_to_the_new_one(self, at_noon):
        """HLP-05"""
        person = locked_person()
        approved(person)
        release(person)
        links = person.messages.filter(kind=Kind.REACTIVATION).order_by("pk")
        assert list(links.values_list("address", flat=True)) == [person.recovery_address]

        at_noon.shift(A_DAY)
        assert apply_due_replacements() == 1

        assert list(links.values_list("address", flat=True)) == [person.recovery_address, GIVEN]

    def test_somebody_who_was_released_before_activating_gets_an_activation_link(self, at_noon):
        newcomer = lock_of(pending_account())
        approved(newcomer)
        release(newcomer)
        at_noon.shift(A_DAY)
        apply_due_replacements()
        assert (Kind.ACTIVATION, GIVEN) in mails(newcomer)

    def test_what_came_into_force_is_to_be_ticked_at_the_release(self):
        """HLP-06"""
        person = locked_person()
        in_force(person)
        assert Event.RECOVERY_ADDRESS_CHANGED in [entry.event for entry in changes_to_review(person)]

    def test_the_notice_of_an_approval_is_dead_after_the_release(self):
        """HLP-02"""
        person = locked_person()
        approved(person)
        entry = person.journal.get(event=Event.RECOVERY_REPLACEMENT_APPROVED)
        token = not_me_link.token(fresh(person), not_me_link.deadline(entry.at), entry.pk)
        release(person)
        with pytest.raises(InvalidLink):
            not_me_link.open(token)


class TestTheBeat:
    def test_knows_the_task(self):
        app.loader.import_default_modules()
        schedule = {entry["task"]: entry["schedule"] for entry in app.conf.beat_schedule.values()}
        assert beat.name in app.tasks
        assert schedule[beat.name] == timedelta(minutes=1)

    def test_twice_is_once_however_late(self, person, at_noon):
        """AVL-02: the worker was away for days."""
        approved(person)
        at_noon.shift(timedelta(days=9))
        assert (apply_due_replacements(), apply_due_replacements()) == (1, 0)
        assert events_of(person).count(Event.RECOVERY_ADDRESS_CHANGED) == 1
        assert person.messages.filter(kind=Kind.RECOVERY_CHANGED).count() == 2

    def test_one_that_fails_holds_up_no_other_and_is_tried_again(self, at_noon, monkeypatch, caplog):
        """AVL-02"""
        broken, fine = approved(active_account()), approved(active_account())
        at_noon.shift(A_DAY)
        put_in_force = recovery_corrections.set_recovery_address

        def fail(account: Account, address: str) -> None:
            put_in_force(account, address)
            if account.pk == broken.account_id:
                raise OSError

        monkeypatch.setattr(recovery_corrections, "set_recovery_address", fail)
        assert apply_due_replacements() == 1
        assert (now_of(broken).is_open, now_of(fine).is_open) == (True, False)
        assert fresh(broken.account).recovery_address == broken.previous_address
        assert GIVEN not in caplog.text
        monkeypatch.undo()
        assert apply_due_replacements() == 1

    def test_nothing_comes_into_force_by_its_key_before_its_time(self, person):
        assert not apply_replacement(correction_id=proposed(active_account()).pk)
        assert not apply_replacement(correction_id=approved(person).pk)
        assert fresh(person).recovery_address == person.recovery_address


class TestWhatHrProposes:
    def addresses(self) -> list[str]:
        return [entry.proposed for entry in waiting_proposals()]

    def test_the_file_proposes_and_an_agent_sees(self):
        """ADM-08: for somebody who has activated, and for a locked account."""
        imported(row(hr_id="HR-1", recovery_address="une@exemple.net"))
        account = Account.objects.get(hr_id="HR-1")
        lock_account(account=account, reason=LockReason.OTHER)
        imported(row(hr_id="HR-1", recovery_address="deux@exemple.net"))
        [entry] = waiting_proposals()
        assert (entry.account, entry.proposed) == (account, "deux@exemple.net")

    def test_the_latest_for_each_person(self, person):
        yesterday = timezone.now() - timedelta(days=1)
        proposed_by_hr(person, "trois@exemple.org")
        proposed_by_hr(active_account(), "deux@exemple.org", at=yesterday)
        proposed_by_hr(person, "une@exemple.org", at=yesterday - timedelta(days=1))
        assert self.addresses() == ["deux@exemple.org", "trois@exemple.org"]

    def test_not_what_is_on_file(self, person):
        proposed_by_hr(person, "rh@exemple.org")
        change_to(person, "rh@exemple.org")
        assert self.addresses() == []

    def test_not_of_agents_nor_of_those_who_have_left(self, person):
        for account in (an_agent(), person):
            proposed_by_hr(account, "rh@exemple.org")
        leave(person)
        assert self.addresses() == []

    def test_not_what_an_agent_has_dismissed_until_hr_has_another(self, person, agent):
        entry = proposed_by_hr(person, "rh@exemple.org")
        dismiss_proposal(entry_id=entry.pk, agent=agent, reason=REASON)
        assert self.addresses() == []
        kept = person.journal.get(event=Event.RECOVERY_PROPOSAL_DISMISSED)
        assert (kept.actor, kept.details) == (agent, {"proposal": entry.pk, "reason": REASON})
        with pytest.raises(ProposalAlreadyHandled):
            dismiss_proposal(entry_id=entry.pk, agent=agent, reason=REASON)
        proposed_by_hr(person, "autre@exemple.org")
        assert self.addresses() == ["autre@exemple.org"]

    def test_what_is_no_proposal_is_not_dismissed(self, person, agent):
        """ADM-06: the key of something else."""
        other = change_to(person)
        for key in (other.pk, 10**9):
            with pytest.raises(ProposalAlreadyHandled):
                dismiss_proposal(entry_id=key, agent=agent, reason=REASON)

    def test_not_what_an_agent_has_taken_up_whatever_became_of_it(self, person, agent):
        proposed_by_hr(person, GIVEN)
        correction = proposed(person)
        assert self.addresses() == []
        cancel_replacement(correction_id=correction.pk, agent=agent, reason=REASON)
        assert self.addresses() == []

    def test_another_address_by_agents_does_not_settle_it(self, person):
        proposed_by_hr(person, "rh@exemple.org")
        in_force(person)
        assert self.addresses() == ["rh@exemple.org"]


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """The row of the account decides who comes first; the other one is told."""

    def test_two_approvals(self):
        for _ in range(4):
            person = active_account()
            correction, agents = proposed(person), [a_responsable(), a_responsable()]
            got = at_once(
                *(
                    lambda agent=agent, pk=correction.pk: approve_replacement(correction_id=pk, agent=agent)
                    for agent in agents
                )
            )
            assert sorted(type(one).__name__ for one in got) == ["NotWaiting", "RecoveryAddressCorrection"]
            assert person.messages.filter(kind=Kind.RECOVERY_ANNOUNCED).count() == 1
            assert events_of(person).count(Event.RECOVERY_REPLACEMENT_APPROVED) == 1

    def test_an_approval_and_a_refusal(self):
        for _ in range(4):
            person = active_account()
            pk, agents = proposed(person).pk, [a_responsable(), a_responsable()]
            yes, no = at_once(
                lambda pk=pk, agents=agents: approve_replacement(correction_id=pk, agent=agents[0]),
                lambda pk=pk, agents=agents: cancel_replacement(correction_id=pk, agent=agents[1], reason=REASON),
            )
            # Refusing what has just been approved cancels it: nobody's no is lost.
            assert isinstance(no, RecoveryAddressCorrection)
            assert isinstance(yes, RecoveryAddressCorrection | NotWaiting)
            assert not RecoveryAddressCorrection.objects.open().filter(pk=pk).exists()

    def test_a_cancellation_and_the_hour(self):
        for _ in range(4):
            person, agent = active_account(), a_responsable()
            pk = approved(person).pk
            past = timezone.now() - timedelta(seconds=1)
            RecoveryAddressCorrection.objects.filter(pk=pk).update(approved_at=past - A_DAY, effective_at=past)
            was_applied, cancelled = at_once(
                lambda pk=pk: apply_replacement(correction_id=pk),
                lambda pk=pk, agent=agent: cancel_replacement(correction_id=pk, agent=agent, reason=REASON),
            )
            assert was_applied is isinstance(cancelled, NotWaiting)
            address = GIVEN if was_applied else person.recovery_address
            assert fresh(person).recovery_address == address

    def test_two_workers(self):
        people = [active_account() for _ in range(3)]
        for person in people:
            pk, past = approved(person).pk, timezone.now() - timedelta(seconds=1)
            RecoveryAddressCorrection.objects.filter(pk=pk).update(approved_at=past - A_DAY, effective_at=past)
        assert sum(at_once(apply_due_replacements, apply_due_replacements)) == len(people)
        for person in people:
            assert events_of(person).count(Event.RECOVERY_ADDRESS_CHANGED) == 1
            assert person.messages.filter(kind=Kind.RECOVERY_CHANGED).count() == 2

    def test_two_proposals(self):
        for _ in range(3):
            person, agents = active_account(), [a_responsable(), a_responsable()]
            got = at_once(
                *(
                    lambda agent=agent, person=person: propose(person, agent, address=f"a{agent.pk}@exemple.org")
                    for agent in agents
                )
            )
            assert sorted(type(one).__name__ for one in got) == ["AlreadyProposed", "RecoveryAddressCorrection"]

    def test_an_objection_and_the_hour(self):
        """HLP-07: whoever comes second, the old address is there and the account locked."""
        for _ in range(3):
            person = active_account()
            pk, past = approved(person).pk, timezone.now() - timedelta(seconds=1)
            RecoveryAddressCorrection.objects.filter(pk=pk).update(approved_at=past - A_DAY, effective_at=past)
            entry = person.journal.get(event=Event.RECOVERY_REPLACEMENT_APPROVED)
            at_once(
                lambda pk=pk: apply_replacement(correction_id=pk),
                lambda entry=entry: report_unauthorized_change(entry=entry),
            )
            assert fresh(person).recovery_address == person.recovery_address
            assert fresh(person).is_locked


def test_refusals_are_of_one_family():
    for refusal in (
        CorrectionNotAllowed,
        OwnProposal,
        AccountClosed,
        NeedsTwoAgents,
        CorrectionNotProven,
        AddressChangedMeanwhile,
    ):
        assert issubclass(refusal, CorrectionRefused)
