"""Recovery addresses that the HR file proposes and agents decide about (ADM-08)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.enums import LockReason
from accounts.locking.lock import lock_account
from accounts.models import Account
from accounts.recovery.corrections import cancel_replacement
from hr_feed.proposals import ProposalAlreadyHandled, dismiss_proposal, waiting_proposals
from journal.events import Event
from tests.accounts.recovery.recovering import (
    GIVEN,
    REASON,
    a_responsable,
    change_to,
    in_force,
    proposed,
    proposed_by_hr,
)
from tests.agents.signed_in import an_agent
from tests.factories import active_account
from tests.hr_feed.hr_files import imported, imported_account, row

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Account:
    return active_account()


@pytest.fixture
def agent() -> Account:
    return a_responsable()


def addresses() -> list[str]:
    return [entry.proposed for entry in waiting_proposals()]


def test_the_import_proposes_the_latest_address_of_each_account(person):
    """ADM-08"""
    imported(row(recovery_address="une@exemple.net"))
    lock_account(account=imported_account(), reason=LockReason.OTHER)
    imported(row(recovery_address="deux@exemple.net"))
    [entry] = waiting_proposals()
    assert (entry.account, entry.proposed) == (imported_account(), "deux@exemple.net")
    yesterday = timezone.now() - timedelta(days=1)
    proposed_by_hr(person, "quatre@exemple.org")
    proposed_by_hr(active_account(), "trois@exemple.org", at=yesterday)
    proposed_by_hr(person, "une@exemple.org", at=yesterday - timedelta(days=1))
    assert addresses() == ["trois@exemple.org", "deux@exemple.net", "quatre@exemple.org"]


def test_addresses_on_file_of_agents_and_of_closed_accounts_are_left_out(person):
    closed = active_account(end_date=timezone.localdate() - timedelta(days=1))
    for account in (an_agent(), closed, person):
        proposed_by_hr(account, "rh@exemple.org")
    change_to(person, "rh@exemple.org")
    assert addresses() == []


def test_a_dismissed_proposal_is_left_out_until_hr_has_another(person, agent):
    """ADM-06: only proposals can be dismissed."""
    entry = proposed_by_hr(person, "rh@exemple.org")
    other = change_to(active_account())
    dismiss_proposal(entry_id=entry.pk, agent=agent, reason=REASON)
    assert addresses() == []
    kept = person.journal.get(event=Event.RECOVERY_PROPOSAL_DISMISSED)
    assert (kept.actor, kept.details) == (agent, {"proposal": entry.pk, "reason": REASON})
    for key in (entry.pk, other.pk, 10**9):
        with pytest.raises(ProposalAlreadyHandled):
            dismiss_proposal(entry_id=key, agent=agent, reason=REASON)
    proposed_by_hr(person, "autre@exemple.org")
    assert addresses() == ["autre@exemple.org"]


def test_a_replacement_by_agents_settles_the_proposal_of_its_address_only(person, agent):
    proposed_by_hr(person, GIVEN)
    correction = proposed(person)
    assert addresses() == []
    cancel_replacement(correction_id=correction.pk, agent=agent, reason=REASON)
    assert addresses() == []
    other = active_account()
    proposed_by_hr(other, "rh@exemple.org")
    in_force(other)
    assert addresses() == ["rh@exemple.org"]
