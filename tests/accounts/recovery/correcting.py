"""Recovery addresses given by agents or proposed by HR."""

from datetime import datetime, timedelta
from typing import Any

import time_machine
from django.utils import timezone

from accounts.enums import Proof
from accounts.models import Account, RecoveryAddressCorrection
from accounts.recovery.corrections import (
    apply_replacement,
    approve_replacement,
    cancel_replacement,
    propose_replacement,
)
from agents.roles import Role
from journal.events import Event
from journal.models import JournalEntry
from tests.agents.signed_in import an_agent

GIVEN = "donnee@exemple.org"
REPORT = "Carte d’identité vue au guichet."
REASON = "Faute de frappe dans le fichier RH."


def a_responsable(**facts: Any) -> Account:
    return an_agent(Role.RESPONSABLES, **facts)


def proposed(
    person: Account, agent: Account | None = None, *, address: str = GIVEN, proof: Proof = Proof.IN_PERSON
) -> RecoveryAddressCorrection:
    agent = agent or a_responsable()
    return propose_replacement(account=person, agent=agent, address=address, proof=proof, note=REPORT)


def approve(correction: RecoveryAddressCorrection, agent: Account | None = None) -> RecoveryAddressCorrection:
    return approve_replacement(correction_id=correction.pk, agent=agent or a_responsable())


def cancel(correction: RecoveryAddressCorrection, agent: Account) -> RecoveryAddressCorrection:
    return cancel_replacement(correction_id=correction.pk, agent=agent, reason=REASON)


def now_of(correction: RecoveryAddressCorrection) -> RecoveryAddressCorrection:
    return RecoveryAddressCorrection.objects.get(pk=correction.pk)


def approved(person: Account, *, address: str = GIVEN, by: Account | None = None) -> RecoveryAddressCorrection:
    return approve(proposed(person, address=address), by)


def in_force(person: Account, *, address: str = GIVEN) -> RecoveryAddressCorrection:
    """Approved a day ago, applied now."""
    now = timezone.now()
    with time_machine.travel(now - timedelta(days=1, seconds=1), tick=False):
        correction = approved(person, address=address)
    assert apply_replacement(correction_id=correction.pk)
    return now_of(correction)


def proposed_by_hr(person: Account, address: str, *, at: datetime | None = None) -> JournalEntry:
    return JournalEntry.objects.create(
        account=person,
        event=Event.RECOVERY_ADDRESS_PROPOSED,
        at=at or timezone.now(),
        source="command",
        details={"proposed": address},
    )
