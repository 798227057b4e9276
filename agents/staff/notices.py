"""Mails to all Responsables about changes of the agents: what one of them does alone, the others see."""

from accounts.models import Account, AccountQuerySet
from accounts.notifications import notification_addresses
from agents.roles import Role
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from outbox.services import queue_emails


def responsables() -> AccountQuerySet:
    """Those who may read such a mail, with a device or not."""
    active: AccountQuerySet = Account.objects.active()
    return active.filter(is_staff=True, groups__name=Role.RESPONSABLES.value)


def tell_responsables(entry: JournalEntry) -> None:
    """The author too, whose session may be stolen; not the agent concerned, who gets a mail of their own."""
    queue_emails(
        Message(kind=Kind.AGENTS_CHANGED, person=one, address=address, language=one.language, subject_id=entry.pk)
        for one in responsables().exclude(pk=entry.account_id or 0).order_by("pk")
        for address in notification_addresses(one)
    )
