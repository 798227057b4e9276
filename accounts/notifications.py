from accounts.models import Account
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_email


def notify_change(*, kind: Kind, entry: JournalEntry) -> list[Message]:
    """Mail the recovery address and the university mailbox. Call it in the transaction of the change."""
    account = entry.account
    assert account is not None
    return [
        queue_email(kind=kind, person=account, address=address, language=account.language, subject_id=entry.pk)
        for address in notification_addresses(account)
    ]


def notification_addresses(account: Account) -> list[str]:
    """Without a disputed recovery address."""
    recovery = [account.recovery_address] if account.can_be_mailed else []
    mailbox = [account.institutional_address] if hasattr(account, "mailbox") else []
    return recovery + mailbox
