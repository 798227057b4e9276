from django.conf import settings
from django.urls import reverse

from accounts.emails import notice
from agents.staff.notices import responsables
from agents.staff.tenure import TENURE
from journal.events import Event
from journal.models import JournalEntry
from outbox.enums import Kind
from outbox.models import Message
from outbox.registry import Email, register_email


@register_email(Kind.SECOND_FACTOR_CHANGED)
def second_factor_changed(message: Message) -> Email | None:
    return notice(message, "assistance/emails/second_factor_changed")


@register_email(Kind.ROLE_CHANGED)
def role_changed(message: Message) -> Email | None:
    # No link that locks the account: the role was given or withdrawn by another agent.
    entries = JournalEntry.objects.filter(account=message.person_id, pk=message.subject_id or 0)
    entry = entries.select_related("account").first()
    if entry is None or entry.account is None or entry.account.is_closed:
        return None
    assistance_url = f"{settings.PORTAL_URL}{reverse('assistance')}"
    context = {
        "account": entry.account,
        "entry": entry,
        "is_withdrawn": entry.event == Event.ROLE_WITHDRAWN,
        "assistance_url": assistance_url,
    }
    return Email("assistance/emails/role_changed", context)


@register_email(Kind.AGENTS_CHANGED)
def agents_changed(message: Message) -> Email | None:
    """To each Responsable, unless they are one no more."""
    reader = responsables().filter(pk=message.person_id or 0).first()
    entries = JournalEntry.objects.filter(pk=message.subject_id or 0)
    entry = entries.select_related("account", "actor").first()
    if reader is None or entry is None or entry.account is None:
        return None
    context = {
        "account": reader,
        "entry": entry,
        "waits_days": TENURE.days if entry.actor and entry.event != Event.ROLE_WITHDRAWN else 0,
        "agents_url": f"{settings.PORTAL_URL}{reverse('admin:agents')}",
    }
    return Email("assistance/emails/agents_changed", context)
