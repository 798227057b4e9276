"""Recovery addresses given by agents: corrections at once, and who may do what (HLP-05, ADM-05)."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.enums import Proof
from accounts.links.signed_link import InvalidLink
from accounts.models import Account, RecoveryAddressCorrection
from accounts.recovery.changes import SameAddress
from accounts.recovery.corrections import (
    AccountClosed,
    AlreadyProposed,
    CorrectionNotAllowed,
    NeedsTwoAgents,
    OwnProposal,
    correct_at_once,
)
from activation.links import activation_link
from agents.roles import Role
from agents.staff.services import change_role, grant_role
from hr_feed.proposals import dismiss_proposal, waiting_proposal_for, waiting_proposals
from journal.events import Event
from outbox.enums import Kind, Status
from tests.accounts.recovery.recovering import (
    GIVEN,
    REASON,
    REPORT,
    a_responsable,
    approve,
    cancel,
    close,
    lock,
    now_of,
    proposed,
    proposed_by_hr,
)
from tests.agents.signed_in import an_agent, enrol_device
from tests.factories import active_account, pending_account, reloaded
from tests.hr_feed.hr_files import imported, row
from tests.locking import locked_account, unlock, unlocked_account
from tests.mail_delivery import link_in, text_of

pytestmark = pytest.mark.django_db

A_DAY = timedelta(hours=24)


@pytest.fixture
def newcomer() -> Account:
    return pending_account()


@pytest.fixture
def agent() -> Account:
    return a_responsable()


def correct(account: Account, agent: Account, address: str = GIVEN) -> RecoveryAddressCorrection:
    return correct_at_once(account=account, agent=agent, address=address, reason=REASON)


def mails(account: Account) -> set[tuple[str, str]]:
    return set(account.messages.values_list("kind", "address"))


def locked(account: Account) -> Account:
    lock(account)
    return reloaded(account)


class TestCorrectionAtOnce:
    def test_older_links_die_and_the_new_address_gets_one(self, newcomer, agent, mail_delivery):
        """TOK-07, EML-04, LOG-01: the old address is notified, the journal names the agent and no address."""
        old = newcomer.recovery_address
        older = activation_link.token(newcomer, activation_link.deadline(timezone.now()))
        newcomer.messages.create(kind=Kind.NEW_LINK, address=old)

        correction = correct(newcomer, agent)

        with pytest.raises(InvalidLink):
            activation_link.open(older)
        to_old, to_new = mail_delivery.deliver()
        assert (to_old["To"], to_new["To"]) == (old, GIVEN)
        assert "Cette adresse avait été indiquée" in text_of(to_old)
        assert GIVEN not in text_of(to_old)
        assert Client().get(link_in(to_new), follow=True).status_code == 200
        assert newcomer.messages.get(kind=Kind.NEW_LINK).status == Status.CANCELLED
        [entry] = newcomer.journal.filter(event=Event.RECOVERY_ADDRESS_CORRECTED)
        assert (entry.actor, entry.details) == (agent, {"correction": correction.pk, "reason": REASON})
        kept = now_of(correction)
        assert (kept.previous_address, kept.new_address, kept.proof) == (old, GIVEN, "")
        assert (kept.proposed_by, kept.applied_at) == (agent, entry.at)

    def test_a_disputed_or_missing_address_gets_no_notice_and_may_be_corrected_back(
        self, newcomer, agent, mail_delivery
    ):
        """TOK-10"""
        for facts in ({"recovery_address_disputed_at": timezone.now()}, {"recovery_address": ""}):
            account = pending_account(**facts)
            correct(account, agent)
            assert reloaded(account).can_be_mailed
            assert mails(account) == {(Kind.ACTIVATION, GIVEN)}
        old = newcomer.recovery_address
        for address in (GIVEN, old):
            correct(newcomer, agent, address)
        assert reloaded(newcomer).recovery_address == old
        mail_delivery.deliver()
        sent = newcomer.messages.filter(status=Status.SENT)
        assert set(sent.values_list("kind", "address")) == {(Kind.ACTIVATION, old), (Kind.RECOVERY_CORRECTED, GIVEN)}

    def test_the_next_hr_file_neither_overwrites_it_nor_proposes_the_old_one(self, agent):
        """ADM-08"""
        imported(row(hr_id="HR-1", recovery_address="slip@exemple.net"))
        newcomer = Account.objects.get(hr_id="HR-1")
        correct(newcomer, agent)
        for _ in range(2):
            imported(row(hr_id="HR-1", recovery_address="slip@exemple.net"))
        assert reloaded(newcomer).recovery_address == GIVEN
        assert newcomer.messages.filter(kind=Kind.ACTIVATION, address="slip@exemple.net").count() == 1
        assert not waiting_proposals().exists()
        imported(row(hr_id="HR-1", recovery_address="encore@exemple.net"))
        assert waiting_proposal_for(newcomer).proposed == "encore@exemple.net"

    def test_what_is_refused(self, newcomer, agent):
        """HLP-05: used or locked accounts need two agents."""
        for account in (active_account(), locked_account(), unlocked_account(), locked(pending_account())):
            before = mails(account)
            with pytest.raises(NeedsTwoAgents):
                correct(account, agent)
            assert (reloaded(account).recovery_address, mails(account)) == (account.recovery_address, before)
        with pytest.raises(SameAddress):
            correct(newcomer, agent, newcomer.recovery_address.replace("exemple", "EXEMPLE"))
        unlocked = locked(pending_account())
        correction = proposed(unlocked)
        unlock(unlocked)
        with pytest.raises(AlreadyProposed) as refused:
            correct(unlocked, agent)
        assert refused.value.correction == correction
        close(newcomer)
        with pytest.raises(AccountClosed):
            correct(newcomer, agent)


class TestPermissions:
    """ADM-05, HLP-05"""

    def test_the_proposer_does_not_approve_even_after_a_change_of_role(self, person, agent):
        """HLP-05"""
        correction = proposed(person, agent)
        with pytest.raises(OwnProposal):
            approve(correction, agent)
        enrol_device(a_responsable())
        for role, refusal in ((Role.ASSISTANCE, CorrectionNotAllowed), (Role.RESPONSABLES, OwnProposal)):
            change_role(account=agent, role=role)
            with pytest.raises(refusal):
                approve(correction, reloaded(agent))
        assert now_of(correction).approved_at is None
        assert mails(person) == set()

    def test_agents_without_the_permission_or_locked_do_nothing(self, person, newcomer):
        """ADM-05, HLP-01"""
        correction, entry = proposed(active_account()), proposed_by_hr(person, "rh@exemple.org")
        for agent in (an_agent(Role.LECTURE), an_agent(Role.ASSISTANCE), locked(a_responsable())):
            for act in (
                lambda: correct(newcomer, agent),
                lambda: proposed(person, agent),
                lambda: approve(correction, agent),
                lambda: cancel(correction, agent),
                lambda: dismiss_proposal(entry_id=entry.pk, agent=agent, reason=REASON),
            ):
                with pytest.raises(CorrectionNotAllowed):
                    act()
        assert now_of(correction).is_open

    def test_agents_do_not_correct_their_own_address_nor_another_agents(self, person, agent):
        """ADM-05"""
        for account in (agent, an_agent(), a_responsable()):
            with pytest.raises(CorrectionNotAllowed):
                proposed(account, agent)
        correction = proposed(person)
        grant_role(account=person, role=Role.RESPONSABLES)
        with pytest.raises(CorrectionNotAllowed):
            approve(correction, reloaded(person))

    def test_the_database_refuses_as_well(self, person):
        """HLP-05"""
        correction, now = proposed(person), timezone.now()
        approval = {"approved_at": now, "effective_at": now + A_DAY}
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
                RecoveryAddressCorrection.objects.filter(pk=correction.pk).update(**wrong)
        with pytest.raises(IntegrityError), transaction.atomic():
            RecoveryAddressCorrection.objects.create(account=person, new_address="b@exemple.net", note=REPORT)
