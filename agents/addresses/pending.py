"""How many recovery addresses wait for an agent who may correct them."""

from dataclasses import dataclass

from accounts.models import RecoveryAddressCorrection
from hr_feed.proposals import waiting_proposals


@dataclass(frozen=True, slots=True)
class PendingAddresses:
    """What the page of the addresses lists, in two figures."""

    to_approve: int
    proposed_by_hr: int


def pending_addresses() -> PendingAddresses:
    """Count them."""
    return PendingAddresses(
        to_approve=RecoveryAddressCorrection.objects.to_approve().count(),
        proposed_by_hr=waiting_proposals().count(),
    )
