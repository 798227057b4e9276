"""Expiry of unverified forwarding addresses."""

from datetime import datetime

from django.db.models import Exists, OuterRef
from django.utils import timezone

from core.retention import Rows, retention_rule
from journal.events import Event
from journal.services import record_event
from mailrouting.models import Redirection
from outbox.enums import Kind
from outbox.models import Message


def cancel_unverified(redirections: list[Redirection]) -> None:
    for redirection in redirections:
        target = redirection.target
        redirection.target, redirection.keep_copy, redirection.chosen_at = "", True, timezone.now()
        redirection.save(update_fields=["target", "keep_copy", "chosen_at"])
        record_event(account=redirection.account, event=Event.REDIRECTION_EXPIRED, target=target)


@retention_rule("waiting-redirections", after="RETENTION_WAITING_DAYS", by=cancel_unverified, lock=("self", "account"))
def unconfirmed_redirections(limit: datetime) -> Rows:
    """Redirections still unverified at the limit, counted from the last verification mail."""
    written_to = Message.objects.filter(kind=Kind.REDIRECTION_VERIFICATION, subject_id=OuterRef("pk"))
    waiting = Redirection.objects.waiting().select_related("account").filter(chosen_at__lt=limit)
    return waiting.exclude(Exists(written_to.asked_since(limit)))
