"""What agents open is in the journal of the account that they open (design §9)."""

from django.db import transaction

from accounts import journal
from accounts.enums import Event
from accounts.models import Account


@transaction.atomic
def note_opened(*, account: Account, actor: Account) -> None:
    """Record that an agent has opened the account's page."""
    journal.record(account=account, actor=actor, event=Event.ACCOUNT_OPENED)


@transaction.atomic
def note_journal_read(*, account: Account, actor: Account) -> None:
    """Record that an agent has read the entries of the journal that are about the account."""
    journal.record(account=account, actor=actor, event=Event.JOURNAL_READ)


@transaction.atomic
def note_address_read(*, account: Account, actor: Account) -> None:
    """Record that an agent has read the recovery address in full."""
    journal.record(account=account, actor=actor, event=Event.RECOVERY_ADDRESS_READ)
