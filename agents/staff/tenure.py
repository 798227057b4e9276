"""From when an agent counts as one of the two who replace a recovery address.

One Responsable could otherwise appoint a newcomer whose account they hold, and approve their own proposal.
"""

from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models import Account

#: From an appointment or an enrolment code: all Responsables are told of it, and have this long to object.
TENURE = timedelta(days=7)


def start_tenure(account: Account, *, actor: Account | None) -> None:
    """The command line, where `actor` is None, vouches for the agent: the first two have no colleague to wait for."""
    account.approves_from = approves_from(actor)
    account.save(update_fields=["approves_from"])


def approves_from(actor: Account | None) -> datetime:
    return timezone.now() + (TENURE if actor is not None else timedelta())
