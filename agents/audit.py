"""What agents open is in the journal of the account that they open (design §9)."""

from django.db import transaction

from accounts.models import Account
from journal.events import Event
from journal.services import record_event


@transaction.atomic
def record_account_opened(*, account: Account, actor: Account) -> None:
    """Record that an agent has opened the account's page."""
    record_event(account=account, actor=actor, event=Event.ACCOUNT_OPENED)


@transaction.atomic
def record_journal_read(*, account: Account, actor: Account) -> None:
    """Record that an agent has read the entries of the journal that are about the account."""
    record_event(account=account, actor=actor, event=Event.JOURNAL_READ)


@transaction.atomic
def record_address_read(*, account: Account, actor: Account) -> None:
    """Record that an agent has read the recovery address in full."""
    record_event(account=account, actor=actor, event=Event.RECOVERY_ADDRESS_READ)
