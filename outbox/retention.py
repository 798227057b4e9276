from datetime import datetime

from core.retention import Rows, retention_rule
from outbox.enums import UNFINISHED
from outbox.models import Message


@retention_rule("mails", after="RETENTION_MAILS_DAYS")
def finished_mails(limit: datetime) -> Rows:
    """Who was written to, where, about what, and what became of it; the texts themselves are kept nowhere."""
    return Message.objects.filter(created_at__lt=limit).exclude(status__in=UNFINISHED)
