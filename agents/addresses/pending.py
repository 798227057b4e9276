"""Counts of the recovery addresses that wait for an agent."""

from dataclasses import dataclass

from accounts.models import RecoveryAddressCorrection
from hr_feed.proposals import waiting_proposals


@dataclass(frozen=True, slots=True)
class PendingAddresses:
    to_approve: int
    proposed_by_hr: int


def pending_addresses() -> PendingAddresses:
    return PendingAddresses(
        to_approve=RecoveryAddressCorrection.objects.to_approve().count(),
        proposed_by_hr=waiting_proposals().count(),
    )
