"""Journal entries about what agents read."""

from django.db import transaction

from accounts.models import Account
from journal.events import Event
from journal.services import record_event


@transaction.atomic
def record_account_opened(*, account: Account, actor: Account) -> None:
    record_event(account=account, actor=actor, event=Event.ACCOUNT_OPENED)


@transaction.atomic
def record_journal_read(*, account: Account, actor: Account) -> None:
    record_event(account=account, actor=actor, event=Event.JOURNAL_READ)


@transaction.atomic
def record_address_read(*, account: Account, actor: Account) -> None:
    record_event(account=account, actor=actor, event=Event.RECOVERY_ADDRESS_READ)
