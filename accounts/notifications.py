"""Telling people what was changed on their account, wherever they can be reached."""

from accounts.models import Account
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_email


def notify_change(*, kind: Kind, entry: JournalEntry) -> list[Message]:
    """Mail every address on file about the change that `entry` records (PWD-06, FWD-04): the recovery address, and the
    university mailbox of those who have one. Call it in the transaction of the change.
    """
    account = entry.account
    assert account is not None
    return [
        queue_email(kind=kind, person=account, address=address, language=account.language, subject_id=entry.pk)
        for address in notification_addresses(account)
    ]


def notification_addresses(account: Account) -> list[str]:
    """Where the person can be written to; not where somebody else has said that it is theirs."""
    recovery = [account.recovery_address] if account.can_be_mailed else []
    mailbox = [account.institutional_address] if hasattr(account, "mailbox") else []
    return recovery + mailbox
