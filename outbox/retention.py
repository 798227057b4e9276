from datetime import datetime

from core.retention import Rows, retention_rule
from outbox.enums import UNFINISHED
from outbox.models import Message


@retention_rule("mails", after="RETENTION_MAILS_DAYS")
def finished_mails(limit: datetime) -> Rows:
    """Rows have recipient, kind and status; texts are not stored."""
    return Message.objects.filter(created_at__lt=limit).exclude(status__in=UNFINISHED)
