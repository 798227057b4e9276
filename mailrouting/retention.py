"""How long a forwarding address that nobody confirms is kept (FWD-03, PRV-05)."""

from datetime import datetime

from django.db.models import Exists, OuterRef
from django.utils import timezone

from core.retention import Rows, retention_rule
from journal.events import Event
from journal.services import record_event
from mailrouting.models import Redirection
from outbox.enums import Kind
from outbox.models import Message


def given_up(redirections: list[Redirection]) -> None:
    """Nothing was forwarded, nothing will be; the person reads why in the history of the account."""
    for redirection in redirections:
        target = redirection.target
        redirection.target, redirection.keep_copy, redirection.chosen_at = "", True, timezone.now()
        redirection.save(update_fields=["target", "keep_copy", "chosen_at"])
        record_event(account=redirection.account, event=Event.REDIRECTION_EXPIRED, target=target)


@retention_rule("waiting-redirections", after="RETENTION_WAITING_DAYS", by=given_up, lock=("self", "account"))
def unconfirmed_redirections(limit: datetime) -> Rows:
    """Forwarding addresses that nobody has confirmed since they were last written to."""
    written_to = Message.objects.filter(kind=Kind.REDIRECTION_VERIFICATION, subject_id=OuterRef("pk"))
    waiting = Redirection.objects.waiting().select_related("account").filter(chosen_at__lt=limit)
    return waiting.exclude(Exists(written_to.asked_since(limit)))
